-- Retention classes, rollups, archive: what is kept for how long, and what is missing.

alter table journal_position
    add column identity text,
    add column time timestamptz;
comment on column journal_position.stream is 'events and frames as stored; rollups: the frames that are merged into rollup_1m and rollup_1h.';
comment on column journal_position.identity is 'Which journal it was filled from: the mark that the journal''s folder was given when it was made.';
comment on column journal_position.time is 'When the record at this position was received.';

alter table journal_gap
    add column after timestamptz,
    add column before timestamptz;
comment on column journal_gap.after is 'When the last record before the gap was received; null where nobody knows.';
comment on column journal_gap.before is 'When the first record behind the gap was received.';

alter table layout
    add column class text not null default 'gmp' check (class in ('gmp', 'diagnostic')),
    add column period_s double precision,
    add column since timestamptz,
    add column until timestamptz;
comment on column layout.class is 'Retention class: gmp (batch records and their environment) lies in frame, diagnostic in frame_diagnostic.';
comment on column layout.period_s is 'Seconds between frames as expected; null where the device keeps its own time (records): there as many as came are expected.';
comment on column layout.since is 'Time of the first frame: from here on readings are expected.';
comment on column layout.until is 'From here on none are expected: the configuration no longer has it; null while it has. One that comes back is as if never gone.';

update layout set
    period_s = case when record then null else 1 end,
    since = (select min(f.time) from frame f where f.layout = layout.id and not f.late);

create table frame_diagnostic (like frame including defaults including comments);
comment on table frame_diagnostic is 'As frame, for what is no batch record: the service itself, utilities. Kept for a shorter time.';
comment on column frame_diagnostic.layout is 'Whose values, in which order: layout.tags.';
select create_hypertable('frame_diagnostic', by_range('time', interval '1 day'), create_default_indexes => false);
create index frame_diagnostic_layout_time on frame_diagnostic (layout, time desc);

create table rollup_1m (
    time timestamptz not null,
    layout bigint not null,
    through bigint not null,
    expected integer not null,
    good integer[],
    uncertain integer[],
    bad integer[],
    late integer not null,
    count integer[],
    min double precision[],
    max double precision[],
    mean double precision[],
    m2 double precision[],
    time_weighted_mean double precision[]
);
comment on table rollup_1m is 'One minute of one layout: arrays in the order of the layout''s tags. Ask the view reading_1m.';
comment on column rollup_1m.time is 'The begin of the minute.';
comment on column rollup_1m.layout is 'Whose tags, in which order: layout.tags.';
comment on column rollup_1m.through is 'Number of the last journal record that was merged into this row.';
comment on column rollup_1m.expected is 'Readings expected of each tag. A minute in which none came has a row all the same.';
comment on column rollup_1m.good is 'Expected readings that came and were Good, of each tag; null where all expected came and were Good, an empty array where none was.';
comment on column rollup_1m.uncertain is 'Expected readings that came and were Uncertain; null where none was. Missing is expected - good - uncertain - bad.';
comment on column rollup_1m.bad is 'Expected readings that came and were Bad; null where none was.';
comment on column rollup_1m.min is 'Of the values of each tag; null where no value came, and so with max, mean and m2.';
comment on column rollup_1m.max is 'The largest value of each tag.';
comment on column rollup_1m.late is 'Frames of this minute that were read back from a device''s buffer.';
comment on column rollup_1m.count is 'Values (Good and Uncertain) in min, max, mean and m2, those told between two seconds included; null where it is good + uncertain.';
comment on column rollup_1m.mean is 'Of all values, those told between two seconds included.';
comment on column rollup_1m.m2 is 'Sum of squared differences from the mean: variance is m2 / (count - 1).';
comment on column rollup_1m.time_weighted_mean is 'Mean over the expected readings alone, each standing for its period; null where it is the mean.';
select create_hypertable('rollup_1m', by_range('time', interval '7 days'), create_default_indexes => false);
create unique index rollup_1m_layout_time on rollup_1m (layout, time desc);
-- A row of 200 tags stays in the page, as it is: moved out of line, reading one tag costs four look-ups a row.
alter table rollup_1m set (toast_tuple_target = 8160);
alter table rollup_1m
    alter column good set storage main, alter column uncertain set storage main, alter column bad set storage main, alter column count set storage main,
    alter column min set storage main, alter column max set storage main, alter column mean set storage main, alter column m2 set storage main, alter column time_weighted_mean set storage main;

