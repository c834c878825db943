"""XML from elsewhere, read without trusting it: no DTD, no entity, nothing fetched, bounded depth, size and number.

A first pass in little memory refuses what would cost much; only then is a tree built. UTF-8 alone is read, so that
both passes read the same characters.
"""

from __future__ import annotations

from typing import NamedTuple
from xml.parsers import expat

from lxml import etree

from annuaire.errors import Malformed

# The national list has 4 MB, 60,000 elements, six levels with its signature; certificates are its longest texts.
SIZE_MAX = 100_000_000
ELEMENTS_MAX = 1_000_000
DEPTH_MAX = 32
# Octets of one tag with its attributes, one comment, one run of text.
PIECE_MAX = 128 * 1024
# What the first pass is given at once: it may hold so much more than a piece.
_SLICE = 64 * 1024


class Limits(NamedTuple):
    size: int = SIZE_MAX
    elements: int = ELEMENTS_MAX
    depth: int = DEPTH_MAX
    piece: int = PIECE_MAX


def parser(*, comments: bool = True) -> etree.XMLParser:
    """A parser of lxml that fetches nothing and resolves nothing."""
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        collect_ids=False,
        remove_comments=not comments,
        remove_pis=not comments,
    )


def parse(data: bytes, *, comments: bool = True) -> etree._Element:
    """The root of a document that `examine` let pass."""
    try:
        root = etree.fromstring(data, parser(comments=comments))
    except etree.XMLSyntaxError as error:
        raise Malformed(f"XML mal formé, ligne {error.lineno}", error.msg or "") from error
    if root.getroottree().docinfo.doctype:
        raise Malformed("XML refusé : il contient une DTD")
    return root


def examine(data: bytes, named: str = "", limits: Limits = Limits()) -> list[int]:  # noqa: B008 (a value)
    """Refuse what is no XML, or too much of it; the lines on which the elements of a local name begin."""
    if len(data) > limits.size:
        raise Malformed(f"fichier trop grand : plus de {limits.size // 1_000_000} Mo")
    examination = _Examination(named, limits)
    examination.read(data)
    return examination.lines


class _Examination:
    """The first pass: counts, and keeps nothing but line numbers."""

    def __init__(self, named: str, limits: Limits) -> None:
        self.lines: list[int] = []
        self._named = named
        self._limits = limits
        self._elements = self._depth = self._text = 0
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = False
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.CommentHandler = self._comment
        self._parser.ProcessingInstructionHandler = self._instruction

    def read(self, data: bytes) -> None:
        try:
            for start in range(0, len(data), _SLICE):
                piece = data[start : start + _SLICE]
                self._parser.Parse(piece, False)
                # A tag that does not end is read again with every slice: bounded, that stays cheap.
                if start + len(piece) - self._parser.CurrentByteIndex > self._limits.piece:
                    raise self._too_much("un élément ou un attribut démesuré")
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise Malformed(f"XML mal formé ou tronqué, ligne {error.lineno}", reason) from error

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii"):
            raise Malformed("XML refusé : il n'est pas en UTF-8", f"encoding {encoding}")

    def _doctype(self, *_: object) -> None:
        # Entities are declared nowhere else: neither many small ones nor a file of this machine gets in.
        raise Malformed("XML refusé : il contient une DTD")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count()
        self._depth += 1
        if self._depth > self._limits.depth:
            raise self._too_much(f"plus de {self._limits.depth} niveaux")
        if name.rpartition(":")[2] == self._named:
            self.lines.append(self._parser.CurrentLineNumber)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._text = 0

    def _characters(self, text: str) -> None:
        self._text += len(text)
        if self._text > self._limits.piece:
            raise self._too_much("un texte démesuré")

    def _comment(self, text: str) -> None:
        self._count()

    def _instruction(self, target: str, text: str) -> None:
        self._count()

    def _count(self) -> None:
        self._text = 0
        self._elements += 1
        if self._elements > self._limits.elements:
            raise self._too_much(f"plus de {self._limits.elements} éléments")

    def _too_much(self, what: str) -> Malformed:
        return Malformed(f"XML refusé : {what}, ligne {self._parser.CurrentLineNumber}")
