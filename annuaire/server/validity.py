"""How long the certificate that listeners offer holds, and why one that a client shows does not."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from OpenSSL import SSL, crypto

# ACME clients renew a certificate a month before its end; one that lives shorter, when a third of its life is left.
SOON = timedelta(days=30)
SOON_SHARE = 3
# What a client's certificate says of itself while nobody vouches for it.
SUBJECT_SHOWN_MAX = 200

# X509_V_ERR_… of OpenSSL's x509_vfy.h, numbers that do not change, as `openssl verify` words them.
_CAUSES = {
    2: "its issuer is unknown",
    7: "its signature is wrong",
    9: "it is not yet valid",
    10: "it has expired",
    18: "it is self-signed",
    19: "a self-signed certificate in its chain is not in client_ca",
    20: "its issuer is unknown",
    21: "its issuer is unknown",
    22: "its chain is too long",
    23: "it was revoked",
    24: "a certificate of its chain is no CA",
    25: "its chain is too long",
    26: "it is not made for clients",
    27: "its CA is not trusted",
    28: "its CA rejects it",
}


class When(Enum):
    EXPIRED = "expired"
    EARLY = "not yet valid"
    SOON = "expires soon"


class Dated(NamedTuple):
    """What the dates of a certificate ask for."""

    when: When
    moment: datetime  # of its end, or of its beginning
    subject: str


def judge(certificate: Path, now: datetime | None = None) -> Dated | None:
    """The worst of a file's chain; None when all of it holds for a while, or the file is none that can be read."""
    now = now or datetime.now(UTC)
    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, ValueError):
        return None
    found = []
    for one in chain:
        first, last = one.not_valid_before_utc, one.not_valid_after_utc
        name = _printable(one.subject.rfc4514_string())
        if last < now:
            found.append((0, Dated(When.EXPIRED, last, name)))
        elif first > now:
            found.append((1, Dated(When.EARLY, first, name)))
        elif last < now + min(SOON, (last - first) / SOON_SHARE):
            found.append((2, Dated(When.SOON, last, name)))
    return min(found, key=lambda one: (one[0], one[1].moment))[1] if found else None


def said(dated: Dated) -> str:
    """For the log."""
    moment = f"{dated.moment:%Y-%m-%d %H:%M} UTC"
    if dated.when is When.EXPIRED:
        return f"expired on {moment}: {dated.subject}"
    if dated.when is When.EARLY:
        return f"valid from {moment} only: {dated.subject}"
    return f"expires on {moment}: {dated.subject}"


def verified(connection: SSL.Connection, shown: crypto.X509, code: int, depth: int, good: int) -> bool:
    """OpenSSL's own verdict on a client's certificate; why it is refused is kept for the log."""
    if not good:
        cause = _CAUSES.get(code, f"X509 error {code}")
        place = "" if depth == 0 else f", {depth} above the client's"
        subject = _printable(subject_of(shown) or "its subject cannot be read")
        connection.set_app_data(f"{cause} ({subject}{place})")
    return bool(good)


def subject_of(certificate: crypto.X509) -> str:
    """As RFC 4514 writes it; empty when there is none that can be read: OpenSSL takes what cryptography does not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a stranger sends is nothing to warn the operator of
            return certificate.to_cryptography().subject.rfc4514_string()
    except ValueError:
        return ""


def ends(chain: Iterable[crypto.X509]) -> float:
    """When the first of these ends, in seconds since 1970."""
    moments = [one.get_notAfter() or b"19700101000000Z" for one in chain]
    return min(
        datetime.strptime(moment.decode(), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC) for moment in moments
    ).timestamp()


def _printable(subject: str) -> str:
    shown = "".join([sign if sign.isprintable() else "?" for sign in subject])
    return shown if len(shown) <= SUBJECT_SHOWN_MAX else shown[:SUBJECT_SHOWN_MAX] + "…"
