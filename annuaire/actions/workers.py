"""Prepares the chunks of a large file in several processes, and gives the results in the order of the file.

A small file never pays for starting processes: the first chunks are prepared here. Each worker has its own
pipe, so it ends by itself when this process is killed.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Iterable, Iterator
from itertools import cycle
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from annuaire.actions.preparing import Order, Preparation, Prepared
from annuaire.errors import Unavailable
from annuaire.importing.ldif import Chunk

# About 8,000 people: half a second of work. Starting two workers takes as long, and twice that of processor time.
CHUNKS_HERE = 6

# More than one, so that a worker never waits for this process; few, so that memory stays small.
CHUNKS_AHEAD = 3

PROCESSES_MAX = 8


class Done(NamedTuple):
    """What became of one chunk, and how much of the file it was."""

    size: int
    prepared: Prepared


def prepare(chunks: Iterable[Chunk], order: Order, processes: int | None = None) -> Iterator[Done]:
    """Prepare every chunk; `processes` 0 keeps all the work here, None takes one for each core."""
    remaining = iter(chunks)
    here = Preparation(order)
    wanted = min(len(os.sched_getaffinity(0)), PROCESSES_MAX) if processes is None else processes
    for count, chunk in enumerate(remaining, 1):
        yield Done(len(chunk.data), here.chunk(chunk))
        if wanted and count == CHUNKS_HERE:
            break
    else:
        return
    del here
    yield from _prepare_elsewhere(remaining, order, wanted)


def _prepare_elsewhere(chunks: Iterator[Chunk], order: Order, processes: int) -> Iterator[Done]:
    spawn = multiprocessing.get_context("spawn")
    workers: list[tuple[BaseProcess, Connection]] = []
    try:
        for _ in range(processes):
            ours, theirs = spawn.Pipe()
            process: BaseProcess = spawn.Process(target=_work, args=(theirs, order), daemon=True)
            process.start()
            theirs.close()
            workers.append((process, ours))
        pipes = [pipe for _, pipe in workers]
        # Chunk n goes to worker n modulo their number: the answers come back in order without being sorted.
        sent: list[tuple[Connection, int]] = []
        turn = cycle(pipes)
        for chunk in chunks:
            pipe = next(turn)
            pipe.send(chunk)
            sent.append((pipe, len(chunk.data)))
            if len(sent) >= processes * CHUNKS_AHEAD:
                yield _received(*sent.pop(0))
        for pipe, size in sent:
            yield _received(pipe, size)
    except (EOFError, BrokenPipeError, ConnectionResetError) as error:
        raise Unavailable("the import was interrupted", "a worker process ended before its work") from error
    finally:
        for process, pipe in workers:
            pipe.close()
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join()


def _received(pipe: Connection, size: int) -> Done:
    answer = pipe.recv()
    if isinstance(answer, BaseException):
        raise answer
    return Done(size, answer)


def _work(pipe: Connection, order: Order) -> None:
    """One worker: reads ahead in a thread, so that the one who sends never waits for the one who answers."""
    # Nothing made here forms cycles, and looking for some would cost a tenth of the time.
    gc.disable()
    # Whoever typed Ctrl-C is answered by the one who started us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    received: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            while True:
                received.put(pipe.recv())
        except (EOFError, OSError):
            received.put(None)

    threading.Thread(target=read, daemon=True).start()
    preparation: Preparation | None = None
    while (chunk := received.get()) is not None:
        try:
            if preparation is None:
                preparation = Preparation(order)
            answer: Prepared | Exception = preparation.chunk(chunk)
        except Exception as error:
            answer = error
        try:
            pipe.send(answer)
        except OSError:
            return
