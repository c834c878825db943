"""Certificates of a test: one authority in the place of IGC-Santé, our own mail server, and operators; one stranger."""

import datetime
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CA = "igc-sante.pem"


def make(folder: Path, operators: tuple[str, ...] = ()) -> None:
    """Write igc-sante.pem; mailin.pem and .key; NAME.pem and .key for each; stranger.* is of another authority."""
    folder.mkdir(exist_ok=True)
    ours, other = _authority("AC TEST"), _authority("AC AUTRE")
    _write(folder / CA, ours[0].public_bytes(serialization.Encoding.PEM))
    _signed(folder, "mailin", "mailin.interop-mssante.apicrypt.org", *ours)
    for name in operators:
        _signed(folder, name, name, *ours)
    _signed(folder, "stranger", operators[0] if operators else "stranger", *other)


def client(folder: Path, name: str) -> ssl.SSLContext:
    """The context of a client that shows a certificate and believes any server."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


def server(folder: Path, name: str) -> ssl.SSLContext:
    """The context of a server that wants a certificate of the same authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / CA))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _authority(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _builder(name, name, key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    return certificate.sign(key, hashes.SHA256()), key


def _signed(
    folder: Path, file: str, name: str, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    certificate = (
        _builder(name, str(issuer), own).add_extension(names, critical=False).sign(key, hashes.SHA256())
    )
    _write(folder / f"{file}.pem", certificate.public_bytes(serialization.Encoding.PEM))
    _write(
        folder / f"{file}.key",
        own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
    )


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o600)
