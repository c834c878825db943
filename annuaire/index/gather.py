"""From a plan to the entries that match, in order: best first, (cn, DN), or sorted.

Everything here is a generator that yields None when its slice of work is over, so that no request holds the
reactor, and returns what it found. Ids go with the sight they belong to.
"""

import time
from collections.abc import Callable, Generator, Iterator
from functools import reduce

from pyroaring import BitMap

from annuaire.index import entry as entries
from annuaire.index import layout, postings
from annuaire.index.candidate import Candidate
from annuaire.index.compile import Plan
from annuaire.index.plan import Bounds, Node
from annuaire.index.prepare import Numbering
from annuaire.index.sight import Sight

# A slice of work: short enough that another client's keystroke does not wait for it.
SLICE_SECONDS = 0.004
# Words of so many letters and more make a filter selective.
SELECTIVE_MIN = 4
# The clock is read once for so many verified entries: each may cost 2 to 20 µs.
VERIFIED_AT_ONCE = 64

Universe = dict[int, BitMap]
Hit = tuple[Sight, int]
monotonic = time.monotonic


class Clock:
    """Says when the slice is over."""

    __slots__ = ("end",)

    def __init__(self) -> None:
        self.end = monotonic() + SLICE_SECONDS

    def over(self) -> bool:
        return monotonic() > self.end

    def restart(self) -> None:
        self.end = monotonic() + SLICE_SECONDS


def decide(
    node: Node, sight: Sight, chunk: int, within: BitMap, need: int, numbering: Numbering, clock: Clock
) -> Generator[None, None, list[int]]:
    """The first `need` local ids inside `within` for which the node is TRUE, ascending."""
    return (yield from settle(node, node.true(sight, chunk, within), sight, chunk, need, numbering, clock))


def settle(
    node: Node, bounds: Bounds, sight: Sight, chunk: int, need: int, numbering: Numbering, clock: Clock
) -> Generator[None, None, list[int]]:
    """The first `need` local ids between the bounds for which the node is TRUE, ascending."""
    low, high = bounds
    if low is high or len(low) == len(high):
        return list(high[:need]) if len(high) > need else list(high)
    found: list[int] = []
    first = chunk << layout.CHUNK_BITS
    check, part = node.check, sight.part
    for count, local in enumerate(high, 1):
        if local in low or check(Candidate(part, first + local, numbering)):
            found.append(local)
            if len(found) == need:
                break
        if not count % VERIFIED_AT_ONCE and clock.over():
            yield None
            clock.restart()
    return found


def few(plan: Plan, sight: Sight, universe: Universe) -> Universe:
    """The universe, narrowed when the filter names a few ids."""
    sparse = plan.node.sparse(sight)
    if sparse is None:
        return universe
    narrowed: dict[int, list[int]] = {}
    for identifier in sparse:
        narrowed.setdefault(identifier >> layout.CHUNK_BITS, []).append(identifier & layout.CHUNK_MASK)
    return {c: universe[c] & BitMap(ids) for c, ids in narrowed.items() if c in universe}


# ------------------------------------------------------------------ best first


def ranked(
    plan: Plan, sights: list[tuple[Sight, Universe]], limit: int, numbering: Numbering, clock: Clock
) -> Generator[None, None, tuple[list[Hit], bool]]:
    """At most `limit` entries, the best ones, and whether there are more.

    Whole words come first, then words that the typed ones begin, then the rest; inside each, (cn, DN).
    Note [Best first is global]: every chunk gives its whole-word entries before any gives its others.
    """
    narrowed = [(sight, few(plan, sight, universe)) for sight, universe in sights]
    hits: list[Hit] = []
    # Several long words: few entries match, so each chunk is matched once and the tiers divide the result. One word,
    # or short ones: the first tiers fill the answer, so the filter is run inside a tier only.
    selective = len(plan.words) > 1 and min(map(len, plan.words)) >= SELECTIVE_MIN
    matched: dict[tuple[int, int], Bounds] = {}
    node = plan.node
    for tier, rest in _tiers(plan, sights):
        by_sight: list[list[Hit]] = []
        for sight, universe in narrowed:
            if rest and not node.beyond(sight):
                by_sight.append([])
                continue
            need = limit + 1 - len(hits)
            # A base is in order: its first entries are its best. The recent part is small and is not.
            wanted = need if sight.part.frozen else sight.part.count
            found: list[Hit] = []
            for chunk, seen in universe.items():
                if selective:
                    bounds = matched.get((id(sight), chunk))
                    if bounds is None:
                        bounds = matched[(id(sight), chunk)] = node.true(sight, chunk, seen)
                    low, high = bounds
                    if not high:
                        continue
                    within = tier(sight, chunk, high)
                    if not within:
                        continue
                    bounds = (within, within) if low is high else (low & within, within)
                else:
                    within = tier(sight, chunk, seen)
                    if not within:
                        continue
                    bounds = node.true(sight, chunk, within)
                first = chunk << layout.CHUNK_BITS
                locals_ = yield from settle(node, bounds, sight, chunk, wanted - len(found), numbering, clock)
                found += [(sight, first + local) for local in locals_]
                if len(found) >= wanted:
                    break
                if clock.over():
                    yield None
                    clock.restart()
            by_sight.append(found)
        hits += by_sight[0] if len(by_sight) == 1 or not by_sight[1] else _in_order(by_sight)
        if len(hits) > limit:
            return hits[:limit], True
    return hits, False


