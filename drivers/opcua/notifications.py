"""What a server publishes, taken apart: a PublishResponse or RepublishResponse, as plain functions on bytes.

A NotificationMessage (OPC UA Part 4, 7.26) has a sequence number, a time and notifications, each an ExtensionObject: a node id
that names its encoding, a form, a length, a body. Without any it is a keep-alive, and its number is the one to come next.
"""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.opcua.datavalues import decode_changes
from drivers.opcua.encoded import Damaged, Walk, check_end, type_id
from drivers.opcua.items import Items

DATA_CHANGE: Final = 811
STATUS_CHANGE: Final = 820
_U32: Final = struct.Struct("<I")
_I32: Final = struct.Struct("<i")
_HEAD: Final = struct.Struct("<Iqi")
"""Sequence number, publish time, number of notifications."""
_BYTES: Final = 1
"""As the form of an ExtensionObject's body (Part 6, 5.2.2.15)."""
_MOST_PARTS: Final = 1000
_NONE: Final = -1
"""As the length of an array: there is none. Anything lower is damage."""
MOST_ROUNDS: Final = 1000
"""Changes of one value in one message: more than any queue that is asked for here holds."""


@dataclass(frozen=True, slots=True)
class Message:
    """One NotificationMessage. parts: kind (number of its encoding, None: not of the standard), begin and end of each
    notification within `body`."""

    subscription: int
    sequence: int
    parts: tuple[tuple[int | None, int, int], ...]
    body: bytes

    @property
    def keeps_alive(self) -> bool:
        """It tells nothing but that the subscription lives; `sequence` is the number of the message to come."""
        return not self.parts


def published(body: bytes, at: int) -> Message:
    """The message of a PublishResponse whose parameters begin at `at`. Raises Damaged."""
    walk = Walk(body, at)
    walk.over(4)
    subscription = _U32.unpack_from(body, at)[0]
    walk.over(4 * walk.count() + 1)  # the numbers of what can be republished; whether there is more to come
    message = _message(walk, subscription)
    walk.over(4 * walk.count())  # results of the acknowledgements: what the server has forgotten needs none
    check_end(body, walk.at)
    return message


def republished(body: bytes, at: int, subscription: int) -> Message:
    """The NotificationMessage that begins at `at` and ends with `body`. Raises Damaged."""
    walk = Walk(body, at)
    message = _message(walk, subscription)
    if walk.at != len(body):
        raise Damaged("it goes on behind its end")
    return message


def _message(walk: Walk, subscription: int) -> Message:
    walk.over(_HEAD.size)
    sequence, _, count = _HEAD.unpack_from(walk.data, walk.at - _HEAD.size)
    if not _NONE <= count <= _MOST_PARTS:
        raise Damaged(f"it has {count} notifications")
    return Message(subscription, sequence, tuple(_part(walk) for _ in range(count)), walk.data)


def _part(walk: Walk) -> tuple[int | None, int, int]:
    kind = type_id(walk)
    if walk.byte() != _BYTES:
        raise Damaged("a notification has an unknown form")
    begin = walk.at + 4
    walk.over(walk.count())
    return kind, begin, walk.at


def changes(body: bytes, begin: int, end: int) -> tuple[NDArray[np.uint32], Items]:
    """Client handles and items of the DataChangeNotification in body[begin:end]. Raises Damaged."""
    part = body[begin:end]
    if len(part) < 4:
        raise Damaged("it ends within a value")
    handles, items, at = decode_changes(part, 4, _I32.unpack_from(part)[0])
    check_end(part, at)
    return handles, items


def rounds(handles: NDArray[np.uint32]) -> list[NDArray[np.intp]]:
    """Places in `handles` in rounds, each handle at most once in a round and its values in their order: what changed twice between
    two messages is told twice. One round, by far the most frequent, is found by two comparisons.
    Raises Damaged where there are too many."""
    if len(handles) < 2 or bool((handles[1:] > handles[:-1]).all()):
        return [np.arange(len(handles))]
    order = np.argsort(handles, kind="stable")
    first = np.flatnonzero(np.diff(handles[order], prepend=~handles[order][:1]))
    within = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    turn = np.empty(len(order), np.intp)
    turn[order] = within
    turns = int(within.max()) + 1
    if turns > MOST_ROUNDS:
        raise Damaged(f"it tells {turns} changes of one value")
    return [np.flatnonzero(turn == n) for n in range(turns)]
