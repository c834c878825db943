"""TLS for the listeners, from `[tls]`: version 1.2 or later, the chain and key read once at start.

Only the LDAPS listener uses it yet; StartTLS will take the same context.
"""

from __future__ import annotations

from pathlib import Path

from OpenSSL import SSL, crypto
from twisted.internet import ssl

from annuaire.errors import Misconfigured

# Forward-secret suites with authenticated encryption, which TLS 1.2 needs named; TLS 1.3 has no others.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"


def context(certificate: Path, key: Path) -> ssl.CertificateOptions:
    """What a listener offers; every fault of the files is the operator's."""
    chain = _chain(certificate)
    try:
        private = crypto.load_privatekey(crypto.FILETYPE_PEM, key.read_bytes())
    except (OSError, crypto.Error, ValueError) as error:
        raise Misconfigured(f"[tls] key: {key}: {_reason(error)}") from error
    options = ssl.CertificateOptions(
        privateKey=private,
        certificate=chain[0],
        extraCertChain=chain[1:],
        raiseMinimumTo=ssl.TLSVersion.TLSv1_2,
        acceptableCiphers=ssl.AcceptableCiphers.fromOpenSSLCipherString(CIPHERS),  # type: ignore[no-untyped-call]
    )
    try:
        options.getContext().check_privatekey()
    except SSL.Error as error:
        raise Misconfigured(f"[tls] key: {key} is not the key of {certificate}") from error
    return options


def _chain(certificate: Path) -> list[crypto.X509]:
    try:
        text = certificate.read_bytes()
        marked = text.split(b"-----BEGIN CERTIFICATE-----")[1:]
        chain = [
            crypto.load_certificate(crypto.FILETYPE_PEM, b"-----BEGIN CERTIFICATE-----" + part)
            for part in marked
        ]
    except (OSError, crypto.Error, ValueError) as error:
        raise Misconfigured(f"[tls] certificate: {certificate}: {_reason(error)}") from error
    if not chain:
        raise Misconfigured(f"[tls] certificate: {certificate}: no certificate in PEM form")
    return chain


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "not in PEM form"
