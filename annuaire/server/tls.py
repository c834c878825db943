"""TLS for LDAPS and StartTLS, from `[tls]`: version 1.2 or later, files read at start and when they change.

A connection keeps the context that it began with; `reload` gives the next ones another, and keeps the old one when the
new files do not fit: a certificate that is replaced while it is read must not close the server.
Security: client certificates are verified by the handshake itself (chain, dates, purpose), which fails when one was
shown and does not hold; what is told of one here is therefore proven. Sessions are resumed by the worker that began
them, and not at all where client certificates are asked, for a resumed one is not verified again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from annuaire.errors import Misconfigured
from annuaire.server import validity

log = logging.getLogger("annuaire.server")

# Forward-secret suites with authenticated encryption, which TLS 1.2 needs named; TLS 1.3 has no others.
CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
# A context that may ask for certificates refuses resumption without one; any octets do.
_SESSION_ID = b"annuaire"
# How often the files are looked at: an ACME client need not know whom to tell.
LOOK_SECONDS = 10.0
# How often it is told again that the certificate is too old.
WARN_SECONDS = 24 * 3600.0


@dataclass(slots=True)
class Shown:
    """A client's certificate, and what it rests on."""

    certificate: crypto.X509
    chain: list[crypto.X509]  # what the client sent beside it
    ends: float  # seconds since 1970, of the first to end between it and its CA
    judged_by: SSL.Context


@implementer(IOpenSSLServerConnectionCreator)
class Certificates:
    """The certificate that listeners offer, and the CA of clients' ones; Misconfigured when a file is wrong."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self._files = (certificate, key, client_ca)
        self._seen = self._state()
        self._context = context(certificate, key, client_ca)
        self._warn()

    def serverConnectionForTLS(self, _protocol: Any) -> SSL.Connection:
        return SSL.Connection(self._context, None)

    def reload(self) -> bool:
        """Read the files again; whether they could be used."""
        self._seen = self._state()
        try:
            self._context = context(*self._files)
        except Misconfigured as error:
            log.error("the certificate in use is kept: %s", error.public)
            return False
        log.info("certificate read again: %s", self._files[0])
        self._warn()
        return True

    def look(self) -> None:
        """Read the files again if they have changed since they were read last."""
        if self._state() != self._seen:
            self.reload()
            return
        if time.monotonic() > self._warned_at + WARN_SECONDS:
            self._warn()

    def shown_on(self, connection: SSL.Connection) -> Shown | None:
        """The certificate that a client showed in the handshake which has just ended, if any."""
        certificate = connection.get_peer_certificate()
        if certificate is None:
            return None
        ends = validity.ends(connection.get_verified_chain() or [certificate])
        # Not by the newest files: they may have been read while the handshake went on.
        judged_by = connection.get_context()
        return Shown(certificate, connection.get_peer_cert_chain() or [], ends, judged_by)

    def holds(self, shown: Shown) -> bool:
        """Whether a certificate that was right when its connection began would begin another one now."""
        if time.time() > shown.ends:
            return False
        if shown.judged_by is not self._context:
            store = self._context.get_cert_store()
            try:
                if store is None:
                    return False
                judged = crypto.X509StoreContext(store, shown.certificate, shown.chain)
                shown.ends = validity.ends(judged.get_verified_chain())
            except crypto.X509StoreContextError:
                return False
            shown.judged_by = self._context
        return True

    def _warn(self) -> None:
        """Clients refuse what does not hold, and tell nobody here."""
        self._warned_at = time.monotonic()
        dated = validity.judge(self._files[0])
        if dated is not None:
            log.warning("[tls] certificate: %s: %s", self._files[0], validity.said(dated))

    def _state(self) -> tuple[tuple[int, int, int] | None, ...]:
        found: list[tuple[int, int, int] | None] = []
        for path in self._files:
            try:
                status = path.stat() if path is not None else None
            except OSError:
                status = None
            found.append(None if status is None else (status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)


def context(certificate: Path, key: Path, client_ca: Path | None = None) -> SSL.Context:
    """Read the files; every fault of theirs is the operator's."""
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.set_min_proto_version(SSL.TLS1_2_VERSION)
    made.set_options(OPTIONS)
    made.set_cipher_list(CIPHERS)
    made.set_session_id(_SESSION_ID)
    # Tickets need no memory of ours; twenty thousand sessions of whoever comes and goes would.
    made.set_session_cache_mode(SSL.SESS_CACHE_OFF)
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
    if client_ca is not None:
        _ask_certificates(made, client_ca)
    return made


def _ask_certificates(made: SSL.Context, client_ca: Path) -> None:
    _readable("client_ca", client_ca)
    try:
        made.load_verify_locations(str(client_ca))
        # Clients that have several choose by the names that are told.
        made.load_client_ca(bytes(client_ca))
    except SSL.Error as error:
        raise Misconfigured(f"[tls] client_ca: {client_ca}: no certificate in PEM form") from error
    made.set_verify(SSL.VERIFY_PEER, validity.verified)
    made.set_options(SSL.OP_NO_TICKET)


def _readable(option: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"[tls] {option}: {path}: {error.strerror}") from error


def shown(error: BaseException, connection: SSL.Connection) -> str:
    """Why a handshake failed, in OpenSSL's words, and what was wrong with the client's certificate."""
    reasons = [entry[-1] for entry in error.args[0]] if error.args and isinstance(error.args[0], list) else []
    told = ", ".join(str(reason) for reason in reasons) or "the handshake was broken off"
    refused = connection.get_app_data()
    return f"{told}: {refused}" if isinstance(refused, str) else told


# ------------------------------------------------------------ what a connection says, once its handshake is done


def subject(connection: SSL.Connection) -> str:
    """Of the client's certificate, as RFC 4514 writes it; empty when it showed none."""
    shown = connection.get_peer_certificate()
    return validity.subject_of(shown) if shown is not None else ""


def binding(connection: SSL.Connection) -> Callable[[str], bytes | None]:
    """The data of channel bindings: tls-server-end-point (RFC 5929) and, with TLS 1.3, tls-exporter (RFC 9266).

    libldap's SASL_CBINDING tls-endpoint calls the first `ldap` and puts its true name before the data.
    """

    def data(name: str) -> bytes | None:
        if name in ("tls-server-end-point", "ldap"):
            own = connection.get_certificate(as_cryptography=True)
            if own is None:
                return None
            return (b"tls-server-end-point:" if name == "ldap" else b"") + end_point(own)
        if name == "tls-exporter" and connection.get_protocol_version() >= SSL.TLS1_3_VERSION:
            return connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        return None

    return data


def end_point(certificate: x509.Certificate) -> bytes:
    """RFC 5929 §4.1: by the hash of the certificate's own signature, SHA-256 in place of weaker ones or of none."""
    signed_with = certificate.signature_hash_algorithm
    if signed_with is None or signed_with.digest_size < hashes.SHA256.digest_size:
        signed_with = hashes.SHA256()
    return certificate.fingerprint(signed_with)
