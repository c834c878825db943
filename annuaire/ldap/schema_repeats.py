"""Definitions that come twice: OpenLDAP's own files repeat ours, which is fine while both mean the same thing.

The first one holds. It may say more than the second (a rule, a further attribute that is allowed), never otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from annuaire.ldap.schema_text import Definition

if TYPE_CHECKING:
    from annuaire.ldap.schema_types import AttributeType, ObjectClass

_KINDS = ("ABSTRACT", "AUXILIARY")


def of_type(again: Definition, first: AttributeType, types: Mapping[str, AttributeType]) -> Iterator[str]:
    """The fields in which a second definition of a type says otherwise."""
    sup = types.get((again.one("SUP") or "").lower())

    def said(field: str, inherited: str | None) -> str | None:
        return again.one(field) or inherited

    fields = (
        ("EQUALITY", first.equality, said("EQUALITY", sup.equality if sup else None)),
        ("ORDERING", first.ordering, said("ORDERING", sup.ordering if sup else None)),
        ("SUBSTR", first.substrings, said("SUBSTR", sup.substrings if sup else None)),
        ("SYNTAX", first.syntax, (said("SYNTAX", sup.syntax if sup else None) or "").partition("{")[0]),
    )
    for field, ours, theirs in fields:
        if theirs and ours and ours.lower() != theirs.lower():
            yield field
    if ("SINGLE-VALUE" in again.fields) != first.single_value:
        yield "SINGLE-VALUE"


def of_class(
    again: Definition,
    first: ObjectClass,
    types: Mapping[str, AttributeType],
    classes: Mapping[str, ObjectClass],
) -> Iterator[str]:
    """The same of a class."""
    kind = next((one for one in _KINDS if one in again.fields), "STRUCTURAL")
    if kind != first.kind:
        yield kind
    above = [classes[name.lower()] for name in again.fields.get("SUP", ()) if name.lower() in classes]

    def named(field: str) -> set[str]:
        given = again.fields.get(field, ())
        return {types[name.lower()].key if name.lower() in types else name.lower() for name in given}

    must = named("MUST").union(*(one.must for one in above))
    if must != first.must:
        yield "MUST"
    if not named("MAY").union(*(one.may for one in above)) <= first.may | first.must:
        yield "MAY"
