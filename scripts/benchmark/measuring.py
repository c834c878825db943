"""One run of the load generator, medians of several, and the check that both servers answer the same."""

import json
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from annuaire.ldap import ber

from . import shapes
from .servers import Server, ask

CONNECTIONS = 64
# Success and sizeLimitExceeded are what a typing user meets; any other code fails the run.
EXPECTED_CODES = {0, 4}
CHECKED = 60  # requests of each shape that are compared one by one
CHECKED_SORTED = 10  # slapd needs most of a second for each
DIFFERENCES_SHOWN = 5


class BrokenRunError(Exception):
    """A run that measured nothing: the text says which and why."""


@dataclass(slots=True)
class Figures:
    """What one server did with one shape: a value for each round."""

    rates: list[float] = field(default_factory=list)  # requests a second
    entries: list[float] = field(default_factory=list)  # entries a second
    per_request: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)  # milliseconds
    p95: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)  # share of a core that the generator itself took
    codes: dict[str, int] = field(default_factory=dict)

    def add(self, run: dict[str, Any]) -> None:
        self.rates.append(run["requests"] / run["seconds"])
        self.entries.append(run["entries"] / run["seconds"])
        self.per_request.append(run["entries"] / max(1, run["requests"]))
        self.p50.append(run["p50"])
        self.p95.append(run["p95"])
        self.p99.append(run["p99"])
        self.load.append(run["cpu"] / run["seconds"])
        for code, count in run["codes"].items():
            self.codes[code] = self.codes.get(code, 0) + count

    def medians(self) -> dict[str, Any]:
        names = ("rates", "entries", "per_request", "p50", "p95", "p99", "load")
        return {name: median(getattr(self, name)) for name in names} | {"codes": self.codes}


def compile_generator(compiler: str, source: Path, target: Path) -> None:
    subprocess.run([compiler, "-O2", "-o", str(target), str(source)], check=True)


def count_entries(ldif: Path) -> int:
    """How many entries a file of entries has."""
    with open(ldif, "rb") as lines:
        return sum(line.startswith(b"dn:") for line in lines)


def run_generator(
    generator: Path,
    server: Server,
    visits: Path,
    seconds: float,
    start: int = 0,
    connections: int = CONNECTIONS,
) -> dict[str, Any]:
    """One run; the server is started again if it died of it."""
    command = [str(generator), "127.0.0.1", str(server.port), str(visits), str(connections)]
    command += [str(seconds), str(start)]
    if server.greeting:
        first = visits.with_name(f"{server.name}.greeting")
        first.write_bytes(b"".join(server.greeting))
        command.append(str(first))
    done = subprocess.run(command, capture_output=True, text=True)
    died = server.revive()
    if done.returncode:
        said = died or done.stderr.strip() or f"the generator ended with status {done.returncode}"
        raise BrokenRunError(f"{server.name}, {visits.stem}: {said}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def wrong_codes(run: dict[str, Any]) -> set[int]:
    return set(map(int, run["codes"])) - EXPECTED_CODES


def read_entry(body: bytes) -> tuple[str, dict[str, list[bytes]]]:
    """A SearchResultEntry's name and attributes, both comparable: lower case, sorted."""
    _, start, end = ber.read(body, 0, len(body))
    _, first, last = ber.read(body, end, len(body))
    attributes = ber.decode_attributes(body[first:last])
    name = body[start:end].decode().lower()
    return name, {key.lower(): sorted(values) for key, values in attributes.items() if values}


def difference(request: bytes, ours: Server, other: Server) -> str | None:
    """Why two answers are not the same, or None. Cut answers may hold different entries, but as many."""
    code, entries = ask(ours.port, *ours.greeting, request)
    other_code, other_entries = ask(other.port, *other.greeting, request)
    if (code, len(entries)) != (other_code, len(other_entries)):
        return (
            f"{ours.name}: code {code}, {len(entries)} entries; "
            f"{other.name}: code {other_code}, {len(other_entries)} entries"
        )
    found, expected = dict(map(read_entry, entries)), dict(map(read_entry, other_entries))
    if code == 0 and found.keys() != expected.keys():
        return f"entries that only one has: {sorted(found.keys() ^ expected.keys())[:3]}"
    for name in found.keys() & expected.keys():
        if name and name != "cn=subschema" and found[name] != expected[name]:
            names = [
                key for key in found[name] | expected[name] if found[name].get(key) != expected[name].get(key)
            ]
            return f"{name}: {', '.join(names)} differ"
    return None


def check_answers(name: str, visits: Path, ours: Server, other: Server, seed: int) -> list[str]:
    """The first differences among a sample of a shape's requests; empty when both servers agree."""
    requests = shapes.read_visits(visits)
    count = CHECKED_SORTED if name.startswith("sort") else CHECKED
    sample = random.Random(seed).sample(requests, min(count, len(requests)))
    found = []
    for request in sample:
        reason = difference(request, ours, other)
        if reason:
            found.append(f"{name}: {reason}; request {request.hex()}")
            if len(found) == DIFFERENCES_SHOWN:
                break
    return found
