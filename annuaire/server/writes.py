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
from typing import Any

from twisted.internet.interfaces import IReactorFromThreads

from annuaire.config import Config
from annuaire.domain import trace
from annuaire.domain.trace import Trace
from annuaire.errors import AnnuaireError, Misconfigured, Unavailable
from annuaire.ldap.writing import WriteJob, WriteOutcome

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


# Writes of one transaction: others wait for it no longer than a person does.
TOGETHER_MAX = 100
# Beyond so many that wait, the next are told to come back.
WAITING_MAX = 5_000


class WriteThread:
    """One for each worker; a writing transaction of another process is waited for in it, not in the reactor."""

    def __init__(self, reactor: IReactorFromThreads, perform: Perform) -> None:
        self._reactor = reactor
        self._perform = perform
        self._waiting: queue.SimpleQueue[tuple[WriteJob, Done] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # Whether the store was there for the last writes; None: nothing has been written yet.
        self.reached: bool | None = None

    def submit(self, job: WriteJob, done: Done) -> None:
        """Call `done` in the reactor with the outcome, or with why there is none."""
        if self._waiting.qsize() >= WAITING_MAX:
            done(Unavailable("too many writes at once, try again", "the queue of writes is full"))
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="writes", daemon=True)
            self._thread.start()
        self._waiting.put((job, done))

    def stop(self) -> None:
        """Let what was begun end; what waits behind it is not answered, so its clients know nothing of it."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            together: list[tuple[WriteJob, Done]] = []
            item = self._waiting.get()
            while item is not None:
                together.append(item)
                if len(together) == TOGETHER_MAX:
                    break
                try:
                    item = self._waiting.get_nowait()
                except queue.Empty:
                    break
            if together:
                outcomes = self._outcomes([job for job, _ in together])
                for (_, done), outcome in zip(together, outcomes, strict=True):
                    self._reactor.callFromThread(done, outcome)
            if item is None:
                return

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
