"""Who signed: an ECDSA key on P-256 of the service's own with a self-signed X.509 certificate, made when first used.

The key lies in the keys folder and never leaves it; the certificate lies in the archive too, under its fingerprint (SHA-256 over
its DER form). Signatures are DER, over the file's bytes with SHA-256, so that plain openssl verifies them (docs/archive.md).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from telemetry.archive.damage import ArchiveDamaged
from telemetry.archive.place import CERTIFICATES
from telemetry.errors import Refusal

VALID: Final = timedelta(days=365 * 40)
"""Longer than what it signs is kept. Its end says nothing about the signatures made before."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A key with its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


def fingerprint(certificate: x509.Certificate) -> str:
    """64 hexadecimal digits, as ``openssl x509 -fingerprint -sha256`` shows them with colons."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def common_name(certificate: x509.Certificate) -> str:
    """Who it says it is: the part that a person reads."""
    return ", ".join(str(part.value) for part in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def signer(keys: Path, archive: Path, site: str) -> Signer:
    """The service's signer, with its certificate in the archive. Makes both where nobody has signed in `archive` yet.

    Raises Refusal where somebody has and the key is gone: a new key must not slip in unseen.
    """
    own = keys / "archive"
    if not (own / "key.pem").exists():
        others = sorted((archive / CERTIFICATES).glob("*.pem"))
        if others:
            raise Refusal(
                f"The key that signed the archive {archive} so far is not in {own}.",
                "Put it back from the keys file of a backup. Where it is lost for ever, move "
                f"{archive / CERTIFICATES} into the hands of whoever verifies and start again: a new key is made then.",
            )
        _make(own, site)
    try:
        key = serialization.load_pem_private_key((own / "key.pem").read_bytes(), None)
        certificate = x509.load_pem_x509_certificate((own / "certificate.pem").read_bytes())
    except (OSError, ValueError) as error:
        raise Refusal(
            f"The key in {own} cannot be read ({error}).", "Put it back from the keys file of a backup."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise Refusal(
            f"The key in {own} is not the key of the certificate beside it.",
            "Put both back from the keys file of a backup.",
        )
    found = Signer(key, certificate)
    (archive / CERTIFICATES).mkdir(parents=True, exist_ok=True)
    copy = archive / CERTIFICATES / f"{found.fingerprint}.pem"
    if not copy.exists():
        _put(copy, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return found


def _make(folder: Path, site: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"telemetry archive of {site}"[:64])])
    now = datetime.now(UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, content_commitment=True, key_encipherment=False, data_encipherment=False,
                key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    _put(folder / "certificate.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _put(folder / "key.pem", pem, 0o600)


def _put(path: Path, data: bytes, mode: int) -> None:
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def certificate_in(path: Path) -> x509.Certificate:
    """The certificate (PEM) in a file. Raises Refusal."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Refusal(
            f"{path} holds no certificate ({error}).", "Name the PEM file of the archive's signer."
        ) from error


def certificates(archive: Path) -> Mapping[str, x509.Certificate]:
    """The certificates that lie in the archive, by fingerprint; one that cannot be read, or is another, is not there."""
    found: dict[str, x509.Certificate] = {}
    for path in sorted((archive / CERTIFICATES).glob("*.pem")):
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except ValueError:
            continue
        if path.stem == fingerprint(certificate):
            found[path.stem] = certificate
    return found


def check(path: Path, data: bytes, signature: bytes, certificate: x509.Certificate) -> None:
    """That whoever has the certificate's key signed `data`, the bytes of `path`. Raises ArchiveDamaged."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ArchiveDamaged(path, "names a signer whose certificate is of another kind than this program makes")
    try:
        key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise ArchiveDamaged(path, "does not fit its signature: one of the two was altered") from error
