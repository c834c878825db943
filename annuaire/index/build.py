"""The bulk build of a base: two passes over the entries, in several processes.

First pass: each process reads its partitions of the source, prepares the entries and spills them to a file;
the parent puts all sort keys in order, which numbers the entries. Second pass: each chunk of 65,536 ids is one
piece of work whose postings are computed with numpy and appended to LMDB when the chunk's turn comes, so that
every key is written in order. Equality pages come last. Memory does not grow with the number of entries beyond
their sort keys.
"""

import ctypes
import gc
import marshal
import mmap
import multiprocessing
import os
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.synchronize import Condition
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from annuaire.errors import Unavailable
from annuaire.index import entry as entries
from annuaire.index import environments, layout, pages
from annuaire.index.chunk import Chunk, Record
from annuaire.index.entry import IndexEntry
from annuaire.index.environments import Opened
from annuaire.index.prepare import Numbering, prepare
from annuaire.ldap.schema import Schema

# Below this many entries, starting processes costs more than it saves.
ALONE_MAX = 8_000
# How often we look whether the process whose result we wait for is dead.
LOOK_SECONDS = 1.0

Progress = Callable[[str, int, int], None]


class Source(Protocol):
    """Where a build reads entries from; pickled into each process."""

    def partitions(self) -> list[Any]:
        """Pieces of work, of some thousands of entries each."""

    def read(self, partition: Any) -> Iterator[IndexEntry]:
        """The entries of one piece."""

    def schema(self) -> Schema: ...


class _Spilled(NamedTuple):
    """What one process prepared: which pieces, and how many entries of each; where each entry lies in its spill file;
    the shapes it met."""

    pieces: list[tuple[int, int]]
    sort_keys: list[bytes]
    offsets: "array[int]"
    shapes: list[tuple[str, ...]]


# ------------------------------------------------------------------ first pass


