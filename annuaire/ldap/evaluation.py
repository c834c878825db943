"""Whether an entry matches a filter: True, False, or None for Undefined (RFC 4511 §4.5.1.7), obviously right.

An unknown attribute, a missing rule and an invalid assertion value are Undefined, never an error, and NOT leaves
Undefined as it is: otherwise a filter would tell what the asker may not know. Iterative at every depth.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from annuaire.ldap import approximate, matching, options
from annuaire.ldap.dn import Dn
from annuaire.ldap.filters import (
    And,
    Approximate,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)
from annuaire.ldap.schema import OBJECT_CLASS, AttributeType, Described, Schema

Attributes = Mapping[str, Sequence[bytes]]
Test = Callable[[Dn, Attributes], bool | None]
# Of the forms of some values: whether one of them is as asserted.
Holds = Callable[[Iterable[bytes | None]], bool]
# For an attribute type, how its values are prepared instead of by its rule; None leaves the rule's way.
Replacement = Callable[[AttributeType], matching.Normalise | None]
ReplacementOfPart = Callable[[AttributeType], matching.NormalisePart | None]

# Attribute descriptions of entries remembered for each asserted one; entries of a directory use a few dozen.
_REMEMBERED_MAX = 1024

# Note [Long lists are prepared once]
# A group has ten thousand members, and a filter may ask of them a thousand times: by itself each part would prepare
# them all anew, for a minute in which nobody else is answered. Of such a list the forms are kept while it is asked.
_LISTED_MAX = 50
_OCTETS_MAX = 2_000
_KEPT_MAX = 4
_kept: dict[tuple[int, matching.Normalise], tuple[Sequence[bytes], frozenset[bytes | None]]] = {}


def _forms(values: Sequence[bytes], normalise: matching.Normalise) -> Iterable[bytes | None]:
    """The values as a rule compares them, in any order."""
    if len(values) <= _LISTED_MAX and sum(map(len, values)) <= _OCTETS_MAX:
        return map(normalise, values)
    key = (id(values), normalise)
    kept = _kept.get(key)
    if kept is None or kept[0] is not values:
        kept = (values, frozenset(map(normalise, values)))
        if len(_kept) >= _KEPT_MAX:
            _kept.clear()
        _kept[key] = kept
    return kept[1]


def evaluate(
    filter: Filter,  # noqa: A002
    dn: Dn,
    attributes: Attributes,
    schema: Schema,
    normalise: Replacement | None = None,
    normalise_part: ReplacementOfPart | None = None,
) -> bool | None:
    return prepare(filter, schema, normalise, normalise_part).matches(dn, attributes)


@dataclass(slots=True)
class _Node:
    """A test, or parts to combine: `decides` ends an And (False) or an Or (True) at once."""

    test: Test | None = None
    parts: "list[_Node] | None" = None
    decides: bool = False
    negates: bool = False


class Prepared:
    """A filter with its assertion values prepared, to be asked of many entries."""

    def __init__(self, root: _Node) -> None:
        self._root = root

    def matches(self, dn: Dn, attributes: Attributes) -> bool | None:
        open_nodes: list[tuple[_Node, Iterator[_Node], bool | None]] = []
        node = self._root
        while True:
            result: bool | None
            if node.test is not None:
                result = node.test(dn, attributes)
            else:
                result = not node.decides
                rest = iter(node.parts or ())
                first = next(rest, None)
                if first is not None:
                    open_nodes.append((node, rest, result))
                    node = first
                    continue
            while open_nodes:
                parent, rest, so_far = open_nodes.pop()
                if parent.negates:
                    result = None if result is None else not result
                    continue
                if result is parent.decides:
                    continue
                if result is None:
                    so_far = None
                following = next(rest, None)
                if following is None:
                    result = so_far
                    continue
                open_nodes.append((parent, rest, so_far))
                node = following
                break
            else:
                return result


def prepare(
    filter: Filter,  # noqa: A002
    schema: Schema,
    normalise: Replacement | None = None,
    normalise_part: ReplacementOfPart | None = None,
) -> Prepared:
    tests = _Tests(schema, normalise, normalise_part)
    root = _Node()
    waiting = [(filter, root)]
    while waiting:
        part, node = waiting.pop()
        if isinstance(part, And | Or):
            node.parts = [_Node() for _ in part.parts]
            node.decides = isinstance(part, Or)
            waiting.extend(zip(part.parts, node.parts, strict=True))
        elif isinstance(part, Not):
            node.parts = [_Node()]
            node.negates = True
            waiting.append((part.part, node.parts[0]))
        else:
            node.test = tests.of(part)
    return Prepared(root)


def _undefined(dn: Dn, attributes: Attributes) -> None:
    return None


class _Tests:
    """Makes the test of one item; all items of a filter that name the same attribute share its look-ups."""

    def __init__(
        self, schema: Schema, normalise: Replacement | None, normalise_part: ReplacementOfPart | None
    ) -> None:
        self._schema = schema
        self._normalise = normalise
        self._normalise_part = normalise_part
        self._selections: dict[str, _Selection] = {}

    def of(self, item: Filter) -> Test:
        if isinstance(item, Extensible):
            return self._extensible(item)
        assert not isinstance(item, And | Or | Not)
        described = self._schema.describe(item.attribute)
        if described.type is None:
            return _undefined
        values = self._selection(described)
        if isinstance(item, Present):
            return lambda dn, attributes: any(values(attributes))
        if isinstance(item, Equality):
            return self._equality(described.type, values, item.value)
        if isinstance(item, Approximate):
            return self._approximate(described.type, values, item.value)
        if isinstance(item, Substrings):
            return self._substrings(described.type, values, item)
        return _ordering(described.type, values, item)

    def _selection(self, asserted: Described) -> "_Selection":
        found = self._selections.get(asserted.canonical)
        if found is None:
            found = self._selections[asserted.canonical] = _Selection(self._schema, asserted)
        return found

    def _replaced(self, attribute: AttributeType) -> matching.Normalise | None:
        return self._normalise(attribute) if self._normalise else None

    def _equality(self, attribute: AttributeType, values: "_Selection", asserted: bytes) -> Test:
        rule = attribute.equality_rule
        if rule is None:
            return _undefined
        if attribute.key == OBJECT_CLASS:
            return self._of_class(values, asserted)
        return _equal(values, self._replaced(attribute) or rule.normalise, asserted)

    def _of_class(self, values: "_Selection", asserted: bytes) -> Test:
        """An inetOrgPerson is a person, whether or not its entry says so too."""
        wanted = self._schema.object_class(asserted.decode("utf-8", "replace"))
        if wanted is None:
            return _undefined
        key, class_keys = wanted.key, self._schema.class_keys
        return lambda dn, attributes: any(
            key in class_keys(value) for some in values(attributes) for value in some
        )

    def _approximate(self, attribute: AttributeType, values: "_Selection", asserted: bytes) -> Test:
        rule = attribute.equality_rule
        if rule is None or not matching.is_text(rule):
            return self._equality(attribute, values, asserted)
        normalise = self._replaced(attribute) or rule.normalise
        form = normalise(asserted)
        wanted = approximate.words(form) if form is not None else []
        if not wanted or len(wanted) > approximate.WORDS_MAX:
            return _undefined

        def test(dn: Dn, attributes: Attributes) -> bool:
            forms = (form for some in values(attributes) for form in _forms(some, normalise))
            return any(form and approximate.matches(wanted, approximate.words(form)) for form in forms)

        return test

    def _substrings(self, attribute: AttributeType, values: "_Selection", item: Substrings) -> Test:
        rule = attribute.substrings_rule
        if rule is None:
            return _undefined
        normalise, normalise_part = rule.normalise, rule.normalise_part
        replaced = self._replaced(attribute)
        if replaced is not None:
            normalise = replaced
            normalise_part = self._normalise_part(attribute) if self._normalise_part else None
        return _contained(values, normalise, normalise_part, item.initial, item.any, item.final)

    # --- Extensible matching ---

    def _extensible(self, item: Extensible) -> Test:
        described = self._schema.describe(item.attribute) if item.attribute is not None else None
        if described is not None and described.type is None:
            return _undefined
        attribute = described.type if described is not None else None
        if item.rule is None:
            if attribute is None or attribute.equality_rule is None:
                return _undefined
            rule = attribute.equality_rule
            normalise = self._replaced(attribute) or rule.normalise
            if attribute.key == OBJECT_CLASS and described is not None:  # which names no entry
                return self._of_class(self._selection(described), item.value)
        else:
            named = self._schema.rule(item.rule)
            if named is None or (attribute is not None and not matching.suits(named, attribute)):
                return _undefined
            rule, normalise = named, named.normalise
        values = self._selection(described) if described is not None else _Suited(self._schema, rule)
        holds = _assertion(rule, normalise, item.value)
        if holds is None:
            return _undefined
        if not item.dn_attributes:
            return lambda dn, attributes: any(holds(_forms(some, normalise)) for some in values(attributes))

        def test(dn: Dn, attributes: Attributes) -> bool:
            if any(holds(_forms(some, normalise)) for some in values(attributes)):
                return True
            pairs = (pair for rdn in dn.rdns for pair in rdn.pairs)
            return any(
                values.takes(attribute) and holds([normalise(text.encode())]) for attribute, text in pairs
            )

        return test


class _Selection:
    """The values of an attribute description and of its subtypes: `name` has those of `cn;lang-fr`."""

    def __init__(self, schema: Schema, asserted: Described) -> None:
        self._schema = schema
        self._key = asserted.type.key if asserted.type else ""
        self._options = _tags(asserted)
        self._known: dict[str, bool] = {}

    def __call__(self, attributes: Attributes) -> Iterator[Sequence[bytes]]:
        known = self._known
        for description, values in attributes.items():
            taken = known.get(description)
            if taken is None:
                taken = self.takes(description)
                if len(known) >= _REMEMBERED_MAX:
                    known.clear()
                known[description] = taken
            if taken:
                yield values

    def takes(self, description: str) -> bool:
        described = self._schema.describe(description)
        if described.type is None or self._key not in described.type.supertypes:
            return False
        tags = _tags(described)
        return options.have(tags, self._options)


class _Suited(_Selection):
    """The values of every attribute that a rule suits: those that name it, or have the syntax it asserts."""

    def __init__(self, schema: Schema, rule: matching.Rule) -> None:
        super().__init__(schema, Described(None, frozenset(), ""))
        self._rule = rule

    def takes(self, description: str) -> bool:
        known = self._schema.attribute(description)
        if known is None:
            return False
        own = (known.equality_rule, known.ordering_rule, known.substrings_rule)
        return self._rule in own or known.syntax == self._rule.syntax


def _tags(described: Described) -> frozenset[str]:
    """Options that make subtypes; `;binary` says how values travel (RFC 4522), not which they are."""
    return described.options - {options.BINARY} if options.BINARY in described.options else described.options


# --- Tests of values -------------------------------------------------------------------------------------


def _equal(values: _Selection, normalise: matching.Normalise, asserted: bytes) -> Test:
    wanted = normalise(asserted)
    if wanted is None:
        return _undefined
    return lambda dn, attributes: any(wanted in _forms(some, normalise) for some in values(attributes))


def _ordering(attribute: AttributeType, values: _Selection, item: GreaterOrEqual | LessOrEqual) -> Test:
    rule = attribute.ordering_rule
    bound = rule.normalise(item.value) if rule is not None else None
    if rule is None or bound is None:
        return _undefined
    normalise, limit = rule.normalise, bound
    greater = isinstance(item, GreaterOrEqual)

    def test(dn: Dn, attributes: Attributes) -> bool:
        forms = (form for some in values(attributes) for form in _forms(some, normalise))
        return any(form is not None and (form >= limit if greater else form <= limit) for form in forms)

    return test


def _contained(
    values: _Selection,
    normalise: matching.Normalise,
    normalise_part: matching.NormalisePart | None,
    initial: bytes | None,
    between: Sequence[bytes],
    final: bytes | None,
) -> Test:
    holds = _parts(normalise, normalise_part, initial, between, final)
    if holds is None:
        return _undefined
    return lambda dn, attributes: any(holds(_forms(some, normalise)) for some in values(attributes))


def _parts(
    normalise: matching.Normalise,
    normalise_part: matching.NormalisePart | None,
    initial: bytes | None,
    between: Sequence[bytes],
    final: bytes | None,
) -> Holds | None:
    """Whether one of some forms has the parts in order and without overlap; None when a part is not valid."""

    def prepared(part: bytes, is_initial: bool, is_final: bool) -> bytes | None:
        return normalise_part(part, is_initial, is_final) if normalise_part else normalise(part)

    first = prepared(initial, True, False) if initial is not None else b""
    last = prepared(final, False, True) if final is not None else b""
    middle = [prepared(part, False, False) for part in between]
    if first is None or last is None or None in middle:
        return None
    start, end, rest = first, last, [part for part in middle if part]

    def has(form: bytes | None) -> bool:
        if form is None or not (form.startswith(start) and form.endswith(end)):
            return False
        position, limit = len(start), len(form) - len(end)
        if position > limit:
            return False
        for part in rest:
            found = form.find(part, position, limit)
            if found < 0:
                return False
            position = found + len(part)
        return True

    return lambda forms: any(map(has, forms))


def _assertion(rule: matching.Rule, normalise: matching.Normalise, asserted: bytes) -> Holds | None:
    """What a rule named in an extensible match says of the forms of some values."""
    if rule.kind is matching.Kind.SUBSTRINGS:
        parts = matching.substring_assertion(asserted)
        return _parts(normalise, rule.normalise_part, *parts) if parts else None
    wanted = normalise(asserted)
    if wanted is None:
        return None
    limit = wanted
    if rule.kind is matching.Kind.EQUALITY:
        return lambda forms: limit in forms
    # RFC 4517 §4.2: an ordering rule is true of values that come before the asserted one.
    return lambda forms: any(form is not None and form < limit for form in forms)
