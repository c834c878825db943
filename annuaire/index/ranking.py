"""The entries of a base in another order than its own, all that one audience sees of them: made once, read by many.

What a sort by `sn` costs is the reading of half a million records, some seconds cut in slices. A base is never written
again, so the order that came out of it serves every later search of that audience, whatever its filter. One is made at
a time, by all who wait: what they need may be behind what others need, so each advances whichever is first. Many
strangers who sort in many ways then take turns, and memory for one.
"""

import heapq
from array import array
from collections import OrderedDict, deque
from collections.abc import Generator, Iterator

import numpy as np
from numpy.typing import NDArray

from annuaire.errors import Unavailable
from annuaire.index import gather, layout
from annuaire.index.gather import Clock, Universe
from annuaire.index.sight import Sight
from annuaire.index.sorting import Order

# Orders kept by a worker; each takes four octets an entry.
RANKINGS_MAX = 16
# Orders that wait to be made; beyond, whoever wants another one is told to come back.
WAITING_MAX = 8
# Texts sorted at once: a few milliseconds.
_RUN = 4096

Ids = NDArray[np.uint32]


def ids_of(universe: Universe) -> Ids:
    """The ids of a universe, ascending."""
    parts = [
        np.asarray(seen.to_array(), dtype=np.uint32) + np.uint32(chunk << layout.CHUNK_BITS)
        for chunk, seen in sorted(universe.items())
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint32)


class Ranking:
    """All that an audience sees of a base, in one order; `ids` once it is `ready`."""

    def __init__(self, order: Order, sight: Sight, audience: int) -> None:
        self.ids: Ids = np.zeros(0, dtype=np.uint32)
        self.ready = False
        self._work = self._make(order, sight, audience)

    def advance(self) -> None:
        """One slice of the work."""
        if not self.ready and next(self._work, None) is None:
            self.ready = True

    def _make(self, order: Order, sight: Sight, audience: int) -> Iterator[bool]:
        ids = ids_of(sight.everything(audience))
        columns = [_Column() for _ in order.reversed]
        clock = Clock()
        part = sight.part
        for count, identifier in enumerate(ids.tolist(), 1):
            for column, text in zip(columns, order.texts(part, part.record(identifier)), strict=True):
                column.add(text)
            if not count % gather.VERIFIED_AT_ONCE and clock.over():
                yield True
                clock.restart()
        places = np.arange(len(ids), dtype=np.uint32)
        for column, reverse in reversed(list(zip(columns, order.reversed, strict=True))):
            ranks = yield from column.ranks(reverse)
            # By sixteen bits at a time, for which numpy sorts in linear time: some milliseconds each.
            for shift in (0, 16):
                digits = ((ranks[places] >> np.uint32(shift)) & np.uint32(0xFFFF)).astype(np.uint16)
                yield True
                places = places[np.argsort(digits, kind="stable")]
                yield True
        self.ids = ids[places]


class _Column:
    """The texts of one key, entry by entry; each distinct one once."""

    def __init__(self) -> None:
        self._numbers: dict[str | None, int] = {}
        self._rows = array("I")

    def add(self, text: str | None) -> None:
        self._rows.append(self._numbers.setdefault(text, len(self._numbers)))

    def ranks(self, reverse: bool) -> Generator[bool, None, Ids]:
        """The rank of each entry's text; entries without one come last."""
        texts = [text for text in self._numbers if text is not None]
        runs = []
        for at in range(0, len(texts), _RUN):
            runs.append(sorted(texts[at : at + _RUN]))
            yield True
        ranks = np.zeros(len(self._numbers), dtype=np.uint32)
        clock = Clock()
        last = len(self._numbers) - 1
        for rank, text in enumerate(heapq.merge(*runs)):
            ranks[self._numbers[text]] = last - rank if reverse else rank
            if not rank % gather.VERIFIED_AT_ONCE and clock.over():
                yield True
                clock.restart()
        if None in self._numbers:
            ranks[self._numbers[None]] = 0 if reverse else last
        return ranks[np.frombuffer(self._rows, dtype=np.uint32)]


class Rankings:
    """Those of the current base."""

    def __init__(self) -> None:
        self._build = -1
        self._known: OrderedDict[tuple[int, tuple[object, ...]], Ranking] = OrderedDict()
        self._waiting: deque[Ranking] = deque()

    def of(self, build: int, sight: Sight, audience: int, order: Order) -> Generator[None, None, Ids]:
        """The order of all that an audience sees of a build's base, made now if it must be."""
        if build != self._build:
            # What was begun of another base goes on only for whoever still waits for it.
            self._known.clear()
            self._waiting.clear()
            self._build = build
        wanted = (audience, order.name)
        ranking = self._known.get(wanted)
        if ranking is None:
            if len(self._waiting) >= WAITING_MAX:
                raise Unavailable("too many sorts at once, try again")
            ranking = self._known[wanted] = Ranking(order, sight, audience)
            self._waiting.append(ranking)
            if len(self._known) > RANKINGS_MAX:
                self._known.popitem(last=False)
        self._known.move_to_end(wanted)
        while not ranking.ready:
            first = self._waiting[0] if ranking in self._waiting else ranking
            first.advance()
            if first.ready and first in self._waiting:
                self._waiting.remove(first)
            yield None
        return ranking.ids


def among(ranked: Ids, universe: Universe) -> Ids | None:
    """Those of a universe, in the order of a ranking; None: it does not hold them all."""
    wanted = ids_of(universe)
    if not len(wanted):
        return wanted
    size = max(int(wanted[-1]), int(ranked.max()) if len(ranked) else 0) + 1
    there = np.zeros(size, dtype=bool)
    there[wanted] = True
    found = ranked[there[ranked]]
    return found if len(found) == len(wanted) else None
