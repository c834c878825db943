"""Writes LDIF (RFC 2849) that reads back as exactly the same bytes, and refusals as `ldapadd -S` does."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable

# As OpenLDAP writes: 76 columns, the space of a continuation line included.
WIDTH = 76

# The version line, once at the head of a file.
HEADER = b"version: 1\n\n"

# RFC 2849 SAFE-STRING, less a last space, which editors and mailers lose.
_SAFE = re.compile(
    rb"(?:[\x01-\x09\x0b\x0c\x0e-\x1f!-9;=-\x7f](?:[\x01-\x09\x0b\x0c\x0e-\x7f]*[\x01-\x09\x0b\x0c\x0e-\x1f!-\x7f])?)?"
)

# OpenLDAP's words for the result codes that an import meets.
_MEANINGS = {
    1: "Operations error",
    2: "Protocol error",
    11: "Administrative limit exceeded",
    16: "No such attribute",
    17: "Undefined attribute type",
    18: "Inappropriate matching",
    19: "Constraint violation",
    20: "Type or value exists",
    21: "Invalid syntax",
    32: "No such object",
    34: "Invalid DN syntax",
    50: "Insufficient access",
    51: "Server is busy",
    52: "Server is unavailable",
    53: "Server is unwilling to perform",
    64: "Naming violation",
    65: "Object class violation",
    66: "Operation not allowed on non-leaf",
    67: "Operation not allowed on RDN",
    68: "Already exists",
    69: "Cannot modify object class",
    71: "Operation affects multiple DSAs",
    80: "Internal (implementation specific) error",
    122: "Assertion Failed",
}


def format_entry(dn: str, attributes: Iterable[tuple[str, bytes]]) -> bytes:
    """Write one content record and the empty line behind it."""
    lines = [format_line("dn", dn.encode())]
    lines += [format_line(description, value) for description, value in attributes]
    lines.append(b"\n")
    return b"".join(lines)


def format_line(description: str, value: bytes) -> bytes:
    """Write one value, in base64 when it could be misread, folded when it is long."""
    name = description.encode()
    if not value:
        line = name + b":"
    elif _SAFE.fullmatch(value):
        line = name + b": " + value
    else:
        line = name + b":: " + b2a_base64(value, newline=False)
    return fold(line) if len(line) > WIDTH else line + b"\n"


def fold(line: bytes) -> bytes:
    """Cut a long line; RFC 2849 (note 2) lets the cut fall inside a character."""
    parts = [line[:WIDTH]]
    parts += [line[at : at + WIDTH - 1] for at in range(WIDTH, len(line), WIDTH - 1)]
    return b"\n ".join(parts) + b"\n"


def format_refusal(record_text: bytes, code: int, reason: str, line: int) -> bytes:
    """Write a refused record under a comment that says why: corrected, it can be imported again."""
    meaning = _MEANINGS.get(code, "Unknown error")
    said = " ".join(reason.split())
    head = f"# Error: {meaning} ({code}), additional info: line {line}: {said}\n".encode()
    text = record_text.replace(b"\r\n", b"\n").strip(b"\n")
    return head + (text + b"\n\n" if text else b"\n")
