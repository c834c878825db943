"""Turns a filter (RFC 4511 §4.5.1.7) into a plan: unknown attributes and invalid values become Undefined, one
typed word ORed over the attributes of the union text becomes one look-up, and the typed words are kept aside
for ranking.
"""

from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

from pyroaring import BitMap

from annuaire.index import folding, layout, ngrams, plan
from annuaire.index.candidate import Candidate
from annuaire.index.plan import Node, Operand, Truth
from annuaire.index.prepare import Numbering
from annuaire.index.sight import Sight
from annuaire.ldap import filters
from annuaire.ldap.filters import Filter
from annuaire.ldap.schema import AttributeType

# Words of a filter that rank its results: a person types a few.
RANKING_WORDS_MAX = 8
# Words that differ by one edit match in `~=` from this length on.
EDITED_MIN = 5

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


class Compiler:
    """Compiles filters for one schema; stateless between filters."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._schema = numbering.schema
        self._operands: dict[str, Operand | None] = {}
        self._typed: dict[_Typed, tuple[Node, dict[str, None]]] = {}

    def plan(self, filter_: Filter) -> Plan:
        words: dict[str, None] = {}
        kinds: set[type] = set()
        node = self._node(filter_, words, kinds)
        return Plan(
            node,
            tuple(words)[:RANKING_WORDS_MAX],
            self._is_exact(filter_),
            filters.Substrings in kinds,
        )

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

    def _node(self, filter_: Filter, words: dict[str, None], kinds: set[type]) -> Node:
        kinds.add(type(filter_))
        match filter_:
            case filters.And(parts=parts):
                return _all([self._node(part, words, kinds) for part in parts])
            case filters.Or():
                return self._or(filter_, words, kinds)
            case filters.Not(part=part):
                return plan.Opposite(self._node(part, {}, kinds))
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

    def _or(self, filter_: filters.Or, words: dict[str, None], kinds: set[type]) -> Node:
        parts = _flatten(filter_)
        text = tuple(
            [(p.attribute, p.initial, p.any, p.final) for p in parts if type(p) is filters.Substrings]
        )
        if len(text) != len(parts):
            return self._some(parts, words, kinds)
        # What one user types, others type: the same OR of substrings is compiled once.
        kinds.add(filters.Substrings)
        known = self._typed.get(text)
        if known is None:
            own: dict[str, None] = {}
            known = (self._some(parts, own, kinds), own)
            if len(self._typed) >= TYPED_MAX:
                self._typed.clear()
            if sum(map(_size, text)) < TYPED_SIZE_MAX:
                self._typed[text] = known
        words.update(known[1])
        return known[0]

    def _some(self, parts: list[Filter], words: dict[str, None], kinds: set[type]) -> Node:
        # Note [One union text]: the same assertion on every attribute of the union text is one look-up.
        typed: dict[tuple[bytes | None, tuple[bytes, ...], bytes | None], set[str]] = {}
        for part in parts:
            if isinstance(part, filters.Substrings):
                known = self._schema.describe(part.attribute)
                if known.type is not None and not known.options:
                    typed.setdefault((part.initial, part.any, part.final), set()).add(known.type.key)
        whole = {texts for texts, keys in typed.items() if keys.issuperset(ngrams.UNION_ATTRIBUTES)}
        nodes: list[Node] = []
        for part in parts:
            if isinstance(part, filters.Substrings) and (part.initial, part.any, part.final) in whole:
                known = self._schema.describe(part.attribute)
                if known.type is not None and not known.options and known.type.key in ngrams.UNION_ATTRIBUTES:
                    if known.type.key == ngrams.UNION_ATTRIBUTES[0]:
                        kinds.add(filters.Substrings)
                        nodes.append(self._union(part, known.type, words))
                    continue
            nodes.append(self._node(part, words, kinds))
        return nodes[0] if len(nodes) == 1 else plan.Some(nodes)

    def _union(self, part: filters.Substrings, attribute: AttributeType, words: dict[str, None]) -> Node:
        fold = folding.substrings(attribute)
        pieces = None if fold is None else _pieces(part, fold)
        if pieces is None:
            return UNDEFINED
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
        if len(self._operands) < 4096:  # descriptions come from outside
            self._operands[description] = operand
        return operand

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
            segment = None
            if attribute.key in ngrams.UNION_ATTRIBUTES:
                segment = ngrams.UNION_ATTRIBUTES.index(attribute.key)
                _remember(pieces, words)
            nodes.append(
                plan.Substrings(Operand([attribute], [number], operand.options), pieces, number, segment)
            )
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
        if operand is None:
            return UNDEFINED
        folds = {t.key: folding.substrings(t) or folding.equality(t) for t in operand.types}
        try:
            asserted = folding.words(folding.fold_name(value.decode()))
        except UnicodeDecodeError:
            return UNDEFINED
        if not any(folds.values()):
            return UNDEFINED
        if not asserted:
            return self._equality(description, value)

        def test(candidate: Candidate) -> Truth:
            for attribute, stored in operand.values(candidate):
                fold = folds.get(attribute.key)
                folded = None if fold is None else fold(stored)
                if folded is not None and sounds_like(asserted, folding.words(folding.fold_name(folded))):
                    return True
            return False

        keys = {t.key for t in operand.types}
        if keys <= set(ngrams.UNION_ATTRIBUTES):
            for word in asserted:
                words[word] = None
            return plan.Verified(lambda sight, chunk: _near(sight, chunk, asserted), test)
        return plan.Verified(_present(operand), test)

    def _extensible(self, filter_: filters.Extensible) -> Node:
        """RFC 4511 §4.5.1.7.7: with a rule, compared by that rule; without one, as equality of the type."""
        rule = None
        if filter_.rule is not None:
            rule = self._schema.rule(filter_.rule)
            if rule is None or rule.kind is not rule.kind.EQUALITY:
                return UNDEFINED
        operand = None
        if filter_.attribute is not None:
            operand = self._operand(filter_.attribute)
            if operand is None:
                return UNDEFINED
        if operand is None and rule is None:
            return UNDEFINED
        if rule is None and operand is not None:
            node: Node = self._equality(filter_.attribute or "", filter_.value)
            forms = {t.key: folding.equality(t) for t in operand.types}
        else:
            assert rule is not None
            form = rule.normalise
            asserted = form(filter_.value)
            if asserted is None:
                return UNDEFINED
            node = plan.Verified(
                None if operand is None else _present(operand), _by_rule(operand, form, asserted)
            )
            folded_form = _as_fold(form)
            types = self._schema.attribute_types if operand is None else operand.types
            forms = {t.key: folded_form for t in types}
        if not filter_.dn_attributes:
            return node
        return plan.Some([node, plan.Verified(None, self._in_dn(forms, filter_.value))])

    def _in_dn(self, forms: dict[str, folding.Fold | None], value: bytes) -> Callable[[Candidate], Truth]:
        """Whether a component of the entry's DN matches (`:dn:`)."""
        from annuaire.ldap import dn

        def test(candidate: Candidate) -> Truth:
            for rdn in dn.parse(candidate.dn).rdns:
                for name, text in rdn.pairs:
                    attribute = self._schema.attribute(name)
                    form = None if attribute is None else forms.get(attribute.key)
                    asserted = None if form is None else form(value)
                    if form is not None and asserted is not None and form(text.encode()) == asserted:
                        return True
            return False

        return test


