"""The service's own OPC UA key and certificate: made at the first need, used again, renewed with notice.

    <keys>/own/key.pem           private key, 0600
    <keys>/own/certificate.der   what servers have to trust
    <keys>/own/next.der          its successor, from 90 days before the end

Servers trust one very certificate, so a new one must not simply take the old one's place: the plant would go dark. The
successor (of the same key) lies ready for the servers' lists, is named in the log at every start, and takes over at the end.
"""

import fcntl
import logging
import re
import socket
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drivers.opcua.certificates import closed, write_whole
from drivers.opcua.security import SecurityFault

_log = logging.getLogger(__name__)
KEY_BITS: Final = 2048
"""Allowed by every policy from Basic256Sha256 on; small controllers take seconds over anything longer."""
VALID_DAYS: Final = 5 * 365
NOTICE_DAYS: Final = 90
"""So long before its end the own certificate's successor is made: servers have to be told, by people."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The service as servers see it. `uri` stands in the certificate (DER) and is what the client says it is."""

    uri: str
    certificate: bytes
    key: rsa.RSAPrivateKey = field(repr=False, compare=False)
    place: Path


def identity(keys: Path, now: datetime) -> Identity:
    """The own key and certificate in `keys`, made when they are absent, renewed before the certificate ends. Blocks."""
    own = closed(keys / "own")
    with (own / "lock").open("w") as lock:  # two processes may need it for the first time at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _provided(own, now)


def _provided(own: Path, now: datetime) -> Identity:
    key = _key(own / "key.pem")
    place = own / "certificate.der"
    if not place.exists():
        write_whole(place, _signed(key, now), 0o644)
        _log.warning("made an own OPC UA certificate, valid until %s: %s", _until(place), place)
    current = x509.load_der_x509_certificate(place.read_bytes())
    if current.public_key() != key.public_key():
        raise SecurityFault(
            f"the own certificate {place} does not belong to the key {own / 'key.pem'}: restore both from one backup, "
            "or remove both, so that new ones are made"
        )
    left = current.not_valid_after_utc - now
    following = own / "next.der"
    if left < timedelta(days=NOTICE_DAYS) and not following.exists():
        write_whole(following, _signed(key, now), 0o644)
    if following.exists():
        if left < timedelta(0):
            following.replace(place)
            _log.warning("the own OPC UA certificate has ended; its successor takes over: %s", place)
            current = x509.load_der_x509_certificate(place.read_bytes())
        else:
            _log.warning(
                "the own OPC UA certificate ends in %d days; let the servers trust its successor until then: %s",
                left.days, following,
            )  # fmt: skip
    names = current.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
    return Identity(uri, place.read_bytes(), key, place)


_PEM: Final = (
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)


def _key(place: Path) -> rsa.RSAPrivateKey:
    if not place.exists():
        fresh = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        write_whole(place, fresh.private_bytes(*_PEM), 0o600)
        (place.parent / "certificate.der").unlink(missing_ok=True)  # it belonged to another key
        (place.parent / "next.der").unlink(missing_ok=True)
    found = serialization.load_pem_private_key(place.read_bytes(), password=None)
    if not isinstance(found, rsa.RSAPrivateKey):
        raise SecurityFault(f"the own key {place} is no RSA key: remove it, so that a new one is made")
    return found


def _signed(key: rsa.RSAPrivateKey, now: datetime) -> bytes:
    """A self-signed application instance certificate (OPC UA Part 6, 6.2.2), DER."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "localhost"
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "Telemetry"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, host)]
    )
    public = key.public_key()
    alternatives = [x509.UniformResourceIdentifier(f"urn:{host}:telemetry"), x509.DNSName(host)]
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True,
        key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # a server's clock may be behind
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def _until(place: Path) -> str:
    return f"{x509.load_der_x509_certificate(place.read_bytes()).not_valid_after_utc:%Y-%m-%d}"
