"""The liste blanche: the domains of the trust space, and the certificates that their operators may show.

A line of the list is exact: no wildcard, and a domain does not cover those below it (domain reference §5). Names of
certificates are compared parsed, because the list, the certificates and the mail servers spell one name in
several ways. A name that cannot be read is listed nowhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

# RFC 1035 §2.3.4, without the dot at the end.
DOMAIN_MAX = 253
# The tool that keeps the national list stops at 255 characters a field; mail servers hand over less.
NAME_MAX = 1024

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


class Row(NamedTuple):
    """A domain and one certificate of its operator; several rows of one domain are the rule."""

    domain: str  # as domain_name gives it
    certificate: str  # a DN, as the list spells it
    description: str
    responsible: str
    support: str
    updated: str  # as the list writes it


class ListeBlanche:
    """The rows of a list, by domain."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[str, list[Row]] = {}
        for row in rows:
            self._rows.setdefault(row.domain, []).append(row)

    @property
    def domains(self) -> frozenset[str]:
        return frozenset(self._rows)

    def rows(self, domain: str) -> tuple[Row, ...]:
        """What is listed for exactly this domain."""
        return tuple(self._rows.get(domain_name(domain), ()))

    def listed(self, domain: str) -> bool:
        return domain_name(domain) in self._rows

    def admits(self, domain: str, certificate: str) -> bool:
        """Whether an operator of this domain shows certificates of that name."""
        return is_listed(certificate, [row.certificate for row in self.rows(domain)])


def domain_name(text: str) -> str:
    """A domain in lower case and ASCII (IDNA), the form in which domains are kept and compared; "" for none."""
    name = text.strip().removesuffix(".")
    if not name or len(name) > DOMAIN_MAX:
        return ""
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    name = name.lower()
    labels = name.split(".")
    if len(name) > DOMAIN_MAX or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        return ""
    return name


# ------------------------------------------------------------------ names of certificates


class CertificateName(NamedTuple):
    """The subject of a certificate, so that two spellings of it are equal."""

    common: str  # the CommonName, "" without one
    path: tuple[str, ...]  # every relative name as type=value, leaf first


# How the programs of the field call attribute types. The list has L where a certificate has ST, so the two are one:
# both are a place, and no two operators differ by that alone.
_TYPES = {
    "2.5.4.3": "cn",
    "commonname": "cn",
    "2.5.4.6": "c",
    "countryname": "c",
    "2.5.4.7": "st",
    "l": "st",
    "localityname": "st",
    "2.5.4.8": "st",
    "s": "st",
    "sp": "st",
    "stateorprovincename": "st",
    "2.5.4.10": "o",
    "organizationname": "o",
    "2.5.4.11": "ou",
    "organizationalunitname": "ou",
    "1.2.840.113549.1.9.1": "emailaddress",
    "e": "emailaddress",
    "email": "emailaddress",
}

_TYPE = r"(?:(?:[oO][iI][dD]\.)?[0-9]+(?:\.[0-9]+)+|[A-Za-z][A-Za-z0-9-]*)"
# A comma that begins no `type=` belongs to the value: the list does not escape those of company names.
_PAIR = re.compile(
    rf'\s*({_TYPE})\s*=\s*("(?:\\.|[^"\\])*"|(?:\\.|[^\\,;+]|[,;+](?!\s*{_TYPE}\s*=))*)\s*([,;+]|\Z)',
    re.DOTALL,
)
_SLASH = re.compile(rf"/(?={_TYPE}=)")
_ESCAPES = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)


def is_listed(certificate: str, listed: Iterable[str]) -> bool:
    """Whether the name that a client showed is among those of the list.

    Some mail servers know the CommonName alone (Postfix): then that decides.
    """
    common = common_name(certificate)
    if common:
        return any(name is not None and name.common == common for name in map(certificate_name, listed))
    shown = certificate_name(certificate)
    return shown is not None and any(shown == certificate_name(one) for one in listed)


def common_name(text: str) -> str:
    """The CommonName in its normal form, when a text is nothing but that: bare, or a DN of one `CN=`; else ""."""
    if "=" not in text:
        return _value(text) if len(text) <= NAME_MAX else ""
    name = certificate_name(text)
    return name.common if name is not None and len(name.path) == 1 and "+" not in name.path[0] else ""


# A national list has about 400 names on its thousands of rows.
@lru_cache(4096)
def certificate_name(text: str) -> CertificateName | None:
    """A DN in any of the spellings met: RFC 4514 and its forerunners, or `/C=FR/…/CN=…`; either end first."""
    if not text or len(text) > NAME_MAX:
        return None
    pairs = _slashed(text) if text.startswith("/") else _pairs(text)
    if not pairs:
        return None
    if pairs[0][0][0] == "c" and pairs[-1][0][0] != "c":
        pairs.reverse()
    common = next((value for relative in pairs for kind, value in relative if kind == "cn"), "")
    # A "+" inside a value is escaped, so that it cannot make two names one.
    path = ["+".join(sorted(f"{kind}={_escaped(value)}" for kind, value in relative)) for relative in pairs]
    return CertificateName(common, tuple(path))


def _pairs(text: str) -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = [[]]
    position = 0
    while True:
        pair = _PAIR.match(text, position)
        if pair is None:
            return []
        found[-1].append((_type(pair[1]), _value(_plain(pair[2]))))
        position = pair.end()
        if not pair[3]:
            return found
        if pair[3] != "+":
            found.append([])


def _slashed(text: str) -> list[list[tuple[str, str]]]:
    """OpenSSL's one line, which escapes nothing."""
    parts = [part.partition("=") for part in _SLASH.split(text)[1:]]
    return [[(_type(kind), _value(value))] for kind, _, value in parts]


def _type(text: str) -> str:
    kind = text.lower().removeprefix("oid.")
    return _TYPES.get(kind, kind)


def _plain(value: str) -> str:
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        value = value[1:-1]
    if "\\" not in value:
        return value
    return _ESCAPES.sub(
        lambda found: (
            bytes.fromhex(found[1].replace("\\", "")).decode("utf-8", "replace") if found[1] else found[2]
        ),
        value,
    )


def _value(text: str) -> str:
    """Neither case nor the number or kind of blanks tells two names apart."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("+", "\\+")
