"""A real OpenLDAP slapd beside the server under test: the same schema, the same requests, to compare the answers."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.servers import free_port

# Debian puts slapd where users do not look.
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/usr/local/libexec"))
SLAPD = shutil.which("slapd", path=_PATH)
MODULES = Path("/usr/lib/ldap")
START_SECONDS = 120.0
PASSWORD = "un-secret-de-test"


class Slapd:
    """One database for each suffix, whose administrator is cn=admin below it."""

    def __init__(
        self, folder: Path, schema: Sequence[Path], suffixes: Sequence[str], further: str = ""
    ) -> None:
        self.port = free_port()
        self.uri = f"ldap://127.0.0.1:{self.port}"
        lines = [f"include {path}" for path in schema]
        if (MODULES / "back_mdb.so").exists():
            lines += [f"modulepath {MODULES}", "moduleload back_mdb"]
        lines += [f"pidfile {folder}/slapd.pid", "sizelimit unlimited"]
        for number, suffix in enumerate(suffixes):
            database = folder / f"db{number}"
            database.mkdir(parents=True)
            lines += [
                "database mdb",
                f'suffix "{suffix}"',
                f'rootdn "cn=admin,{suffix}"',
                f"rootpw {PASSWORD}",
                f"directory {database}",
                "maxsize 104857600",
                "dbnosync",
                further,
            ]
        self._configuration = folder / "slapd.conf"
        self._configuration.write_text("\n".join(lines) + "\n")
        self._log = folder / "slapd.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Slapd:
        assert SLAPD is not None
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [SLAPD, "-h", self.uri, "-f", str(self._configuration), "-d", "0"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), self.connect():
                return self
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.02)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)


@contextlib.contextmanager
def slapd(
    folder: Path, schema: Sequence[Path], suffixes: Sequence[str], further: str = ""
) -> Iterator[Slapd]:
    server = Slapd(folder, schema, suffixes, further)
    try:
        yield server.start()
    finally:
        server.stop()
