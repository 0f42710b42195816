-- name: migrations done
select number from migration order by number;

-- name: create migration table
create table if not exists migration (number integer primary key, name text not null, applied timestamptz not null default now());

-- name: migration done
insert into migration (number, name) values (%s, %s);

-- name: migration lock
select pg_advisory_xact_lock(7261354471);

-- name: position
select number, time from journal_position where writer = %s and stream = %s;

-- name: first position
insert into journal_position (writer, stream, number) values (%s, %s, 0) on conflict do nothing;

-- name: move position
update journal_position set number = %s, time = %s, moved = now() where writer = %s and stream = %s and number = %s;

-- name: copy frames
copy frame (time, layout, received, late, source, quality, "values") from stdin (format binary);

-- name: copy diagnostic frames
copy frame_diagnostic (time, layout, received, late, source, quality, "values") from stdin (format binary);

-- name: copy events
copy event (writer, number, time, nanoseconds, kind, body, previous, hash) from stdin;

-- name: known layouts
select device, tags, record, class, since is not null, until from layout;

-- name: add layout
insert into layout (id, device, record, tags, class, period_s)
values (%(id)s, %(device)s, %(record)s, %(tags)s, %(class)s, case when %(record)s then null else 1 end) on conflict do nothing;

-- name: layout since
update layout set since = %(time)s where id = %(id)s and (since is null or since > %(time)s);

-- name: layout until
update layout set until = greatest(until, %(time)s) where id = %(id)s and until is not null;

-- name: retire layouts
-- Until where the last frame stood: found by the index, chunk by chunk from the newest.
update layout set until = coalesce(
    (select f.time + interval '1 second' from frame f where f.layout = layout.id order by f.time desc limit 1),
    (select f.time + interval '1 second' from frame_diagnostic f where f.layout = layout.id order by f.time desc limit 1),
    now()
)
where until is null and not id = any(%s::bigint[]);

-- name: expect layouts again
update layout set until = null where until is not null and id = any(%s::bigint[]);

-- name: add layout tags
insert into layout_tag (tag, layout, slot)
select tag, %s, slot from unnest(%s::text[]) with ordinality as t (tag, slot) on conflict do nothing;

-- name: tell tag
insert into tag (id, equipment, name_en, name_zh, unit, kind, legend, digest) values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict (id) do update set
    equipment = excluded.equipment, name_en = excluded.name_en, name_zh = excluded.name_zh, unit = excluded.unit,
    kind = excluded.kind, legend = excluded.legend, digest = excluded.digest
where tag.digest <> excluded.digest;

-- name: tell reason
insert into quality_reason (code, reason) values (%s, %s) on conflict do nothing;

-- name: reject
insert into rejected (writer, stream, number, time, reason, body) values (%s, %s, %s, %s, %s, %s) on conflict do nothing;

-- name: gap
insert into journal_gap (writer, stream, first, last, reason, after, before) values (%s, %s, %s, %s, %s, %s, %s);

-- name: rollup position
-- And how far the frames are stored.
select r.number, r.time, f.number, f.time
from journal_position r join journal_position f on f.writer = r.writer and f.stream = 'frames'
where r.writer = %s and r.stream = 'rollups';

-- name: first rollup position
insert into journal_position (writer, stream, number, time)
values (%(writer)s, 'rollups', %(number)s, (select time from journal_position where writer = %(writer)s and stream = 'frames'));

-- name: stored frames
select coalesce((select number from journal_position where writer = %s and stream = 'frames'), 0);

-- name: rollup spans
-- What is expected of each layout, and the last minute and hour before %(closed)s that have a row.
select
    l.id, cardinality(l.tags), l.record,
    (extract(epoch from l.since) * 1000000)::bigint, (extract(epoch from l.until) * 1000000)::bigint,
    (extract(epoch from m.time) / 60)::bigint, (extract(epoch from h.time) / 3600)::bigint
from layout l
left join lateral (
    select r.time from rollup_1m r where r.layout = l.id and r.time < %(closed)s order by r.time desc limit 1
) m on true
left join lateral (
    select r.time from rollup_1h r where r.layout = l.id and r.time < %(closed)s order by r.time desc limit 1
) h on true
where %(layout)s::bigint is null or l.id = %(layout)s;

-- name: one moment
set transaction isolation level repeatable read;

-- name: days of frames
-- Of each layout the first and the last frame, by the index.
select l.id, a.time, z.time
from layout l
cross join lateral (
    (select f.time from frame f where f.layout = l.id order by f.time limit 1)
    union all
    (select f.time from frame_diagnostic f where f.layout = l.id order by f.time limit 1)
) a
cross join lateral (
    (select f.time from frame f where f.layout = l.id order by f.time desc limit 1)
    union all
    (select f.time from frame_diagnostic f where f.layout = l.id order by f.time desc limit 1)
) z;

