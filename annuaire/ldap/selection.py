"""The attributes that a search asks for (RFC 4511 §4.5.1.8): which stored one is answered, under which name.

Knows `*`, `+` (RFC 3673), `1.1`, `@class` (RFC 4529), options, ranges of languages (RFC 3866), subtypes and the
`;binary` transfer option (RFC 4522). Descriptions that mean nothing to the schema are ignored, as the standard says.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from annuaire.ldap import options as attribute_options
from annuaire.ldap.schema import Schema

ALL_USER = "*"
ALL_OPERATIONAL = "+"
NO_ATTRIBUTES = "1.1"

# Clients ask the same few lists for ever; long ones are computed each time: they cannot fill the cache.
CACHED_SELECTIONS = 512
CACHED_ATTRIBUTES_MAX = 64
CACHED_OCTETS_MAX = 2048
# Answers remembered in one selection: as many as an ordinary schema has descriptions.
REMEMBERED_MAX = 2048

BINARY = attribute_options.BINARY
_SYNTAX = "1.3.6.1.4.1.1466.115.121.1."
# RFC 4523 §2: certificates, lists, pairs and algorithms MUST travel as `;binary`, so that is their name when
# the client named none.
BINARY_REQUIRED = frozenset(_SYNTAX + number for number in ("8", "9", "10", "49"))
# RFC 2798 gives userSMIMECertificate and userPKCS12 the older Binary syntax: with the option or without.
BINARY_ALLOWED = BINARY_REQUIRED | {_SYNTAX + "5"}


class Asked(NamedTuple):
    """One description of the list: a type's name in lower case and the options it must carry."""

    type_name: str
    options: frozenset[str]
    binary: bool


class Selection:
    """What one list of attribute descriptions selects."""

    __slots__ = (
        "_answers",
        "_hash",
        "_schema",
        "asked",
        "operational_all",
        "user_all",
        "user_only_all",
        "wants_operational",
    )

    def __init__(
        self,
        schema: Schema,
        user_all: bool,
        operational_all: bool,
        asked: frozenset[Asked],
        wants_operational: bool,
    ) -> None:
        self._schema = schema
        self.user_all = user_all
        self.operational_all = operational_all
        self.asked = asked
        # Every user attribute as it is stored and nothing else: the ready-made answer serves.
        self.user_only_all = user_all and not operational_all and not asked
        # False: the operational attributes of an entry need not be read at all.
        self.wants_operational = wants_operational
        self._answers: dict[tuple[str, bool], str | None] = {}
        self._hash = hash((user_all, operational_all, asked))

    @staticmethod
    def of(attributes: tuple[bytes, ...], schema: Schema) -> Selection:
        """The selection of a list as sent; the same list gives the same object."""
        return _cached(attributes, schema) if memorable(attributes) else _read(attributes, schema)

    @property
    def empty(self) -> bool:
        """True for `1.1` and for a list that names nothing known."""
        return not (self.user_all or self.operational_all or self.asked)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Selection):
            return NotImplemented
        return (
            self.user_all == other.user_all
            and self.operational_all == other.operational_all
            and self.asked == other.asked
        )

    def __repr__(self) -> str:
        return f"Selection({'*' * self.user_all}{'+' * self.operational_all} {sorted(self.asked)})"

    def wanted(self, description: str, operational: bool = False) -> str | None:
        """The description under which a stored attribute is answered; None: it is not asked for."""
        key = (description, operational)
        try:
            return self._answers[key]
        except KeyError:
            if len(self._answers) >= REMEMBERED_MAX:
                self._answers.clear()
            answer = self._answers[key] = self._decide(description, operational)
            return answer

    def _decide(self, description: str, operational: bool) -> str | None:
        name, options, binary = _split(description)
        attribute = self._schema.attribute(name)
        key = attribute.key if attribute is not None else name.lower()
        # RFC 4512 §2.5.1: who asks a type asks its subtypes.
        family = attribute.supertypes if attribute is not None else (key,)
        syntax = attribute.syntax if attribute is not None else None
        # RFC 4512 §3.4.2: whoever wrote it, `ref` of a referral for instance.
        operational = operational or (attribute is not None and attribute.operational)
        matches = [
            asked
            for asked in self.asked
            if asked.type_name in family
            and (asked.options <= options or attribute_options.have(options, asked.options))
            and (syntax in BINARY_ALLOWED or binary or not asked.binary)
        ]
        if not matches and not (self.operational_all if operational else self.user_all):
            return None
        if syntax not in BINARY_ALLOWED:
            return description
        # The transfer option is the client's to choose: what it named, or `;binary` where it named none.
        named = [asked for asked in matches if asked.type_name == key]
        if any(asked.binary for asked in named):
            return _with_binary(name, options)
        if named:
            return _without_binary(name, options)
        return _with_binary(name, options) if syntax in BINARY_REQUIRED else description


def memorable(attributes: tuple[bytes, ...]) -> bool:
    """Whether something may be remembered under a list as sent: what strangers send is as long as they like."""
    return len(attributes) <= CACHED_ATTRIBUTES_MAX and sum(map(len, attributes)) <= CACHED_OCTETS_MAX


@lru_cache(maxsize=CACHED_SELECTIONS)
def _cached(attributes: tuple[bytes, ...], schema: Schema) -> Selection:
    return _read(attributes, schema)


def _read(attributes: tuple[bytes, ...], schema: Schema) -> Selection:
    if not attributes:
        return Selection(schema, True, False, frozenset(), False)
    user_all = operational_all = wants_operational = False
    asked: set[Asked] = set()
    for raw in attributes:
        try:
            text = raw.decode("ascii").strip()
        except UnicodeDecodeError:
            continue
        if attribute_options.too_much(text):
            continue
        if text == ALL_USER:
            user_all = True
        elif text == ALL_OPERATIONAL:
            operational_all = True
        elif text.startswith("@"):
            asked.update(_of_class(text[1:], schema))
        elif text and text != NO_ATTRIBUTES:  # beside other names 1.1 means nothing
            name, options, binary = _split(text)
            attribute = schema.attribute(name)
            if attribute is None:
                # Kept under its own name: harmless, and an entry of a foreign tree may hold it.
                asked.add(Asked(name.lower(), options, binary))
                continue
            asked.add(Asked(attribute.key, options, binary))
            wants_operational = wants_operational or attribute.operational
    return Selection(
        schema, user_all, operational_all, frozenset(asked), operational_all or wants_operational
    )


def _of_class(description: str, schema: Schema) -> list[Asked]:
    name, options, binary = _split(description)
    found = schema.object_class(name)
    if found is None:
        return []
    return [Asked(attribute, options, binary) for attribute in (*found.must, *found.may)]


def _split(description: str) -> tuple[str, frozenset[str], bool]:
    """The type as written, its options in lower case without `binary`, and whether `binary` was there."""
    name, semicolon, rest = description.partition(";")
    if not semicolon:
        return name, frozenset(), False
    options = {option for option in rest.lower().split(";") if option}
    binary = BINARY in options
    options.discard(BINARY)
    return name, frozenset(options), binary


def _with_binary(name: str, options: frozenset[str]) -> str:
    return ";".join((name, *sorted(options | {BINARY})))


def _without_binary(name: str, options: frozenset[str]) -> str:
    return ";".join((name, *sorted(options)))
