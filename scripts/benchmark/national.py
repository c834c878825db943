"""The national list at its real size: read, consolidated, indexed; then a newer edition and the same one again.

Accounts of ours come second, so that the list is read into an empty directory, as what is promised says; then both
directories are joined, and every edition after that is an edition for both.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from . import servers, targets

ROWS, ACCOUNTS, SHARED, CHANGED = 535_000, 80_000, 0.3, 1
_POPULATION = Path(__file__).resolve().parents[1] / "make_population.py"


def files(folder: Path, rows: int, accounts: int, seed: int) -> dict[str, Path]:
    """The invented editions and accounts; made once in a folder that is kept."""
    wanted = {
        "accounts": ["--format", "ldif", "--size", str(accounts), "--shared", str(SHARED)],
        "list": ["--format", "extraction", "--size", str(rows)],
        "newer": ["--format", "extraction", "--size", str(rows), "--changed", str(CHANGED)],
    }
    made = {}
    for name, arguments in wanted.items():
        path = made[name] = folder / f"{name}-{rows}-{accounts}-{seed}"
        if not path.exists():
            command = [sys.executable, str(_POPULATION), *arguments, "--seed", str(seed)]
            unfinished = path.with_suffix(".part")
            subprocess.run([*command, "--output", str(unfinished)], check=True)
            unfinished.rename(path)
    return made


def measure(folder: Path, rows: int, accounts: int, seed: int) -> list[tuple[str, servers.Filling]]:
    """Each import by the command line, in order: what it was, and what it cost."""
    made = files(folder, rows, accounts, seed)
    state = folder / f"national-{os.getpid()}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ANNUAIRE_")}
    environ["ANNUAIRE_STATE"] = str(state)
    command = [sys.executable, "-m", "annuaire", "import"]
    steps = (
        (f"{rows:,} rows, first edition", [str(made["list"]), "--into", "mssante"]),
        (f"{accounts:,} accounts beside them", [str(made["accounts"])]),
        (f"the newer edition, {CHANGED} % differs", [str(made["newer"]), "--into", "mssante"]),
        ("the newer edition again", [str(made["newer"]), "--into", "mssante"]),
    )
    try:
        return [(about, servers.run_measured([*command, *given], environ)) for about, given in steps]
    finally:
        subprocess.run(["rm", "-rf", str(state)], check=False)


def verdicts(found: list[tuple[str, servers.Filling]]) -> list[targets.Verdict]:
    (_, first), (_, newer) = found[0], found[2]
    return [
        targets.at_most("national list, seconds", first.seconds, targets.NATIONAL_TIME),
        targets.at_most("national list, peak RssAnon MiB", first.peak, targets.NATIONAL_MEMORY),
        targets.at_most("1 % changed, seconds", newer.seconds, targets.NATIONAL_CHANGED_TIME),
    ]


def run(options: argparse.Namespace, folder: Path) -> int:
    """Print what each import cost; status 1 when a target is missed. Accounts are as many as in real life."""
    folder.mkdir(parents=True, exist_ok=True)
    found = measure(folder, options.size, accounts_of(options.size), options.seed)
    judged = verdicts(found)
    if options.json:
        print(json.dumps({about: filling.as_dict() for about, filling in found}, indent=1))
    else:
        output = Console(width=None if sys.stdout.isatty() else servers.TABLE_WIDTH)
        for about, filling in found:
            output.print(
                f"{about}: {filling.seconds:.1f} s, peak RssAnon {filling.peak:.0f} MiB", highlight=False
            )
        targets.tell(output, judged)
    return targets.status(judged, options.target_check)


def accounts_of(rows: int) -> int:
    """How many accounts go with so many rows."""
    return max(1, round(rows * ACCOUNTS / ROWS))
