# pyright: reportArgumentType=false
# (asyncua declares identifiers and status codes as types of their own, and takes plain numbers)
"""One client's session with an OPC UA device of the load form: the services that a data access client uses.

A Read of tags that was asked before is answered from bytes (`known`); everything else is decoded and encoded by asyncua,
since it is rare. A session ends with its connection.
"""

import secrets
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, nodeid_to_binary, struct_from_binary, struct_to_binary

from simulators.load.browsing import Browsing
from simulators.load.channel import CHUNK_HEAD, Channel
from simulators.load.items import stamps_of, ticks
from simulators.load.nodes import NODES_PER_READ, DeviceNodes
from simulators.load.subscribing import Subscribing

_O = ua.ObjectIds
_RESPONSE: Final = struct.Struct("<BBHqIIBi3s")
"""Type id, then the header: time, request handle, result Good, no diagnostics, no strings, nothing more."""
_READ_RESPONSE, _PUBLISH_RESPONSE = _O.ReadResponse_Encoding_DefaultBinary, _O.PublishResponse_Encoding_DefaultBinary
_COUNT: Final = struct.Struct("<i")
_NO_DIAGNOSTICS: Final = _COUNT.pack(-1)
_HANDLE: Final = struct.Struct("<I")
_REMEMBERED: Final = 64
_SESSION_MS: Final = 600_000.0

Known = tuple[slice, int]
"""What a Read asks for: tags in their order, and the bits of the timestamps."""


