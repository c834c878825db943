"""The two servers under the bench: how each is filled, started, asked whether it is ready, and weighed.

slapd is OpenLDAP's with its mdb database tuned for these searches (substring indexes of three letters at
every step, equality on what is looked up); annuaire is run through its command line, as an operator would.
Memory is RssAnon: what the map of a database file holds can be given back to the system at any moment.
"""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from annuaire.ldap import ber

from . import shapes

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
STARTUP_MAX = 600.0  # seconds: an index of an older form is built anew first
STOP_MAX = 15.0
SAMPLE_EVERY = 0.05  # seconds between two looks at a process tree's memory
MIB = 1024  # /proc counts in KiB
RECENT_KEPT = 1_000  # entries written since the base, with which a measure may begin
WHOLE = "filled"  # a file that says that slapadd came to its end
TABLE_WIDTH = 120  # of what is printed, where nothing says how wide the paper is
# Debian puts slapd and slapadd where users do not look.
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/usr/lib/openldap"))

SLAPD_CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include {root}/schema/mail.schema
include {root}/schema/annuaire.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload sssvlv
pidfile {folder}/slapd.pid
# As annuaire: 500 entries when the client names no limit of its own.
sizelimit size.soft=500 size.hard=unlimited
timelimit unlimited
loglevel 0
index_substr_any_len 3
index_substr_any_step 1
database mdb
suffix "{suffix}"
rootdn "cn=admin,{suffix}"
{rootpw}
directory {folder}/db
maxsize 34359738368
index objectClass eq
index uid eq
index cn,sn,givenName,mail eq,sub
{indexes}
overlay sssvlv
sssvlv-max 64
"""

ANNUAIRE_TOML = """
state = "state"
suffix = "{suffix}"

[listen]
ldap = "tcp:{port}:interface=127.0.0.1"
ldaps = ""
policy = "{policy}"
socketmap = "{socketmap}"
web = ""
metrics = ""

[serve]
workers = {workers}

[audience]
anonymous = "apicrypt"
{further}
"""


@dataclass(frozen=True, slots=True)
class Filling:
    """What it cost to fill a server: wall and processor seconds, and the peak of anonymous memory in MiB.

    `parts` is each process's share at the moment of the peak.
    """

    seconds: float
    cpu: float
    peak: float
    parts: list[float]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def program(name: str) -> str | None:
    return shutil.which(name, path=PATH)


# Below those that the system gives to connections: such a one would be taken by the next client, before its server
# is up or while it is restarted. Another process begins elsewhere.
_FIRST, _LAST = 15_000, 32_000
_PORTS = itertools.cycle(range(_FIRST + os.getpid() * 97 % (_LAST - _FIRST), _LAST))


def free_port() -> int:
    """One that nobody uses, and never the same twice in a row."""
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a cycle does not end")


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                waiting += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def anonymous_memory(pid: int) -> int:
    """RssAnon of one process in KiB, 0 when it is gone. Pages that forked processes share count in each."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def run_measured(command: list[str], environ: dict[str, str], said_to_it: str = "") -> Filling:
    """Run to the end and weigh; what the program says goes to our standard error only when it fails."""
    before = os.times()
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdin is not None
    process.stdin.write(said_to_it.encode())
    process.stdin.close()
    parts: list[float] = []
    said: list[bytes] = []

    def listen() -> None:
        assert process.stdout is not None
        said.append(process.stdout.read())

    listener = threading.Thread(target=listen)
    listener.start()
    while process.poll() is None:
        parts = max(parts, [anonymous_memory(pid) / MIB for pid in tree(process.pid)], key=sum)
        time.sleep(SAMPLE_EVERY)
    seconds = time.monotonic() - began
    listener.join()
    after = os.times()
    if process.returncode:
        sys.stderr.write(said[0].decode(errors="replace"))
        sys.exit(f"bench: {' '.join(command)} ended with status {process.returncode}")
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return Filling(seconds, cpu, sum(parts), parts)