-- name: unmerged minutes
-- Of frames that were received since then (two devices may have crossed by a few milliseconds); late ones a week back at most.
select distinct layout, (floor(extract(epoch from time) / 60))::bigint
from (
    select layout, time, received from frame union all select layout, time, received from frame_diagnostic
) f
where received >= coalesce(%(since)s, '-infinity'::timestamptz) - interval '1 second'
  and time >= coalesce(%(since)s, '-infinity'::timestamptz) - interval '7 days';

-- name: rejected frames
select number from rejected where writer = %s and stream = 'frames' and number > %s;

-- name: rollup minutes
select
    r.layout, (extract(epoch from r.time) / 60)::bigint, r.through,
    r.expected, r.good, r.uncertain, r.bad, r.late, r.count, r.min, r.max, r.mean, r.m2, r.time_weighted_mean
from unnest(%(layouts)s::bigint[], %(times)s::timestamptz[]) k (layout, time)
join rollup_1m r on r.layout = k.layout and r.time = k.time
where r.time between %(first)s and %(last)s;

-- name: rollup hours
select
    r.layout, (extract(epoch from r.time) / 3600)::bigint, r.through,
    r.expected, r.good, r.uncertain, r.bad, r.late, r.count, r.min, r.max, r.mean, r.m2, r.time_weighted_mean
from unnest(%(layouts)s::bigint[], %(times)s::timestamptz[]) k (layout, time)
join rollup_1h r on r.layout = k.layout and r.time = k.time
where r.time between %(first)s and %(last)s;

-- name: dropped minutes
-- The first minute (since 1970) that rollup_1m still keeps; 0 while none was dropped.
select coalesce(max((extract(epoch from before) / 60)::bigint), 0) from minutes_dropped;

-- name: minutes of an hour
select
    r.layout, 0::bigint, r.through,
    r.expected, r.good, r.uncertain, r.bad, r.late, r.count, r.min, r.max, r.mean, r.m2, r.time_weighted_mean
from rollup_1m r
where r.time >= %(time)s and r.time < %(time)s + interval '1 hour' and r.layout = any(%(layouts)s::bigint[])
order by r.layout, r.time;

-- name: remove minutes
delete from rollup_1m r using unnest(%(layouts)s::bigint[], %(times)s::timestamptz[]) k (layout, time)
where r.layout = k.layout and r.time = k.time and r.time between %(first)s and %(last)s;

-- name: remove hours
delete from rollup_1h r using unnest(%(layouts)s::bigint[], %(times)s::timestamptz[]) k (layout, time)
where r.layout = k.layout and r.time = k.time and r.time between %(first)s and %(last)s;

-- name: copy minutes
copy rollup_1m from stdin (format binary);

-- name: copy hours
copy rollup_1h from stdin (format binary);

-- name: frames of a day
select
    (extract(epoch from time) * 1000000)::bigint, late, quality, "values"
from frame where layout = %(layout)s and time >= %(time)s and time < %(time)s + interval '1 day'
union all
select
    (extract(epoch from time) * 1000000)::bigint, late, quality, "values"
from frame_diagnostic where layout = %(layout)s and time >= %(time)s and time < %(time)s + interval '1 day'
order by 1;

-- name: journal identity
select max(identity) from journal_position where writer = %s;

-- name: take identity
update journal_position set identity = %s where writer = %s;

-- name: damage
insert into journal_damage as known (writer, stream, file, at, bytes, reason) values (%s, %s, %s, %s, %s, %s)
on conflict (writer, stream, file, at) do update set bytes = greatest(known.bytes, excluded.bytes)
returning xmax = 0;

-- name: losses
select
    (select count(*) from rejected where writer = %(writer)s),
    (select coalesce(sum(bytes), 0)::bigint from journal_damage where writer = %(writer)s),
    (select coalesce(sum(last - first + 1), 0)::bigint from journal_gap where writer = %(writer)s and reason <> %(thinned)s);

-- name: positions
select stream, number from journal_position where writer = %s;

-- name: last event hash
select hash from event where writer = %s and number <= %s order by number desc limit 1;

-- name: newest stored
select (extract(epoch from time) * 1e9)::bigint from journal_position where writer = %s and stream = 'frames';

-- name: highest occurrences
select alarm, max(occurrence) from alarm_event where alarm is not null and occurrence is not null group by alarm;
