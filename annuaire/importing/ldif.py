"""Reads LDIF (RFC 2849): bytes in, records out, errors as values.

Lenient where real exports are (no version line, LF or CRLF, no space after the colon, raw UTF-8, no last
newline, no last `-`, what ldapsearch prints around its entries), strict where guessing could damage an entry.
Knows nothing of schemas or of DN syntax, and opens no file that a record names.

`split` cuts a file into chunks of whole records; any process may then read one on its own (`parse_chunk`).
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from annuaire.importing.records import Add, Content, Delete, Modify, ModifyDn, Record, Unreadable
from annuaire.ldap.messages import Control

# Large enough that handing a chunk to another process costs nothing beside parsing it (about 2,000 people).
CHUNK_SIZE = 1 << 20

# A group of 200,000 members or a person with several photographs fits; slapd takes 4 MiB for one request.
RECORD_MAX = 16 << 20

# What is kept of a longer record: enough for its dn line.
HEAD_KEPT = 4096

# The attribute names of one import are few; a hostile file must not fill the memory with invented ones.
NAMES_KNOWN_MAX = 10_000

CONTENT = "content"
CHANGE = "change"

_DESCRIPTION = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]*(?:;[A-Za-z0-9_-]+)*")
_CONTROL = re.compile(rb"([0-9]+(?:\.[0-9]+)+)(?: +(true|false))?(:.*)?", re.IGNORECASE | re.DOTALL)
_OPERATIONS = frozenset({"add", "delete", "replace", "increment"})

# Words with a meaning of their own: the fast path leaves the records that hold them to the exact path.
_RESERVED = frozenset({"dn", "changetype", "control"})

# A slow record for the fast path: folded line, comment, or several spaces behind a colon.
_UNUSUAL = re.compile(rb"\n[ #]|:  ")

# How files that are not LDIF begin, and what to do with them.
_FOREIGN = (
    (b"\xff\xfe", "the file is UTF-16: convert it first (iconv -f UTF-16 -t UTF-8)"),
    (b"\xfe\xff", "the file is UTF-16: convert it first (iconv -f UTF-16 -t UTF-8)"),
    (b"\x1f\x8b", "the file is compressed: decompress it first (gunzip)"),
    (b"PK\x03\x04", "the file is a ZIP archive: extract it first"),
)

# Caches of attribute descriptions: `cn` as before a plain value, `cn:` as before a base64 one.
_plain: dict[bytes, str] = {}
_encoded: dict[bytes, str] = {}


class Chunk(NamedTuple):
    """Whole records, and what is needed to read them apart from the rest of the file."""

    first_line: int
    data: bytes
    offset: int  # of the first byte, in the file
    kind: str | None = None  # content or change, set by the first readable record of the file
    kind_line: int = 0  # where that record stands
    excess: int = 0  # not 0: one record of that many bytes, too long, of which data is the beginning


class _Broken(Exception):  # noqa: N818 - it never leaves this module
    """Why a record cannot be read, and at which of its unfolded lines."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason


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
            fresh = fresh.removeprefix(b"\xef\xbb\xbf")
            if foreign := [beginning for beginning, _ in _FOREIGN if fresh.startswith(beginning)]:
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
        record = _ordinary(block, line) or _exact(block, line)
        if record is not None:
            yield record
        line += block.count(b"\n") + 2


def _ordinary(block: bytes, line: int) -> Content | None:
    """Read a content record without folded lines, comments or surprises; None: ask the exact path.

    Note [Two paths, one answer]: this path exists for speed alone (about twice that of the exact one)
    and must give exactly its answers; a test compares them on generated texts.
    """
    if _UNUSUAL.search(block) or len(block) > RECORD_MAX:
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
            description = _plain.get(name)
            if description is None:
                description = _encoded[name]
                value = a2b_base64(value, strict_mode=True)
            attributes.append((description, value))
    except (KeyError, ValueError):
        # A name not met before, a line without ": ", base64 or UTF-8 to complain about.
        return None
    return Content(line, dn, attributes) if attributes else None


