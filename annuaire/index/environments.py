"""Opens LMDB environments, each file once a process: LMDB forbids a second time, for its locks are the process's.

Never opened before a process is spawned, never inherited.
"""

import contextlib
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb

from annuaire.errors import Unavailable
from annuaire.index import layout

_open: "weakref.WeakValueDictionary[tuple[int, int, bool] | None, Opened]" = weakref.WeakValueDictionary()


@contextlib.contextmanager
def usable() -> Iterator[None]:
    """A file that LMDB cannot read is no index: Unavailable, and whoever may move the index makes another."""
    try:
        yield
    except lmdb.Error as error:
        raise Unavailable("the index is not ready", str(error)) from None


@contextlib.contextmanager
def writable() -> Iterator[None]:
    """A full disk is trouble that passes: Unavailable, the index in use stays as it was."""
    try:
        yield
    except (OSError, lmdb.Error) as error:
        raise Unavailable("the index cannot be written", str(error)) from error


class Opened:
    """An environment and its databases; it closes when nobody holds it any more."""

    def __init__(self, path: Path, frozen: bool) -> None:
        if frozen:
            # A base is never written again: no lock file, no reader table.
            self.environment = lmdb.open(
                str(path),
                map_size=layout.MAP_SIZE,
                max_dbs=len(layout.DATABASES),
                readonly=True,
                lock=False,
                readahead=False,
            )
        else:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            # No fsync: the store is the truth, and a base is synced once, whole.
            self.environment = lmdb.open(
                str(path),
                map_size=layout.MAP_SIZE,
                max_dbs=len(layout.DATABASES),
                max_readers=layout.MAX_READERS,
                mode=0o600,
                sync=False,
                metasync=False,
                meminit=False,
                readahead=False,
            )
        self.databases: dict[str, Any] = {
            name: self.environment.open_db(name.encode(), create=not frozen) for name in layout.DATABASES
        }

    def __del__(self) -> None:
        if hasattr(self, "environment"):
            self.environment.close()


def open_frozen(path: Path) -> Opened:
    """A base, to be read."""
    return _opened(path, True)


def open_shared(path: Path) -> Opened:
    """A part that some process writes: a recent part, or a base while it is built."""
    return _opened(path, False)


def _opened(path: Path, frozen: bool) -> Opened:
    found = _open.get(_identity(path, frozen))
    if found is None:
        found = Opened(path, frozen)
        _open[_identity(path, frozen)] = found
    return found


def _identity(path: Path, frozen: bool) -> tuple[int, int, bool] | None:
    """The file, not its name: an index may have been deleted and begun anew at the same place."""
    try:
        known = (path / "data.mdb").stat()
    except FileNotFoundError:
        return None
    return known.st_dev, known.st_ino, frozen