create table rollup_1h (like rollup_1m including defaults including comments);
comment on table rollup_1h is 'One hour of one layout, merged from its minutes. Ask the view reading_1h.';
comment on column rollup_1h.time is 'The begin of the hour.';
select create_hypertable('rollup_1h', by_range('time', interval '90 days'), create_default_indexes => false);
create unique index rollup_1h_layout_time on rollup_1h (layout, time desc);
alter table rollup_1h set (toast_tuple_target = 8160);
alter table rollup_1h
    alter column good set storage main, alter column uncertain set storage main, alter column bad set storage main, alter column count set storage main,
    alter column min set storage main, alter column max set storage main, alter column mean set storage main, alter column m2 set storage main, alter column time_weighted_mean set storage main;

create table minutes_dropped (
    before timestamptz primary key,
    dropped timestamptz not null default now()
);
comment on table minutes_dropped is 'Minutes older than their retention that were dropped from rollup_1m: their hours are kept, and their readings are in the archive.';
comment on column minutes_dropped.before is 'All minutes before this time. What comes late for them is merged into rollup_1h alone.';

create table archived_day (
    class text not null check (class in ('gmp', 'diagnostic', 'event')),
    day date not null,
    version integer not null check (version >= 1),
    manifest text not null,
    manifest_sha256 bytea not null,
    rows bigint not null,
    archived timestamptz not null default now(),
    verified timestamptz,
    dropped timestamptz,
    primary key (class, day, version)
);
comment on table archived_day is 'Days of UTC that lie in the archive. Version 1 is the day, later ones are addenda: data that came after.';
comment on column archived_day.manifest is 'Path of the signed manifest within the archive.';
comment on column archived_day.class is 'Which data: a retention class of frames, or the events.';
comment on column archived_day.day is 'From midnight to midnight, UTC.';
comment on column archived_day.version is '1: the day; from 2 on: what came after.';
comment on column archived_day.manifest_sha256 is 'Of the manifest''s bytes.';
comment on column archived_day.rows is 'Rows in its files.';
comment on column archived_day.archived is 'When its files and manifest were complete.';
comment on column archived_day.verified is 'When its files were last read back and found whole.';
comment on column archived_day.dropped is 'When its rows were removed from the database, or found missing there; null while they are there too.';

create or replace view reading as
select
    f.time,
    t.tag,
    f."values"[t.slot] as value,
    case coalesce(f.quality[t.slot], 0) >> 14 when 0 then 'Good' when 1 then 'Uncertain' else 'Bad' end as quality,
    case
        when coalesce(f.quality[t.slot], 0) = 0 then null
        else coalesce((select q.reason from quality_reason q where q.code = f.quality[t.slot]), 'code ' || f.quality[t.slot])
    end as reason,
    (select g.unit from tag g where g.id = t.tag) as unit,
    f.source[case cardinality(f.source) when 1 then 1 else t.slot end] as source_time,
    f.received as received_time,
    f.committed as committed_time,
    f.late
from layout_tag t
join (select * from frame union all select * from frame_diagnostic) f on f.layout = t.layout;
comment on column reading.time is 'The second for which it was read; of a counter''s record, and of a change between two seconds, its own time.';
comment on column reading.value is 'In the tag''s unit; null where Bad.';
comment on column reading.reason is 'Why it is not plainly Good, by OPC UA''s name.';
comment on column reading.late is 'Read back from the device''s own buffer after an outage.';

create or replace view reading_latest as
select distinct on (t.tag)
    f.time,
    t.tag,
    f."values"[t.slot] as value,
    case coalesce(f.quality[t.slot], 0) >> 14 when 0 then 'Good' when 1 then 'Uncertain' else 'Bad' end as quality,
    f.source[case cardinality(f.source) when 1 then 1 else t.slot end] as source_time,
    f.received as received_time
from layout l
cross join lateral (
    (select * from frame x where x.layout = l.id order by x.time desc limit 1)
    union all
    (select * from frame_diagnostic x where x.layout = l.id order by x.time desc limit 1)
) f
join layout_tag t on t.layout = l.id
order by t.tag, f.time desc;

