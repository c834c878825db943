"""LDAP over Twisted: carries bytes between a socket and a session, and decides nothing about them.

-> what the client sends goes to `Session.receive`
<- what it returns is sent; a stream is asked for its next chunk only while the client reads
Security: per connection at most one answer is under way and 64 KiB wait to be sent; when the client does not
read, nothing more is read from it or worked out for it.

Note [The producer is a push producer]: a pull producer left registered while a password is being verified
stalls plain connections and spins on TLS ones. This one is registered once for the connection's life: the
transport says stop and go by its buffer, and chunks are made in turns of the reactor, so neither can happen.
"""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import Any

from twisted.internet import interfaces, protocol, tcp
from twisted.internet.base import DelayedCall
from twisted.internet.task import LoopingCall
from twisted.python import failure
from zope.interface import implementer

from annuaire.errors import AnnuaireError
from annuaire.ldap.results import ResultCode
from annuaire.ldap.service import Service
from annuaire.ldap.session import Session
from annuaire.server.loads import Loads
from annuaire.server.threads import PasswordThreads

# How often, and for how long, a worker that holds more connections than another leaves it the next one.
WAITS_MAX = 3
WAIT_SECONDS = 0.001
# How often connections are looked at for silence; the limit itself is in minutes.
SWEEP_SECONDS = 5.0


@implementer(interfaces.IPushProducer)
class LdapConnection(protocol.Protocol):
    """One client."""

    factory: LdapFactory
    transport: Any

    def __init__(self) -> None:
        self.active_at = monotonic()
        self.client = ""
        self._session: Session = None  # type: ignore[assignment]  # made when connected
        self._send: Any = None
        self._socket_send: Any = None
        self._turn: DelayedCall | None = None
        self._paused = False  # the client does not read
        self._reading = True
        self._checking = False
        self._open = False

    # ------------------------------------------------------------ from the transport

    def connectionMade(self) -> None:
        peer = self.transport.getPeer()
        self.client = getattr(peer, "host", "") or "local"
        port = getattr(peer, "port", None)
        self._session = Session(self.factory.service, f"{self.client}:{port}" if port else self.client)
        self._open = True
        if isinstance(self.transport, tcp.Connection):
            self._socket_send = self.transport.socket.send
            self._send = self._send_at_once
        else:
            self._send = self.transport.write
        if not self.factory.admit(self):
            self._send(self._session.disconnect(ResultCode.unavailable, "too many connections"))
            self._leave()
            return
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        now = monotonic()
        self.active_at = now
        session = self._session
        answer = session.receive(data, now)
        if answer:
            self._send(answer)
        if not session.idle:
            self._follow()

    def connectionLost(self, reason: failure.Failure | None = None) -> None:
        self._open = False
        self._cancel_turn()
        self._session.close()
        self.factory.forget(self)

    def pauseProducing(self) -> None:
        self._paused = True
        self._cancel_turn()
        self._set_reading()

    def resumeProducing(self) -> None:
        self._paused = False
        self.active_at = monotonic()
        if self._open and not self._session.idle:
            self._follow()
        self._set_reading()

    def stopProducing(self) -> None:
        """The transport is gone; connectionLost follows."""

    # ------------------------------------------------------------ towards the client

    def _send_at_once(self, data: bytes) -> None:
        # Straight into the socket when nothing waits: transport.write would first have epoll say that the
        # socket can be written, two system calls and a turn of the reactor later.
        transport = self.transport
        if not (transport.dataBuffer or transport._tempDataBuffer):
            try:
                sent = self._socket_send(data)
            except OSError:  # full, or broken: the transport finds out and says so in its own way
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        transport.write(data)

    def _follow(self) -> None:
        """See to what the session asks for, after each call that left it other than idle."""
        session = self._session
        if session.closing:
            self._leave()
            return
        check = session.outside
        if check is not None and not self._checking:
            self._checking = True
            self.factory.threads.verify(check.hashes, check.password, self._checked)
        elif session.pending and not self._paused and self._turn is None:
            self._turn = self.factory.reactor.callLater(0, self._advance)
        self._set_reading()

    def _advance(self) -> None:
        self._turn = None
        session = self._session
        answer = session.advance(monotonic())
        if answer:
            self._send(answer)
        if session.idle:
            self._set_reading()
        else:
            self._follow()

    def _checked(self, outcome: bool | AnnuaireError) -> None:
        self._checking = False
        if not self._open:
            return
        session = self._session
        answer = session.resume(outcome, monotonic())
        if answer:
            self._send(answer)
        if session.idle:
            self._set_reading()
        else:
            self._follow()

    def _set_reading(self) -> None:
        wanted = not self._paused and not self._session.full
        if wanted == self._reading or not self._open:
            return
        self._reading = wanted
        if wanted:
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()

    def _cancel_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    # ------------------------------------------------------------ the end

    def _leave(self) -> None:
        """Close once what was answered is sent."""
        self._cancel_turn()
        if self._open:
            self._open = False
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def disconnect(self, code: ResultCode, text: str) -> None:
        """Tell the client why, and close."""
        if self._open:
            self._send(self._session.disconnect(code, text))
            self._leave()

    def abort(self) -> None:
        """Close without waiting for a client that does not read."""
        self._open = False
        self.transport.abortConnection()


