"""Sets of local ids (0..65535) as roaring bitmaps in the portable serialized format.

https://github.com/RoaringBitmap/RoaringFormatSpec : one chunk is exactly one container, so the bulk build writes
the octets itself, without making a bitmap object for each of its millions of runs.
"""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

EMPTY = BitMap()
# "No run container", one container, key 0, cardinality - 1, offset of the data.
_HEADER = struct.Struct("<IIHHI")
_COOKIE = 12346
_ARRAY_MAX = 4096
_ONE_ARRAY = struct.pack("<II", _COOKIE, 1)
# Of a code, those below the term; of a container of the format too.
_ID_BITS = 16

Ids = NDArray[np.uint16]


def serialize_sorted(ids: Ids) -> bytes:
    """The serialized form of ascending, distinct local ids."""
    count = len(ids)
    if count > 1 and int(ids[-1]) - int(ids[0]) + 1 == count:
        return serialize(BitMap(range(int(ids[0]), int(ids[-1]) + 1)))
    header = _HEADER.pack(_COOKIE, 1, 0, count - 1, _HEADER.size)
    if count <= _ARRAY_MAX:
        return header + ids.tobytes()
    bits = np.zeros(1 << _ID_BITS, dtype=np.uint8)
    bits[ids] = 1
    return header + np.packbits(bits, bitorder="little").tobytes()


def serialize_small(ids: list[int]) -> bytes:
    """The serialized form of some ascending, distinct local ids: nearly always few."""
    if len(ids) > _ARRAY_MAX:
        return serialize(BitMap(ids))
    return _HEADER.pack(_COOKIE, 1, 0, len(ids) - 1, _HEADER.size) + struct.pack(f"<{len(ids)}H", *ids)


def joined(raw: bytes | None, more: bytes) -> bytes:
    """Two postings in one. Ids ascend, so that those of `more` are nearly always greater.

    Most postings of a recent part are short arrays, which grow by octets, without a bitmap object in between.
    """
    if raw is None:
        return more
    start = _HEADER.size
    if raw.startswith(_ONE_ARRAY) and more.startswith(_ONE_ARRAY) and len(raw) > start < len(more):
        size = (raw[10] | raw[11] << 8) + (more[10] | more[11] << 8) + 2  # each says one less than it has
        if size <= _ARRAY_MAX and (raw[-2] | raw[-1] << 8) < (more[start] | more[start + 1] << 8):
            return b"".join((raw[:10], (size - 1).to_bytes(2, "little"), raw[12:], more[start:]))
    return serialize(deserialize(raw) | deserialize(more))


def serialize(ids: BitMap) -> bytes:
    ids.run_optimize()
    return bytes(ids.serialize())


deserialize = BitMap.deserialize


def runs(given: list[NDArray[np.uint64]]) -> Iterator[tuple[int, bytes]]:
    """From codes (term << 16 | local id, any order, repeats allowed) to each term and its posting, ascending.

    The array is taken out of the list that holds it and sorted in place: there are millions of codes, and only one
    copy should live.
    """
    codes = given.pop()
    if not len(codes):
        return
    codes.sort()
    fresh = np.empty(len(codes), dtype=bool)
    fresh[0] = True
    np.not_equal(codes[1:], codes[:-1], out=fresh[1:])
    codes = codes[fresh]
    ids = codes.astype(np.uint16)
    codes >>= np.uint64(_ID_BITS)
    terms = codes
    starts = np.concatenate(([0], np.flatnonzero(terms[1:] != terms[:-1]) + 1))
    ends = np.append(starts[1:], len(codes))
    pack, size = _HEADER.pack, _HEADER.size
    for term, start, end in zip(terms[starts].tolist(), starts.tolist(), ends.tolist(), strict=True):
        if end - start < 64:  # almost all of them: no look for a run, the array is smaller
            yield term, pack(_COOKIE, 1, 0, end - start - 1, size) + ids[start:end].tobytes()
        else:
            yield term, serialize_sorted(ids[start:end])
