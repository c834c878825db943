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

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from annuaire.index import entry as entries
from annuaire.index import ngrams
from annuaire.index.entry import IndexEntry
from annuaire.index.prepare import Numbering
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
# Pairs of texts remembered: the entries of one person, each for its audiences, share theirs.
KNOWN_TEXTS = 256


@lru_cache(KNOWN_TEXTS)
def terms(before: str, after: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The terms of n-grams that go and those that come, when one text becomes another."""
    old, new = ngrams.text_terms(before), ngrams.text_terms(after)
    return tuple(old - new), tuple(new - old)


def amendment(
    entry: IndexEntry, record: bytes, shape: Sequence[str], numbering: Numbering
) -> Amendment | None:
    """How a record, of that shape, becomes what the entry is to have; None: it has to be written anew."""
    decoded, places = entry.decoded or ber.decode_places(entry.attributes)
    if (*decoded, *entry.operational) != tuple(shape):
        return None
    held = entries.details_of(record)
    old, was = entries.decode_details(held), entries.answer_of(record)
    if old.uuid != entry.uuid:
        return None
    # The PartialAttributes that are others: as they are, and as they are to be.
    before: list[bytes] = []
    after: dict[str, Sequence[bytes]] = {}
    if was[old.offsets[0] : old.offsets[-1]] != entry.attributes:
        ends = [*places[1:], len(entry.attributes)]
        for i, description in enumerate(decoded):
            encoded = was[old.offsets[i] : old.offsets[i + 1]]
            if encoded != entry.attributes[places[i] : ends[i]]:
                before.append(encoded)
                after[description] = decoded[description]
    operational, offsets = [], [0]
    for i, (description, values) in enumerate(entry.operational.items()):
        encoded = _operational(description, values, numbering)
        known = old.operational[old.operational_offsets[i] : old.operational_offsets[i + 1]]
        if known != encoded and description != _ENTRY_DN:  # its normal form stays
            before.append(known)
            after[description] = values
        operational.append(encoded)
        offsets.append(offsets[-1] + len(encoded))
    answer = responses.entry(entry.dn.encode(), entry.attributes)
    if not after and answer == was:
        return Amendment(held, answer, _NONE, _NONE, ())
    numbers = set()
    for description in after:
        plan = numbering.plan(description)
        if plan is not None:
            if plan.segment is not None or plan.number == numbering.object_class:
                return None
            numbers.add(plan.number)
    # What stays under another description of the same type, with other options, is found by the same terms.
    for i, description in enumerate(decoded):
        plan = numbering.plan(description)
        if plan is not None and plan.number in numbers and description not in after:
            before.append(was[old.offsets[i] : old.offsets[i + 1]])
            after[description] = decoded[description]
    shift = len(answer) - len(entry.attributes)
    details = entries.encode_details(
        [*[shift + start for start in places], len(answer)],
        offsets,
        entry.uuid,
        entry.key,
        old.sort_key,
        b"".join(operational),
        old.shape,
    )
    if not after:
        return Amendment(details, answer, _NONE, _NONE, ())
    old_digests, old_texts = _listed(ber.decode_attributes(b"".join(before)), decoded, numbering)
    digests, texts = _listed(after, decoded, numbering)
    changed = [
        Changed(number, old_texts.get(number, ""), texts.get(number, ""))
        for number in old_texts.keys() | texts.keys()
    ]
    return Amendment(
        details,
        answer,
        frozenset(old_digests - digests),
        frozenset(digests - old_digests),
        tuple([one for one in changed if one.before != one.after]),
    )


def _operational(description: str, values: Sequence[bytes], numbering: Numbering) -> bytes:
    plan = numbering.plan(description)
    if plan is None or description == _ENTRY_DN:
        return ber.encode_attributes({description: values})
    return plan.operational(description, tuple(values))[0]


def _listed(
    some: Mapping[str, Sequence[bytes]], user: Mapping[str, Sequence[bytes]], numbering: Numbering
) -> tuple[set[bytes], dict[int, str]]:
    """The digests, and of user attributes the texts, that `prepare` would list of these."""
    digests: set[bytes] = set()
    folded: dict[int, list[str]] = {}
    for description, values in some.items():
        plan = numbering.plan(description)
        if plan is None:
            continue
        if description not in user:
            digests.update(plan.operational(description, tuple(values))[1])
            continue
        for digest, text in map(plan.value, values):
            if digest is not None:
                digests.add(digest)
            if text is not None:
                folded.setdefault(plan.number, []).append(text)
    return digests, {number: ngrams.text_of(texts) for number, texts in folded.items()}
