"""One entry of the log of checkpoints: what was signed, by which key, after which entry.

    {"n":7,"at":"…","kind":"checkpoint","key":"<name>","chains":{"<chain>":[count,"<hash>",file]},…,
     "previous":"<SHA-256 of the line before>","signature":"<Ed25519 over all that stands before>"}

    file         begins each file of the log and repeats the public key: `format`, `public`
    checkpoint   where every chain that is still written stands
    key          another key signs from here on: `public`, `before`, and `cosigned`, the word of the one before
    removed      files that were removed because of their age, and where what is left begins: `starts`, `first`

Every entry names all chains that are still written, so the last one alone tells what is under way. `ended` has the
chains that end with this entry; a fourth member is the hash of what stands behind their last whole record.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, NamedTuple

from annuaire.journal import keys
from annuaire.journal.keys import SigningKey
from annuaire.journal.records import Position

FILE, CHECKPOINT, KEY, REMOVED = "file", "checkpoint", "key", "removed"
KINDS = (FILE, CHECKPOINT, KEY, REMOVED)

_SIGNED = b',"signature":"'
_COSIGNED = b',"cosigned":"'
_CLOSE = b'"}\n'
_SIGNATURE_LENGTH = 128
_TAIL = _SIGNATURE_LENGTH + len(_CLOSE)


class Ending(NamedTuple):
    """Where a chain ended, and the hash of what its process left behind its last whole record ("" for nothing)."""

    position: Position
    rest: str = ""


class Entry(NamedTuple):
    number: int
    at: str
    kind: str
    key: str  # the name of the key that signed it
    chains: dict[str, Position]
    ended: dict[str, Ending]
    previous: str
    more: dict[str, Any]
    # Hash of the whole line: what the next entry names as its previous one.
    hash: str


def hash_of(line: bytes) -> str:
    return sha256(line).hexdigest()


def compose(
    members: dict[str, Any], previous: str, key: SigningKey, cosigner: SigningKey | None = None
) -> bytes:
    """The line of an entry, signed."""
    body = json.dumps({**members, "previous": previous}, separators=(",", ":")).encode("ascii")[:-1]
    if cosigner is not None:
        body += _COSIGNED + cosigner.sign(body).hex().encode() + b'"'
    return body + _SIGNED + key.sign(body).hex().encode() + _CLOSE


def written_chains(chains: dict[str, Position], ended: dict[str, Ending]) -> dict[str, Any]:
    """Positions as entries hold them."""
    written: dict[str, Any] = {"chains": {name: list(one) for name, one in sorted(chains.items())}}
    if ended:
        written["ended"] = {name: [*one.position, one.rest] for name, one in sorted(ended.items())}
    return written


def parse(line: bytes) -> Entry | None:
    """The entry that a line is, unverified; None for anything else."""
    try:
        found = json.loads(line)
        return Entry(
            number=_natural(found.pop("n")),
            at=_text(found.pop("at")),
            kind=_text(found.pop("kind")),
            key=_text(found.pop("key")),
            chains={name: position(one) for name, one in found.pop("chains").items()},
            ended={
                name: Ending(position(one[:3]), _text(one[3])) for name, one in found.pop("ended", {}).items()
            },
            previous=_text(found.pop("previous")),
            more=found,
            hash=hash_of(line),
        )
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        return None


def is_signed(line: bytes, public: bytes) -> bool:
    """Whether the key signed the whole line."""
    body, signature = line[: -_TAIL - len(_SIGNED)], line[-_TAIL : -len(_CLOSE)]
    if line[-_TAIL - len(_SIGNED) : -_TAIL] != _SIGNED or not line.endswith(_CLOSE):
        return False
    return _is_signed(body, signature, public)


def is_cosigned(line: bytes, public: bytes) -> bool:
    """Whether the key before signed as well that another one follows it."""
    body, mark, rest = line.partition(_COSIGNED)
    return bool(mark) and _is_signed(body, rest[:_SIGNATURE_LENGTH], public)


def public_key(entry: Entry) -> bytes | None:
    """The public key that an entry of kind `file` or `key` shows; None when it is not the one that it names."""
    try:
        public = bytes.fromhex(_text(entry.more.get("public")))
    except ValueError:
        return None
    return public if len(public) == 32 and keys.name_of(public) == entry.key else None


def position(value: Any) -> Position:
    """The position that a list is; ValueError for anything else."""
    count, head, file = value
    return Position(_natural(count), _text(head), _natural(file))


def _is_signed(body: bytes, signature: bytes, public: bytes) -> bool:
    # fromhex takes capitals and blanks, which would be another line with the same signature.
    if signature.strip(b"0123456789abcdef"):
        return False
    try:
        raw = bytes.fromhex(signature.decode("ascii"))
    except ValueError:
        return False
    return keys.is_signed(public, raw, body)


def _natural(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("not a number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value
