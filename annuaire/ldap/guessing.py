"""Who guesses passwords waits: what every way of giving one asks before it is verified, and tells after it.

A name is counted in the one spelling that all its spellings have, whether it is anybody's or not; who waits for what is
in domain/lockout.py.
"""

from __future__ import annotations

import unicodedata
from typing import Protocol

from annuaire.domain import lockout
from annuaire.errors import Malformed
from annuaire.ldap import dn
from annuaire.ldap.schema import Schema


class Guesses(Protocol):
    """Where wrong passwords are counted."""

    def waits(self, name: bytes, client: str, now: float) -> bool:
        """Whether a password for this name from this client is not to be looked at yet."""
        ...

    def barred(self, name: bytes, client: str, now: float) -> bool:
        """Whether no password for this name from this client is right yet, which must not show."""
        ...

    def failed(self, name: bytes, client: str, password: bytes, now: float) -> None:
        """Count a wrong password."""
        ...

    def succeeded(self, name: bytes, client: str, now: float) -> None:
        """Remember that the name has logged in from there."""
        ...


class Uncounted:
    """Nobody waits: where nobody counts."""

    def waits(self, name: bytes, client: str, now: float) -> bool:
        return False

    def barred(self, name: bytes, client: str, now: float) -> bool:
        return False

    def failed(self, name: bytes, client: str, password: bytes, now: float) -> None:
        return

    def succeeded(self, name: bytes, client: str, now: float) -> None:
        return


class Attempt:
    """One password on its way: for which name, and from where."""

    __slots__ = ("_client", "_guesses", "_name")

    def __init__(self, guesses: Guesses, schema: Schema, name: bytes, peer: str) -> None:
        self._guesses = guesses
        self._name = spelling(name, schema)
        self._client = lockout.client(peer)

    def waits(self, now: float) -> bool:
        """Asked before a password is verified, and again after it: others may have failed meanwhile."""
        return self._guesses.waits(self._name, self._client, now)

    def barred(self, now: float) -> bool:
        """Asked before a password is taken for right without the work of verifying it."""
        return self._guesses.barred(self._name, self._client, now)

    def ended(self, matched: bool, password: bytes, now: float) -> bool:
        """Take the outcome; whether it counts as a success: not while waiting or barred, whatever was given."""
        if self.waits(now):
            return False
        if matched and not self.barred(now):
            self._guesses.succeeded(self._name, self._client, now)
            return True
        self._guesses.failed(self._name, self._client, password, now)
        return False


def spelling(name: bytes, schema: Schema) -> bytes:
    """The one spelling of all that mean the same name."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return name
    if "=" in text:
        try:
            return b"=" + dn.key(dn.parse(text), schema)
        except Malformed:
            pass
    # An address: spaces, case and widths of letters tell no two apart.
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(folded.split()).encode("utf-8", "surrogatepass")
