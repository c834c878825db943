"""What differs between an entry as a part holds it and as it is to be, when it can keep its place there.

# Note [An entry that keeps its place]
Most writes change one attribute: a telephone number, a certificate, a name, when it was modified. To write such an
entry anew, under another number, is to write some seven hundred postings of which all but a few say the same as
before. So it keeps its number, and only what differs is written:

- of an entry of the recent part, in its place: its record, its text, its rows in the pages, its postings;
- of an entry of the base, which is never written to, in the recent part and under numbers of its own (layout.ADDED,
  layout.REMOVED): its record, its text, what it has that the base does not say, what the base says that it no longer
  has. Whoever reads the base reads these with it (part.py), so that every set that comes out of it is exact. A word
  that the base does not know stands in a list of the recent part beside that of the base.

What keeps its place is what decides where an entry stands: its DN, its entryUUID, its audiences, its object classes,
and in a base, which is in their order, its least cn. An entry in which one of these changes is written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from annuaire.index import entry as entries
from annuaire.index import layout, ngrams, prepare
from annuaire.index.entry import IndexEntry
from annuaire.index.prepare import ENTRY_DN, Numbering, Plan
from annuaire.ldap import ber, responses


class Changed(NamedTuple):
    """A text, of which postings are made, before and after: of an attribute's values, or the union text."""

    attribute: int
    before: str
    after: str


class Amendment(NamedTuple):
    """What to write of an entry that keeps its place."""

    details: bytes  # with the shape of before, or with 0 when it has another one
    answer: bytes
    # Its shape, when that is another one.
    shape: tuple[str, ...] | None = None
    # Digests of values, for the pages: those that go and those that come.
    gone: frozenset[bytes] = frozenset()
    come: frozenset[bytes] = frozenset()
    texts: tuple[Changed, ...] = ()
    # Attributes that it no longer has, and those that it did not have.
    missing: frozenset[int] = frozenset()
    present: frozenset[int] = frozenset()


# Pairs of texts remembered, none of them long: the entries of one person, each for its audiences, share theirs.
KNOWN_TEXTS, KNOWN_LENGTH_MAX = 256, 1024

# What a posting's key has after its chunk.
Tails = tuple[bytes, ...]


def postings_of(changed: Changed) -> tuple[Tails, Tails]:
    """The postings out of which an entry goes and into which it comes, when one text becomes another."""
    short = len(changed.before) + len(changed.after) <= KNOWN_LENGTH_MAX
    return (_known_postings if short else _postings)(changed)


def _postings(changed: Changed) -> tuple[Tails, Tails]:
    attribute, before, after = changed
    old, new = ngrams.text_grams(before), ngrams.text_grams(after)
    prefix = layout.posting_tail(layout.GRAM, attribute, b"")
    gone = [prefix + ngrams.term(gram) for gram in old - new]
    come = [prefix + ngrams.term(gram) for gram in new - old]
    if attribute == layout.UNION:
        former, latter = set(_named(before)), set(_named(after))
        gone += former - latter
        come += latter - former
    return tuple(gone), tuple(come)


_known_postings = lru_cache(KNOWN_TEXTS)(_postings)


def _named(text: str) -> Iterator[bytes]:
    """What the words of a union text and the beginnings of its values come to."""
    for word in prepare.text_words(text):
        yield layout.posting_tail(layout.WORD, 0, word.encode("utf-8", "surrogatepass"))
        for length in range(1, min(len(word), layout.WORD_START_MAX) + 1):
            start = word[:length].encode("utf-8", "surrogatepass")
            yield layout.posting_tail(layout.WORD_START, 0, start)
    for start in ngrams.value_starts(text):
        yield layout.posting_tail(layout.VALUE_START, 0, start)


