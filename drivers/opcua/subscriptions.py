# pyright: reportPrivateUsage=false
"""Watch: the tags of a device whose changes its server tells, instead of being asked for them each second.

For doors and trips that come and go within a second. The server samples each of them and keeps a queue of a bounded length, the
oldest discarded first; where one ran over, or a message is lost, that is counted. A change goes to the engine at once as a frame of
the watched tags' own layouts; their newest values are also in each second's scan, so a second without a change is not a
second without a reading. A tag is Bad, with its reason, from the loss of its subscription until a new one has told its value.
What the server does not watch is read in each second's scan instead, which is a finding; what was lost is told as a gap.
"""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from asyncua import Client, ua
from asyncua.ua import uaerrors
from asyncua.ua.ua_binary import struct_from_binary
from numpy.typing import NDArray

from drivers.frame import Frame, Gap, Layout, Scan
from drivers.mismatch import REASONS
from drivers.opcua.encoded import Damaged
from drivers.opcua.items import Items, judge_kinds
from drivers.opcua.limits import TOO_MUCH, in_portions
from drivers.opcua.notifications import DATA_CHANGE, STATUS_CHANGE, Message, changes, rounds
from drivers.opcua.portions import Portion
from drivers.opcua.publishing import Publisher
from drivers.probe import listed
from drivers.profile import ProfileTag
from drivers.quality import BAD_WAITING_FOR_INITIAL_DATA, reason_of

_log = logging.getLogger(__name__)
SHORTEST_PUBLISHING_MS: Final = 50.0
KEEP_ALIVE_S: Final = 1.0
"""A subscription that has nothing to tell says so after this."""
SILENT_PERIODS: Final = 2.5
"""A subscription that says nothing for so many periods of its keep-alive is lost."""
LIFETIME_S: Final = 15.0
"""The server drops a subscription whose client asks for nothing for so long."""
ITEMS_PER_CREATE: Final = 500
QUEUE_AT_LEAST: Final = 10
SPREAD_AT_MOST_NS: Final = 5_000_000_000
"""Changes told in one message are set as far apart as the device's clock says, not more than this."""
_DOES_NOT_WATCH: Final = (
    uaerrors.BadServiceUnsupported,
    uaerrors.BadNotImplemented,
    uaerrors.BadNotSupported,
    uaerrors.BadTooManySubscriptions,
    uaerrors.BadTooManyMonitoredItems,
    uaerrors.BadResourceUnavailable,
    uaerrors.BadOutOfMemory,
    uaerrors.BadUserAccessDenied,
    *TOO_MUCH,
)
"""Faults that say nothing against the session: its other tags can be read."""


