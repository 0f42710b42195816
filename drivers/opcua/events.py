# pyright: reportArgumentType=false
# (asyncua declares identifiers and status codes as types of their own, and takes plain numbers)
"""Events of a server's own alarms and conditions (OPC UA Part 9), where it offers them, as DeviceEvents.

What the device itself calls an alarm is evidence, not ours to judge: it goes to the journal as it came. After a connect the
server is asked for all conditions that stand (ConditionRefresh); what was told before is not told again.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from asyncua import Client, ua
from asyncua.ua import uaerrors

from drivers.frame import DeviceEvent, Scan

PUBLISH_MS: Final = 500
KEPT: Final = 1000
"""Events that wait to be taken, here and in the server's queue; what is beyond is lost, and counted."""
CONDITIONS: Final = 2000
"""Conditions of which the last event is remembered, so that a refresh does not repeat it."""
AGAIN_AT_MOST: Final = 20
"""Missing messages that are asked for again; of more, the older ones are counted as lost."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CONDITION: Final = ua.NodeId(ua.ObjectIds.ConditionType)
_OVERFLOW: Final = ua.NodeId(ua.ObjectIds.EventQueueOverflowEventType)
_REFRESH_WANTED: Final = ua.NodeId(ua.ObjectIds.RefreshRequiredEventType)
_REFRESHING: Final = (ua.NodeId(ua.ObjectIds.RefreshStartEventType), ua.NodeId(ua.ObjectIds.RefreshEndEventType))
_REFRESH: Final = ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh)
_BASE: Final = ua.NodeId(ua.ObjectIds.BaseEventType)
_FIELDS: Final[tuple[tuple[ua.NodeId, str], ...]] = (
    (_BASE, "EventType"),
    (_BASE, "SourceName"),
    (_BASE, "Time"),
    (_BASE, "Message"),
    (_BASE, "Severity"),
    (_CONDITION, "ConditionName"),
    (ua.NodeId(ua.ObjectIds.AlarmConditionType), "ActiveState/Id"),
    (ua.NodeId(ua.ObjectIds.AcknowledgeableConditionType), "AckedState/Id"),
)
_NO_FILTER: Final = (
    uaerrors.BadEventFilterInvalid,
    uaerrors.BadFilterNotAllowed,
    uaerrors.BadFilterOperatorUnsupported,
    uaerrors.BadFilterOperatorInvalid,
    uaerrors.BadFilterOperandInvalid,
    uaerrors.BadMonitoredItemFilterUnsupported,
    uaerrors.BadMonitoredItemFilterInvalid,
)


class Events:
    """One device's events, for its whole life: `listen` once on every session, `told` at every scan. lost: since then."""

    def __init__(self) -> None:
        self.lost = 0
        self._waiting: deque[DeviceEvent] = deque()
        self._told: OrderedDict[tuple[str, str], DeviceEvent] = OrderedDict()
        self._subscription = 0
        self._sequence = 0
        self._refresh_wanted = False
        self._client: Client | None = None

    def told(self, scan: Scan) -> Scan:
        """`scan` with what came since this was last asked, in order."""
        if not self._waiting and not self.lost:
            return scan
        taken, lost = tuple(self._waiting), self.lost
        self._waiting.clear()
        self.lost = 0
        return replace(scan, events=taken, events_lost=lost)

    async def listen(self, client: Client, notifier: ua.NodeId) -> None:
        """Subscribes to the events of `notifier` and asks for what stands. Raises ua.UaError or OSError."""
        asked = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=PUBLISH_MS,
            RequestedLifetimeCount=120,
            RequestedMaxKeepAliveCount=20,
            MaxNotificationsPerPublish=KEPT,
            PublishingEnabled=True,
        )
        self._client, self._sequence = client, 0
        made = await client.uaclient.create_subscription(asked, self._published)
        self._subscription = int(made.SubscriptionId)
        try:
            await self._monitor(client, notifier, conditions_only=True)
        except _NO_FILTER:  # some servers know no filter; then all events come
            await self._monitor(client, notifier, conditions_only=False)
        await self._refresh()

    async def _monitor(self, client: Client, notifier: ua.NodeId, conditions_only: bool) -> None:
        wanted = ua.EventFilter(SelectClauses=[_field(kind, path) for kind, path in _FIELDS])
        if conditions_only:
            of_type = ua.ContentFilterElement(
                FilterOperator=ua.FilterOperator.OfType,
                FilterOperands=[ua.LiteralOperand(Value=ua.Variant(_CONDITION, ua.VariantType.NodeId))],
            )
            wanted.WhereClause = ua.ContentFilter(Elements=[of_type])
        item = ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=notifier, AttributeId=ua.AttributeIds.EventNotifier),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=1, SamplingInterval=0.0, Filter=wanted, QueueSize=KEPT, DiscardOldest=True
            ),
        )
        asked = ua.CreateMonitoredItemsParameters(SubscriptionId=self._subscription, ItemsToCreate=[item])
        (made,) = await client.uaclient.create_monitored_items(asked)
        made.StatusCode.check()

    async def _refresh(self) -> None:
        """Has every condition that stands sent anew. A server that only has plain events knows no such method."""
        assert self._client is not None
        number = ua.Variant(self._subscription, ua.VariantType.UInt32)
        request = ua.CallMethodRequest(ObjectId=_CONDITION, MethodId=_REFRESH, InputArguments=[number])
        await self._client.uaclient.call([request])

    async def _published(self, result: ua.PublishResult) -> None:
        message = result.NotificationMessage
        notifications: Sequence[Any] = message.NotificationData or ()
        if not notifications:
            return
        number = int(message.SequenceNumber)
        first = self._sequence + 1 if self._sequence else number  # what came before the first is not known
        for missing in range(max(first, number - AGAIN_AT_MOST), number):
            await self._again(missing)
        self.lost += max(0, number - AGAIN_AT_MOST - first)
        self._sequence = number
        self._came(notifications)
        if self._refresh_wanted:
            self._refresh_wanted = False
            await self._refresh()

    async def _again(self, number: int) -> None:
        """A notification that did not come, asked for once more; the server keeps some of them."""
        try:
            assert self._client is not None
            message = await self._client.uaclient.session.republish(self._subscription, number)
            self._came(message.NotificationData or ())
        except (ua.UaError, OSError):
            self.lost += 1

    def _came(self, notifications: Sequence[Any]) -> None:
        for part in notifications:
            if isinstance(part, ua.EventNotificationList):
                for event in part.Events:
                    self._take_in([field.Value for field in event.EventFields])

    def _take_in(self, fields: Sequence[Any]) -> None:
        """One event, its fields in the order of `_FIELDS`."""
        kind, source, when, message, severity, condition, active, acknowledged = fields
        if kind == _OVERFLOW:
            self.lost += 1  # at least: the server does not say how many
        elif kind == _REFRESH_WANTED:
            self._refresh_wanted = True
        elif message is not None and kind not in _REFRESHING:
            text = message.Text if isinstance(message, ua.LocalizedText) else message
            self._tell(
                DeviceEvent(
                    time_ns=_nanoseconds(when),
                    source=str(source or ""),
                    condition=str(condition or ""),
                    severity=int(severity or 0),
                    message=str(text or ""),
                    active=active if isinstance(active, bool) else None,
                    acknowledged=acknowledged if isinstance(acknowledged, bool) else None,
                )
            )

    def _tell(self, event: DeviceEvent) -> None:
        if event.condition:
            name = (event.source, event.condition)
            if self._told.get(name) == event:  # refreshed, or sent again under another number
                return
            self._told[name] = event
            self._told.move_to_end(name)
            if len(self._told) > CONDITIONS:
                self._told.popitem(last=False)
        if len(self._waiting) >= KEPT:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(event)


def _field(kind: ua.NodeId, path: str) -> ua.SimpleAttributeOperand:
    return ua.SimpleAttributeOperand(
        TypeDefinitionId=kind,
        BrowsePath=[ua.QualifiedName(name, 0) for name in path.split("/")],
        AttributeId=ua.AttributeIds.Value,
    )


def _nanoseconds(when: datetime | None) -> int:
    """UTC nanoseconds, to the microsecond; 0 where the server gives no time."""
    if when is None:
        return 0
    since = (when if when.tzinfo else when.replace(tzinfo=UTC)) - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
