"""Opens the listening sockets of the configuration, once, for all the workers to accept on.

An endpoint is a Twisted endpoint string; only the kinds that several processes can share are understood:
`tcp:PORT[:interface=ADDRESS][:backlog=N]`, `tcp6:…`, `unix:PATH[:mode=660]`. TLS is ours, from `[tls]`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from annuaire.errors import Misconfigured

# The queue of connections not yet accepted; Linux cuts it to net.core.somaxconn (4096).
BACKLOG = 1024
# After a supervisor was killed, its workers still hold its ports while they notice and leave.
PATIENCE = 2.0

_ESCAPED = re.compile(r"\\(.)")
_NUMBER = re.compile(r"[0-9]{1,9}")
_OF_TCP = {"interface": re.compile(r".+"), "backlog": _NUMBER}
# By kind, its options and their form; a mode is read in octal.
_OPTIONS = {
    "tcp": _OF_TCP,
    "tcp6": _OF_TCP,
    "unix": {"mode": re.compile(r"0?[0-7]{3}"), "backlog": _NUMBER},
}


@dataclass(frozen=True, slots=True)
class Place:
    """One place to listen at: what is spoken there, and who a stranger is to it."""

    name: str
    protocol: str
    endpoint: str
    anonymous: str
    by_network: bool = True  # whether `[audience] networks` may say otherwise


@dataclass(slots=True)
class Opened:
    place: Place
    socket: socket.socket

    @property
    def address(self) -> str:
        """As a person writes it: `127.0.0.1:3890`, `[::1]:3890` or a path."""
        name = self.socket.getsockname()
        if isinstance(name, tuple):
            host, port = name[:2]
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return name if isinstance(name, str) else os.fsdecode(name)


def parse(endpoint: str) -> tuple[str, list[str], dict[str, str]]:
    """Kind, arguments and options of an endpoint string; a backslash keeps a colon or an equals sign."""
    words = [_ESCAPED.sub(r"\1", word) for word in re.findall(r"(?:\\.|[^:\\])+", endpoint)]
    plain = [word for word in words if "=" not in word]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    if len(plain) < 1:
        raise Misconfigured(f"{endpoint}: not an endpoint")
    return plain[0], plain[1:], options


def read(endpoint: str) -> tuple[str, str, dict[str, str]]:
    """Kind, port or path, and options, of an endpoint that can be listened at; Misconfigured says why it is none."""
    kind, arguments, options = parse(endpoint)
    if kind not in _OPTIONS or len(arguments) != 1:
        raise Misconfigured(f"{endpoint}: tcp:PORT, tcp6:PORT or unix:PATH expected")
    if kind != "unix" and not (_NUMBER.fullmatch(arguments[0]) and int(arguments[0]) < 65536):
        raise Misconfigured(f"{endpoint}: a port from 0 to 65535 expected")
    for name, value in options.items():
        form = _OPTIONS[kind].get(name)
        if form is None or not form.fullmatch(value):
            raise Misconfigured(f"{endpoint}: {name}: unknown, or a value that it cannot have")
    return kind, arguments[0], options


def open_place(place: Place) -> Opened:
    try:
        kind, where, options = read(place.endpoint)
    except Misconfigured as error:
        raise Misconfigured(f"[listen] {place.name}: {error.public}") from None
    opened = _unix(place, Path(where), options) if kind == "unix" else _tcp(place, kind, int(where), options)
    opened.setblocking(False)
    return Opened(place, opened)


def _tcp(place: Place, kind: str, port: int, options: dict[str, str]) -> socket.socket:
    family = socket.AF_INET6 if kind == "tcp6" else socket.AF_INET
    address = options.get("interface", "::" if kind == "tcp6" else "0.0.0.0")  # noqa: S104 Twisted's default
    if kind == "tcp" and ":" in address:
        family = socket.AF_INET6
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit these on Linux: no setsockopt for each of them.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    _bind(place, listening, (address, port))
    listening.listen(int(options.get("backlog", BACKLOG)))
    return listening


def _unix(place: Place, path: Path, options: dict[str, str]) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The state's lock says that no annuaire serves here: what is found is a dead server's, unless it is another one.
    until = time.monotonic() + PATIENCE
    while _answers(path):
        if time.monotonic() > until:
            listening.close()
            raise Misconfigured(f"[listen] {place.name}: {place.endpoint}: somebody else listens there")
        time.sleep(0.1)
    with contextlib.suppress(OSError):
        if path.is_socket():
            path.unlink()
    # Nobody connects between its making and its mode.
    mask = os.umask(0o777)
    try:
        _bind(place, listening, str(path))
    finally:
        os.umask(mask)
    path.chmod(int(options.get("mode", "660"), 8))
    listening.listen(int(options.get("backlog", BACKLOG)))
    return listening


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            client.connect(str(path))
        except BlockingIOError:  # its queue is full
            return True
        except OSError:
            return False
    return True


def _bind(place: Place, listening: socket.socket, address: tuple[str, int] | str) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            listening.bind(address)
            return
        except (OSError, OverflowError) as error:
            code = getattr(error, "errno", None)
            if code == errno.EADDRINUSE and time.monotonic() < until:
                time.sleep(0.1)
                continue
            listening.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise Misconfigured(f"[listen] {place.name}: {place.endpoint}: {reason}") from error
