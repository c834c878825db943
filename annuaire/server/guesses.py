"""Wrong passwords, counted in memory that all workers share: who guesses at one waits at all of them.

    key | buckets of counts, eight in each | buckets of who is known where, eight in each

The size is fixed: whoever fails under a million names takes the places of those that wait least. Names and addresses
stand in it as a keyed digest, and the key is made with it, so nobody can choose whose place to take. What a worker
had counted is there when it dies. The rules are in domain/lockout.py.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from annuaire.domain import lockout
from annuaire.domain.lockout import Count, Rule, Rules

_KEY = 64
_BUCKETS = 8192
_WAYS = 8
# tag, level, digest of the last wrong password, moment of it, end of the wait
_COUNT = struct.Struct("<QfIdd")
# tag, moment of the last login
_KNOWN = struct.Struct("<Qd")
_COUNTS_AT = _KEY
_KNOWN_AT = _COUNTS_AT + _BUCKETS * _WAYS * _COUNT.size
_SIZE = _KNOWN_AT + _BUCKETS * _WAYS * _KNOWN.size
# A worker that was stopped in the middle of a count must not stop the others: a lost count is better.
_LOCK_TRIES = 1000


def create() -> int:
    """The descriptor of a new, empty memory."""
    descriptor = os.memfd_create("annuaire-guesses")
    os.truncate(descriptor, _SIZE)
    os.pwrite(descriptor, os.urandom(_KEY), 0)
    return descriptor


class _Slot(NamedTuple):
    """One place for a count, as it is now."""

    position: int
    tag: int
    held: Count
    wrong: int
    until: float


class Guesses:
    """The shared memory as one worker sees it; `now` is a clock that all workers share (CLOCK_MONOTONIC)."""

    def __init__(self, descriptor: int, rules: Rules) -> None:
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _SIZE)
        self._key = bytes(self._memory[:_KEY])
        self._rules = rules

    def waits(self, name: bytes, client: str, now: float) -> bool:
        """Whether a password for this name from this client is not to be looked at yet."""
        return self._slot(self._pair(name, client)).until > now

    def barred(self, name: bytes, client: str, now: float) -> bool:
        """Whether no password for this name from this client is right yet, which must not show."""
        others = self._slot(self._name(name)).until > now or self._slot(self._client(client)).until > now
        return others and not self._known(name, client, now)

    def failed(self, name: bytes, client: str, password: bytes, now: float) -> None:
        """Count a wrong password."""
        rules = self._rules
        wrong = int.from_bytes(self._digest(b"w", name, password)[:4], "little") or 1
        with self._locked():
            pair = self._slot(self._pair(name, client))
            if pair.wrong == wrong and pair.held.level > 0:
                return
            self._count(pair, rules.pair, now, wrong)
            self._count(self._slot(self._name(name)), rules.name, now)
            self._count(self._slot(self._client(client)), rules.client, now)

    def succeeded(self, name: bytes, client: str, now: float) -> None:
        """Remember that the name has logged in from there."""
        with self._locked():
            self._remember(self._digest(b"k", name, client.encode()), now)

    # ------------------------------------------------------------ counts

    def _slot(self, digest: bytes) -> _Slot:
        """The place of a count, or the one that it would take: an unused one, else whose wait ends first."""
        tag, first = self._place(digest, _COUNTS_AT, _COUNT.size)
        chosen, least = first, float("inf")
        for position in range(first, first + _WAYS * _COUNT.size, _COUNT.size):
            theirs, level, wrong, at, until = _COUNT.unpack_from(self._memory, position)
            if theirs == tag:
                return _Slot(position, tag, Count(level, at), wrong, until)
            ends = max(at, until) if theirs else 0.0
            if ends < least:
                chosen, least = position, ends
        return _Slot(chosen, tag, lockout.NONE, 0, 0.0)

    def _count(self, slot: _Slot, rule: Rule, now: float, wrong: int = 0) -> None:
        count = lockout.counted(slot.held, rule, now)
        until = lockout.until(count, rule)
        _COUNT.pack_into(self._memory, slot.position, slot.tag, count.level, wrong, count.at, until)

    # ------------------------------------------------------------ who is known where

    def _known(self, name: bytes, client: str, now: float) -> bool:
        tag, first = self._place(self._digest(b"k", name, client.encode()), _KNOWN_AT, _KNOWN.size)
        for position in range(first, first + _WAYS * _KNOWN.size, _KNOWN.size):
            held, at = _KNOWN.unpack_from(self._memory, position)
            if held == tag:
                return bool(now - at < lockout.KNOWN_SECONDS)
        return False

    def _remember(self, digest: bytes, now: float) -> None:
        tag, first = self._place(digest, _KNOWN_AT, _KNOWN.size)
        chosen, oldest = first, float("inf")
        for position in range(first, first + _WAYS * _KNOWN.size, _KNOWN.size):
            held, at = _KNOWN.unpack_from(self._memory, position)
            if held == tag:
                chosen = position
                break
            if at < oldest:
                chosen, oldest = position, at
        _KNOWN.pack_into(self._memory, chosen, tag, now)

    # ------------------------------------------------------------ places

    def _pair(self, name: bytes, client: str) -> bytes:
        return self._digest(b"p", name, client.encode())

    def _name(self, name: bytes) -> bytes:
        return self._digest(b"n", name)

    def _client(self, client: str) -> bytes:
        return self._digest(b"c", client.encode())

    def _digest(self, *parts: bytes) -> bytes:
        content = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return hashlib.blake2b(content, key=self._key, digest_size=16).digest()

    @staticmethod
    def _place(digest: bytes, start: int, size: int) -> tuple[int, int]:
        """A tag that is not 0, and where its bucket begins."""
        bucket = int.from_bytes(digest[8:], "little") % _BUCKETS
        return int.from_bytes(digest[:8], "little") or 1, start + bucket * _WAYS * size

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among the workers; the kernel lets go for one that dies."""
        held = False
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            held = True
            break
        try:
            yield
        finally:
            if held:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