def amendment(
    entry: IndexEntry,
    record: bytes,
    shape: Sequence[str],
    numbering: Numbering,
    union_text: Callable[[], str],
    in_order: bool,
) -> Amendment | None:
    """How a record, of that shape, becomes what the entry is to have; None: it has to be written anew.

    `union_text` reads that of before; `in_order`: the record stands where its sort key says.
    """
    decoded, places = entry.decoded or ber.decode_places(entry.attributes)
    columns = numbering.columns(decoded, entry.operational)
    held = entries.details_of(record)
    old, was = entries.decode_details(held), entries.answer_of(record)
    if old.uuid != entry.uuid:
        return None
    answer = responses.entry(entry.dn.encode(), entry.attributes)
    kept = numbering.operational(entry, columns)
    other_shape = columns.shape != tuple(shape)
    if answer == was and kept.block == old.operational and not other_shape:
        return Amendment(held, answer)
    shift = len(answer) - len(entry.attributes)
    offsets = [*[shift + start for start in places], len(answer)]

    before, after = _Found(), _Found()
    had, has = _cut(shape, old.offsets, was), _cut(columns.shape, offsets, answer)
    plans = map(numbering.plan, _differing(had, has))
    # What stays under another description of the same type, with other options, is found by the same terms.
    numbers = {plan.number for plan in plans if plan is not None}
    if numbering.object_class in numbers:
        return None
    if numbers:
        for found, said in ((before, had), (after, has)):
            for description, octets in said.items():
                plan = numbering.plan(description)
                if plan is not None and plan.number in numbers:
                    found.add(plan, _values(octets))
    had = _cut(shape[old.user :], old.operational_offsets, old.operational)
    has = _cut(columns.shape[len(decoded) :], kept.offsets, kept.block)
    for description in _differing(had, has):
        plan = numbering.plan(description)
        if plan is not None and description != ENTRY_DN:  # the normal form of its name stays
            for found, said in ((before, had), (after, has)):
                if description in said:
                    found.add_operational(plan, description, _values(said[description]))

    sort_key, texts = old.sort_key, []
    segments = before.segments.keys() | after.segments.keys()
    if segments:
        former = union_text()
        cut = former.split(ngrams.SEPARATOR)
        for segment in segments:
            cut[segment] = ngrams.text_of(after.segments.get(segment, []))
        if ngrams.CN in segments:
            sort_key = entries.sort_key(after.segments.get(ngrams.CN, []), entry.key)
            if in_order and sort_key != old.sort_key:
                return None
        texts.append(Changed(layout.UNION, former, ngrams.SEPARATOR.join(cut)))
    texts += [
        Changed(number, before.text(number), after.text(number))
        for number in before.folded.keys() | after.folded.keys()
    ]
    details = entries.encode_details(
        offsets,
        kept.offsets,
        entry.uuid,
        entry.key,
        sort_key,
        kept.block,
        0 if other_shape else old.shape,
    )
    there, here = _NONE, _NONE
    if other_shape:
        there = frozenset(numbering.columns(shape[: old.user], shape[old.user :]).present)
        here = frozenset(columns.present)
    return Amendment(
        details,
        answer,
        columns.shape if other_shape else None,
        frozenset(before.digests - after.digests),
        frozenset(after.digests - before.digests),
        tuple([text for text in texts if text.before != text.after]),
        there - here,
        here - there,
    )


_NONE: frozenset[int] = frozenset()


def _cut(descriptions: Sequence[str], offsets: Sequence[int], octets: bytes) -> dict[str, bytes]:
    """The PartialAttribute of each description: as many as there are offsets for, which end with the end."""
    ends = iter(offsets)
    next(ends)
    return {
        description: octets[start:end]
        for description, start, end in zip(descriptions, offsets, ends, strict=False)
    }


def _differing(had: dict[str, bytes], has: dict[str, bytes]) -> list[str]:
    """The descriptions that stand only in one, or with other values."""
    return [
        *[description for description in has if had.get(description) != has[description]],
        *[description for description in had if description not in has],
    ]


class _Found:
    """Under what an entry is found by some of its attributes: as `prepare` would list them."""

    def __init__(self) -> None:
        self.digests: set[bytes] = set()
        # The folded values, of attributes of the union text by segment, of others by number.
        self.segments: dict[int, list[str]] = {}
        self.folded: dict[int, list[str]] = {}

    def add(self, plan: Plan, values: Sequence[bytes]) -> None:
        found, folded, _, _ = plan.of(values)
        size = layout.DIGEST_SIZE
        self.digests.update([found[at : at + size] for at in range(0, len(found), size)])
        if plan.segment is not None:
            self.segments.setdefault(plan.segment, []).extend(folded)
        elif folded:
            self.folded.setdefault(plan.number, []).extend(folded)

    def add_operational(self, plan: Plan, description: str, values: Sequence[bytes]) -> None:
        self.digests.update(plan.operational(description, tuple(values))[1])

    def text(self, number: int) -> str:
        return ngrams.text_of(self.folded.get(number, []))


def _values(encoded: bytes) -> list[bytes]:
    """The values of one PartialAttribute."""
    [values] = ber.decode_attributes(encoded).values()
    return values
