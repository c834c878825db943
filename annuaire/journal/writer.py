"""The journal of one process: takes records at once, and writes them from a thread of its own.

Whoever records only makes a text and puts it in a queue: no lock, no file, no waiting. The thread numbers, hashes and
writes what gathers in 50 ms, and makes a signed checkpoint every 10 s while there is something new, and at the end.

    kill -9          loses what was not yet given to the system: at most the last 50 ms, or what a slow disk holds up
    lost machine     loses what came after the last checkpoint, since only checkpoints wait for the disk
    full disk        nothing waits: the queue holds 100,000 records, further ones are counted, and the count is
                     itself recorded (`gap`) when writing works again
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from annuaire.domain import reasons, trace
from annuaire.errors import AnnuaireError
from annuaire.journal import layout, records, recovering, retention, settings
from annuaire.journal.chain import Chain
from annuaire.journal.checkpoints import LockedError, Log
from annuaire.journal.entries import Ending
from annuaire.journal.fields import Fields, quoted
from annuaire.journal.records import Position
from annuaire.journal.settings import Settings

if TYPE_CHECKING:
    from annuaire.domain.routing import Decision, Envelope

log = logging.getLogger("annuaire.journal")

PENDING_MAX = 100_000
GATHER_SECONDS = 0.05
CHECKPOINT_SECONDS = 10.0
# After a failure; a full disk is not asked more often.
PAUSE_SECONDS = 1.0
# How long the end of a process may wait for a slow disk or another process's checkpoint.
CLOSE_SECONDS = 5.0
# Trouble that lasts is told again after this.
REMIND_SECONDS = 300.0
# Numbered and written together; the interpreter is free for others after each.
BATCH = 256
# Combinations of verdict and reason; there are some dozens.
VERDICTS_MAX = 1024
# Whoever asks later why a message did not arrive is told, whatever the configuration says.
_ALWAYS_KEPT = frozenset({reasons.REFUSE, reasons.DEFER})

Report = Callable[[str], None]


class Journal:
    """Made by `open`; nothing is on the disk until the first record."""

    def __init__(self, told: Settings, report: Report) -> None:
        self._settings = told
        self._report = report
        self._pending: deque[bytes] = deque()
        self._fields: Fields | None = None
        self._words_at = 0.0
        self._verdicts: dict[tuple[str | None, ...], str] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._waiting: list[threading.Event] = []
        # What was lost since the last gap record, since when, and why.
        self._lost, self._lost_since, self._lost_why = 0, 0, ""
        self.lost = 0
        # The thread's own.
        self._chain: Chain | None = None
        self._is_named = False
        self._log = Log(told.folder, told.state, told.file_size, self._report)
        self._signed = Position(0, "", 0)
        self._checkpoint_at = 0.0
        self._trouble = ""
        self._told_at = 0.0

    # ------------------------------------------------------------------ for everybody

    def record(self, kind: str, /, **fields: object) -> None:
        """Take a record; never raises and never waits."""
        try:
            self._put(self._words().text(kind, fields, time.time_ns()))
        except Exception as error:
            self._lose(_named(error))

    def decision(self, envelope: Envelope, decision: Decision, at: float | None = None) -> None:
        """Take a routing decision. at: seconds since 1970; None is now."""
        try:
            if not self._settings.decisions and decision.verdict not in _ALWAYS_KEPT:
                return
            key = (decision.verdict, decision.reason, decision.status, decision.route, decision.encoding)
            verdict = self._verdicts.get(key) or self._verdict(key)
            name = (self._fields or self._words()).name
            text = (
                f'"at":"{records.stamp(time.time_ns() if at is None else round(at * 1e6) * 1000)}",{verdict},'
                f'"sender":{name(envelope.sender)},"recipient":{name(envelope.recipient)}'
            )
            if envelope.client_address:
                text += f',"client":{quoted(envelope.client_address)}'
            if envelope.authenticated_user:
                text += f',"user":{name(envelope.authenticated_user)}'
            if envelope.certificate:
                text += f',"certificate":{quoted(envelope.certificate)}'
            if decision.sender_as and decision.sender_as != envelope.sender:
                text += f',"sender_as":{name(decision.sender_as)}'
            if decision.recipient_as and decision.recipient_as != envelope.recipient:
                text += f',"recipient_as":{name(decision.recipient_as)}'
            self._put(text.encode("ascii"))
        except Exception as error:
            self._lose(_named(error))

    @property
    def pending(self) -> int:
        """Records that wait for the disk."""
        return len(self._pending)

    def flush(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Wait until everything that was recorded is given to the system; whether it was."""
        if self._thread is None:
            return not self._lost
        done = threading.Event()
        self._waiting.append(done)
        self._wake.set()
        return done.wait(timeout)

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Write everything, sign it, and stop. What could not be written in time is lost, and said to be."""
        atexit.unregister(self.close)
        if self._process != os.getpid() or self._stopping.is_set():
            return
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
            left = len(self._pending) + self._lost + (self._chain.unwritten if self._chain else 0)
            if left or self._thread.is_alive():
                self._report(f"{left} records were not written: {self._trouble or 'the disk is too slow'}")

    # ------------------------------------------------------------------ in the caller's thread

    def _words(self) -> Fields:
        if self._fields is None:
            with self._guard:
                if self._fields is None:
                    self._fields = self._made()
        return self._fields

    def _made(self) -> Fields:
        # Without the key of pseudonyms records are lost; a full disk is not asked at each of them.
        if time.monotonic() < self._words_at:
            raise OSError(errno.EAGAIN, "no key of pseudonyms")
        try:
            return _fields(self._settings)
        except BaseException:
            self._words_at = time.monotonic() + PAUSE_SECONDS
            raise

    def _verdict(self, key: tuple[str | None, ...]) -> str:
        """The members that are the same in thousands of decisions."""
        kind = trace.REFUSAL if key[0] == reasons.REFUSE else trace.DECISION
        named = zip(("verdict", "reason", "status", "route", "encoding"), key, strict=True)
        text = ",".join(
            [f'"kind":"{kind}"', *(f'"{name}":{quoted(value)}' for name, value in named if value)]
        )
        if len(self._verdicts) < VERDICTS_MAX:
            self._verdicts[key] = text
        return text

    def _put(self, text: bytes) -> None:
        if len(self._pending) >= PENDING_MAX or self._stopping.is_set():
            self._lose("the queue is full" if not self._stopping.is_set() else "the journal is closed")
            return
        self._pending.append(text)
        if not self._wake.is_set():
            if self._thread is None:
                self._start()
            self._wake.set()

    def _lose(self, why: str) -> None:
        with self._guard:
            if not self._lost:
                self._lost_since, self._lost_why = time.time_ns(), why
            self._lost += 1
            self.lost += 1
        if self._thread is None:
            self._start()
        self._wake.set()

    def _start(self) -> None:
        with self._guard:
            if self._thread is None and not self._stopping.is_set():
                thread = threading.Thread(target=self._run, name="journal", daemon=True)
                thread.start()
                self._thread = thread
                atexit.register(self.close)

    # ------------------------------------------------------------------ in the journal's own thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._until_checkpoint())
            self._wake.clear()
            self._turn(self._write)
            self._stopping.wait(PAUSE_SECONDS if self._trouble else GATHER_SECONDS)
        self._turn(self._write)
        self._turn(self._end)

    def _turn(self, work: Callable[[], None]) -> None:
        """Do some work; a trouble is told, and what could not be done is done later."""
        try:
            work()
        except LockedError:
            self._wake.set()
        except Exception as error:
            self._wake.set()
            self._failed(error)
        else:
            self._worked()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            self._drain()
        except BaseException:
            self._waiting = waiting + self._waiting
            raise
        for done in waiting:
            done.set()
        if self._chain is not None and self._until_checkpoint() == 0.0:
            self._checkpoint(self._chain)

    def _drain(self) -> None:
        if not self._pending and not self._lost:
            return
        chain = self._begun()
        # Not more than there are now: whoever records without pause must not keep a checkpoint waiting.
        left = len(self._pending)
        while left > 0:
            chain.append(self._taken(min(BATCH, left)))
            left -= BATCH
        chain.flush()
        if self._lost:
            chain.append([self._gap()])
            chain.flush()

    def _taken(self, count: int) -> Iterator[bytes]:
        """Lazily, so that nothing leaves the queue that the chain cannot take."""
        for _ in range(count):
            yield self._pending.popleft()

    def _gap(self) -> bytes:
        with self._guard:
            lost, since, why = self._lost, self._lost_since, self._lost_why
            self._lost = 0
        self._report(f"{lost} records of the journal were lost: {why}")
        told = {"lost": lost, "since": records.stamp(since), "why": why}
        return Fields(None).text(records.GAP, told, time.time_ns())

    def _begun(self) -> Chain:
        """The chain, named in a checkpoint before its first record: one that no checkpoint names is foreign."""
        if self._chain is None:
            layout.make_folder(self._settings.folder)
            chain = Chain(self._settings.folder, self._settings.file_size)
            chain.begin()
            self._chain = chain
        if not self._is_named:
            self._sign(self._chain)
            self._is_named = True
        return self._chain

    def _checkpoint(self, chain: Chain) -> None:
        if chain.is_gone:
            self._report("the journal's file was removed while it was written")
            chain.go_on_elsewhere()
        chain.sync()
        self._sign(chain)

    def _end(self) -> None:
        chain = self._chain
        if chain is None or not self._is_named:
            return
        chain.append([Fields(None).text(records.END, {}, time.time_ns())])
        chain.sync()
        self._sign(chain, last=True)
        chain.close()

    def _sign(self, chain: Chain, last: bool = False) -> None:
        """Append a checkpoint, and remove what is older than it is kept for when that began another file."""
        position = chain.position

        def change(written: Mapping[str, Position]) -> tuple[dict[str, Position], dict[str, Ending]]:
            ended = recovering.endings(self._settings.folder, written, chain.name)
            if last:
                ended[chain.name] = Ending(position)
            chains = {**written, chain.name: position}
            return {name: one for name, one in chains.items() if name not in ended}, ended

        # Another process's checkpoint takes some milliseconds; only the end has no later to do it.
        began = self._log.checkpoint(change, CLOSE_SECONDS / 2 if self._stopping.is_set() else 0.0)
        self._signed = position
        self._checkpoint_at = time.monotonic()
        if began and self._settings.keep:
            before = time.time() - self._settings.keep
            self._log.remove(lambda written: retention.choose(self._settings.folder, written, before), 0.0)

    def _until_checkpoint(self) -> float | None:
        """Seconds until the next is due; None when there is nothing new."""
        if self._chain is None or self._chain.position == self._signed:
            return None
        return max(0.0, self._checkpoint_at + CHECKPOINT_SECONDS - time.monotonic())

    def _failed(self, error: Exception) -> None:
        said = _named(error)
        now = time.monotonic()
        if not self._trouble or now - self._told_at >= REMIND_SECONDS:
            self._told_at = now
            self._report(f"the journal cannot be written, and decisions go on without it: {said}")
        self._trouble = said

    def _worked(self) -> None:
        if self._trouble:
            self._trouble = ""
            self._report("the journal is written again")


def open(  # noqa: A001 read as journal.open
    told: Settings, report: Report | None = None
) -> Journal:
    """A journal that is ready to take records. report: told in a sentence of trouble and of its end."""
    return Journal(told, log.warning if report is None else report)


@contextlib.contextmanager
def opened(config: Any, report: Report | None = None) -> Iterator[trace.Trace]:
    """The trace of a command, from its configuration; everything is written and signed at the end.

    SIGTERM would end a process without that: inside, it ends it as `sys.exit` does.
    """
    journal = open(settings.of(config), report)
    with _terminating():
        try:
            yield _patient(journal)
        finally:
            journal.close()


def _patient(journal: Journal) -> trace.Trace:
    """Whoever has hundreds of thousands of records at once waits for the disk, as long as it takes any."""
    is_writing = True

    def told(kind: str, /, **fields: object) -> None:
        nonlocal is_writing
        journal.record(kind, **fields)
        if is_writing and journal.pending >= PENDING_MAX // 2:
            is_writing = journal.flush()

    return told


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )
    if ours:
        signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _named(error: Exception) -> str:
    """An error in words that hold nothing of a record."""
    if isinstance(error, OSError):
        return f"{error.strerror}" + (f": {error.filename}" if error.filename else "")
    return error.public if isinstance(error, AnnuaireError) else type(error).__name__


def _fields(told: Settings) -> Fields:
    if told.clear:
        return Fields(None)
    from annuaire.journal import keys
    from annuaire.journal.pseudonyms import Pseudonyms

    return Fields(Pseudonyms(keys.pseudonym_key(told.state), told.clear_domains))
