# pyright: reportArgumentType=false
# (asyncua declares identifiers and status codes as types of their own, and takes plain numbers)
"""The services of subscriptions and monitored items for one session with a device of the load form (Part 4, 5.12 and 5.13)."""

import struct
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from simulators.load.items import stamps_of
from simulators.load.nodes import SAMPLING_MS, DeviceNodes
from simulators.load.subscriptions import Subscription

_PUBLISH_REQUESTS: Final = 100
_subscriptions = count(1)

Send = Callable[[int, int, bytes], None]
"""Sends a PublishResponse to a request (its number and handle): everything behind the response header."""


class Subscribing:
    """The subscriptions of one session, and the publish requests that wait for news."""

    def __init__(self, nodes: DeviceNodes, send: Send) -> None:
        self._nodes, self._send = nodes, send
        self._subscriptions: dict[int, Subscription] = {}
        self._publish_requests: deque[tuple[int, int, bytes]] = deque()
        self._item = count(1)

    def end(self) -> None:
        """The session is over, and its subscriptions with it."""
        for subscription in self._subscriptions.values():
            subscription.end()
        self._subscriptions.clear()
        self._publish_requests.clear()

    def _subscription(self, id_: int) -> Subscription:
        found = self._subscriptions.get(id_)
        if found is None or not found.alive:
            raise ua.uaerrors.BadSubscriptionIdInvalid
        return found

    def create_subscription(self, asked: Any) -> Any:
        made = Subscription(next(_subscriptions), asked, self._nodes, self._publish_now)
        self._subscriptions[made.id] = made
        response: Any = ua.CreateSubscriptionResponse()
        response.Parameters.SubscriptionId = made.id
        return _revised(response, made)

    def modify_subscription(self, asked: Any) -> Any:
        found = self._subscription(asked.SubscriptionId)
        found.modify(asked)
        return _revised(ua.ModifySubscriptionResponse(), found)

    def delete_subscriptions(self, asked: Any) -> Any:
        response: Any = ua.DeleteSubscriptionsResponse()
        for id_ in asked.SubscriptionIds:
            found = self._subscriptions.pop(id_, None)
            if found is not None:
                found.end()
            response.Results.append(ua.StatusCode(0 if found is not None else ua.StatusCodes.BadSubscriptionIdInvalid))
        return response

    def set_publishing(self, asked: Any) -> Any:
        response: Any = ua.SetPublishingModeResponse()
        for id_ in asked.SubscriptionIds:
            self._subscription(id_).enabled = asked.PublishingEnabled
            response.Parameters.Results.append(ua.StatusCode())
        return response

    def create_items(self, asked: Any) -> Any:
        subscription = self._subscription(asked.SubscriptionId)
        try:
            stamps = stamps_of(asked.TimestampsToReturn)
        except KeyError:
            raise ua.uaerrors.BadTimestampsToReturnInvalid from None
        response: Any = ua.CreateMonitoredItemsResponse()
        for wanted in asked.ItemsToCreate:
            result: Any = ua.MonitoredItemCreateResult()
            tag = self._nodes.tag(wanted.ItemToMonitor.NodeId)
            if tag is None:
                result.StatusCode = ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown)
            elif wanted.ItemToMonitor.AttributeId != ua.AttributeIds.Value:
                result.StatusCode = ua.StatusCode(ua.StatusCodes.BadAttributeIdInvalid)
            else:
                result.MonitoredItemId = next(self._item)
                result.RevisedSamplingInterval, result.RevisedQueueSize = SAMPLING_MS, 1
                subscription.add(result.MonitoredItemId, wanted.RequestedParameters.ClientHandle, tag, stamps)
            response.Results.append(result)
        return response

    def delete_items(self, asked: Any) -> Any:
        subscription = self._subscription(asked.SubscriptionId)
        response: Any = ua.DeleteMonitoredItemsResponse()
        for id_ in asked.MonitoredItemIds:
            known = subscription.remove(id_)
            response.Results.append(ua.StatusCode(0 if known else ua.StatusCodes.BadMonitoredItemIdInvalid))
        return response

    def publish(self, number: int, header: Any, asked: Any) -> None:
        """Keeps the request until there is something to say."""
        living = {id_: found for id_, found in self._subscriptions.items() if found.alive}
        self._subscriptions = living
        if not living:
            raise ua.uaerrors.BadNoSubscription
        results = [self._acknowledged(a.SubscriptionId, a.SequenceNumber) for a in asked.SubscriptionAcknowledgements]
        if len(self._publish_requests) >= _PUBLISH_REQUESTS:
            raise ua.uaerrors.BadTooManyPublishRequests
        packed = struct.pack(f"<i{len(results)}I", len(results), *results)
        self._publish_requests.append((number, header.RequestHandle, packed))
        for subscription in tuple(living.values()):
            subscription.heard()

    def _acknowledged(self, id_: int, sequence: int) -> int:
        found = self._subscriptions.get(id_)
        if found is None:
            return ua.StatusCodes.BadSubscriptionIdInvalid
        known = found.unacknowledged.pop(sequence, None)
        return 0 if known is not None else ua.StatusCodes.BadSequenceNumberUnknown

    def _publish_now(self, parameters: bytes) -> bool:
        if not self._publish_requests:
            return False
        number, handle, results = self._publish_requests.popleft()
        self._send(number, handle, parameters + results)
        return True

    def republish(self, asked: Any) -> Any:
        message = self._subscription(asked.SubscriptionId).unacknowledged.get(asked.RetransmitSequenceNumber)
        if message is None:
            raise ua.uaerrors.BadMessageNotAvailable
        response: Any = ua.RepublishResponse()
        response.NotificationMessage = struct_from_binary(ua.NotificationMessage, Buffer(message))
        return response


def _revised(response: Any, subscription: Subscription) -> Any:
    result = response.Parameters
    result.RevisedPublishingInterval = subscription.interval_s * 1000
    result.RevisedLifetimeCount, result.RevisedMaxKeepAliveCount = subscription.lifetime, subscription.keep_alive
    return response
