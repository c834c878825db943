"""Addresses as they stand in the journal: under a keyed hash, so that a copy of it names nobody.

    ~5f1c0a…@medical75.apicrypt.org     the whole address under the hash; the domain says which operator it was
    ~5f1c0a…@~9e107d9d372bb682          a domain that is no operator's may be one person's own name: hashed too
    ~5f1c0a…                            anything else that names a person: a national identification, a DN

The same address has the same pseudonym everywhere in a journal, whatever its case or its `+extension`: records of one
person are found by whoever has the key, and by nobody else. HMAC-SHA256, cut at 80 bits: among ten million
addresses two share one with a chance of 1 in 20 thousand million.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache

from annuaire.domain import mail_address

MARK = "~"
_HEX = 20
_DOMAIN_HEX = 16
# Addresses that are kept at hand: the same few thousand write to each other all day.
_KEPT = 20_000
# Addresses and national identifications (11 or 12 digits) inside other text. An apostrophe may stand in a local part.
_DOMAIN = r"""[^\s<>"',;:()\[\]=]+"""
_NAMING = re.compile(
    rf"""(?:"(?:[^"\\]|\\.)*"|[^\s<>"',;:()\[\]=][^\s<>",;:()\[\]=]*)@{_DOMAIN}|(?<![\w.])\d{{11,12}}(?![\w.])"""
)


class Pseudonyms:
    """Gives the pseudonyms of one key; `clear` are patterns of domains that stay readable."""

    def __init__(self, key: bytes, clear: Iterable[str]) -> None:
        self._key = key
        self._clear = tuple(pattern.lower() for pattern in clear)
        self.of = lru_cache(_KEPT)(self._of)
        self._domain = lru_cache(_KEPT)(self._shown)

    def _of(self, name: str) -> str:
        """The pseudonym of an address or of whatever else names a person."""
        plain = canonical(name)
        hashed = MARK + self._hash(b"name", plain, _HEX)
        _, at, domain = plain.rpartition("@")
        return f"{hashed}@{self._domain(domain)}" if at else hashed

    def token(self, name: str) -> str:
        """The part of a pseudonym that is the same whatever domains are clear."""
        return MARK + self._hash(b"name", canonical(name), _HEX)

    def within(self, text: str) -> str:
        """A text in which everything that names a person is replaced."""
        return _NAMING.sub(lambda found: self.of(found[0]), text)

    def _shown(self, domain: str) -> str:
        if any(fnmatchcase(domain, pattern) for pattern in self._clear):
            return domain
        return MARK + self._hash(b"domain", domain, _DOMAIN_HEX)

    def _hash(self, purpose: bytes, text: str, length: int) -> str:
        data = purpose + b"\0" + text.encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, data, "sha256").hex()[:length]


def canonical(name: str) -> str:
    """One spelling of an address, as directories are asked for it; what is no address has at least one case."""
    address = mail_address.parse(name.strip())
    return name.strip().lower() if address is None else address.plain