def _exact(block: bytes, line: int) -> Record | None:
    """Read any record; None when there is only blank space, comments or ldapsearch's closing lines."""
    if block.startswith(b"\n"):
        block = block[1:]
        line += 1
    if not block:
        return None
    if len(block) > RECORD_MAX:
        return _too_long(block, line, len(block))
    logical = block.replace(b"\n ", b"").split(b"\n")
    lines = [(position, text) for position, text in enumerate(logical) if text and not text.startswith(b"#")]
    if not lines:
        return None
    dn: str | None = None
    try:
        if block.startswith(b" "):
            raise _Broken(
                0, "a continuation line with nothing before it: remove its space, or the empty line"
            )
        lines = _without_version(lines)
        if not lines or _is_search_result(lines):
            return None
        dn = _dn(lines[0])
        at = lines[0][0]
        return _record(line + _lines_before(block, at), at, dn, lines[1:])
    except _Broken as broken:
        where = line + _lines_before(block, broken.position)
        return Unreadable(where, dn, broken.reason, block.rstrip(b"\n") + b"\n")


def _record(line: int, at: int, dn: str, lines: list[tuple[int, bytes]]) -> Record:
    controls = []
    while lines and lines[0][1][:8].lower() == b"control:":
        controls.append(_control(lines.pop(0)))
    if lines and lines[0][1][:11].lower() == b"changetype:":
        return _change(line, dn, controls, lines)
    if controls:
        raise _Broken(at, "control: is for change records: add a line changetype: behind it")
    return Content(line, dn, _attributes(at, lines))


def _change(line: int, dn: str, controls: list[Control], lines: list[tuple[int, bytes]]) -> Record:
    at, text = lines.pop(0)
    changetype = _text(at, "changetype", _attribute(at, text)[1]).strip()
    match changetype.lower():
        case "add":
            return Add(line, dn, _attributes(at, lines), controls)
        case "delete":
            if lines:
                raise _Broken(
                    lines[0][0], "a deletion has no further lines: changetype: modify deletes values"
                )
            return Delete(line, dn, controls)
        case "modify":
            return Modify(line, dn, _modifications(lines), controls)
        case "modrdn" | "moddn":
            return ModifyDn(line, dn, *_renaming(at, lines), controls)
    raise _Broken(at, f"changetype: {changetype} is not known: use add, delete, modify, modrdn or moddn")


def _attributes(at: int, lines: list[tuple[int, bytes]]) -> list[tuple[str, bytes]]:
    if not lines:
        raise _Broken(at, "a record without attributes: it says nothing of its entry")
    attributes = []
    for position, text in lines:
        description, value = _attribute(position, text)
        word = description.lower()
        if word == "dn":
            raise _Broken(
                position, "a second dn in one record: put an empty line, without any space, before it"
            )
        if word in _RESERVED:
            raise _Broken(position, f"{word}: must stand directly behind the dn line")
        attributes.append((description, value))
    return attributes


def _modifications(lines: list[tuple[int, bytes]]) -> list[tuple[str, str, list[bytes]]]:
    changes: list[tuple[str, str, list[bytes]]] = []
    remaining = iter(lines)
    for position, text in remaining:
        word, named = _attribute(position, text)
        operation = word.lower()
        if operation not in _OPERATIONS:
            raise _Broken(position, f"{word}: stands where add:, delete:, replace: or increment: is expected")
        attribute = _text(position, operation, named).strip()
        if not _DESCRIPTION.fullmatch(attribute.encode()):
            raise _Broken(position, f"{operation}: does not name an attribute")
        values = []
        for where, line in remaining:
            if line.rstrip() == b"-":
                break
            description, value = _attribute(where, line)
            if description.lower() != attribute.lower():
                raise _Broken(
                    where, f"{description}: in the change of {attribute}: end each change by a line -"
                )
            values.append(value)
        if operation == "add" and not values:
            raise _Broken(position, f"add: {attribute} adds nothing: give the values, or use delete")
        if operation == "increment" and len(values) != 1:
            raise _Broken(position, f"increment: {attribute} takes exactly one value")
        changes.append((operation, attribute, values))
    return changes


