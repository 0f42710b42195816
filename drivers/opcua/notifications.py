"""What a server publishes, taken apart: a PublishResponse or RepublishResponse, as plain functions on bytes.

A NotificationMessage (OPC UA Part 4, 7.26) has a sequence number, a time and notifications, each an ExtensionObject: a node id
that names its encoding, a form, a length, a body. Without any it is a keep-alive, and its number is the one to come next.
"""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.opcua.datavalues import NO_DIAGNOSTICS, Items, NotPlain, decode_changes

DATA_CHANGE: Final = 811
STATUS_CHANGE: Final = 820
_U32: Final = struct.Struct("<I")
_I32: Final = struct.Struct("<i")
_HEAD: Final = struct.Struct("<Iqi")
"""Sequence number, publish time, number of notifications."""
_OBJECT: Final = struct.Struct("<BBHBi")
"""A four-byte node id (form, namespace, number), the form of the body (1: bytes), its length."""
_MOST_PARTS: Final = 1000
_NONE: Final = -1
"""As the length of an array: there is none. Anything lower is damage."""


@dataclass(frozen=True, slots=True)
class Message:
    """One NotificationMessage. parts: kind (number of its encoding), begin and end of each notification within `body`."""

    subscription: int
    sequence: int
    parts: tuple[tuple[int, int, int], ...]
    body: bytes

    @property
    def keeps_alive(self) -> bool:
        """It tells nothing but that the subscription lives; `sequence` is the number of the message to come."""
        return not self.parts


def published(body: bytes, at: int) -> Message:
    """The message of a PublishResponse whose parameters begin at `at`. Raises NotPlain where it is none that is known here."""
    try:
        subscription, available = _U32.unpack_from(body, at)[0], _I32.unpack_from(body, at + 4)[0]
        if available < _NONE:
            raise NotPlain
        # Behind the numbers of what can be republished: whether there is more to come.
        message, at = _message(body, at + 9 + 4 * max(available, 0), subscription)
        results = _I32.unpack_from(body, at)[0]  # of the acknowledgements: what the server has forgotten needs none
    except struct.error as error:
        raise NotPlain from error
    if results < _NONE or body[at + 4 + 4 * max(results, 0) :] not in NO_DIAGNOSTICS:
        raise NotPlain
    return message


def republished(body: bytes, at: int, subscription: int) -> Message:
    """The NotificationMessage that begins at `at` and ends with `body`. Raises NotPlain."""
    try:
        message, end = _message(body, at, subscription)
    except struct.error as error:
        raise NotPlain from error
    if end != len(body):
        raise NotPlain
    return message


def _message(body: bytes, at: int, subscription: int) -> tuple[Message, int]:
    sequence, _, count = _HEAD.unpack_from(body, at)
    if not _NONE <= count <= _MOST_PARTS:
        raise NotPlain
    at += _HEAD.size
    parts: list[tuple[int, int, int]] = []
    for _ in range(count):
        form, namespace, kind, encoding, length = _OBJECT.unpack_from(body, at)
        begin = at + _OBJECT.size
        at = begin + length
        if (form, namespace, encoding) != (1, 0, 1) or length < 0 or at > len(body):
            raise NotPlain
        parts.append((kind, begin, at))
    return Message(subscription, sequence, tuple(parts), body), at


def changes(body: bytes, begin: int, end: int) -> tuple[NDArray[np.uint32], Items]:
    """Client handles and items of the DataChangeNotification in body[begin:end]. Raises NotPlain."""
    part = body[begin:end]
    if len(part) < 4:
        raise NotPlain
    handles, items, at = decode_changes(part, 4, _I32.unpack_from(part)[0])
    if part[at:] not in NO_DIAGNOSTICS:
        raise NotPlain
    return handles, items


def rounds(handles: NDArray[np.uint32]) -> list[NDArray[np.intp]]:
    """Places in `handles` in rounds, each handle at most once in a round and its values in their order: what changed twice between
    two messages is told twice. One round, by far the most frequent, is found by two comparisons."""
    if len(handles) < 2 or bool((handles[1:] > handles[:-1]).all()):
        return [np.arange(len(handles))]
    order = np.argsort(handles, kind="stable")
    first = np.flatnonzero(np.diff(handles[order], prepend=~handles[order][:1]))
    within = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    turn = np.empty(len(order), np.intp)
    turn[order] = within
    return [np.flatnonzero(turn == n) for n in range(int(within.max()) + 1)]
