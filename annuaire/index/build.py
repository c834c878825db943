"""The bulk build of a base: two passes over the entries, in several processes.

First pass: each process reads its partitions of the source, prepares the entries and spills them to a file;
the parent puts all sort keys in order, which numbers the entries. Second pass: each chunk of 65,536 ids is one
piece of work whose postings are computed with numpy and appended to LMDB when the chunk's turn comes, so that
every key is written in order. Equality pages come last. Memory does not grow with the number of entries beyond
their sort keys.
"""

import gc
import marshal
import mmap
import multiprocessing
import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from multiprocessing.synchronize import Condition
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from pyroaring import BitMap

from annuaire.domain.audience import Audience
from annuaire.index import entry as entries
from annuaire.index import environments, layout, ngrams, postings
from annuaire.index.entry import IndexEntry
from annuaire.index.environments import Opened
from annuaire.index.prepare import Numbering, Prepared, prepare
from annuaire.ldap.schema import Schema

# Below this many entries, starting processes costs more than it saves.
ALONE_MAX = 8_000
# A wait for another process's chunk ends when that process is dead, not by the clock; this is how often we look.
LOOK_SECONDS = 1.0
PAGE_ROWS = 64

Progress = Callable[[str, int, int], None]


class Source(Protocol):
    """Where a build reads entries from; pickled into each process."""

    def partitions(self) -> list[Any]:
        """Pieces of work, of some thousands of entries each."""

    def read(self, partition: Any) -> Iterator[IndexEntry]:
        """The entries of one piece."""

    def schema(self) -> Schema: ...


class _Spilled(NamedTuple):
    """What one process prepared: where each entry lies in its spill file, and the shapes it met."""

    sort_keys: list[bytes]
    offsets: "array[int]"
    shapes: list[tuple[str, ...]]


# ------------------------------------------------------------------ first pass


