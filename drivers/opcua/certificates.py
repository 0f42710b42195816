"""Which servers are trusted: files that a person can move.

    <keys>/trusted/   certificates of servers, or of authorities that vouch for servers (.der, .pem)
    <keys>/issuers/   authorities between a server's certificate and a trusted one; trusted for nothing by themselves
    <keys>/crl/       the authorities' revocation lists
    <keys>/rejected/  certificates that were met and are not trusted yet

A server's certificate is judged at every connect against the files as they are then (OPC UA Part 4, 6.1.3). Which
certificate was accepted is a person's decision: nothing is ever trusted at first sight.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID

from drivers.opcua.security import SecurityFault

ENDS_SOON: Final = timedelta(days=30)
_ENDINGS: Final = frozenset((".der", ".pem", ".crt", ".cer"))


@dataclass(frozen=True, slots=True)
class Met:
    """What a server shows of itself: its certificate with those above it (DER, one after the other), and who it says it is."""

    certificate: bytes
    application_uri: str
    host: str


def judge(met: Met, keys: Path, now: datetime) -> tuple[str, ...]:
    """Whether the server may be spoken to. Gives doubts that do not stop it; raises SecurityFault. Blocks.

    A certificate that itself lies among the trusted was compared by a person, so another host name in it is only a doubt; one
    that an authority vouches for has to name the host.
    """
    leaf, *above = _shown(met.certificate)
    shown = described(leaf)
    trusted = certificates_in(keys / "trusted")
    pinned = leaf in trusted
    if now > leaf.not_valid_after_utc:
        raise SecurityFault(f"the server's certificate has expired: {shown}; give the server a new one")
    if now < leaf.not_valid_before_utc:
        raise SecurityFault(
            f"the server's certificate is not valid yet: {shown}; set the clocks of server and service right"
        )
    public = leaf.public_key()
    if not isinstance(public, rsa.RSAPublicKey) or not 2048 <= public.key_size <= 4096:
        raise SecurityFault(
            f"the server's certificate has no RSA key of 2048 to 4096 bits: {shown}; give it one that has"
        )
    if not pinned:
        _vouched_for(leaf, above, trusted, keys, now, shown)
    names = _names(leaf)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier) if names else []
    if met.application_uri not in uris:
        raise SecurityFault(
            f"the server calls itself {met.application_uri or '(nothing)'}, but its certificate is for "
            f"{', '.join(uris) or 'no application'}: {shown}; give the server a certificate with its own application URI"
        )
    doubts: list[str] = []
    if leaf.not_valid_after_utc - now < ENDS_SOON:
        doubts.append(f"the server's certificate expires soon: {shown}; give the server a new one before")
    if not _names_host(names, met.host):
        wrong = f"the server's certificate does not name the host {met.host}: {shown}"
        if not pinned:
            raise SecurityFault(f"{wrong}; give the server one that does, or trust this very one")
        doubts.append(wrong)
    return tuple(doubts)


def _vouched_for(
    leaf: x509.Certificate, above: Sequence[x509.Certificate], trusted: list[x509.Certificate], keys: Path,
    now: datetime, shown: str,
) -> None:  # fmt: skip
    """Raises SecurityFault unless an authority among the trusted issued `leaf`, and none on the way was revoked."""
    between = [*above, *certificates_in(keys / "issuers")]
    try:
        if not trusted:
            raise ValueError("nothing is trusted yet")
        verified = (
            verification.PolicyBuilder()
            .store(verification.Store(trusted))
            .time(now)
            .extension_policies(ca_policy=_AUTHORITY, ee_policy=_ANY)
            .build_client_verifier()
            .verify(leaf, between)
        )
    except (verification.VerificationError, ValueError) as error:
        place = closed(keys / "rejected") / f"{file_name(leaf)}.der"
        if not place.exists():
            write_whole(place, leaf.public_bytes(serialization.Encoding.DER), 0o644)
        raise SecurityFault(
            f"its certificate is not trusted yet: {shown}; if the server itself shows the same, "
            f"move {place} to {closed(keys / 'trusted')}"
        ) from error
    lists = revocation_lists(keys / "crl")
    for one, issuer in zip(verified.chain, verified.chain[1:], strict=False):
        for revoked in lists:
            if revoked.issuer == issuer.subject and revoked.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
                entry = revoked.get_revoked_certificate_by_serial_number(one.serial_number)
                if entry is not None:
                    raise SecurityFault(
                        f"the certificate {described(one)} was revoked by its authority on "
                        f"{entry.revocation_date_utc:%Y-%m-%d}; give the server a new one"
                    )


_ANY: Final = verification.ExtensionPolicy.permit_all()


def _is_authority(_: verification.Policy, __: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("it is no authority's certificate")


_AUTHORITY: Final = verification.ExtensionPolicy.permit_all().require_present(
    x509.BasicConstraints, verification.Criticality.AGNOSTIC, _is_authority
)


def trust(met: bytes, thumbprint: str, keys: Path) -> Path:
    """Trusts the certificate that a server showed, if its thumbprint is the one that a person names. Raises SecurityFault."""
    leaf = _shown(met)[0]
    if thumbprint_of(leaf) != re.sub(r"[^0-9A-F]", "", thumbprint.upper()):
        raise SecurityFault(
            f"the server shows another certificate than the one named: {described(leaf)}; nothing was trusted"
        )
    place = closed(keys / "trusted") / f"{file_name(leaf)}.der"
    write_whole(place, leaf.public_bytes(serialization.Encoding.DER), 0o644)
    (keys / "rejected" / place.name).unlink(missing_ok=True)
    return place


def _shown(blob: bytes) -> list[x509.Certificate]:
    try:
        return chain_of(blob)
    except ValueError as error:
        raise SecurityFault(f"the server shows no readable certificate ({error}): have its maker mend it") from error


def chain_of(blob: bytes) -> list[x509.Certificate]:
    """The certificates that stand one behind the other in `blob` (DER). Raises ValueError where there is none."""
    found: list[x509.Certificate] = []
    while blob:
        if len(blob) < 4 or blob[0] != 0x30 or blob[1] != 0x82:  # a SEQUENCE whose length takes two bytes
            raise ValueError("it is not in DER form")
        end = int.from_bytes(blob[2:4], "big") + 4
        found.append(x509.load_der_x509_certificate(blob[:end]))
        blob = blob[end:]
    if not found:
        raise ValueError("there is none")
    return found


def thumbprint_of(certificate: x509.Certificate) -> str:
    """SHA-1 in hexadecimal, as OPC UA names certificates (Part 6, 6.7.2.3)."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()


