"""From an entry to everything that the index holds of it: a plain function, run by the build's processes and by
the writer alike, so that an incremental index and a rebuilt one cannot differ.
"""

from collections.abc import Callable, Iterable, Sequence
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


# What is remembered of each attribute: professions, towns and names come back thousands of times, and what one
# audience is shown of a person is mostly what the last one was. What is full begins anew.
_REMEMBERED_MAX = 4_000
_OPERATIONAL_MAX = 1_000
# Octets of values that are remembered.
_REMEMBERED_SIZE = 256
# Sets of descriptions remembered: the entries of a directory have some dozens, options can be invented without end.
_SHAPES_MAX = 1_000
ENTRY_DN = "entryDN"


# What all the values of one attribute come to: digests concatenated, each once; the folded values; their text; and
# of an attribute of the union text their words. A plain tuple: millions are made.
_Known = tuple[bytes, list[str], str, tuple[str, ...]]
_NOTHING: _Known = (b"", [], "", ())


class Plan:
    """How the attributes of one type are indexed."""

    __slots__ = (
        "_classes",
        "_encoded",
        "_equality",
        "_hasher",
        "_same",
        "_substrings",
        "known",
        "number",
        "segment",
    )

    def __init__(
        self,
        number: int,
        attribute: AttributeType,
        segment: int | None,
        classes: Callable[[Sequence[bytes]], list[bytes]] | None,
    ) -> None:
        self.number = number
        self._hasher = layout.hasher(number)
        self.segment = segment  # in the union text
        self._classes = classes  # of objectClass: what its values imply
        self._equality = folding.equality(attribute)
        self._substrings = folding.substrings(attribute)
        self._same = self._equality is self._substrings
        self._encoded: dict[tuple[str, tuple[bytes, ...]], tuple[bytes, list[bytes]]] = {}
        # By the value when there is one, else by all of them.
        self.known: dict[bytes | tuple[bytes, ...], _Known] = {}

    def value(self, value: bytes) -> tuple[bytes | None, str | None]:
        """The digest for equality and the folded text for substrings, each None where there is none."""
        folded = None if self._equality is None else self._equality(value)
        digest = None
        if folded is not None:
            hashed = self._hasher.copy()
            hashed.update(folded.encode("utf-8", "surrogatepass"))
            digest = hashed.digest()
        if self._same:
            return digest, folded
        return digest, None if self._substrings is None else self._substrings(value)

    def of(self, values: Sequence[bytes]) -> _Known:
        """What values come to."""
        return self.known.get(values[0] if len(values) == 1 else tuple(values)) or self.learn(values)

    def learn(self, values: Sequence[bytes]) -> _Known:
        """What values come to that are not in `known`."""
        if len(values) == 1 and self._classes is None:  # most
            value = values[0]
            digest, text = self.value(value)
            if text is None:
                known: _Known = (digest or b"", [], "", ())
            else:
                words = () if self.segment is None else _distinct_pieces(folding.words(text))
                known = (digest or b"", [text], ngrams.START + text + ngrams.END, words)
            if len(value) < _REMEMBERED_SIZE:
                if len(self.known) >= _REMEMBERED_MAX:
                    self.known.clear()
                self.known[value] = known
            return known
        if self._classes is not None:
            known = (_joined([self.value(value)[0] for value in self._classes(values)]), [], "", ())
        else:
            known = self._together(list(map(self.value, values)))
        if sum(map(len, values)) < _REMEMBERED_SIZE:
            if len(self.known) >= _REMEMBERED_MAX:
                self.known.clear()
            self.known[values[0] if len(values) == 1 else tuple(values)] = known
        return known

    def both(self, some: _Known, more: _Known) -> _Known:
        """Of values that stand under two descriptions: the type with options and without."""
        return self._together([(None, text) for text in (*some[1], *more[1])])

    def _together(self, found: Sequence[tuple[bytes | None, str | None]]) -> _Known:
        folded = [text for _, text in found if text is not None]
        words = () if self.segment is None else _distinct_pieces(folding.words(" ".join(folded)))
        return _joined([digest for digest, _ in found]), folded, ngrams.text_of(folded), words

    def operational(self, description: str, values: tuple[bytes, ...]) -> tuple[bytes, list[bytes]]:
        """The encoded attribute and the digests of its values: most are the same for all entries of an import."""
        known = self._encoded.get((description, values))
        if known is None:
            digests = [digest for digest, _ in map(self.value, values) if digest is not None]
            known = (ber.encode_attributes({description: values}), digests)
            if len(self._encoded) >= _OPERATIONAL_MAX:
                self._encoded.clear()
            self._encoded[(description, values)] = known
        return known


