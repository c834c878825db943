"""Reads LDIF (RFC 2849): bytes in, records out, errors as values.

Lenient where real exports are (no version line, LF or CRLF, no space after the colon, raw UTF-8, no last
newline, no last `-`, what ldapsearch prints around its entries), strict where guessing could damage an entry.
Knows nothing of schemas or of DN syntax, and opens no file that a record names.

`split` cuts a file into chunks of whole records; any process may then read one on its own (`parse_chunk`).
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from annuaire.importing import ldif_record
from annuaire.importing.records import Content, Record, Unreadable

# Large enough that handing a chunk to another process costs nothing beside parsing it (about 2,000 people).
CHUNK_SIZE = 1 << 20

# A group of 100,000 members fits; slapd takes 4 MiB for one request. Read, a hostile record of two-byte lines
# takes fifty times its length: this keeps it within some hundred megabytes.
RECORD_MAX = 8 << 20

# What is kept of a longer record: enough for its dn line.
HEAD_KEPT = 4096

CONTENT = "content"
CHANGE = "change"


class Chunk(NamedTuple):
    """Whole records, and what is needed to read them apart from the rest of the file."""

    first_line: int
    data: bytes
    offset: int  # of the first byte, in the file
    kind: str | None = None  # content or change, set by the first readable record of the file
    kind_line: int = 0  # where that record stands
    excess: int = 0  # not 0: one record of that many bytes, too long, of which data is the beginning


def read(stream: BinaryIO) -> Iterator[Record]:
    """Read a whole file in constant memory."""
    for chunk in split(stream):
        yield from parse_chunk(chunk)


def split(stream: BinaryIO) -> Iterator[Chunk]:
    """Cut a file into chunks of whole records; of a record above RECORD_MAX only the beginning is kept."""
    line = 1
    offset = 0
    kind: str | None = None
    kind_line = 0
    held = b""
    while True:
        fresh = stream.read(CHUNK_SIZE)
        if offset == 0 and not held:
            # A byte order mark is no part of the first line (Windows editors write one).
            if fresh.startswith(b"\xef\xbb\xbf"):
                fresh, offset = fresh[3:], 3
            if foreign := [beginning for beginning, _ in ldif_record.FOREIGN if fresh.startswith(beginning)]:
                yield Chunk(1, foreign[0], 0)
                return
        data = held + fresh
        cut = _last_boundary(data, len(held)) if fresh else len(data)
        if cut:
            chunk = Chunk(line, data[:cut], offset, kind, kind_line)
            if kind is None:
                kind, kind_line = _first_kind(chunk)
                chunk = chunk._replace(kind=kind, kind_line=kind_line)
            yield chunk
            line += chunk.data.count(b"\n")
            offset += cut
        if not fresh:
            return
        held = data[cut:] if cut else data
        if len(held) > RECORD_MAX:
            length, lines, rest = _pass_over(stream, held)
            yield Chunk(line, held[:HEAD_KEPT], offset, kind, kind_line, excess=length)
            line += lines
            offset += length
            held = rest


def parse_chunk(chunk: Chunk) -> Iterator[Record]:
    """Read one chunk; records of another kind than the file's first one are refused."""
    if chunk.excess:
        yield _too_long(chunk.data, chunk.first_line, chunk.excess)
        return
    lines: list[bytes] = []
    for record in parse(chunk.data, chunk.first_line):
        kind = _kind(record)
        if kind is None or chunk.kind is None or kind == chunk.kind:
            yield record
            continue
        reason = (
            f"a {kind} record in a file of {chunk.kind} records (the first is at line {chunk.kind_line}): "
            "put content and changes in two files"
        )
        lines = lines or chunk.data.replace(b"\r\n", b"\n").split(b"\n")
        text = _lines_of_record(lines, record.line - chunk.first_line)
        yield Unreadable(record.line, record.dn, reason, text)


def parse(data: bytes, first_line: int = 1) -> Iterator[Record]:
    """Read the records of a text; kinds are not compared (see parse_chunk)."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    line = first_line
    for block in data.split(b"\n\n"):
        if len(block) > RECORD_MAX:
            yield _too_long(block, line, len(block))
        elif record := _ordinary(block, line) or ldif_record.parse_record(block, line):
            yield record
        line += block.count(b"\n") + 2


def _ordinary(block: bytes, line: int) -> Content | None:
    """Read a content record without comments or surprises; None: ask the exact path.

    Note [Two paths, one answer]: this path exists for speed alone (about twice that of the exact one)
    and must give exactly its answers; a test compares them on generated texts.
    """
    if not block.startswith(b"dn:"):
        return None
    if b"\n " in block:
        block = block.replace(b"\n ", b"")
    if b"\n#" in block or b":  " in block:
        return None
    lines = block.split(b"\n")
    head = lines[0]
    try:
        if head.startswith(b"dn: "):
            dn = head[4:].decode()
        elif head.startswith(b"dn:: "):
            dn = a2b_base64(head[5:], strict_mode=True).decode()
        else:
            return None
        attributes = []
        for text in lines[1:]:
            name, value = text.split(b": ", 1)
            description = ldif_record.plain.get(name)
            if description is None:
                description = ldif_record.encoded[name]
                value = a2b_base64(value, strict_mode=True)
            attributes.append((description, value))
    except (KeyError, ValueError):
        # A name not met before, a line without ": ", base64 or UTF-8 to complain about.
        return None
    return Content(line, dn, attributes) if attributes else None


def _too_long(block: bytes, line: int, length: int) -> Unreadable:
    """Report a record above the limit, without its text: half a record among rejects would be a trap."""
    head = ldif_record.parse_record(block[:HEAD_KEPT].replace(b"\r\n", b"\n").rpartition(b"\n")[0], line)
    reason = f"a record of {length} bytes, more than {RECORD_MAX}: is an empty line missing between records?"
    if head is None:
        return Unreadable(line, None, reason, b"")
    return Unreadable(head.line, head.dn, reason, b"")


def _kind(record: Record) -> str | None:
    if isinstance(record, Content):
        return CONTENT
    return None if isinstance(record, Unreadable) else CHANGE


def _first_kind(chunk: Chunk) -> tuple[str | None, int]:
    for record in parse(chunk.data, chunk.first_line):
        kind = _kind(record)
        if kind is not None:
            return kind, record.line
    return None, 0


def _lines_of_record(lines: list[bytes], first: int) -> bytes:
    last = first
    while last < len(lines) and lines[last]:
        last += 1
    return b"\n".join(lines[first:last]) + b"\n"


def _last_boundary(data: bytes, old: int) -> int:
    """Find the end of the last record that is surely whole, 0 if none ends there; none ends before `old`."""
    start = max(0, old - 3)
    unix = data.rfind(b"\n\n", start)
    windows = data.rfind(b"\n\r\n", max(start, unix))
    if windows >= 0:
        return windows + 3
    return unix + 2 if unix >= 0 else 0


def _pass_over(stream: BinaryIO, held: bytes) -> tuple[int, int, bytes]:
    """Read to the end of a record that is too long: its length, its lines, and what was read behind it."""
    length, lines = len(held), held.count(b"\n")
    tail = held[-3:]
    while fresh := stream.read(CHUNK_SIZE):
        data = tail + fresh
        ends = [at + len(mark) for mark in (b"\n\n", b"\n\r\n") if (at := data.find(mark)) >= 0]
        if ends:
            end = min(ends)
            return length - len(tail) + end, lines - tail.count(b"\n") + data.count(b"\n", 0, end), data[end:]
        length += len(fresh)
        lines += fresh.count(b"\n")
        tail = data[-3:]
    return length, lines, b""