class LdapFactory(protocol.Factory):
    """The connections of one listener, and how many there may be."""

    protocol = LdapConnection  # type: ignore[assignment]
    noisy = False

    def __init__(
        self,
        service: Service,
        threads: PasswordThreads,
        reactor: Any,
        connections_max: int = 10_000,
        connections_per_client_max: int = 1_000,
        idle_seconds: float = 900.0,
        loads: Loads | None = None,
    ) -> None:
        self.service = service
        self.threads = threads
        self.reactor = reactor
        self.connections: set[LdapConnection] = set()
        self._per_client: Counter[str] = Counter()
        self._connections_max = connections_max
        self._connections_per_client_max = connections_per_client_max
        self._idle_seconds = idle_seconds
        self._loads = loads
        self._sweeping = LoopingCall(self._sweep)
        self._sweeping.clock = reactor

    def doStart(self) -> None:
        super().doStart()  # type: ignore[no-untyped-call]
        if not self._sweeping.running:
            self._sweeping.start(min(SWEEP_SECONDS, max(0.1, self._idle_seconds / 4)), now=False)

    def doStop(self) -> None:
        super().doStop()  # type: ignore[no-untyped-call]
        if self._sweeping.running:
            self._sweeping.stop()

    def admit(self, connection: LdapConnection) -> bool:
        if len(self.connections) >= self._connections_max:
            return False
        if self._per_client[connection.client] >= self._connections_per_client_max:
            return False
        self.connections.add(connection)
        self._per_client[connection.client] += 1
        if self._loads is not None:
            self._loads.opened()
        return True

    def forget(self, connection: LdapConnection) -> None:
        if connection in self.connections:
            self.connections.discard(connection)
            if self._loads is not None:
                self._loads.closed(monotonic())
            self._per_client[connection.client] -= 1
            if not self._per_client[connection.client]:
                del self._per_client[connection.client]

    def disconnect_all(self, text: str) -> None:
        for connection in list(self.connections):
            connection.disconnect(ResultCode.unavailable, text)

    def _sweep(self) -> None:
        """Close the silent: Thunderbird leaves a connection open after each search that it abandoned."""
        oldest = monotonic() - self._idle_seconds
        for connection in [one for one in self.connections if one.active_at < oldest]:
            connection.abort()


class FairPort(tcp.Port):
    """Accepts one connection a turn, and only when no other worker should have it (see `loads`)."""

    loads: Loads | None = None
    _waited = 0

    def doRead(self) -> None:
        if self.loads is not None and self._waited < WAITS_MAX and self.loads.ahead(monotonic()):
            self._waited += 1
            self.stopReading()  # type: ignore[no-untyped-call]
            self.reactor.callLater(WAIT_SECONDS, self._again)
            return
        self._waited = 0
        self.numberAccepts = 1
        super().doRead()  # type: ignore[no-untyped-call]

    def _again(self) -> None:
        if self.connected:
            self.startReading()  # type: ignore[no-untyped-call]


def adopt(
    reactor: Any, descriptor: int, family: int, factory: protocol.Factory, loads: Loads | None = None
) -> tcp.Port:
    """Accept on a listening socket that was inherited."""
    port: FairPort = FairPort._fromListeningDescriptor(  # type: ignore[no-untyped-call]
        reactor, descriptor, family, factory
    )
    port.loads = loads
    port.startListening()
    return port
