"""Wakes the searches of one worker that wait for changes (RFC 4533), when the index has moved.

Whoever moves the index tells by octets that all map (index/folder.py); they are looked at some times a second, and only
while somebody waits.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from twisted.internet.task import LoopingCall

LOOK_SECONDS = 0.05


class Waiting(Protocol):
    """A connection on which searches may wait."""

    active_at: float
    transport: Any

    def wake(self) -> None:
        """Ask the searches that wait."""
        ...

    def waits(self) -> bool:
        """Whether any search waits."""
        ...


class Waker:
    """The connections that wait, and the look at the index."""

    def __init__(self, reactor: Any, moved: Callable[[], bytes]) -> None:
        self._moved = moved
        self._seen: bytes | None = None
        self._waiting: set[Waiting] = set()
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def watch(self, connection: Waiting) -> None:
        """Wake this one as long as it waits."""
        if connection not in self._waiting:
            self._waiting.add(connection)
            keep_alive = getattr(connection.transport, "setTcpKeepAlive", None)
            if keep_alive is not None:  # a client whose machine is gone would be waited for without end
                keep_alive(1)
        if not self._looking.running:
            self._seen = None  # nobody looked meanwhile
            self._looking.start(LOOK_SECONDS, now=False)

    def _look(self) -> None:
        now = monotonic()
        for connection in list(self._waiting):
            if connection.waits():
                connection.active_at = now  # it is not silent, it listens
            else:
                self._waiting.discard(connection)
        if not self._waiting:
            self._looking.stop()
            return
        seen = self._moved()
        if seen != self._seen:
            self._seen = seen
            for connection in list(self._waiting):
                connection.wake()
