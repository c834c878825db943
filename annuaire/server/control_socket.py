"""A worker's line to its supervisor: it says once that it is ready, reloads when told, leaves at its end."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import abstract

RELOAD = b"reload\n"


class ControlSocket(abstract.FileDescriptor):
    """Watched by the reactor; the supervisor's only word is to reload, its end is the other message."""

    def __init__(
        self, reactor: Any, descriptor: int, reload: Callable[[], None], leave: Callable[[], None]
    ) -> None:
        super().__init__(reactor)
        self._reload = reload
        self._leave = leave
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        self.connected = 1
        self.startReading()  # type: ignore[no-untyped-call]

    def fileno(self) -> int:
        return self._socket.fileno()

    def say_ready(self) -> None:
        with contextlib.suppress(OSError):  # the supervisor is dead, which is heard next
            self._socket.send(b"ready\n")

    def doRead(self) -> None:
        try:
            said = self._socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if RELOAD in said:
            self._reload()
        if not said:
            # The supervisor is dead: a new one must find the ports free.
            self.stopReading()  # type: ignore[no-untyped-call]
            self._leave()

    def connectionLost(self, reason: Any) -> None:
        """The reactor is shutting down."""
