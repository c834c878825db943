"""LDAP over Twisted: carries bytes between a socket and a session, and decides nothing about them.

-> what the client sends goes to `Session.receive`
<- what it returns is sent; a stream is asked for its next chunk only while the client reads
Security: per connection at most one answer is under way and 64 KiB wait to be sent; when the client does not
read, nothing more is read from it or worked out for it.

Note [The producer is a push producer]: a pull producer left registered while a password is being verified
stalls plain connections and spins on TLS ones. This one is registered once for the connection's life: the
transport says stop and go by its buffer, and chunks are made in turns of the reactor, so neither can happen.
When TLS begins Twisted registers it anew, as one that is not paused: if it were, nobody would ever tell it to go on. So
TLS begins once the client has read what was answered before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any

from OpenSSL import SSL
from twisted.internet import interfaces, protocol
from twisted.internet.base import DelayedCall
from twisted.internet.task import cooperate
from twisted.python import failure
from zope.interface import implementer

from annuaire.domain.audience import Audience
from annuaire.errors import AnnuaireError
from annuaire.ldap import external
from annuaire.ldap.channel import Channel
from annuaire.ldap.results import ResultCode
from annuaire.ldap.service import Service
from annuaire.ldap.session import Session
from annuaire.ldap.writing import WriteJob, WriteOutcome
from annuaire.server import connections, tls
from annuaire.server.connections import BoundedFactory, Bounds
from annuaire.server.loads import Loads
from annuaire.server.passwords import Passwords
from annuaire.server.waking import Waker

log = logging.getLogger("annuaire.ldap")


@implementer(interfaces.IPushProducer, interfaces.IHandshakeListener)
class LdapConnection(protocol.Protocol):
    """One client."""

    factory: LdapFactory
    transport: Any

    def __init__(self) -> None:
        self.active_at = monotonic()
        self.client = ""
        self._session: Session = None  # type: ignore[assignment]  # made when connected
        self._send: Any = None
        self._turn: DelayedCall | None = None
        self._paused = False  # the client does not read
        self._reading = True
        self._checking = False
        self._open = False
        self._tls = False  # it has begun
        self._shown: tls.Shown | None = None

    # ------------------------------------------------------------ from the transport

    def connectionMade(self) -> None:
        self.client = connections.client_of(self.transport)
        factory, peer = self.factory, connections.peer_of(self.transport)
        # For the log: a unix socket has no port that would tell two connections apart.
        port = getattr(self.transport.getPeer(), "port", None) or getattr(self.transport, "sessionno", None)
        process = "" if peer is None else external.process_name(*peer)
        channel = Channel(factory.stranger(self.client), local=peer is not None, process=process)
        name = f"{self.client}:{port}" if port else self.client
        self._session = Session(factory.service, name, channel)
        self._open = True
        self._send = connections.sender(self.transport)
        if not factory.admit(self):
            if factory.tls_first:  # nobody would understand it in clear
                self.abort()
                return
            self._send(self._session.disconnect(ResultCode.unavailable, "too many connections"))
            self._leave()
            return
        self.transport.registerProducer(self, True)
        if factory.tls_first:
            self._start_tls()

    def handshakeCompleted(self) -> None:
        session, connection = self._session, self.transport.getHandle()
        if self.factory.certificates is not None:
            self._shown = self.factory.certificates.shown_on(connection)
        subject = tls.subject(connection)
        if self._shown is not None and not subject:
            log.info("tls client=%s: its certificate has no subject that can be read", self.client)
        session.secured(
            replace(
                session.channel,
                encrypted=True,
                certificate=subject,
                binding=tls.binding(connection),
            )
        )

    def dataReceived(self, data: bytes) -> None:
        if not self._open:
            return  # the end was said; what comes now is on the way to the client's own
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
        if reason is not None and isinstance(reason.value, SSL.Error) and not self._session.secure:
            log.info("tls client=%s: %s", self.client, tls.shown(reason.value, self.transport.getHandle()))
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

    def _follow(self) -> None:
        """See to what the session asks for, after each call that left it other than idle."""
        session = self._session
        if session.closing:
            self._leave()
            return
        if session.starting_tls and not self._paused and not self._tls:
            self._start_tls()
            return
        work = session.outside
        if work is not None and not self._checking:
            self._checking = True
            if isinstance(work, WriteJob):
                self.factory.passwords.write(work, self._checked)
            else:
                self.factory.passwords.verify(work, self._checked)
        elif session.pending and not self._paused and self._turn is None:
            self._turn = self.factory.reactor.callLater(0, self._advance)
        self._set_reading()

    def wake(self) -> None:
        """The index has moved: ask the searches that wait."""
        self._session.wake()
        if not self._session.idle:
            self._follow()

    def waits(self) -> bool:
        """Whether searches wait for changes; nobody else's silence counts as listening."""
        return self._open and self._session.sleeping > 0

    def _advance(self) -> None:
        self._turn = None
        session = self._session
        answer = session.advance(monotonic())
        if session.sleeping:
            self.factory.waker.watch(self)
        if answer:
            self._send(answer)
        if session.idle:
            self._set_reading()
        else:
            self._follow()

    def _checked(self, outcome: bool | WriteOutcome | AnnuaireError) -> None:
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

    def _start_tls(self) -> None:
        self._tls = True
        self.transport.startTLS(self.factory.certificates)
        # Straight into the socket would be in clear from now on.
        self._send = self.transport.write

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
            if not self._reading:
                # TLS ends when the client says so, too: whoever is not listened to would be there until the idle limit.
                self._reading = True
                self.transport.resumeProducing()
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def disconnect(self, code: ResultCode, text: str) -> None:
        """Tell the client why, and close."""
        if self._open:
            self._send(self._session.disconnect(code, text))
            self._leave()

    def look(self) -> None:
        """Whoever came with a certificate stays no longer than it holds."""
        certificates, shown = self.factory.certificates, self._shown
        if self._open and certificates is not None and shown is not None and not certificates.holds(shown):
            log.info("tls client=%s: its certificate does not hold any more", self.client)
            # RFC 4511 §4.4.1: what protected the association has failed.
            text = "the certificate that was shown here does not hold any more"
            self.disconnect(ResultCode.strongerAuthRequired, text)

    def abort(self) -> None:
        """Close without waiting for a client that does not read."""
        self._open = False
        self.transport.abortConnection()


class LdapFactory(BoundedFactory):
    """The connections of one listener."""

    protocol = LdapConnection  # type: ignore[assignment]
    certificates: tls.Certificates | None = None
    tls_first = False  # LDAPS

    def __init__(
        self,
        service: Service,
        passwords: Passwords,
        reactor: Any,
        bounds: Bounds,
        loads: Loads | None = None,
    ) -> None:
        super().__init__(reactor, bounds, loads)
        self.service = service
        self.passwords = passwords
        self.waker = Waker(reactor, lambda: service.directory.moved())
        self.stranger: Callable[[str], Audience] = lambda _address: service.anonymous

    def look_at_certificates(self) -> None:
        """In slices: all of them are verified anew when the CA is another."""
        cooperate(connection.look() for connection in list(self.connections))

    def disconnect_all(self, text: str) -> None:
        for connection in list(self.connections):
            connection.disconnect(ResultCode.unavailable, text)
