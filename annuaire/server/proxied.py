"""Connections that come through a proxy: the PROXY header is taken off before anything else is spoken.

Works for every listener alike, below TLS. Whoever comes from `[listen] proxies` must send a header, at once; from
anybody else the same bytes are data, which no protocol of ours understands.
"""

from __future__ import annotations

import logging
from typing import Any

from twisted.internet import protocol
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IAddress
from twisted.python import failure
from zope.interface import implementer

from annuaire.domain.networks import Networks
from annuaire.errors import Malformed
from annuaire.server import connections
from annuaire.server.connections import Crowd
from annuaire.server.proxy_header import Client, Header

log = logging.getLogger("annuaire.server")

# The header is the first thing that a proxy sends; §2 lets it arrive in pieces, for three seconds at least.
HEADER_SECONDS = 5.0


@implementer(IAddress)
class _Unknown:
    """Of somebody behind a proxy's unix socket: neither the proxy's process nor, for sure, one of this machine."""


class Introduction(protocol.Protocol):
    """A connection from a proxy until its header is there; then the transport is handed to who was meant."""

    transport: Any

    def __init__(self, introducing: Introducing) -> None:
        self._introducing = introducing
        self._header = Header()
        self._late: DelayedCall | None = None

    def connectionMade(self) -> None:
        self._late = self._introducing.reactor.callLater(
            HEADER_SECONDS, self._leave, "no PROXY header in time"
        )

    def dataReceived(self, data: bytes) -> None:
        if self._late is None:
            return
        try:
            client = self._header.feed(data)
        except Malformed as error:
            self._leave(error.reason)
            return
        if client is not None:
            self._end()
            self._hand_over(client)

    def connectionLost(self, reason: failure.Failure | None = None) -> None:
        self._end()

    def _end(self) -> None:
        if self._late is not None:
            self._introducing.crowd.leave()
            if self._late.active():
                self._late.cancel()
            self._late = None

    def _leave(self, why: str) -> None:
        log.warning("proxy client=%s: %s", connections.client_of(self.transport), why)
        self._end()
        self.transport.abortConnection()

    def _hand_over(self, client: Client) -> None:
        transport = self.transport
        address: object = _Unknown()
        if client.address:
            kind = IPv6Address if ":" in client.address else IPv4Address
            address = kind("TCP", client.address, client.port)
        if client.address or isinstance(transport.getPeer(), UNIXAddress):
            # All that counts, logs, admits or trusts clients asks the transport.
            transport.getPeer = lambda: address
        meant = self._introducing.factory.buildProtocol(transport.getPeer())
        if meant is None:
            transport.loseConnection()
            return
        transport.protocol = meant
        meant.makeConnection(transport)
        if self._header.rest:
            # Not `meant`: TLS may stand before it by now.
            transport.protocol.dataReceived(self._header.rest)


class Introducing:
    """The factory of a listener that proxies may connect to, in front of the listener's own."""

    def __init__(self, factory: Any, proxies: Networks[bool], reactor: Any, crowd: Crowd) -> None:
        self.factory = factory
        self.reactor = reactor
        self.crowd = crowd
        self._proxies = proxies

    def doStart(self) -> None:
        self.factory.doStart()

    def doStop(self) -> None:
        self.factory.doStop()

    def buildProtocol(self, address: Any) -> Any:
        if not self._proxies.find(getattr(address, "host", "") or ""):
            return self.factory.buildProtocol(address)
        return Introduction(self) if self.crowd.enter() else None
