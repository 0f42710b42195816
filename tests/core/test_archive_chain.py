"""The chain of events, walked: whole it says nothing; a changed, moved or missing event is named."""

import pyarrow as pa
import pytest

from telemetry.archive.chain import Link, Walk, time_ns
from telemetry.archive.form import EVENTS
from telemetry.archive.manifest import Manifest, digest, packed, unpacked, unpacked_deletion
from telemetry.journal.format import ZERO_HASH, event_hash

NOON = 1_780_000_000_000_000_123


def chain(count: int, writer: str = "engine-1", before: bytes = ZERO_HASH, first: int = 1) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number in range(first, first + count):
        body = f'{{"kind":"act","n":{number}}}'
        own = event_hash(before, number, NOON + number, body.encode())
        rows.append(
            {
                "writer": writer,
                "number": number,
                "time": NOON + number,
                "kind": "act",
                "body": body,
                "previous": before,
                "hash": own,
            }
        )
        before = own
    return rows


def said(*parts: list[dict[str, object]], missing: list[tuple[int, int]] | None = None) -> list[str]:
    walk = Walk()
    walk.declare("engine-1", missing or [])
    return [sentence for part in parts for sentence in walk.events(pa.Table.from_pylist(part, EVENTS))]


def test_a_whole_chain_says_nothing_however_it_is_divided() -> None:
    rows = chain(6) + chain(3, "engine-2")
    assert said(rows) == said(rows[:2], rows[2:5], rows[5:]) == said(chain(6)[3:]) == []


def test_an_altered_event_is_named() -> None:
    rows = chain(4)
    rows[1]["body"] = '{"kind":"act","n":9}'
    assert said(rows) == ["event 2 of engine-1 was altered: it does not fit its own hash"]
    rows = chain(4)
    rows[1]["time"] = NOON
    assert said(rows) == ["event 2 of engine-1 was altered: it does not fit its own hash"]


def test_an_event_put_in_the_place_of_another_breaks_the_chain_behind_it() -> None:
    rows = chain(4)
    rows[1:2] = chain(1, before=rows[0]["hash"], first=2)  # the same
    assert said(rows) == []
    forged = event_hash(rows[0]["hash"], 2, NOON, b"{}")
    rows[1] |= {"body": "{}", "time": NOON, "hash": forged}
    assert said(rows) == ["the chain of engine-1 is broken between events 2 and 3: one of them is another"]


def test_missing_events_are_named_unless_they_were_declared() -> None:
    rows = chain(9)
    left = rows[:2] + rows[4:5] + rows[6:]
    gaps = ["events 3 to 4 of engine-1 are missing", "events 6 to 6 of engine-1 are missing"]
    assert said(left) == gaps
    assert said(left, missing=[(6, 6)]) == gaps[:1]
    assert said(left, missing=[(4, 7), (3, 3)]) == []
    assert said(left, missing=[(3, 3), (6, 6)]) == gaps[:1]


def test_events_out_of_order_or_doubled_are_named() -> None:
    rows = chain(3)
    assert said([rows[0], rows[0], rows[1]]) == [
        "event 1 of engine-1 stands behind event 1: they are out of order, or doubled"
    ]


def test_a_first_event_that_follows_something_is_no_beginning() -> None:
    rows = chain(2, before=bytes([1]) * 32)
    assert said(rows) == ["event 1 of engine-1 does not begin its chain"]


def test_the_chain_goes_on_where_a_manifest_says_it_ended() -> None:
    rows, walk = chain(6), Walk()
    own = rows[3]["hash"]
    assert isinstance(own, bytes)
    walk.ends["engine-1"] = Link(4, own)
    assert list(walk.events(pa.Table.from_pylist(rows[4:], EVENTS))) == []


def test_the_nanoseconds_that_an_old_database_did_not_keep_follow_from_the_hash() -> None:
    own = event_hash(ZERO_HASH, 1, NOON, b"{}")
    assert time_ns(1, NOON // 1000, None, b"{}", ZERO_HASH, own) == NOON
    assert time_ns(1, NOON // 1000, 123, b"{}", ZERO_HASH, own) == NOON
    assert time_ns(1, NOON // 1000, 124, b"{}", ZERO_HASH, own) is None
    assert time_ns(1, NOON // 1000, None, b"{ }", ZERO_HASH, own) is None


def manifest() -> Manifest:
    return Manifest(
        archive_class="gmp", day="2026-03-01", version=1, number=1, previous="0" * 64, made="", software="", signer="",
        configurations=[], files=[], rows=0, first=None, last=None,
    )  # fmt: skip


def test_a_digest_is_sha256() -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_manifest_is_read_as_it_was_written_and_nothing_else_is_one() -> None:
    data = packed(manifest())
    assert unpacked(data) == manifest()
    assert packed(unpacked(data)) == data
    with pytest.raises(ValueError, match="is not what this program wrote"):
        unpacked(data[:-3])
    with pytest.raises(ValueError, match="is not what this program wrote"):
        unpacked_deletion(data)
    with pytest.raises(ValueError, match="is of form 2"):
        unpacked(data.replace(b'"form": 1', b'"form": 2'))
