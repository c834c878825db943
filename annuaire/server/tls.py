"""TLS for the listeners, from `[tls]`: version 1.2 or later, the chain and key read once at start.

Only the LDAPS listener uses it yet; StartTLS will take the same context.
"""

from __future__ import annotations

from pathlib import Path

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLContextFactory
from zope.interface import implementer

from annuaire.errors import Misconfigured

# Forward-secret suites with authenticated encryption, which TLS 1.2 needs named; TLS 1.3 has no others.
CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"


@implementer(IOpenSSLContextFactory)
class ServerContext:
    """What a listener offers."""

    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def getContext(self) -> SSL.Context:
        return self._context


def context(certificate: Path, key: Path) -> ServerContext:
    """Read the files; every fault of theirs is the operator's."""
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.set_min_proto_version(SSL.TLS1_2_VERSION)
    made.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    made.set_cipher_list(CIPHERS)
    # Idle connections give their buffers back, 34 kB each: a directory has many that wait.
    made.set_mode(SSL.MODE_RELEASE_BUFFERS)
    _readable("certificate", certificate)
    _readable("key", key)
    try:
        made.use_certificate_chain_file(str(certificate))
    except SSL.Error as error:
        raise Misconfigured(f"[tls] certificate: {certificate}: no certificate in PEM form") from error
    try:
        made.use_privatekey_file(str(key))
        made.check_privatekey()
    except SSL.Error as error:
        raise Misconfigured(f"[tls] key: {key} is not the key of {certificate}") from error
    return ServerContext(made)


def _readable(option: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"[tls] {option}: {path}: {error.strerror}") from error
