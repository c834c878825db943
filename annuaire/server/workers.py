"""The supervisor of `serve`: a process per core, all accepting on the same sockets; a dead one is replaced.

    supervisor -> worker   the listening sockets, and a control socket whose end means: leave
    worker -> supervisor   "ready" on its control socket, once it answers
    supervisor -> worker   "reload" on it, after SIGHUP: certificates are read again

Standard library alone, no reactor: it must outlive anything that a worker may do, and start at once. Workers
are spawned, not forked: an LMDB environment, a thread or a reactor is never inherited.

Signals may come at any moment, to any of the processes, in any order and more than once: a service manager tells
all of them to stop, a terminal sends Ctrl-C to all. A child that was told before its supervisor is no fault.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from annuaire.errors import Unavailable
from annuaire.server import loads

log = logging.getLogger("annuaire.server")

# A worker that dies young is restarted later and later; one that lived for so many seconds, at once.
LIVED = 10.0
BACK_OFF_FIRST = 0.1
BACK_OFF_MOST = 30.0
# When the preparation found the store or the index held by somebody.
PREPARE_AGAIN = 2.0
# When the follower of the store has died; nobody waits for it.
FOLLOW_AGAIN = 5.0
# How long workers may say goodbye to their clients, and then to obey SIGTERM.
GRACE = 5.0
# What a terminal sends to all is the supervisor's to hear, from the first moment of a child on.
NOT_FOR_CHILDREN = {signal.SIGINT, signal.SIGHUP}
# How a child ends that was told to: by its own care, or before it had any.
TOLD = (0, -signal.SIGTERM)


@dataclass(slots=True)
class _Slot:
    """The place of one worker, across its lives."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    control: socket.socket | None = None
    ready: bool = False
    started_at: float = 0.0
    delay: float = BACK_OFF_FIRST
    restart_at: float | None = None
    lives: int = field(default=0)


