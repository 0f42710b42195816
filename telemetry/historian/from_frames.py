"""Minutes of frames that lie in the database already, for what the journal does not hold any more."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np

from drivers.quality import GOOD
from telemetry.historian import rollup_rows
from telemetry.historian.rollup import SECOND_NS, Summary, summarised
from telemetry.historian.spans import MINUTE_NS, Key, Span, expecting
from telemetry.historian.store import Connection
from telemetry.sql import query

Row = tuple[int, Summary]
"""Through which record, and what it comes to."""


def minutes_of_day(connection: Connection, layout: int, day: datetime, span: Span, through: int) -> dict[Key, Row]:
    """What a layout's frames come to in each minute of the day that begins at `day`, with `through` as the last record merged."""
    with rollup_rows.reading(connection) as cursor:
        cursor.execute(query("frames of a day"), {"layout": layout, "time": day})
        return {
            (layout, minute): (through, _of_rows(list(rows), span, minute))
            for minute, rows in groupby(cursor, key=lambda row: row[0] // (MINUTE_NS // 1000))
        }


def _of_rows(rows: Sequence[tuple[Any, ...]], span: Span, minute: int) -> Summary:
    """What frames of one minute come to; a row is time (us), late, quality, values."""
    time_us = np.array([row[0] for row in rows], np.int64)
    codes = np.stack([np.full(span.n, GOOD) if row[2] is None else row[2] for row in rows]).astype(np.uint16)
    counted = np.ones(len(rows), np.bool_) if span.record else time_us % (SECOND_NS // 1000) == 0
    whole = summarised(np.stack([row[3] for row in rows]), codes, counted, sum(row[1] for row in rows))
    return expecting(whole, span, minute * MINUTE_NS, MINUTE_NS)
