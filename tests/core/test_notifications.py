"""What a server publishes, taken apart: order of changes, what is damaged or unknown, keep-alives."""

import struct
from datetime import UTC, datetime

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from drivers.opcua.encoded import Damaged
from drivers.opcua.notifications import DATA_CHANGE, MOST_ROUNDS, STATUS_CHANGE, changes, published, republished, rounds

HEAD = 28
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def change(*told: tuple[int, float]) -> ua.DataChangeNotification:
    items = [ua.MonitoredItemNotification(handle, ua.DataValue(ua.Variant(value))) for handle, value in told]
    return ua.DataChangeNotification(MonitoredItems=items)


def answer(*parts: object, sequence: int = 7, available: tuple[int, ...] = (7,), results: int = 0) -> bytes:
    message = ua.NotificationMessage(sequence, WHEN, list(parts))  # pyright: ignore[reportArgumentType]
    given = ua.PublishResult(5, list(available), False, message, [ua.StatusCode(0)] * results)
    return struct_to_binary(ua.PublishResponse(Parameters=given))


@pytest.mark.parametrize("available", [(), (1, 2, 3)])
@pytest.mark.parametrize("results", [0, 2])
def test_a_message_is_taken_apart(available: tuple[int, ...], results: int) -> None:
    parts = (change((1, 2.5), (9, -1.0)), ua.StatusChangeNotification(ua.StatusCode(0x800A0000)), change((4, 8.0)))
    message = published(answer(*parts, available=available, results=results), HEAD)
    assert (message.subscription, message.sequence, message.keeps_alive) == (5, 7, False)
    assert [kind for kind, _, _ in message.parts] == [DATA_CHANGE, STATUS_CHANGE, DATA_CHANGE]
    told = [changes(message.body, begin, end) for kind, begin, end in message.parts if kind == DATA_CHANGE]
    assert [(handles.tolist(), items.values.tolist()) for handles, items in told] == [
        ([1, 9], [2.5, -1.0]),
        ([4], [8.0]),
    ]


def test_a_message_of_nothing_keeps_alive() -> None:
    message = published(answer(sequence=8), HEAD)
    assert message.keeps_alive and message.sequence == 8


def test_a_message_sent_again_is_the_same() -> None:
    response = ua.RepublishResponse(NotificationMessage=ua.NotificationMessage(3, WHEN, [change((1, 2.0))]))  # pyright: ignore[reportArgumentType]
    body = struct_to_binary(response)
    message = republished(body, HEAD, 5)
    assert (message.subscription, message.sequence, len(message.parts)) == (5, 3, 1)
    for damaged in (body + b"x", body[:-1], body[: HEAD + 3]):
        with pytest.raises(Damaged):
            republished(damaged, HEAD, 5)


def _patched(body: bytes, at: int, value: int) -> bytes:
    return body[:at] + struct.pack("<i", value) + body[at + 4 :]


WHOLE = answer(change((1, 2.5)), available=(), results=1)
PARTS_AT = HEAD + 9 + 12
"""Of an answer without numbers of what can be sent again: the number of notifications."""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        WHOLE[:-1],
        WHOLE + b"x",
        WHOLE[: HEAD + 20],
        _patched(WHOLE, HEAD + 4, -2),
        _patched(WHOLE, PARTS_AT, -2),
        _patched(WHOLE, PARTS_AT, 1001),
        _patched(WHOLE, PARTS_AT + 9, -1),  # the length of the first
        _patched(WHOLE, PARTS_AT + 9, 100_000),
        _patched(WHOLE, len(WHOLE) - 12, -2),  # the results' number
        WHOLE[: PARTS_AT + 4] + b"\7" + WHOLE[PARTS_AT + 5 :],  # no form of node id
        WHOLE[: PARTS_AT + 8] + b"\2" + WHOLE[PARTS_AT + 9 :],  # a notification in XML
    ],
    ids=lambda body: f"{len(body)} bytes",
)
def test_what_is_damaged_or_unknown_is_never_taken(body: bytes) -> None:
    assert published(WHOLE, HEAD).parts
    with pytest.raises(Damaged):
        published(body, HEAD)


def test_changes_are_whole_or_none() -> None:
    whole = struct_to_binary(change((1, 2.5), (2, 3.5)))
    assert changes(whole, 0, len(whole))[0].tolist() == [1, 2]
    for damaged in (
        b"",
        whole[:3],
        whole[:-1],
        whole + b"x",
        _patched(whole, 0, 0),
        _patched(whole, 0, 3),
        _patched(whole, 0, -1),
    ):
        with pytest.raises(Damaged):
            changes(damaged, 0, len(damaged))


@given(st.lists(st.integers(0, 5) | st.just(2**32 - 1)))
def test_rounds_keep_the_order_of_each_and_lose_nothing(handles: list[int]) -> None:
    array = np.array(handles, np.uint32)
    found = rounds(array)
    places = [int(place) for one in found for place in one]
    assert sorted(places) == list(range(len(handles)))
    assert all(len(set(array[one].tolist())) == len(one) for one in found)
    assert [len(one) for one in found] == sorted((len(one) for one in found), reverse=True)
    for handle in set(handles):
        mine = [place for place in places if handles[place] == handle]
        assert mine == sorted(mine)


def test_no_value_changes_without_end_in_one_message() -> None:
    assert len(rounds(np.full(MOST_ROUNDS, 3, np.uint32))) == MOST_ROUNDS
    with pytest.raises(Damaged):
        rounds(np.full(MOST_ROUNDS + 1, 3, np.uint32))
