"""How far a long work is: a bar with rate and time left on a terminal, a plain line now and then elsewhere.

Everything goes to standard error: standard output is for the result alone.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

# Between two plain lines of the same phase.
LINE_SECONDS = 10.0


class Display:
    """Shows phases one after the other; `total` 0 means that nobody knows it."""

    def __init__(self, silent: bool = False) -> None:
        self._silent = silent
        self._bar: Any = None
        self._task: Any = None
        self._phase = ""
        self._started = self._said = 0.0

    def __enter__(self) -> Display:
        if not self._silent and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, phase: str, done: int, total: int, counted: int = 0) -> None:
        """`done` of `total` in any unit; `counted` records so far, for the rate."""
        if self._silent:
            return
        now = time.monotonic()
        changed = phase != self._phase
        if changed:
            self._phase, self._started, self._said = phase, now, now
        elapsed = now - self._started
        rate = f"{counted / elapsed:,.0f}/s".replace(",", " ") if counted and elapsed > 0.5 else ""
        if self._bar is not None:
            self._draw(phase, changed, done, total, rate)
        elif not changed and now - self._said >= LINE_SECONDS:
            self._said = now
            share = f" : {100 * done // total} %" if total else ""
            left = f", encore {elapsed * (total - done) / done:.0f} s" if total and done else ""
            sys.stderr.write(f"{phase}{share}{', ' + rate if rate else ''}{left}\n")
            sys.stderr.flush()

    def _draw(self, phase: str, changed: bool, done: int, total: int, rate: str) -> None:
        if changed:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(phase, total=total or None, rate=rate)
        self._bar.update(self._task, completed=done, total=total or None, rate=rate)
