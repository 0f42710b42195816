# pyright: reportPrivateUsage=false
"""Watch: the tags of a device whose changes its server tells, instead of being asked for them each second.

For doors and trips that come and go within a second. The server samples each of them and keeps a queue of a bounded length, the
oldest discarded first; where one ran over, or a message is lost, that is counted. A change goes to the engine at once as a frame of
the watched tags' own layouts; their newest values are also in each second's scan, so a second without a change is not a
second without a reading. A tag is Bad, with its reason, from the loss of its subscription until a new one has told its value.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from numpy.typing import NDArray

from drivers.frame import Frame, Layout, Scan
from drivers.opcua.datavalues import Items, NotPlain
from drivers.opcua.notifications import DATA_CHANGE, STATUS_CHANGE, Message, changes, rounds
from drivers.opcua.publishing import Publisher
from drivers.opcua.reads import full_items
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


class Watch:
    """The watched tags of one device, over all its sessions.

    layouts: of the watched tags alone; silence_s: how long its server may say nothing; losses: changes (or messages of changes)
    that the server told of and that were not received; told: gets a Scan of the layouts that changed, at once.
    """

    def __init__(self, layouts: Sequence[Layout], tags: Sequence[ProfileTag], now: Callable[[], int]) -> None:
        self.layouts, self._now = tuple(layouts), now
        self.told: Callable[[Scan], None] | None = None
        self._tags, count = tags, len(tags)
        self._values, self._quality = np.full(count, np.nan), np.full(count, BAD_WAITING_FOR_INITIAL_DATA, np.uint16)
        self._source_ns = np.zeros(count, np.int64)
        ends = np.cumsum([len(layout.tags) for layout in self.layouts])
        self._parts = [slice(int(end) - len(x.tags), int(end)) for x, end in zip(self.layouts, ends, strict=True)]
        self._layout_of = np.repeat(np.arange(len(self.layouts)), [len(x.tags) for x in self.layouts])
        self._publisher: Publisher | None = None
        self._lost: Callable[[str], None] = _log.info
        self._losses = 0
        self.silence_s = SILENT_PERIODS * KEEP_ALIVE_S

    @property
    def losses(self) -> int:
        return self._losses + (self._publisher.losses if self._publisher is not None else 0)

    @property
    def silent(self) -> bool:
        """Whether an open subscription has said nothing for longer than it may."""
        return self._publisher is not None and self._publisher.silent_s > self.silence_s

    async def open(
        self, client: Client, nodes: Sequence[ua.NodeId], lost: Callable[[str], None]
    ) -> list[tuple[int, int]]:
        """Subscribes on a new session; `lost` is told why the subscription ended. Gives the tags (by place) that the server
        does not watch, with the quality that says why. Raises ua.UaError or OSError; the deadline is the caller's."""
        self.close()
        self._quality.fill(BAD_WAITING_FOR_INITIAL_DATA)
        self._values.fill(np.nan)
        self._source_ns.fill(0)
        self._lost = lost
        publisher = Publisher(client, lost)
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
        period_s = (
            made.RevisedPublishingInterval * made.RevisedMaxKeepAliveCount / 1000
        )  # as long as the server wants it
        self.silence_s = SILENT_PERIODS * max(KEEP_ALIVE_S, period_s)
        self._publisher = publisher
        publisher.hear(made.SubscriptionId, self._take)
        return await self._monitor(client, made.SubscriptionId, nodes, made.RevisedPublishingInterval)

    def close(self) -> None:
        """Forgets the subscription; the session is the caller's to close."""
        if self._publisher is not None:
            self._losses = self.losses
            self._publisher.close()
            self._publisher = None

    async def _monitor(
        self, client: Client, subscription: int, nodes: Sequence[ua.NodeId], interval_ms: float
    ) -> list[tuple[int, int]]:
        refused: list[tuple[int, int]] = []
        for first in range(0, len(nodes), ITEMS_PER_CREATE):
            asked = ua.CreateMonitoredItemsParameters(
                SubscriptionId=ua.IntegerId(subscription),
                TimestampsToReturn=ua.TimestampsToReturn.Source,
                ItemsToCreate=[
                    self._item(first + n, node, interval_ms)
                    for n, node in enumerate(nodes[first : first + ITEMS_PER_CREATE])
                ],
            )
            for n, result in enumerate(await client.uaclient.create_monitored_items(asked)):
                if result.StatusCode.is_bad():
                    refused.append((first + n, result.StatusCode.value >> 16))
        for place, code in refused:
            self._quality[place] = code
        return refused

    def _item(self, place: int, node: ua.NodeId, interval_ms: float) -> ua.MonitoredItemCreateRequest:
        sampling_ms = float(self._tags[place].sampling_ms or 1000)
        queue = max(QUEUE_AT_LEAST, int(2 * interval_ms / sampling_ms))
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=ua.IntegerId(place),
                SamplingInterval=ua.Duration(sampling_ms),
                QueueSize=ua.Counter(queue),
                DiscardOldest=True,
            ),
        )

    # ---- what comes

    def _take(self, message: Message) -> None:
        received_ns = self._now()
        for kind, begin, end in message.parts:
            if kind == DATA_CHANGE:
                try:
                    handles, items = changes(message.body, begin, end)
                except NotPlain:
                    try:
                        handles, items = _fully(message.body[begin:end])
                    except Exception as error:  # noqa: BLE001 - asyncua lets out whatever goes wrong within it
                        self._lost(f"what the subscription told is damaged ({type(error).__name__}: {error})")
                        return
                self._change(handles, items, received_ns)
            elif kind == STATUS_CHANGE:
                code = int.from_bytes(message.body[begin + 2 : begin + 4], "little")
                self._lost(f"the server ended the subscription: {reason_of(code) or 'no reason given'}")

    def _change(self, handles: NDArray[np.uint32], items: Items, received_ns: int) -> None:
        """Takes new values, those of one tag one after the other, and tells of each round of them."""
        self._losses += items.overflowed
        newest_ns = int(items.source_ns.max(initial=0))
        for chosen in rounds(handles):
            places = handles[chosen]
            if np.count_nonzero(places >= len(self._values)):
                chosen, places = chosen[places < len(self._values)], places[places < len(self._values)]
            if not len(places):
                continue
            self._values[places] = items.values[chosen]
            self._quality[places] = items.quality[chosen]
            self._source_ns[places] = items.source_ns[chosen]
            if self.told is not None:
                last_ns = int(items.source_ns[chosen].max())
                before_ns = min(newest_ns - last_ns, SPREAD_AT_MOST_NS) if last_ns else 0
                touched = np.flatnonzero(np.bincount(self._layout_of[places])).tolist()
                self.told(Scan(tuple(self._frame(n, received_ns - before_ns, received_ns) for n in touched)))

    def frames(self, slot_ns: int, received_ns: int) -> list[Frame]:
        """The newest values, for a second's scan."""
        return [self._frame(n, slot_ns, received_ns) for n in range(len(self.layouts))]

    def _frame(self, n: int, time_ns: int, received_ns: int) -> Frame:
        part = self._parts[n]
        quality = self._quality[part].copy() if np.count_nonzero(self._quality[part]) else None
        return Frame(
            self.layouts[n], time_ns, received_ns, self._values[part].copy(), quality, self._source_ns[part].copy()
        )


def _fully(part: bytes) -> tuple[NDArray[np.uint32], Items]:
    """asyncua's decoder, for what is neither number nor text. Raises what it raises for what is damaged."""
    told: Any = struct_from_binary(ua.DataChangeNotification, Buffer(part))
    handles = np.array([item.ClientHandle for item in told.MonitoredItems], np.uint32)
    return handles, full_items([item.Value for item in told.MonitoredItems])
