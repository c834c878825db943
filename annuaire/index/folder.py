"""The folder of the index: which build is current, who may move it, and how readers learn that it moved.

    index/current       the number of the build in use, replaced by rename
    index/beacon        32 octets that every reader maps: number of the build, number of the last move, the change
                        that the index must contain before strangers are answered, and the one that it contains
    index/lock          flock of whoever moves the index
    index/<n>/base/     LMDB, written once
    index/<n>/recent-<boot>/   LMDB, what was written since, in this boot of the machine: it is never synced
    index/<n>/manifest.json

Note [Each build has its own folder]: LMDB loses transactions when a data file is renamed over an open one.
"""

import contextlib
import fcntl
import json
import mmap
import os
import shutil
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from annuaire.errors import Unavailable
from annuaire.index import layout

# What `announce` writes and what `hide_until` writes: under two locks, so neither writes what is the other's.
_MOVES, _HIDDEN, _REACHED = struct.Struct("<QQ"), struct.Struct("<Q"), struct.Struct("<Q")
_BEACON_SIZE = _MOVES.size + _HIDDEN.size + _REACHED.size
LOCK_WAIT_SECONDS = 60.0
# How often a lock is looked at: soon, for most are held for milliseconds by another writer, then less and less.
LOCK_LOOK_SECONDS, LOCK_LOOK_MAX, LOCK_LOOK_GROWTH = 0.0002, 0.01, 1.2
READ_AT_ONCE = 4 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a build says of itself; anything else than what is expected here means: rebuild."""

    format: int
    schema: str  # `reader.schema_digest`
    views: str  # what its entries depend on beside the store: `actions.source.StoreSource.digest`
    change: int  # the store's change that the base contains
    entries: int
    size: int  # octets of the base's data file
    checksum: int | None = None  # CRC-32 of that file: it is read once at each start, beside the service


def boot_identifier() -> str:
    """Changes at each boot: what was not synced before it may be gone."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class IndexFolder:
    """Paths and moves of one index folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def build(self, number: int) -> Path:
        return self.path / str(number)

    def recent(self, number: int) -> Path:
        """Note [A recent part lasts one boot]: it is never synced, so after another boot it is made anew."""
        return self.build(number) / f"recent-{boot_identifier()[:8]}"

    def current(self) -> int | None:
        """The number of the build in use."""
        try:
            return int((self.path / "current").read_text())
        except (OSError, ValueError):
            return None

    def manifest(self, number: int) -> Manifest | None:
        """The manifest of a build that may be opened: complete, of this format, its file whole."""
        try:
            manifest = Manifest(**json.loads((self.build(number) / "manifest.json").read_text()))
            size = (self.build(number) / "base" / "data.mdb").stat().st_size
        except (OSError, ValueError, TypeError):
            return None
        # A truncated map would end the process with SIGBUS: the length is checked before it is opened.
        if manifest.format != layout.FORMAT or manifest.size != size:
            return None
        return manifest

    def whole(self, number: int) -> bool:
        """Whether the base still has the octets that were written; reads all of it.

        The first time, which is soon after the build and beside the service, they are what is remembered.
        """
        manifest = self.manifest(number)
        if manifest is None:
            return False
        found = checksum(self.build(number))
        if manifest.checksum is None:
            self.write_manifest(number, replace(manifest, checksum=found))
        return manifest.checksum in (None, found)

    def write_manifest(self, number: int, manifest: Manifest) -> None:
        _replace(self.build(number) / "manifest.json", json.dumps(asdict(manifest)).encode())

    def free_number(self) -> int:
        """A number that no build has."""
        taken = [int(p.name) for p in self.path.iterdir() if p.name.isdigit()] if self.path.exists() else []
        return max([*taken, self.current() or 0]) + 1

    @contextlib.contextmanager
    def locked(self, name: str = "lock") -> Iterator[None]:
        """Hold the right to move the index; Unavailable when it cannot be had in time."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            limit = time.monotonic() + LOCK_WAIT_SECONDS
            pause = LOCK_LOOK_SECONDS
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > limit:
                        raise Unavailable("the index is being written by another process") from None
                    time.sleep(pause)
                    pause = min(pause * LOCK_LOOK_GROWTH, LOCK_LOOK_MAX)
            yield
        finally:
            os.close(descriptor)

    def switch(self, number: int, change: int = 0) -> None:
        """Make a build, whole and synced, the one in use."""
        _sync_folder(self.build(number))
        _replace(self.path / "current", str(number).encode())
        self.announce(change)

    def announce(self, change: int = 0) -> None:
        """Tell every reader that the index moved, and which change it contains now; 0: nobody is told."""
        with self._shared() as shared:
            _, move = _MOVES.unpack_from(shared)
            _REACHED.pack_into(shared, _MOVES.size + _HIDDEN.size, change)
            _MOVES.pack_into(shared, 0, self.current() or 0, move + 1)

    def reached(self) -> int:
        """The change that `announce` named last: who waits for an earlier one need not look."""
        with self._shared() as shared:
            return int(_REACHED.unpack_from(shared, _MOVES.size + _HIDDEN.size)[0])

    def hide_until(self, number: int) -> None:
        """Note [Secrecy before availability]: a change that hides somebody is about to be committed.

        Until the index contains it, public and mssante are told to come back. Called under the store's write lock,
        before the commit; an earlier number takes it back, for a change that was not committed after all. Synced,
        unlike the index: after a loss of power the commit is there, and the base alone shows who hid behind it.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._shared() as shared:
            _HIDDEN.pack_into(shared, _MOVES.size, number)
            shared.flush()

    def hidden_until(self) -> int:
        """The change that `hide_until` named last."""
        with self._shared() as shared:
            return self.hidden_in(shared[:])

    @contextlib.contextmanager
    def _shared(self) -> Iterator[mmap.mmap]:
        """The beacon, mapped for writing."""
        descriptor = os.open(self.path / "beacon", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size < _BEACON_SIZE:
                os.ftruncate(descriptor, _BEACON_SIZE)
            with mmap.mmap(descriptor, _BEACON_SIZE) as shared:
                yield shared
        finally:
            os.close(descriptor)

    @staticmethod
    def hidden_in(beacon: bytes) -> int:
        """The same of a beacon that was read."""
        return int(_HIDDEN.unpack_from(beacon, _MOVES.size)[0])

    def beacon(self) -> mmap.mmap:
        """The beacon, mapped for reading."""
        path = self.path / "beacon"
        if not path.exists() or path.stat().st_size < _BEACON_SIZE:
            self.announce()
        descriptor = os.open(self.path / "beacon", os.O_RDONLY)
        try:
            return mmap.mmap(descriptor, _BEACON_SIZE, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)

    def remove_others(self, keep: set[int]) -> None:
        """Delete builds that are neither current nor kept; a reader that has one open keeps its pages."""
        current = self.current()
        for path in self.path.iterdir():
            if path.name.isdigit() and int(path.name) != current and int(path.name) not in keep:
                shutil.rmtree(path, ignore_errors=True)


def checksum(build: Path) -> int:
    """The CRC-32 of a build's base."""
    found = 0
    with (build / "base" / "data.mdb").open("rb") as file:
        while octets := file.read(READ_AT_ONCE):
            found = zlib.crc32(octets, found)
    return found


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
