"""What Modify DN does to names and values (RFC 4511 §4.9): pure functions, asked by imports and by LDAP writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from annuaire.ldap import modification
from annuaire.ldap.dn import Dn, Rdn
from annuaire.ldap.modification import Attributes
from annuaire.ldap.schema import Schema


def holds(attributes: Mapping[str, Sequence[bytes]], pair: tuple[str, str], schema: Schema) -> bool:
    """Whether a value of the name is a value of the entry, by the attribute's own rule."""
    description = schema.canonical(pair[0])
    form = modification.forms(description, [pair[1].encode()], schema)[0]
    return form in modification.forms(description, attributes.get(description, []), schema)


def values(
    old: Mapping[str, Sequence[bytes]], old_rdn: Rdn, new_rdn: Rdn, delete_old: bool, schema: Schema
) -> Attributes:
    """The attributes after a renaming: the new name's values added, the old one's removed when asked."""
    new = {description: list(found) for description, found in old.items()}
    if delete_old:
        for attribute, text in old_rdn.pairs:
            description = schema.canonical(attribute)
            form = modification.forms(description, [text.encode()], schema)[0]
            found = new.get(description, [])
            known = modification.forms(description, found, schema)
            new[description] = [value for value, other in zip(found, known, strict=True) if other != form]
    for attribute, text in new_rdn.pairs:
        if not holds(new, (attribute, text), schema):
            description = schema.canonical(attribute)
            new[description] = [*new.get(description, []), text.encode()]
    return {description: found for description, found in new.items() if found}


def moved(name: Dn, old: Dn, new: Dn) -> Dn:
    """The name of something below an entry that was renamed."""
    return Dn((*name.rdns[: len(name.rdns) - len(old.rdns)], *new.rdns))
