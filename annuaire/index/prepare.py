"""From an entry to everything that the index holds of it: a plain function, run by the build's processes and by
the writer alike, so that an incremental index and a rebuilt one cannot differ.
"""

from functools import lru_cache
from typing import NamedTuple

from annuaire.index import entry as entries
from annuaire.index import folding, layout, ngrams
from annuaire.index.entry import IndexEntry
from annuaire.ldap import ber, responses
from annuaire.ldap.schema import AttributeType, Schema


class Prepared(NamedTuple):
    """All that one entry adds to a part; marshal can write it."""

    sort_key: bytes
    key: bytes
    answer: bytes
    details: bytes  # with shape 0: the part numbers its shapes
    shape: tuple[str, ...]
    text: str  # the union text
    words: tuple[str, ...]
    texts: tuple[tuple[int, str], ...]  # (attribute number, text) of the other searchable attributes
    digests: bytes  # concatenated
    present: tuple[int, ...]
    ancestors: tuple[bytes, ...]  # digests of the DN keys above, nearest first
    audiences: int
    passwords: bytes | None
    facts: tuple[tuple[bytes, bytes], ...]


# Values remembered of each attribute: professions, towns and names come back thousands of times.
_REMEMBERED_MAX = 20_000
_OPERATIONAL_MAX = 1_000
_ENTRY_DN = "entryDN"


class _Plan:
    """How one attribute description is indexed."""

    __slots__ = ("_encoded", "_equality", "_same", "_substrings", "number", "seen", "segment")

    def __init__(self, number: int, attribute: AttributeType, segment: int | None) -> None:
        self.number = number
        self.segment = segment  # in the union text
        self._equality = folding.equality(attribute)
        self._substrings = folding.substrings(attribute)
        self._same = self._equality is self._substrings
        self._encoded: dict[tuple[str, tuple[bytes, ...]], tuple[bytes, list[bytes]]] = {}
        self.seen: dict[bytes, tuple[bytes | None, str | None]] = {}

    def value(self, value: bytes) -> tuple[bytes | None, str | None]:
        """The digest for equality and the folded text for substrings, each None where there is none."""
        return self.seen.get(value) or self.learn(value)

    def learn(self, value: bytes) -> tuple[bytes | None, str | None]:
        """The same for a value that is not in `seen`.

        What is full begins anew: most values come once, or again soon (of one person for another audience).
        """
        known = self._value(value)
        if len(value) < 256:
            if len(self.seen) >= _REMEMBERED_MAX:
                self.seen.clear()
            self.seen[value] = known
        return known

    def operational(self, description: str, values: tuple[bytes, ...]) -> tuple[bytes, list[bytes]]:
        """The encoded attribute and the digests of its values: most are the same for all entries of an import."""
        known = self._encoded.get((description, values))
        if known is None:
            digests = [digest for digest, _ in map(self._value, values) if digest is not None]
            known = (ber.encode_attributes({description: values}), digests)
            if len(self._encoded) >= _OPERATIONAL_MAX:
                self._encoded.clear()
            self._encoded[(description, values)] = known
        return known

    def _value(self, value: bytes) -> tuple[bytes | None, str | None]:
        folded = None if self._equality is None else self._equality(value)
        digest = None if folded is None else value_digest(self.number, folded)
        if self._same:
            return digest, folded
        return digest, None if self._substrings is None else self._substrings(value)


