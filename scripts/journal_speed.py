#!/usr/bin/env python3
"""What the journal costs a decision: prints it, asserts nothing.

    scripts/journal_speed.py [--decisions N] [--folder PLACE]

The cost to the caller is the time inside `Journal.decision`; what the journal's own thread takes of the same
interpreter comes on top, and both together are the processor time. Addresses repeat as they do in a day's mail, or
never (`new`), when every pseudonym must be made.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from annuaire import journal
from annuaire.domain import reasons
from annuaire.domain.routing import Envelope
from annuaire.journal import verify

DECISION = reasons.VERS_L_ESPACE.to_us._replace(route=reasons.MSSANTE)
# A worker decides and does other things: the thread writes in between. This many at once, then a pause.
BURST = 250


def envelopes(count: int, people: int) -> list[Envelope]:
    return [
        Envelope(
            f"personne.inventee{number % people}@medical59.apicrypt.org",
            f"destinataire{number * 7 % people}@ch-exemple.mssante.fr",
            f"personne.inventee{number % people}@medical59.apicrypt.org",
            "192.0.2.7",
        )
        for number in range(count)
    ]


def measured(
    place: Path, name: str, asked: list[Envelope], take: Callable[[journal.Journal, Envelope], None]
) -> None:
    state = Path(tempfile.mkdtemp(dir=place, prefix="journal_speed."))
    try:
        told = journal.Settings(
            state / "journal", state, clear_domains=("medical*.apicrypt.org", "*.mssante.fr")
        )
        kept = journal.open(told, print)
        take(kept, asked[0])
        kept.flush()
        single = []
        spent, inside = time.process_time(), 0.0
        for begin in range(0, len(asked), BURST):
            for one in asked[begin : begin + BURST]:
                before = time.perf_counter()
                take(kept, one)
                single.append(time.perf_counter() - before)
            # As fast as 25,000 a second, which is the target.
            time.sleep(max(0.0, BURST / 25_000 - sum(single[-BURST:])))
        inside = sum(single)
        kept.flush(60)
        spent = time.process_time() - spent
        kept.close(60)
        single.sort()
        micro = 1e6 / len(asked)
        print(
            f"{name:28} caller {inside * micro:5.1f} µs (median {statistics.median(single) * 1e6:.1f},"
            f" p99 {single[len(single) * 99 // 100] * 1e6:.1f}), processor {spent * micro:5.1f} µs,"
            f" lost {kept.lost}, {_size(state) / len(asked):.0f} octets a record"
        )
        before = time.perf_counter()
        found = verify.verify(state / "journal", None)
        took = time.perf_counter() - before
        print(f"{'  verify':28} {found.records / took:,.0f} records/s, {len(found.problems)} problems")
    finally:
        shutil.rmtree(state)


def _size(state: Path) -> int:
    return sum(path.stat().st_size for path in (state / "journal").iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    given = parser.parse_args()
    repeated = envelopes(given.decisions, 5_000)
    fresh = envelopes(given.decisions, given.decisions)
    measured(
        given.folder, "decision, known addresses", repeated, lambda kept, one: kept.decision(one, DECISION)
    )
    measured(given.folder, "decision, new addresses", fresh, lambda kept, one: kept.decision(one, DECISION))
    measured(
        given.folder,
        "record, four fields",
        repeated,
        lambda kept, one: kept.record(
            "choice", account=one.sender, choice="interop", value=True, origin="ldap"
        ),
    )


if __name__ == "__main__":
    main()