class Watch:
    """The watched tags of one device, over all its sessions.

    layouts: of the watched tags alone; silence_s: how long its server may say nothing; losses: changes (or messages of changes)
    that the server told of and that were not received; told: gets a Scan of the layouts that changed, at once; quality: of the
    newest values, by place; asked: places of the tags that the server does not watch, to be read in the scan; findings: what it
    does otherwise than asked.
    """

    def __init__(self, layouts: Sequence[Layout], tags: Sequence[ProfileTag], now: Callable[[], int]) -> None:
        self.layouts, self._now = tuple(layouts), now
        self.told: Callable[[Scan], None] | None = None
        self._tags, count = tags, len(tags)
        self._names = [tag for layout in self.layouts for tag in layout.tags]
        self.asked: list[int] = []
        self.findings: tuple[str, ...] = ()
        self._ran_over: dict[int, tuple[int, int]] = {}
        self._gaps: list[Gap] = []
        self._begun_ns = 0
        self._values, self.quality = np.full(count, np.nan), np.full(count, BAD_WAITING_FOR_INITIAL_DATA, np.uint16)
        self._source_ns = np.zeros(count, np.int64)
        ends = np.cumsum([len(layout.tags) for layout in self.layouts])
        self._parts = [slice(int(end) - len(x.tags), int(end)) for x, end in zip(self.layouts, ends, strict=True)]
        self._layout_of = np.repeat(np.arange(len(self.layouts)), [len(x.tags) for x in self.layouts])
        self._publisher: Publisher | None = None
        self._lost: Callable[[str], None] = _log.info
        self.losses = 0
        self.silence_s = SILENT_PERIODS * KEEP_ALIVE_S

    @property
    def silent(self) -> bool:
        """Whether an open subscription has said nothing for longer than it may."""
        return self._publisher is not None and self._publisher.silent_s > self.silence_s

    async def open(self, client: Client, nodes: Sequence[ua.NodeId], most: int, lost: Callable[[str], None]) -> None:
        """Subscribes on a new session, at most `most` items in a request (0: the server says nothing of it); `lost` is told why
        the subscription ended. Raises ua.UaError or OSError; the deadline is the caller's."""
        self.close()
        self.quality.fill(BAD_WAITING_FOR_INITIAL_DATA)
        self._values.fill(np.nan)
        self._source_ns.fill(0)
        self._lost, self._begun_ns, self.asked = lost, self._now(), []
        try:
            self.findings = await self._open(client, nodes, most)
        except _DOES_NOT_WATCH as error:
            self.asked = list(range(len(nodes)))
            self.findings = (self._unwatched(type(error).__name__, self.asked),)

    async def _open(self, client: Client, nodes: Sequence[ua.NodeId], most: int) -> tuple[str, ...]:
        publisher = Publisher(client, self._lost)
        interval_ms = max(SHORTEST_PUBLISHING_MS, float(min(tag.sampling_ms or 1000 for tag in self._tags)))
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=ua.Duration(interval_ms),
            RequestedLifetimeCount=ua.Counter(int(LIFETIME_S * 1000 / interval_ms)),
            RequestedMaxKeepAliveCount=ua.Counter(max(1, int(KEEP_ALIVE_S * 1000 / interval_ms))),
            MaxNotificationsPerPublish=ua.Counter(0),
            PublishingEnabled=True,
            Priority=ua.Byte(0),
        )
        answer = struct_from_binary(ua.CreateSubscriptionResponse, await client.uaclient._send_request(request))
        answer.ResponseHeader.ServiceResult.check()
        made = answer.Parameters
        period_s = made.RevisedPublishingInterval * made.RevisedMaxKeepAliveCount / 1000
        self.silence_s = SILENT_PERIODS * max(KEEP_ALIVE_S, period_s)
        self._publisher = publisher
        publisher.hear(made.SubscriptionId, self._take, self._missed)
        interval_ms = made.RevisedPublishingInterval

        async def create(places: Sequence[int]) -> Sequence[ua.MonitoredItemCreateResult]:
            asked = ua.CreateMonitoredItemsParameters(
                SubscriptionId=ua.IntegerId(made.SubscriptionId),
                TimestampsToReturn=ua.TimestampsToReturn.Source,
                ItemsToCreate=[self._item(place, nodes[place], interval_ms) for place in places],
            )
            return await client.uaclient.create_monitored_items(asked)

        portion = Portion(ITEMS_PER_CREATE, most)
        return self._judged(await in_portions(range(len(nodes)), portion, create), interval_ms)

    def close(self) -> None:
        """Forgets the subscription; the session is the caller's to close."""
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _item(self, place: int, node: ua.NodeId, interval_ms: float) -> ua.MonitoredItemCreateRequest:
        sampling_ms = self._sampling_ms(place)
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=ua.IntegerId(place),
                SamplingInterval=ua.Duration(sampling_ms),
                QueueSize=ua.Counter(_queue(interval_ms, sampling_ms)),
                DiscardOldest=True,
            ),
        )

    def _sampling_ms(self, place: int) -> float:
        return float(self._tags[place].sampling_ms or 1000)

    # ---- what the server makes of it

    def _judged(self, results: Sequence[ua.MonitoredItemCreateResult], interval_ms: float) -> tuple[str, ...]:
        """Findings: tags that are not watched (those of the wrong node are Bad and need none here), or not as closely as asked."""
        found: dict[tuple[str, float, float], list[int]] = {}
        for place, result in enumerate(results):
            sampling_ms, sampled_ms = self._sampling_ms(place), float(result.RevisedSamplingInterval)
            queue, kept = _queue(interval_ms, sampling_ms), int(result.RevisedQueueSize)
            if result.StatusCode.is_bad():
                self.quality[place] = result.StatusCode.value >> 16
                if self.quality[place] not in REASONS:
                    self.asked.append(place)
                    found.setdefault((type(ua.UaStatusCodeError(result.StatusCode.value)).__name__, 0, 0), []).append(
                        place
                    )
                continue
            if sampled_ms > sampling_ms:
                found.setdefault(("samples", sampling_ms, sampled_ms), []).append(place)
            if kept < min(queue, 1 + math.ceil(interval_ms / max(sampling_ms, sampled_ms))):
                found.setdefault(("keeps", queue, kept), []).append(place)
        return tuple(self._sentence(*key, places) for key, places in found.items())

    def _sentence(self, what: str, asked: float, given: float, places: Sequence[int]) -> str:
        names = self._listed(places)
        match what:
            case "samples":
                return (
                    f"{names}: the server samples every {given:g} ms instead of the {asked:g} ms asked for; "
                    "what comes and goes in between is not seen"
                )
            case "keeps":
                return (
                    f"{names}: the server keeps {given:g} changes until the next message instead of the {asked:g} asked for; "
                    "of more the oldest are lost"
                )
            case _:
                return self._unwatched(what, places)

    def _unwatched(self, why: str, places: Sequence[int]) -> str:
        return (
            f"{self._listed(places)}: the server does not watch this ({why}); it is read once a second, "
            "and what comes and goes in between is not seen"
        )

    def _listed(self, places: Iterable[int]) -> str:
        return listed([self._names[place] for place in places])

    def read(self, values: NDArray[np.float64], quality: NDArray[np.uint16], source_ns: NDArray[np.int64]) -> None:
        """What a scan read of the tags that are `asked`."""
        self._values[self.asked], self.quality[self.asked] = values, quality
        self._source_ns[self.asked] = source_ns

    # ---- what comes

    def _take(self, message: Message) -> None:
        received_ns = self._now()
        for kind, begin, end in message.parts:
            if kind == DATA_CHANGE:
                try:
                    handles, items = changes(message.body, begin, end)
                    turns = rounds(handles)
                except Damaged as error:
                    self._lost(f"what the subscription told is damaged: {error}")
                    return
                self._change(handles, items, turns, received_ns)
            elif kind == STATUS_CHANGE:
                code = int.from_bytes(message.body[begin + 2 : begin + 4], "little")
                self._lost(f"the server ended the subscription: {reason_of(code) or 'no reason given'}")

    def _change(
        self, handles: NDArray[np.uint32], items: Items, turns: Sequence[NDArray[np.intp]], received_ns: int
    ) -> None:
        """Takes new values, those of one tag one after the other, and tells of each round of them."""
        judge_kinds(items.quality, items.texts, len(items.quality))
        self.losses += len(items.overflowed)
        newest_ns = int(items.source_ns.max(initial=0))
        for chosen in turns:
            places = handles[chosen]
            if np.count_nonzero(places >= len(self._values)):
                chosen, places = chosen[places < len(self._values)], places[places < len(self._values)]
            if not len(places):
                continue
            if items.overflowed:
                self._overflow(places, items.source_ns[chosen], np.isin(chosen, items.overflowed), received_ns)
            self._values[places] = items.values[chosen]
            self.quality[places] = items.quality[chosen]
            self._source_ns[places] = items.source_ns[chosen]
            if self.told is not None:
                last_ns = int(items.source_ns[chosen].max())
                before_ns = min(newest_ns - last_ns, SPREAD_AT_MOST_NS) if last_ns else 0
                touched = np.flatnonzero(np.bincount(self._layout_of[places])).tolist()
                self.told(Scan(tuple(self._frame(n, received_ns - before_ns, received_ns) for n in touched)))

    # ---- what does not come

    def _overflow(
        self, places: NDArray[Any], source_ns: NDArray[np.int64], ran_over: NDArray[np.bool_], received_ns: int
    ) -> None:
        """The server's queue had no room for what lies between the last value and this."""
        for place, given_ns in zip(places[ran_over].tolist(), source_ns[ran_over].tolist(), strict=True):
            last_ns = given_ns or received_ns
            first_ns = min(int(self._source_ns[place]) or self._begun_ns, last_ns)
            before = self._ran_over.get(place, (first_ns, last_ns))
            self._ran_over[place] = (min(before[0], first_ns), max(before[1], last_ns))

    def _missed(self, messages: int) -> None:
        self.losses += messages
        now_ns = self._now()
        first_ns = min(int(self._source_ns.max()) or self._begun_ns, now_ns)
        reason = f"{listed(self._names)}: {messages} messages of changes did not come, and the server has them no more"
        self._gaps.append(Gap(first_ns, now_ns, reason))

    def gaps(self) -> tuple[Gap, ...]:
        """What was lost since this was asked last."""
        found, self._gaps = self._gaps, []
        ran_over, self._ran_over = self._ran_over, {}
        if ran_over:
            reason = (
                f"{self._listed(sorted(ran_over))}: changed more often than the server's queue holds; changes were lost"
            )
            first_ns, last_ns = min(first for first, _ in ran_over.values()), max(last for _, last in ran_over.values())
            found.append(Gap(first_ns, last_ns, reason))
        return tuple(found)

    def frames(self, slot_ns: int, received_ns: int) -> list[Frame]:
        """The newest values, for a second's scan."""
        return [self._frame(n, slot_ns, received_ns) for n in range(len(self.layouts))]

    def _frame(self, n: int, time_ns: int, received_ns: int) -> Frame:
        part = self._parts[n]
        quality = self.quality[part].copy() if np.count_nonzero(self.quality[part]) else None
        return Frame(
            self.layouts[n], time_ns, received_ns, self._values[part].copy(), quality, self._source_ns[part].copy()
        )


def _queue(interval_ms: float, sampling_ms: float) -> int:
    """How many changes the server is asked to keep for one message."""
    return max(QUEUE_AT_LEAST, int(2 * interval_ms / sampling_ms))
