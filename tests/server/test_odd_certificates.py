"""Certificates that OpenSSL takes and other readers do not: a stranger's must not trouble the server."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import asking
import pytest
import serving
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from invented_certificates import Authority

from annuaire.ldap import ber, capabilities

COMMON_NAME = bytes.fromhex("0603550403")
COUNTRY = bytes.fromhex("0603550406")
ECDSA_WITH_SHA256 = ber.tlv(0x30, bytes.fromhex("06082a8648ce3d040302"))
UTF8, PRINTABLE, TELETEX, BMP = 0x0C, 0x13, 0x14, 0x1E


def name(*values: tuple[bytes, int, bytes]) -> bytes:
    return ber.tlv(
        0x30, b"".join(ber.tlv(0x31, ber.tlv(0x30, kind + ber.tlv(tag, text))) for kind, tag, text in values)
    )


ODD = {
    "accents as they were written in the nineties": name((COMMON_NAME, TELETEX, b"\xe9t\xe9")),
    "no subject": name(),
    "an empty name": name((COMMON_NAME, UTF8, b"")),
    "a country of three letters": name((COUNTRY, PRINTABLE, b"FRA")),
    "two octets a letter": name((COMMON_NAME, BMP, "été".encode("utf-16-be"))),
    "lines": name((COMMON_NAME, UTF8, b"relais\nlogin client=192.0.2.1 result=0")),
    "a zero": name((COMMON_NAME, UTF8, b"relais\0.exemple")),
    "a comma": name((COMMON_NAME, UTF8, b"x,CN=relais")),
    "very long": name((COMMON_NAME, UTF8, b"x" * 9000)),
}
BAD_END = b"351301000000Z"


def odd(
    folder: Path, subject: bytes, signer: Authority | None, end: bytes = b"350101000000Z"
) -> tuple[Path, Path]:
    """A certificate made octet by octet; its own signer if there is no other."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = subject
    if signer is not None:
        issuer = x509.load_pem_x509_certificate(signer.file.read_bytes()).subject.public_bytes()
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    days = ber.tlv(0x30, ber.tlv(0x17, b"250101000000Z") + ber.tlv(0x17, end))
    version = ber.tlv(0xA0, ber.integer(2))
    content = ber.tlv(0x30, version + ber.integer(5) + ECDSA_WITH_SHA256 + issuer + days + subject + public)
    signature = (key if signer is None else signer.key).sign(content, ec.ECDSA(hashes.SHA256()))
    whole = ber.tlv(0x30, content + ECDSA_WITH_SHA256 + ber.tlv(3, b"\0" + signature))
    paths = folder / "odd.pem", folder / "odd.key"
    paths[0].write_text(ssl.DER_cert_to_PEM_cert(whole))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ca")


@pytest.fixture(scope="module")
def server(tmp_path_factory, authority, fixtures) -> Iterator[serving.Server]:
    state = tmp_path_factory.mktemp("odd") / "var"
    serving.fill(state, fixtures / "apicrypt.ldif")
    certificate, key = authority.issue("server", "CN=localhost")
    with serving.serving(
        state,
        ANNUAIRE_TLS_CERTIFICATE=str(certificate),
        ANNUAIRE_TLS_KEY=str(key),
        ANNUAIRE_TLS_CLIENT_CA=str(authority.file),
        ANNUAIRE_AUDIENCE_CERTIFICATES='["CN=relais admin"]',
    ) as running:
        yield running


def said(
    server: serving.Server, authority: Authority, shown: tuple[Path, Path]
) -> list[tuple[int, bytes | None]]:
    """The answers to a bind by certificate and to who am I; none when the handshake was refused."""
    context = ssl.create_default_context(cafile=authority.file)
    context.load_cert_chain(*shown)
    try:
        with (
            socket.create_connection(("127.0.0.1", server.port("ldaps")), serving.PATIENCE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(asking.sasl(1, "EXTERNAL", b"") + asking.extended(2, capabilities.WHO_AM_I))
            answers = asking.read(serving.receive(secure, 2))
    except (ssl.SSLError, ConnectionError):
        return []
    return [(one.operation.code, one.operation.value) for one in answers]


def nothing_happened(server: serving.Server, before: str) -> None:
    log = server.log.read_text().removeprefix(before)
    assert "Traceback" not in log
    assert "Warning" not in log
    assert all(line[:4].isdigit() for line in log.splitlines()), log


@pytest.mark.parametrize("subject", ODD.values(), ids=ODD)
def test_one_of_our_authority_is_nobody_by_its_odd_subject(server, authority, tmp_path, subject):
    before = server.log.read_text()
    [bound, who] = said(server, authority, odd(tmp_path, subject, authority))
    assert bound[0] in (48, 49)
    assert who == (0, b"")
    nothing_happened(server, before)


@pytest.mark.parametrize("subject", ODD.values(), ids=ODD)
def test_one_of_nobody_is_refused_and_told_in_one_line(server, authority, tmp_path, subject):
    before = server.log.read_text()
    assert said(server, authority, odd(tmp_path, subject, None)) == []
    nothing_happened(server, before)


@pytest.mark.parametrize("known", [True, False])
def test_an_end_that_is_no_moment_is_refused(server, authority, tmp_path, known):
    before = server.log.read_text()
    shown = odd(tmp_path, name((COMMON_NAME, UTF8, b"relais")), authority if known else None, BAD_END)
    assert said(server, authority, shown) == []
    nothing_happened(server, before)


def test_the_same_one_without_anything_odd_is_somebody(server, authority, tmp_path):
    shown = odd(tmp_path, name((COMMON_NAME, UTF8, b"relais")), authority)
    assert said(server, authority, shown) == [(0, None), (0, b"dn:CN=relais")]
