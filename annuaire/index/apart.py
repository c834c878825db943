"""Entries that a search leaves out unless it asks for them: referrals (RFC 3296) and subentries (RFC 3672).

Both are looked for once for each state of the index and audience, among what that audience sees: who may not read a
referral is not referred. Where there are none, which is nearly everywhere, searches are not touched at all.
"""

from typing import NamedTuple

from annuaire.index import entry as entries
from annuaire.index import layout
from annuaire.index.gather import Hit, Universe
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Snapshot
from annuaire.index.sight import Sight

REFERRAL, SUBENTRY = b"referral", b"subentry"


class Apart(NamedTuple):
    """What one audience sees of them."""

    referrals: dict[bytes, Hit]  # by DN key
    referring: list[Universe]  # the same, sight by sight
    subentries: list[Universe]

    @property
    def any_subentry(self) -> bool:
        return any(self.subentries)


def of(snapshot: Snapshot, audience: int) -> Apart:
    """What is to be set apart now."""
    wanted = ("apart", audience)
    known = snapshot.known.get(wanted)
    if known is None:
        known = _look(snapshot, audience)
        snapshot.remember(wanted, known)
    assert isinstance(known, Apart)
    return known


def _look(snapshot: Snapshot, audience: int) -> Apart:
    numbering = snapshot.numbering
    referring = [_of_class(sight, REFERRAL, numbering, audience) for sight in snapshot.sights]
    subentries = [_of_class(sight, SUBENTRY, numbering, audience) for sight in snapshot.sights]
    referrals: dict[bytes, Hit] = {}
    for sight, universe in zip(snapshot.sights, referring, strict=True):
        for hit in hits(sight, universe):
            referrals[entries.key_of(sight.part.details(hit[1]))] = hit
    return Apart(referrals, referring, subentries)


def _of_class(sight: Sight, name: bytes, numbering: Numbering, audience: int) -> Universe:
    plan = numbering.plan("objectClass")
    digest = None if plan is None else plan.value(name)[0]
    if digest is None:
        return {}
    found = {}
    for chunk, seen in sight.everything(audience).items():
        some = sight.equal_in(chunk, digest) & seen
        if some:
            found[chunk] = some
    return found


def hits(sight: Sight, universe: Universe) -> list[Hit]:
    """The entries of a universe one by one."""
    return [
        (sight, (chunk << layout.CHUNK_BITS) + local) for chunk, some in universe.items() for local in some
    ]


def without(universe: Universe, some: Universe) -> Universe:
    """A universe less some of its entries."""
    if not some:
        return universe
    left = {chunk: seen - some[chunk] if chunk in some else seen for chunk, seen in universe.items()}
    return {chunk: seen for chunk, seen in left.items() if seen}


def common(universe: Universe, some: Universe) -> Universe:
    """What two universes have in common."""
    both = {chunk: seen & some[chunk] for chunk, seen in universe.items() if chunk in some}
    return {chunk: seen for chunk, seen in both.items() if seen}
