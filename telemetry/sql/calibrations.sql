-- name: calibrations entered
select entered, tag, performed, due, certificate, result, person, note
from calibration
where (%(tag)s::text is null or tag = %(tag)s)
order by entered desc, number desc limit %(limit)s;

-- name: newest calibrations
select distinct on (data ->> 'tag') data
from event where kind = 'calibration'
order by data ->> 'tag', (data ->> 'performed_ns')::bigint desc, time desc, number desc;
