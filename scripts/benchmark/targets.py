"""What the directory has promised, beside the tuned slapd of the same run with 500,000 people."""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Verdict:
    what: str
    value: float
    target: float
    met: bool

    def __str__(self) -> str:
        sign = "met" if self.met else "MISSED"
        return f"{self.what}: {self.value:.2f}, target {self.target:g}: {sign}"


def at_least(what: str, value: float, target: float) -> Verdict:
    return Verdict(what, value, target, value >= target)


def at_most(what: str, value: float, target: float) -> Verdict:
    return Verdict(what, value, target, value <= target)