def _prepare_partitions(
    source: Source, partitions: Iterable[tuple[int, Any]], spill: Path, done: Callable[[int], None]
) -> _Spilled:
    numbering = Numbering(source.schema())
    pieces: list[tuple[int, int]] = []
    sort_keys: list[bytes] = []
    offsets = array("Q", [0])
    shapes: dict[tuple[str, ...], int] = {}
    position = 0
    with open(os.open(spill, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb", 1 << 20) as file:
        for number_of_piece, partition in partitions:
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
            pieces.append((number_of_piece, count))
            done(count)
    return _Spilled(pieces, sort_keys, offsets, list(shapes))


@contextmanager
def _telling(results: Any) -> Iterator[None]:
    """In a process of the build: what it cannot write is told to the parent, who knows what to do about it."""
    try:
        with environments.writable():
            yield
    except Unavailable as error:
        results.put(error.reason)


def _end_with_parent() -> None:
    """Nobody reads what a process prepares for a parent that was killed, and a full queue would hold it for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _next_of(partitions: list[Any], taken: Any) -> Iterator[tuple[int, Any]]:
    """Whoever is ready takes the next piece: some hold many entries, some few."""
    while True:
        with taken.get_lock():
            number = taken.value
            taken.value += 1
        if number >= len(partitions):
            return
        yield number, partitions[number]


def _first_pass(source: Source, partitions: list[Any], taken: Any, spill: Path, results: Any) -> None:
    _end_with_parent()
    gc.disable()  # hundreds of thousands of live objects, no cycles: each collection would walk them all
    with _telling(results):
        mine = _next_of(partitions, taken)
        results.put((str(spill), _prepare_partitions(source, mine, spill, results.put)))


# ------------------------------------------------------------------ second pass


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

    def read(self, place: Any) -> Record:
        number, start, end = place
        record = Record(*marshal.loads(self._maps[number][start:end]))  # noqa: S302 our own spill file, mode 0600
        shape = self._shape_maps[number][int.from_bytes(record.details[:4], "little")]
        return record._replace(details=entries.with_shape(record.details, shape))

    def close(self) -> None:
        self._stack.close()


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
    pages.save_rows(folder, work.number, *chunk.digests())
    rows = list(chunk.postings())
    wait(work.number)
    chunk.write(target, rows)
    return chunk.passwords


def _second_pass(
    works: list[_Work],
    paths: list[str],
    shape_maps: list[list[int]],
    folder: Path,
    turn: Any,
    moved: Condition,
    results: Any,
    last: int | None,
) -> None:
    _end_with_parent()
    gc.disable()
    target = environments.open_shared(folder)
    spills = _Spills(paths, shape_maps)

    def wait(number: int) -> None:
        with moved:
            moved.wait_for(lambda: turn.value == number)

    with _telling(results):
        for work in works:
            passwords = _build_chunk(work, spills, folder, target, wait)
            with moved:
                turn.value += 1
                moved.notify_all()
            results.put((len(work.start), passwords))
        spills.close()
        if last is not None:  # the words, while the parent writes the pages
            wait(last)
            pages.write_words(target, last)
            results.put(None)


# ------------------------------------------------------------------ the whole


def _merge(
    spilled: dict[str, _Spilled],
) -> tuple[list[str], list[list[int]], list[tuple[str, ...]], list[_Work]]:
    """Nothing here depends on which process took which piece: entries of one key are in the order of their pieces."""
    paths = sorted(spilled)
    shapes = {shape: i for i, shape in enumerate(sorted({s for one in spilled.values() for s in one.shapes}))}
    shape_maps = [[shapes[s] for s in spilled[path].shapes] for path in paths]
    found = []
    for i, path in enumerate(paths):
        at = 0
        for piece, count in spilled[path].pieces:
            found.append((piece, i, at, at + count))
            at += count
    found.sort()
    offsets = [np.array(spilled[path].offsets, dtype=np.uint64) for path in paths]
    keys: list[bytes] = []
    for _, i, first, end in found:
        keys += spilled[paths[i]].sort_keys[first:end]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
    none = np.zeros(0, dtype=np.uint64)
    spill = np.repeat(
        np.array([i for _, i, _, _ in found], dtype=np.uint16), [end - first for _, _, first, end in found]
    )
    start = np.concatenate([none, *[offsets[i][first:end] for _, i, first, end in found]])
    ends = np.concatenate([none, *[offsets[i][first + 1 : end + 1] for _, i, first, end in found]])
    works = []
    for first in range(0, len(order), layout.CHUNK_SIZE):
        some = order[first : first + layout.CHUNK_SIZE]
        works.append(_Work(first >> layout.CHUNK_BITS, spill[some], start[some], ends[some]))
    return paths, shape_maps, list(shapes), works


def _collect(results: Any, processes: list[Any]) -> Any:
    """The next result; a process that died without one is our own fault, said at once."""
    import queue

    while True:
        try:
            told = results.get(timeout=LOOK_SECONDS)
            if isinstance(told, str):
                raise Unavailable("the index cannot be written", told)
            return told
        except queue.Empty:
            for process in processes:
                if process.exitcode not in (None, 0):
                    raise RuntimeError(
                        f"a process of the index build ended with {process.exitcode}"
                    ) from None


def _give_back() -> None:
    """Hand the free pages of the heap back to the system, where the C library can.

    An import leaves some 250 MB of them, which would stay beside what the processes of the build need.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def build(source: Source, folder: Path, *, expected: int, processes: int, progress: Progress) -> int:
    """Build a base in `folder` (made, must be empty), synced; the number of its entries.

    Unavailable: the disk is full, or the store is away.
    """
    with environments.writable():
        return _build(source, folder, expected, processes, progress)


def _build(source: Source, folder: Path, expected: int, processes: int, progress: Progress) -> int:
    target = environments.open_shared(folder)
    partitions = source.partitions()
    processes = min(processes, len(partitions)) if expected > ALONE_MAX else 0
    _give_back()
    if processes:
        spilled = _prepare_elsewhere(
            source, partitions, folder, processes, lambda n: progress("prepare", n, expected)
        )
    else:
        spill = folder / "spill-0"
        spilled = {str(spill): _prepare_partitions(source, enumerate(partitions), spill, lambda n: None)}
    paths, shape_maps, shapes, works = _merge(spilled)
    spilled.clear()
    count = sum(len(work.start) for work in works)
    done = _Done(progress, count)
    if processes and len(works) > 1:
        bits = _build_elsewhere(works, paths, shape_maps, folder, target, processes, done)
    else:
        spills = _Spills(paths, shape_maps)
        for work in works:
            done.chunk(len(work.start), _build_chunk(work, spills, folder, target, lambda _: None))
        spills.close()
        bits = pages.write_pages(target, folder, len(works))
        pages.write_words(target, len(works))
    for path in paths:
        Path(path).unlink()
    opened = target.databases
    with target.environment.begin(write=True) as transaction:
        transaction.cursor(opened["passwords"]).putmulti(sorted(done.passwords), append=True)
        for number, shape in enumerate(shapes):
            transaction.put(layout.ID.pack(number), "\n".join(shape).encode(), db=opened["shapes"])
        transaction.put(b"bits", bits.to_bytes(1, "little"), db=opened["meta"])
        transaction.put(b"count", count.to_bytes(4, "little"), db=opened["meta"])
    target.environment.sync(True)
    return count


class _Done:
    """What the chunks that are built leave to the parent."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._count = 0
        self.passwords: list[tuple[bytes, bytes]] = []

    def chunk(self, size: int, passwords: list[tuple[bytes, bytes]]) -> None:
        self._count += size
        self.passwords += passwords
        self._progress("build", self._count, self._total)


def _prepare_elsewhere(
    source: Source, partitions: list[Any], folder: Path, processes: int, progress: Callable[[int], None]
) -> dict[str, _Spilled]:
    context = multiprocessing.get_context("spawn")
    results, taken = context.Queue(), context.Value("i", 0)
    arguments = [(source, partitions, taken, folder / f"spill-{i}", results) for i in range(processes)]
    with _running(context, _first_pass, arguments) as running:
        spilled: dict[str, _Spilled] = {}
        read = 0
        while len(spilled) < processes:
            told = _collect(results, running)
            if isinstance(told, int):
                read += told
                progress(read)
            else:
                spilled[told[0]] = told[1]
        return spilled


def _build_elsewhere(
    works: list[_Work],
    paths: list[str],
    shape_maps: list[list[int]],
    folder: Path,
    target: Opened,
    processes: int,
    done: _Done,
) -> int:
    context = multiprocessing.get_context("spawn")
    turn, moved, results = context.Value("i", 0, lock=False), context.Condition(), context.Queue()
    arguments = [
        (works[i::processes], paths, shape_maps, folder, turn, moved, results, len(works) if i == 0 else None)
        for i in range(processes)
    ]
    with _running(context, _second_pass, arguments) as running:
        for _ in works:
            done.chunk(*_collect(results, running))
        bits = pages.write_pages(target, folder, len(works))
        _collect(results, running)  # the words are written
        return bits


@contextmanager
def _running(
    context: Any, target: Callable[..., None], arguments: list[tuple[Any, ...]]
) -> Iterator[list[Any]]:
    """Processes that are at work inside; they have ended behind it, killed if something was raised."""
    processes = [context.Process(target=target, args=given, daemon=True) for given in arguments]
    try:
        for process in processes:
            process.start()
        yield processes
        for process in processes:
            process.join()
            if process.exitcode:
                raise RuntimeError(f"a process of the index build ended with {process.exitcode}")
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()
