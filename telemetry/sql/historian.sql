-- name: migrations done
select number from migration order by number;

-- name: create migration table
create table if not exists migration (number integer primary key, name text not null, applied timestamptz not null default now());

-- name: migration done
insert into migration (number, name) values (%s, %s);

-- name: migration lock
select pg_advisory_xact_lock(7261354471);

-- name: position
select number from journal_position where writer = %s and stream = %s;

-- name: first position
insert into journal_position (writer, stream, number) values (%s, %s, 0) on conflict do nothing;

-- name: move position
update journal_position set number = %s, moved = now() where writer = %s and stream = %s and number = %s;

-- name: copy frames
copy frame (time, layout, received, late, source, quality, "values") from stdin (format binary);

-- name: copy events
copy event (writer, number, time, kind, body, previous, hash) from stdin;

-- name: known layouts
select device, tags, record from layout;

-- name: add layout
insert into layout (id, device, record, tags) values (%s, %s, %s, %s) on conflict do nothing;

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
insert into journal_gap (writer, stream, first, last, reason) values (%s, %s, %s, %s, %s);
