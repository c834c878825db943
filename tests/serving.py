"""A real server for tests: `annuaire serve` in processes of its own, on ports that the system chose."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from annuaire.ldap import responses
from annuaire.ldap.framing import Framer
from annuaire.server import state as states

SUFFIX = "o=apicrypt,c=FR"
ADMIN = f"cn=admin,{SUFFIX}"
PASSWORD = "un-secret-de-test"
# Alone it takes a second; beside other work on two cores half a minute has been too short.
START_SECONDS = 120.0
# A server is given some seconds to end, and then killed by its supervisor; a client waits for an answer.
PATIENCE_SECONDS = 60.0


# Of every server of this run, where it logs.
LOGS: set[Path] = set()
TAIL_LINES = 40


def said_since(moment: float) -> Iterator[tuple[Path, str]]:
    """The last lines of those that logged anything since then (seconds since 1970)."""
    for log in sorted(LOGS):
        with contextlib.suppress(OSError):
            if log.stat().st_mtime >= moment:
                yield log, "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])


class Server:
    def __init__(self, state: Path, workers: int = 1, **variables: str) -> None:
        self.state = state
        self.workers = workers
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANNUAIRE_")},
            "ANNUAIRE_STATE": str(state),
            "ANNUAIRE_ADMIN_PASSWORD": PASSWORD,
            "ANNUAIRE_LISTEN_LDAP": "tcp:0:interface=127.0.0.1",
            "ANNUAIRE_LISTEN_LDAPS": "tcp:0:interface=127.0.0.1",
            "ANNUAIRE_LISTEN_POLICY": "tcp:0:interface=127.0.0.1",
            "ANNUAIRE_LISTEN_SOCKETMAP": "tcp:0:interface=127.0.0.1",
            **variables,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.log = state.parent / "server.log"
        LOGS.add(self.log)

    def annuaire(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a command of the same configuration."""
        return subprocess.run(
            [sys.executable, "-m", "annuaire", *arguments],
            env=self.environment,
            cwd=self.state.parent,
            capture_output=True,
            text=True,
            timeout=300,
            **options,
        )

    def launch(self) -> "Server":
        """Begin to start."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "annuaire", "serve", "--workers", str(self.workers)],
                env=self.environment,
                cwd=self.state.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def start(self) -> "Server":
        """Start, and wait until it serves."""
        self.launch()
        assert self.process is not None
        until = time.monotonic() + START_SECONDS
        while not self.described().get("ready"):
            assert self.process.poll() is None, f"the server ended: {self.log.read_text()}"
            assert time.monotonic() < until, f"the server is not ready: {self.log.read_text()}"
            time.sleep(0.02)
        return self

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def described(self) -> dict:
        found = states.serving(self.state)
        return found if self.process is not None and found.get("pid") == self.process.pid else {}

    def worker_pids(self) -> list[int]:
        """The processes that answer, oldest first."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = []
        for pid in map(int, children):
            with contextlib.suppress(OSError):
                if b"annuaire.server.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return sorted(found)

    def port(self, listener: str = "ldap") -> int:
        return int(self.described()["listening"][listener].rpartition(":")[2])

    @property
    def uri(self) -> str:
        return f"ldap://127.0.0.1:{self.port()}"

    def connect(self, listener: str = "ldap") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port(listener)), timeout=PATIENCE_SECONDS)


@contextlib.contextmanager
def serving(state: Path, workers: int = 1, **variables: str) -> Iterator[Server]:
    server = Server(state, workers, **variables).start()
    try:
        yield server
    finally:
        status = server.stop()
    assert status == 0, server.log.read_text()


def receive(connection: socket.socket, count: int = 1) -> bytes:
    """Read until so many operations have ended, or the other side closes."""
    framer = Framer(1 << 30)
    frames: list[bytes] = []
    ended = 0
    while ended < count:
        piece = connection.recv(65536)
        if not piece:
            break
        new = framer.feed(piece)
        frames += new
        ended += sum(
            isinstance(responses.decode_response(frame).operation, responses.Result) for frame in new
        )
    return b"".join(frames)


def fill(state: Path, ldif: Path) -> None:
    """Make a state that holds the entries of an LDIF file, index included."""
    from annuaire.actions import import_source, initialise, refresh
    from annuaire.actions.source import StoreSource
    from annuaire.index.folder import IndexFolder
    from annuaire.ldap import schema as schemas
    from annuaire.ldap import tree
    from annuaire.store import engine

    state.mkdir(mode=0o700)
    source = StoreSource("", state, SUFFIX)
    store = engine.open("", state)
    initialise.initialise(store, tree.plant(SUFFIX, (), source.schema()), source.schema(), ADMIN)
    with ldif.open("rb") as stream:
        report = import_source.import_ldif(
            store,
            import_source.Scope(tuple(schemas.shipped()), SUFFIX),
            stream,
            name=ldif.name,
            actor=ADMIN,
            processes=0,
        )
    assert report.applied, report.refusals
    store.close()
    refresh.refresh(source, IndexFolder(state / "index"))