create view reading_1m as
select
    r.time,
    t.tag,
    r.expected,
    case when r.good is null then r.expected else coalesce(r.good[t.slot], 0) end as good,
    coalesce(r.uncertain[t.slot], 0) as uncertain,
    coalesce(r.bad[t.slot], 0) as bad,
    case when r.good is null then 0
        else greatest(r.expected - coalesce(r.good[t.slot], 0) - coalesce(r.uncertain[t.slot], 0) - coalesce(r.bad[t.slot], 0), 0)
    end as missing,
    r.late,
    coalesce(
        r.count[t.slot],
        case when r.good is null then r.expected else coalesce(r.good[t.slot], 0) end + coalesce(r.uncertain[t.slot], 0)
    ) as count,
    r.min[t.slot] as min,
    r.max[t.slot] as max,
    r.mean[t.slot] as mean,
    sqrt(r.m2[t.slot] / nullif(coalesce(
        r.count[t.slot],
        case when r.good is null then r.expected else coalesce(r.good[t.slot], 0) end + coalesce(r.uncertain[t.slot], 0)
    ) - 1, 0)) as sd,
    case when r.time_weighted_mean is null then r.mean[t.slot] else r.time_weighted_mean[t.slot] end as time_weighted_mean,
    (select g.unit from tag g where g.id = t.tag) as unit
from layout_tag t
join rollup_1m r on r.layout = t.layout;
create view reading_1h as
select
    r.time,
    t.tag,
    r.expected,
    case when r.good is null then r.expected else coalesce(r.good[t.slot], 0) end as good,
    coalesce(r.uncertain[t.slot], 0) as uncertain,
    coalesce(r.bad[t.slot], 0) as bad,
    case when r.good is null then 0
        else greatest(r.expected - coalesce(r.good[t.slot], 0) - coalesce(r.uncertain[t.slot], 0) - coalesce(r.bad[t.slot], 0), 0)
    end as missing,
    r.late,
    coalesce(
        r.count[t.slot],
        case when r.good is null then r.expected else coalesce(r.good[t.slot], 0) end + coalesce(r.uncertain[t.slot], 0)
    ) as count,
    r.min[t.slot] as min,
    r.max[t.slot] as max,
    r.mean[t.slot] as mean,
    sqrt(r.m2[t.slot] / nullif(coalesce(
        r.count[t.slot],
        case when r.good is null then r.expected else coalesce(r.good[t.slot], 0) end + coalesce(r.uncertain[t.slot], 0)
    ) - 1, 0)) as sd,
    case when r.time_weighted_mean is null then r.mean[t.slot] else r.time_weighted_mean[t.slot] end as time_weighted_mean,
    (select g.unit from tag g where g.id = t.tag) as unit
from layout_tag t
join rollup_1h r on r.layout = t.layout;
comment on view reading_1m is 'Every numeric tag by the minute, with what is missing: a minute in which nothing came is a row too.';
comment on view reading_1h is 'Every numeric tag by the hour, with what is missing: a hour in which nothing came is a row too.';
comment on column reading_1m.expected is 'Readings that should be there.';
comment on column reading_1m.time is 'The begin of the minute.';
comment on column reading_1m.tag is 'Full id: equipment, dot, name.';
comment on column reading_1m.good is 'Expected readings that came and were Good.';
comment on column reading_1m.uncertain is 'Expected readings that came and were Uncertain: in the statistics, with doubt.';
comment on column reading_1m.bad is 'Expected readings that came and were Bad: they have no value.';
comment on column reading_1m.min is 'The smallest value, in the tag''s unit; null where none came, and so with max, mean and sd.';
comment on column reading_1m.max is 'The largest value.';
comment on column reading_1m.mean is 'Of all values; see time_weighted_mean.';
comment on column reading_1m.unit is 'Of the tag.';
comment on column reading_1m.missing is 'Expected readings that did not come; completeness says why.';
comment on column reading_1m.late is 'Readings that were read back from the device''s buffer.';
comment on column reading_1m.count is 'Values in min, max, mean and sd: Good and Uncertain ones, those told between two seconds included.';
comment on column reading_1m.sd is 'Standard deviation of the sample; null for fewer than two values.';
comment on column reading_1m.time_weighted_mean is 'Mean over time: each expected reading stands for its period.';
comment on column reading_1h.expected is 'Readings that should be there.';
comment on column reading_1h.time is 'The begin of the hour.';
comment on column reading_1h.tag is 'Full id: equipment, dot, name.';
comment on column reading_1h.good is 'Expected readings that came and were Good.';
comment on column reading_1h.uncertain is 'Expected readings that came and were Uncertain: in the statistics, with doubt.';
comment on column reading_1h.bad is 'Expected readings that came and were Bad: they have no value.';
comment on column reading_1h.min is 'The smallest value, in the tag''s unit; null where none came, and so with max, mean and sd.';
comment on column reading_1h.max is 'The largest value.';
comment on column reading_1h.mean is 'Of all values; see time_weighted_mean.';
comment on column reading_1h.unit is 'Of the tag.';
comment on column reading_1h.missing is 'Expected readings that did not come; completeness says why.';
comment on column reading_1h.late is 'Readings that were read back from the device''s buffer.';
comment on column reading_1h.count is 'Values in min, max, mean and sd: Good and Uncertain ones, those told between two seconds included.';
comment on column reading_1h.sd is 'Standard deviation of the sample; null for fewer than two values.';
comment on column reading_1h.time_weighted_mean is 'Mean over time: each expected reading stands for its period.';

