"""Which attributes and classes exist (RFC 4512): loaded once from `schema/`, published at cn=Subschema.

Asked for every write and every filter, so answers are remembered, in bounded tables because names come from
outside. A Schema never changes once made.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from annuaire.errors import Misconfigured
from annuaire.ldap import matching, options, schema_check, schema_text, schema_types
from annuaire.ldap.dn import Dn
from annuaire.ldap.schema_check import OBJECT_CLASS as OBJECT_CLASS
from annuaire.ldap.schema_check import Described as Described
from annuaire.ldap.schema_check import Violation as Violation
from annuaire.ldap.schema_types import AttributeType as AttributeType
from annuaire.ldap.schema_types import ObjectClass as ObjectClass

# Attribute descriptions remembered: a directory uses a few hundred, a stranger may invent more.
_REMEMBERED_MAX = 4096

# In the order that slapd needs: nothing is used before it is defined. `system` is built into slapd.
_SHIPPED = ("system", "core", "cosine", "inetorgperson", "mail", "mozilla", "annuaire")


class Schema:
    def __init__(self, definitions: Iterable[schema_text.Definition]) -> None:
        self._described: dict[str, Described] = {}
        self._namings: dict[str, tuple[str, Callable[[str], bytes]]] = {}
        self.rules = matching.Rules(self)
        self._catalogue = schema_types.Catalogue(definitions, self.rules)
        self._attributes = self._catalogue.attributes
        self._classes = self._catalogue.classes
        # A name may be both an attribute's and a class's: identifiers are mostly those of classes.
        self._oids = {name: known.oid for name, known in self._attributes.items()}
        self._oids.update((name, known.oid) for name, known in self._classes.items())
        self._check = schema_check.Check(self.describe, self._attributes, self._classes)

    def __repr__(self) -> str:
        return f"<Schema of {len(self._catalogue.written_types)} attribute types>"

    # --- Attributes ---

    @property
    def attribute_types(self) -> list[AttributeType]:
        return [self._attributes[written.oid] for written in self._catalogue.written_types]

    def attribute(self, description: str) -> AttributeType | None:
        """By name, alias or OID in any case; options are not looked at."""
        return self.describe(description).type

    def canonical(self, description: str) -> str:
        """The primary name as the schema spells it, options sorted in lower case; as given when unknown."""
        return self.describe(description).canonical

    def describe(self, description: str) -> Described:
        """Type and options. A description that says too much (options.py) is understood as one of no type of ours."""
        found = self._described.get(description)
        if found is None:
            if options.too_much(description):
                return Described(None, frozenset(), description)
            found = self._understand(description)
            if len(self._described) >= _REMEMBERED_MAX:
                self._described.clear()
            self._described[description] = found
        return found

    def _understand(self, description: str) -> Described:
        name, *tags = description.split(";")
        known = self._attributes.get(name.lower())
        lowered = frozenset(tag.lower() for tag in tags)
        if known is None:
            return Described(None, lowered, description)
        return Described(known, lowered, ";".join((known.name, *sorted(lowered))))

    # --- Classes ---

    @property
    def object_classes(self) -> list[ObjectClass]:
        return [self._classes[written.oid] for written in self._catalogue.written_classes]

    def object_class(self, name: str) -> ObjectClass | None:
        return self._classes.get(name.lower())

    def structural_class(self, attributes: Mapping[str, Sequence[bytes]]) -> str | None:
        """The most derived structural class; None without any."""
        for description, values in attributes.items():
            known = self.describe(description).type
            if known is not None and known.key == OBJECT_CLASS:
                structural = self._check.class_set(values).structural
                return structural.name if structural else None
        return None

    def class_keys(self, value: bytes) -> frozenset[str]:
        """Of an objectClass value: the class and all its superclasses, whose values it implies (RFC 4512 §3.3)."""
        known = self._classes.get(value.decode("utf-8", "replace").lower())
        return known.superclasses if known else frozenset()

    def check(self, dn: Dn, attributes: Mapping[str, Sequence[bytes]]) -> list[Violation]:
        """All that is wrong with the entry, nothing when it agrees with the schema."""
        return self._check.entry(dn, attributes)

    # --- Names, for keys and rules ---

    def rule(self, name_or_oid: str) -> matching.Rule | None:
        return self.rules.rule(name_or_oid)

    def naming(self, attribute: str) -> tuple[str, Callable[[str], bytes]]:
        """As dn.Naming: the type's primary name in lower case, and its equality rule on text."""
        found = self._namings.get(attribute)
        if found is None:
            known = self._attributes.get(attribute.lower())
            rule = known.equality_rule if known else None
            prepare = matching.text_or_itself(rule.normalise if rule else matching.case_ignore)
            found = (known.key if known else attribute.lower(), prepare)
            if options.too_much(attribute):
                return found
            if len(self._namings) >= _REMEMBERED_MAX:
                self._namings.clear()
            self._namings[attribute] = found
        return found

    def identifier(self, text: str) -> str | None:
        """The OID of a class or attribute type named in any way; None for a name that is not known."""
        found = self._oids.get(text.lower())
        return text if found is None and text[:1].isdigit() else found

    # --- Publishing ---

    def subschema(self) -> dict[str, list[bytes]]:
        """Attributes of cn=Subschema (RFC 4512 §4.2)."""
        users: dict[str, list[str]] = {}
        for attribute in self.attribute_types:
            for rule in (attribute.equality_rule, attribute.ordering_rule, attribute.substrings_rule):
                if rule is not None:
                    users.setdefault(rule.oid, []).append(attribute.name)
        rules = [(f"{rule.oid} NAME '{rule.name}'", rule) for rule in self.rules.all]
        catalogue = self._catalogue
        texts = {
            "objectClasses": [schema_text.format(written) for written in catalogue.written_classes],
            "attributeTypes": [schema_text.format(written) for written in catalogue.written_types],
            "matchingRules": [f"( {title} SYNTAX {rule.syntax} )" for title, rule in rules],
            "matchingRuleUse": [
                f"( {title} APPLIES {schema_text.group(users[rule.oid], ' $ ')} )"
                for title, rule in rules
                if rule.oid in users
            ],
            "ldapSyntaxes": [
                f"( {oid} DESC {schema_text.quote(description)} )"
                for oid, description in catalogue.syntaxes.items()
            ],
        }
        return {
            "objectClass": [b"top", b"subentry", b"subschema", b"extensibleObject"],
            "cn": [b"Subschema"],
            **{name: [text.encode() for text in values] for name, values in texts.items()},
        }


def load(paths: Iterable[Path]) -> Schema:
    """Read `.schema` files, in any order; macros must stand before their use."""
    macros: dict[str, str] = {}
    definitions: list[schema_text.Definition] = []
    for path in paths:
        definitions.extend(schema_text.read(path, macros))
    return Schema(definitions)


def shipped() -> list[Path]:
    """The files of annuaire itself: beside the package in a checkout, under share/ once installed."""
    beside = Path(__file__).resolve().parents[2] / "schema"
    folder = beside if beside.is_dir() else Path(sys.prefix) / "share" / "annuaire" / "schema"
    if not folder.is_dir():
        raise Misconfigured(f"{folder}: the schema files of annuaire are not there")
    return [folder / f"{name}.schema" for name in _SHIPPED]


@cache
def standard() -> Schema:
    return load(shipped())