class Session(Channel):
    """A connection to the device whose nodes are `nodes`; `url` gives its own address."""

    def __init__(self, nodes: DeviceNodes, url: Callable[[], str]) -> None:
        super().__init__()
        self._nodes, self._url = nodes, url
        self._authentication: ua.NodeId | None = None
        self._activated = False
        self._head = b""
        """What a Read of this session begins with: its type and its token."""
        self._stamp = 0
        """Where in a chunk the request's time stands; its handle is behind it."""
        self._known: dict[bytes, Known] = {}
        self._subscribing = Subscribing(nodes, self._send_news)
        self._browsing = Browsing(nodes)
        s, b = self._subscribing, self._browsing
        self._services: Mapping[int, tuple[Any, Callable[[Any], Any]]] = {
            _O.WriteRequest_Encoding_DefaultBinary: (ua.WriteParameters, self._refuse_writes),
            _O.BrowseRequest_Encoding_DefaultBinary: (ua.BrowseParameters, b.browse),
            _O.BrowseNextRequest_Encoding_DefaultBinary: (ua.BrowseNextParameters, b.browse_next),
            _O.CreateSubscriptionRequest_Encoding_DefaultBinary: (
                ua.CreateSubscriptionParameters,
                s.create_subscription,
            ),
            _O.ModifySubscriptionRequest_Encoding_DefaultBinary: (
                ua.ModifySubscriptionParameters,
                s.modify_subscription,
            ),
            _O.DeleteSubscriptionsRequest_Encoding_DefaultBinary: (
                ua.DeleteSubscriptionsParameters,
                s.delete_subscriptions,
            ),
            _O.SetPublishingModeRequest_Encoding_DefaultBinary: (ua.SetPublishingModeParameters, s.set_publishing),
            _O.CreateMonitoredItemsRequest_Encoding_DefaultBinary: (ua.CreateMonitoredItemsParameters, s.create_items),
            _O.DeleteMonitoredItemsRequest_Encoding_DefaultBinary: (ua.DeleteMonitoredItemsParameters, s.delete_items),
            _O.RepublishRequest_Encoding_DefaultBinary: (ua.RepublishParameters, s.republish),
        }

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_session()

    def _end_session(self) -> None:
        self._subscribing.end()
        self._authentication, self._activated, self._stamp = None, False, 0
        self._known.clear()

    def known(self, chunk: bytes) -> bool:
        stamp = self._stamp
        if not stamp or chunk[CHUNK_HEAD.size : stamp] != self._head:
            return False
        found = self._known.get(chunk[stamp + 12 :])
        if found is None:
            return False
        _, _, self.security, _, number = CHUNK_HEAD.unpack_from(chunk)
        self._send_values(number, _HANDLE.unpack_from(chunk, stamp + 8)[0], found)
        return True

    def _send_news(self, number: int, handle: int, parameters: bytes) -> None:
        head = _RESPONSE.pack(1, 0, _PUBLISH_RESPONSE, ticks(time.time_ns()), handle, 0, 0, -1, b"\0\0\0")
        self.send(number, b"".join((head, parameters, _NO_DIAGNOSTICS)))

    def _send_values(self, number: int, handle: int, asked: Known) -> None:
        tags, stamps = asked
        head = _RESPONSE.pack(1, 0, _READ_RESPONSE, ticks(time.time_ns()), handle, 0, 0, -1, b"\0\0\0")
        values = self._nodes.results(tags, stamps)
        self.send(number, b"".join((head, _COUNT.pack(tags.stop - tags.start), values, _NO_DIAGNOSTICS)))

    def request(self, number: int, body: bytes) -> None:
        buffer = Buffer(body)
        kind: Any = nodeid_from_binary(buffer)
        header: Any = struct_from_binary(ua.RequestHeader, buffer)
        try:
            answer = self._answer(number, kind.Identifier, header, buffer, body)
        except ua.UaStatusCodeError as error:
            answer = ua.ServiceFault()
            answer.ResponseHeader.ServiceResult = ua.StatusCode(error.code)
        if answer is not None:
            answer.ResponseHeader.RequestHandle = header.RequestHandle
            self.send(number, struct_to_binary(answer))

    def _answer(self, number: int, kind: int, header: Any, buffer: Buffer, body: bytes) -> Any:
        """The response; None where it has been sent or will be."""
        if kind == _O.GetEndpointsRequest_Encoding_DefaultBinary:
            return self._get_endpoints()
        if kind == _O.FindServersRequest_Encoding_DefaultBinary:
            return self._find_servers()
        if kind == _O.CreateSessionRequest_Encoding_DefaultBinary:
            return self._create(struct_from_binary(ua.CreateSessionParameters, buffer))
        if self._authentication is None or header.AuthenticationToken != self._authentication:
            raise ua.uaerrors.BadSessionIdInvalid
        if kind == _O.ActivateSessionRequest_Encoding_DefaultBinary:
            return self._activate(struct_from_binary(ua.ActivateSessionParameters, buffer))
        if kind == _O.CloseSessionRequest_Encoding_DefaultBinary:
            self._end_session()
            return ua.CloseSessionResponse()
        if not self._activated:
            raise ua.uaerrors.BadSessionNotActivated
        if kind == _O.ReadRequest_Encoding_DefaultBinary:
            return self._read(number, header, struct_from_binary(ua.ReadParameters, buffer), body)
        if kind == _O.PublishRequest_Encoding_DefaultBinary:
            return self._subscribing.publish(number, header, struct_from_binary(ua.PublishParameters, buffer))
        found = self._services.get(kind)
        if found is None:
            raise ua.uaerrors.BadServiceUnsupported
        return found[1](struct_from_binary(found[0], buffer))

    def _endpoints(self) -> list[ua.EndpointDescription]:
        found: Any = ua.EndpointDescription()
        found.EndpointUrl = self._url()
        found.Server = self._application()
        found.SecurityMode = ua.MessageSecurityMode.None_
        found.SecurityPolicyUri = "http://opcfoundation.org/UA/SecurityPolicy#None"
        found.TransportProfileUri = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
        token: Any = ua.UserTokenPolicy()
        token.PolicyId, token.TokenType = "anonymous", ua.UserTokenType.Anonymous
        found.UserIdentityTokens = [token]
        return [found]

    def _application(self) -> ua.ApplicationDescription:
        found: Any = ua.ApplicationDescription()
        found.ApplicationUri, found.ProductUri = self._nodes.uri, "urn:simulator"
        found.ApplicationName = ua.LocalizedText(self._nodes.id)
        found.ApplicationType = ua.ApplicationType.Server
        found.DiscoveryUrls = [self._url()]
        return found

    def _get_endpoints(self) -> Any:
        response: Any = ua.GetEndpointsResponse()
        response.Endpoints = self._endpoints()
        return response

    def _find_servers(self) -> Any:
        response: Any = ua.FindServersResponse()
        response.Servers = [self._application()]
        return response

    def _create(self, asked: Any) -> Any:
        self._end_session()
        self._authentication = ua.NodeId(secrets.token_bytes(16), 0, ua.NodeIdType.ByteString)
        response: Any = ua.CreateSessionResponse()
        result = response.Parameters
        result.SessionId, result.AuthenticationToken = ua.NodeId(secrets.randbits(31), 1), self._authentication
        result.RevisedSessionTimeout = min(asked.RequestedSessionTimeout or _SESSION_MS, _SESSION_MS)
        result.ServerNonce, result.ServerEndpoints = secrets.token_bytes(32), self._endpoints()
        return response

    def _activate(self, asked: Any) -> Any:
        if not isinstance(asked.UserIdentityToken, ua.AnonymousIdentityToken | None):
            raise ua.uaerrors.BadIdentityTokenRejected
        self._activated = True
        self._head = (
            b"\1\0"
            + _O.ReadRequest_Encoding_DefaultBinary.to_bytes(2, "little")
            + nodeid_to_binary(self._authentication)
        )
        self._stamp = CHUNK_HEAD.size + len(self._head)
        response: Any = ua.ActivateSessionResponse()
        response.Parameters.ServerNonce = secrets.token_bytes(32)
        return response

    def _read(self, number: int, header: Any, asked: Any, body: bytes) -> Any:
        nodes = asked.NodesToRead
        if not nodes:
            raise ua.uaerrors.BadNothingToDo
        if len(nodes) > NODES_PER_READ:
            raise ua.uaerrors.BadTooManyOperations
        try:
            stamps = stamps_of(asked.TimestampsToReturn)
        except KeyError:
            raise ua.uaerrors.BadTimestampsToReturnInvalid from None
        plain = all(item.AttributeId == ua.AttributeIds.Value and not item.IndexRange for item in nodes)
        tags = [self._nodes.tag(item.NodeId) for item in nodes] if plain else []
        if tags and tags[0] is not None and tags == list(range(tags[0], tags[0] + len(tags))):
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = (slice(tags[0], tags[0] + len(tags)), stamps)
            self._known[body[self._stamp - CHUNK_HEAD.size + 12 :]] = known
            self._send_values(number, header.RequestHandle, known)
            return None
        response: Any = ua.ReadResponse()
        response.Results = [self._nodes.read(item, asked.TimestampsToReturn) for item in nodes]
        return response

    def _refuse_writes(self, asked: Any) -> Any:
        response: Any = ua.WriteResponse()
        response.Results = [ua.StatusCode(ua.StatusCodes.BadNotWritable) for _ in asked.NodesToWrite]
        return response
