-- name: layouts of a tag
-- Of an old layout that has no `since`, its first frame tells.
select l.id, t.slot, l.class, l.record, l.period_s, l.until, coalesce(l.since, case l.class
    when 'gmp' then (select f.time from frame f where f.layout = l.id order by f.time limit 1)
    else (select f.time from frame_diagnostic f where f.layout = l.id order by f.time limit 1) end) as since
from layout_tag t join layout l on l.id = t.layout where t.tag = %(tag)s order by since, l.id;

-- name: unit of a stored tag
select unit from tag where id = %(tag)s;

-- name: newest stored time
select max(time) from journal_position where stream = 'frames';

-- name: count of frames
select count(*) from (
    select 1 from {table} f where f.layout = %(layout)s and f.time >= %(start)s and f.time < %(end)s limit %(limit)s
) f;

-- name: span of frames
select
    (select f.time from {table} f where f.layout = %(layout)s and f.time >= %(start)s and f.time < %(end)s
     order by f.time limit 1),
    (select f.time from {table} f where f.layout = %(layout)s and f.time >= %(start)s and f.time < %(end)s
     order by f.time desc limit 1);

-- name: readings of a layout
-- One row of arrays, for one slot. What is null becomes NaN, 0 or -infinity: arrays without nulls have a fixed stride.
select array_agg(time), array_agg(value), array_agg(quality), array_agg(source), array_agg(received), array_agg(late)
from (
    select
        f.time, coalesce(f."values"[%(slot)s], 'NaN') as value, coalesce(f.quality[%(slot)s], 0) as quality,
        coalesce(f.source[case cardinality(f.source) when 1 then 1 else %(slot)s end], '-infinity') as source,
        f.received, f.late
    from {table} f where f.layout = %(layout)s and f.time >= %(start)s and f.time < %(end)s order by f.time
) f;

-- name: rollups of a layout
select
    array_agg(time), array_agg(expected), array_agg(good), array_agg(uncertain), array_agg(bad), array_agg(late),
    array_agg(coalesce(count, good + uncertain)), array_agg(min), array_agg(max), array_agg(mean), array_agg(m2),
    array_agg(coalesce(time_weighted_mean, mean))
from (
    select
        r.time, r.expected, r.late, r.count[%(slot)s] as count,
        case when r.good is null then r.expected else coalesce(r.good[%(slot)s], 0) end as good,
        coalesce(r.uncertain[%(slot)s], 0) as uncertain,
        coalesce(r.bad[%(slot)s], 0) as bad,
        coalesce(r.min[%(slot)s], 'NaN') as min, coalesce(r.max[%(slot)s], 'NaN') as max,
        coalesce(r.mean[%(slot)s], 'NaN') as mean, coalesce(r.m2[%(slot)s], 'NaN') as m2,
        r.time_weighted_mean[%(slot)s] as time_weighted_mean
    from {table} r where r.layout = %(layout)s and r.time >= %(start)s and r.time < %(end)s order by r.time
) r;

-- name: days that lie in the archive alone
-- With all their versions. Of some of these days late readings may have come back to the database since.
select class, day, array_agg(version order by version), array_agg(rows > 0 order by version) from archived_day
where class = any(%(classes)s) and day >= %(first)s and day <= %(last)s
group by class, day having bool_or(dropped is not null) order by day, class;