def _as_fold(normalise: Callable[[bytes], bytes | None]) -> folding.Fold:
    def fold(value: bytes) -> str | None:
        normal = normalise(value)
        return None if normal is None else normal.decode("latin-1")

    return fold


def _by_rule(
    operand: Operand | None, normalise: Callable[[bytes], bytes | None], asserted: bytes
) -> Callable[[Candidate], Truth]:
    def test(candidate: Candidate) -> Truth:
        if operand is not None:
            return any(normalise(value) == asserted for _, value in operand.values(candidate))
        return any(normalise(v) == asserted for values in candidate.attributes.values() for v in values)

    return test


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
    initial = None if part.initial is None else fold(part.initial)
    final = None if part.final is None else fold(part.final)
    middle = [fold(piece) for piece in part.any]
    if (
        (initial is None) != (part.initial is None)
        or (final is None) != (part.final is None)
        or None in middle
    ):
        return None
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
        if len(word) < EDITED_MIN:
            return found
        middle = len(word) // 2
        for half in (word[:middle], word[middle:]):
            grams, _ = ngrams.gram_keys(half)
            found = found | reduce(lambda a, b: a & b, [sight.gram(chunk, layout.UNION, g) for g in grams])
        return found

    return reduce(lambda a, b: a & b, [like(word) for word in words])


def sounds_like(asserted: list[str], words: list[str]) -> bool:
    """Every asserted word begins a word of the value, or differs from one by one edit (five letters and more)."""
    return all(
        any(
            word.startswith(wanted) or (len(wanted) >= EDITED_MIN and one_edit(wanted, word))
            for word in words
        )
        for wanted in asserted
    )


def one_edit(a: str, b: str) -> bool:
    """Whether one letter added, dropped, changed or swapped with the next makes one word the other."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return a == b
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if len(a) == len(b):
        return a[at + 1 :] == b[at + 1 :] or (
            a[at : at + 2] == b[at : at + 2][::-1] and a[at + 2 :] == b[at + 2 :]
        )
    shorter, longer = (a, b) if len(a) < len(b) else (b, a)
    return shorter[at:] == longer[at + 1 :]
