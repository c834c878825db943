"""A filter as set algebra over the postings of a chunk (RFC 4511 §4.5.1.7), with bounds.

Every node gives, inside a set of local ids, a lower and an upper bound of the entries for which it is TRUE, and of
those for which it is FALSE; what lies between the bounds is verified entry by entry. NOT exchanges the two, so
Undefined, which is neither, stays Undefined. An unknown attribute is Undefined, never an error.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from pyroaring import BitMap

from annuaire.index import folding, layout, ngrams, postings
from annuaire.index.candidate import Candidate
from annuaire.index.prepare import value_digest
from annuaire.index.sight import Sight
from annuaire.ldap.schema import AttributeType

Bounds = tuple[BitMap, BitMap]
Truth = bool | None
NONE: Bounds = (postings.EMPTY, postings.EMPTY)


class Node(ABC):
    """A part of a filter."""

    __slots__ = ()

    @abstractmethod
    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        """Bounds of the entries inside a set for which it is TRUE."""

    def false(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        low, high = self.true(sight, chunk, within)
        return within - high, within - low

    @abstractmethod
    def check(self, candidate: Candidate) -> Truth:
        """Whether it is TRUE of one entry, FALSE or Undefined."""

    def sparse(self, sight: Sight) -> list[int] | None:
        """The few ids outside which the node is not TRUE; None when they are not few."""
        return None

    def beyond(self, sight: Sight) -> bool:
        """Whether it may be TRUE of an entry in which no word begins with some word that was typed in it."""
        return True


class Constant(Node):
    __slots__ = ("value",)

    def __init__(self, value: Truth) -> None:
        self.value = value

    def beyond(self, sight: Sight) -> bool:
        return False  # no typed word

    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        return (within, within) if self.value else NONE

    def false(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        return (within, within) if self.value is False else NONE

    def check(self, candidate: Candidate) -> Truth:
        return self.value

    def sparse(self, sight: Sight) -> list[int] | None:
        return None if self.value else []


class All(Node):
    """AND."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[Node]) -> None:
        self.parts = parts

    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        low: BitMap | None = None
        high = within
        for part in self.parts:
            part_low, high = part.true(sight, chunk, high)
            if not high:
                return NONE
            low = part_low if low is None else low & part_low
        if low is None:
            return within, within
        # A part's low bound was taken inside the parts before it only.
        return (high, high) if len(low) == len(high) else (low & high, high)

    def false(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        return _union([part.false(sight, chunk, within) for part in self.parts])

    def beyond(self, sight: Sight) -> bool:
        return any(part.beyond(sight) for part in self.parts)

    def check(self, candidate: Candidate) -> Truth:
        undefined = False
        for part in self.parts:
            truth = part.check(candidate)
            if truth is False:
                return False
            undefined = undefined or truth is None
        return None if undefined else True

    def sparse(self, sight: Sight) -> list[int] | None:
        found = [few for few in (part.sparse(sight) for part in self.parts) if few is not None]
        return min(found, key=len) if found else None


class Some(Node):
    """OR."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[Node]) -> None:
        self.parts = parts

    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        return _union([part.true(sight, chunk, within) for part in self.parts])

    def false(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        low: BitMap | None = None
        high = within
        for part in self.parts:
            part_low, high = part.false(sight, chunk, high)
            if not high:
                return NONE
            low = part_low if low is None else low & part_low
        return (within, within) if low is None else (low & high, high)

    def check(self, candidate: Candidate) -> Truth:
        undefined = False
        for part in self.parts:
            truth = part.check(candidate)
            if truth:
                return True
            undefined = undefined or truth is None
        return None if undefined else False

    def sparse(self, sight: Sight) -> list[int] | None:
        found: set[int] = set()
        for part in self.parts:
            few = part.sparse(sight)
            if few is None:
                return None
            found.update(few)
        return sorted(found)


class Opposite(Node):
    """NOT."""

    __slots__ = ("part",)

    def __init__(self, part: Node) -> None:
        self.part = part

    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        return self.part.false(sight, chunk, within)

    def false(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        return self.part.true(sight, chunk, within)

    def check(self, candidate: Candidate) -> Truth:
        truth = self.part.check(candidate)
        return None if truth is None else not truth


def _union(bounds: list[Bounds]) -> Bounds:
    if len(bounds) == 1:
        return bounds[0]
    if not bounds:
        return NONE
    low = BitMap.union(*[b[0] for b in bounds])
    if all(b[0] is b[1] for b in bounds):
        return low, low
    return low, BitMap.union(*[b[1] for b in bounds])


class Operand:
    """The values that a part of a filter speaks of: the types that its description names, subtypes included."""

    __slots__ = ("names", "numbers", "options", "types")

    def __init__(self, types: list[AttributeType], numbers: list[int], options: frozenset[str]) -> None:
        self.types = types
        self.numbers = numbers
        self.names = frozenset(t.key for t in types)
        self.options = options

    def values(self, candidate: Candidate) -> list[tuple[AttributeType, bytes]]:
        return candidate.values(self.names, self.options)


class Present(Node):
    __slots__ = ("_exact", "operand")

    def __init__(self, operand: Operand) -> None:
        self.operand = operand
        self._exact = not operand.options

    def beyond(self, sight: Sight) -> bool:
        return False  # no typed word

    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        found = _any_of([sight.present(chunk, n) for n in self.operand.numbers], within)
        return (found, found) if self._exact else (postings.EMPTY, found)

    def check(self, candidate: Candidate) -> Truth:
        return bool(self.operand.values(candidate))


def _any_of(sets: list[BitMap], within: BitMap) -> BitMap:
    return (sets[0] if len(sets) == 1 else BitMap.union(*sets)) & within if sets else postings.EMPTY


class Equal(Node):
    """Equality: the digests of the asserted value, one for each type; `fold` is how values are compared."""

    __slots__ = ("_digests", "_exact", "_folded", "operand")

    def __init__(self, operand: Operand, folded: dict[str, str]) -> None:
        self.operand = operand
        self._folded = folded
        numbers = zip(operand.types, operand.numbers, strict=True)
        self._digests = [value_digest(n, folded[t.name]) for t, n in numbers if t.name in folded]
        self._exact = not operand.options

    def beyond(self, sight: Sight) -> bool:
        return False  # no typed word

    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        found = _any_of([sight.equal_in(chunk, d) for d in self._digests], within)
        return (found, found) if self._exact else (postings.EMPTY, found)

    def check(self, candidate: Candidate) -> Truth:
        for attribute, value in self.operand.values(candidate):
            fold = folding.equality(attribute)
            wanted = self._folded.get(attribute.name)
            if wanted is not None and fold is not None and fold(value) == wanted:
                return True
        return False

    def sparse(self, sight: Sight) -> list[int] | None:
        if len(self._digests) == 1:
            return sight.part.equal(self._digests[0])
        found: set[int] = set()
        for digest in self._digests:
            few = sight.part.equal(digest)
            if few is None:
                return None
            found.update(few)
        return sorted(found)


class Pieces:
    """The folded pieces of a substrings assertion, none empty, and how they match a text of marked values.

    Note [Outer spaces of a piece mean nothing]: a piece is folded like a value, so its outer spaces go. What the
    user has typed so far ("jean ") then finds what the finished word will.
    """

    __slots__ = ("_begun", "_grams", "_needle", "_whole", "any", "exact", "final", "initial")

    def __init__(self, initial: str | None, middle: Iterable[str], final: str | None) -> None:
        self.initial = initial
        self.any = tuple(middle)
        self.final = final
        marked = [] if initial is None else [ngrams.START + initial]
        marked += self.any
        if final is not None:
            marked.append(final + ngrams.END)
        # One piece: it is found in a text of values exactly when it is found in one of them.
        self._needle = marked[0] if len(marked) == 1 else None
        looked_for = [ngrams.gram_keys(piece[:LOOKED_FOR_MAX]) for piece in marked]
        self.exact = len(marked) == 1 and looked_for[0][1]
        self._grams = list(dict.fromkeys([gram for grams, _ in looked_for for gram in grams]))
        self._begun, self._whole = _certain_words(marked)

    @property
    def empty(self) -> bool:
        """Nothing is asked: any value matches."""
        return self.initial is None and self.final is None and not self.any

    @property
    def word(self) -> str | None:
        """The word, when the assertion is one word anywhere in the value."""
        if self.initial is None and self.final is None and len(self.any) == 1:
            piece = self.any[0]
            if len(piece) <= layout.WORD_PIECE_MAX and folding.words(piece) == [piece]:
                return piece
        return None

    def candidates(self, sight: Sight, chunk: int, attribute: int, within: BitMap) -> BitMap:
        """A superset, inside `within`, of the entries that match; the set itself when `exact`."""
        found = within
        if attribute == layout.UNION and not self.exact:
            for word in self._whole:
                found = found & sight.word(chunk, word)
            for start in self._begun:
                found = found & sight.word_start(chunk, start)
            if not found:
                return found
        for term in self._grams:
            found = found & sight.gram(chunk, attribute, term)
            if not found:
                break
        return found

    def match_text(self, text: str) -> bool:
        """Whether a value matches, in a text of values between marks."""
        if self._needle is not None:
            return self._needle in text
        return any(self.match(value.partition(ngrams.END)[0]) for value in text.split(ngrams.START)[1:])

    def match(self, value: str) -> bool:
        """Whether one folded value matches: the pieces in order, without overlap."""
        start, end = 0, len(value)
        if self.initial is not None:
            if not value.startswith(self.initial):
                return False
            start = len(self.initial)
        if self.final is not None:
            end -= len(self.final)
            if end < start or not value.endswith(self.final):
                return False
        for piece in self.any:
            at = value.find(piece, start, end)
            if at < 0:
                return False
            start = at + len(piece)
        return True


# Of a longer piece, its beginning is looked up; the values that have that are few, and are read.
LOOKED_FOR_MAX = 64
_WORD = re.compile(r"[^\W_]+")


def _certain_words(marked: list[str]) -> tuple[list[str], list[bytes]]:
    """What pieces say of the words of a text: some begin so, some are whole. Far rarer than their n-grams."""
    begun: list[str] = []
    whole: list[bytes] = []
    for piece in marked:
        piece = piece[:LOOKED_FOR_MAX]
        for found in _WORD.finditer(piece):
            word = found[0][: layout.WORD_MAX]
            if not found.start():
                continue  # it may be the end of a word
            if found.end() == len(piece):
                begun.append(word)
            else:
                whole.append(word.encode("utf-8", "surrogatepass"))
    return begun, whole


class UnionPieces(Node):
    """The same substrings assertion ORed over every attribute of the union text: one look-up, one test."""

    __slots__ = ("_only_initial", "_pieces", "_start", "_start_is_all", "_word")

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._word = None if pieces.exact else pieces.word
        self._only_initial = bool(pieces.initial) and not pieces.any and pieces.final is None
        initial = ngrams.start_term("" if pieces.exact else pieces.initial or "")
        self._start: bytes | None = None
        for size in layout.VALUE_STARTS:
            if len(initial) >= 2 * size:
                self._start = initial[: 2 * size]
        self._start_is_all = self._only_initial and self._start == initial

    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        if self._start is not None:
            found = sight.value_start(chunk, self._start) & within
            if self._start_is_all or not found:
                return found, found
            return postings.EMPTY, self._pieces.candidates(sight, chunk, layout.UNION, found)
        if self._word is None:
            found = self._pieces.candidates(sight, chunk, layout.UNION, within)
            return (found, found) if self._pieces.exact else (postings.EMPTY, found)
        # One word anywhere: it is in an entry exactly when it is in one of the entry's words.
        low = sight.word_start(chunk, self._word) & within
        if len(low) == len(within):
            return low, low
        inside = sight.inside_words(self._word)
        if inside is not None:
            if inside:
                low = low | (BitMap.union(*[sight.word(chunk, word) for word in inside]) & within)
            return low, low
        return low, self._pieces.candidates(sight, chunk, layout.UNION, within)

    def beyond(self, sight: Sight) -> bool:
        if self._word is not None:
            return sight.inside_words(self._word) != []
        # Every word of a value's beginning begins a word.
        return not self._only_initial

    def check(self, candidate: Candidate) -> Truth:
        return self._pieces.match_text(candidate.text)


class Substrings(Node):
    """A substrings assertion on one type; `segment` is its place in the union text, if it stands there."""

    __slots__ = ("_attribute", "_exact", "_pieces", "_segment", "operand")

    def __init__(self, operand: Operand, pieces: Pieces, number: int, segment: int | None) -> None:
        self.operand = operand
        self._pieces = pieces
        self._segment = segment
        self._attribute = layout.UNION if segment is not None else number
        self._exact = pieces.exact and segment is None and not operand.options

    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        found = self._pieces.candidates(sight, chunk, self._attribute, within)
        return (found, found) if self._exact else (postings.EMPTY, found)

    def check(self, candidate: Candidate) -> Truth:
        if self._segment is not None and not self.operand.options:
            return self._pieces.match_text(candidate.segment(self._segment))
        for attribute, value in self.operand.values(candidate):
            fold = folding.substrings(attribute)
            folded = None if fold is None else fold(value)
            if folded is not None and self._pieces.match(folded):
                return True
        return False


class Verified(Node):
    """What no posting decides: ordering, `~=`, extensible rules. Candidates, then a test of the values."""

    __slots__ = ("_candidates", "_test")

    def __init__(
        self,
        candidates: Callable[[Sight, int], BitMap] | None,
        test: Callable[[Candidate], Truth],
    ) -> None:
        self._candidates = candidates
        self._test = test

    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        if self._candidates is None:
            return postings.EMPTY, within
        return postings.EMPTY, self._candidates(sight, chunk) & within

    def check(self, candidate: Candidate) -> Truth:
        return self._test(candidate)
