"""Definitions that come twice: OpenLDAP's own files repeat ours, which is fine while both mean the same thing.

The first one holds. It may say more than the second (a rule, a further attribute that is allowed), never otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from annuaire.ldap.schema_text import Definition


class Type(Protocol):
    """What is compared of an attribute type."""

    @property
    def key(self) -> str: ...
    @property
    def equality(self) -> str | None: ...
    @property
    def ordering(self) -> str | None: ...
    @property
    def substrings(self) -> str | None: ...
    @property
    def syntax(self) -> str: ...
    @property
    def single_value(self) -> bool: ...


class Class(Protocol):
    """What is compared of an object class."""

    @property
    def kind(self) -> str: ...
    @property
    def must(self) -> frozenset[str]: ...
    @property
    def may(self) -> frozenset[str]: ...


_KINDS = ("ABSTRACT", "AUXILIARY")


def of_type(again: Definition, first: Type, types: Mapping[str, Type]) -> Iterator[str]:
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
    first: Class,
    types: Mapping[str, Type],
    classes: Mapping[str, Class],
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
