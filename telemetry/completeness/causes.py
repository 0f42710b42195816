"""The recorded gaps that concern a tag: what the engine says, what its journal lost, what the database refused."""

from datetime import datetime
from typing import Final

from telemetry.completeness.reasons import NOT_STORED
from telemetry.completeness.slots import Cause
from telemetry.journal import format as form
from telemetry.readings.plan import microseconds, moment
from telemetry.readings.series import SECOND_US
from telemetry.readings.source import Connect, Stored
from telemetry.sql import query

FOR_EVER_US: Final = 1 << 62
MOST: Final = 10_000
"""Recorded gaps of a window that are looked at, of each kind."""
REFUSED: Final = "record refused"
SCAN_US: Final = SECOND_US
"""The journal knows when a frame was received; the second for which it was scanned began so much earlier at most."""


async def causes(connect: Connect, stored: Stored, start_us: int, end_us: int) -> list[Cause]:
    """Those that touch [start, end), the surest last: a gap of the device itself says more than one of the whole engine."""
    given = {
        "device": stored.tag.split(".", 1)[0],
        "start": moment(start_us),
        "end": moment(end_us),
        "start_us": start_us,
        "end_us": end_us,
        "scan_us": SCAN_US,
        "most": MOST,
    }
    layouts = {place.layout for place in stored.places}
    found: list[Cause] = []
    async with connect() as connection:
        cursor = await connection.execute(query("lost from the journal"), given)
        for after, before, reason in await cursor.fetchall():
            assert isinstance(before, datetime)
            first_us = 0 if after is None else microseconds(after) - SCAN_US
            found.append(Cause(first_us, microseconds(before), str(reason)))
        cursor = await connection.execute(query("recorded gaps"), given)
        for first_us, last_us, reason in await cursor.fetchall():
            found.append(Cause(int(first_us), int(last_us), str(reason)))
        cursor = await connection.execute(query("refused frames"), given)
        for (body,) in await cursor.fetchall():
            try:
                if form.frame_layout(body) in layouts:
                    time_us = form.frame_time(body) // 1000
                    found.append(Cause(time_us, time_us, REFUSED))
            except form.Damaged:
                continue  # no frame that anybody can place
        newest = await (await connection.execute(query("newest stored time"))).fetchone()
    if newest and isinstance(newest[0], datetime):
        found.insert(0, Cause(microseconds(newest[0]) - SCAN_US, FOR_EVER_US, NOT_STORED))
    return found
