"""The one bridge between the reactor and threads: making and verifying password hashes, tens of milliseconds each.

A plain function runs in a thread and a value comes out. The queue is bounded: when more people log in than
can be verified, the next are told `busy` at once, and searches go on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TypeVar

from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from annuaire.errors import AnnuaireError, Unavailable

log = logging.getLogger("annuaire.server")
Value = TypeVar("Value")

# Hashing releases the interpreter's lock; more threads than cores would only take time from the searches.
THREADS_MAX = max(1, min(4, os.cpu_count() or 1))
# At 40 ms each and two threads, the last one waits for two seconds: as long as a person should.
WAITING_MAX = 100


class PasswordThreads:
    """Runs what hashes passwords beside the reactor."""

    def __init__(self, reactor: IReactorFromThreads, threads: int = THREADS_MAX) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, threads, name="password")
        self._waiting = 0

    def start(self) -> None:
        self._pool.start()

    @property
    def busy(self) -> bool:
        """Whether so many wait that nothing should be added which can be done later."""
        return self._waiting >= WAITING_MAX // 4

    def run(self, work: Callable[[], Value], done: Callable[[Value | AnnuaireError], None]) -> None:
        """Call `done` in the reactor, with the outcome or with why there is none."""
        if self._waiting >= WAITING_MAX:
            done(Unavailable("too many logins at once, try again", "the password queue is full"))
            return
        self._waiting += 1
        self._pool.callInThreadWithCallback(
            lambda success, outcome: self._reactor.callFromThread(self._ended, success, outcome, done), work
        )

    def _ended(
        self, success: bool, outcome: Value | Failure, done: Callable[[Value | AnnuaireError], None]
    ) -> None:
        self._waiting -= 1
        if isinstance(outcome, Failure):
            # A bug: its traceback names no values. What was asked has failed, and nobody is let in.
            log.error("hashing a password failed: %s", outcome.getTraceback(elideFrameworkCode=True))
            done(AnnuaireError("internal error"))
        else:
            done(outcome)
