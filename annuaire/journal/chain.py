"""The chain of one process, on its way to the disk: numbered, hashed, cut into files by size and by day.

Only one thread uses it. What was numbered stays in a buffer until the disk has taken it: after a failure the same
octets go on where they stopped, so a line is whole or it is the last one. Its newest file is flocked as long as the
process lives, which is how others know that it does.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path

import annuaire
from annuaire.journal import layout, records
from annuaire.journal.records import Position

DAY = 86_400_000_000_000


class Chain:
    """Records in order. Each call may raise OSError, and may then be made again."""

    def __init__(self, folder: Path, file_size: int) -> None:
        self.name = layout.new_chain()
        self._folder = folder
        self._file_size = file_size
        self._count = 0
        self._head = records.genesis(self.name)
        self._file = 0
        self._descriptor = -1
        self._size = 0
        self._day = 0
        self._unwritten = memoryview(b"")

    @property
    def position(self) -> Position:
        return Position(self._count, self._head.hex(), self._file)

    def begin(self) -> None:
        """Make the first file, still empty: it is written when a checkpoint has named it."""
        if self._descriptor < 0:
            self._open(1)

    def append(self, texts: Iterable[bytes]) -> None:
        """Number records for the next flush. When it fails, it has taken none of them."""
        self.flush()
        today = time.time_ns() // DAY
        if self._count == 0 or self._size >= self._file_size or today != self._day:
            self._turn_over(today)
        self._unwritten = memoryview(b"".join([self._compose(text) for text in texts]))
        self._size += len(self._unwritten)

    def flush(self) -> None:
        """Give the system everything that is numbered."""
        while self._unwritten:
            self._unwritten = self._unwritten[os.write(self._descriptor, self._unwritten) :]

    def sync(self) -> None:
        """Put everything on the disk."""
        self.flush()
        os.fsync(self._descriptor)

    @property
    def is_gone(self) -> bool:
        """Whether somebody removed the file that is being written."""
        return os.fstat(self._descriptor).st_nlink == 0

    def go_on_elsewhere(self) -> None:
        """Begin another file, at the next record."""
        self._size = self._file_size

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def unwritten(self) -> int:
        """Records that are numbered and that the system has not taken."""
        return bytes(self._unwritten).count(b"\n")

    def _compose(self, text: bytes) -> bytes:
        self._count += 1
        line, self._head = records.compose(self._count, text, self._head)
        return line

    def _turn_over(self, today: int) -> None:
        """Go on in another file; the first record of each says which chain it is and where it begins."""
        if self._count:
            os.fsync(self._descriptor)
            before = self._descriptor
            self._open(self._file + 1)
            # Only now: at every moment the newest file is locked.
            os.close(before)
        self._day = today
        header = (
            f'"at":"{records.stamp(time.time_ns())}","kind":"{records.FILE}","format":{records.FORMAT},'
            f'"annuaire":"{annuaire.__version__}","chain":"{self.name}","file":{self._file},'
            f'"after":"{self._head.hex()}"'
        )
        self._unwritten = memoryview(self._compose(header.encode()))
        self._size = len(self._unwritten)
        self.flush()

    def _open(self, number: int) -> None:
        path = layout.chain_file(self._folder, self.name, number)
        part = path.with_name(path.name + layout.PART)
        descriptor = os.open(
            part, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC, layout.FILE_MODE
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(part, path)
            layout.sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor, self._file = descriptor, number
