"""One stored entry under verification: its values, read and folded only as far as a filter asks."""

from annuaire.index import entry as entries
from annuaire.index import folding, ngrams
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering
from annuaire.ldap import ber
from annuaire.ldap import options as attribute_options
from annuaire.ldap.schema import OBJECT_CLASS, AttributeType


class Candidate:
    """An entry that the set algebra could not decide."""

    __slots__ = ("_attributes", "_identifier", "_numbering", "_part", "_segments", "_text")

    def __init__(self, part: Part, identifier: int, numbering: Numbering) -> None:
        self._part = part
        self._identifier = identifier
        self._numbering = numbering
        self._text: str | None = None
        self._segments: list[str] | None = None
        self._attributes: dict[str, list[bytes]] | None = None

    @property
    def text(self) -> str:
        """The union text."""
        if self._text is None:
            self._text = self._part.text(self._identifier)
        return self._text

    def segment(self, number: int) -> str:
        """The folded values of one attribute of the union text, between their marks."""
        if self._segments is None:
            self._segments = self.text.split(ngrams.SEPARATOR)
        return self._segments[number]

    @property
    def attributes(self) -> dict[str, list[bytes]]:
        """Every attribute, operational ones included."""
        if self._attributes is None:
            details = entries.decode_details(self._part.details(self._identifier))
            answer = self._part.answer(self._identifier)
            self._attributes = ber.decode_attributes(answer[details.offsets[0] :])
            self._attributes.update(ber.decode_attributes(details.operational))
        return self._attributes

    @property
    def key(self) -> bytes:
        return entries.key_of(self._part.details(self._identifier))

    @property
    def dn(self) -> str:
        answer = self._part.answer(self._identifier)
        _, start, end = ber.read(answer, 0, len(answer))
        _, start, end = ber.read(answer, start, end)
        return answer[start:end].decode()

    def values(self, types: frozenset[str], options: frozenset[str]) -> list[tuple[AttributeType, bytes]]:
        """The values of these types (keys) whose description carries at least these options.

        Classes with their superclasses, which they imply (RFC 4512 §3.3).
        """
        found: list[tuple[AttributeType, bytes]] = []
        schema = self._numbering.schema
        for description, values in self.attributes.items():
            known = schema.describe(description)
            if known.type is None or known.type.key not in types:
                continue
            if options and not attribute_options.have(known.options, options):
                continue
            if known.type.key == OBJECT_CLASS:
                implied = {key.encode() for value in values for key in schema.class_keys(value)}
                values = [*values, *implied]
            found += [(known.type, value) for value in values]
        return found


class Made(Candidate):
    """What lies in no part: attributes that are computed, or one value by itself, to be tested as an entry is."""

    __slots__ = ()

    def __init__(self, attributes: dict[str, list[bytes]], numbering: Numbering) -> None:
        self._attributes = attributes
        self._numbering = numbering
        self._segments = None
        self._text = None

    @property
    def text(self) -> str:
        if self._text is None:
            folded: list[list[str]] = [[] for _ in ngrams.UNION_ATTRIBUTES]
            for known, value in self.values(frozenset(ngrams.UNION_ATTRIBUTES), frozenset()):
                fold = folding.substrings(known)
                text = None if fold is None else fold(value)
                if text is not None:
                    folded[ngrams.UNION_ATTRIBUTES.index(known.key)].append(text)
            self._text = ngrams.SEPARATOR.join(map(ngrams.text_of, folded))
        return self._text
