-- Every column that had no comment yet says what it is.

comment on column migration.number is 'Applied in this order, each once.';
comment on column migration.name is 'What it brought.';
comment on column migration.applied is 'When.';

comment on column layout.id is 'Follows from device and tags: the same ones have the same number everywhere.';
comment on column layout.device is 'Id of the equipment whose frames these are.';
comment on column layout.tags is 'Full ids, in the order of the values of a frame.';
comment on column layout_tag.tag is 'Full id: equipment, dot, name.';
comment on column layout_tag.layout is 'The layout in which it lies.';
comment on column layout_tag.slot is 'Its place there: "values"[slot], quality[slot] of a frame.';

comment on column tag.id is 'Full id: equipment, dot, name.';
comment on column tag.equipment is 'Id of the equipment that has it.';
comment on column tag.name_en is 'Its name in English.';
comment on column tag.name_zh is 'Its name in Chinese.';
comment on column tag.unit is 'Of its values; empty where they have none.';
comment on column tag.kind is 'float, integer, boolean, state or text.';
comment on column tag.legend is 'Of a state: what each number means, in both languages; else null.';

comment on column frame.layout is 'Whose values, in which order: layout.tags.';
comment on column quality_reason.code is 'Upper half of the OPC UA StatusCode, as in frame.quality.';
comment on column quality_reason.reason is 'Its name.';

comment on column reading.tag is 'Full id: equipment, dot, name.';
comment on column reading.quality is 'Good, Uncertain or Bad.';
comment on column reading.unit is 'Of the tag, as last configured; empty where it has none.';
comment on column reading.source_time is 'The device''s own time of the value; null where the device has no clock.';
comment on column reading.received_time is 'When the engine had the reply.';
comment on column reading.committed_time is 'When the transaction that stored it began.';
comment on column reading_latest.time is 'The second for which it was read; of a counter''s record its own time.';
comment on column reading_latest.tag is 'Full id: equipment, dot, name.';
comment on column reading_latest.value is 'In the tag''s unit; null where Bad.';
comment on column reading_latest.quality is 'Good, Uncertain or Bad.';
comment on column reading_latest.source_time is 'The device''s own time of the value; null where the device has no clock.';
comment on column reading_latest.received_time is 'When the engine had the reply.';

comment on column event.writer is 'Whose journal tells it.';
comment on column event.number is 'Its place in that journal.';
comment on column event.time is 'When it happened, by the engine''s clock.';
comment on column event.kind is 'alarm, interlock, act, session, device, gap, calibration, deletion, engine, clock ...: what data holds follows from it.';
comment on column event.data is 'The same as body, for questions.';
comment on column event.previous is 'Hash of the event before in this journal.';
comment on column event.hash is 'Its own hash, which the next event names.';

comment on column alarm_event.time is 'When it happened.';
comment on column alarm_event.writer is 'Whose journal tells it.';
comment on column alarm_event.number is 'Of the event, in that journal.';
comment on column alarm_event.alarm is 'Id of the alarm, as configured.';
comment on column alarm_event.occurrence is 'Which time that it stood, counted for each alarm.';
comment on column alarm_event.transition is 'What happened to it: raised, cleared, acknowledged or reset.';
comment on column alarm_event.letter is 'The ISA-18.2 state after it: A normal, B unacknowledged, C acknowledged, D returned unacknowledged, E the same and latched, F acknowledged and latched.';
comment on column alarm_event.priority is '1 is the most urgent, 4 the least.';
comment on column alarm_event.value is 'Of its tag at that moment, in the tag''s unit; null where it has none.';
comment on column alarm_event.person is 'Who did it; null where nobody did.';
comment on column alarm_event.comment is 'What that person said.';

comment on column interlock_event.time is 'When it happened.';
comment on column interlock_event.writer is 'Whose journal tells it.';
comment on column interlock_event.number is 'Of the event, in that journal.';
comment on column interlock_event.interlock is 'Id of the interlock, as configured.';
comment on column interlock_event.transition is 'What happened to it: tripped, reset ...';
comment on column interlock_event.value is 'Of its cause at that moment; null where it has none.';
comment on column interlock_event.person is 'Who did it; null where nobody did.';
comment on column interlock_event.comment is 'What that person said.';

comment on column audit.time is 'When it was done.';
comment on column audit.writer is 'Whose journal tells it.';
comment on column audit.number is 'Of the event, in that journal.';
comment on column audit.kind is 'act, session, engine, clock, calibration or deletion.';
comment on column audit.person is 'Who did it; null where the service itself did.';
comment on column audit.act is 'What was done.';
comment on column audit.target is 'To what: an alarm, an interlock, a tag, a day of data ...';
comment on column audit.occurrence is 'Of an act upon an alarm: which time that it stood.';
comment on column audit.comment is 'What that person said.';
comment on column audit.refused is 'Why it was not done; null where it was.';
comment on column audit.hash is 'Of the event, in hexadecimal: it proves it in the chain.';

comment on column journal_position.writer is 'Whose journal.';
comment on column journal_position.number is 'The last record that is stored.';
comment on column journal_position.moved is 'When that was.';
comment on column journal_gap.writer is 'Whose journal.';
comment on column journal_gap.stream is 'frames or events.';
comment on column journal_gap.first is 'Number of the first record that is missing.';
comment on column journal_gap.last is 'Number of the last one.';
comment on column journal_gap.reason is 'Why, in a few fixed words.';
comment on column journal_gap.noticed is 'When the historian found out.';
comment on column journal_damage.writer is 'Whose journal.';
comment on column journal_damage.stream is 'frames or events.';
comment on column journal_damage.file is 'Name of the segment in the journal''s folder.';
comment on column journal_damage.bytes is 'How many hold no good record.';
comment on column journal_damage.reason is 'What is wrong with them.';
comment on column journal_damage.noticed is 'When the historian found out.';
comment on column minutes_dropped.dropped is 'When that was.';

comment on column rejected.writer is 'Whose journal.';
comment on column rejected.stream is 'frames or events.';
comment on column rejected.number is 'Of the record, in that stream.';
comment on column rejected.time is 'When the record was received.';
comment on column rejected.reason is 'What the database said.';
comment on column rejected.body is 'The record as it stood in the journal.';
