"""Who has entries right below it, as one audience sees them: hasSubordinates and numSubordinates in filters.

They are stored nowhere, because they differ from audience to audience. The parents are counted once for each state of
the index; where there are too many to be counted in a moment, each entry is asked by itself.
"""

from typing import NamedTuple

from pyroaring import BitMap

from annuaire.index import layout, postings
from annuaire.index.answering import HAS_SUBORDINATES, NUM_SUBORDINATES, subordinates
from annuaire.index.candidate import Candidate, Made
from annuaire.index.plan import Bounds, Node, Truth
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Snapshot
from annuaire.index.sight import Sight

# Parents counted at once; each costs some microseconds.
PARENTS_MAX = 2_000
COMPUTED = frozenset({HAS_SUBORDINATES.lower(), NUM_SUBORDINATES.lower()})


class Family(NamedTuple):
    """How many entries an audience sees right below each entry."""

    sights: list[Sight]
    audience: int
    # By digest of a DN key, and by part, chunk and local id; None: there are too many.
    counts: dict[bytes, int] | None
    parents: dict[tuple[int, int], dict[int, int]]

    def in_chunk(self, sight: Sight, chunk: int) -> dict[int, int] | None:
        """By local id, what has entries below it; None: each is to be asked."""
        return None if self.counts is None else self.parents.get((id(sight), chunk), {})

    def below(self, key: bytes) -> int:
        if self.counts is None:
            return subordinates(self.sights[0], key, self.audience)
        return self.counts.get(layout.digest(layout.DN_KEY, key), 0)


def of(snapshot: Snapshot, audience: int) -> Family:
    """The family as an audience sees it now."""
    wanted = ("family", audience)
    known = snapshot.known.get(wanted)
    if known is None:
        sights = snapshot.sights
        counts = _count(sights, audience)
        known = Family(sights, audience, counts, _places(sights, audience, counts or {}))
        snapshot.remember(wanted, known)
    assert isinstance(known, Family)
    return known


def _count(sights: list[Sight], audience: int) -> dict[bytes, int] | None:
    below: dict[bytes, int] = {}
    for sight in sights:
        for chunk, seen in sight.everything(audience).items():
            prefix = layout.posting_key(chunk, layout.CHILDREN, 0, b"")
            for key, raw in sight.part.scan("postings", prefix, prefix):
                digest = key[len(prefix) :]
                count = postings.deserialize(raw).intersection_cardinality(seen)
                if count:
                    below[digest] = below.get(digest, 0) + count
                    if len(below) > PARENTS_MAX:
                        return None
    return below


def _places(
    sights: list[Sight], audience: int, counts: dict[bytes, int]
) -> dict[tuple[int, int], dict[int, int]]:
    found: dict[tuple[int, int], dict[int, int]] = {}
    for digest, count in counts.items():
        for sight in sights:
            for identifier in sight.part.equal(digest) or ():
                if sight.sees(audience, identifier):
                    chunk = identifier >> layout.CHUNK_BITS
                    found.setdefault((id(sight), chunk), {})[identifier & layout.CHUNK_MASK] = count
    return found


class Counted(Node):
    """A part of a filter that asks for hasSubordinates or numSubordinates; `part` is what it asks of their values."""

    __slots__ = ("_family", "_numbering", "_part", "_truths")

    def __init__(self, part: Node, family: Family, numbering: Numbering) -> None:
        self._part = part
        self._family = family
        self._numbering = numbering
        self._truths: dict[int, Truth] = {}

    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        parents = self._family.in_chunk(sight, chunk)
        if parents is None:
            return postings.EMPTY, within
        all_parents = BitMap(parents)
        found = within - all_parents if self._holds(0) else postings.EMPTY
        some = within & all_parents
        if some:
            found = found | BitMap([local for local in some if self._holds(parents[local])])
        return found, found

    def check(self, candidate: Candidate) -> Truth:
        if isinstance(candidate, Made):  # a value by itself
            return self._part.check(candidate)
        return self._holds(self._family.below(candidate.key))

    def _holds(self, count: int) -> Truth:
        if count not in self._truths:
            self._truths[count] = self._part.check(Made(computed(count), self._numbering))
        return self._truths[count]


def computed(count: int) -> dict[str, list[bytes]]:
    """The attributes of an entry that has so many right below it."""
    return {
        HAS_SUBORDINATES: [b"TRUE" if count else b"FALSE"],
        NUM_SUBORDINATES: [str(count).encode()],
    }
