"""Whether an entry agrees with the schema: every disagreement at once, each with what to do about it.

Follows RFC 4512 §2.4 and §2.5 and RFC 4511's result codes. What a set of object classes asks for is worked
out once and remembered: an import checks each of its records here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from annuaire.ldap import syntaxes
from annuaire.ldap.dn import Dn
from annuaire.ldap.options import DESCRIPTION_MAX, OPTIONS_MAX, is_known, is_range, too_much
from annuaire.ldap.schema_types import ABSTRACT, STRUCTURAL, AttributeType, ObjectClass

UNDEFINED_ATTRIBUTE_TYPE = 17
CONSTRAINT_VIOLATION = 19
ATTRIBUTE_OR_VALUE_EXISTS = 20
INVALID_ATTRIBUTE_SYNTAX = 21
INVALID_DN_SYNTAX = 34
NAMING_VIOLATION = 64
OBJECT_CLASS_VIOLATION = 65

# Sets of classes remembered: a directory uses a few dozen, a stranger may invent more.
_CLASS_SETS_MAX = 1024
# A longer one is no entry's: its values may be as long as a message.
_CLASS_SET_OCTETS_MAX = 2_000
# Values are shown to people who must find them again in a file, not in full.
_SHOWN_MAX = 60
_SUGGESTED_MAX = 5

OBJECT_CLASS = "objectclass"
_PASSWORD = "userpassword"  # noqa: S105 (an attribute's name)
_EXTENSIBLE = "extensibleobject"
_BINARY = frozenset(("binary",))


class Violation(NamedTuple):
    """One thing wrong with an entry: LDAP result code, attribute concerned or "", what to do about it."""

    code: int
    attribute: str
    text: str


class Described(NamedTuple):
    """An attribute description understood: `type` is None when the schema does not know it."""

    type: AttributeType | None
    options: frozenset[str]
    canonical: str


@dataclass(slots=True)
class ClassSet:
    """What a set of object classes asks for."""

    violations: list[Violation] = field(default_factory=list)
    # Attribute key to the class that requires it.
    must: dict[str, ObjectClass] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=set)
    # False when there is nothing to say of what is not allowed: extensibleObject, or classes still wrong.
    limits: bool = True
    structural: ObjectClass | None = None
    names: str = ""


class Check:
    def __init__(
        self,
        describe: Callable[[str], Described],
        attributes: Mapping[str, AttributeType],
        classes: Mapping[str, ObjectClass],
    ) -> None:
        self._describe = describe
        self._attributes = attributes
        self._classes = classes
        self._class_sets: dict[tuple[bytes, ...], ClassSet] = {}

    def entry(self, dn: Dn, attributes: Mapping[str, Sequence[bytes]]) -> list[Violation]:
        violations: list[Violation] = []
        present: dict[str, Sequence[bytes]] = {}
        optioned = False
        class_values: Sequence[bytes] = ()
        describe = self._describe
        for description, values in attributes.items():
            known, options, _ = describe(description)
            if known is None:
                violations.append(_undefined(description))
                continue
            key = known.key
            if options:
                optioned = True
                self._check_options(description, known, options, violations)
            if key in present:
                optioned = True
                values = [*present[key], *values]
            present[key] = values
            if key == OBJECT_CLASS:
                class_values = values
            elif len(values) != 1 or not known.valid(values[0]):
                _check_values(description, known, attributes[description], violations)
        if optioned:
            _check_twice(attributes, describe, violations)
        classes = self.class_set(class_values)
        if classes.violations:
            violations.extend(classes.violations)
        for key, required_by in classes.must.items():
            if key not in present:
                violations.append(self._missing(key, required_by))
        if classes.limits and not present.keys() <= classes.allowed:
            for key in present.keys() - classes.allowed:
                violations.append(self._not_allowed(key, classes))
        if dn.rdns:
            self._check_naming(dn, present, violations)
        return violations

    # --- Object classes ---

    def class_set(self, values: Sequence[bytes]) -> ClassSet:
        wanted = tuple(values)
        found = self._class_sets.get(wanted)
        if found is None:
            found = self._work_out(wanted)
            if sum(map(len, wanted)) > _CLASS_SET_OCTETS_MAX:
                return found
            if len(self._class_sets) >= _CLASS_SETS_MAX:
                self._class_sets.clear()
            self._class_sets[wanted] = found
        return found

    def _work_out(self, values: tuple[bytes, ...]) -> ClassSet:
        result = ClassSet()
        classes: dict[str, ObjectClass] = {}
        for value in values:
            known = self._classes.get(value.decode("utf-8", "replace").lower())
            if known is None:
                described = self._attributes.get(OBJECT_CLASS)
                if described is not None and not described.valid(value):
                    result.violations.append(_invalid(described.name, described, value))
                    continue
                result.violations.append(
                    _class_violation(f"object class {_shown(value)} is not in the schema")
                )
            elif known.key in classes:
                text = f"objectClass: {known.name} is given twice, keep one"
                result.violations.append(Violation(ATTRIBUTE_OR_VALUE_EXISTS, "objectClass", text))
            else:
                classes[known.key] = known
        result.names = ", ".join(known.name for known in classes.values())
        for known in classes.values():
            for key in known.must:
                # Blame the class that says so itself, not one that inherits it.
                holder = result.must.get(key)
                if holder is None or known.key in holder.superclasses:
                    result.must[key] = known
            result.allowed |= known.must | known.may
        result.allowed |= {
            key for known in self._attributes.values() if known.operational for key in (known.key,)
        }
        result.structural = _structural(classes, result.violations, bool(values) and not classes)
        result.limits = (
            result.structural is not None and len(classes) == len(values) and _EXTENSIBLE not in classes
        )
        return result

    def _missing(self, key: str, required_by: ObjectClass) -> Violation:
        name = self._attributes[key].name
        return Violation(
            OBJECT_CLASS_VIOLATION, name, f"{name} is missing: class {required_by.name} requires it"
        )

    def _not_allowed(self, key: str, classes: ClassSet) -> Violation:
        known = self._attributes[key]
        text = f"{known.name} is not allowed by the classes of the entry ({classes.names})"
        addable = sorted(
            {
                holder.name
                for holder in self._classes.values()
                if key in holder.may | holder.must and _may_join(holder, classes.structural)
            }
        )
        if addable:
            text += f"; remove it, or add a class that has it: {', '.join(addable[:_SUGGESTED_MAX])}"
        else:
            text += "; remove it"
        return Violation(OBJECT_CLASS_VIOLATION, known.name, text)

    # --- Options and naming ---

    def _check_options(
        self, description: str, known: AttributeType, options: frozenset[str], violations: list[Violation]
    ) -> None:
        if "" in options:
            violations.append(_undefined(description))
        elif known.key == _PASSWORD:  # what lies apart and is shown to nobody is `userPassword` as it stands
            text = f"{description}: {known.name} has no options, leave them out"
            violations.append(Violation(UNDEFINED_ATTRIBUTE_TYPE, description, text))
        elif unknown := sorted(option for option in options if not is_known(option)):
            text = f"{description}: ;{unknown[0]} is no option that is known: ;binary and ;lang-… are"
            violations.append(Violation(UNDEFINED_ATTRIBUTE_TYPE, description, text))
        elif any(map(is_range, options)):
            text = f"{description}: an option ending in a hyphen asks for several languages; name one"
            violations.append(Violation(UNDEFINED_ATTRIBUTE_TYPE, description, text))
        elif "binary" in options and not known.octets:
            text = f"{description}: ;binary does not suit {known.name}, whose values are text; leave it out"
            violations.append(Violation(UNDEFINED_ATTRIBUTE_TYPE, description, text))
        elif not known.worded and options - _BINARY:
            text = f"{description}: a value of {known.name} is of no language; leave the option out"
            violations.append(Violation(UNDEFINED_ATTRIBUTE_TYPE, description, text))

    def _check_naming(
        self, dn: Dn, present: Mapping[str, Sequence[bytes]], violations: list[Violation]
    ) -> None:
        naming: set[str] = set()
        for attribute, text in dn.rdn.pairs:
            known = self._attributes.get(attribute.lower())
            if known is None:
                problem = f"the name begins with {attribute}, which is not in the schema"
                violations.append(Violation(NAMING_VIOLATION, attribute, problem))
                continue
            if known.key in naming:  # RFC 4512 §2.3.1; slapd tells it as a fault of the name's syntax too
                problem = f"the name says {known.name} twice"
                violations.append(Violation(INVALID_DN_SYNTAX, known.name, problem))
                continue
            naming.add(known.key)
            if known.operational or known.collective or known.key == _PASSWORD:
                whose = "secret" if known.key == _PASSWORD else "no attribute of this entry alone"
                problem = f"{known.name} names no entry: it is {whose}"
                violations.append(Violation(NAMING_VIOLATION, known.name, problem))
                continue
            values = present.get(known.key)
            value = text.encode()
            if values is None:
                problem = (
                    f"the name says {known.name}={_shown(value)}: the entry must have this value, add it"
                )
            elif value in values or _holds(known, values, value):
                continue
            else:
                problem = (
                    f"the name says {known.name}={_shown(value)}, which is not among the entry's values of "
                    f"{known.name}; add it"
                )
            violations.append(Violation(NAMING_VIOLATION, known.name, problem))


def _structural(
    classes: Mapping[str, ObjectClass], violations: list[Violation], all_unknown: bool
) -> ObjectClass | None:
    structural = [known for known in classes.values() if known.kind == STRUCTURAL]
    if not structural:
        if all_unknown:
            return None
        if not classes:
            text = "the entry has no objectClass"
        else:
            kinds = "abstract" if all(known.kind == ABSTRACT for known in classes.values()) else "auxiliary"
            names = ", ".join(known.name for known in classes.values())
            text = f"objectClass has only {kinds} classes ({names})"
        text += ": add a structural class, such as inetOrgPerson for a person"
        violations.append(_class_violation(text))
        return None
    lowest = max(structural, key=lambda known: len(known.superclasses))
    for other in structural:
        if other.key not in lowest.superclasses:
            text = (
                f"objectClass: {other.name} and {lowest.name} are both structural and neither descends from "
                "the other; keep one of them"
            )
            violations.append(_class_violation(text))
    return lowest


def _may_join(candidate: ObjectClass, structural: ObjectClass | None) -> bool:
    if candidate.kind != STRUCTURAL:
        return candidate.kind != ABSTRACT
    return structural is not None and structural.key in candidate.superclasses


def _check_values(
    description: str, known: AttributeType, values: Sequence[bytes], violations: list[Violation]
) -> None:
    valid = known.valid
    for value in values:
        if not valid(value):
            violations.append(_invalid(description, known, value))
    if len(values) == 1:
        return
    if not values:
        text = f"{description} has no value: give one or leave the attribute out"
        violations.append(Violation(INVALID_ATTRIBUTE_SYNTAX, description, text))
        return
    if known.single_value:
        text = f"{description} takes one value, {len(values)} are given"
        violations.append(Violation(CONSTRAINT_VIOLATION, description, text))
    rule = known.equality_rule
    if rule is None:
        forms = list(values)
    else:
        normalise = rule.normalise
        forms = [normalise(value) or value for value in values]
    if len(set(forms)) != len(forms):
        seen = set()
        for value, form in zip(values, forms, strict=True):
            if form in seen:
                text = f"{description}: {_shown(value)} is the same value as another one; keep one"
                violations.append(Violation(ATTRIBUTE_OR_VALUE_EXISTS, description, text))
            seen.add(form)


def _check_twice(
    attributes: Mapping[str, Sequence[bytes]],
    describe: Callable[[str], Described],
    violations: list[Violation],
) -> None:
    """One attribute under two spellings, `cn` and `commonName` or with and without `;binary`."""
    first: dict[tuple[str, frozenset[str]], str] = {}
    for description in attributes:
        known, options, _ = describe(description)
        if known is None:
            continue
        other = first.setdefault((known.key, options - _BINARY), description)
        if other is not description:
            text = f"{other} and {description} are the same attribute: give all its values under one name"
            violations.append(Violation(ATTRIBUTE_OR_VALUE_EXISTS, description, text))


def _holds(known: AttributeType, values: Sequence[bytes], value: bytes) -> bool:
    rule = known.equality_rule
    form = rule.normalise(value) if rule else None
    return form is not None and rule is not None and any(rule.normalise(other) == form for other in values)


def _undefined(description: str) -> Violation:
    shown = _shown(description.encode("utf-8", "replace"))
    if too_much(description):
        text = f"{shown}: an attribute has {OPTIONS_MAX} options and {DESCRIPTION_MAX} characters at most"
        return Violation(UNDEFINED_ATTRIBUTE_TYPE, description[:_SHOWN_MAX], text)
    text = f"{shown} is not an attribute of the schema: correct its name, or load the schema that defines it"
    return Violation(UNDEFINED_ATTRIBUTE_TYPE, description, text)


def _class_violation(text: str) -> Violation:
    return Violation(OBJECT_CLASS_VIOLATION, "objectClass", text)


def _invalid(description: str, known: AttributeType, value: bytes) -> Violation:
    text = f"{description}: {_shown(value)} is not {_syntax_name(known)}"
    return Violation(INVALID_ATTRIBUTE_SYNTAX, description, text)


def _syntax_name(known: AttributeType) -> str:
    found = syntaxes.KNOWN.get(known.syntax)
    description = found.description if found else known.syntax
    return f"{'an' if description[:1] in 'AEIO' else 'a'} {description}"


def _shown(value: bytes) -> str:
    """A value for a message: one line, cut."""
    text = value[:_SHOWN_MAX].decode("utf-8", "backslashreplace")
    text = "".join(character if character.isprintable() else "?" for character in text)
    return f"'{text}…'" if len(value) > _SHOWN_MAX else f"'{text}'"
