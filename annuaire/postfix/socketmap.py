"""Socketmap (Postfix socketmap_table, Sendmail, OpenSMTPD): tables that are asked over a connection.

    -> a netstring "MAP KEY"
    <- a netstring "OK VALUE", "NOTFOUND ", "TEMP REASON" or "PERM REASON"

Keys come as the mail server wrote them: with an extension, in any case, a bare domain, or `*`. PERM says that the
mail server's configuration is wrong and defers mail as TEMP does: nobody is ever refused by it.
"""

from __future__ import annotations

from typing import NamedTuple

from annuaire.errors import Malformed

# What Postfix itself accepts: dict_socketmap's limits.
QUERY_MAX = 10_000
VALUE_MAX = 100_000
_DIGITS_MAX = len(str(QUERY_MAX))

NOT_FOUND = b"9:NOTFOUND ,"


class Query(NamedTuple):
    """Which table, and what is looked for in it; octets that are not UTF-8 become U+FFFD."""

    table: str
    key: str


class Decoder:
    """The queries of one connection, however its bytes are cut."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> list[Query]:
        """Queries that are now whole; raises Malformed for what can never become one."""
        if self._begun:
            data = self._begun + data
        found = []
        start, size = 0, len(data)
        while start < size:
            colon = data.find(b":", start, start + _DIGITS_MAX + 1)
            digits = data[start:colon] if colon >= 0 else data[start : start + _DIGITS_MAX + 1]
            if not digits.isdigit() or (digits[0] == 0x30 and len(digits) > 1):
                raise Malformed("socketmap: not a netstring")
            if colon < 0:
                if len(digits) > _DIGITS_MAX:
                    raise Malformed("socketmap: a query that is too long")
                break
            length = int(digits)
            if length > QUERY_MAX:
                raise Malformed("socketmap: a query that is too long")
            end = colon + 1 + length
            if end >= size:
                break
            if data[end] != 0x2C:
                raise Malformed("socketmap: not a netstring")
            table, _, key = data[colon + 1 : end].decode("utf-8", "replace").partition(" ")
            found.append(Query(table, key))
            start = end + 1
        self._begun = data[start:]
        return found


def ok(value: str) -> bytes:
    return _netstring(b"OK " + value.encode("utf-8", "replace"))


def temporary(reason: str) -> bytes:
    return _netstring(b"TEMP " + reason.encode("utf-8", "replace"))


def misconfigured(reason: str) -> bytes:
    """PERM: for who configures the mail server, never about a person."""
    return _netstring(b"PERM " + reason.encode("utf-8", "replace"))


def _netstring(payload: bytes) -> bytes:
    payload = payload[:VALUE_MAX]
    return b"%d:%s," % (len(payload), payload)
