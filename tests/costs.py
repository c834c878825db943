"""What a piece of work costs, asked so that neither other work on the machine nor an allocator's habits decide."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

MEBIBYTE = 1 << 20


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """The processor's time of this process alone, without the collection of what other tests left.

    For what would take minutes if it were quadratic: the bound has room for a processor many times slower.
    """
    gc.disable()
    started = time.process_time()
    try:
        yield
    finally:
        took = time.process_time() - started
        gc.enable()
    assert took < seconds


def memory(pid: int) -> int:
    """Resident bytes of a process that are its own."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(pid)


def leaves(work: Callable[[], None], pids: Iterable[int], most: int, tries: int = 4) -> None:
    """Do the work until it once leaves less than `most` bytes in these processes together.

    What leaks grows each time. An arena that another thread made, or a table that doubled, grows once.
    """
    processes = list(pids)
    grown = []
    for _ in range(tries):
        before = sum(map(memory, processes))
        work()
        grown.append(sum(map(memory, processes)) - before)
        if grown[-1] < most:
            return
    raise AssertionError(f"each time so many bytes more: {grown}")
