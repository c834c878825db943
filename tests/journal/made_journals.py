"""Journals made for a test, by this process or by others."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from annuaire import journal
from annuaire.domain.routing import Envelope
from annuaire.journal import keys, layout, records, recovering, verify

CLEAR = ("medical*.apicrypt.org", "mssante.apicrypt.org", "*.mssante.fr")

# What a process of its own does: records as it is told on its standard input, and says when the system has it.
PROCESS = """
import signal, sys
from pathlib import Path
from annuaire import journal
state = Path(sys.argv[1])
told = journal.Settings(state / "journal", state, file_size=int(sys.argv[2]))
kept = journal.open(told, lambda text: print("report", text, flush=True))
number = 0
for line in sys.stdin:
    word, _, count = line.strip().partition(" ")
    if word == "record":
        for number in range(number, number + int(count)):
            kept.record("choice", choice="interop", number=number)
        print("recorded", flush=True)
    elif word == "flush":
        print("flushed", kept.flush(), flush=True)
    elif word == "kill":
        import os
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "close":
        kept.close()
        print("closed", flush=True)
        break
"""


def settings(state: Path, **changes: object) -> journal.Settings:
    return replace(journal.Settings(state / "journal", state, clear_domains=CLEAR), **changes)


class Told(list):
    """Collects what a journal reports."""

    def __call__(self, text: str) -> None:
        self.append((threading.current_thread().name, text))

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self]


def opened(state: Path, **changes: object) -> tuple[journal.Journal, Told]:
    told = Told()
    return journal.open(settings(state, **changes), told), told


def process(state: Path, file_size: int = 1 << 20) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANNUAIRE_")}
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(state), str(file_size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def say(running: subprocess.Popen[str], line: str, answer: str) -> None:
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write(line + "\n")
    running.stdin.flush()
    got = running.stdout.readline().strip()
    assert got == answer, got


def killed(running: subprocess.Popen[str]) -> None:
    running.kill()
    running.communicate()


def verified(state: Path, anchor: tuple[int, str] | None = None) -> verify.Verified:
    kept = keys.existing(state)
    return verify.verify(state / "journal", kept.public if kept else None, anchor)


def all_records(state: Path) -> list[dict]:
    """Every record, chain by chain."""
    folder = state / "journal"
    found = []
    for chain, numbers in layout.chains(folder).items():
        for number in numbers:
            for line in recovering.lines(layout.chain_file(folder, chain, number)):
                found.append(records.parse(line))
    return found


def of_kind(state: Path, *kinds: str) -> list[dict]:
    return [record for record in all_records(state) if record and record["kind"] in kinds]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != layout.LOCK}


def envelope(**changes: str) -> Envelope:
    """What a mail server asks about."""
    asked = Envelope(
        "jean.dupont@medical59.apicrypt.org",
        "marie.martin@chu.mssante.fr",
        "jean.dupont@medical59.apicrypt.org",
        "192.0.2.1",
    )
    return asked._replace(**changes)
