"""Where the chain of a process that was killed ended: found by the next one that makes a checkpoint.

A process holds the lock of its newest file as long as it lives. What it wrote after its last checkpoint is read,
verified and signed by the other; what stands behind the last whole record is signed as what it is, by its hash.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from annuaire.journal import layout, records
from annuaire.journal.entries import Ending
from annuaire.journal.records import Position

# Longer than any record; what is longer is no line of ours.
LINE_MAX = 64 * 1024


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, newline included; the last may have none, one that is too long comes in parts."""
    with open(path, "rb") as file:
        while line := file.readline(LINE_MAX):
            yield line


def endings(folder: Path, chains: Mapping[str, Position], own: str) -> dict[str, Ending]:
    """Of chains that are said to be written: those whose process is gone, and where each ends."""
    found = {}
    for chain, known in chains.items():
        if chain != own:
            ending = _ending(folder, chain, known)
            if ending is not None:
                found[chain] = ending
    return found


def _ending(folder: Path, chain: str, known: Position) -> Ending | None:
    """None while its process lives."""
    number = known.file
    while True:
        while layout.chain_file(folder, chain, number + 1).exists():
            number += 1
        try:
            descriptor = os.open(layout.chain_file(folder, chain, number), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return Ending(known)  # somebody removed it: whoever verifies is told
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if not layout.chain_file(folder, chain, number + 1).exists():
                return _walked(folder, chain, known, number)
            # It went on in another file in this moment, and lives.
        except BlockingIOError:
            return None
        finally:
            os.close(descriptor)


def _walked(folder: Path, chain: str, known: Position, last: int) -> Ending:
    position = known
    for number in range(known.file, last + 1):
        path = layout.chain_file(folder, chain, number)
        size, skipped = 0, 0
        head = bytes.fromhex(position.head)
        for index, line in enumerate(lines(path)):
            if index == 0 and number == known.file and known.length:
                first = records.number(line)
                skipped = known.length - first + 1 if first is not None else 0
            if index >= skipped:
                following = records.follow(line, head)
                if following is None:
                    return Ending(position._replace(file=number), rest(path, size))
                head = following
                position = Position(position.length + 1, head.hex(), number)
            size += len(line)
    return Ending(position._replace(file=last))


def rest(path: Path, size: int) -> str:
    """The hash of what stands behind so many octets of a file."""
    digest = sha256()
    with open(path, "rb") as file:
        file.seek(size)
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()