def _prepare_partitions(
    source: Source, partitions: Iterable[Any], spill: Path, done: Callable[[int], None]
) -> _Spilled:
    numbering = Numbering(source.schema())
    sort_keys: list[bytes] = []
    offsets = array("Q", [0])
    shapes: dict[tuple[str, ...], int] = {}
    position = 0
    with open(os.open(spill, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb", 1 << 20) as file:
        for partition in partitions:
            count = 0
            for entry in source.read(partition):
                prepared = prepare(entry, numbering)
                number = shapes.setdefault(prepared.shape, len(shapes))
                record = marshal.dumps(
                    (*prepared[:3], entries.with_shape(prepared.details, number), *prepared[5:])
                )
                file.write(record)
                position += len(record)
                offsets.append(position)
                sort_keys.append(prepared.sort_key)
                count += 1
            done(count)
    return _Spilled(sort_keys, offsets, list(shapes))


def _first_pass(source: Source, partitions: list[Any], spill: Path, done: Any, results: Any) -> None:
    gc.disable()  # hundreds of thousands of live objects, no cycles: each collection would walk them all
    results.put((str(spill), _prepare_partitions(source, partitions, spill, done.put)))


# ------------------------------------------------------------------ second pass


class _Record(NamedTuple):
    """A spilled entry; `Prepared` without its shape, which is a number in the details."""

    sort_key: bytes
    key: bytes
    answer: bytes
    details: bytes
    text: str
    words: tuple[str, ...]
    texts: tuple[tuple[int, str], ...]
    digests: bytes
    present: tuple[int, ...]
    ancestors: tuple[bytes, ...]
    audiences: int
    passwords: bytes | None


class _Spills:
    """The spill files, mapped."""

    def __init__(self, paths: list[str], shape_maps: list[list[int]]) -> None:
        self._stack = ExitStack()
        self._maps: list[mmap.mmap | bytes] = []
        self._shape_maps = shape_maps
        for path in paths:
            file = self._stack.enter_context(open(path, "rb"))  # noqa: SIM115
            size = os.fstat(file.fileno()).st_size
            self._maps.append(
                self._stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
                if size
                else b""
            )

    def read(self, place: Any) -> _Record:
        number, start, end = place
        record = _Record(*marshal.loads(self._maps[number][start:end]))  # noqa: S302 our own spill file, mode 0600
        shape = self._shape_maps[number][int.from_bytes(record.details[:4], "little")]
        return record._replace(details=entries.with_shape(record.details, shape))

    def close(self) -> None:
        self._stack.close()


class Chunk:
    """The entries of one chunk, gathered; then everything that the chunk writes, in key order."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.answers: list[bytes] = []
        self.details: list[bytes] = []
        self.unions: list[str] = []
        self._texts: dict[int, dict[int, str]] = {}
        self._words: dict[str, list[int]] = {}
        self._starts: dict[str, list[int]] = {}
        self._present: dict[int, list[int]] = {}
        self._subtree: dict[bytes, list[int]] = {}
        self._children: dict[bytes, list[int]] = {}
        self._audiences: dict[int, list[int]] = {}
        self._digests: list[bytes] = []
        self.passwords: list[tuple[bytes, bytes]] = []

    def add(self, record: _Record | Prepared) -> None:
        local = len(self.answers)
        self.answers.append(record.answer)
        self.details.append(record.details)
        self.unions.append(record.text)
        for attribute, text in record.texts:
            self._texts.setdefault(attribute, {})[local] = text
        for word in record.words:
            self._words.setdefault(word, []).append(local)
        for start in ngrams.value_starts(record.text):
            self._starts.setdefault(start, []).append(local)
        for attribute in record.present:
            self._present.setdefault(attribute, []).append(local)
        for digest in record.ancestors:
            self._subtree.setdefault(digest, []).append(local)
        for digest in record.ancestors[:1]:
            self._children.setdefault(digest, []).append(local)
        self._audiences.setdefault(record.audiences, []).append(local)
        self._digests.append(record.digests)
        if record.passwords is not None:
            self.passwords.append((record.digests[: layout.DIGEST_SIZE], record.passwords))

    def digests(self) -> tuple[Any, Any]:
        """(rows of 12 octets, ids) of every equality value."""
        rows = np.frombuffer(b"".join(self._digests), dtype=np.uint8).reshape(-1, layout.DIGEST_SIZE)
        counts = [len(d) // layout.DIGEST_SIZE for d in self._digests]
        first = self.number << layout.CHUNK_BITS
        return rows, np.repeat(np.arange(first, first + len(counts), dtype=np.uint32), counts)

    def postings(self) -> Iterator[tuple[bytes, bytes]]:
        """(key, posting), ascending."""
        yield from self._gram_postings(layout.UNION, self.unions)
        for attribute in sorted(self._texts):
            texts = self._texts[attribute]
            yield from self._gram_postings(attribute, [texts.get(i, "") for i in range(len(self.answers))])
        ascending = sorted((word.encode("utf-8", "surrogatepass"), ids) for word, ids in self._words.items())
        for term, ids in ascending:
            yield self._key(layout.WORD, 0, term), _posting(ids)
        starts: dict[bytes, list[int]] = {}
        for word, ids in self._words.items():
            for size in range(1, min(len(word), layout.WORD_START_MAX) + 1):
                starts.setdefault(word[:size].encode("utf-8", "surrogatepass"), []).extend(ids)
        for term in sorted(starts):
            yield self._key(layout.WORD_START, 0, term), _posting(starts[term])
        beginnings = sorted(
            (start.encode("utf-8", "surrogatepass"), ids) for start, ids in self._starts.items()
        )
        for term, ids in beginnings:
            yield self._key(layout.VALUE_START, 0, term), _posting(ids)
        for attribute in sorted(self._present):
            yield self._key(layout.PRESENT, attribute, b""), _posting(self._present[attribute])
        for kind, groups in ((layout.SUBTREE, self._subtree), (layout.CHILDREN, self._children)):
            for digest in sorted(groups):
                yield self._key(kind, 0, digest), _posting(groups[digest])
        for bit in Audience:
            ids = [local for mask, some in self._audiences.items() if mask & bit for local in some]
            if ids:
                yield self._key(layout.AUDIENCE, int(bit), b""), _posting(ids)

    def _gram_postings(self, attribute: int, texts: list[str]) -> Iterator[tuple[bytes, bytes]]:
        prefix = self._key(layout.GRAM, attribute, b"")
        for term, posting in ngrams.gram_postings(texts):
            yield prefix + term, posting

    def _key(self, kind: int, attribute: int, term: bytes) -> bytes:
        return layout.posting_key(self.number, kind, attribute, term)


def _posting(ids: list[int]) -> bytes:
    """The posting of local ids gathered in ascending order, repeats allowed."""
    if len(ids) == 1:
        return postings.serialize_sorted(np.array(ids, dtype=np.uint16))
    return postings.serialize_sorted(np.unique(np.array(ids, dtype=np.uint16)))


def _write_chunk(target: Opened, chunk: Chunk, rows: list[tuple[bytes, bytes]]) -> None:
    opened = target.databases
    first = chunk.number << layout.CHUNK_BITS
    with target.environment.begin(write=True) as transaction:
        for name, values in (("answers", chunk.answers), ("details", chunk.details)):
            items = [(layout.ID.pack(first + i), value) for i, value in enumerate(values)]
            transaction.cursor(opened[name]).putmulti(items, append=True)
        unions = [(layout.ID.pack(first + i), text.encode()) for i, text in enumerate(chunk.unions)]
        transaction.cursor(opened["texts"]).putmulti(unions, append=True)
        transaction.cursor(opened["postings"]).putmulti(rows, append=True)


class _Work(NamedTuple):
    """One chunk to build: where its entries lie, in order."""

    number: int
    spill: Any
    start: Any
    end: Any


def _build_chunk(
    work: _Work, spills: _Spills, folder: Path, target: Opened, wait: Callable[[int], None]
) -> list[tuple[bytes, bytes]]:
    chunk = Chunk(work.number)
    for place in zip(work.spill.tolist(), work.start.tolist(), work.end.tolist(), strict=True):
        chunk.add(spills.read(place))
    digests, owners = chunk.digests()
    np.save(folder / f"digests-{work.number}.npy", digests)
    np.save(folder / f"owners-{work.number}.npy", owners)
    rows = list(chunk.postings())
    wait(work.number)
    _write_chunk(target, chunk, rows)
    return chunk.passwords


def _second_pass(
    works: list[_Work],
    paths: list[str],
    shape_maps: list[list[int]],
    folder: Path,
    turn: Any,
    moved: Condition,
    results: Any,
) -> None:
    gc.disable()
    target = environments.open_shared(folder)
    spills = _Spills(paths, shape_maps)
    parent = os.getppid()

    def wait(number: int) -> None:
        with moved:
            while turn.value != number:
                moved.wait(LOOK_SECONDS)
                if os.getppid() != parent:  # killed: nobody will read what we write
                    os._exit(1)

    for work in works:
        passwords = _build_chunk(work, spills, folder, target, wait)
        with moved:
            turn.value += 1
            moved.notify_all()
        results.put((work.number, len(work.start), passwords))
    spills.close()


# ------------------------------------------------------------------ equality pages


def _write_pages(target: Opened, folder: Path, chunks: int) -> int:
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


def _write_words(target: Opened, chunks: int) -> None:
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


# ------------------------------------------------------------------ the whole


def _merge(
    spilled: dict[str, _Spilled],
) -> tuple[list[str], list[list[int]], list[tuple[str, ...]], list[_Work]]:
    paths = sorted(spilled)
    shapes: dict[tuple[str, ...], int] = {}
    shape_maps = [[shapes.setdefault(s, len(shapes)) for s in spilled[p].shapes] for p in paths]
    keys: list[bytes] = []
    for path in paths:
        keys += spilled[path].sort_keys
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
    spill = np.concatenate([np.full(len(spilled[p].sort_keys), i, np.uint16) for i, p in enumerate(paths)])
    offsets = [np.array(spilled[p].offsets, dtype=np.uint64) for p in paths]
    start = np.concatenate([o[:-1] for o in offsets])
    end = np.concatenate([o[1:] for o in offsets])
    works = []
    for first in range(0, len(order), layout.CHUNK_SIZE):
        some = order[first : first + layout.CHUNK_SIZE]
        works.append(_Work(first >> layout.CHUNK_BITS, spill[some], start[some], end[some]))
    return paths, shape_maps, list(shapes), works


def _collect(results: Any, processes: list[Any]) -> Any:
    """The next result; a process that died without one is our own fault, said at once."""
    import queue

    while True:
        try:
            return results.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            for process in processes:
                if process.exitcode not in (None, 0):
                    raise RuntimeError(
                        f"a process of the index build ended with {process.exitcode}"
                    ) from None


def _kill(processes: list[Any]) -> None:
    for process in processes:
        process.kill()


def build(source: Source, folder: Path, *, expected: int, processes: int, progress: Progress) -> int:
    """Build a base in `folder` (made, must be empty); the number of its entries. Nothing is synced yet."""
    target = environments.open_shared(folder)
    partitions = source.partitions()
    processes = min(processes, len(partitions)) if expected > ALONE_MAX else 0
    count = 0
    passwords: list[tuple[bytes, bytes]] = []
    spilled: dict[str, _Spilled] = {}
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        if not processes:
            spill = folder / "spill-0"
            spilled[str(spill)] = _prepare_partitions(source, partitions, spill, lambda n: None)
        else:
            manager_done, results = context.SimpleQueue(), context.Queue()
            running = [
                context.Process(
                    target=_first_pass,
                    args=(source, partitions[i::processes], folder / f"spill-{i}", manager_done, results),
                    daemon=True,
                )
                for i in range(processes)
            ]
            for process in running:
                process.start()
            stack.callback(_kill, running)
            read = 0
            while len(spilled) < processes:
                path, one = _collect(results, running)
                spilled[path] = one
            while not manager_done.empty():
                read += manager_done.get()
            progress("prepare", read, expected)
            for process in running:
                process.join()
        paths, shape_maps, shapes, works = _merge(spilled)
        spilled.clear()
        if not processes or len(works) < 2:
            spills = _Spills(paths, shape_maps)
            for work in works:
                passwords += _build_chunk(work, spills, folder, target, lambda _: None)
                count += len(work.start)
                progress("build", count, expected)
            spills.close()
        else:
            turn, moved, results = context.Value("i", 0, lock=False), context.Condition(), context.Queue()
            building = [
                context.Process(
                    target=_second_pass,
                    args=(works[i::processes], paths, shape_maps, folder, turn, moved, results),
                    daemon=True,
                )
                for i in range(processes)
            ]
            for process in building:
                process.start()
            stack.callback(_kill, building)
            for _ in works:
                _, size, some = _collect(results, building)
                passwords += some
                count += size
                progress("build", count, expected)
            for process in building:
                process.join()
        for path in paths:
            Path(path).unlink()
        bits = _write_pages(target, folder, len(works))
        _write_words(target, len(works))
        opened = target.databases
        with target.environment.begin(write=True) as transaction:
            transaction.cursor(opened["passwords"]).putmulti(sorted(passwords), append=True)
            for number, shape in enumerate(shapes):
                transaction.put(layout.ID.pack(number), "\n".join(shape).encode(), db=opened["shapes"])
            transaction.put(b"bits", bits.to_bytes(1, "little"), db=opened["meta"])
            transaction.put(b"count", count.to_bytes(4, "little"), db=opened["meta"])
        target.environment.sync(True)
    return count
