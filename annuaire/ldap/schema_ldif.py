"""Schema files in the form of OpenLDAP's cn=config: an LDIF entry whose values are the definitions of a `.schema` file.

Read into the lines that such a file would have, each with the line at which its value begins.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from annuaire.errors import Misconfigured

# Attribute of cn=config to directive of a `.schema` file.
_DIRECTIVES = {
    "olcobjectidentifier": "objectidentifier",
    "olcattributetypes": "attributetype",
    "olcobjectclasses": "objectclass",
    "olcldapsyntaxes": "ldapsyntax",
    # The form of cn=schema of other servers.
    "attributetypes": "attributetype",
    "objectclasses": "objectclass",
    "ldapsyntaxes": "ldapsyntax",
}
_NUMBER = re.compile(r"\{-?\d+\}")
_FIRST = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*(?:version:[^\n]*\n|dn:)", re.IGNORECASE)


def is_one(text: str) -> bool:
    """Whether a text begins as LDIF does."""
    return _FIRST.match(text) is not None


def lines(text: str, path: object) -> Iterator[tuple[int, str]]:
    """Directives with the numbers of their first lines. What else an entry says (dn, cn) is passed over."""
    for number, line in _unfolded(text):
        name, colon, rest = line.partition(":")
        directive = _DIRECTIVES.get(name.strip().lower())
        if not colon or directive is None:
            continue
        value = rest.strip()
        if rest.startswith(":"):
            try:
                value = base64.b64decode(rest[1:].strip(), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise Misconfigured(f"{path}:{number}: {name} is not text in base64") from None
        yield number, f"{directive} {_NUMBER.sub('', value, count=1) if value.startswith('{') else value}"


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """RFC 2849: a line that begins with a space goes on with the one before, whatever that one was."""
    pieces: list[str] = []
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if line.startswith(" ") and pieces:
            pieces.append(line[1:])
            continue
        if pieces and not pieces[0].startswith("#"):
            yield first, "".join(pieces)
        pieces, first = ([line] if line else []), number
    if pieces and not pieces[0].startswith("#"):
        yield first, "".join(pieces)
