"""What a simulated OPC UA server asks of its clients: an encrypted channel and a login, where its configuration has them.

A plant without security pays nothing: a key is made (RSA 2048, some 0.2 s) for the first server that needs one, and serves all
of them; each has a certificate of its own, since its application URI stands in it. With a folder, key and certificates are kept, so
that whoever trusts them trusts them again after a restart.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.uacrypto import der_from_x509
from asyncua.server.internal_server import InternalServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drivers.opcua.security import Security, SecurityFault, read_file
from simulators.faces.port import HOST
from telemetry.errors import Refusal

_SECURED: Final = (
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
)
_USER: Final = User(role=UserRole.User)
_VALID: Final = timedelta(days=3_650)


def policies(security: Security | None) -> Sequence[ua.SecurityPolicyType]:
    """What the server offers: nothing but None, or everything but None."""
    return _SECURED if security is not None and security.secured else (ua.SecurityPolicyType.NoSecurity,)


def identities(security: Security | None) -> list[type]:
    """The one kind of login that the server takes."""
    if security is None or (security.user is None and security.certificate_file is None):
        return [ua.AnonymousIdentityToken]
    return [ua.UserNameIdentityToken if security.user is not None else ua.X509IdentityToken]


class Logins:
    """Who may enter (asyncua's user manager). folder: where the configuration's secrets lie; refuses where they do not."""

    def __init__(self, id_: str, security: Security | None, folder: Path | None) -> None:
        self._user = security.user if security is not None else None
        self._password: str | None = None
        self._certificate: bytes | None = None
        if security is None:
            return
        try:
            self._password = security.password(folder)
            if security.certificate_file is not None:
                self._certificate = _der(read_file(security.certificate_file, folder, "the user's certificate"))
        except SecurityFault as fault:
            raise Refusal(
                f"{id_} cannot be simulated: {fault}.", "Its security stands in the plant's areas."
            ) from fault

    def get_user(
        self,
        iserver: InternalServer,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        """The user that a client may act as; None: it may not enter."""
        if self._user is not None:
            return _USER if (username, password) == (self._user, self._password) else None
        if self._certificate is not None:
            return _USER if certificate == self._certificate else None
        return _USER


class ServerKeys:
    """The key of all secured servers of this process, and a certificate for each. folder: where they are kept; None: nowhere.
    secrets: the folder within which the configuration's relative names of secrets are meant."""

    def __init__(self, folder: Path | None = None, secrets: Path | None = None) -> None:
        self._folder, self.secrets = folder, secrets
        self._key: rsa.RSAPrivateKey | None = None
        self._making = asyncio.Lock()

    async def of(self, id_: str, uri: str) -> tuple[bytes, bytes]:
        """Certificate (DER) and key (PEM) of the server `id_` with the application URI `uri`."""
        async with self._making:
            return await asyncio.to_thread(self._made, id_, uri)

    def _made(self, id_: str, uri: str) -> tuple[bytes, bytes]:
        if self._key is None:
            pem = self._kept("key.pem", lambda: _pem(rsa.generate_private_key(public_exponent=65_537, key_size=2_048)))
            key = serialization.load_pem_private_key(pem, password=None)
            assert isinstance(key, rsa.RSAPrivateKey)
            self._key = key
        key = self._key
        return self._kept(f"{id_}.der", lambda: _certificate(key, id_, uri)), _pem(key)

    def _kept(self, name: str, make: Any) -> bytes:
        if self._folder is None:
            return make()
        place = self._folder / name
        if not place.exists():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.touch(mode=0o600)
            place.write_bytes(make())
        return place.read_bytes()


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _der(given: bytes) -> bytes:
    pem = given.startswith(b"-----BEGIN")
    return der_from_x509(x509.load_pem_x509_certificate(given) if pem else x509.load_der_x509_certificate(given))


def _certificate(key: rsa.RSAPrivateKey, id_: str, uri: str) -> bytes:
    """A self-signed application instance certificate (OPC UA Part 6, 6.2.2)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, id_)])
    now = datetime.now(UTC)
    names = [x509.UniformResourceIdentifier(uri), x509.DNSName("localhost"), x509.IPAddress(ip_address(HOST))]
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True,
        key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
