"""What names do to values and Modify DN to both (RFC 4511 §4.7, §4.9): pure, asked by imports and by LDAP writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from annuaire.ldap import dn, modification
from annuaire.ldap.dn import Dn, Rdn
from annuaire.ldap.modification import Attributes
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema, Violation
from annuaire.ldap.tree import Tree


def holds(attributes: Mapping[str, Sequence[bytes]], pair: tuple[str, str], schema: Schema) -> bool:
    """Whether a value of the name is a value of the entry, by the attribute's own rule."""
    description = schema.canonical(pair[0])
    form = modification.forms(description, [pair[1].encode()], schema)[0]
    return form in modification.forms(description, attributes.get(description, []), schema)


def complete(attributes: Attributes, rdn: Rdn, schema: Schema) -> None:
    """RFC 4511 §4.7: the values of its name need not be given twice."""
    for pair in rdn.pairs:
        description, value = schema.canonical(pair[0]), pair[1].encode()
        given = attributes.setdefault(description, [])
        if value not in given and not holds(attributes, pair, schema):
            given.append(value)


def fault(old: bytes, new: bytes, planted: Tree) -> Violation | None:
    """Why no entry moves from one key to another, wherever entries are."""
    if not planted.same_context(old, new):
        text = "an entry does not move from one naming context to another"
        return Violation(ResultCode.affectsMultipleDSAs, "", text)
    if old != new and (dn.is_within(new, old) or dn.is_within(old, new)):
        text = "an entry is put neither below nor above itself"
        return Violation(ResultCode.unwillingToPerform, "", text)
    return None


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
