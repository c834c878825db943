"""One record of a chain as one line of JSON, and the hash that ties it to the record before.

    {"n":12,"at":"2026-11-23T10:15:00.123456Z","kind":"refusal",…,"hash":"<64 hex digits>"}

The hash is SHA-256 over the 32 octets of the hash before and the line up to `,"hash"`. Before the first record stands
the hash of the chain's name, so no record of one chain passes for another's. Lines are ASCII; every octet of a line
is either hashed or fixed.
"""

from __future__ import annotations

import json
import re
import time
from hashlib import sha256
from typing import Any, NamedTuple

FORMAT = 1
# Kinds that a chain writes about itself; the others are in domain/trace.py.
FILE, END, GAP = "file", "end", "gap"
OWN_KINDS = (FILE, END)

_MARK = b',"hash":"'
_CLOSE = b'"}\n'
_HASH_LENGTH = 64
_TAIL = _HASH_LENGTH + len(_CLOSE)
_NUMBER = re.compile(rb'\{"n":(\d{1,18}),')
_HASH = re.compile(rb"[0-9a-f]{64}")
_BILLION = 1_000_000_000


class Position(NamedTuple):
    """A place in a chain: after so many records, with that hash, in that file."""

    length: int
    head: str
    file: int


def genesis(chain: str) -> bytes:
    return sha256(b"annuaire journal %d\n" % FORMAT + chain.encode()).digest()


def compose(number: int, text: bytes, head: bytes) -> tuple[bytes, bytes]:
    """The line of a record after `head`, and its own hash. text: the members between `n` and `hash`."""
    body = b'{"n":%d,%b' % (number, text)
    digest = sha256(head + body)
    return b"%b%b%b%b" % (body, _MARK, digest.hexdigest().encode(), _CLOSE), digest.digest()


def follow(line: bytes, head: bytes) -> bytes | None:
    """The hash of a line that rightly follows `head`; None for any other."""
    body = line[: -_TAIL - len(_MARK)]
    digest = sha256(head + body)
    if line[-_TAIL - len(_MARK) :] != b"%b%b%b" % (_MARK, digest.hexdigest().encode(), _CLOSE):
        return None
    return digest.digest()


def number(line: bytes) -> int | None:
    """The number that a line gives itself."""
    found = _NUMBER.match(line)
    return int(found[1]) if found else None


def claimed_head(line: bytes) -> bytes | None:
    """The hash that a line says it has: with it one can go on behind a line that was altered."""
    if not line.endswith(_CLOSE) or line[-_TAIL - len(_MARK) : -_TAIL] != _MARK:
        return None
    written = line[-_TAIL : -len(_CLOSE)]
    return bytes.fromhex(written.decode()) if _HASH.fullmatch(written) else None


def parse(line: bytes) -> dict[str, Any] | None:
    """The members of a record; None when the line holds none."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("kind"), str) else None


_second: tuple[int, str] = (-1, "")


def stamp(nanoseconds: int) -> str:
    """A moment in UTC, to the microsecond."""
    global _second
    second, rest = divmod(nanoseconds, _BILLION)
    known, text = _second
    if known != second:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _second = (second, text)
    return f"{text}.{rest // 1000:06d}Z"
