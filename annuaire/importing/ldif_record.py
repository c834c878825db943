"""Reads one LDIF record (RFC 2849) from its lines, exactly: what it says, or where and why it cannot be read.

The reasons are for the person who must correct the file: they say what to do.
"""

from __future__ import annotations

import re
from binascii import a2b_base64

from annuaire.importing.records import Add, Content, Delete, Modify, ModifyDn, Record, Unreadable
from annuaire.ldap.messages import Control

# The attribute names of one import are few; a hostile file must not fill the memory with invented ones.
NAMES_KNOWN_MAX = 10_000

_DESCRIPTION = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]*(?:;[A-Za-z0-9_-]+)*")
_CONTROL = re.compile(rb"([0-9]+(?:\.[0-9]+)+)(?: +(true|false))?(:.*)?", re.IGNORECASE | re.DOTALL)
_OPERATIONS = frozenset({"add", "delete", "replace", "increment"})

# Words with a meaning of their own: the fast path leaves the records that hold them to the exact path.
_RESERVED = frozenset({"dn", "changetype", "control"})

# How files that are not LDIF begin, and what to do with them.
FOREIGN = (
    (b"\xff\xfe", "the file is UTF-16: convert it first (iconv -f UTF-16 -t UTF-8)"),
    (b"\xfe\xff", "the file is UTF-16: convert it first (iconv -f UTF-16 -t UTF-8)"),
    (b"\x1f\x8b", "the file is compressed: decompress it first (gunzip)"),
    (b"PK\x03\x04", "the file is a ZIP archive: extract it first"),
)

# Caches of attribute descriptions: `cn` as before a plain value, `cn:` as before a base64 one.
plain: dict[bytes, str] = {}
encoded: dict[bytes, str] = {}


class _Broken(Exception):
    """Why a record cannot be read, and at which of its unfolded lines."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason


def parse_record(block: bytes, line: int) -> Record | None:
    """Read any record; None when there is only blank space, comments or ldapsearch's closing lines."""
    if block.startswith(b"\n"):
        block = block[1:]
        line += 1
    if not block:
        return None
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
    description = plain.get(name) or _learn(position, name)
    return description, _value(position, description, rest)


def _learn(position: int, name: bytes) -> str:
    if not _DESCRIPTION.fullmatch(name):
        shown = name[:60].decode("utf-8", "replace")
        raise _Broken(position, f"{shown!r} is not an attribute name")
    description = name.decode()
    if len(plain) < NAMES_KNOWN_MAX and description.lower() not in _RESERVED:
        plain[name] = description
        encoded[name + b":"] = description
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
    for beginning, reason in FOREIGN:
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
