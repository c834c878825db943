"""The connections of one listener: how they are accepted, how many there may be, when a silent one is closed, and
how an answer reaches the client soonest. What is spoken on them is each protocol's own matter.
"""

from __future__ import annotations

import resource
import socket
import struct
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple, Protocol

from twisted.internet import address, protocol, tcp, unix
from twisted.internet.task import LoopingCall

from annuaire.server import figures
from annuaire.server.loads import Loads

# How often, and for how long, a worker that holds more connections than another leaves it the next one.
WAITS_MAX = 3
WAIT_SECONDS = 0.001
# How often connections are looked at for silence; the limit itself is in minutes.
SWEEP_SECONDS = 5.0
# Open files that are no connections: the index old and new, the store, threads, pipes, what is refused right now.
OWN_FILES = 200


class Connection(Protocol):
    """What a factory asks of each protocol of its own."""

    client: str
    active_at: float

    def abort(self) -> None:
        """Close without waiting for a client that does not read."""


class Bounds(NamedTuple):
    """How many connections, how many of them from one client, and for how long one may say nothing."""

    connections: int = 10_000
    per_client: int = 1_000
    idle: float = 900.0


class Crowd:
    """How many connections a worker has, over all that it listens at: each is an open file, and those have an end."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0

    def enter(self) -> bool:
        """Whether there is room for one more; it is then counted until it leaves."""
        if self._count >= self._most:
            return False
        self._count += 1
        return True

    def leave(self) -> None:
        self._count -= 1


def room(connections: int) -> int:
    """How many connections this process may have of those asked for: it takes as many open files as it is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OWN_FILES
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(connections, soft - OWN_FILES))


class BoundedFactory(protocol.Factory):
    """Admits connections within bounds, and closes those that say nothing."""

    noisy = False

    def __init__(self, reactor: Any, bounds: Bounds, loads: Loads | None = None) -> None:
        self.reactor = reactor
        self.connections: set[Any] = set()
        self._per_client: Counter[str] = Counter()
        self._bounds = bounds
        self.crowd = Crowd(bounds.connections)  # shared with others, or this listener's own
        self._loads = loads
        self._sweeping = LoopingCall(self._sweep)
        self._sweeping.clock = reactor

    def doStart(self) -> None:
        super().doStart()  # type: ignore[no-untyped-call]
        if not self._sweeping.running:
            self._sweeping.start(min(SWEEP_SECONDS, max(0.1, self._bounds.idle / 4)), now=False)

    def doStop(self) -> None:
        super().doStop()  # type: ignore[no-untyped-call]
        if self._sweeping.running:
            self._sweeping.stop()

    def admit(self, connection: Connection) -> bool:
        """Whether one more may be served; it is then one of `connections` until `forget`."""
        if self._per_client[connection.client] >= self._bounds.per_client or not self.crowd.enter():
            return False
        self.connections.add(connection)
        self._per_client[connection.client] += 1
        if self._loads is not None:
            self._loads.opened()
            self._loads.own_counts[figures.CONNECTIONS] += 1
        return True

    def forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.discard(connection)
            self.crowd.leave()
            if self._loads is not None:
                self._loads.closed(monotonic())
            self._per_client[connection.client] -= 1
            if not self._per_client[connection.client]:
                del self._per_client[connection.client]

    def _sweep(self) -> None:
        """Close the silent: Thunderbird leaves a connection open after each search that it abandoned."""
        oldest = monotonic() - self._bounds.idle
        for connection in [one for one in self.connections if one.active_at < oldest]:
            connection.abort()


class Peer(NamedTuple):
    """The process at the other end of a unix socket, as it was when it connected."""

    user: int
    group: int


# struct ucred of unix(7): process, user, group. The second as a user that the kernel could not tell.
_CREDENTIALS = struct.Struct("=iII")
_NO_USER = 2**32 - 1


def peer_of(transport: Any) -> Peer | None:
    """Who uses a unix socket; nobody is told where a proxy does so for somebody else."""
    if not isinstance(transport.getPeer(), address.UNIXAddress):
        return None
    try:
        told = transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return None
    _, user, group = _CREDENTIALS.unpack(told)
    return None if user == _NO_USER else Peer(user, group)


def client_of(transport: Any) -> str:
    """Where a client is, as it is counted: its address, or whose process it is on this machine.

    One user's connections and wrong passwords there are no other user's.
    """
    known = getattr(transport.getPeer(), "host", "")
    if known:
        return str(known)
    peer = peer_of(transport)
    return "local" if peer is None else f"uid={peer.user}"


def sender(transport: Any) -> Callable[[bytes], None]:
    """How to send on this transport, in the order of the calls.

    Straight into a plain socket when nothing waits: transport.write would first have epoll say that the socket can
    be written, two system calls and a turn of the reactor later.
    """
    if not isinstance(transport, tcp.Connection):
        return transport.write  # type: ignore[no-any-return]
    send_now = transport.socket.send
    write = transport.write

    def send(data: bytes) -> None:
        if not (transport.dataBuffer or transport._tempDataBuffer):
            try:
                sent = send_now(data)
            except OSError:  # full, or broken: the transport finds out and says so in its own way
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        write(data)  # type: ignore[no-untyped-call]

    return send


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


class FairUnixPort(FairPort):
    """The same on a unix socket. Twisted's own would set the mode of the path anew and remove it at the end, in
    each worker; both are the supervisor's business.
    """

    transport = unix.Server

    def _buildAddr(self, name: str | bytes) -> address.UNIXAddress:
        return address.UNIXAddress(name or None)


def adopt(
    reactor: Any, descriptor: int, family: int, factory: protocol.Factory, loads: Loads | None = None
) -> tcp.Port:
    """Accept on a listening socket that was inherited."""
    kind = FairUnixPort if family == socket.AF_UNIX else FairPort
    port: FairPort = kind._fromListeningDescriptor(  # type: ignore[no-untyped-call]
        reactor, descriptor, family, factory
    )
    port.loads = loads
    port.startListening()
    return port
