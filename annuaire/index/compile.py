"""Turns a filter (RFC 4511 §4.5.1.7) into a plan: unknown attributes and invalid values become Undefined, one
typed word ORed over the attributes of the union text becomes one look-up, and the typed words are kept aside
for ranking.
"""

import dataclasses
from collections.abc import Callable
from functools import lru_cache, reduce
from typing import NamedTuple

from pyroaring import BitMap

from annuaire.index import folding, layout, ngrams, plan
from annuaire.index.candidate import Candidate
from annuaire.index.family import COMPUTED, Counted, Family
from annuaire.index.plan import Node, Operand, Truth
from annuaire.index.prepare import Numbering
from annuaire.index.sight import Sight
from annuaire.ldap import approximate, dn, evaluation, filters, matching
from annuaire.ldap.filters import Filter
from annuaire.ldap.schema import AttributeType

# Words of a filter that rank its results: a person types a few.
RANKING_WORDS_MAX = 8
# Compiled ORs of substrings kept, and the size of what was typed in one.
TYPED_MAX = 4096
TYPED_SIZE_MAX = 1000

_Text = tuple[str, bytes | None, tuple[bytes, ...], bytes | None]
_Typed = tuple[_Text, ...]

UNDEFINED = plan.Constant(None)
BINARY = "binary"


class Plan(NamedTuple):
    """A filter ready to run."""

    node: Node
    words: tuple[str, ...]  # typed words, for best first; empty when nothing ranks
    exact: bool  # equality of a mail, uid or national id: never cut by the server's own limit
    substrings: bool  # holds a substrings assertion

    def holds(self, hit: tuple[Sight, int], numbering: Numbering) -> bool:
        """Whether an entry is what is searched for, by what it says itself."""
        return self.node.check(Candidate(hit[0].part, hit[1], numbering)) is True


class _Reading(NamedTuple):
    """What is gathered while a filter is read."""

    words: dict[str, None]
    kinds: set[type]
    family: Callable[[], Family]