def ask(port: int, *messages: bytes, timeout: float = 60.0) -> tuple[int, list[bytes]]:
    """Send one request after the other on a connection of its own; of the last the result code and entries' bodies."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        for message in messages:
            connection.sendall(message)
            answer = _answer(connection)
        return answer


def _answer(connection: socket.socket) -> tuple[int, list[bytes]]:
    data, at, entries = bytearray(), 0, []
    while True:
        received = connection.recv(1 << 18)
        if not received:
            raise ConnectionError("closed before the result")
        data += received
        view = bytes(data)
        while (end := _message_end(view, at)) is not None:
            _, start, _ = ber.read(view, at, end)
            _, _, operation_at = ber.read(view, start, end)
            tag, body, body_end = ber.read(view, operation_at, end)
            if tag == 0x64:
                entries.append(view[body:body_end])
            else:
                _, code, code_end = ber.read(view, body, body_end)
                return int.from_bytes(view[code:code_end]), entries
            at = end


def _message_end(data: bytes, at: int) -> int | None:
    if len(data) - at < 6:
        return None
    size = data[at + 1]
    start = at + 2
    if size >= 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[at + 2 : start])
    return start + size if start + size <= len(data) else None


class Server(ABC):
    """One server process on a port of its own, with the files that it is filled from and into."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths = 0
        self.greeting: tuple[bytes, ...] = ()  # what a client says first on each connection: a bind
        self.peaks: dict[int, float] = {}  # MiB of each process seen, the one that was started first

    @abstractmethod
    def available(self) -> bool:
        """Whether it is installed."""

    @abstractmethod
    def filled(self) -> bool:
        """Whether an earlier run left it filled with these people."""

    @abstractmethod
    def fill(self, people: Path) -> Filling:
        """Load the people into an empty state; what that took."""

    @abstractmethod
    def command(self) -> list[str]:
        """How it is started."""

    def environ(self) -> dict[str, str]:
        """Ours without any ANNUAIRE_ variable: the configuration file says everything."""
        return {name: value for name, value in os.environ.items() if not name.startswith("ANNUAIRE_")}

    def start(self) -> None:
        self.port = free_port()
        command = self.command()
        log = open(self.folder / f"{self.name}.log", "ab")  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=self.environ(),
            start_new_session=True,
        )
        log.close()
        ready = shapes.search("(objectClass=*)", "1.1", base=shapes.SUFFIX, scope=shapes.BASE)
        deadline = time.monotonic() + STARTUP_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if ask(self.port, ready)[0] == 0:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        self.stop()
        sys.exit(f"bench: {self.name} does not answer; see {self.folder / f'{self.name}.log'}")

    def revive(self) -> str:
        """Start again after a death of its own, count it, and say how it ended; nothing when it lives."""
        if self.process is None or self.process.poll() is None:
            return ""
        status = self.process.returncode
        self.deaths += 1
        self.start()
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        return f"{self.name} ended {how}; see {self.folder / f'{self.name}.log'}"

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(
                self.process.pid, signal.SIGKILL
            )  # the session that start() made: nobody else's processes
            self.process.wait()
        self.process = None

    def weigh(self) -> None:
        """Note the anonymous memory of each process, if it is more than before."""
        assert self.process is not None
        for pid in tree(self.process.pid):
            self.peaks[pid] = max(self.peaks.get(pid, 0.0), anonymous_memory(pid) / MIB)


