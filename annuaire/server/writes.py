"""The thread that writes: takes all writes that wait, does them in one transaction, answers when it is durable.

# Note [Writes are committed together]
Waiting for the disk is most of the time that a write takes. While one transaction is on its way others gather; the
next takes them all. Each is done or refused by itself, in the order of arrival; none is answered before the commit,
and none before this machine's searches show it.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from twisted.internet.interfaces import IReactorFromThreads

from annuaire.config import Config
from annuaire.domain import trace
from annuaire.domain.trace import Trace
from annuaire.errors import AnnuaireError, Misconfigured, Unavailable
from annuaire.ldap.writing import WriteJob, WriteOutcome, octets

log = logging.getLogger("annuaire.ldap")

Done = Callable[[WriteOutcome | AnnuaireError], None]
# Does the jobs in order, durably; one outcome each.
Perform = Callable[[Sequence[WriteJob]], list[WriteOutcome | AnnuaireError]]


class StoreWrites:
    """The store behind the writes of a worker, opened with the first: a worker that only answers needs none."""

    def __init__(self, config: Config, told: Trace = trace.silent) -> None:
        self._config = config
        self._told = trace.through(trace.LDAP, told)
        self._writes: Any = None

    def perform(self, jobs: Sequence[WriteJob]) -> list[WriteOutcome | AnnuaireError]:
        if self._writes is None:
            from annuaire.actions import account_writes
            from annuaire.actions.write_entries import Writes
            from annuaire.cli import local

            config = self._config
            source = local.source(config, self._told)
            self._writes = Writes(
                source,
                local.folder(config),
                config.trees.suffixes,
                account_writes.rules(source),
                config.admin_dn,
            )
        outcomes: list[WriteOutcome | AnnuaireError] = self._writes.perform(jobs)
        return outcomes


# Writes of one transaction, and their octets: others wait for it no longer than a person does. One that is larger by
# itself, as a transaction of LDAP may be, is done alone.
TOGETHER_MAX = 100
TOGETHER_OCTETS_MAX = 8 * 1024 * 1024
# Whoever wrote together comes again together, each when it is answered: so long the next of them is waited for, but for
# no more than came the last time. Somebody who writes alone waits for nobody.
GATHERING_SECONDS = 0.001
# Beyond so many that wait, or so many octets, the next are told to come back.
WAITING_MAX = 5_000
WAITING_OCTETS_MAX = 64 * 1024 * 1024


class Room:
    """What the writes of a worker take while they wait, be it for a thread that hashes or for the one that writes."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, size: int) -> bool:
        """Whether there is room for as much; something that nothing waits with is always let in."""
        if self._taken and self._taken + size > WAITING_OCTETS_MAX:
            return False
        self._taken += size
        return True

    def give_back(self, size: int) -> None:
        self._taken -= size


class _Waiting(NamedTuple):
    job: WriteJob
    size: int
    done: Done


def full() -> Unavailable:
    """What is answered where there is no room."""
    return Unavailable("too many writes at once, try again", "the queue of writes is full")


class WriteThread:
    """One for each worker; a writing transaction of another process is waited for in it, not in the reactor."""

    def __init__(self, reactor: IReactorFromThreads, perform: Perform) -> None:
        self._reactor = reactor
        self._perform = perform
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self.room = Room()
        self._thread: threading.Thread | None = None
        # Whether the store was there for the last writes; None: nothing has been written yet.
        self.reached: bool | None = None

    def submit(self, job: WriteJob, done: Done) -> None:
        """Call `done` in the reactor with the outcome, or with why there is none."""
        size = octets(job)
        if self._waiting.qsize() >= WAITING_MAX or not self.room.take(size):
            done(full())
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="writes", daemon=True)
            self._thread.start()
        self._waiting.put(_Waiting(job, size, done))

    def stop(self) -> None:
        """Let what was begun end; what waits behind it is not answered, so its clients know nothing of it."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        ahead: _Waiting | None = None  # taken from the queue, and too large to be done with those before it
        stopping = False
        expected = 1
        while True:
            if ahead is None:
                ahead = None if stopping else self._waiting.get()
                if ahead is None:
                    return
            together, size = [ahead], ahead.size
            ahead = None
            while ahead is None and len(together) < TOGETHER_MAX and not stopping:
                try:
                    more = len(together) < expected
                    ahead = self._waiting.get(more, GATHERING_SECONDS) if more else self._waiting.get_nowait()
                except queue.Empty:
                    break
                if ahead is None:
                    stopping = True
                elif size + ahead.size <= TOGETHER_OCTETS_MAX:
                    together.append(ahead)
                    size += ahead.size
                    ahead = None
            expected = len(together)
            outcomes = self._outcomes([one.job for one in together])
            self._reactor.callFromThread(self._done, together, outcomes)
            del together  # nothing is held of them while the next are waited for

    def _done(self, together: list[_Waiting], outcomes: list[WriteOutcome | AnnuaireError]) -> None:
        for one, outcome in zip(together, outcomes, strict=True):
            self.room.give_back(one.size)
            try:
                one.done(outcome)
            except Exception:
                log.exception("a write that cannot be answered")

    def _outcomes(self, jobs: list[WriteJob]) -> list[WriteOutcome | AnnuaireError]:
        try:
            outcomes = self._perform(jobs)
            self.reached = True
        except Misconfigured as error:
            # It was right when the server started. To who writes the store is away; where it is is not theirs to know.
            self.reached = False
            return [Unavailable("the store is not available", error.reason)] * len(jobs)
        except AnnuaireError as error:
            self.reached = not isinstance(error, Unavailable)
            return [error] * len(jobs)
        except Exception:
            log.exception("writes that nobody foresaw")
            return [AnnuaireError("internal error")] * len(jobs)
        for outcome in outcomes:
            if isinstance(outcome, AnnuaireError) and not isinstance(outcome, Unavailable):
                log.error("a write that nobody foresaw", exc_info=outcome.__cause__ or outcome)
        return outcomes
