"""Operations that wait for something to happen, beside the one answer that a session gives at a time.

A stream that yields ASLEEP has said all that there is to say for now. It is laid aside, other requests are answered,
and when the session is woken each sleeper is asked again, one after the other. Abandon and unbind end it, and so does
whatever makes the connection somebody else's (RFC 4511 §4.2.1).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from annuaire.ldap.messages import Message

# How many searches of one connection may wait for changes: a slapd has one for each of its databases.
SLEEPERS_MAX = 16


class _Asleep(bytes):
    """Told from every chunk by its identity."""


ASLEEP = _Asleep()


class Sleeper(NamedTuple):
    """An operation that waits."""

    message: Message
    stream: Iterator[bytes]
    started: float


class Sleepers:
    """Those of one connection; `woken` of them wait to be asked."""

    __slots__ = ("_asleep", "_woken")

    def __init__(self) -> None:
        self._asleep: dict[int, Sleeper] = {}
        self._woken: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._asleep)

    @property
    def woken(self) -> bool:
        return bool(self._woken)

    def add(self, message: Message, stream: Iterator[bytes], started: float) -> None:
        self._asleep[message.message_id] = Sleeper(message, stream, started)

    def wake(self) -> None:
        self._woken = deque(self._asleep)

    def next(self) -> Sleeper | None:
        """The next one that was woken; it sleeps no more."""
        return self._asleep.pop(self._woken.popleft()) if self._woken else None

    def end(self, message_id: int) -> Message | None:
        """End one; its message, if it was there."""
        sleeper = self._asleep.pop(message_id, None)
        if sleeper is None:
            return None
        if message_id in self._woken:
            self._woken.remove(message_id)
        _close(sleeper)
        return sleeper.message

    def end_all(self) -> None:
        for sleeper in self._asleep.values():
            _close(sleeper)
        self._asleep.clear()
        self._woken.clear()


class Followers:
    """How many searches of one worker wait for changes; strangers leave room to those who bind."""

    def __init__(self, most: int = 1000, strangers: int = 100) -> None:
        self._most = most
        self._strangers = strangers
        self._count = 0
        self._of_strangers = 0

    def enter(self, anonymous: bool) -> bool:
        """Whether there is room for one more, which is then counted until `leave`."""
        if self._count >= self._most or (anonymous and self._of_strangers >= self._strangers):
            return False
        self._count += 1
        self._of_strangers += anonymous
        return True

    def leave(self, anonymous: bool) -> None:
        self._count -= 1
        self._of_strangers -= anonymous


def _close(sleeper: Sleeper) -> None:
    close = getattr(sleeper.stream, "close", None)
    if close is not None:
        close()