class Slapd(Server):
    """`indexes`: further lines of its configuration; with a password cn=admin may bind and write."""

    name = "slapd"

    def __init__(self, folder: Path, indexes: str = "", password: str = "") -> None:
        super().__init__(folder)
        self.indexes = indexes
        self.password = password

    def available(self) -> bool:
        return program("slapd") is not None and program("slapadd") is not None

    def version(self) -> str:
        said = subprocess.run([program("slapd") or "slapd", "-VV"], capture_output=True, text=True).stderr
        return said.split("slapd", 1)[-1].split("(")[0].strip()

    def configuration(self) -> str:
        path = self.folder / "slapd.conf"
        rootpw = f"rootpw {self.password}" if self.password else ""
        text = SLAPD_CONF.format(
            root=ROOT, folder=self.folder, suffix=shapes.SUFFIX, indexes=self.indexes, rootpw=rootpw
        )
        path.write_text(text)
        return str(path)

    def filled(self) -> bool:
        return (self.folder / "db" / WHOLE).exists()

    def fill(self, people: Path) -> Filling:
        shutil.rmtree(self.folder / "db", ignore_errors=True)
        (self.folder / "db").mkdir(parents=True)
        slapadd = program("slapadd") or "slapadd"
        command = [slapadd, "-q", "-f", self.configuration(), "-l", str(people)]
        filling = run_measured(command, self.environ())
        (self.folder / "db" / WHOLE).touch()
        return filling

    def command(self) -> list[str]:
        address = f"ldap://127.0.0.1:{self.port}"
        return [program("slapd") or "slapd", "-f", self.configuration(), "-h", address, "-d", "0"]


class Annuaire(Server):
    """`further`: more of its configuration. With a password cn=admin may bind and write."""

    name = "annuaire"

    def __init__(
        self, folder: Path, workers: int = WORKERS, further: str = "", password: str = "", mail: bool = False
    ) -> None:
        super().__init__(folder)
        self.workers = workers
        self.further = further
        self.password = password
        self.mail = mail  # whether mail servers may ask as well
        self.policy_port = self.socketmap_port = 0

    def environ(self) -> dict[str, str]:
        return super().environ() | ({"ANNUAIRE_ADMIN_PASSWORD": self.password} if self.password else {})

    def available(self) -> bool:
        return True

    def program(self) -> str:
        """The command of this checkout's environment, else the one on the path."""
        beside = Path(sys.executable).with_name("annuaire")
        found = str(beside) if beside.exists() else program("annuaire")
        if not found:
            sys.exit("bench: no `annuaire` command: run scripts/test once, or pip install -e .")
        return found

    def configuration(self) -> str:
        path = self.folder / "annuaire.toml"
        if self.mail:
            self.policy_port, self.socketmap_port = free_port(), free_port()
        text = ANNUAIRE_TOML.format(
            suffix=shapes.SUFFIX,
            port=self.port or free_port(),
            policy=f"tcp:{self.policy_port}:interface=127.0.0.1" if self.mail else "",
            socketmap=f"tcp:{self.socketmap_port}:interface=127.0.0.1" if self.mail else "",
            workers=self.workers,
            further=self.further,
        )
        path.write_text(text)
        return str(path)

    def filled(self) -> bool:
        return (self.folder / "state").exists()

    def fill(self, people: Path) -> Filling:
        shutil.rmtree(self.folder / "state", ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.measured("import", str(people))

    def measured(self, *words: str, said: str = "") -> Filling:
        """A command of its own configuration, run to its end and weighed; `said` on its standard input."""
        return run_measured([self.program(), *words, "--config", self.configuration()], self.environ(), said)

    def export(self, audience: str, path: Path) -> Filling:
        """Write what an audience is shown, for another server to be filled with."""
        unfinished = path.with_suffix(".part")
        filling = self.measured("export", "--as", audience, "--output", str(unfinished))
        unfinished.rename(path)
        return filling

    def make_ready(self, recent: int = RECENT_KEPT) -> None:
        """What was kept may have an index of an older form, or much that was written since its base."""
        index = self.counted()["index"]
        if index is None or index["recent"] > recent:
            self.measured("rebuild")

    def counted(self) -> dict[str, Any]:
        """What `annuaire stats` says."""
        command = [self.program(), "stats", "--config", self.configuration(), "--json"]
        done = subprocess.run(command, env=self.environ(), capture_output=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def command(self) -> list[str]:
        return [self.program(), "serve", "--config", self.configuration()]
