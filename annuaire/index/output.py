"""What one search sends: entries encoded a few at a time, its slices of work and how it ends."""

import time
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from annuaire.domain.audience import Audience
from annuaire.index import query
from annuaire.index.answering import Answerer
from annuaire.index.gather import PAUSE, Clock, Hit
from annuaire.index.reader import Snapshot
from annuaire.ldap.results import ResultCode

# Entries encoded at once.
ENCODED_AT_ONCE = 64

T = TypeVar("T")
# Pieces of messages to be joined; None when a slice of work is over.
Pieces = Generator[list[bytes] | None, None, None]


class TooLate(Exception):
    """The time limit passed while nothing was sent yet."""


class Deadline:
    """When a search must have ended. The time that its client takes to read does not count: an offline copy of the
    whole directory goes at the client's own pace."""

    __slots__ = ("_at",)

    def __init__(self, at: float) -> None:
        self._at = at

    def passed(self) -> bool:
        return time.monotonic() > self._at

    def extend(self, seconds: float) -> None:
        self._at += seconds


class Output:
    """What one search sends, and how it ends."""

    __slots__ = (
        "_answerer", "_deadline", "_holds", "_number", "_snapshot", "audience", "code", "partial", "text",
    )  # fmt: skip

    def __init__(
        self,
        number: bytes,
        answerer: Answerer,
        audience: Audience,
        deadline: Deadline,
        snapshot: Snapshot,
        holds: Callable[[Hit], bool],
    ) -> None:
        self._snapshot = snapshot
        self._holds = holds
        self._number = number
        self._answerer = answerer
        self.audience = audience
        self._deadline = deadline
        self.code = ResultCode.success
        self.text = ""
        self.partial = False  # a page that others follow, or a window

    def refuse(self, code: ResultCode, text: str) -> None:
        """End the search so."""
        self.code, self.text = code, text

    def late(self) -> bool:
        """Whether the time limit has passed; then that is how the search ends."""
        if self._deadline.passed():
            self.code = ResultCode.timeLimitExceeded
            return True
        return False

    def watched(self, gathering: Generator[None, None, T]) -> Generator[None, None, T]:
        """Gather, slice by slice; TooLate at the time limit."""
        while True:
            try:
                next(gathering)
            except StopIteration as end:
                found: T = end.value
                return found
            yield None
            if self.late():
                raise TooLate

    def take(self, hits: Iterator[Hit], count: int, clock: Clock) -> Generator[None, None, list[Hit]]:
        """The first hits."""
        taken: list[Hit] = []
        for hit in hits:
            if hit is PAUSE:
                yield None
                clock.restart()
                if self.late():
                    raise TooLate
                continue
            taken.append(hit)
            if len(taken) == count:
                break
        return taken

    def encode(self, hits: list[Hit]) -> list[bytes]:
        """The pieces of the messages of these entries.

        Note [Who is hidden meanwhile is not sent]: an answer that is streamed for minutes holds the entries of the
        moment when it began, and each slice leaves out whom the audience does not see any more. Those that have
        changed are sent as they are now, if they are still what is searched for.
        """
        if self._snapshot.later is not None:
            hits = query.still_seen(self._snapshot.later, hits, self.audience, self._holds)
        pieces: list[bytes] = []
        at = 0
        while at < len(hits):
            sight = hits[at][0]
            end = at
            while end < len(hits) and hits[end][0] is sight:
                end += 1
            ids = [identifier for _, identifier in hits[at:end]]
            pieces += self._answerer.messages(self._number, sight, ids, self.audience)
            at = end
        return pieces

    def emit(self, hits: Iterator[Hit], clock: Clock) -> Pieces:
        """Encode and send, a few at a time."""
        waiting: list[Hit] = []
        for hit in hits:
            if hit is PAUSE:
                if waiting:
                    yield self.encode(waiting)
                    waiting = []
                yield None
                clock.restart()
                if self.late():
                    return
                continue
            waiting.append(hit)
            if len(waiting) == ENCODED_AT_ONCE:
                yield self.encode(waiting)
                waiting = []
                if clock.over():
                    yield None
                    clock.restart()
                    if self.late():
                        return
        if waiting:
            yield self.encode(waiting)