class Supervisor:
    """Keeps `count` workers alive; `command` makes one's command line from its number and control descriptor."""

    def __init__(
        self,
        command: Callable[[int, int], Sequence[str]],
        count: int,
        inherited: Sequence[int],
        shared: int,
        when_ready: Callable[[], None] = lambda: None,
        prepare: Sequence[str] | None = None,
        follow: Sequence[str] | None = None,
    ) -> None:
        self._command = command
        self._inherited = (*inherited, shared)
        self._loads = shared
        self._slots = [_Slot(number) for number in range(count)]
        self._when_ready = when_ready
        self._prepare_command = prepare
        self._prepared = prepare is None
        self._preparing: subprocess.Popen[bytes] | None = None
        self._prepare_at: float | None = None
        self._follow_command = follow
        self._following: subprocess.Popen[bytes] | None = None
        self._follow_at = 0.0
        self._told_listening = False
        self._told_ready = False
        self._stopping = False
        self._reload_asked = False
        self._status = 0
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Serve until a signal or a fault of the start; the exit status."""
        wake_read, wake_write = socket.socketpair()
        wake_read.setblocking(False)
        wake_write.setblocking(False)
        self._selector.register(wake_read, selectors.EVENT_READ)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        try:
            self._start_preparation()
            for slot in self._slots:
                self._start(slot)
            while not self._stopping:
                self._turn(wake_read)
            self._stop_all()
        finally:
            # The end is near and the same for all reasons: told once more, the process must not die on its way there.
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            signal.set_wakeup_fd(-1)
            self._kill_all()
            self._selector.close()
            wake_read.close()
            wake_write.close()
        return self._status

    # ------------------------------------------------------------ one turn

    def _turn(self, wake: socket.socket) -> None:
        moments = [slot.restart_at for slot in self._slots] + [self._prepare_at]
        if self._told_ready and self._follow_command is not None and self._following is None:
            moments.append(self._follow_at)
        waits = [moment - time.monotonic() for moment in moments if moment is not None]
        for key, _ in self._selector.select(max(0.0, min(waits)) if waits else None):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    wake.recv(4096)
            else:
                self._hear(key.data)
        if self._reload_asked:
            self._reload_asked = False
            self._reload()
        self._reap_preparation()
        if self._prepare_at is not None and self._prepare_at <= time.monotonic() and not self._stopping:
            self._start_preparation()
        self._keep_following()
        for slot in self._slots:
            if slot.process is not None and slot.process.poll() is not None:
                self._died(slot, slot.process.returncode)
            elif slot.restart_at is not None and slot.restart_at <= time.monotonic() and not self._stopping:
                self._start(slot)
        if self._told_ready or self._stopping or not all(slot.ready for slot in self._slots):
            return
        if self._prepared:
            self._told_ready = True
            self._when_ready()
        elif not self._told_listening:
            self._told_listening = True
            log.info("listening; the index is being brought up to date")

    def _start(self, slot: _Slot) -> None:
        ours, theirs = socket.socketpair()
        command = self._command(slot.number, theirs.fileno())
        slot.process = _spawn(command, (*self._inherited, theirs.fileno()))
        theirs.close()
        ours.setblocking(False)
        slot.control = ours
        slot.ready = False
        slot.restart_at = None
        slot.started_at = time.monotonic()
        slot.lives += 1
        self._selector.register(ours, selectors.EVENT_READ, slot)

    def _hear(self, slot: _Slot) -> None:
        assert slot.control is not None
        try:
            said = slot.control.recv(4096)
        except (BlockingIOError, ConnectionError):
            said = b""
        if b"ready" in said:
            slot.ready = True
        if not said:
            # It closed its end: it is dying, and poll will say how. Heard again, it would make this spin.
            self._forget_control(slot)

    def _died(self, slot: _Slot, status: int) -> None:
        assert slot.process is not None
        pid = slot.process.pid
        loads.leave(self._loads, slot.number)
        self._forget_control(slot)
        slot.process = None
        if not slot.ready and not self._told_ready and slot.lives == 1 and status not in TOLD:
            # It never served: what is wrong for one is wrong for all, and its own words are on the terminal.
            self._give_up(status)
            return
        lived = time.monotonic() - slot.started_at
        if lived >= LIVED:
            slot.delay = BACK_OFF_FIRST
        slot.ready = False
        slot.restart_at = time.monotonic() + slot.delay
        log.error(
            "worker %d (pid %d) died with status %d, again in %.1f s", slot.number, pid, status, slot.delay
        )
        slot.delay = min(slot.delay * 2, BACK_OFF_MOST)

    def _start_preparation(self) -> None:
        self._prepare_at = None
        if self._prepare_command is not None:
            self._preparing = _spawn(self._prepare_command)

    def _reap_preparation(self) -> None:
        if self._preparing is None or self._preparing.poll() is None:
            return
        status = self._preparing.returncode
        self._preparing = None
        if status in (Unavailable.exit_status, -signal.SIGTERM):
            # Somebody else holds the index, an import for example: what it leaves is looked at again.
            self._prepare_at = time.monotonic() + PREPARE_AGAIN
            return
        self._prepared = True
        if status:
            self._give_up(status)

    def _keep_following(self) -> None:
        """Once all is prepared, keep the process alive that keeps the index up to the store."""
        if self._following is not None and self._following.poll() is not None:
            log.error("the follower of the store ended with status %d", self._following.returncode)
            self._following = None
            self._follow_at = time.monotonic() + FOLLOW_AGAIN
        wanted = self._told_ready and self._follow_command is not None and self._following is None
        if wanted and self._follow_at <= time.monotonic() and not self._stopping:
            assert self._follow_command is not None
            self._following = _spawn(self._follow_command)

    def _reload(self) -> None:
        log.info("SIGHUP: certificates are read again; other options are read at the next start")
        for slot in self._slots:
            if slot.control is not None:
                # A worker that does not listen is dying, and the next one reads the files anyway.
                with contextlib.suppress(OSError):
                    slot.control.send(b"reload\n")

    def _forget_control(self, slot: _Slot) -> None:
        if slot.control is not None:
            self._selector.unregister(slot.control)
            slot.control.close()
            slot.control = None

    # ------------------------------------------------------------ signals and the end

    def _give_up(self, status: int) -> None:
        """End as a child did that could not start; whoever asked for the end is not told of it."""
        if not self._stopping:
            self._status = status if status > 0 else 70
            self._stopping = True

    def _on_stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _on_reload(self, number: int, frame: object) -> None:
        self._reload_asked = True

    def _processes(self) -> list[subprocess.Popen[bytes]]:
        every = [slot.process for slot in self._slots] + [self._preparing, self._following]
        return [process for process in every if process is not None]

    def _stop_all(self) -> None:
        for process in self._processes():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        until = time.monotonic() + GRACE
        for process in self._processes():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))

    def _kill_all(self) -> None:
        for process in self._processes():
            if process.poll() is None:
                process.kill()
                process.wait()
        for slot in self._slots:
            self._forget_control(slot)


def _spawn(command: Sequence[str], inherited: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    former = signal.pthread_sigmask(signal.SIG_BLOCK, NOT_FOR_CHILDREN)
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=inherited)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def default_count() -> int:
    """One worker for each core that this process may use."""
    return len(os.sched_getaffinity(0))
