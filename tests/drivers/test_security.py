"""Who is trusted and who we are: files on disk, judged as OPC UA Part 4, 6.1.3 asks; each refusal is a sentence with its remedy."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from drivers.opcua.certificates import Met, judge, thumbprint_of, trust
from drivers.opcua.own_certificate import identity
from drivers.opcua.security import Security, SecurityFault

NOW = datetime(2026, 6, 1, tzinfo=UTC)
URI, HOST = "urn:plc:server", "plc.example"
SECRETS = {bits: rsa.generate_private_key(public_exponent=65537, key_size=bits) for bits in (1024, 2048)}
ANOTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    name: str = "plc", *, issuer: str | None = None, signer: rsa.RSAPrivateKey = SECRETS[2048], authority: bool = False,
    uri: str = URI, host: str = HOST, begins: datetime = NOW - timedelta(days=300), days: int = 600, bits: int = 2048,
) -> x509.Certificate:  # fmt: skip
    """One certificate, self-signed unless `issuer` names another."""
    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    by = named if issuer is None else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])
    own = SECRETS[bits].public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(by)
        .public_key(own)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), x509.DNSName(host)]), critical=False
        )
        .sign(signer, hashes.SHA256())
    )


def der(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.DER) for one in certificates)


def put(folder: Path, *certificates: x509.Certificate, pem: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for one in certificates:
        form = serialization.Encoding.PEM if pem else serialization.Encoding.DER
        (folder / f"{thumbprint_of(one)}.{'pem' if pem else 'der'}").write_bytes(one.public_bytes(form))


def met(*shown: x509.Certificate, uri: str = URI, host: str = HOST) -> Met:
    return Met(der(*shown), uri, host)


def said(met_: Met, keys: Path, now: datetime = NOW) -> str:
    with pytest.raises(SecurityFault) as fault:
        judge(met_, keys, now)
    return str(fault.value)


@pytest.mark.parametrize("pem", [False, True])
def test_a_server_is_trusted_when_a_person_has_put_its_certificate_there(tmp_path: Path, pem: bool) -> None:
    own, other = certificate(), certificate("other")
    put(tmp_path / "trusted", other, own, pem=pem)
    assert judge(met(own), tmp_path, NOW) == ()


def test_an_unknown_server_is_kept_for_a_person_to_compare(tmp_path: Path) -> None:
    own = certificate()
    words = said(met(own), tmp_path)
    (rejected,) = (tmp_path / "rejected").iterdir()
    assert rejected.read_bytes() == der(own)
    for word in ("CN=plc", "2025-08-05 to 2027-03-28", thumbprint_of(own), str(rejected), str(tmp_path / "trusted")):
        assert word in words
    rejected.rename(tmp_path / "trusted" / rejected.name)
    assert judge(met(own), tmp_path, NOW) == ()


def test_the_same_name_with_another_key_is_not_trusted(tmp_path: Path) -> None:
    put(tmp_path / "trusted", certificate())
    assert "not trusted" in said(met(certificate(signer=ANOTHER)), tmp_path)


def test_trust_by_thumbprint_only_for_what_the_server_shows(tmp_path: Path) -> None:
    own = certificate()
    said(met(own), tmp_path)
    with pytest.raises(SecurityFault, match="another certificate"):
        trust(der(own), "00" * 20, tmp_path)
    print_ = thumbprint_of(own).lower()
    place = trust(der(own), ":".join(print_[i : i + 2] for i in range(0, 40, 2)), tmp_path)
    assert place.parent == tmp_path / "trusted" and not any((tmp_path / "rejected").iterdir())
    assert judge(met(own), tmp_path, NOW) == ()


@pytest.mark.parametrize(
    ("shown", "uri", "says"),
    [
        (certificate(begins=NOW - timedelta(days=20), days=19), URI, ["expired", "2026-05-31", "a new one"]),
        (certificate(begins=NOW + timedelta(days=1)), URI, ["not valid yet", "2026-06-02", "clocks"]),
        (certificate(uri="urn:else"), URI, [f"calls itself {URI}", "is for urn:else"]),
        (certificate(), "", ["calls itself (nothing)", f"is for {URI}"]),
        (certificate(bits=1024, signer=SECRETS[1024]), URI, ["no RSA key of 2048"]),
    ],
)
def test_what_is_wrong_with_a_certificate_is_named_even_where_it_is_trusted(
    tmp_path: Path, shown: x509.Certificate, uri: str, says: list[str]
) -> None:
    put(tmp_path / "trusted", shown)
    words = said(met(shown, uri=uri), tmp_path)
    assert all(word in words for word in says), words


def test_a_certificate_near_its_end_or_for_another_host_is_a_doubt(tmp_path: Path) -> None:
    own = certificate(host="elsewhere.example", days=310)
    put(tmp_path / "trusted", own)
    soon, host = judge(met(own), tmp_path, NOW)
    assert "expires soon" in soon and "2026-06-11" in soon
    assert f"does not name the host {HOST}" in host


@pytest.mark.parametrize("shown", [b"", b"nonsense", der(certificate())[:-1]])
def test_what_is_no_certificate(tmp_path: Path, shown: bytes) -> None:
    assert "no readable certificate" in said(Met(shown, URI, HOST), tmp_path)


@pytest.mark.parametrize("folder", ["trusted", "issuers", "crl"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, folder: str) -> None:
    root = certificate("root", authority=True)
    put(tmp_path / "trusted", root)
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "broken.der").write_bytes(b"nonsense")
    assert "broken.der" in said(met(certificate(issuer="root")), tmp_path)


# ---- authorities


def test_an_authority_vouches_for_its_servers(tmp_path: Path) -> None:
    put(tmp_path / "trusted", certificate("root", authority=True))
    assert judge(met(certificate(issuer="root")), tmp_path, NOW) == ()
    assert "not trusted" in said(met(certificate(issuer="root", signer=ANOTHER)), tmp_path)
    assert "not trusted" in said(met(certificate(issuer="another root")), tmp_path)


def test_an_authority_must_be_one(tmp_path: Path) -> None:
    put(tmp_path / "trusted", certificate("root"))
    assert "not trusted" in said(met(certificate(issuer="root")), tmp_path)


@pytest.mark.parametrize("sent", [False, True])
def test_an_authority_between(tmp_path: Path, sent: bool) -> None:
    put(tmp_path / "trusted", certificate("root", authority=True))
    between = certificate("between", issuer="root", authority=True)
    own = certificate(issuer="between")
    assert "not trusted" in said(met(own), tmp_path)
    if not sent:
        put(tmp_path / "issuers", between)
    assert judge(met(own, between) if sent else met(own), tmp_path, NOW) == ()


def test_a_vouched_for_server_must_be_the_host_that_was_called(tmp_path: Path) -> None:
    put(tmp_path / "trusted", certificate("root", authority=True))
    words = said(met(certificate(issuer="root", host="elsewhere.example")), tmp_path)
    assert f"does not name the host {HOST}" in words and "trust this very one" in words


@pytest.mark.parametrize("pem", [False, True])
def test_a_revoked_certificate_is_refused(tmp_path: Path, pem: bool) -> None:
    root = certificate("root", authority=True)
    own, good = certificate(issuer="root"), certificate("good", issuer="root")
    put(tmp_path / "trusted", root)
    forged = revocations(root, own, signer=ANOTHER)
    (tmp_path / "crl").mkdir()
    (tmp_path / "crl" / "root.crl").write_bytes(forged.public_bytes(serialization.Encoding.DER))
    assert judge(met(own), tmp_path, NOW) == ()  # a list that the authority did not sign revokes nothing
    form = serialization.Encoding.PEM if pem else serialization.Encoding.DER
    (tmp_path / "crl" / "root.crl").write_bytes(revocations(root, own).public_bytes(form))
    words = said(met(own), tmp_path)
    assert "revoked" in words and "2026-05-01" in words and "CN=plc" in words
    assert judge(met(good), tmp_path, NOW) == ()


def revocations(
    root: x509.Certificate, revoked: x509.Certificate, signer: rsa.RSAPrivateKey = SECRETS[2048]
) -> x509.CertificateRevocationList:
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(revoked.serial_number).revocation_date(moment).build()
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(moment)
        .next_update(moment + timedelta(days=90))
        .add_revoked_certificate(entry)
        .sign(signer, hashes.SHA256())
    )


# ---- the service's own


def test_the_own_key_is_made_once_and_closed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = identity(tmp_path, NOW)
    assert str(first.place) in caplog.text
    caplog.clear()
    assert identity(tmp_path, NOW + timedelta(days=1000)) == first and not caplog.text
    mode = stat.S_IMODE
    assert mode((tmp_path / "own").stat().st_mode) == 0o700
    assert mode((tmp_path / "own" / "key.pem").stat().st_mode) == 0o600
    made = x509.load_der_x509_certificate(first.certificate)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [first.uri]
    assert made.not_valid_before_utc < NOW < made.not_valid_after_utc
    assert made.public_key() == first.key.public_key() and first.key.key_size == 2048


def test_the_successor_lies_ready_90_days_before_and_takes_over_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = identity(tmp_path, NOW)
    end = x509.load_der_x509_certificate(first.certificate).not_valid_after_utc
    following = tmp_path / "own" / "next.der"
    identity(tmp_path, end - timedelta(days=91))
    assert not following.exists()
    caplog.clear()
    assert identity(tmp_path, end - timedelta(days=89)) == first
    assert str(following) in caplog.text and "89 days" in caplog.text
    ready = following.read_bytes()
    assert identity(tmp_path, end - timedelta(hours=1)) == first
    after = identity(tmp_path, end + timedelta(seconds=1))
    assert after.certificate == ready and after.key.public_key() == first.key.public_key() and after.uri == first.uri
    assert not following.exists()


def test_a_certificate_of_another_key_is_not_used(tmp_path: Path) -> None:
    identity(tmp_path, NOW)
    (tmp_path / "own" / "certificate.der").write_bytes(der(certificate()))
    with pytest.raises(SecurityFault, match="does not belong to the key"):
        identity(tmp_path, NOW)
    (tmp_path / "own" / "key.pem").unlink()
    assert identity(tmp_path, NOW).uri.startswith("urn:")


# ---- what is configured


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"policy": "Basic256"}, "Basic256Sha256"),
        ({"policy": "None", "mode": "Sign"}, "policy None has mode None"),
        ({"policy": "Basic256Sha256", "mode": "None"}, "mode Sign or SignAndEncrypt"),
        ({"policy": "Basic256Sha256", "user": "x"}, "exactly one of password_file and password_env"),
        ({"policy": "Basic256Sha256", "password_env": "X"}, "add the user"),
        ({"policy": "Basic256Sha256", "key_file": "x"}, "both certificate_file and key_file"),
        (
            {"policy": "Basic256Sha256", "user": "x", "password_env": "X", "certificate_file": "x", "key_file": "x"},
            "not both",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Security.model_validate(given)


def test_the_password_is_read_where_it_is_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_file = Security(policy="Basic256Sha256", user="operator", password_file="plc.password")
    with pytest.raises(SecurityFault, match=r"password of user operator cannot be read from .*plc\.password"):
        by_file.password(tmp_path)
    (tmp_path / "plc.password").write_text("first \n")
    assert by_file.password(tmp_path) == "first "
    (tmp_path / "plc.password").write_text("second")
    assert by_file.password(tmp_path) == "second"
    by_env = Security(policy="Basic256Sha256", user="operator", password_env="PLC_PASSWORD")
    monkeypatch.delenv("PLC_PASSWORD", raising=False)
    with pytest.raises(SecurityFault, match="set the environment variable PLC_PASSWORD"):
        by_env.password(tmp_path)
    monkeypatch.setenv("PLC_PASSWORD", "third")
    assert by_env.password(tmp_path) == "third"
    assert Security(policy="None").password(tmp_path) is None