def _in_order(by_sight: list[list[Hit]]) -> list[Hit]:
    return sorted([hit for found in by_sight for hit in found], key=order_key)


def order_key(hit: Hit) -> bytes:
    """The place of an entry in the order (cn, DN)."""
    return entries.sort_key_of(hit[0].part.details(hit[1]))


Tier = Callable[[Sight, int, BitMap], BitMap]


def _tiers(plan: Plan, sights: list[tuple[Sight, Universe]]) -> list[tuple[Tier, bool]]:
    """Whole words, words begun, and the rest (told by True): disjoint parts of a chunk's universe."""
    words = plan.words
    if not words:
        return [(lambda sight, chunk, seen: seen, False)]
    encoded = [word.encode("utf-8", "surrogatepass") for word in words]
    begun: dict[tuple[int, int], BitMap] = {}

    def whole(sight: Sight, chunk: int, seen: BitMap) -> BitMap:
        found = seen
        for word in encoded:
            found = found & sight.word(chunk, word)
            if not found:
                return postings.EMPTY
        return found

    def beginning(sight: Sight, chunk: int, seen: BitMap) -> BitMap:
        known = begun.get((id(sight), chunk))
        if known is None:
            known = reduce(lambda a, b: a & b, [sight.word_start(chunk, word) for word in words])
            begun[(id(sight), chunk)] = known
        return known

    def second(sight: Sight, chunk: int, seen: BitMap) -> BitMap:
        found = beginning(sight, chunk, seen) & seen
        return found - whole(sight, chunk, found) if found else found

    def rest(sight: Sight, chunk: int, seen: BitMap) -> BitMap:
        return seen - beginning(sight, chunk, seen)

    if any(all(sight.part.has_word(word) for word in words) for sight, _ in sights):
        return [(whole, False), (second, False), (rest, True)]
    return [(lambda sight, chunk, seen: beginning(sight, chunk, seen) & seen, False), (rest, True)]


# ------------------------------------------------------------------ in order


def ordered(
    plan: Plan,
    sights: list[tuple[Sight, Universe]],
    after: bytes | None,
    numbering: Numbering,
    clock: Clock,
) -> Generator[None, None, Iterator[Hit]]:
    """Every match after a place, in (cn, DN) order, found as it is read; None stands for the end of a slice.

    The recent part is matched whole first: it is small, and has no order of its own.
    """
    recent: list[tuple[bytes, Hit]] = []
    for sight, universe in sights[1:]:
        for chunk, seen in few(plan, sight, universe).items():
            first = chunk << layout.CHUNK_BITS
            found = yield from decide(plan.node, sight, chunk, seen, layout.CHUNK_SIZE, numbering, clock)
            recent += [(order_key((sight, first + i)), (sight, first + i)) for i in found]
    recent.sort(key=lambda pair: pair[0])
    if after is not None:
        recent = [pair for pair in recent if pair[0] > after]
    base, universe = sights[0]
    start = 0 if after is None else first_after(base, after)
    return _merged(plan, base, few(plan, base, universe), start, recent, numbering, clock)


def _merged(
    plan: Plan,
    base: Sight,
    universe: Universe,
    start: int,
    recent: list[tuple[bytes, Hit]],
    numbering: Numbering,
    clock: Clock,
) -> Iterator[Hit]:
    waiting = 0
    for chunk in sorted(universe):
        first = chunk << layout.CHUNK_BITS
        if first + layout.CHUNK_SIZE <= start:
            continue
        seen = universe[chunk]
        if start > first:
            seen = seen - BitMap(range(start - first))
        low, high = plan.node.true(base, chunk, seen)
        for local in high:
            hit = (base, first + local)
            if local not in low:
                if clock.over():
                    yield PAUSE
                if not plan.node.check(Candidate(base.part, hit[1], numbering)):
                    continue
            if waiting < len(recent):
                key = order_key(hit)
                while waiting < len(recent) and recent[waiting][0] < key:
                    yield recent[waiting][1]
                    waiting += 1
            yield hit
        if clock.over():
            yield PAUSE
    for _, hit in recent[waiting:]:
        yield hit


def first_after(base: Sight, place: bytes) -> int:
    """The first id of a base whose entry comes after a place in the order."""
    low, high = 0, base.part.count
    while low < high:
        middle = (low + high) // 2
        if entries.sort_key_of(base.part.details(middle)) <= place:
            low = middle + 1
        else:
            high = middle
    return low


# ------------------------------------------------------------------ all


def matched(
    plan: Plan, sight: Sight, universe: Universe, numbering: Numbering, clock: Clock
) -> Generator[None, None, Universe]:
    """Every match of one part, as sets."""
    found: Universe = {}
    for chunk, seen in few(plan, sight, universe).items():
        low, high = plan.node.true(sight, chunk, seen)
        if low is not high and len(low) != len(high):
            ids = yield from settle(plan.node, (low, high), sight, chunk, len(high), numbering, clock)
            high = BitMap(ids)
        if high:
            found[chunk] = high
        if clock.over():
            yield None
            clock.restart()
    return found


# Stands for a hit when a slice of work is over.
PAUSE: Hit = (None, -1)  # type: ignore[assignment]
