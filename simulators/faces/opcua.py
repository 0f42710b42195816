# pyright: reportArgumentType=false
# (asyncua declares identifiers and status codes as types of their own, and takes plain numbers)
"""An OPC UA server for one device: real sessions and services by asyncua, values made when they are asked for.

As strict as the strictest servers met in the field: a request of more nodes than it allows fails as a whole, a value
written with a status or a timestamp, or as another type than the node's, is refused, and nobody may change anything else. One
session more than it bears is refused. Security and login are on where the equipment's configuration asks for them.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AddressSpace, AttributeService
from asyncua.server.binary_server_asyncio import BinaryServer
from asyncua.server.internal_server import InternalServer

from drivers.opcua.browse_path import is_path
from drivers.opcua.security import Security
from drivers.profile import Kind
from simulators.faces import opcua_nodes
from simulators.faces.address_space import Nodes, SharedNodes, standard_nodes
from simulators.faces.bulk_read import BulkRead, Connection
from simulators.faces.face import Device
from simulators.faces.opcua_nodes import TYPES
from simulators.faces.opcua_security import Logins, ServerKeys, identities, policies
from simulators.faces.port import HOST, Port
from simulators.physics import Values

_CAST: Final[dict[Kind, Callable[[Any], Any]]] = {
    "float": float, "integer": int, "boolean": bool, "state": int, "text": str,
}  # fmt: skip
_READ_LIMIT: Final = ua.NodeId(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
_LARGEST_READ: Final = 1_000
_OBJECTS: Final = ua.NodeId(ua.ObjectIds.ObjectsFolder)
_ADMIN: Final = User(role=UserRole.Admin)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REFUSED_WITH_STATUS: Final = ua.StatusCode(ua.StatusCodes.BadWriteNotSupported)


class OpcUaFace:
    """Serves the numeric and text tags of `device` under Objects/<equipment id>, in the profile's namespace."""

    def __init__(self, device: Device, security: Security | None = None, keys: ServerKeys | None = None) -> None:
        self._device, self._security, self._keys = device, security, keys or ServerKeys()
        self._logins = Logins(device.id, security, self._keys.secrets)
        self._largest_read = device.profile.server.nodes_per_read or _LARGEST_READ
        self._bulk = BulkRead(device.readings, self._largest_read)
        self._server: Server | None = None
        self._binary: BinaryServer | None = None
        self._subscribable: list[tuple[Any, Callable[[], ua.DataValue]]] = []
        self.port = Port(self._connection)
        self.wire = self.port.wire

    @property
    def url(self) -> str:
        return f"opc.tcp://{HOST}:{self.port.number}"

    async def open(self) -> None:
        if self._server is None:
            await self._build()
        await self.port.open()

    def refuse(self) -> None:
        self.port.refuse()

    async def close(self) -> None:
        await self.port.close()
        if self._server is not None:
            await self._server.iserver.stop()

    async def stepped(self, values: Values, time_ns: int) -> None:
        """Tells subscribers. Nodes that nobody subscribes to cost a glance."""
        for attribute, read in self._subscribable:
            if attribute.datachange_callbacks:
                changed = read()
                for handle, notify in tuple(attribute.datachange_callbacks.items()):
                    await notify(handle, changed)

    def _connection(self) -> asyncio.Protocol:
        assert self._binary is not None
        self._binary.closing_tasks[:] = [task for task in self._binary.closing_tasks if not task.done()]
        binary = self._binary
        connection = Connection(
            binary.iserver,
            binary._policies,  # pyright: ignore[reportPrivateUsage]
            binary.clients,
            binary.closing_tasks,
            binary.limits,
        )
        connection.bulk, connection.sessions = self._bulk, self._device.profile.server.connections
        return connection

    async def _build(self) -> None:
        inner = _InternalServer(await standard_nodes(), self._logins)
        server = Server(iserver=inner)
        uri = f"urn:simulator:{self._device.id}"
        server.set_security_policy(list(policies(self._security)))
        server.set_identity_tokens(identities(self._security))
        server.set_server_name(self._device.id)
        if self._security is not None and self._security.secured:
            certificate, key = await self._keys.of(self._device.id, uri)
            await server.load_certificate(certificate, "der")
            await server.load_private_key(key, format="pem")
        server.disable_clock()
        await server.init()
        await server.set_application_uri(uri)
        namespace = self._device.profile.namespace
        assert namespace is not None
        indexes = {"": await server.register_namespace(namespace)}
        for prefix, uri in self._device.profile.namespaces.items():
            indexes[prefix] = await server.register_namespace(uri)
        self._add_nodes(server, indexes)
        inner.attribute_service = _Attributes(inner.aspace, self._largest_read, self._write)
        await server.get_node(_READ_LIMIT).write_value(self._largest_read, ua.VariantType.UInt32)
        await server._setup_server_nodes()  # pyright: ignore[reportPrivateUsage] - Server.start would also listen
        await inner.start()
        status = await inner.server_status_node.read_value()
        server.set_attribute_value_callback(
            ua.NodeId(ua.ObjectIds.Server_ServerStatus),
            _lazy(lambda: ua.DataValue(ua.Variant(dataclasses.replace(status, CurrentTime=datetime.now(UTC))))),
        )
        server.set_attribute_value_callback(
            ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime),
            _lazy(lambda: ua.DataValue(ua.Variant(datetime.now(UTC), ua.VariantType.DateTime))),
        )
        self._binary = BinaryServer(inner, HOST, 0, server.limits)
        self._binary.set_policies(server._policies)  # pyright: ignore[reportPrivateUsage]
        self._server = server

    def _add_nodes(self, server: Server, indexes: Mapping[str, int]) -> None:
        """indexes: of the namespaces, by the prefixes of the profile's paths; its own by ''."""
        nodes, space, namespace = server.iserver.node_mgt_service, server.iserver.aspace, indexes[""]
        folder = ua.NodeId(self._device.id, namespace)
        nodes.add_nodes([opcua_nodes.folder(folder, self._device.id)])
        self._writable: dict[ua.NodeId, tuple[str, Kind]] = {}
        for name, tag in self._device.tags.items():
            parent, shown = folder, name
            if not is_path(str(tag.node)):
                node = ua.NodeId.from_string(f"ns={namespace};{tag.node}")
            else:
                parent, (*above, (node, shown)) = _OBJECTS, opcua_nodes.along(str(tag.node), indexes)
                for owner, its_name in above:
                    if owner not in space:
                        nodes.add_nodes([opcua_nodes.item(owner, its_name, parent, ua.ObjectIds.HasComponent)])
                    parent = owner
            nodes.add_nodes([opcua_nodes.variable(node, parent, shown, tag.name.en, tag.kind, tag.writable)])
            if tag.kind == "text":
                read = partial(self._text, name)
            else:
                read = partial(self._number, self._device.readings.index[name], TYPES[tag.kind], _CAST[tag.kind])
            space.set_attribute_value_callback(node, ua.AttributeIds.Value, _lazy(read))
            self._subscribable.append((space[node].attributes[ua.AttributeIds.Value], read))
            self._bulk.add(node, name, tag.kind)
            if tag.writable:
                self._writable[node] = (name, tag.kind)
        for name, method in self._device.profile.methods.items():
            owner, node = (ua.NodeId.from_string(f"ns={namespace};{n}") for n in (method.object, method.method))
            if owner not in space:
                nodes.add_nodes([opcua_nodes.item(owner, str(owner.Identifier), folder, ua.ObjectIds.HasComponent)])
            nodes.add_nodes([opcua_nodes.method(node, owner, name, method.name.en)])
            space.add_method_callback(node, self._method(name))

    def _method(self, name: str) -> Callable[..., Coroutine[Any, Any, ua.StatusCode]]:
        async def call(_parent: ua.NodeId, *given: ua.Variant) -> ua.StatusCode:
            if given:
                return ua.StatusCode(ua.StatusCodes.BadTooManyArguments)
            return ua.StatusCode(0 if self._device.call(name) else ua.StatusCodes.BadInvalidState)

        return call

    def _number(self, i: int, kind: ua.VariantType, cast: Callable[[Any], Any]) -> ua.DataValue:
        readings = self._device.readings
        stamp = _stamp(readings.time_of(i))
        code = int(readings.quality[i])
        if code >= 0x8000:
            return ua.DataValue(ua.Variant(None, ua.VariantType.Null), ua.StatusCode(code << 16), stamp)
        return ua.DataValue(ua.Variant(cast(readings.values[i]), kind), ua.StatusCode(code << 16), stamp)

    def _text(self, name: str) -> ua.DataValue:
        readings = self._device.readings
        stamp = _stamp(readings.time_ns)
        return ua.DataValue(ua.Variant(readings.texts[name], ua.VariantType.String), SourceTimestamp=stamp)

    def _write(self, node: ua.NodeId, value: ua.DataValue) -> ua.StatusCode | None:
        """The result of writing `value`, or None for a node that is not a writable tag."""
        found = self._writable.get(node)
        if found is None:
            return None
        name, kind = found
        if value.SourceTimestamp is not None or value.ServerTimestamp is not None:
            return _REFUSED_WITH_STATUS
        if value.Value is None or value.Value.VariantType != TYPES[kind] or value.Value.is_array:
            return ua.StatusCode(ua.StatusCodes.BadTypeMismatch)
        number = float(value.Value.Value)
        limits = self._device.tags[name].range
        if limits is not None and not limits[0] <= number <= limits[1]:
            return ua.StatusCode(ua.StatusCodes.BadOutOfRange)
        self._device.write(name, number)
        return ua.StatusCode()


