"""One stored entry under verification: its values, read and folded only as far as a filter asks."""

from annuaire.index import entry as entries
from annuaire.index import ngrams
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering
from annuaire.ldap import ber, evaluation
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
            if options and not all(evaluation.has_option(known.options, option) for option in options):
                continue
            if known.type.key == OBJECT_CLASS:
                implied = {key.encode() for value in values for key in schema.class_keys(value)}
                values = [*values, *implied]
            found += [(known.type, value) for value in values]
        return found
