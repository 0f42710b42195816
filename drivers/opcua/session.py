"""One session with an OPC UA server: found, judged, opened step by step, kept, and always closed. asyncua speaks the protocol.

asyncua's own `connect` adds two tasks that poll the server and try again by themselves; a scan each second does the first,
`OpcUaDevice.run` the second, so the steps are taken here one by one. That also tells at which step something failed, which is
most of what an operator needs to know. A new Client is made for every connect: after a server's restart an old one never
recovers (devices.md).
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.crypto import security_policies
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from drivers.device import CONNECT_DEADLINE_S, Now
from drivers.fleet import Fleet
from drivers.opcua.certificates import Met, chain_of, judge
from drivers.opcua.faults import connecting
from drivers.opcua.own_certificate import Identity, identity
from drivers.opcua.security import Mode, Policy, Security, SecurityFault, read_file
from drivers.opcua.wire import Wire

_log = logging.getLogger(__name__)
POLICIES: Final[dict[Policy, type[security_policies.SecurityPolicy]]] = {
    "None": security_policies.SecurityPolicyNone,
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
MODES: Final[dict[Mode, ua.MessageSecurityMode]] = {
    "None": ua.MessageSecurityMode.None_,
    "Sign": ua.MessageSecurityMode.Sign,
    "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt,
}
_MODE_NAMES: Final = {code: name for name, code in MODES.items()}
SESSION_S: Final = 60
"""A session that could not be closed (the line was cut) ends by itself after this time: some servers have few."""
CHANNEL_S: Final = 3600
RENEW_AT: Final = 0.75
"""Part of a channel token's life after which it is renewed (OPC UA Part 4, 5.5.2.1)."""
_OPEN: Final = Security(policy="None")
_TOKENS: Final = {
    ua.UserTokenType.Anonymous: "anonymous",
    ua.UserTokenType.UserName: "user name and password",
    ua.UserTokenType.Certificate: "a user's certificate",
    ua.UserTokenType.IssuedToken: "an issued token",
}


