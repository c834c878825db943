"""A second copy of the ledger, beside the database: one line for each interop address that was ever given.

# Note [The ledger outlives its database]
A database that is restored from an older copy no longer knows the addresses that were given since, and would give
them to others. So each address is appended to `interop-addresses` in the state, and on the disk, before the
transaction that gives it is committed, and a writer begins by putting back what this file has and its ledger has
not. A line whose commit never came reserves the address for the one it was meant for: no harm.

How far the file is known to the database is a setting of the database, under the file's own number: a restored one
remembers an earlier place, another machine's file has a place of its own.

    # annuaire interop-addresses 5f1c…
    address <tab> holder <tab> since <tab> origin

Of several lines about one address the last counts: it followed its account to another native address.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from annuaire.errors import Unavailable
from annuaire.store.ledger import LedgerRow

FILE_NAME = "interop-addresses"
FILE_MODE = 0o600
_TITLE = "# annuaire interop-addresses "
_ROWS_AT_ONCE = 1000


class Ledger(Protocol):
    """What of a writing transaction this needs."""

    def setting(self, name: str) -> bytes | None: ...
    def set_setting(self, name: str, value: bytes) -> None: ...
    def ledger_after(self, address: str = "", limit: int = 1000) -> list[LedgerRow]: ...
    def restore_ledger(self, rows: Iterable[LedgerRow]) -> None: ...


class AddressFile:
    """The file during one writing transaction: whoever uses it holds the write lock."""

    def __init__(self, state: Path, ledger: Ledger) -> None:
        self._path = state / FILE_NAME
        self._ledger = ledger
        self._file: BinaryIO | None = None
        self._name = ""
        self._begun = 0  # where this transaction appends

    def put_back(self) -> None:
        """Bring the ledger up to the file; make the file anew when it is not what the ledger has seen."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            if self._ledger.ledger_after("", 1):
                self._copy_ledger()
            return
        with self._path.open("rb") as file:
            title = file.readline().decode("ascii", "replace")
            if not title.startswith(_TITLE):
                self._copy_ledger()
                return
            self._name = f"{FILE_NAME}/{title.removeprefix(_TITLE).strip()}"
            known = int(self._ledger.setting(self._name) or 0)
            if size == known:
                return
            if size < known:  # somebody cut it
                self._copy_ledger()
                return
            file.seek(max(known, len(title)))
            self._ledger.restore_ledger(_rows(file))
        self._ledger.set_setting(self._name, b"%d" % size)

    def append(self, rows: Iterable[LedgerRow]) -> None:
        """Add addresses that this transaction gives; on the disk only after `sync`."""
        with _translated():
            for row in rows:
                if self._file is None:
                    self._file = self._opened()
                self._file.write("\t".join(row).encode() + b"\n")

    def mark(self) -> int:
        """Where what was appended ends, for `back`; 0: nothing was."""
        return 0 if self._file is None else self._file.tell()

    def back(self, mark: int) -> None:
        """Forget what was appended since: a part of the transaction came to nothing (Writer.savepoint)."""
        if self._file is None or self._file.tell() == mark:
            return
        with _translated():
            self._file.seek(mark or self._begun)
            self._file.truncate()

    def sync(self) -> None:
        """Before the commit: what was appended is on the disk, and the database will know how far."""
        if self._file is None:
            return
        with _translated(), self._file as file:
            self._file = None
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        self._ledger.set_setting(self._name, b"%d" % size)

    def close(self) -> None:
        """The transaction came to nothing; what was appended stays."""
        if self._file is not None:
            with _translated():
                self._file.close()
            self._file = None

    def _opened(self) -> BinaryIO:
        if not self._name:
            self._begin([])
        file = self._path.open("r+b")
        file.seek(_end_of_last_line(file))
        file.truncate()  # half a line, of a writer that was killed
        self._begun = file.tell()
        return file

    def _copy_ledger(self) -> None:
        with _translated():
            self._begin(self._all())
        self._ledger.set_setting(self._name, b"%d" % self._path.stat().st_size)

    def _all(self) -> Iterator[LedgerRow]:
        rows = self._ledger.ledger_after("", _ROWS_AT_ONCE)
        while rows:
            yield from rows
            rows = self._ledger.ledger_after(rows[-1].address, _ROWS_AT_ONCE)

    def _begin(self, rows: Iterable[LedgerRow]) -> None:
        """A file of a number of its own, whole or not at all."""
        number = secrets.token_hex(16)
        fresh = self._path.with_name(f"{FILE_NAME}.new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE), "wb") as file:
            file.write(f"{_TITLE}{number}\n".encode())
            for row in rows:
                file.write("\t".join(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._name = f"{FILE_NAME}/{number}"


def _rows(file: BinaryIO) -> Iterator[LedgerRow]:
    for line in file:
        if line.endswith(b"\n"):
            fields = line[:-1].decode("utf-8", "replace").split("\t")
            if len(fields) == len(LedgerRow._fields):
                yield LedgerRow._make(fields)


def _end_of_last_line(file: BinaryIO) -> int:
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 4096)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


@contextmanager
def _translated() -> Iterator[None]:
    """A full disk is trouble that passes."""
    try:
        yield
    except OSError as error:
        reason = f"{FILE_NAME}: {error.strerror or error}"
        raise Unavailable("the store is not available", reason) from error
