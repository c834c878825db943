"""The log of checkpoints: entries that several processes append, one at a time, each after the last of all.

An entry is on the disk before the lock goes; half an entry, which a full disk or a lost machine leaves, is cut by
whoever comes next. Nobody waits for the lock longer than asked: a process that was stopped while it held it stops
checkpoints, never records.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import annuaire
from annuaire.journal import entries, keys, layout, records
from annuaire.journal.entries import Ending, Entry
from annuaire.journal.keys import SigningKey
from annuaire.journal.records import Position

# A line is some hundred octets; with hundreds of processes at once it is still found in one read.
TAIL_SIZE = 64 * 1024
_LOCK_PAUSE = 0.01


class LockedError(Exception):
    """Another process is making an entry."""


class Tail(NamedTuple):
    """The end of the log: its last file, how long that is, and the last entry; none in a log without any."""

    number: int
    size: int
    entry: Entry | None
    # Hash of the last line, which is not the entry's own when the last line cannot be read.
    hash: str


# What an entry changes: chains that are written, and those that end, given what the last entry said.
Change = Callable[[Mapping[str, Position]], tuple[dict[str, Position], dict[str, Ending]]]


class Log:
    """Appends entries. `warn` is told of what nobody but an intruder or a fault explains."""

    def __init__(self, folder: Path, state: Path, file_size: int, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._state = state
        self._file_size = file_size
        self._warn = warn
        self._key: SigningKey | None = None
        self._seen = 0

    @contextlib.contextmanager
    def locked(self, wait: float) -> Iterator[None]:
        """Be the only one who appends; LockedError when that takes longer than `wait` seconds."""
        until = time.monotonic() + wait
        descriptor = os.open(
            self._folder / layout.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, layout.FILE_MODE
        )
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise LockedError from None
                    time.sleep(_LOCK_PAUSE)
            yield
        finally:
            os.close(descriptor)

    def checkpoint(self, change: Change, wait: float) -> bool:
        """Append where chains stand now; whether that began another file of the log."""
        with self.locked(wait):
            tail = self._tail()
            key = self._signing(tail)
            chains, ended = change(tail.entry.chains if tail.entry else {})
            return self._append(tail, key, entries.CHECKPOINT, chains, ended, {})

    def rotate(self, wait: float) -> tuple[str, str]:
        """Let another key sign from now on; the names of the one before and of the new one."""
        with self.locked(wait):
            tail = self._tail()
            if tail.entry is None:
                # A log begins with the key that the state has.
                self._append(tail, self._signing(tail), entries.CHECKPOINT, {}, {}, {})
                tail = self._tail()
            before = self._signing(tail)
            fresh = keys.prepare_next(self._state)
            more = {"public": fresh.public.hex(), "before": before.name}
            self._append(tail, fresh, entries.KEY, _chains(tail), {}, more, cosigner=before)
            keys.take_next(self._state)
            self._key = fresh
            return before.name, fresh.name

    def remove(self, choose: Callable[[Mapping[str, Position]], dict[str, Any] | None], wait: float) -> bool:
        """Append what `choose` says of files that are to go; whether there are any."""
        with self.locked(wait):
            tail = self._tail()
            more = choose(_chains(tail))
            if more is None or tail.entry is None:
                return False
            self._append(tail, self._signing(tail), entries.REMOVED, _chains(tail), {}, more)
            for name in more["files"]:
                (self._folder / name).unlink(missing_ok=True)
            layout.sync_folder(self._folder)
            return True

    # ------------------------------------------------------------------ under the lock

    def _append(
        self,
        tail: Tail,
        key: SigningKey,
        kind: str,
        chains: dict[str, Position],
        ended: dict[str, Ending],
        more: dict[str, Any],
        cosigner: SigningKey | None = None,
    ) -> bool:
        now = records.stamp(time.time_ns())
        # Of entries that this process saw and that are gone the numbers stay missing, for whoever verifies.
        number = max(tail.entry.number if tail.entry else 0, self._seen)
        previous = tail.hash
        begins = tail.size == 0 or self._is_full(tail, now) or self._is_foreign(tail, cosigner or key)
        file = tail.number + 1 if begins and tail.size else tail.number
        lines = b""
        if begins:
            # The file begins in the name of whoever signed so far.
            signer = cosigner or key
            number += 1
            head = self._head(entries.FILE, number, now, signer)
            head |= {"format": records.FORMAT, "annuaire": annuaire.__version__, "file": file}
            head |= {"public": signer.public.hex()}
            head |= entries.written_chains(_chains(tail), {})
            lines = entries.compose(head, previous, signer)
            previous = entries.hash_of(lines)
        number += 1
        members = self._head(kind, number, now, key) | more | entries.written_chains(chains, ended)
        lines += entries.compose(members, previous, key, cosigner)
        self._write(file, 0 if begins else tail.size, lines)
        self._seen = number
        return begins

    def _head(self, kind: str, number: int, now: str, key: SigningKey) -> dict[str, Any]:
        return {"n": number, "at": now, "kind": kind, "key": key.name}

    def _write(self, file: int, size: int, lines: bytes) -> None:
        path = layout.checkpoint_file(self._folder, file)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, layout.FILE_MODE)
        try:
            os.lseek(descriptor, size, os.SEEK_SET)
            try:
                layout.write_all(descriptor, lines)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if size == 0:
            layout.sync_folder(self._folder)

    def _is_full(self, tail: Tail, now: str) -> bool:
        """Whether the last file is as long as it may be, or of another day."""
        return tail.size >= self._file_size or (tail.entry is not None and tail.entry.at[:10] != now[:10])

    def _is_foreign(self, tail: Tail, key: SigningKey) -> bool:
        """Whether the log does not know the key: then another file shows it, and whoever verifies is told."""
        return tail.entry is not None and tail.entry.key != key.name

    def _signing(self, tail: Tail) -> SigningKey:
        """The key that the log expects, which another process may have replaced since."""
        if self._key is None:
            self._key = keys.signing(self._state)
        expected = tail.entry.key if tail.entry else self._key.name
        if self._key.name != expected:
            self._key = keys.signing(self._state)
        if self._key.name != expected:
            pending = keys.next_in(self._state)
            if pending is not None and pending.name == expected:
                # Whoever replaced the key came no further than the log.
                keys.take_next(self._state)
                self._key = pending
        if self._key.name != expected:
            self._warn("the key in the state is not the one that signed the last checkpoint")
        return self._key

    def _tail(self) -> Tail:
        numbers = layout.checkpoint_numbers(self._folder)
        ends = (self._tail_of(number) for number in reversed(numbers))
        found = next((tail for tail in ends if tail is not None), None)
        if found is None:
            found = Tail(numbers[-1] if numbers else 1, 0, None, "")
        if (found.entry.number if found.entry else 0) < self._seen:
            self._warn("the log of checkpoints is shorter than it was")
        return found

    def _tail_of(self, number: int) -> Tail | None:
        """The end of one file; None when it has no whole line."""
        path = layout.checkpoint_file(self._folder, number)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            length = os.fstat(descriptor).st_size
            size = TAIL_SIZE
            while True:
                start = max(0, length - size)
                lines = os.pread(descriptor, length - start, start).split(b"\n")
                whole = lines[1 if start else 0 : -1]
                readable = next((line for line in reversed(whole) if entries.parse(line + b"\n")), None)
                if readable is not None or not start:
                    break
                size *= 8
            if lines[-1]:
                # Half an entry: whoever wrote it is gone, and nobody was told that it was made.
                os.ftruncate(descriptor, length - len(lines[-1]))
        finally:
            os.close(descriptor)
        if not whole:
            return None
        last = whole[-1] + b"\n"
        if readable != whole[-1]:
            self._warn(f"the last line of {path} is no checkpoint")
        entry = entries.parse(readable + b"\n") if readable is not None else None
        return Tail(number, length - len(lines[-1]), entry, entries.hash_of(last))


def _chains(tail: Tail) -> dict[str, Position]:
    return dict(tail.entry.chains) if tail.entry else {}
