"""Postfix policy delegation and socketmap over Twisted: carries bytes between sockets and answers.

-> what the client sends goes to the codec of its protocol
<- one answer for each request, in order; those that came in one packet leave in one
Security: a client that does not read is not read from, nor is anything worked out for it.

# Note [Trouble is temporary, never "unknown user"]
What we cannot decide must come back later. Policy has no answer that says so: we log, say nothing and close, and
Postfix answers its own client 451 4.3.5. A table answers TEMP, which becomes 451 4.3.0. Neither ever becomes a
refusal, and a server that is restarted is not even noticed: both clients try a second time.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from twisted.internet import interfaces, protocol
from twisted.internet.base import DelayedCall
from twisted.python import failure
from zope.interface import implementer

from annuaire.errors import AnnuaireError, Malformed
from annuaire.postfix import policy, socketmap
from annuaire.postfix.answers import Answers
from annuaire.server import connections
from annuaire.server.connections import BoundedFactory, Bounds
from annuaire.server.loads import Loads

log = logging.getLogger("annuaire.postfix")

# Requests answered in one turn of the reactor: some milliseconds. Postfix sends one and waits for its answer.
TURN_MAX = 100
# Of one kind of trouble a line is written so often; its number says how many there were.
TELL_SECONDS = 5.0
BUSY = "annuaire is unavailable, try again later"


class Troubles:
    """Counts what went wrong, and tells the log without flooding it."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self._told: dict[str, float] = {}

    def note(self, kind: str, client: str, error: BaseException | str) -> None:
        self.counted[kind] += 1
        now = monotonic()
        if now - self._told.get(kind, -TELL_SECONDS) < TELL_SECONDS:
            return
        self._told[kind] = now
        said = error.reason if isinstance(error, AnnuaireError) else error
        bug = error if isinstance(error, BaseException) and not isinstance(error, AnnuaireError) else None
        log.warning("%s client=%s number=%d: %s", kind, client, self.counted[kind], said, exc_info=bug)


@implementer(interfaces.IPushProducer, interfaces.IHalfCloseableProtocol)
class PostfixConnection(protocol.Protocol):
    """One client. A subclass knows the codec and what trouble is answered."""

    factory: PostfixFactory
    transport: Any
    name = ""

    def __init__(self) -> None:
        self.active_at = monotonic()
        self.client = ""
        self._decode: Callable[[bytes], list[Any]] = self.decoder()
        self._send: Any = None
        self._waiting: deque[Any] = deque()  # what one packet held beyond a turn's work
        self._turn: DelayedCall | None = None
        self._paused = False  # the client does not read
        self._half_closed = False
        self._open = False

    def decoder(self) -> Callable[[bytes], list[Any]]:
        """A new decoder's `feed`."""
        raise NotImplementedError

    def answer(self, request: Any) -> bytes:
        """The answer to one request; raises when there is none, and the connection ends."""
        raise NotImplementedError

    # ------------------------------------------------------------ from the transport

    def connectionMade(self) -> None:
        self.client = connections.client_of(self.transport)
        self._open = True
        self._send = connections.sender(self.transport)
        self.transport.registerProducer(self, True)
        if not self.factory.admit(self):
            self.factory.troubles.note(f"{self.name} connections", self.client, "too many connections")
            self._leave()

    def dataReceived(self, data: bytes) -> None:
        self.active_at = monotonic()
        if not self._open:
            return
        try:
            requests = self._decode(data)
            if len(requests) == 1 and not self._waiting and not self._paused:
                self._send(self.answer(requests[0]))
                return
        except Exception as error:
            self._end_with(error)
            return
        self._waiting.extend(requests)
        self._advance()

    def readConnectionLost(self) -> None:
        """The client has said all that it will; some wait for our answer and our end (Exim's readsocket)."""
        self._half_closed = True
        if not self._waiting:
            self._leave()

    def writeConnectionLost(self) -> None:
        """It cannot be answered any more; connectionLost follows."""

    def connectionLost(self, reason: failure.Failure | None = None) -> None:
        self._open = False
        self._cancel_turn()
        self._waiting.clear()
        self.factory.forget(self)

    def pauseProducing(self) -> None:
        self._paused = True
        self._cancel_turn()
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        self.active_at = monotonic()
        if self._waiting:
            self._advance()
        elif not self._half_closed:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The transport is gone; connectionLost follows."""

    # ------------------------------------------------------------ towards the client

    def _advance(self) -> None:
        """Answer some of what waits, all of them in one packet, and come back for the rest."""
        self._turn = None
        answers: list[bytes] = []
        try:
            while self._waiting and len(answers) < TURN_MAX:
                answers.append(self.answer(self._waiting.popleft()))
        except Exception as error:
            self._send(b"".join(answers))
            self._end_with(error)
            return
        if answers:
            self._send(b"".join(answers))
        if self._waiting:
            if not self._paused and self._turn is None:
                self.transport.pauseProducing()
                self._turn = self.factory.reactor.callLater(0, self._advance)
        elif self._half_closed:
            self._leave()
        elif not self._paused:
            self.transport.resumeProducing()

    def _cancel_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    # ------------------------------------------------------------ the end

    def _end_with(self, error: Exception) -> None:
        self.factory.troubles.note(f"{self.name} {kind_of(error)}", self.client, error)
        self._leave()

    def _leave(self) -> None:
        """Close once what was answered is sent."""
        self._cancel_turn()
        self._waiting.clear()
        if self._open:
            self._open = False
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def disconnect(self) -> None:
        """Close; what the client asks next, it asks another worker or the next server."""
        self._leave()

    def abort(self) -> None:
        """Close without waiting for a client that does not read."""
        self._open = False
        self.transport.abortConnection()


class PolicyConnection(PostfixConnection):
    name = "policy"

    def decoder(self) -> Callable[[bytes], list[Any]]:
        return policy.Decoder().feed

    def answer(self, request: policy.Request) -> bytes:
        return policy.encode(self.factory.answers.action(request))


class SocketmapConnection(PostfixConnection):
    name = "socketmap"

    def decoder(self) -> Callable[[bytes], list[Any]]:
        return socketmap.Decoder().feed

    def answer(self, request: socketmap.Query) -> bytes:
        try:
            return self.factory.answers.result(request)
        except Exception as error:
            self.factory.troubles.note(f"{self.name} {kind_of(error)}", self.client, error)
            return socketmap.temporary(BUSY)


def kind_of(error: Exception) -> str:
    """One word for counting."""
    if isinstance(error, Malformed):
        return "malformed"
    return "trouble" if isinstance(error, AnnuaireError) else "bug"


class PostfixFactory(BoundedFactory):
    """The connections of one listener; `answers` is asked for each request."""

    def __init__(
        self,
        connection: type[PostfixConnection],
        answers: Answers,
        reactor: Any,
        bounds: Bounds,
        loads: Loads | None = None,
    ) -> None:
        super().__init__(reactor, bounds, loads)
        self.protocol = connection  # type: ignore[assignment]
        self.answers = answers
        self.troubles = Troubles()

    def disconnect_all(self, _text: str) -> None:
        for connection in list(self.connections):
            connection.disconnect()


CONNECTIONS: dict[str, type[PostfixConnection]] = {
    "policy": PolicyConnection,
    "socketmap": SocketmapConnection,
}
