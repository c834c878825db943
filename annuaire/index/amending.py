"""What differs between an entry as a part holds it and as it is to be, when it can keep its place there.

# Note [An entry that keeps its place]
Most writes change an attribute that no name is made of: a telephone number, a certificate, when it was modified. To
write such an entry anew, under another number, is to write some seven hundred postings of which all but a dozen say
the same as before. So it keeps its number, and only what differs is written:

- of an entry of the recent part, in its place: its record, its rows in the pages, its postings;
- of an entry of the base, which is never written to, in the recent part and under numbers of its own (layout.ADDED,
  layout.REMOVED): its record, what it has that the base does not say, what the base says that it no longer has.
  Whoever reads the base reads these with it (part.py), so that every set that comes out of it is exact.

What keeps its place is what decides where an entry stands and who finds it by name: its DN, its entryUUID, its
audiences, its object classes, which attributes it has, and the attributes of the union text. An entry in which one
of these changes is written anew. Only equality rows and n-grams of other attributes ever differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from annuaire.index import entry as entries
from annuaire.index import layout, ngrams
from annuaire.index.entry import IndexEntry
from annuaire.index.prepare import Numbering, Plan
from annuaire.ldap import ber, responses

_ENTRY_DN = "entryDN"


class Changed(NamedTuple):
    """The text of an attribute's values, of which n-grams are made, before and after."""

    attribute: int
    before: str
    after: str


class Amendment(NamedTuple):
    """What to write of an entry that keeps its place."""

    details: bytes
    answer: bytes
    # Digests of values, for the pages: those that go and those that come.
    gone: frozenset[bytes]
    come: frozenset[bytes]
    texts: tuple[Changed, ...]


_NONE: frozenset[bytes] = frozenset()
# Pairs of texts remembered, none of them long: the entries of one person, each for its audiences, share theirs.
KNOWN_TEXTS, KNOWN_LENGTH_MAX = 256, 1024


def terms(before: str, after: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The terms of n-grams that go and those that come, when one text becomes another."""
    return (_known_terms if len(before) + len(after) <= KNOWN_LENGTH_MAX else _terms)(before, after)


def _terms(before: str, after: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    old, new = ngrams.text_terms(before), ngrams.text_terms(after)
    return tuple(old - new), tuple(new - old)


_known_terms = lru_cache(KNOWN_TEXTS)(_terms)


def amendment(
    entry: IndexEntry, record: bytes, shape: Sequence[str], numbering: Numbering
) -> Amendment | None:
    """How a record, of that shape, becomes what the entry is to have; None: it has to be written anew."""
    decoded, places = entry.decoded or ber.decode_places(entry.attributes)
    columns = numbering.columns(decoded, entry.operational)
    if columns.shape != tuple(shape):
        return None
    held = entries.details_of(record)
    old, was = entries.decode_details(held), entries.answer_of(record)
    if old.uuid != entry.uuid:
        return None
    answer = responses.entry(entry.dn.encode(), entry.attributes)
    operational = numbering.operational(entry, columns)
    if answer == was and operational.block == old.operational:
        return Amendment(held, answer, _NONE, _NONE, ())
    shift = len(answer) - len(entry.attributes)
    offsets = [*[shift + start for start in places], len(answer)]
    details = entries.encode_details(
        offsets, operational.offsets, entry.uuid, entry.key, old.sort_key, operational.block, old.shape
    )
    before, after = _Found(), _Found()
    numbers = set()
    for i, plan in enumerate(columns.user):
        if (
            was[old.offsets[i] : old.offsets[i + 1]] != answer[offsets[i] : offsets[i + 1]]
            and plan is not None
        ):
            if plan.segment is not None or plan.number == numbering.object_class:
                return None
            numbers.add(plan.number)
    for i, (plan, values) in enumerate(zip(columns.user, decoded.values(), strict=True)):
        # What stays under another description of the same type, with other options, is found by the same terms.
        if plan is not None and plan.number in numbers:
            before.add(plan, _values(was[old.offsets[i] : old.offsets[i + 1]]))
            after.add(plan, values)
    for i, (plan, (description, values)) in enumerate(
        zip(columns.operational, entry.operational.items(), strict=True)
    ):
        start, end = old.operational_offsets[i : i + 2]
        said = operational.block[operational.offsets[i] : operational.offsets[i + 1]]
        if plan is None or old.operational[start:end] == said or description == _ENTRY_DN:
            continue  # the normal form of its name stays
        before.add_operational(plan, description, _values(old.operational[start:end]))
        after.add_operational(plan, description, values)
    texts = [(one, before.text(one), after.text(one)) for one in before.folded.keys() | after.folded.keys()]
    return Amendment(
        details,
        answer,
        frozenset(before.digests - after.digests),
        frozenset(after.digests - before.digests),
        tuple([Changed(*one) for one in texts if one[1] != one[2]]),
    )


class _Found:
    """Under what an entry is found by some of its attributes: as `prepare` would list them."""

    def __init__(self) -> None:
        self.digests: set[bytes] = set()
        self.folded: dict[int, list[str]] = {}

    def add(self, plan: Plan, values: Sequence[bytes]) -> None:
        found, folded, _, _ = plan.of(values)
        size = layout.DIGEST_SIZE
        self.digests.update([found[at : at + size] for at in range(0, len(found), size)])
        if folded:
            self.folded.setdefault(plan.number, []).extend(folded)

    def add_operational(self, plan: Plan, description: str, values: Sequence[bytes]) -> None:
        self.digests.update(plan.operational(description, tuple(values))[1])

    def text(self, number: int) -> str:
        return ngrams.text_of(self.folded.get(number, []))


def _values(encoded: bytes) -> list[bytes]:
    """The values of one PartialAttribute."""
    [values] = ber.decode_attributes(encoded).values()
    return values
