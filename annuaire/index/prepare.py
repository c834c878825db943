"""From an entry to everything that the index holds of it: a plain function, run by the build's processes and by
the writer alike, so that an incremental index and a rebuilt one cannot differ.
"""

from functools import lru_cache
from typing import NamedTuple

from annuaire.index import entry as entries
from annuaire.index import folding, layout, ngrams
from annuaire.index.entry import IndexEntry
from annuaire.ldap import ber
from annuaire.ldap.schema import AttributeType, Schema

# Values longer than this are neither folded nor digested one by one into the pages: photos, certificates.
DIGESTED_MAX = 32_768

SEARCH_RESULT_ENTRY = 0x64


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


class _Plan(NamedTuple):
    """How one attribute description is indexed."""

    number: int
    equality: folding.Fold | None
    substrings: folding.Fold | None
    segment: int | None  # in the union text


class Numbering:
    """The numbers of the attribute types of a schema, the same in every process that has the same schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        names = sorted({t.key for t in schema.attribute_types})
        self.names = tuple(names)
        self.number: dict[str, int] = {name: i + 1 for i, name in enumerate(names)}
        self._plans: dict[str, _Plan | None] = {}

    def of(self, attribute: AttributeType) -> int:
        return self.number[attribute.key]

    def plan(self, description: str) -> _Plan | None:
        """How a description is indexed; None for what the schema does not know."""
        try:
            return self._plans[description]
        except KeyError:
            plan = self._plan(description)
            if len(self._plans) < 4096:  # options can be invented without end
                self._plans[description] = plan
            return plan

    def _plan(self, description: str) -> _Plan | None:
        attribute = self.schema.attribute(description)
        if attribute is None:
            return None
        name = attribute.key
        segment = ngrams.UNION_ATTRIBUTES.index(name) if name in ngrams.UNION_ATTRIBUTES else None
        return _Plan(
            self.of(attribute), folding.equality(attribute), folding.substrings(attribute), segment
        )


def ancestors(key: bytes) -> list[bytes]:
    """The keys above a DN key, nearest first, the empty DN left out."""
    above = []
    while b"\0" in key:
        key = key.rpartition(b"\0")[0]
        above.append(key)
    return above


@lru_cache(maxsize=65536)
def _digest(number: int, value: bytes) -> bytes:
    return layout.digest(number, value)


def value_digest(number: int, folded: str) -> bytes:
    """The digest under which an equality value is listed."""
    return layout.digest(number, folded.encode("utf-8", "surrogatepass"))


def prepare(entry: IndexEntry, numbering: Numbering) -> Prepared:
    """Everything that the index holds of an entry."""
    segments: list[list[str]] = [[] for _ in ngrams.UNION_ATTRIBUTES]
    texts: dict[int, list[str]] = {}
    digests = [layout.digest(layout.DN_KEY, entry.key)]
    present: list[int] = []
    shape: list[str] = []

    def take(attributes: bytes, searchable: bool) -> None:
        for description, values in ber.decode_attributes(attributes).items():
            shape.append(description)
            plan = numbering.plan(description)
            if plan is None:
                continue
            number, equality, substrings, segment = plan
            present.append(number)
            folded: list[str] | None = None
            if equality is not None:
                folded = []
                for value in values:
                    if len(value) <= DIGESTED_MAX:
                        text = equality(value)
                        if text is not None:
                            folded.append(text)
                            digests.append(
                                layout.digest(number, text.encode("utf-8", "surrogatepass"))
                            )
            if not searchable or substrings is None:
                continue
            if substrings is not equality or folded is None:
                folded = [text for text in map(substrings, values) if text is not None]
            if segment is not None:
                segments[segment] += folded
            elif folded:
                texts.setdefault(number, []).extend(folded)

    take(entry.attributes, True)
    user = len(shape)
    take(entry.operational, False)

    name = ber.octets(entry.dn.encode())
    body = ber.sequence((entry.attributes,))
    answer = ber.tlv(SEARCH_RESULT_ENTRY, name + body)
    shift = len(answer) - len(entry.attributes)
    offsets = [shift + start for _, start, _ in ber.iterate_attributes(entry.attributes)] + [len(answer)]
    operational_offsets = [start for _, start, _ in ber.iterate_attributes(entry.operational)]
    operational_offsets.append(len(entry.operational))
    above = ancestors(entry.key)
    sort_key = entries.sort_key(segments[0], entry.key)
    words: set[str] = set()
    for values in segments:
        for value in values:
            words.update(folding.words(value))
    assert user == len(offsets) - 1
    return Prepared(
        sort_key,
        entry.key,
        answer,
        entries.encode_details(
            offsets, operational_offsets, entry.uuid, entry.key, sort_key, entry.operational
        ),
        tuple(shape),
        ngrams.SEPARATOR.join([ngrams.text_of(values) for values in segments]),
        tuple([word[: layout.WORD_MAX] for word in words]),
        tuple([(number, ngrams.text_of(values)) for number, values in texts.items()]),
        b"".join(dict.fromkeys(digests)),
        tuple(dict.fromkeys(present)),
        tuple([_digest(layout.DN_KEY, key) for key in above]),
        entry.audiences,
        entry.passwords,
    )
