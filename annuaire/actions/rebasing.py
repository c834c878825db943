"""`import --under DN`: names of a file are taken from the file's own base to a place in our tree.

The base is what all names of the file end with. Thunderbird's address book has none: its names `cn=…,mail=…`
lie in no tree, so both parts together become one name below the place.
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import BinaryIO

from annuaire.errors import Malformed
from annuaire.importing import ldif
from annuaire.ldap import dn
from annuaire.ldap.dn import Dn, Rdn
from annuaire.ldap.schema import Schema

_DN_LINE = re.compile(rb"^dn:(:?) *(.*(?:\n .*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Rebase:
    """From a base to a place. The base may be empty: then every name is simply put below the place."""

    base: Dn
    under: Dn
    schema: Schema

    def moved(self, name: Dn) -> Dn:
        """The name at its new place; a name outside the base stays as it is."""
        depth = len(self.base.rdns)
        kept = len(name.rdns) - depth
        if kept < 0 or dn.key(Dn(name.rdns[kept:]), self.schema) != dn.key(self.base, self.schema):
            return name
        own = name.rdns[:kept]
        if not depth and _is_address_book(name):
            pairs = tuple(pair for rdn in own for pair in rdn.pairs if pair[1])
            own = (Rdn(pairs),)
        return Dn((*own, *self.under.rdns))

    def moved_value(self, value: bytes) -> bytes:
        """The same for a value that names an entry; what is no name stays as it is."""
        try:
            name = dn.parse(value.decode())
        except (Malformed, UnicodeDecodeError):
            return value
        moved = self.moved(name)
        return value if moved is name else dn.format(moved).encode()


def base_of(stream: BinaryIO, schema: Schema) -> Dn:
    """What all names of a file end with; of a file with one name, what is above it."""
    common: Dn | None = None
    common_key = b""
    deepest = 0
    for chunk in ldif.split(stream):
        data = chunk.data.replace(b"\r\n", b"\n")
        for encoded, folded in _DN_LINE.findall(data):
            name = _name(folded.replace(b"\n ", b""), bool(encoded))
            if name is None or not name.rdns:
                continue
            if _is_address_book(name):
                return Dn(())
            deepest = max(deepest, len(name.rdns))
            if common is None:
                common, common_key = name, dn.key(name, schema)
                continue
            while not dn.is_within(dn.key(name, schema), common_key):
                common, common_key = common.parent, dn.parent_key(common_key)
    if common is None:
        return Dn(())
    return common.parent if deepest == len(common.rdns) else common


def _name(text: bytes, encoded: bool) -> Dn | None:
    """None for what the reading of the file will refuse with a reason."""
    try:
        return dn.parse((b64decode(text) if encoded else text).decode())
    except (Malformed, ValueError):
        return None


def _is_address_book(name: Dn) -> bool:
    types = [rdn.pairs[0][0].lower() for rdn in name.rdns if len(rdn.pairs) == 1]
    return types == ["cn", "mail"] and len(name.rdns) == 2
