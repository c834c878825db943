"""The lines of a delimited text file, under the layout that its header line tells; read as often as is asked.

UTF-8 with or without a byte order mark, CRLF or LF; only LF ends a line, so a CR or a separator of Unicode inside a
field is a character. A line that cannot be read is told, and reading goes on behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from annuaire.errors import Malformed
from annuaire.importing import archive, headers
from annuaire.importing.block import LINE_MAX, Unreadable
from annuaire.importing.headers import Layout

BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")

TOO_LONG = f"la ligne a plus de {LINE_MAX} octets"
NOT_UTF8 = "la ligne n'est pas en UTF-8"
NUL = "la ligne contient un octet nul"


# The controls of ASCII but LF, and the first octets of all characters that are other controls or other blanks.
_SUSPECT = bytes([*range(10), *range(11, 32), 0x7F, 0xC2, 0xE1, 0xE2, 0xE3])


class Lines(NamedTuple):
    """Some lines in a row, without their ends: "" in the place of one that is blank or cannot be read."""

    first: int  # number of the first one
    texts: list[str]
    unreadable: list[Unreadable]
    size: int  # octets of the input
    plain: bool  # surely no control in them, and no other blank than the space of ASCII


class Table:
    """One file of a known kind; `stream` can be positioned."""

    def __init__(
        self, stream: BinaryIO, file: str, name: str, wanted: Callable[[str], bool] | None = None
    ) -> None:
        self._stream = stream
        self._wanted = wanted
        try:
            self.layout: Layout = headers.match(self._header(), file)
        except Malformed as malformed:
            where = f"{name} : " if name else ""
            more = malformed.reason if malformed.reason != malformed.public else ""
            raise Malformed(where + malformed.public, more) from None

    def lines(self) -> Iterator[Lines]:
        """All lines behind the header."""
        number = 1
        held = b""
        told = 0
        passing = False  # inside a line that is too long
        first = True
        too_long: list[Unreadable] = []
        for piece, size in archive.pieces(self._stream, self._wanted):
            told += size
            if passing:
                _, end, piece = piece.partition(b"\n")
                if not end:
                    continue
                passing = False
                number += 1
            data = held + piece
            cut = data.rfind(b"\n") + 1
            held = data[cut:]
            if len(held) > LINE_MAX:
                too_long.append(Unreadable(number + data.count(b"\n"), TOO_LONG, b""))
                held, passing = b"", True
            if not cut:
                continue
            count = data.count(b"\n", 0, cut)
            yield _read(data[: cut - 1], number, first, too_long, told)
            number += count
            told, too_long, first = 0, [], False
        if held or told or too_long:
            yield _read(held, number, first, too_long, told)

    def _header(self) -> str:
        held = b""
        for piece, _ in archive.pieces(self._stream, self._wanted):
            held += piece
            if b"\n" in held or len(held) > LINE_MAX:
                break
        return header(held)


def header(head: bytes) -> str:
    """The first line of a file that begins so; Malformed when that is no text."""
    if head.startswith(_UTF16):
        raise Malformed("le fichier est en UTF-16 : convertissez-le d'abord (iconv -f UTF-16 -t UTF-8)")
    line = head.removeprefix(BOM).partition(b"\n")[0]
    if len(line) > LINE_MAX:
        raise Malformed(f"la première ligne a plus de {LINE_MAX} octets")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise Malformed("la première ligne n'est pas en UTF-8 : convertissez d'abord le fichier") from None


def _read(data: bytes, number: int, with_header: bool, unreadable: list[Unreadable], size: int) -> Lines:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").removesuffix(b"\r")
    if with_header:
        number += 1
        data = data.partition(b"\n")[2]
    plain = len(data.translate(None, _SUSPECT)) == len(data)
    try:
        texts = data.decode().split("\n")
        ordinary = (plain or b"\0" not in data) and max(map(len, texts)) <= LINE_MAX // 4
    except UnicodeDecodeError:
        ordinary = False
    if not ordinary:
        texts = [_decoded(line, at, unreadable) for at, line in enumerate(data.split(b"\n"), number)]
    return Lines(number, texts, unreadable, size, plain)


def _decoded(line: bytes, number: int, unreadable: list[Unreadable]) -> str:
    if len(line) > LINE_MAX:
        unreadable.append(Unreadable(number, TOO_LONG, b""))
    elif b"\0" in line:
        unreadable.append(Unreadable(number, NUL, line))
    else:
        try:
            return line.decode()
        except UnicodeDecodeError:
            unreadable.append(Unreadable(number, NOT_UTF8, line))
    return ""
