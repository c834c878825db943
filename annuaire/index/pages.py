"""What a base holds beyond its chunks: the pages of equality digests, and the list of its words."""

import marshal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from annuaire.index import layout, postings
from annuaire.index.environments import Opened

Rows = NDArray[np.uint8]
Ids = NDArray[np.uint32]

# Rows of a page on average: one LMDB value of about 1 KiB.
PAGE_ROWS = 64


# A digest that so many entries of one chunk share goes to `many` from there: objectClass and its like are half of
# all rows, and need not be sorted with the others.
HEAVY_MIN = 1024


def save_rows(folder: Path, chunk: int, digests: Rows, owners: Ids) -> None:
    """Keep the equality values of a chunk for `write_pages`. owners: the id that has each digest."""
    high = _high(digests)
    order = np.argsort(high)
    high = high[order]
    starts = _starts(high)
    lengths = np.diff(np.append(starts, len(high)))
    light = np.ones(len(high), dtype=bool)
    heavy: list[tuple[bytes, bytes]] = []
    for i in np.flatnonzero(lengths >= HEAVY_MIN).tolist():
        group = order[starts[i] : starts[i] + lengths[i]]
        if not (digests[group] == digests[group[0]]).all():  # two digests that share 64 bits
            continue
        light[group] = False
        local = np.sort(owners[group] & layout.CHUNK_MASK).astype(np.uint16)
        heavy.append((digests[group[0]].tobytes(), postings.serialize_sorted(local)))
    np.save(folder / f"digests-{chunk}.npy", digests[light])
    np.save(folder / f"owners-{chunk}.npy", owners[light])
    (folder / f"heavy-{chunk}").write_bytes(marshal.dumps(heavy))


def write_pages(target: Opened, folder: Path, chunks: int) -> int:
    """Write `equal` and `many`; the number of bits that tell pages apart."""
    if not chunks:
        return 0
    many: dict[bytes, dict[int, bytes]] = {}  # by digest and chunk
    for chunk in range(chunks):
        path = folder / f"heavy-{chunk}"
        for digest, posting in marshal.loads(path.read_bytes()):  # noqa: S302 our own file, mode 0700 folder
            many.setdefault(digest, {})[chunk] = posting
        path.unlink()
    rows, ids = _load(folder, chunks, list(many))
    high = _high(rows)
    order = np.argsort(high)
    high, rows, ids = high[order], rows[order], ids[order]
    starts = _starts(high)
    lengths = np.diff(np.append(starts, len(ids)))
    in_many = lengths > layout.LISTED_MAX
    in_many[np.searchsorted(starts, np.flatnonzero(ids == layout.IN_MANY), "right") - 1] = True
    keep = np.ones(len(ids), dtype=bool)
    for i in np.flatnonzero(in_many).tolist():
        start, end = int(starts[i]), int(starts[i] + lengths[i])
        group, digest = rows[start:end], rows[start].tobytes()
        if not (group == group[0]).all():  # two digests that share 64 bits: list them
            continue
        keep[start + 1 : end] = False
        listed = ids[start:end]
        _move(many.setdefault(digest, {}), np.sort(listed[listed != layout.IN_MANY]))
        ids[start] = layout.IN_MANY
    rows, ids, high = rows[keep], ids[keep], high[keep]
    bits = max(1, (max(1, len(ids) // PAGE_ROWS) - 1).bit_length())
    page = np.empty((len(ids), layout.ROW_SIZE), dtype=np.uint8)
    page[:, : layout.DIGEST_SIZE] = rows
    page[:, layout.DIGEST_SIZE :] = ids.astype("<u4").view(np.uint8).reshape(-1, 4)
    buckets = high >> np.uint64(64 - bits)
    edges = _starts(buckets)
    ends = np.append(edges[1:], len(buckets))
    pages = [
        (layout.BUCKET.pack(bucket), page[start:end].tobytes())
        for bucket, start, end in zip(buckets[edges].tolist(), edges.tolist(), ends.tolist(), strict=True)
    ]
    moved = [
        (digest + chunk.to_bytes(2, "big"), posting)
        for digest in sorted(many)
        for chunk, posting in sorted(many[digest].items())
    ]
    opened = target.databases
    with target.environment.begin(write=True) as transaction:
        transaction.cursor(opened["equal"]).putmulti(pages, append=True)
        transaction.cursor(opened["many"]).putmulti(moved, append=True)
    return bits


def _load(folder: Path, chunks: int, heavy: list[bytes]) -> tuple[Rows, Ids]:
    """The rows of all chunks, and one that says `many` for each heavy digest."""
    marks = np.array([list(digest) for digest in heavy], dtype=np.uint8).reshape(-1, layout.DIGEST_SIZE)
    rows, ids = [marks], [np.full(len(heavy), layout.IN_MANY, dtype=np.uint32)]
    for chunk in range(chunks):
        for name, into in (("digests", rows), ("owners", ids)):
            path = folder / f"{name}-{chunk}.npy"
            into.append(np.load(path))
            path.unlink()
    return np.concatenate(rows), np.concatenate(ids)


def _move(postings_of: dict[int, bytes], ids: Ids) -> None:
    for chunk in np.unique(ids >> layout.CHUNK_BITS).tolist():
        local = (ids[ids >> layout.CHUNK_BITS == chunk] & layout.CHUNK_MASK).astype(np.uint16)
        postings_of[chunk] = postings.serialize_sorted(local)


def _high(rows: Rows) -> NDArray[np.uint64]:
    return np.ascontiguousarray(rows[:, :8]).view(">u8").reshape(-1).astype(np.uint64)


def _starts(ordered: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where each run of equal numbers begins."""
    return np.flatnonzero(np.concatenate((np.ones(min(1, len(ordered)), bool), ordered[1:] != ordered[:-1])))


def write_words(target: Opened, chunks: int) -> None:
    """Write the list of words of the whole base and which of them contain what (see Part.words_with)."""
    words: set[bytes] = set()
    opened = target.databases
    cut = layout.POSTING.size
    with target.environment.begin() as transaction:
        cursor = transaction.cursor(opened["postings"])
        for chunk in range(chunks):
            prefix = layout.posting_key(chunk, layout.WORD, 0, b"")[:3]
            if cursor.set_range(prefix):
                for key in cursor.iternext(keys=True, values=False):
                    if not key.startswith(prefix):
                        break
                    words.add(key[cut:])
    ordered = sorted(words)
    grams: dict[bytes, list[int]] = {}
    for number, word in enumerate(ordered):
        units = word.decode("utf-8", "surrogatepass").encode("utf-16-be", "surrogatepass")
        for i in range(0, len(units) - 4, 2):
            grams.setdefault(units[i : i + 6], []).append(number)
    rows = [(gram, postings.serialize(BitMap(numbers))) for gram, numbers in sorted(grams.items())]
    with target.environment.begin(write=True) as transaction:
        transaction.put(b"words", b"\n".join(ordered), db=opened["meta"])
        transaction.cursor(opened["wordgrams"]).putmulti(rows, append=True)
