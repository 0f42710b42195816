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

-- name: historian age
select extract(epoch from now() - max(moved))::double precision as age_s from journal_position where stream = 'frames';

-- name: bound statements
-- Compiling a question of many chunks takes ten times as long as answering it (30 days of minutes: 980 ms against 170).
select set_config('statement_timeout', '60s', false), set_config('jit', 'off', false);

-- name: look at every table
-- A connection learns of all chunks at its first question; nobody shall wait for that.
select (select 1 from frame where layout = 0 limit 1), (select 1 from frame_diagnostic where layout = 0 limit 1),
    (select 1 from rollup_1m where layout = 0 limit 1), (select 1 from rollup_1h where layout = 0 limit 1);
