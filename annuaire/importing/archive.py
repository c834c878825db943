"""The octets of one text file, plain or alone in a ZIP, in pieces, as often as they are asked for.

A ZIP is taken only in the form that the national files have: deflated or stored, not encrypted, one file inside (or
one of the right name), of a size that such a file can have. What is declared is never exceeded while reading.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO

from annuaire.errors import Malformed

PIECE = 1 << 20

MAGIC = b"PK\x03\x04"
_EMPTY = b"PK\x05\x06"

# Five times the largest national file (PS_LibreAcces_Personne_activite).
UNPACKED_MAX = 4 << 30
# National files shrink to a quarter or a fifth; nothing but a bomb shrinks to less than a hundredth.
RATIO_MAX = 100
# Below this size no ratio does harm.
RATIO_FREE = 16 << 20
# A ZIP of three files is the most that is published; names are read before anything else can be refused.
FILES_MAX = 100

# The end of a ZIP: its record, and a comment of at most 65,535 octets.
_END = struct.Struct("<4s4H2LH")
_TAIL = _END.size + 0xFFFF

_ENCRYPTED = 0x1
_FOLDERS_OF_MACOS = "__MACOSX/"

# All that the standard library raises for an archive that is not what it says.
_TROUBLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    UnicodeError,
    ValueError,
    struct.error,
)


def pieces(stream: BinaryIO, wanted: Callable[[str], bool] | None = None) -> Iterator[tuple[bytes, int]]:
    """The file from its beginning, and how many octets of the stream each piece stands for: all of them in the end.

    `stream` can be positioned. `wanted` names the file to take when a ZIP has several; without it there is one.
    """
    stream.seek(0)
    head = stream.read(len(MAGIC))
    if head == _EMPTY:
        raise Malformed("l'archive ZIP est vide")
    if head == MAGIC:
        yield from _unpacked(stream, wanted)
        return
    stream.seek(0)
    while piece := stream.read(PIECE):
        yield piece, len(piece)


def is_archive(head: bytes) -> bool:
    return head.startswith((MAGIC, _EMPTY))


def first_file(head: bytes) -> tuple[str, bytes]:
    """The name of the first file of a ZIP and the beginning of its text, as far as the head of the ZIP tells."""
    try:
        method, name_length, extra_length = struct.unpack_from("<8xH16x2H", head)
        name = head[30 : 30 + name_length].decode("utf-8", "replace")
        packed = head[30 + name_length + extra_length :]
        if method == zipfile.ZIP_DEFLATED:
            return name, zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, len(head))
        return name, packed if method == zipfile.ZIP_STORED else b""
    except (struct.error, zlib.error):
        return "", b""


def _unpacked(stream: BinaryIO, wanted: Callable[[str], bool] | None) -> Iterator[tuple[bytes, int]]:
    size = stream.seek(0, 2)
    with _told():
        _check_count(stream, size)
        archive = zipfile.ZipFile(stream)
    chosen = _chosen(archive.infolist(), wanted)
    _check(chosen)
    total = max(chosen.file_size, 1)
    done = told = 0
    with _told():
        text = archive.open(chosen)
    while piece := _read(text):
        done += len(piece)
        consumed = size * done // total
        yield piece, consumed - told
        told = consumed
    if told < size:
        yield b"", size - told


def _read(text: IO[bytes]) -> bytes:
    with _told():
        return text.read(PIECE)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except _TROUBLE as trouble:
        raise Malformed("l'archive ZIP est incomplète ou abîmée", str(trouble)) from None


def _check_count(stream: BinaryIO, size: int) -> None:
    """Refuse an archive of very many files before the names of all are held."""
    stream.seek(max(0, size - _TAIL))
    tail = stream.read(_TAIL)
    at = tail.rfind(_EMPTY)
    if at < 0 or at + _END.size > len(tail):
        raise Malformed("l'archive ZIP est incomplète ou abîmée", "no end record")
    count = _END.unpack_from(tail, at)[4]
    if count > FILES_MAX:
        raise Malformed(f"l'archive ZIP contient plus de {FILES_MAX} fichiers")


def _chosen(found: list[zipfile.ZipInfo], wanted: Callable[[str], bool] | None) -> zipfile.ZipInfo:
    files = [one for one in found if not one.is_dir() and not one.filename.startswith(_FOLDERS_OF_MACOS)]
    if not files:
        raise Malformed("l'archive ZIP est vide")
    chosen = files
    if wanted is not None and len(files) > 1:
        chosen = [one for one in files if wanted(one.filename)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join([one.filename for one in files])
    if wanted is None:
        raise Malformed(f"l'archive ZIP contient plusieurs fichiers au lieu d'un seul : {names}")
    raise Malformed(f"on ne sait lequel prendre des fichiers de l'archive ZIP : {names}")


def _check(file: zipfile.ZipInfo) -> None:
    if file.flag_bits & _ENCRYPTED:
        raise Malformed("l'archive ZIP est chiffrée : extrayez d'abord le fichier")
    if file.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Malformed(
            "l'archive ZIP est comprimée d'une manière inhabituelle : extrayez d'abord le fichier"
        )
    if file.file_size > UNPACKED_MAX:
        raise Malformed(f"le fichier de l'archive ZIP a {file.file_size} octets, plus que {UNPACKED_MAX}")
    if file.file_size > RATIO_FREE and file.file_size > RATIO_MAX * file.compress_size:
        raise Malformed(
            "le fichier de l'archive ZIP est plus de cent fois plus grand qu'elle : il est refusé"
        )
