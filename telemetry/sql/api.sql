-- name: alarm history
select time, writer, number, alarm, occurrence, transition, letter, priority, value, person, comment
from alarm_event
where (%(start)s::timestamptz is null or time >= %(start)s)
  and (%(end)s::timestamptz is null or time < %(end)s)
  and (%(alarm)s::text is null or alarm = %(alarm)s)
order by time desc, number desc limit %(limit)s;

-- name: events
select time, writer, number, kind, data
from event
where (%(start)s::timestamptz is null or time >= %(start)s)
  and (%(end)s::timestamptz is null or time < %(end)s)
  and (%(kind)s::text is null or kind = %(kind)s)
order by time desc, number desc limit %(limit)s;

-- name: readings
select time, tag, value, quality, reason, unit, source_time, received_time
from reading where tag = %(tag)s and time >= %(start)s and time < %(end)s order by time;

-- name: readings in buckets
select
    time_bucket(%(width)s, time) as time, %(tag)s as tag,
    avg(value) as value, min(value) as min, max(value) as max,
    count(value) as count, count(*) filter (where quality <> 'Good') as not_good,
    case when count(*) filter (where quality = 'Bad') > 0 then 'Bad'
         when count(*) filter (where quality = 'Uncertain') > 0 then 'Uncertain' else 'Good' end as quality,
    min(unit) as unit
from reading where tag = %(tag)s and time >= %(start)s and time < %(end)s group by 1 order by 1;

-- name: historian age
select extract(epoch from now() - max(moved))::double precision as age_s from journal_position where stream = 'frames';
