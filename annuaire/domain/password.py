"""Passwords as people choose them: which are taken, one that is chosen for them, and which answered lately.

How they are kept is in passwords/. The rules are short on purpose (NIST SP 800-63B §3.1.1.2): a length, and nothing
that is guessed first; rules of composition make people write `Azerty123!`.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

# Argon2 and PBKDF2 hash a long password first, so length costs little; a megabyte is no password.
PASSWORD_MAX = 4096
# `aaaaaaaaaaaa` and `121212121212` are long, and tried first.
DIFFERENT_MIN = 5
# Names of fewer letters are part of words.
NAME_MIN = 4
# Readable on paper and by telephone: no 0 o, no 1 l i.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUP = 4
# Four groups are 79 bits: nobody guesses them, hashed however badly.
_GROUPS = 4


class Fault(IntEnum):
    """Why a password is not taken, as the password policy control says it (draft-behera-ldap-password-policy §6.2)."""

    POOR = 5  # insufficientPasswordQuality
    SHORT = 6  # passwordTooShort
    LONG = 9  # passwordTooLong


class Rules(NamedTuple):
    """What is asked of a new password: `[passwords]`."""

    min_length: int = 12


def judge(password: bytes, names: Iterable[str], rules: Rules) -> Fault | None:
    """What is wrong with a new password of somebody who has these names; None: nothing."""
    if len(password) > PASSWORD_MAX:
        return Fault.LONG
    text = password.decode("utf-8", "surrogateescape")
    if not password or len(text) < rules.min_length:
        return Fault.SHORT
    folded = text.casefold()
    if len(set(folded)) < min(DIFFERENT_MIN, rules.min_length):
        return Fault.POOR
    for name in names:
        known = name.casefold()
        # Who they are and hardly anything else: `helene.martin1`.
        if len(known) >= NAME_MIN and known in folded and len(folded) - len(known) < NAME_MIN:
            return Fault.POOR
    return None


def said(fault: Fault, rules: Rules) -> str:
    """A fault in the words of a diagnostic message."""
    if fault is Fault.SHORT:
        return f"the password has fewer than {rules.min_length} characters"
    if fault is Fault.LONG:
        return f"the password has more than {PASSWORD_MAX} octets"
    return "the password is one that is guessed first: a name, or few different characters"


def generated(rules: Rules) -> bytes:
    """A password for somebody who is to have one: groups of letters and digits that nobody confuses."""
    groups = max(_GROUPS, -(-(rules.min_length + 1) // (_GROUP + 1)))
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(groups)).encode()


class Remembered:
    """The passwords that answered lately: a client that binds for each search costs one hash, not many.

    Keeps keyed digests of (hashes, password), never a password, in the memory of one process: another hash of
    the account, or none, is another digest. Failures are never remembered: each costs a full hash.
    """

    __slots__ = ("_key", "_size", "_until", "seconds")

    def __init__(self, seconds: float, size: int = 10_000) -> None:
        self.seconds = seconds
        self._size = size
        self._key = os.urandom(32)
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def knows(self, hashes: tuple[bytes, ...], password: bytes, now: float) -> bool:
        if not hashes or not self._until:
            return False
        return self._until.get(self._digest(hashes, password), 0.0) > now

    def remember(self, hashes: tuple[bytes, ...], password: bytes, now: float) -> None:
        if self.seconds <= 0 or not hashes:
            return
        digest = self._digest(hashes, password)
        self._until[digest] = now + self.seconds
        self._until.move_to_end(digest)
        if len(self._until) > self._size:
            self._until.popitem(last=False)

    def _digest(self, hashes: tuple[bytes, ...], password: bytes) -> bytes:
        content = b"".join(b"%d:%b" % (len(part), part) for part in (*hashes, password))
        return hmac.digest(self._key, content, "sha256")
