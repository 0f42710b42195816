-- name: archived frames copy
copy (
    select time, layout, received, committed, late, source, quality, "values"
    from {table} where time >= {start} and time < {end}
) to stdout (format binary);

-- name: archived events
select writer, number, time, nanoseconds, kind, body, previous, hash
from event where time >= %s and time < %s order by writer, number;

-- name: event before
select max(number) from event where writer = %s and number < %s;

-- name: archive layouts
select
    l.id, l.device, l.record, l.class, l.period_s, l.since,
    (
        select jsonb_agg(
            jsonb_build_object(
                'id', u.id, 'name_en', g.name_en, 'name_zh', g.name_zh, 'unit', g.unit, 'kind', g.kind, 'legend', g.legend
            ) order by u.slot
        )
        from unnest(l.tags) with ordinality as u (id, slot) left join tag g on g.id = u.id
    ) as tags
from layout l where l.class = %s;

-- name: configurations of a day
select distinct data ->> 'digest'
from event
where kind = 'engine' and data ? 'digest' and time < %(end)s
  and time >= coalesce(
      (select max(time) from event where kind = 'engine' and data ? 'digest' and time <= %(start)s), '-infinity')
order by 1;

-- name: stored through
-- By the journal's own time, which no device's clock moves; of several writers by the one that is behind. One that has stored
-- nothing for a week is there no more: what it brings later makes addenda.
select min(time) from journal_position where stream = %s and moved > now() - interval '7 days';

-- name: first event
select min((select time from event e where e.writer = p.writer order by number limit 1))
from journal_position p where p.stream = 'events';

-- name: chunks
select chunk_schema, chunk_name, range_start, range_end
from timescaledb_information.chunks where hypertable_name = %s order by range_start;

-- name: size of chunks
select coalesce(sum(pg_relation_size(format('%%I.%%I', chunk_schema, chunk_name)::regclass)), 0)::bigint
from timescaledb_information.chunks where hypertable_name = %s and range_start < %s and range_end > %s;

-- name: archived days
select class, day, version, encode(manifest_sha256, 'hex'), rows, archived, verified, dropped from archived_day order by 1, 2, 3;

-- name: add archived day
insert into archived_day (class, day, version, manifest, manifest_sha256, rows, archived, dropped)
values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict (class, day, version) do nothing;

-- name: archived day verified
update archived_day set verified = %s where class = %s and day = %s and version = %s;

-- name: archived day dropped
update archived_day set dropped = now() where class = %s and day = %s and dropped is null;

-- name: remove archived day
delete from archived_day where class = %s and day = %s and version = %s;

-- name: late days
select distinct day::date, max(time) as told
from event, generate_series(
    date_trunc('day', to_timestamp((data ->> 'first_ns')::numeric / 1e9), 'UTC') at time zone 'UTC',
    to_timestamp((data ->> 'last_ns')::numeric / 1e9) at time zone 'UTC', interval '1 day') as day
where kind = 'late_data' and time >= %s
group by 1;

-- name: lock chunk
set local lock_timeout = '5s';
lock table {chunk} in share mode;

-- name: count of a day
select count(*) from {table} where time >= {start} and time < {end};

-- name: count chunk
select count(*) from {chunk};

-- name: drop chunk
select drop_chunks({table}, older_than => {end}, newer_than => {start});

-- name: minutes without hour
-- Rows in a chunk of minutes that are not in their hour's row.
select count(*) from {chunk} m
left join rollup_1h h on h.layout = m.layout and h.time = date_trunc('hour', m.time, 'UTC')
where h.time is null or h.through < m.through;

-- name: minutes dropped
insert into minutes_dropped (before) values (%s) on conflict (before) do update set dropped = now();

-- name: archive snapshot
set transaction isolation level repeatable read, read only;

-- name: now
select now();