class Session:
    """A session to be opened once. `client` is asyncua's; `doubts` are sentences about the server's certificate; `stage` is
    how far opening has come."""

    def __init__(
        self, address: str, security: Security | None, fleet: Fleet, now: Now, channel_s: float = CHANNEL_S
    ) -> None:
        self.address, self.security, self.fleet, self.now = address, security or _OPEN, fleet, now
        self.client = Client(address, timeout=CONNECT_DEADLINE_S)
        Wire.under(self.client)
        self.client.name = self.client.description = "Telemetry"
        self.client.application_uri, self.client.product_uri = "urn:telemetry", "urn:telemetry"
        self.client.session_timeout = SESSION_S * 1000
        self.client.secure_channel_timeout = int(channel_s * 1000)
        self.doubts: tuple[str, ...] = ()
        self.stage = "network"
        self._identity: Identity | None = None

    async def open(self) -> None:
        """Connects, logs in. Raises Unreachable or LoginRefused; whatever was opened until then is ended by `close`."""
        try:
            # The wait for a turn does not count: with a thousand devices it is longer than any deadline for a connect.
            if self.security.secured:
                await self.fleet.turn()
                async with asyncio.timeout(CONNECT_DEADLINE_S):
                    await self._secure()
            await self.fleet.turn()
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                await self._connect()
        except Exception as error:
            place = None if self._identity is None else str(self._identity.place)
            raise connecting(error, self.stage, self._login, place) from error

    async def close(self) -> None:
        """Ends session, channel and socket; a peer that is gone must not hold this up."""
        protocol = self.client.uaclient.protocol
        transport = None if protocol is None else protocol.transport
        try:
            async with asyncio.timeout(1.0):
                await self.client.disconnect()
        except Exception:  # noqa: BLE001 - whatever it was, the socket goes now
            self.client.disconnect_socket()
            if transport is not None:
                transport.abort()  # closing alone would wait for a frozen peer to take what is still unsent

    async def hold(self, lost: asyncio.Event) -> None:
        """Until `lost` is set: renews the channel's token in time. Raises ua.UaError, OSError or TimeoutError."""
        while True:
            try:
                async with asyncio.timeout(self.client.secure_channel_timeout / 1000 * RENEW_AT):
                    await lost.wait()
                    return
            except TimeoutError:
                await self.client.open_secure_channel(renew=True)
                self.client.uaclient.revolve_security_token()
                await self._look_at_own()

    async def endpoints(self) -> Sequence[ua.EndpointDescription]:
        """What the server offers, asked on a connection of its own, without security and without a session."""
        asked = Client(self.address, timeout=CONNECT_DEADLINE_S)
        await asked.connect_socket()
        self.stage = "endpoints"
        try:
            await asked.send_hello()
            await asked.open_secure_channel()
            found = await asked.get_endpoints()
            await asked.close_secure_channel()
            return found
        finally:
            asked.disconnect_socket()

    # ---- before the channel: which endpoint, and is it who it should be

    async def _secure(self) -> None:
        endpoints = await self.endpoints()
        policy, mode = POLICIES[self.security.policy], MODES[self.security.channel_mode]
        fitting = [
            e
            for e in endpoints
            if e.SecurityPolicyUri == policy.URI and e.SecurityMode == mode and e.EndpointUrl.startswith("opc.tcp://")
        ]
        if not fitting:
            raise SecurityFault(
                f"the server does not offer {self.security.policy} {self.security.channel_mode}; it offers "
                f"{offered(endpoints)}: switch the wanted one on in the server, or ask for one of these"
            )
        shown = fitting[0].ServerCertificate or b""
        self.doubts = await self._judged(shown, fitting[0].Server.ApplicationUri)
        own = self._identity = await self._own()
        # As asyncua's set_security does, which would read and check the key anew each time: 45 ms in which no scan begins.
        client, certificate = self.client, x509.load_der_x509_certificate(own.certificate)
        client.application_uri = own.uri
        client.security_policy = policy(chain_of(shown)[0], certificate, own.key, mode)
        client.uaclient.set_security(client.security_policy)

    async def _judged(self, certificate: bytes, application_uri: str | None) -> tuple[str, ...]:
        met = Met(certificate, application_uri or "", urlsplit(self.address).hostname or "")
        return await asyncio.to_thread(judge, met, self._keys(), self._today())

    async def _own(self) -> Identity:
        """The service's identity: looked at once a day, since its key takes a while to read."""
        day = self._today().date()
        known = self.fleet.shared.get("identity")
        if known is None or known[0] != day:
            known = self.fleet.shared["identity"] = (
                day,
                await asyncio.to_thread(identity, self._keys(), self._today()),
            )
        return known[1]

    async def _look_at_own(self) -> None:
        """A connection may last for years, and its own certificate's successor has to be announced meanwhile."""
        try:
            if self.security.secured:
                await self._own()
        except (SecurityFault, OSError) as error:
            _log.warning("%s", error)

    def _keys(self) -> Path:
        if self.fleet.keys is None:
            raise SecurityFault("no folder of keys was given, so that no server's certificate can be judged")
        return self.fleet.keys

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self.now() / 1e9, UTC)

    # ---- channel, session, login

    async def _connect(self) -> None:
        client = self.client
        self.stage = "network"
        await client.connect_socket()
        self.stage = "channel"
        await client.send_hello()
        await client.open_secure_channel()
        self.stage = "session"
        created = await _not_lost(client.create_session())
        self.stage = "login"
        await self._check_login(created)
        await client.activate_session(
            username=self.security.user,
            password=await asyncio.to_thread(self.security.password, self.fleet.keys),
            certificate=client.user_certificate,
        )

    async def _check_login(self, created: ua.CreateSessionResult) -> None:
        """Whether the login is offered, and safe: a password goes to nobody unknown and is never readable on the wire."""
        security, client = self.security, self.client
        if security.certificate_file is not None and security.key_file is not None:
            await asyncio.to_thread(self._load_user, security.certificate_file, security.key_file)
        wanted = (
            ua.UserTokenType.UserName if security.user is not None
            else ua.UserTokenType.Certificate if security.certificate_file is not None
            else ua.UserTokenType.Anonymous
        )  # fmt: skip
        here = [
            e
            for e in created.ServerEndpoints
            if e.SecurityMode == client.security_policy.Mode and e.SecurityPolicyUri == client.security_policy.URI
        ]
        allowed = {token.TokenType for e in here for token in e.UserIdentityTokens}
        if allowed and wanted not in allowed:
            ways = ", ".join(sorted(_TOKENS[token] for token in allowed))
            raise SecurityFault(
                f"the server does not allow login by {_TOKENS[wanted]} here; it allows {ways}: "
                "change the device's security, or the server's settings"
            )
        if wanted == ua.UserTokenType.Anonymous:
            return
        if not security.secured:  # nobody has looked yet who that is
            shown = client.security_policy.peer_certificate or b""
            self.doubts = await self._judged(shown, here[0].Server.ApplicationUri if here else None)
        clear = client.server_policy(wanted).SecurityPolicyUri in (None, "", POLICIES["None"].URI)
        if wanted == ua.UserTokenType.UserName and clear and security.channel_mode != "SignAndEncrypt":
            raise SecurityFault(
                "the server would have the password sent readable for everybody on the network: "
                "use an endpoint with SignAndEncrypt, or let the server ask for an encrypted password"
            )

    def _load_user(self, certificate_file: str, key_file: str) -> None:
        content = read_file(certificate_file, self.fleet.keys, "the user's certificate")
        secret = read_file(key_file, self.fleet.keys, "the key of the user's certificate")
        try:
            pem = b"-----BEGIN" in content
            self.client.user_certificate = (
                x509.load_pem_x509_certificate(content) if pem else x509.load_der_x509_certificate(content)
            )
            load = serialization.load_pem_private_key if b"-----BEGIN" in secret else serialization.load_der_private_key
            self.client.user_private_key = load(secret, password=None)
        except (ValueError, TypeError) as error:
            raise SecurityFault(
                f"the user's certificate {certificate_file} or its key {key_file} cannot be read ({error}): "
                "give both in DER or PEM form, the key without a password"
            ) from error

    @property
    def _login(self) -> str:
        if self.security.user is not None:
            return f"user {self.security.user} or the password"
        return "the user's certificate" if self.security.certificate_file is not None else "anonymous login"


async def _not_lost(asked: Coroutine[object, object, ua.CreateSessionResult]) -> ua.CreateSessionResult:
    """Awaits the server's new session even where we are cancelled meanwhile, so that it is known and can be closed."""
    task = asyncio.ensure_future(asked)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,), timeout=1.0)
        if task.done() and not task.cancelled():
            task.exception()
        else:
            task.cancel()
        raise


def offered(endpoints: Sequence[ua.EndpointDescription]) -> str:
    """``None, Basic256Sha256 Sign, Basic256Sha256 SignAndEncrypt``, for a sentence."""
    known = {policy.URI: name for name, policy in POLICIES.items()}
    ways = [
        (
            known.get(e.SecurityPolicyUri, e.SecurityPolicyUri.rpartition("#")[2]),
            _MODE_NAMES.get(e.SecurityMode, "None"),
        )
        for e in endpoints
    ]
    return ", ".join(dict.fromkeys(p if p == "None" else f"{p} {m}" for p, m in ways)) or "no endpoint"
