"""An OPC UA device: one session, one read of all its nodes each second.

Nodes are addressed by namespace URI (the index moves when a server loads another nodeset). A node that the server does not
know makes its own tag Bad, and nothing else.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from asyncua import Client, ua

from drivers.address import shown
from drivers.deadline import Deadlines
from drivers.device import CONNECT_DEADLINE_S, SCAN_DEADLINE_S, Now, WriteFailed, backoff_s, layouts_of
from drivers.fleet import Fleet
from drivers.frame import Frame, Scan, bad_frame
from drivers.mismatch import Mismatches
from drivers.opcua.browse_path import is_path
from drivers.opcua.events import Events
from drivers.opcua.faults import LoginRefused, sentence
from drivers.opcua.items import Items, judge_kinds
from drivers.opcua.limits import TOO_MUCH, stated
from drivers.opcua.methods import called
from drivers.opcua.paths import index_of, resolved
from drivers.opcua.portions import Portion
from drivers.opcua.reads import BulkRead
from drivers.opcua.security import Security
from drivers.opcua.session import Session
from drivers.opcua.subscriptions import Watch
from drivers.opcua.writes import written
from drivers.probe import findings_of
from drivers.profile import Profile, ProfileTag
from drivers.quality import BAD_COMMUNICATION_ERROR, BAD_NO_COMMUNICATION, BAD_TIMEOUT

NODES_PER_READ: Final = 500
"""Nodes in one read where neither profile nor server states less."""
LOGIN_AGAIN_S: Final = 1.5
LOGIN_AGAIN_AT_MOST_S: Final = 60.0
"""Between logins that are refused: who mends the password waits a minute at most, and the account is not locked by us."""
_NONE: Final = Items(np.empty(0), np.empty(0, np.uint16), np.empty(0, np.int64), {})


class OpcUaDevice:
    """A server at ``opc.tcp://host:port/path``."""

    def __init__(
        self, device: str, profile: Profile, address: str, now: Now, fleet: Fleet | None = None,
        security: Security | None = None,
    ) -> None:  # fmt: skip
        self.device, self.profile, self.address, self.now = device, profile, address, now
        self.shown = shown(address)
        self.fleet, self.security = fleet or Fleet(), security
        self._deadlines = Deadlines.of(self.fleet, SCAN_DEADLINE_S)
        self.tags = profile.expanded()
        self.layouts = layouts_of(device, self.tags)
        self.failure: str | None = f"{device} at {self.shown} is not connected yet"
        watched = [layout for layout in self.layouts if self._tag(layout.tags[0]).sampling_ms is not None]
        self._polled = [layout for layout in self.layouts if layout not in watched]
        self._watched = [tag for layout in watched for tag in layout.tags]
        self._watch = Watch(watched, [self._tag(tag) for tag in self._watched], now) if watched else None
        self.on_change: Callable[[Scan], None] | None = None
        self._numeric = [tag for layout in self._polled for tag in layout.tags]
        self._texts = [f"{device}.{name}" for name, tag in self.tags.items() if tag.kind == "text"]
        self._portion, self._monitor_most = Portion(1), 0
        self._session: Session | None = None
        self._namespace = 0
        self._nodes: dict[str, ua.NodeId] = {}
        self._paths: dict[str, ua.NodeId] = {}
        self._reads: list[BulkRead] = []
        self._types: dict[str, ua.VariantType] = {}
        self._mismatches = Mismatches(device, self.tags)
        self._events = Events() if profile.events else None
        self._deaf: tuple[str, ...] = ()
        self._lost = asyncio.Event()

    # ---- the connection's life

    async def run(self) -> None:
        waits, refused = backoff_s(), 0
        while True:
            session = self._new_session()
            try:
                self._lost.clear()
                await self._begin(session)
                waits, refused = backoff_s(), 0
                await session.hold(self._lost)
            except LoginRefused as error:
                self.failure, refused = f"{self.device} at {self.shown}: {error}", refused + 1
            except Exception as error:  # noqa: BLE001 - asyncua lets AssertionError and others out; each must become a sentence
                self.failure = f"{self.device} at {self.shown}: {sentence(error)}"
            finally:
                await self._end(session)
            await asyncio.sleep(next(waits) if not refused else min(LOGIN_AGAIN_S * 2**refused, LOGIN_AGAIN_AT_MOST_S))

    async def probe(self) -> tuple[str, ...]:
        """Connects once, reads everything once, and says what is wrong, in plain sentences."""
        session = self._new_session()
        try:
            await self._begin(session)
            scan = await self.scan(self.now())
        except Exception as error:  # noqa: BLE001 - as in run
            return (f"{self.device} at {self.shown}: {sentence(error)}",)
        finally:
            await self._end(session)
        return tuple(dict.fromkeys((*scan.findings, *findings_of(self.device, self.tags, scan))))

    def _new_session(self) -> Session:
        return Session(self.address, self.security, self.fleet, self.now)

    async def _begin(self, session: Session) -> None:
        await session.open()
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            await self._prepare(session.client)
            if self._watch is not None:
                await self._subscribe(session.client, self._watch)
            self._plan(session.client)
            if self._events is not None:
                await self._listen(session.client, self._events)
        self._session, self.failure = session, None

    async def _end(self, session: Session) -> None:
        self._session = None
        if self._watch is not None:
            self._watch.close()
        await session.close()

    async def _prepare(self, client: Client) -> None:
        """Finds the namespace and the server's limits, and encodes what every scan asks."""
        uri = self.profile.namespace
        assert uri is not None
        known = await client.get_namespace_array()
        self._namespace = index_of(uri, known)
        limits = await stated(client)
        nodes, prefixes = self.profile.nodes(), self.profile.namespaces
        self._paths = await resolved(client, nodes, uri, prefixes, known, limits.translate)
        self._nodes = {tag: self._node(tag) for tag in (*self._numeric, *self._texts)}
        self._types.clear()
        most = self.profile.server.nodes_per_read or NODES_PER_READ
        self._portion = Portion(min(most, len(self._nodes) + len(self._watched)), limits.read)
        self._monitor_most = limits.monitor

    async def _listen(self, client: Client, events: Events) -> None:
        """A server whose events cannot be heard is still read: the sentence stands as a finding."""
        node = self.profile.events
        try:
            notifier = self._id(node) if isinstance(node, str) else ua.NodeId(ua.Int32(ua.ObjectIds.Server))
            await events.listen(client, notifier)
            self._deaf = ()
        except ua.UaError as error:
            self._deaf = (f"{self.device} at {self.shown}: its events cannot be heard: {sentence(error)}",)

    async def _subscribe(self, client: Client, watch: Watch) -> None:
        """A tag that the server does not watch is read with the polled ones."""

        def lost(why: str) -> None:
            self.failure = f"{self.device} at {self.shown}: {why}"
            self._lost.set()

        watch.told = self._changed
        nodes = [self._node(tag) for tag in self._watched]
        await watch.open(client, nodes, self._monitor_most, lost)
        asked = [self._watched[place] for place in watch.asked]
        self._nodes = {tag: self._node(tag) for tag in (*self._numeric, *asked, *self._texts)}

    def _changed(self, scan: Scan) -> None:
        if self.on_change is not None and self.failure is None:
            self.on_change(scan)

    @property
    def losses(self) -> int:
        """Changes of watched tags that were lost in the server's queues or on the way."""
        return 0 if self._watch is None else self._watch.losses

    def _plan(self, client: Client) -> None:
        nodes, largest = list(self._nodes.values()), self._portion.size
        self._reads = [BulkRead(client, nodes[i : i + largest], SCAN_DEADLINE_S) for i in range(0, len(nodes), largest)]

    def _tag(self, tag: str) -> ProfileTag:
        return self.tags[tag.removeprefix(f"{self.device}.")]

    def _node(self, tag: str) -> ua.NodeId:
        return self._id(str(self._tag(tag).node))

    def _id(self, node: str) -> ua.NodeId:
        if is_path(node):
            return self._paths[node]
        return ua.NodeId.from_string(f"ns={self._namespace};{node}")

    # ---- scans

    async def scan(self, slot_ns: int) -> Scan:
        session = self._session
        if session is None:
            return self._failed(slot_ns, BAD_NO_COMMUNICATION)
        if self._watch is not None and self._watch.silent:
            self.failure = (
                f"{self.device} at {self.shown}: its subscription has said nothing for {self._watch.silence_s:g} s"
            )
            self._lost.set()
            return self._failed(slot_ns, BAD_TIMEOUT)
        task = self._deadlines.begin()
        try:
            parts = await self._read(session.client)
        except (asyncio.CancelledError, TimeoutError) as error:
            if isinstance(error, asyncio.CancelledError) and not self._deadlines.end(task):
                raise
            self.failure = f"{self.device} at {self.shown} did not answer within {SCAN_DEADLINE_S} s"
            self._lost.set()
            return self._failed(slot_ns, BAD_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - as in run: each becomes a sentence
            self.failure = f"{self.device} at {self.shown}: {sentence(error)}"
            self._lost.set()
            return self._failed(slot_ns, BAD_COMMUNICATION_ERROR)
        finally:
            self._deadlines.end(task)
        return self._frames(slot_ns, self.now(), parts, session.doubts)

    async def _read(self, client: Client) -> list[Items]:
        """All nodes once. A server that bears less than it says, or says nothing, is asked for half until that has gone well
        for a while. That it does not answer in time says nothing of how much it bears."""
        while True:
            try:
                parts = [await read.read(client) for read in self._reads]
            except TOO_MUCH:
                if not self._portion.refused(self._portion.size):
                    raise
                self._plan(client)
                continue
            if self._portion.borne():
                self._plan(client)
            return parts

    def _frames(self, slot_ns: int, received_ns: int, parts: Sequence[Items], doubts: tuple[str, ...]) -> Scan:
        values = np.concatenate([_NONE.values, *(part.values for part in parts)])
        quality = np.concatenate([_NONE.quality, *(part.quality for part in parts)])
        source_ns = np.concatenate([_NONE.source_ns, *(part.source_ns for part in parts)])
        found: dict[int, str] = {}
        first = 0
        for part in parts:
            found |= {first + item: text for item, text in part.texts.items()}
            first += len(part.values)
        numbers = len(self._nodes) - len(self._texts)
        judge_kinds(quality, found, numbers)
        frames: list[Frame] = []
        at = 0
        for layout in self._polled:
            part = slice(at, at + len(layout.tags))
            at += len(layout.tags)
            reasons = quality[part] if quality[part].any() else None
            frames.append(Frame(layout, slot_ns, received_ns, values[part], reasons, source_ns[part]))
        names, of_names, findings, gaps = [*self._numeric, *self._texts], quality, self._deaf, ()
        if self._watch is not None:
            self._watch.read(values[at:numbers], quality[at:numbers], source_ns[at:numbers])
            frames += self._watch.frames(slot_ns, received_ns)
            names, of_names = (
                [*names, *self._watched],
                np.concatenate([quality[:at], quality[numbers:], self._watch.quality]),
            )
            findings, gaps = findings + self._watch.findings, self._watch.gaps()
        if of_names.any():
            findings += self._mismatches.told(names, of_names)
        if doubts:
            findings = (*(f"{self.device} at {self.shown}: {doubt}" for doubt in doubts), *findings)
        texts = {tag: found.get(numbers + i) for i, tag in enumerate(self._texts)}
        scan = Scan(tuple(frames), texts, findings=findings, gaps=gaps)
        return scan if self._events is None else self._events.told(scan)

    def _failed(self, slot_ns: int, reason: int) -> Scan:
        received_ns = self.now()
        frames = tuple(bad_frame(layout, slot_ns, received_ns, reason) for layout in self.layouts)
        gaps = () if self._watch is None else self._watch.gaps()
        return Scan(frames, dict.fromkeys(self._texts), self.failure or "no connection", gaps=gaps)

    # ---- what is asked of the device

    async def write(self, tag: str, value: float) -> float:
        session = self._session
        if session is None:
            raise WriteFailed(f"{tag} was not written: {self.failure}")
        return await written(session.client, self._node(tag), tag, value, self._types)

    async def call(self, method: str, arguments: Sequence[float] = ()) -> None:
        """Calls a method of the profile. Raises WriteFailed, also where it is not known whether the device heard it."""
        session, asked = self._session, self.profile.methods.get(method)
        if asked is None:
            raise WriteFailed(f"{self.device} has no method {method}: name one of its profile {self.profile.profile}")
        if session is None:
            raise WriteFailed(f"{self.device}: {method} was not called: {self.failure}")
        what = f"{self.device}: {method}"
        await called(session.client, self._id(asked.object), self._id(asked.method), what, arguments)
