"""Makes the sorted list that a search is cut of, and keeps it for the next window or page of the same search.

Bounded: so many lists of so many entries in all by each worker, of one state of the index.
"""

from collections import OrderedDict
from collections.abc import Generator

from pyroaring import BitMap

from annuaire.index import gather, layout, ranking
from annuaire.index.gather import Clock, Hit, Universe
from annuaire.index.listing import Ascending, Listing, Numbers
from annuaire.index.prepare import Numbering
from annuaire.index.query import Query
from annuaire.index.ranking import Rankings
from annuaire.index.reader import Snapshot
from annuaire.index.sight import Sight
from annuaire.index.sorting import Order

# Lists kept, and the entries in all of them: four octets each.
LISTINGS_MAX = 32
LISTED_MAX = 8_000_000
# As few entries are sorted by themselves; more are taken out of a ranking of all.
SORTED_MAX = 5_000


class Listings:
    """The lists of one directory."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._rankings = Rankings()
        self._moment: Snapshot | None = None
        self._known: OrderedDict[tuple[bytes, tuple[object, ...]], Listing] = OrderedDict()

    def of(
        self, search: bytes, prepared: Query, order: Order, snapshot: Snapshot, audience: int
    ) -> Generator[None, None, Listing]:
        """The list of a search, which those octets tell from others."""
        if snapshot is not self._moment:
            if snapshot.later is not None:
                return (yield from self._make(prepared, order, snapshot, audience))
            self._known.clear()
            self._moment = snapshot
        listing = self._known.get((search, order.name))
        if listing is None:
            listing = yield from self._make(prepared, order, snapshot, audience)
            if snapshot is self._moment:
                self._keep((search, order.name), listing)
        else:
            self._known.move_to_end((search, order.name))
        return listing

    def _keep(self, name: tuple[bytes, tuple[object, ...]], listing: Listing) -> None:
        self._known[name] = listing
        while len(self._known) > LISTINGS_MAX or sum(map(len, self._known.values())) > LISTED_MAX:
            self._known.popitem(last=False)

    def _make(
        self, prepared: Query, order: Order, snapshot: Snapshot, audience: int
    ) -> Generator[None, None, Listing]:
        clock = Clock()
        numbers: Numbers = Ascending([])
        recent: list[tuple[bytes, Hit]] = []
        for sight, universe in prepared.sights:
            found = yield from gather.matched(prepared.plan, sight, universe, self._numbering, clock)
            beside = found
            if sight.part.frozen:
                # A ranking is of what they were when it was made.
                found, beside = (found, {}) if order.natural else _parted(found, sight.part.amended)
                numbers = yield from self._in_order(found, order, snapshot, sight, audience, clock)
            for chunk, some in beside.items():
                hits = [(sight, (chunk << layout.CHUNK_BITS) + local) for local in some]
                recent += yield from _keyed(hits, order, clock)
        recent.sort(key=lambda pair: pair[0])
        return Listing(snapshot.base, numbers, recent, order.key)

    def _in_order(
        self, found: Universe, order: Order, snapshot: Snapshot, sight: Sight, audience: int, clock: Clock
    ) -> Generator[None, None, Numbers]:
        if order.natural:
            return Ascending(sorted(found.items()))
        if sum(map(len, found.values())) > SORTED_MAX:
            ids = yield from self._rankings.of(snapshot.number, sight, audience, order)
            among = ranking.among(ids, found)
            if among is not None:
                return among
        hits = [(sight, identifier) for identifier in ranking.ids_of(found).tolist()]
        keyed = yield from _keyed(hits, order, clock)
        keyed.sort(key=lambda pair: pair[0])
        return [identifier for _, (_, identifier) in keyed]


def _parted(found: Universe, amended: BitMap) -> tuple[Universe, Universe]:
    """Those that are as the base has them, and those that were amended since."""
    still, since = {}, {}
    for chunk, some in found.items():
        first = chunk << layout.CHUNK_BITS
        here = (amended & BitMap(range(first, first + layout.CHUNK_SIZE))).shift(-first) & some
        if some - here:
            still[chunk] = some - here
        if here:
            since[chunk] = here
    return still, since


def _keyed(hits: list[Hit], order: Order, clock: Clock) -> Generator[None, None, list[tuple[bytes, Hit]]]:
    keyed = []
    for hit in hits:
        keyed.append((order.key(hit), hit))
        if not len(keyed) % gather.VERIFIED_AT_ONCE and clock.over():
            yield None
            clock.restart()
    return keyed
