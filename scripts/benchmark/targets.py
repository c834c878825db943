"""What the directory has promised, and whether it was reached.

Searches and the import: beside the tuned slapd of the same run, with 500,000 people. Routing: with 535,000 rows of
the national list and 80,000 accounts. Writes: beside slapd's durable ones, with 80,000 accounts.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

PEOPLE = 500_000
# Requests a second as a multiple of slapd's, at least; p99 as a multiple of slapd's, at most.
RATES = {"mail": 1.3, "miss": 1.0, "tb1": 5.0, "tb2": 5.0} | dict.fromkeys(
    ("tb3", "tb4", "tb6", "rc3", "ol4", "two"), 3.0
)
P99 = {name: 1.0 if name in ("mail", "miss") else 0.5 for name in RATES}
IMPORT_TIME = 0.6  # of slapadd -q
# The national list, 535,000 rows: seconds to a ready index, MiB, seconds for an edition in which 1 % differs.
NATIONAL_TIME, NATIONAL_MEMORY, NATIONAL_CHANGED_TIME = 90.0, 2048.0, 20.0
IMPORT_MEMORY = 1536.0  # MiB, RssAnon of all processes of the import
WORKER_MEMORY = 300.0  # MiB, RssAnon of each worker
DECISIONS, DECISIONS_JOURNALLED = 100_000.0, 25_000.0  # a second, in one process
# Answers of one worker over loopback, a second; milliseconds at half that load.
POLICY, SOCKETMAP, ROUTING_P99 = 8_000.0, 15_000.0, 5.0
WRITES, WRITING_CONNECTIONS = 1.0, 50  # of slapd's durable rate with so many connections


@dataclass(frozen=True, slots=True)
class Verdict:
    what: str
    value: float
    target: float
    met: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        sign = "met" if self.met else "MISSED"
        shown = f"{self.value:,.0f}" if self.value >= 1000 else f"{self.value:.2f}"
        return f"{self.what}: {shown}, target {self.target:,g}: {sign}"


def at_least(what: str, value: float, target: float) -> Verdict:
    return Verdict(what, value, target, value >= target)


def at_most(what: str, value: float, target: float) -> Verdict:
    return Verdict(what, value, target, value <= target)


def tell(output: Console, found: Iterable[Verdict]) -> None:
    for one in found:
        output.print(str(one), style="" if one.met else "red", highlight=False)


def status(found: Iterable[Verdict], checked: bool) -> int:
    """The exit status of a bench: 1 when it was asked to look and a target is missed."""
    return 1 if checked and not all(one.met for one in found) else 0
