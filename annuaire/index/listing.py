"""A sorted list of entries in which positions are known without walking: virtual lists and pages are cut of it.

The entries of the base stand in a sequence that counts and selects at once (the roaring bitmaps themselves where the
order is that of the base, a vector of numbers elsewhere); those of the recent part are few, sorted beside it, and
merged where somebody looks. A position costs some twenty comparisons, whatever the length of the list.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from pyroaring import BitMap

from annuaire.index import layout
from annuaire.index.gather import Hit
from annuaire.index.sight import Sight

# What an entry is sorted by: compared octet by octet, of no two entries the same.
KeyOf = Callable[[Hit], bytes]


class Numbers(Protocol):
    """Ids in order."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> int: ...


class Ascending:
    """The ids of some bitmaps, one a chunk, in ascending order: the order (cn, DN) of a base."""

    __slots__ = ("_chunks", "_length", "_starts")

    def __init__(self, chunks: Sequence[tuple[int, BitMap]]) -> None:
        self._chunks = chunks
        self._starts: list[int] = []
        length = 0
        for _, found in chunks:
            self._starts.append(length)
            length += len(found)
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> int:
        at = bisect_right(self._starts, place) - 1
        chunk, found = self._chunks[at]
        return (chunk << layout.CHUNK_BITS) + found[place - self._starts[at]]


class Listing:
    """Some entries of a base and of a recent part, in one order."""

    __slots__ = ("_base", "_key_of", "_numbers", "_recent")

    def __init__(self, base: Sight, numbers: Numbers, recent: list[tuple[bytes, Hit]], key_of: KeyOf) -> None:
        """recent: sorted."""
        self._base = base
        self._numbers = numbers
        self._recent = recent
        self._key_of = key_of

    def __len__(self) -> int:
        return len(self._numbers) + len(self._recent)

    def _before(self, key: bytes) -> int:
        """How many entries of the base come before a key."""
        return bisect_left(self._numbers, key, key=self._key)

    def _key(self, number: int) -> bytes:
        return self._key_of((self._base, int(number)))

    def first_from(self, key: bytes) -> int:
        """How many entries come before a key: the place of the first that does not, counted from 0."""
        return self._before(key) + bisect_left(self._recent, key, key=_recent_key)

    def key_of(self, hit: Hit) -> bytes:
        return self._key_of(hit)

    def hits(self, start: int, stop: int) -> Iterator[Hit]:
        """The entries from a place to another one, which is left out."""
        numbers, recent = self._numbers, self._recent
        stop = min(stop, len(self))
        # Of the recent entries, how many come before the start: entry i of them stands at (those of the base before
        # it) + i, which grows with i.
        waiting = bisect_left(range(len(recent)), start, key=lambda i: self._before(recent[i][0]) + i)
        at = start - waiting
        for _ in range(stop - start):
            if waiting == len(recent):
                yield self._base, int(numbers[at])
                at += 1
            elif at == len(numbers) or recent[waiting][0] < self._key(numbers[at]):
                yield recent[waiting][1]
                waiting += 1
            else:
                yield self._base, int(numbers[at])
                at += 1


def _recent_key(pair: tuple[bytes, Hit]) -> bytes:
    return pair[0]
