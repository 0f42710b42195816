-- Frames (one row a device and second) and events, as the journal tells them; and views that a stranger can read.

create extension if not exists timescaledb;

comment on table migration is 'The numbered changes of this schema that have been applied.';

create table layout (
    id bigint primary key,
    device text not null,
    record boolean not null,
    tags text[] not null
);
comment on table layout is 'The ordered tags of a frame: values[1] of a frame belongs to tags[1] of its layout. Never changed, only added.';
comment on column layout.record is 'True where frames come with the device''s own records (a particle counter), not every second.';

create table layout_tag (
    tag text not null,
    layout bigint not null references layout (id),
    slot integer not null,
    primary key (tag, layout)
);
comment on table layout_tag is 'Where a tag lies: its slot (from 1) in each layout that holds it. Follows from layout.tags.';

create table tag (
    id text primary key,
    equipment text not null,
    name_en text not null,
    name_zh text not null,
    unit text not null,
    kind text not null,
    legend jsonb,
    digest text not null
);
comment on table tag is 'What a tag is, as last configured. kind: float, integer, boolean, state (see legend) or text.';
comment on column tag.digest is 'SHA-256 of the configuration that said so.';

create table frame (
    time timestamptz not null,
    layout bigint not null,
    received timestamptz not null,
    committed timestamptz not null default now(),
    late boolean not null,
    source timestamptz[],
    quality integer[],
    "values" double precision[] not null
);
comment on table frame is 'One scan of one device: all values of a layout at one second. Ask the view reading, unless speed is all.';
comment on column frame.time is 'The second for which the scan was made (a counter''s record: the record''s own time).';
comment on column frame.received is 'When the engine had the reply.';
comment on column frame.committed is 'When the transaction that stored it began.';
comment on column frame.late is 'Read back from the device''s own buffer after an outage.';
comment on column frame.source is 'The device''s own time: one for all values, or one each; null where the device has no clock.';
comment on column frame.quality is 'Upper half of the OPC UA StatusCode of each value (0 Good, from 16384 Uncertain, from 32768 Bad); null when all are Good.';
comment on column frame."values" is 'The values in the order of the layout; null where Bad.';

select create_hypertable('frame', by_range('time', interval '1 day'), create_default_indexes => false);
create index frame_layout_time on frame (layout, time desc);

create table event (
    writer text not null,
    number bigint not null,
    time timestamptz not null,
    kind text not null,
    body text not null,
    data jsonb not null generated always as (body::jsonb) stored,
    previous bytea not null,
    hash bytea not null,
    primary key (writer, number)
);
create index event_kind_time on event (kind, time desc);
comment on table event is 'What happened, one chain a writer: alarms, interlocks, acts of people, device failures, starts and stops.';
comment on column event.body is 'The journal''s own JSON, byte for byte; hash = SHA-256(previous, number, time in ns, body).';

create table journal_position (
    writer text not null,
    stream text not null,
    number bigint not null,
    moved timestamptz not null default now(),
    primary key (writer, stream)
);
comment on table journal_position is 'How far each stream of each writer''s journal is stored; moves in the transaction that stores.';

create table journal_gap (
    writer text not null,
    stream text not null,
    first bigint not null,
    last bigint not null,
    reason text not null,
    noticed timestamptz not null default now()
);
comment on table journal_gap is 'Record numbers of the journal that never came into the database, and why.';

create table rejected (
    writer text not null,
    stream text not null,
    number bigint not null,
    time timestamptz not null,
    reason text not null,
    body bytea not null,
    primary key (writer, stream, number)
);
comment on table rejected is 'Records of the journal that the database refused, whole, with its reason.';

create table quality_reason (
    code integer primary key,
    reason text not null
);
comment on table quality_reason is 'OPC UA names of the quality codes in frame.quality.';

create view reading as
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
join frame f on f.layout = t.layout;
comment on view reading is 'Every reading of every numeric tag. Name the tag and bound the time, and it is answered from an index.';

create view reading_latest as
select distinct on (t.tag)
    f.time,
    t.tag,
    f."values"[t.slot] as value,
    case coalesce(f.quality[t.slot], 0) >> 14 when 0 then 'Good' when 1 then 'Uncertain' else 'Bad' end as quality,
    f.source[case cardinality(f.source) when 1 then 1 else t.slot end] as source_time,
    f.received as received_time
from layout l
cross join lateral (select * from frame x where x.layout = l.id order by x.time desc limit 1) f
join layout_tag t on t.layout = l.id
order by t.tag, f.time desc;
comment on view reading_latest is 'The newest stored reading of each numeric tag.';

create view alarm_event as
select
    time, writer, number,
    data ->> 'alarm' as alarm,
    case when data ->> 'occurrence' ~ '^[0-9]{1,18}$' then (data ->> 'occurrence')::bigint end as occurrence,
    data ->> 'transition' as transition,
    data ->> 'letter' as letter,
    (data ->> 'priority')::integer as priority,
    (data ->> 'value')::double precision as value,
    data ->> 'person' as person,
    data ->> 'comment' as comment
from event where kind = 'alarm';
comment on view alarm_event is 'Every transition of every alarm; letter is the ISA-18.2 state after it.';

create view interlock_event as
select
    time, writer, number,
    data ->> 'interlock' as interlock,
    data ->> 'transition' as transition,
    (data ->> 'value')::double precision as value,
    data ->> 'person' as person,
    data ->> 'comment' as comment
from event where kind = 'interlock';
comment on view interlock_event is 'Every trip and reset of every interlock.';

create view audit as
select
    time, writer, number, kind,
    data ->> 'person' as person,
    coalesce(data ->> 'verb', data ->> 'transition') as act,
    data ->> 'target' as target,
    case when data ->> 'occurrence' ~ '^[0-9]{1,18}$' then (data ->> 'occurrence')::bigint end as occurrence,
    data ->> 'comment' as comment,
    data ->> 'refused' as refused,
    encode(hash, 'hex') as hash
from event where kind in ('act', 'session', 'engine', 'clock');
comment on view audit is 'Who did what and when: acts done and refused, sessions, starts and stops.';
