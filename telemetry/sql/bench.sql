-- name: bench row table
-- One row per reading, as it would be written without frames: no column more than it needs, and its index.
create table bench_row (
    time timestamptz not null,
    tag integer not null,
    value double precision,
    quality smallint not null,
    received timestamptz not null
);
select create_hypertable('bench_row', by_range('time', interval '1 day'), create_default_indexes => false);
create index bench_row_tag_time on bench_row (tag, time);

-- name: bench copy rows
copy bench_row from stdin (format binary);

-- name: bench frames found
select count(*), coalesce(sum(round(v * 10000)::bigint), 0)::bigint, coalesce(sum(t.slot * round(v * 10000)::bigint), 0)::bigint
from frame f cross join unnest(f."values") with ordinality as t (v, slot)
where f.time >= %s and f.time < %s;

-- name: bench rows found
select count(*), coalesce(sum(round(value * 10000)::bigint), 0)::bigint,
    coalesce(sum((tag %% %s + 1) * round(value * 10000)::bigint), 0)::bigint
from bench_row where time >= %s and time < %s;

-- name: bench sizes
select hypertable_size('frame')::bigint, hypertable_size('bench_row')::bigint;

-- name: bench vacuum
vacuum (analyze) frame, bench_row;

-- name: bench columnstore
select current_setting('timescaledb.license', true) = 'timescale';

-- name: bench compress
select count(compress_chunk(chunk)) from show_chunks('frame') as chunk;

-- name: bench lag
-- Seconds that frames and rollups lie behind; a minute's row is due a few seconds after its end. Null where there is none yet.
select
    (select extract(epoch from now() - max(time))::double precision from journal_position where stream = 'frames' and number > 0),
    (select extract(epoch from now() - max(time))::double precision - 60 from rollup_1m);

-- name: bench frames stored
select count(*), count(distinct (layout, time)), coalesce(sum(f."values"[1]), 0) from frame f;

-- name: bench add layout
insert into layout (id, device, record, tags, class, period_s, since) values (%s, %s, false, %s, 'gmp', 1, %s);

-- name: bench add layout tags
insert into layout_tag (tag, layout, slot) select tag, id, slot from layout, unnest(tags) with ordinality as t (tag, slot);

-- name: bench patterns
-- Six hundred different rows of values to take from: making each anew would take longer than storing it.
create table bench_pattern as
select n, (select array_agg(round((40 + 5 * sin(n * s / 7.0) + random())::numeric, 2)::float8 order by s) from generate_series(1, %(tags)s) s) as v
from generate_series(0, 599) n;

-- name: bench past frames
insert into frame (time, layout, received, committed, late, source, quality, "values")
select t, l.id, t + interval '0.2 s', t + interval '0.7 s', false, null, null, p.v
from generate_series(%(start)s::timestamptz, %(end)s::timestamptz - interval '1 s', interval '1 s') t
cross join unnest(%(ids)s::bigint[]) with ordinality as l (id, i)
join bench_pattern p on p.n = (extract(epoch from t)::bigint + 7 * l.i) %% 600;

-- name: bench past rollups
insert into {table} (time, layout, through, expected, late, min, max, mean, m2)
select t, l.id, 0, extract(epoch from %(step)s::interval), 0,
    (select array_agg(x - 5 order by i) from unnest(p.v) with ordinality as v (x, i)),
    (select array_agg(x + 5 order by i) from unnest(p.v) with ordinality as v (x, i)), p.v, p.v
from generate_series(%(start)s::timestamptz, %(end)s::timestamptz - %(step)s::interval, %(step)s::interval) t
cross join unnest(%(ids)s::bigint[]) with ordinality as l (id, i)
join bench_pattern p on p.n = (extract(epoch from t)::bigint / 60 + 7 * l.i) %% 600;

-- name: bench positions
insert into journal_position (writer, stream, number) values (%(writer)s, 'frames', 0), (%(writer)s, 'rollups', 0);