class _Columns(NamedTuple):
    """How the attributes of all entries are indexed that have the same descriptions in the same order."""

    shape: tuple[str, ...]
    user: list[Plan | None]  # None: what the schema does not know
    operational: list[Plan | None]
    present: tuple[int, ...]
    repeated: bool  # one type stands there twice


class _Operational(NamedTuple):
    """What the operational attributes of one entry come to; `digests` concatenated."""

    block: bytes
    offsets: list[int]
    digests: bytes


class Numbering:
    """The numbers of the attribute types of a schema, the same in every process that has the same schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        names = sorted({t.key for t in schema.attribute_types})
        self.names = tuple(names)
        self.number: dict[str, int] = {name: i + 1 for i, name in enumerate(names)}
        self.object_class = self.number.get("objectclass", 0)
        self.plans: dict[str, Plan | None] = {}
        self._by_type: dict[str, Plan] = {}
        self._columns: dict[tuple[str, ...], dict[tuple[str, ...], _Columns]] = {}
        # Those of the last entry: of one person for several audiences they are mostly the same.
        self._last: tuple[dict[str, list[bytes]], bytes, _Operational] = (
            {},
            b"",
            _Operational(b"", [0], b""),
        )

    def of(self, attribute: AttributeType) -> int:
        return self.number[attribute.key]

    def columns(self, user: Iterable[str], operational: Iterable[str]) -> _Columns:
        """How entries of these descriptions are indexed."""
        some, others = tuple(user), tuple(operational)
        known = self._columns.setdefault(some, {})
        found = known.get(others)
        if found is None:
            plans = [self.plan(one) for one in some]
            more = [self.plan(one) for one in others]
            numbers = [plan.number for plan in (*plans, *more) if plan is not None]
            present = tuple(dict.fromkeys(numbers))
            found = _Columns((*some, *others), plans, more, present, len(present) < len(numbers))
            if len(self._columns) > _SHAPES_MAX:
                self._columns.clear()
            known[others] = found
        return found

    def operational(self, entry: IndexEntry, columns: _Columns) -> _Operational:
        """What the operational attributes of an entry come to."""
        last, key, known = self._last
        if entry.key == key and entry.operational == last:
            return known
        encoded: list[bytes] = []
        offsets = [0]
        digests: list[bytes] = []
        position = 0
        for plan, (description, values) in zip(columns.operational, entry.operational.items(), strict=True):
            if plan is None or description == ENTRY_DN:
                one = ber.encode_attributes({description: values})
                if plan is not None:  # its normal form is at hand
                    digests.append(value_digest(plan.number, entry.key.decode("latin-1")))
            else:
                one, found = plan.operational(description, tuple(values))
                digests += found
            encoded.append(one)
            position += len(one)
            offsets.append(position)
        known = _Operational(b"".join(encoded), offsets, b"".join(digests))
        self._last = (entry.operational, entry.key, known)
        return known

    def _implied(self, classes: Sequence[bytes]) -> list[bytes]:
        """These object classes and all their superclasses, which they imply (RFC 4512 §3.3)."""
        names = {key.encode() for value in classes for key in self.schema.class_keys(value)}
        return sorted({*classes, *names})

    def plan(self, description: str) -> Plan | None:
        """How a description is indexed; None for what the schema does not know."""
        try:
            return self.plans[description]
        except KeyError:
            plan = self._plan(description)
            if len(self.plans) < 4096:  # options can be invented without end
                self.plans[description] = plan
            return plan

    def _plan(self, description: str) -> Plan | None:
        attribute = self.schema.attribute(description)
        if attribute is None:
            return None
        union = ngrams.UNION_ATTRIBUTES
        segment = union.index(attribute.key) if attribute.key in union else None
        # One for each type: what it remembers of values is the same with every option.
        plan = self._by_type.get(attribute.key)
        if plan is None:
            number = self.of(attribute)
            classes = self._implied if number == self.object_class else None
            plan = self._by_type[attribute.key] = Plan(number, attribute, segment, classes)
        return plan


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


@lru_cache(maxsize=64)
def _name_digest(key: bytes) -> bytes:
    """The digest of a DN key: a person's entries follow each other."""
    return layout.digest(layout.DN_KEY, key)