class Compiler:
    """Compiles filters for one schema; stateless between filters."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._schema = numbering.schema
        self._operands: dict[str, Operand | None] = {}
        self._typed: dict[_Typed, tuple[Node, dict[str, None]]] = {}
        # A further schema file may give them subtypes, whose values do not stand in the union text.
        counts = [
            sum(name in t.supertypes for t in self._schema.attribute_types)
            for name in ngrams.UNION_ATTRIBUTES
        ]
        self._united = max(counts) == 1

    def plan(self, filter_: Filter, family: Callable[[], Family]) -> Plan:
        """family: who has entries below it, for the asker; called when the filter wants to know."""
        reading = _Reading({}, set(), family)
        node = self._node(filter_, reading)
        return Plan(
            node,
            tuple(reading.words)[:RANKING_WORDS_MAX],
            self._is_exact(filter_),
            filters.Substrings in reading.kinds,
        )

    def item(self, filter_: Filter, family: Callable[[], Family]) -> Node:
        """One part by itself, to be asked of values."""
        return self._node(filter_, _Reading({}, set(), family))

    def _is_exact(self, filter_: Filter) -> bool:
        match filter_:
            case filters.Equality(attribute=attribute):
                known = self._schema.attribute(attribute)
                return known is not None and known.key in ("mail", "uid", "identifiantpp")
            case filters.And(parts=parts):
                return any(self._is_exact(part) for part in parts)
            case filters.Or(parts=parts):
                return bool(parts) and all(self._is_exact(part) for part in parts)
        return False

    # -------------------------------------------------------------- nodes

    def _node(self, filter_: Filter, reading: _Reading) -> Node:
        reading.kinds.add(type(filter_))
        match filter_:
            case filters.And(parts=parts):
                return _all([self._node(part, reading) for part in parts])
            case filters.Or():
                return self._or(filter_, reading)
            case filters.Not(part=part):
                return plan.Opposite(self._node(part, reading._replace(words={})))
        node = self._item(filter_, reading.words)
        return self._counted(filter_, node, reading) if self._is_computed(filter_.attribute) else node

    def _counted(self, filter_: Filter, node: Node, reading: _Reading) -> Node:
        """An item about what is computed; `:dn:` asks the name as well, which is stored."""
        if node is UNDEFINED:
            return node
        if isinstance(filter_, filters.Extensible) and filter_.dn_attributes:
            plain = dataclasses.replace(filter_, dn_attributes=False)
            return plan.Some([node, self._node(plain, reading)])
        return Counted(node, reading.family(), self._numbering)

    def _item(self, filter_: Filter, words: dict[str, None]) -> Node:
        match filter_:
            case filters.Equality(attribute=attribute, value=value):
                return self._equality(attribute, value)
            case filters.Substrings():
                return self._substrings(filter_, words)
            case filters.Present(attribute=attribute):
                operand = self._operand(attribute)
                return UNDEFINED if operand is None else plan.Present(operand)
            case filters.GreaterOrEqual(attribute=attribute, value=value):
                return self._ordering(attribute, value, at_least=True)
            case filters.LessOrEqual(attribute=attribute, value=value):
                return self._ordering(attribute, value, at_least=False)
            case filters.Approximate(attribute=attribute, value=value):
                return self._approximate(attribute, value, words)
            case filters.Extensible():
                return self._extensible(filter_)
        raise AssertionError("not an item")

    def _or(self, filter_: filters.Or, reading: _Reading) -> Node:
        parts = _flatten(filter_)
        text = tuple(
            [(p.attribute, p.initial, p.any, p.final) for p in parts if type(p) is filters.Substrings]
        )
        if len(text) != len(parts):
            return self._some(parts, reading)
        # What one user types, others type: the same OR of substrings is compiled once.
        reading.kinds.add(filters.Substrings)
        known = self._typed.get(text)
        if known is None:
            own: dict[str, None] = {}
            known = (self._some(parts, reading._replace(words=own)), own)
            if len(self._typed) >= TYPED_MAX:
                self._typed.clear()
            if sum(map(_size, text)) < TYPED_SIZE_MAX:
                self._typed[text] = known
        reading.words.update(known[1])
        return known[0]

    def _some(self, parts: list[Filter], reading: _Reading) -> Node:
        # Note [One union text]: the same assertion on every attribute of the union text is one look-up.
        typed: dict[tuple[bytes | None, tuple[bytes, ...], bytes | None], set[str]] = {}
        for part in parts:
            if isinstance(part, filters.Substrings):
                known = self._schema.describe(part.attribute)
                if known.type is not None and not known.options:
                    typed.setdefault((part.initial, part.any, part.final), set()).add(known.type.key)
        whole = {
            texts
            for texts, keys in typed.items()
            if self._united and keys.issuperset(ngrams.UNION_ATTRIBUTES)
        }
        nodes: list[Node] = []
        for part in parts:
            if isinstance(part, filters.Substrings) and (part.initial, part.any, part.final) in whole:
                known = self._schema.describe(part.attribute)
                if known.type is not None and not known.options and known.type.key in ngrams.UNION_ATTRIBUTES:
                    if known.type.key == ngrams.UNION_ATTRIBUTES[0]:
                        reading.kinds.add(filters.Substrings)
                        nodes.append(self._union(part, known.type, reading.words))
                    continue
            nodes.append(self._node(part, reading))
        return nodes[0] if len(nodes) == 1 else plan.Some(nodes)

    def _union(self, part: filters.Substrings, attribute: AttributeType, words: dict[str, None]) -> Node:
        fold = folding.substrings(attribute)
        pieces = None if fold is None else _pieces(part, fold)
        if pieces is None:
            return UNDEFINED
        if pieces.empty:  # `*-*`: whoever has a value
            operands = [self._operand(name) for name in ngrams.UNION_ATTRIBUTES]
            return plan.Some([plan.Present(operand) for operand in operands if operand is not None])
        _remember(pieces, words)
        return plan.UnionPieces(pieces)

    def _operand(self, description: str) -> Operand | None:
        """The types that a description speaks of: itself and its subtypes (RFC 4512 §2.5.1)."""
        if description in self._operands:
            return self._operands[description]
        known = self._schema.describe(description)
        operand = None
        if known.type is not None:
            key = known.type.key
            types = [t for t in self._schema.attribute_types if key == t.key or key in t.supertypes]
            types.sort(key=lambda t: t.key)
            numbers = [self._numbering.of(t) for t in types]
            operand = Operand(types, numbers, known.options - {BINARY})
        if len(self._operands) < 4096 and len(description) < 200:  # descriptions come from outside
            self._operands[description] = operand
        return operand

    def _is_computed(self, description: str | None) -> bool:
        """Whether it is about what is not stored."""
        operand = self._operand(description) if description else None
        return operand is not None and not COMPUTED.isdisjoint(operand.names)

    def _equality(self, description: str, value: bytes) -> Node:
        operand = self._operand(description)
        if operand is None:
            return UNDEFINED
        folded = {}
        for attribute in operand.types:
            fold = folding.equality(attribute)
            text = None if fold is None else fold(value)
            if text is not None:
                folded[attribute.name] = text
        # A type without the rule, or a value that its syntax refuses, is Undefined; a subtype's is not asked.
        return plan.Equal(operand, folded) if folded else UNDEFINED

    def _substrings(self, part: filters.Substrings, words: dict[str, None]) -> Node:
        operand = self._operand(part.attribute)
        if operand is None:
            return UNDEFINED
        nodes: list[Node] = []
        for attribute, number in zip(operand.types, operand.numbers, strict=True):
            fold = folding.substrings(attribute)
            pieces = None if fold is None else _pieces(part, fold)
            if pieces is None:
                continue
            alone = Operand([attribute], [number], operand.options)
            if pieces.empty:
                nodes.append(plan.Present(alone))
                continue
            segment = None
            if attribute.key in ngrams.UNION_ATTRIBUTES:
                segment = ngrams.UNION_ATTRIBUTES.index(attribute.key)
                _remember(pieces, words)
            nodes.append(plan.Substrings(alone, pieces, number, segment))
        if not nodes:
            return UNDEFINED
        return nodes[0] if len(nodes) == 1 else plan.Some(nodes)

    def _ordering(self, description: str, value: bytes, *, at_least: bool) -> Node:
        operand = self._operand(description)
        if operand is None:
            return UNDEFINED
        folds, limits = {}, {}
        for attribute in operand.types:
            fold = folding.ordering(attribute, self._schema.rules)
            limit = None if fold is None else fold(value)
            if fold is not None and limit is not None:
                folds[attribute.key], limits[attribute.key] = fold, limit
        if not folds:
            return UNDEFINED

        def test(candidate: Candidate) -> Truth:
            for attribute, stored in operand.values(candidate):
                if attribute.key in folds:
                    folded = folds[attribute.key](stored)
                    limit = limits[attribute.key]
                    if folded is not None and (folded >= limit if at_least else folded <= limit):
                        return True
            return False

        return plan.Verified(_present(operand), test)

    def _approximate(self, description: str, value: bytes, words: dict[str, None]) -> Node:
        operand = self._operand(description)
        known = self._schema.attribute(description)
        rule = None if known is None else known.equality_rule
        if operand is None or rule is None or not matching.is_text(rule):
            return self._equality(description, value)
        folded = folding.name(value)
        asserted = [] if folded is None else folding.words(folded)
        if folded is None or len(asserted) > approximate.WORDS_MAX:
            return UNDEFINED
        if not asserted:
            return self._equality(description, value)

        def test(candidate: Candidate) -> Truth:
            return any(
                approximate.matches(asserted, folding.words(folding.name(stored) or ""))
                for _, stored in operand.values(candidate)
            )

        if operand.names <= set(ngrams.UNION_ATTRIBUTES):
            for word in asserted:
                words[word[: layout.WORD_MAX]] = None
            return plan.Verified(lambda sight, chunk: _near(sight, chunk, asserted), test)
        return plan.Verified(_present(operand), test)

    def _extensible(self, filter_: filters.Extensible) -> Node:
        """RFC 4511 §4.5.1.7.7: with a rule, compared by that rule; without one, as equality of the type."""
        if filter_.rule is None and filter_.attribute is not None and not filter_.dn_attributes:
            return self._equality(filter_.attribute, filter_.value)
        prepared = evaluation.prepare(filter_, self._schema, _folded)
        if prepared.matches(_NO_NAME, {}) is None:
            return UNDEFINED

        def test(candidate: Candidate) -> Truth:
            name = dn.parse(candidate.dn) if filter_.dn_attributes else _NO_NAME
            return prepared.matches(name, candidate.attributes)

        if filter_.dn_attributes or filter_.attribute is None:
            return plan.Verified(None, test)
        operand = self._operand(filter_.attribute)
        return UNDEFINED if operand is None else plan.Verified(_present(operand), test)


_NO_NAME = dn.Dn(())


@lru_cache(maxsize=1024)
def _folded(attribute: AttributeType) -> matching.Normalise | None:
    """How values of a type are compared here, for `ldap.evaluation`."""
    fold = folding.equality(attribute)
    if fold is None:
        return None

    def normalise(value: bytes) -> bytes | None:
        folded = fold(value)
        return None if folded is None else folded.encode("utf-8", "surrogatepass")

    return normalise


def _all(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else plan.All(nodes)


def _flatten(filter_: filters.Or) -> list[Filter]:
    """The parts of an OR, those of the ORs inside it included (Outlook nests them five deep)."""
    flat: list[Filter] = []
    waiting = list(reversed(filter_.parts))
    while waiting:
        part = waiting.pop()
        if isinstance(part, filters.Or) and part.parts:
            waiting.extend(reversed(part.parts))
        else:
            flat.append(part)
    return flat


def _size(text: _Text) -> int:
    return len(text[0]) + len(text[1] or b"") + sum(map(len, text[2])) + len(text[3] or b"") + 8


def _pieces(part: filters.Substrings, fold: folding.Fold) -> plan.Pieces | None:
    """The folded pieces; those that say nothing are left out. None: one is no value of the type."""
    folded: list[str | None] = []
    for piece in (part.initial, part.final, *part.any):
        form = "" if piece is None else fold(piece)
        if form is None:
            return None
        # Of blanks alone, a rule of RFC 4518 makes one blank.
        folded.append(form.strip(" ") or None)
    initial, final, *middle = folded
    return plan.Pieces(initial, [piece for piece in middle if piece], final)


def _remember(pieces: plan.Pieces, words: dict[str, None]) -> None:
    for piece in (pieces.initial, *pieces.any, pieces.final):
        for word in folding.words(piece or ""):
            words[word[: layout.WORD_MAX]] = None


def _present(operand: Operand) -> Callable[[Sight, int], BitMap]:
    numbers = operand.numbers
    return lambda sight, chunk: BitMap.union(*[sight.present(chunk, n) for n in numbers])


def _near(sight: Sight, chunk: int, words: list[str]) -> BitMap:
    """A superset of the entries with words like these: each begins a word, or one half of it is intact."""

    def like(word: str) -> BitMap:
        found = sight.word_start(chunk, word[: layout.WORD_MAX])
        if len(word) < approximate.EDITED_LENGTH_MIN:
            return found
        middle = len(word) // 2
        for half in (word[:middle], word[middle:]):
            grams, _ = ngrams.gram_keys(half[: plan.LOOKED_FOR_MAX])
            found = found | reduce(lambda a, b: a & b, [sight.gram(chunk, layout.UNION, g) for g in grams])
        return found

    return reduce(lambda a, b: a & b, [like(word) for word in words])