def _renaming(position: int, lines: list[tuple[int, bytes]]) -> tuple[str, bool, str | None]:
    given: dict[str, str] = {}
    for where, line in lines:
        description, value = _attribute(where, line)
        word = description.lower()
        if word not in ("newrdn", "deleteoldrdn", "newsuperior") or word in given:
            raise _Broken(
                where, f"{description}: a renaming has one newrdn, one deleteoldrdn, at most one newsuperior"
            )
        given[word] = _text(where, word, value)
    for word in ("newrdn", "deleteoldrdn"):
        if not given.get(word):
            raise _Broken(position, f"a renaming needs a line {word}:")
    keep_or_delete = given["deleteoldrdn"].strip()
    if keep_or_delete not in ("0", "1"):
        raise _Broken(position, "deleteoldrdn: must be 0 (keep the old name as a value) or 1 (delete it)")
    return given["newrdn"], keep_or_delete == "1", given.get("newsuperior")


def _control(line: tuple[int, bytes]) -> Control:
    position, text = line
    parts = _CONTROL.fullmatch(text[8:].strip(b" "))
    if parts is None:
        raise _Broken(
            position, "control: must read `control: OID`, then if needed true or false, then `: value`"
        )
    oid, critical, value = parts.groups()
    return Control(
        oid.decode(),
        critical is not None and critical.lower() == b"true",
        None if value is None else _value(position, "control", value[1:]),
    )


def _attribute(position: int, text: bytes) -> tuple[str, bytes]:
    name, colon, rest = text.partition(b":")
    if not colon:
        raise _Broken(
            position, "a line without a colon: write `attribute: value`; one space first continues a line"
        )
    description = _plain.get(name) or _learn(position, name)
    return description, _value(position, description, rest)


def _learn(position: int, name: bytes) -> str:
    if not _DESCRIPTION.fullmatch(name):
        shown = name[:60].decode("utf-8", "replace")
        raise _Broken(position, f"{shown!r} is not an attribute name")
    description = name.decode()
    if len(_plain) < NAMES_KNOWN_MAX and description.lower() not in _RESERVED:
        _plain[name] = description
        _encoded[name + b":"] = description
    return description


def _value(position: int, name: str, rest: bytes) -> bytes:
    """Read what stands behind `name:`."""
    if rest.startswith(b":"):
        try:
            return a2b_base64(b"".join(rest[1:].split()), strict_mode=True)
        except ValueError:
            raise _Broken(position, f"{name}: the base64 value is damaged: export it again") from None
    if rest.startswith(b"<"):
        url = rest[1:].strip().decode("utf-8", "replace")
        raise _Broken(
            position,
            f"{name}: refers to {url}, and no other file is read: put its base64 form behind `{name}::`",
        )
    return rest.lstrip(b" ")


def _dn(line: tuple[int, bytes]) -> str:
    position, text = line
    if text[:3].lower() != b"dn:":
        raise _Broken(position, "a record must begin with a line `dn:`")
    return _text(position, "dn", _value(position, "dn", text[3:]))


def _text(position: int, name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _Broken(
            position, f"{name}: is not UTF-8: convert the file first (iconv -f ISO-8859-1 -t UTF-8)"
        ) from None


def _without_version(lines: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Drop a version line, wherever a file begins (several files may have been joined)."""
    position, text = lines[0]
    for beginning, reason in _FOREIGN:
        if text.startswith(beginning):
            raise _Broken(position, reason)
    if text[:8].lower() != b"version:":
        return lines
    if text[8:].strip() != b"1":
        raise _Broken(position, "only version 1 of LDIF exists: write `version: 1`")
    return lines[1:]


def _is_search_result(lines: list[tuple[int, bytes]]) -> bool:
    """Recognise the lines that ldapsearch prints behind the entries (without -LLL)."""
    return len(lines) >= 2 and lines[0][1].startswith(b"search: ") and lines[1][1].startswith(b"result: ")


def _lines_before(block: bytes, position: int) -> int:
    """Count the lines of the file that stand before an unfolded line of the block."""
    seen = -1
    for number, text in enumerate(block.split(b"\n")):
        if number == 0 or not text.startswith(b" "):
            seen += 1
        if seen == position:
            return number
    return 0


def _too_long(block: bytes, line: int, length: int) -> Unreadable:
    """Report a record above the limit, without its text: half a record among rejects would be a trap."""
    head = _exact(block[:HEAD_KEPT].replace(b"\r\n", b"\n").rpartition(b"\n")[0], line)
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
