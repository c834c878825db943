"""What a search must answer, found the slow way: every entry is looked at, nothing is remembered.

It shares no code with annuaire.index: its own folding, its own three-valued logic, its own order and ranking.
The schema, the matching rules and the selection of attributes come from annuaire.ldap, which has tests of its own.
"""

from __future__ import annotations

import copy
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

from invented_directory import SCHEMA, Thing

from annuaire.domain.audience import Audience
from annuaire.ldap import dn, filters, matching, messages
from annuaire.ldap.schema import AttributeType
from annuaire.ldap.selection import Selection

Truth = bool | None
Form = Callable[[bytes], str | None]

IDENTIFIERS = {
    *("uid", "identifiantpp", "identifiantpm", "typeidentifiantpp", "typeidentifiantpm", "typebal"),
    *("profession", "apicryptetat", "maillocaladdress", "mailroutingaddress"),
}
UNION = ("cn", "mail", "givenname", "sn")
WHOLE_LETTERS = {"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "ß": "ss"}
LINES = "-'’‘ʼ‐‑‒–—―−"

# ------------------------------------------------------------------ forms


@cache
def name_form(value: bytes) -> str | None:
    """Without case, accents, hyphens, apostrophes, repeated blanks and what cannot be seen."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    for _ in range(4):
        letters = []
        for letter in unicodedata.normalize("NFKD", text).casefold():
            if letter in LINES or (letter.isspace() and letter not in "\x1c\x1d\x1e\x1f"):
                letters.append(" ")
            elif unicodedata.category(letter) in ("Cc", "Cf") or unicodedata.combining(letter):
                continue
            else:
                letters.append(WHOLE_LETTERS.get(letter, letter))
        text = "".join(letters)
    return " ".join(text.split())


@cache
def case_form(value: bytes) -> str | None:
    """Without case, outer blanks and what cannot be seen."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    for _ in range(4):
        text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf"))
        text = unicodedata.normalize("NFKC", text.casefold())
    return text.strip()


@cache
def form_of(rule: matching.Rule) -> Form:
    @cache
    def form(value: bytes) -> str | None:
        normal = rule.normalise(value)
        return None if normal is None else normal.decode("latin-1")

    return form


@cache
def equality_form(known: AttributeType) -> Form | None:
    rule = known.equality_rule
    if rule is None:
        return None
    if known.key in IDENTIFIERS or rule.name == "caseIgnoreIA5Match":
        return case_form
    return name_form if rule.name in ("caseIgnoreMatch", "caseIgnoreListMatch") else form_of(rule)


@cache
def substrings_form(known: AttributeType) -> Form | None:
    rule = known.substrings_rule
    if rule is None:
        return None
    if known.key in IDENTIFIERS:
        return case_form
    return name_form if rule.name.startswith("caseIgnore") else form_of(rule)


@cache
def order_form(known: AttributeType) -> Form | None:
    form = equality_form(known)
    if form in (name_form, case_form):
        return form
    rule = SCHEMA.rules.sorting(known)
    return None if rule is None else form_of(rule)


# ------------------------------------------------------------------ values


@cache
def family(key: str) -> list[AttributeType]:
    return [known for known in SCHEMA.attribute_types if key in known.supertypes]


def options_hold(asked: frozenset[str], present: frozenset[str]) -> bool:
    return all(
        option in present
        or option == "binary"
        or (option.endswith("-") and any(tag == option[:-1] or tag.startswith(option) for tag in present))
        for option in asked
    )


def values(thing: Thing, key: str, options: frozenset[str]) -> list[tuple[AttributeType, bytes]]:
    """Values of a type and its subtypes with at least these options."""
    return [
        (known, value)
        for known, present, some in thing.described
        if key in known.supertypes and (not options or options_hold(options, present))
        for value in some
    ]


# ------------------------------------------------------------------ three-valued logic


def matches(filter_: filters.Filter, thing: Thing) -> Truth:
    if isinstance(filter_, filters.Not):
        truth = matches(filter_.part, thing)
        return None if truth is None else not truth
    if isinstance(filter_, filters.And | filters.Or):
        decisive = isinstance(filter_, filters.Or)
        truths = [matches(part, thing) for part in filter_.parts]
        if decisive in truths:
            return decisive
        return None if None in truths else not decisive
    if isinstance(filter_, filters.Extensible):
        return extensible(filter_, thing)
    described = SCHEMA.describe(filter_.attribute)
    if described.type is None:
        return None
    key, options = described.type.key, described.options
    stored = values(thing, key, options)
    if isinstance(filter_, filters.Present):
        return bool(stored)
    if isinstance(filter_, filters.Substrings):
        return substrings(filter_, key, stored)
    if isinstance(filter_, filters.Approximate):
        return approximate(filter_, described.type, stored)
    if isinstance(filter_, filters.Equality):
        return equal(filter_.value, key, stored)
    return bounded(filter_, key, stored)


def equal(asserted: bytes, key: str, stored: list[tuple[AttributeType, bytes]]) -> Truth:
    if key == "objectclass":
        wanted = SCHEMA.object_class(asserted.decode("utf-8", "replace"))
        return None if wanted is None else any(wanted.key in SCHEMA.class_keys(value) for _, value in stored)
    forms = {known.key: form for known in family(key) if (form := equality_form(known))}
    wanted_forms = {name: folded for name, form in forms.items() if (folded := form(asserted)) is not None}
    if not wanted_forms:
        return None
    return any(
        known.key in wanted_forms and forms[known.key](value) == wanted_forms[known.key]
        for known, value in stored
    )


def substrings(filter_: filters.Substrings, key: str, stored: list[tuple[AttributeType, bytes]]) -> Truth:
    asked = {}
    for known in family(key):
        form = substrings_form(known)
        if form is None:
            continue
        parts = [filter_.initial, *filter_.any, filter_.final]
        folded = ["" if part is None else form(part) for part in parts]
        if None not in folded:
            # Blanks and hyphens alone, which some rules keep as one blank, ask nothing.
            asked[known.key] = form, [part.strip(" ") for part in folded if part is not None]
    if not asked:
        return None
    for known, value in stored:
        if known.key in asked:
            form, parts = asked[known.key]
            folded_value = form(value)
            if not any(parts) or (folded_value is not None and has_parts(folded_value, parts)):
                return True
    return False


def has_parts(value: str, parts: list[str]) -> bool:
    initial, *middle, final = parts
    if not (value.startswith(initial) and value.endswith(final)):
        return False
    rest = value[len(initial) : len(value) - len(final)]
    if len(initial) + len(final) > len(value):
        return False
    for part in middle:
        _, found, rest = rest.partition(part) if part else ("", " ", rest)
        if not found:
            return False
    return True


def bounded(
    filter_: filters.GreaterOrEqual | filters.LessOrEqual, key: str, stored: list[tuple[AttributeType, bytes]]
) -> Truth:
    forms = {known.key: form for known in family(key) if (form := order_form(known))}
    limits = {name: limit for name, form in forms.items() if (limit := form(filter_.value)) is not None}
    if not limits:
        return None
    for known, value in stored:
        limit = limits.get(known.key)
        folded = None if limit is None else forms[known.key](value)
        if folded is not None and limit is not None:
            over = folded >= limit if isinstance(filter_, filters.GreaterOrEqual) else folded <= limit
            if over:
                return True
    return False


def words_of(folded: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in folded).split()


def approximate(
    filter_: filters.Approximate, known: AttributeType, stored: list[tuple[AttributeType, bytes]]
) -> Truth:
    rule = known.equality_rule
    if rule is None or not matching.is_text(rule):
        return equal(filter_.value, known.key, stored)
    folded = name_form(filter_.value)
    if folded is None:
        return None
    wanted = words_of(folded)
    if not wanted:
        return equal(filter_.value, known.key, stored)
    if len(wanted) > 32:
        return None
    for _, value in stored:
        words = words_of(name_form(value) or "")
        if all(any(near(asked, word) for word in words) for asked in wanted):
            return True
    return False


def near(asked: str, word: str) -> bool:
    if word.startswith(asked):
        return True
    return len(asked) >= 5 and distance(asked, word) <= 1


def distance(left: str, right: str) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def extensible(filter_: filters.Extensible, thing: Thing) -> Truth:
    if filter_.rule is None and filter_.attribute is not None and not filter_.dn_attributes:
        return matches(filters.Equality(filter_.attribute, filter_.value), thing)
    described = None if filter_.attribute is None else SCHEMA.describe(filter_.attribute)
    if described is not None and described.type is None:
        return None
    known = None if described is None else described.type
    form: Form | None
    if filter_.rule is None:
        form = None if known is None else equality_form(known)
        if form is None:
            return None
        rule = None
    else:
        rule = SCHEMA.rule(filter_.rule)
        if rule is None or (known is not None and not matching.suits(rule, known)):
            return None
        form = form_of(rule)
    holds = assertion(rule, form, filter_.value)
    if holds is None:
        return None

    def taken(description: str) -> bool:
        one = SCHEMA.describe(description)
        if one.type is None:
            return False
        if described is None:
            assert rule is not None
            own = (one.type.equality_rule, one.type.ordering_rule, one.type.substrings_rule)
            return rule in own or one.type.syntax == rule.syntax
        assert known is not None
        return known.key in one.type.supertypes and options_hold(described.options, one.options)

    every = thing.everything
    if described is not None:
        every = {**every, **thing.__dict__["computed"]}
    if any(holds(value) for name, stored in every.items() if taken(name) for value in stored):
        return True
    if filter_.dn_attributes:
        pairs = [pair for rdn in dn.parse(thing.dn).rdns for pair in rdn.pairs]
        return any(taken(name) and holds(text.encode()) for name, text in pairs)
    return False


def assertion(rule: matching.Rule | None, form: Form, asserted: bytes) -> Callable[[bytes], bool] | None:
    if rule is not None and rule.kind is matching.Kind.SUBSTRINGS:
        split = matching.substring_assertion(asserted)
        if split is None or rule.normalise_part is None:
            return None
        initial, middle, final = split
        parts = [
            b"" if initial is None else rule.normalise_part(initial, True, False),
            *[rule.normalise_part(part, False, False) for part in middle],
            b"" if final is None else rule.normalise_part(final, False, True),
        ]
        if None in parts:
            return None
        texts = [part.decode("latin-1") for part in parts if part is not None]
        return lambda value: (folded := form(value)) is not None and has_parts(folded, texts)
    wanted = form(asserted)
    if wanted is None:
        return None
    limit = wanted
    if rule is not None and rule.kind is matching.Kind.ORDERING:
        return lambda value: (folded := form(value)) is not None and folded < limit
    return lambda value: form(value) == limit


# ------------------------------------------------------------------ searches


def visible(things: Iterable[Thing], audience: Audience) -> list[Thing]:
    return [thing for thing in things if thing.audiences & audience]


def counted(thing: Thing, below: int) -> Thing:
    """An entry with what is computed of it: of it alone, by nobody's rule but those of its own types."""
    computed = {"hasSubordinates": [b"TRUE" if below else b"FALSE"], "numSubordinates": [b"%d" % below]}
    described = [(SCHEMA.attribute(name), frozenset[str](), some) for name, some in computed.items()]
    shown = copy.copy(thing)
    shown.__dict__["everything"] = thing.everything
    shown.__dict__["computed"] = computed
    shown.__dict__["described"] = [*thing.described, *described]
    return shown


def within(thing: Thing, key: bytes, scope: int) -> bool:
    if scope == messages.BASE:
        return thing.key == key
    if scope == messages.ONE_LEVEL:
        return thing.key.rpartition(b"\0")[0] == key and thing.key != key
    below = thing.key.startswith(key + b"\0")
    return below or (thing.key == key and scope == messages.SUBTREE)


def order(thing: Thing) -> tuple[bool, bytes, bytes]:
    """Least name first, entries without a name last, then by DN."""
    names = [form for _, value in values(thing, "cn", frozenset()) if (form := name_form(value)) is not None]
    return (not names, min(names)[:160].encode() if names else b"", thing.key)


def search(
    things: Iterable[Thing], filter_: filters.Filter, audience: Audience, base: str, scope: int
) -> list[Thing] | str:
    """What matches, in order; or the matchedDN of a base that does not exist."""
    seen = visible(things, audience)
    key = dn.key(dn.parse(base), SCHEMA)
    if not any(thing.key == key for thing in seen):
        above = [thing for thing in seen if key.startswith(thing.key + b"\0")]
        return max(above, key=lambda thing: len(thing.key)).dn if above else ""
    parents = [thing.key.rpartition(b"\0")[0] for thing in seen]
    found = [
        t
        for t in seen
        if within(t, key, scope) and matches(filter_, counted(t, parents.count(t.key))) is True
    ]
    return sorted(found, key=order)


def typed_words(filter_: filters.Filter) -> list[str]:
    """The words that rank: typed in substrings or `~=` of the names and addresses, outside of NOT."""
    found: dict[str, None] = {}
    if isinstance(filter_, filters.And | filters.Or):
        for part in filter_.parts:
            found.update(dict.fromkeys(typed_words(part)))
    elif isinstance(filter_, filters.Substrings | filters.Approximate):
        known = SCHEMA.attribute(filter_.attribute)
        if known is None:
            return []
        ranked = [one.key in UNION for one in family(known.key)]
        if isinstance(filter_, filters.Approximate):
            words = words_of(name_form(filter_.value) or "") if all(ranked) else []
            found.update(dict.fromkeys(words if len(words) <= 32 else []))
        elif any(ranked):
            for part in (filter_.initial, *filter_.any, filter_.final):
                found.update(dict.fromkeys(words_of(name_form(part or b"") or "")))
    return [word[:48] for word in found]


def rank(thing: Thing, words: list[str]) -> int:
    """0: it has every word whole; 1: words of it begin so; 2: neither. A very long word counts as several."""
    if not words:
        return 0
    own = {
        word[at : at + 48]
        for known, value in values(thing, "name", frozenset()) + values(thing, "mail", frozenset())
        if known.key in UNION
        for word in words_of(name_form(value) or "")
        for at in range(0, max(1, len(word) - 24), 24)
        if not at or len(word) > 48
    }
    if all(word in own for word in words):
        return 0
    return 1 if all(any(one.startswith(word) for one in own) for word in words) else 2


def best(found: list[Thing], filter_: filters.Filter) -> list[Thing]:
    """In the order in which a size limit lets them through."""
    words = typed_words(filter_)[:8]
    return sorted(found, key=lambda thing: (rank(thing, words), order(thing)))


def answer(
    thing: Thing, asked: tuple[str, ...], types_only: bool, audience: Audience, things: Iterable[Thing]
) -> dict[str, list[bytes]]:
    """The attributes of an entry as they are to be answered."""
    selection = Selection.of(tuple(name.encode() for name in asked), SCHEMA)
    below = sum(1 for other in visible(things, audience) if other.key.rpartition(b"\0")[0] == thing.key)
    operational = {**thing.operational, "hasSubordinates": [b"TRUE" if below else b"FALSE"]}
    if "numsubordinates" in [name.lower() for name in asked]:
        operational["numSubordinates"] = [b"%d" % below]
    found: dict[str, list[bytes]] = {}
    for stored, is_operational in ((thing.attributes, False), (operational, True)):
        for description, some in stored.items():
            named = selection.wanted(description, is_operational)
            if named is not None:
                found[named] = [] if types_only else some
    return found
