"""Which part of the tree a name lies in, and so who may write there: the virtual subtrees are computed.

Names are compared by their keys (dn.key); nothing here knows which entries exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from annuaire.errors import Misconfigured
from annuaire.ldap import dn
from annuaire.ldap.dn import Dn, Rdn

ACCOUNTS = "comptes"
MANAGED = ("apicrypt", ACCOUNTS)
COMPUTED = ("personnes", "structures")


class Place(Enum):
    """Where a name lies."""

    OUTSIDE = "outside"  # below no suffix of ours
    FIXED = "fixed"  # the suffix or one of its `ou=`: always there, never changed
    WRITABLE = "writable"  # below ou=apicrypt or ou=comptes, or in a further tree
    COMPUTED = "computed"  # below ou=personnes or ou=structures
    RESERVED = "reserved"  # directly below the suffix, beside the `ou=`


@dataclass(frozen=True)
class Tree:
    """The suffix and the further trees of a configuration."""

    suffix: Dn
    suffix_key: bytes
    managed: dict[str, bytes]
    computed: dict[str, bytes]
    further: dict[bytes, Dn]
    # What the keys of nearly all that is ever imported begin with.
    below: tuple[bytes, ...]

    def place(self, key: bytes) -> Place:
        if key.startswith(self.below) or key in self.further:
            return Place.WRITABLE
        if not dn.is_within(key, self.suffix_key):
            return Place.OUTSIDE
        if key == self.suffix_key or key in self.managed.values() or key in self.computed.values():
            return Place.FIXED
        if any(dn.is_within(key, part) for part in self.computed.values()):
            return Place.COMPUTED
        return Place.RESERVED

    def is_root(self, key: bytes) -> bool:
        """Whether an entry of this name needs none above it."""
        return key == self.suffix_key or key in self.further

    def context(self, key: bytes) -> bytes | None:
        """The key of the naming context that a name lies in; None outside of all."""
        for root in (*self.further, self.suffix_key):
            if dn.is_within(key, root):
                return root
        return None

    def same_context(self, one: bytes, other: bytes) -> bool:
        return self.context(one) == self.context(other)

    def branch(self, name: str) -> Dn:
        """The DN of one `ou=` of the suffix."""
        return Dn((Rdn((("ou", name),)), *self.suffix.rdns))

    @property
    def where_to_write(self) -> str:
        """For people who tried to write elsewhere."""
        return f"{dn.format(self.branch('apicrypt'))} or {dn.format(self.branch(ACCOUNTS))}"


def plant(suffix: str, further: Iterable[str], naming: dn.Naming) -> Tree:
    """Make a tree of the names in a configuration.

    Malformed: one is no name; Misconfigured: one lies within another, so that a name would have two places.
    """
    top = dn.parse(suffix)
    top_key = dn.key(top, naming)

    def keys(names: Iterable[str]) -> dict[str, bytes]:
        return {name: dn.key(Dn((Rdn((("ou", name),)), *top.rdns)), naming) for name in names}

    others: dict[bytes, Dn] = {}
    for name in map(dn.parse, further):
        key = dn.key(name, naming)
        for known, other in ((top_key, top), *others.items()):
            if dn.is_within(key, known) or dn.is_within(known, key):
                raise Misconfigured(
                    f"[trees] suffixes: {dn.format(name)} and {dn.format(other)}: one lies within the other"
                )
        others[key] = name
    managed = keys(MANAGED)
    below = tuple(key + b"\x00" for key in (*managed.values(), *others))
    return Tree(top, top_key, managed, keys(COMPUTED), others, below)