class Numbering:
    """The numbers of the attribute types of a schema, the same in every process that has the same schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        names = sorted({t.key for t in schema.attribute_types})
        self.names = tuple(names)
        self.number: dict[str, int] = {name: i + 1 for i, name in enumerate(names)}
        self.object_class = self.number.get("objectclass", 0)
        self._class_digests: dict[tuple[bytes, ...], list[bytes]] = {}
        self.plans: dict[str, _Plan | None] = {}

    def of(self, attribute: AttributeType) -> int:
        return self.number[attribute.key]

    def class_digests(self, values: tuple[bytes, ...]) -> list[bytes]:
        """The digests of these object classes and of all their superclasses, which they imply (RFC 4512 §3.3)."""
        known = self._class_digests.get(values)
        if known is None:
            plan = self.plan("objectClass")
            names = {key.encode() for value in values for key in self.schema.class_keys(value)}
            digests = [] if plan is None else [plan.value(name)[0] for name in sorted({*values, *names})]
            known = [digest for digest in digests if digest is not None]
            if len(self._class_digests) < 4096:  # one for each set of classes that entries have
                self._class_digests[values] = known
        return known

    def plan(self, description: str) -> _Plan | None:
        """How a description is indexed; None for what the schema does not know."""
        try:
            return self.plans[description]
        except KeyError:
            plan = self._plan(description)
            if len(self.plans) < 4096:  # options can be invented without end
                self.plans[description] = plan
            return plan

    def _plan(self, description: str) -> _Plan | None:
        attribute = self.schema.attribute(description)
        if attribute is None:
            return None
        union = ngrams.UNION_ATTRIBUTES
        segment = union.index(attribute.key) if attribute.key in union else None
        return _Plan(self.of(attribute), attribute, segment)


def ancestors(key: bytes) -> list[bytes]:
    """The keys above a DN key, nearest first, the empty DN left out."""
    above = []
    while b"\0" in key:
        key = key.rpartition(b"\0")[0]
        above.append(key)
    return above


@lru_cache(maxsize=65536)
def _above(key: bytes) -> tuple[bytes, ...]:
    """The digests of the keys above a parent, itself included: entries share their parents."""
    return tuple([layout.digest(layout.DN_KEY, above) for above in (key, *ancestors(key))])


def value_digest(number: int, folded: str) -> bytes:
    """The digest under which an equality value is listed."""
    return layout.digest(number, folded.encode("utf-8", "surrogatepass"))


def _distinct_pieces(words: list[str]) -> tuple[str, ...]:
    found = set(words)
    if max(map(len, found), default=0) <= layout.WORD_MAX:  # nearly always
        return tuple(found)
    return tuple({piece for word in found for piece in _pieces(word)})


def _pieces(word: str) -> list[str]:
    """A word as it stands in the dictionary: cut in pieces that overlap when it is too long for a key."""
    if len(word) <= layout.WORD_MAX:
        return [word]
    step = layout.WORD_MAX - layout.WORD_PIECE_MAX
    return [word[at : at + layout.WORD_MAX] for at in range(0, len(word) - layout.WORD_PIECE_MAX, step)]


def prepare(entry: IndexEntry, numbering: Numbering) -> Prepared:
    """Everything that the index holds of an entry."""
    segments: list[list[str]] = [[] for _ in ngrams.UNION_ATTRIBUTES]
    texts: dict[int, list[str]] = {}
    digests = [layout.digest(layout.DN_KEY, entry.key)]
    present: list[int] = []
    shape: list[str] = []
    plans, plan_of = numbering.plans, numbering.plan

    decoded, offsets = entry.decoded or ber.decode_places(entry.attributes)
    for description, values in decoded.items():
        shape.append(description)
        plan = plans[description] if description in plans else plan_of(description)
        if plan is None:
            continue
        present.append(plan.number)
        if plan.number == numbering.object_class:
            digests += numbering.class_digests(tuple(values))
            continue
        folded: list[str] = []
        seen = plan.seen
        for value in values:
            digest, text = seen.get(value) or plan.learn(value)
            if digest is not None:
                digests.append(digest)
            if text is not None:
                folded.append(text)
        if folded:
            if plan.segment is not None:
                segments[plan.segment] += folded
            elif plan.number in texts:
                texts[plan.number] += folded
            else:
                texts[plan.number] = folded
    operational = []
    operational_offsets = [0]
    for description, values in entry.operational.items():
        shape.append(description)
        plan = plans[description] if description in plans else plan_of(description)
        if plan is None:
            encoded: bytes = ber.encode_attributes({description: values})
        else:
            present.append(plan.number)
            if description == _ENTRY_DN:  # its normal form is at hand
                encoded = ber.encode_attributes({description: values})
                digests.append(value_digest(plan.number, entry.key.decode("latin-1")))
            else:
                encoded, found = plan.operational(description, tuple(values))
                digests += found
        operational.append(encoded)
        operational_offsets.append(operational_offsets[-1] + len(encoded))

    answer = responses.entry(entry.dn.encode(), entry.attributes)
    shift = len(answer) - len(entry.attributes)
    parent = entry.key.rpartition(b"\0")[0]
    sort_key = entries.sort_key(segments[0], entry.key)
    words = folding.words(" ".join([" ".join(values) for values in segments]))
    return Prepared(
        sort_key,
        entry.key,
        answer,
        entries.encode_details(
            [*[shift + start for start in offsets], len(answer)],
            operational_offsets,
            entry.uuid,
            entry.key,
            sort_key,
            b"".join(operational),
        ),
        tuple(shape),
        ngrams.SEPARATOR.join([ngrams.text_of(values) for values in segments]),
        _distinct_pieces(words),
        tuple([(number, ngrams.text_of(values)) for number, values in texts.items()]),
        b"".join(dict.fromkeys(digests)),
        tuple(dict.fromkeys(present)),
        _above(parent) if parent else (),
        entry.audiences,
        entry.passwords,
        entry.facts,
    )
