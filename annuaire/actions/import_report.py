"""What every import tells: how far it is, and what it did. And the bytes that it reads, with their digest."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from annuaire.store.imports import RefusalRow

# Refusals that a report holds; all are in the rejects and in the store.
REFUSALS_REPORTED = 1000


class Progress(NamedTuple):
    """How far an import is: bytes read of how many (0: unknown), records read."""

    phase: str  # read, compare, apply
    done: int
    total: int
    records: int


class Report(NamedTuple):
    """What an import did, or would do. Not applied: refusals stopped it, or it was a dry run."""

    added: int
    changed: int
    unchanged: int
    removed: int
    refused: int
    warnings: int
    refusals: list[RefusalRow]
    change_number: int
    applied: bool
    ignored: dict[str, int]
    warned: Mapping[str, int] = MappingProxyType({})  # of the warnings, by kind, where they have kinds

    @property
    def read(self) -> int:
        return self.added + self.changed + self.unchanged + self.removed + self.refused


class Hashed(io.RawIOBase):
    """A stream that remembers what it gave, as a digest."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    def digest(self) -> bytes:
        return self._hash.digest()


def size_of(stream: BinaryIO) -> int:
    """How many bytes there are to read; 0 when nobody knows."""
    try:
        return max(0, os.fstat(stream.fileno()).st_size - stream.tell())
    except (OSError, AttributeError, ValueError):
        return 0


@contextmanager
def seekable(stream: BinaryIO, state: Path, needed: bool) -> Iterator[BinaryIO]:
    """The stream, or a copy that can be read twice when that is needed and the stream cannot."""
    if not needed or stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile(dir=state) as copy:
        while block := stream.read(1 << 20):
            copy.write(block)
        copy.seek(0)
        yield copy