create view calibration as
select
    time as entered, writer, number,
    data ->> 'tag' as tag,
    to_timestamp((data ->> 'performed_ns')::double precision / 1e9) as performed,
    to_timestamp((data ->> 'due_ns')::double precision / 1e9) as due,
    data ->> 'certificate' as certificate,
    data ->> 'result' as result,
    data ->> 'person' as person,
    data ->> 'note' as note
from event where kind = 'calibration';
comment on view calibration is 'Every calibration that was entered; a tag whose newest one is past due, or failed, reads Uncertain.';
comment on column calibration.entered is 'When it was entered.';
comment on column calibration.writer is 'Whose journal tells it.';
comment on column calibration.number is 'Of the event, in that journal.';
comment on column calibration.tag is 'Of which tag.';
comment on column calibration.performed is 'When it was done.';
comment on column calibration.due is 'Until when it holds.';
comment on column calibration.certificate is 'The certificate''s number.';
comment on column calibration.result is 'pass or fail.';
comment on column calibration.person is 'Who entered it.';
comment on column calibration.note is 'What that person added.';

create view coverage as
with hot as (
    select
        case hypertable_name when 'frame' then 'gmp' else 'diagnostic' end as class,
        (range_start at time zone 'UTC')::date as day
    from timescaledb_information.chunks
    where hypertable_schema = current_schema() and hypertable_name in ('frame', 'frame_diagnostic')
), archived as (
    select
        class, day, count(*) as versions, sum(rows)::bigint as rows,
        max(archived) as archived, min(verified) as verified, max(dropped) as dropped
    from archived_day group by class, day
)
select
    class, day,
    case class when 'event' then a.dropped is null else h.day is not null end as hot,
    coalesce(a.versions, 0) as archived_versions,
    a.rows as archived_rows,
    a.archived, a.verified, a.dropped
from hot h full join archived a using (class, day);
comment on view coverage is 'Days (UTC) of each class of data: whether one is hot (in this database), and how often it was archived. Of events only days that are archived.';
comment on column coverage.hot is 'Rows of this day are in the database: the view reading shows them.';
comment on column coverage.class is 'gmp, diagnostic, or event.';
comment on column coverage.day is 'UTC.';
comment on column coverage.archived_rows is 'Rows in the archive, of all versions.';
comment on column coverage.archived is 'When it was last archived; null: not yet.';
comment on column coverage.dropped is 'When its rows were removed from the database; late readings may have come back since.';
comment on column coverage.archived_versions is '0: not archived yet; 1: the day; more: with data that came after.';
comment on column coverage.verified is 'When the archive was last read back and found whole, all versions of it.';

alter table event add column nanoseconds smallint;
comment on column event.nanoseconds is 'What the time has beyond its microseconds: the hash covers it. Null in rows stored before there was this column.';
create index event_time on event using brin (time);

create table journal_damage (
    writer text not null,
    stream text not null,
    file text not null,
    at bigint not null,
    bytes bigint not null,
    reason text not null,
    noticed timestamptz not null default now(),
    primary key (writer, stream, file, at)
);
comment on table journal_damage is 'Bytes of the journal''s files that hold no good record. The records that they held are in journal_gap, by number.';
comment on column journal_damage.at is 'Where in the file it begins.';

create or replace view audit as
select
    time, writer, number, kind,
    data ->> 'person' as person,
    coalesce(data ->> 'verb', data ->> 'transition', case kind when 'calibration' then 'calibrated' when 'deletion' then 'deleted' end) as act,
    case kind when 'calibration' then data ->> 'tag' when 'deletion' then data ->> 'what' else data ->> 'target' end as target,
    case when data ->> 'occurrence' ~ '^[0-9]{1,18}$' then (data ->> 'occurrence')::bigint end as occurrence,
    case kind when 'calibration' then data ->> 'note' else data ->> 'comment' end as comment,
    data ->> 'refused' as refused,
    encode(hash, 'hex') as hash
from event where kind in ('act', 'session', 'engine', 'clock', 'calibration', 'deletion');
comment on view audit is 'Who did what and when: acts done and refused, sessions, calibrations, deletions by retention, starts and stops.';
