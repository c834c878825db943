"""Writes entries as vCards 4.0 (RFC 6350), the form that address books open, Apple's Contacts among them.

Contacts wants a structured name (N) even where the standard lets it out, and shows a card as an organization's
only for its own X-ABShowAs; both are written.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Mapping, Sequence

# RFC 6350 §3.2: at most 75 octets a line without its end, and no character cut.
WIDTH = 75

Attributes = Mapping[str, Sequence[bytes]]

_ESCAPED = str.maketrans({"\\": "\\\\", ",": "\\,", ";": "\\;", "\n": "\\n"})
# §3.3: a value holds no control character but the tab; line ends are escaped.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_PEOPLE = frozenset({b"person", b"organizationalperson", b"inetorgperson"})
_STRUCTURES = frozenset({b"annuairestructure"})
_NUMBERS = (
    ("telephoneNumber", "work"),
    ("mobile", "cell"),
    ("homePhone", "home"),
    ("facsimileTelephoneNumber", "fax"),
)


def format_card(attributes: Attributes, uuid: str = "", modified_at: str = "") -> bytes | None:
    """Write one entry; None when it has nothing that could be its name.

    uuid: its entryUUID, by which an address book knows the card again. modified_at: GeneralizedTime in Z.
    """
    values = _read(attributes)
    structure = _is_structure(attributes)
    name = _first(values, "cn", "displayname", "o", "ou", "mail")
    if not name:
        return None
    lines = ["BEGIN:VCARD", "VERSION:4.0"]
    if uuid:
        lines.append(f"UID:urn:uuid:{uuid}")
    lines.append("KIND:org" if structure else "KIND:individual")
    lines.append(f"FN:{_escape(name)}")
    if structure:
        lines += ["N:;;;;", "X-ABShowAs:COMPANY"]
    else:
        lines.append(f"N:{_escape(_first(values, 'sn'))};{_escape(_first(values, 'givenname'))};;;")
    organization = _first(values, "o") or (name if structure else "")
    if organization:
        units = [_escape(unit) for unit in values.get("ou", [])]
        lines.append("ORG:" + ";".join([_escape(organization), *units]))
    lines += [f"TITLE:{_escape(value)}" for value in values.get("title", [])]
    lines += [f"ROLE:{_escape(value)}" for value in values.get("savoirfaire", [])]
    lines += _addresses(values.get("mail", []))
    for attribute, kind in _NUMBERS:
        for value in values.get(attribute.lower(), []):
            # A fax number goes on behind a dollar with the machine's parameters (RFC 4517 §3.3.11).
            lines.append(f"TEL;TYPE={kind}:{_escape(value.partition('$')[0].strip())}")
    lines += _place(values)
    lines += [f"URL:{_safe(value.partition(' ')[0])}" for value in values.get("labeleduri", [])]
    # A structure describes itself by its service, which stands beside its name already.
    notes = [value for value in values.get("description", []) if value not in values.get("ou", [])]
    lines += [f"NOTE:{_escape(value)}" for value in notes]
    lines += _binary(attributes, "jpegphoto", "PHOTO", "image/jpeg")
    lines += _binary(attributes, "usercertificate", "KEY", "application/pkix-cert")
    if re.fullmatch(r"\d{14}Z", modified_at):
        lines.append(f"REV:{modified_at[:8]}T{modified_at[8:]}")
    lines.append("END:VCARD")
    return b"".join([fold(line.encode()) for line in lines])


def fold(line: bytes) -> bytes:
    """Cut a long line between characters, and end it."""
    if len(line) <= WIDTH:
        return line + b"\r\n"
    parts = []
    start, room = 0, WIDTH
    while len(line) - start > room:
        end = start + room
        while line[end] & 0xC0 == 0x80:
            end -= 1
        parts.append(line[start:end])
        start, room = end, WIDTH - 1
    parts.append(line[start:])
    return b"\r\n ".join(parts) + b"\r\n"


def _read(attributes: Attributes) -> dict[str, list[str]]:
    """The texts by type, options left out."""
    read: dict[str, list[str]] = {}
    for description, values in attributes.items():
        name, _, options = description.partition(";")
        if "binary" not in options and name.lower() not in ("jpegphoto", "usercertificate"):
            texts = [value.decode("utf-8", "replace") for value in values]
            read.setdefault(name.lower(), []).extend(text for text in texts if text.strip())
    return read


def _is_structure(attributes: Attributes) -> bool:
    for description, values in attributes.items():
        if description.lower() == "objectclass":
            classes = {value.lower() for value in values}
            return bool(classes & _STRUCTURES) or not classes & _PEOPLE
    return False


def _first(values: dict[str, list[str]], *names: str) -> str:
    return next((values[name][0] for name in names if values.get(name)), "")


def _addresses(addresses: list[str]) -> list[str]:
    if len(addresses) == 1:
        return [f"EMAIL;TYPE=work:{_escape(addresses[0])}"]
    # The best comes first in an entry; §5.3 counts from 1 for the preferred to 100.
    return [
        f"EMAIL;TYPE=work;PREF={min(number, 100)}:{_escape(address)}"
        for number, address in enumerate(addresses, 1)
    ]


def _place(values: dict[str, list[str]]) -> list[str]:
    street = _first(values, "street")
    parts = [street, *(_first(values, name) for name in ("l", "st", "postalcode", "c"))]
    if not any(parts):
        # RFC 4517 §3.3.28: its lines are divided by dollars.
        parts[0] = ", ".join(line.strip() for line in _first(values, "postaladdress").split("$"))
    return ["ADR;TYPE=work:;;" + ";".join(map(_escape, parts))] if any(parts) else []


def _binary(attributes: Attributes, name: str, what: str, media: str) -> list[str]:
    return [
        f"{what}:data:{media};base64,{b2a_base64(value, newline=False).decode()}"
        for description, values in attributes.items()
        if description.partition(";")[0].lower() == name
        for value in values
    ]


def _safe(text: str) -> str:
    return _CONTROLS.sub("", text.replace("\n", ""))


def _escape(text: str) -> str:
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).translate(_ESCAPED)
