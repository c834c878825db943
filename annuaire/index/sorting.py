"""Server-side sort (RFC 2891): what an entry is sorted by, as octets that compare as its values do.

§2.2: the least of several values counts, an absent one is larger than any (so that it comes first when a key is
reversed); ties are in the order (cn, DN). A key of an entry is read out of its record alone: of half a million entries
only the attribute that counts is decoded.
"""

from collections.abc import Callable
from typing import NamedTuple

from annuaire.index import entry as entries
from annuaire.index import folding, gather
from annuaire.index.gather import Hit
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering
from annuaire.ldap import ber, options
from annuaire.ldap.controls import SortKey
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import AttributeType, Described

_PRESENT, _ABSENT, _END = b"\x01", b"\x02", b"\x00"
# What stands in a text for the octet that ends it, and for the one that does so.
_ESCAPED = ((b"\x01", b"\x01\x02"), (b"\x00", b"\x01\x01"))
_COMPLEMENT = bytes(range(255, -1, -1))
# Texts of distinct values remembered while one key is read of many entries: towns and professions come back.
_REMEMBERED_MAX = 50_000


class _Key:
    """One key of a sort."""

    __slots__ = ("_asked", "_fold", "_known", "_places", "reverse")

    def __init__(self, asked: Described, fold: folding.Fold, reverse: bool) -> None:
        self._asked = asked
        self._fold = fold
        self.reverse = reverse
        self._places: dict[tuple[int, int], tuple[int, ...]] = {}
        self._known: dict[bytes, str | None] = {}

    def text(self, part: Part, record: bytes, numbering: Numbering) -> str | None:
        """The least of the folded values of an entry; None: it has none."""
        shape = int.from_bytes(record[4:8], "little")
        places = self._places.get((id(part), shape))
        if places is None:
            places = self._places[(id(part), shape)] = tuple(
                i for i, description in enumerate(part.shape(shape)) if self._counts(description, numbering)
            )
        least: str | None = None
        for place in places:
            text = self._least(entries.attribute_of(record, place))
            if text is not None and (least is None or text < least):
                least = text
        return least

    def _counts(self, description: str, numbering: Numbering) -> bool:
        known = numbering.schema.describe(description)
        return known.type is self._asked.type and options.have(
            known.options, self._asked.options - {options.BINARY}
        )

    def _least(self, attribute: bytes) -> str | None:
        try:
            return self._known[attribute]
        except KeyError:
            folded = [
                text
                for values in ber.decode_attributes(attribute).values()
                for value in values
                if (text := self._fold(value)) is not None
            ]
            text = min(folded, default=None)
            if len(self._known) >= _REMEMBERED_MAX:
                self._known.clear()
            self._known[attribute] = text
            return text

    def octets(self, text: str | None) -> bytes:
        """The part of an entry's sort key that this key makes."""
        part = _ABSENT if text is None else _PRESENT + _escaped(text)
        return (part + _END).translate(_COMPLEMENT) if self.reverse else part + _END

    def start(self, value: bytes) -> bytes | None:
        """Where entries begin whose value is the asserted one or comes after it; None: it is no value."""
        text = self._fold(value)
        return None if text is None else self.octets(text)


def _escaped(text: str) -> bytes:
    octets = text.encode("utf-8", "surrogatepass")
    for octet, instead in _ESCAPED:
        if octet in octets:
            octets = octets.replace(octet, instead)
    return octets


class Order:
    """A sort by one or several keys. `natural`: that of the base itself; `name` tells it from others."""

    __slots__ = ("_fold", "_keys", "_numbering", "name", "natural")

    def __init__(
        self, keys: list[_Key], name: tuple[object, ...], natural: bool, numbering: Numbering
    ) -> None:
        self._keys = keys
        self.name = name
        self.natural = natural
        self._numbering = numbering

    def key(self, hit: Hit) -> bytes:
        """What an entry is sorted by; the order (cn, DN) ends it, so no two are equal."""
        if self.natural:
            return gather.order_key(hit)
        sight, identifier = hit
        record = sight.part.record(identifier)
        texts = [key.octets(key.text(sight.part, record, self._numbering)) for key in self._keys]
        texts.append(entries.sort_key_of(entries.details_of(record)))
        return b"".join(texts)

    def texts(self, part: Part, record: bytes) -> list[str | None]:
        """The same without the end, key by key."""
        return [key.text(part, record, self._numbering) for key in self._keys]

    @property
    def reversed(self) -> list[bool]:
        return [key.reverse for key in self._keys]

    def start(self, value: bytes) -> bytes | None:
        """What no entry from the first on that is at or after a value is less than; None: it is no value."""
        if not self.natural:
            return self._keys[0].start(value)
        text = folding.name(value)
        return None if text is None else entries.ordered_name(text)


class Sorting(NamedTuple):
    """How a search is to be sorted, or why it is not (RFC 2891 §1.2)."""

    order: Order | None
    code: int = ResultCode.success
    attribute: str | None = None


def understand(keys: tuple[SortKey, ...], numbering: Numbering) -> Sorting:
    """What the keys of a request mean."""
    schema = numbering.schema
    made: list[_Key] = []
    name: list[object] = []
    for key in keys:
        asked = schema.describe(key.attribute)
        if asked.type is None:
            return Sorting(None, ResultCode.noSuchAttribute, key.attribute)
        rule = None if key.rule is None else schema.rule(key.rule)
        fold = _fold(asked.type, key.rule, numbering)
        if fold is None:
            return Sorting(None, ResultCode.inappropriateMatching, key.attribute)
        one = (asked.canonical, None if rule is None else rule.name, key.reverse)
        if any(one[0] == other[0] for other in name):  # type: ignore[index]
            # RFC 2891 §1.1: an attribute comes once.
            return Sorting(None, ResultCode.unwillingToPerform, key.attribute)
        made.append(_Key(asked, fold, key.reverse))
        name.append(one)
    first = schema.describe(keys[0].attribute)
    natural = (
        len(keys) == 1
        and first.type is not None
        and first.type.key == "cn"
        and not first.options
        and not keys[0].reverse
        and _fold(first.type, keys[0].rule, numbering) is folding.name
    )
    return Sorting(Order(made, tuple(name), natural, numbering))


def _fold(
    attribute: AttributeType, rule: str | None, numbering: Numbering
) -> Callable[[bytes], str | None] | None:
    named = None if rule is None else numbering.schema.rule(rule)
    if rule is not None and named is None:
        return None
    return folding.ordering(attribute, numbering.schema.rules, named)
