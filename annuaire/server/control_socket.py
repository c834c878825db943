"""A worker's line to its supervisor: it says once that it is ready, and leaves when the other end closes."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import abstract


class ControlSocket(abstract.FileDescriptor):
    """Watched by the reactor; what the supervisor says is read and dropped, its silence is the message."""

    def __init__(self, reactor: Any, descriptor: int) -> None:
        super().__init__(reactor)
        self._reactor = reactor
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        self.connected = 1
        self.startReading()  # type: ignore[no-untyped-call]

    def fileno(self) -> int:
        return self._socket.fileno()

    def say_ready(self) -> None:
        self._socket.send(b"ready\n")

    def doRead(self) -> None:
        try:
            said = self._socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            # The supervisor is dead: a new one must find the ports free.
            self.stopReading()  # type: ignore[no-untyped-call]
            if self._reactor.running:
                self._reactor.stop()

    def connectionLost(self, reason: Any) -> None:
        """The reactor is shutting down."""
