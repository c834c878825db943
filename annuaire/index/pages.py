"""What a base holds beyond its chunks: the pages of equality digests, and the list of its words."""

from pathlib import Path

import numpy as np
from pyroaring import BitMap

from annuaire.index import layout, postings
from annuaire.index.environments import Opened

# Rows of a page on average: one LMDB value of about 1 KiB.
PAGE_ROWS = 64


def write_pages(target: Opened, folder: Path, chunks: int) -> int:
    """Write `equal` and `many`; the number of bits that tell pages apart."""
    if not chunks:
        return 0
    rows = np.concatenate([np.load(folder / f"digests-{i}.npy") for i in range(chunks)])
    ids = np.concatenate([np.load(folder / f"owners-{i}.npy") for i in range(chunks)])
    high = np.ascontiguousarray(rows[:, :8]).view(">u8").reshape(-1).astype(np.uint64)
    order = np.argsort(high, kind="stable")  # stable: the ids of one digest stay ascending
    high, rows, ids = high[order], rows[order], ids[order]
    bits = max(1, (max(1, len(ids) // PAGE_ROWS) - 1).bit_length())
    page = np.empty((len(ids), layout.ROW_SIZE), dtype=np.uint8)
    page[:, : layout.DIGEST_SIZE] = rows
    page[:, layout.DIGEST_SIZE :] = ids.astype("<u4").view(np.uint8).reshape(-1, 4)
    starts = np.flatnonzero(np.concatenate(([True], high[1:] != high[:-1])))
    lengths = np.diff(np.append(starts, len(ids)))
    many: list[tuple[bytes, bytes]] = []
    keep = np.ones(len(ids), dtype=bool)
    for i in np.flatnonzero(lengths > layout.LISTED_MAX).tolist():
        start, end = int(starts[i]), int(starts[i] + lengths[i])
        digest = rows[start].tobytes()
        if not (rows[start:end] == rows[start]).all():  # two digests that share 64 bits: list them
            continue
        keep[start + 1 : end] = False
        page[start, layout.DIGEST_SIZE :] = 0xFF
        group = ids[start:end]
        for number in np.unique(group >> layout.CHUNK_BITS).tolist():
            local = (group[group >> layout.CHUNK_BITS == number] & layout.CHUNK_MASK).astype(np.uint16)
            many.append((digest + number.to_bytes(2, "big"), postings.serialize_sorted(local)))
    page, high = page[keep], high[keep]
    buckets = high >> np.uint64(64 - bits)
    edges = np.flatnonzero(np.concatenate(([True], buckets[1:] != buckets[:-1])))
    ends = np.append(edges[1:], len(buckets))
    pages = [
        (layout.BUCKET.pack(bucket), page[start:end].tobytes())
        for bucket, start, end in zip(buckets[edges].tolist(), edges.tolist(), ends.tolist(), strict=True)
    ]
    opened = target.databases
    with target.environment.begin(write=True) as transaction:
        transaction.cursor(opened["equal"]).putmulti(pages, append=True)
        transaction.cursor(opened["many"]).putmulti(many, append=True)
    for i in range(chunks):
        (folder / f"digests-{i}.npy").unlink()
        (folder / f"owners-{i}.npy").unlink()
    return bits


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