def file_name(certificate: x509.Certificate) -> str:
    """Its common name and thumbprint, fit for a file system."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", str(found[0].value) if found else "server")[:60]
    return f"{name}-{thumbprint_of(certificate)}"


def described(certificate: x509.Certificate) -> str:
    """Subject, validity and thumbprint, for a sentence."""
    from_, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    subject = certificate.subject.rfc4514_string() or "without a name"
    return f"{subject}, valid {from_:%Y-%m-%d} to {until:%Y-%m-%d}, thumbprint {thumbprint_of(certificate)}"


def certificates_in(folder: Path) -> list[x509.Certificate]:
    """The certificates in a folder. Raises SecurityFault for a file that holds none."""
    found: list[x509.Certificate] = []
    for place in sorted(folder.glob("*")):
        if place.suffix.lower() in _ENDINGS:
            content = place.read_bytes()
            try:
                found += x509.load_pem_x509_certificates(content) if b"-----BEGIN" in content else chain_of(content)
            except ValueError as error:
                raise SecurityFault(f"{place} holds no readable certificate ({error}): remove or replace it") from error
    return found


def revocation_lists(folder: Path) -> list[x509.CertificateRevocationList]:
    """The revocation lists in a folder. Raises SecurityFault for a file that holds none: a list unread would revoke nothing."""
    found: list[x509.CertificateRevocationList] = []
    for place in sorted(folder.glob("*")):
        if place.is_file():
            content = place.read_bytes()
            pem = b"-----BEGIN" in content
            try:
                found.append(x509.load_pem_x509_crl(content) if pem else x509.load_der_x509_crl(content))
            except ValueError as error:
                raise SecurityFault(
                    f"{place} holds no readable revocation list ({error}): remove or replace it"
                ) from error
    return found


def closed(folder: Path) -> Path:
    """The folder, made if absent, that only this user may enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_whole(place: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable for more than `mode` says."""
    new = place.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(place)


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _names_host(names: x509.SubjectAlternativeName | None, host: str) -> bool:
    if names is None:
        return False
    try:
        return ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        return host.lower() in (name.lower() for name in names.get_values_for_type(x509.DNSName))
