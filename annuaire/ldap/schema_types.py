"""Attribute types and object classes with all that they inherit (RFC 4512 §2.4, §2.5), made from definitions.

Definitions may stand in any order and in several files. All that is wrong is said at once, with its place.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from annuaire.errors import Misconfigured
from annuaire.ldap import schema_repeats, schema_text, syntaxes
from annuaire.ldap.matching import Rule, Rules
from annuaire.ldap.schema_text import Definition

USER_APPLICATIONS = "userApplications"
_USAGES = (USER_APPLICATIONS, "directoryOperation", "distributedOperation", "dSAOperation")

ABSTRACT = "ABSTRACT"
STRUCTURAL = "STRUCTURAL"
AUXILIARY = "AUXILIARY"


@dataclass(frozen=True, slots=True, eq=False)
class AttributeType:
    """What the type does not say itself comes from its supertype."""

    oid: str
    names: tuple[str, ...]
    description: str
    sup: str | None
    equality: str | None
    ordering: str | None
    substrings: str | None
    syntax: str
    single_value: bool
    collective: bool
    no_user_modification: bool
    usage: str
    # Primary name, else the OID; and the same in lower case, of which sets and keys are made.
    name: str
    key: str
    # Keys of this type and of all types it is a subtype of.
    supertypes: frozenset[str]
    equality_rule: Rule | None
    ordering_rule: Rule | None
    substrings_rule: Rule | None
    valid: Callable[[bytes], bool]

    @property
    def operational(self) -> bool:
        return self.usage != USER_APPLICATIONS

    @property
    def octets(self) -> bool:
        """Whether values are not text, so that `;binary` says nothing new about them."""
        known = syntaxes.KNOWN.get(self.syntax)
        return known is None or known.octets

    @property
    def worded(self) -> bool:
        """Whether values are text for people, which may be of a language (RFC 3866 §1)."""
        return self.syntax in syntaxes.WORDED


@dataclass(frozen=True, slots=True, eq=False)
class ObjectClass:
    """`must` and `may` hold what is inherited too, as keys of attribute types."""

    oid: str
    names: tuple[str, ...]
    description: str
    sup: tuple[str, ...]
    kind: str
    must: frozenset[str]
    may: frozenset[str]
    name: str
    key: str
    # Keys of this class and of all its superclasses.
    superclasses: frozenset[str]


class Catalogue:
    """Definitions resolved: types and classes by any name or OID in lower case."""

    def __init__(self, definitions: Iterable[Definition], rules: Rules) -> None:
        self._rules = rules
        self._problems: list[str] = []
        self._repeated: list[tuple[Definition, Definition]] = []  # the second, the first
        self._types: dict[str, Definition] = {}
        self._classes: dict[str, Definition] = {}
        self.syntaxes: dict[str, str] = {oid: known.description for oid, known in syntaxes.KNOWN.items()}
        self.attributes: dict[str, AttributeType] = {}
        self.classes: dict[str, ObjectClass] = {}
        self.written_types: list[Definition] = []
        self.written_classes: list[Definition] = []
        for definition in definitions:
            if definition.directive == schema_text.SYNTAX:
                self.syntaxes.setdefault(definition.oid, definition.one("DESC") or "")
            elif definition.directive == schema_text.ATTRIBUTE_TYPE:
                self._register(definition, self._types, self.written_types)
            else:
                self._register(definition, self._classes, self.written_classes)
        for definition in self._supertypes_first(self.written_types, self._types):
            attribute = self._attribute(definition)
            self.attributes.update(dict.fromkeys(_all_names(definition), attribute))
        for definition in self._supertypes_first(self.written_classes, self._classes):
            object_class = self._class(definition)
            self.classes.update(dict.fromkeys(_all_names(definition), object_class))
        self._compare_repeated()
        if self._problems:
            raise Misconfigured("\n".join(self._problems))

    def _register(
        self, definition: Definition, known: dict[str, Definition], written: list[Definition]
    ) -> None:
        if definition.oid in known:
            first = known[definition.oid]
            if not {name.lower() for name in first.names()} & {name.lower() for name in definition.names()}:
                self._complain(definition, f"{definition.oid} is already {_title(first)} ({first.where})")
            else:
                self._repeated.append((definition, first))
            return
        known[definition.oid] = definition
        written.append(definition)
        for name in definition.names():
            other = known.setdefault(name.lower(), definition)
            if other is not definition:
                self._complain(definition, f"the name {name} is already that of {other.oid} ({other.where})")

    def _compare_repeated(self) -> None:
        for again, first in self._repeated:
            if again.directive == schema_text.ATTRIBUTE_TYPE:
                found = schema_repeats.of_type(again, self.attributes[again.oid], self.attributes)
            else:
                found = schema_repeats.of_class(again, self.classes[again.oid], self.attributes, self.classes)
            if differing := ", ".join(found):
                self._complain(
                    again, f"{_title(again)} is already defined otherwise ({first.where}): {differing}"
                )

    def _complain(self, definition: Definition, text: str) -> None:
        self._problems.append(f"{definition.where}: {text}")

    def _supertypes_first(self, written: list[Definition], known: dict[str, Definition]) -> list[Definition]:
        """Without recursion: a chain may be as long as a file. What cannot be placed is complained of."""
        ordered: list[Definition] = []
        # Absent: not met; False: its supertypes are being placed; True: placed, or given up.
        placed: dict[str, bool] = {}
        for definition in written:
            waiting = [definition]
            while waiting:
                current = waiting[-1]
                if current.oid not in placed:
                    placed[current.oid] = False
                    for name in current.fields.get("SUP", ()):
                        above = known.get(name.lower())
                        if above is None:
                            self._complain(current, f"SUP {name} of {_title(current)} is not defined")
                        elif above.oid not in placed:
                            waiting.append(above)
                        elif not placed[above.oid]:
                            self._complain(current, f"{_title(current)} is its own supertype through {name}")
                    continue
                waiting.pop()
                if not placed[current.oid]:
                    placed[current.oid] = True
                    ordered.append(current)
        return ordered

    def _attribute(self, definition: Definition) -> AttributeType:
        sup_name = definition.one("SUP")
        sup = self.attributes.get(sup_name.lower()) if sup_name else None
        syntax = (definition.one("SYNTAX") or (sup.syntax if sup else "")).partition("{")[0]
        if not syntax:
            self._complain(definition, f"{_title(definition)} has neither SYNTAX nor a SUP to take it from")
        equality = definition.one("EQUALITY") or (sup.equality if sup else None)
        ordering = definition.one("ORDERING") or (sup.ordering if sup else None)
        substrings = definition.one("SUBSTR") or (sup.substrings if sup else None)
        usage = definition.one("USAGE") or (sup.usage if sup else USER_APPLICATIONS)
        if usage not in _USAGES:
            self._complain(definition, f"USAGE of {_title(definition)} is one of {', '.join(_USAGES)}")
        key = _title(definition).lower()
        return AttributeType(
            oid=definition.oid,
            names=definition.names(),
            description=definition.one("DESC") or "",
            sup=sup.name if sup else None,
            equality=equality,
            ordering=ordering,
            substrings=substrings,
            syntax=syntax,
            single_value="SINGLE-VALUE" in definition.fields,
            collective="COLLECTIVE" in definition.fields,
            no_user_modification="NO-USER-MODIFICATION" in definition.fields,
            usage=usage,
            name=_title(definition),
            key=key,
            supertypes=frozenset((key,)) | (sup.supertypes if sup else frozenset()),
            equality_rule=self._rule(equality),
            ordering_rule=self._rule(ordering),
            substrings_rule=self._rule(substrings),
            valid=syntaxes.validator(syntax),
        )

    def _rule(self, name: str | None) -> Rule | None:
        # A rule that is not known here leaves filters on the attribute Undefined; it is no fault of the file.
        return self._rules.rule(name) if name else None

    def _class(self, definition: Definition) -> ObjectClass:
        sups = [
            self.classes[name.lower()]
            for name in self._given(definition, "SUP")
            if name.lower() in self.classes
        ]
        must = frozenset(self._attribute_keys(definition, "MUST")).union(*(sup.must for sup in sups))
        may = frozenset(self._attribute_keys(definition, "MAY")).union(*(sup.may for sup in sups))
        key = _title(definition).lower()
        kind = next((kind for kind in (ABSTRACT, AUXILIARY) if kind in definition.fields), STRUCTURAL)
        return ObjectClass(
            oid=definition.oid,
            names=definition.names(),
            description=definition.one("DESC") or "",
            sup=tuple(sup.name for sup in sups),
            kind=kind,
            must=must,
            may=may - must,
            name=_title(definition),
            key=key,
            superclasses=frozenset((key,)).union(*(sup.superclasses for sup in sups)),
        )

    def _given(self, definition: Definition, field: str) -> tuple[str, ...]:
        return definition.fields.get(field, ())

    def _attribute_keys(self, definition: Definition, field: str) -> list[str]:
        keys = []
        for name in self._given(definition, field):
            known = self.attributes.get(name.lower())
            if known is None:
                self._complain(definition, f"{field} {name} of class {_title(definition)} is not defined")
            else:
                keys.append(known.key)
        return keys


def _title(definition: Definition) -> str:
    return definition.names()[0] if definition.names() else definition.oid


def _all_names(definition: Definition) -> list[str]:
    return [definition.oid, *(name.lower() for name in definition.names())]