class _InternalServer(InternalServer):
    """asyncua's server on the shared address space."""

    def __init__(self, base: Nodes, logins: Logins) -> None:
        super().__init__(logins)  # pyright: ignore[reportArgumentType] - it is one by its method
        self._base = base

    async def init(self, shelffile: Any = None) -> None:
        self.aspace._nodes = SharedNodes(self._base)  # pyright: ignore[reportPrivateUsage] - no public way to set them
        await self.setup_nodes()
        await self.history_manager.init()


class _Attributes(AttributeService):
    """Reads with the server's limit and the timestamps that were asked for; writes to writable tags only."""

    def __init__(
        self, space: AddressSpace, largest_read: int, write: Callable[[ua.NodeId, ua.DataValue], ua.StatusCode | None]
    ) -> None:
        super().__init__(space)
        self._largest_read, self._write = largest_read, write

    def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        if len(params.NodesToRead) > self._largest_read:
            raise ua.uaerrors.BadTooManyOperations
        found = super().read(params)
        if params.TimestampsToReturn in (ua.TimestampsToReturn.Both, ua.TimestampsToReturn.Server):
            now = datetime.now(UTC)
            found = [dataclasses.replace(value, ServerTimestamp=now) for value in found]
        return found

    async def write(self, params: ua.WriteParameters, user: User = _ADMIN) -> list[ua.StatusCode]:
        if user.role == UserRole.Admin:
            return await super().write(params, user)
        results: list[ua.StatusCode] = []
        for item in params.NodesToWrite:
            result = self._write(item.NodeId, item.Value) if item.AttributeId == ua.AttributeIds.Value else None
            results.append(result or ua.StatusCode(ua.StatusCodes.BadNotWritable))
        return results


def _stamp(time_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


def _lazy(read: Callable[[], ua.DataValue]) -> Callable[[ua.NodeId, ua.AttributeIds], ua.DataValue]:
    return lambda _node, _attribute: read()