def value_digest(number: int, folded: str) -> bytes:
    """The digest under which an equality value is listed."""
    return layout.digest(number, folded.encode("utf-8", "surrogatepass"))


def _joined(digests: Iterable[bytes | None]) -> bytes:
    return b"".join([digest for digest in dict.fromkeys(digests) if digest is not None])


def _each_once(digests: bytes) -> bytes:
    size = layout.DIGEST_SIZE
    return _joined([digests[at : at + size] for at in range(0, len(digests), size)])


def _distinct_pieces(words: list[str]) -> tuple[str, ...]:
    found = set(words)
    if max(map(len, found), default=0) <= layout.WORD_MAX:  # nearly always
        return tuple(found)
    return tuple({piece for word in found for piece in _pieces(word)})


def text_words(text: str) -> set[str]:
    """The words of a union text, as they stand in the dictionary."""
    segments = [part[1:-1].replace(ngrams.BETWEEN, " ") for part in text.split(ngrams.SEPARATOR)]
    return {word for segment in segments for word in _distinct_pieces(folding.words(segment))}


def _pieces(word: str) -> list[str]:
    """A word as it stands in the dictionary: cut in pieces that overlap when it is too long for a key."""
    if len(word) <= layout.WORD_MAX:
        return [word]
    step = layout.WORD_MAX - layout.WORD_PIECE_MAX
    return [word[at : at + layout.WORD_MAX] for at in range(0, len(word) - layout.WORD_PIECE_MAX, step)]


def prepare(entry: IndexEntry, numbering: Numbering) -> Prepared:
    """Everything that the index holds of an entry."""
    decoded, offsets = entry.decoded or ber.decode_places(entry.attributes)
    columns = numbering.columns(decoded, entry.operational)
    union = [_NOTHING] * len(ngrams.UNION_ATTRIBUTES)
    texts: dict[int, _Known] = {}
    digests = [_name_digest(entry.key)]
    for plan, values in zip(columns.user, decoded.values(), strict=True):
        if plan is None:
            continue
        known = plan.known.get(values[0] if len(values) == 1 else tuple(values)) or plan.learn(values)
        digests.append(known[0])
        if plan.segment is not None:
            before = union[plan.segment]
            union[plan.segment] = plan.both(before, known) if before[1] else known
        elif known[1]:
            number = plan.number
            texts[number] = plan.both(texts[number], known) if number in texts else known
    operational = numbering.operational(entry, columns)
    digests.append(operational.digests)
    found = b"".join(digests)

    answer = responses.entry(entry.dn.encode(), entry.attributes)
    shift = len(answer) - len(entry.attributes)
    parent = entry.key.rpartition(b"\0")[0]
    sort_key = entries.sort_key(union[0][1], entry.key)
    return Prepared(
        sort_key,
        entry.key,
        answer,
        entries.encode_details(
            [*[shift + start for start in offsets], len(answer)],
            operational.offsets,
            entry.uuid,
            entry.key,
            sort_key,
            operational.block,
        ),
        columns.shape,
        ngrams.SEPARATOR.join([known[2] for known in union]),
        tuple({word for known in union for word in known[3]}),
        tuple([(number, known[2]) for number, known in texts.items()]),
        _each_once(found) if columns.repeated else found,
        columns.present,
        _above(parent) if parent else (),
        entry.audiences,
        entry.passwords,
        entry.facts,
    )
