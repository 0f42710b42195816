-- name: recorded gaps
-- Those of the engine before those of the device. A gap is recorded when it is over; a counter's own clock may be ahead by a day.
select g.first_us, g.last_us, g.reason from (
    select
        (data ->> 'first_ns')::numeric / 1000 as first_us, (data ->> 'last_ns')::numeric / 1000 as last_us,
        data ->> 'reason' as reason, data ->> 'device' as device, time
    from event
    where kind = 'gap' and time >= %(start)s - interval '1 day'
        and (data ->> 'device' is null or data ->> 'device' = %(device)s)
) g
where g.first_us < %(end_us)s and g.last_us >= %(start_us)s
order by g.device is not null, g.time limit %(most)s;

-- name: lost from the journal
-- Both are times of receipt: the slots of what is missing begin one scan before `after` at the earliest.
select after, before, reason from journal_gap
where stream = 'frames' and before >= %(start)s and (after is null or after - %(scan_us)s * interval '1 microsecond' < %(end)s) order by before limit %(most)s;

-- name: refused frames
select body from rejected
where stream = 'frames' and time >= %(start)s - interval '1 day' and time < %(end)s + interval '1 day' limit %(most)s;
