"""How many connections each worker holds, in a few octets that all of them share, so that they get about as many.

Behind them each worker has room for what it counts (figures.py), which every worker reads.

Several processes that accept on one socket get what chance gives: of 64 clients one worker may take 52, and half
of the machine rests. A worker that holds more than another lets it go first, for a few milliseconds at most.
"""

from __future__ import annotations

import mmap
import os

_SLOT = 4
# What a worker may count, and the octets of each.
COUNTS, _COUNT = 16, 8
# The slot of a worker that is not there: nobody waits for it.
ABSENT = 0xFFFFFFFF
# By how many connections the others may be behind: below it, waiting costs more than it balances.
SLACK = 3
# Clients that come and go share themselves out, whoever is free taking the next; waiting would only cost them.
CALM_SECONDS = 0.1


def create(count: int) -> int:
    """The descriptor of a new memory for so many workers, all absent."""
    descriptor = os.memfd_create("annuaire-loads")
    os.write(descriptor, ABSENT.to_bytes(_SLOT, "little") * count)
    os.ftruncate(descriptor, _counts_at(count) + count * COUNTS * _COUNT)
    return descriptor


def _counts_at(count: int) -> int:
    """Where the counts begin: whole ones must be aligned."""
    return -(-count * _SLOT // _COUNT) * _COUNT


def leave(descriptor: int, number: int) -> None:
    """Say that a worker is not there any more, in its place."""
    os.pwrite(descriptor, ABSENT.to_bytes(_SLOT, "little"), number * _SLOT)


class Loads:
    """The shared memory as one worker sees it."""

    def __init__(self, descriptor: int, number: int) -> None:
        whole = memoryview(mmap.mmap(descriptor, 0))
        workers = len(whole) // (_SLOT + COUNTS * _COUNT)
        self._slots = whole[: workers * _SLOT].cast("I")
        at = _counts_at(workers)
        self._counts = [
            whole[at + i * COUNTS * _COUNT : at + (i + 1) * COUNTS * _COUNT].cast("Q") for i in range(workers)
        ]
        self._number = number
        self._slots[number] = 0
        self._closed_at = 0.0

    @property
    def number(self) -> int:
        return self._number

    @property
    def own_counts(self) -> memoryview:
        """Where this worker counts; what the one before it in its place had counted stands there."""
        return self._counts[self._number]

    def workers(self) -> list[tuple[int, int, memoryview]]:
        """Number, connections and counts of each worker that is there."""
        return [
            (number, slot, counts)
            for number, (slot, counts) in enumerate(zip(self._slots, self._counts, strict=True))
            if slot != ABSENT
        ]

    def opened(self) -> None:
        """Tell the others of a connection more."""
        self._slots[self._number] += 1

    def closed(self, now: float) -> None:
        """Tell the others of a connection less."""
        self._slots[self._number] -= 1
        self._closed_at = now

    def ahead(self, now: float) -> bool:
        """Whether another worker holds so many fewer that it should take the next."""
        if now - self._closed_at < CALM_SECONDS:
            return False
        return self._slots[self._number] >= min(self._slots) + SLACK
