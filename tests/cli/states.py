"""Commands as people and programs run them, on states made for a test: in this process, or in one of their own."""

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from annuaire import cli

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
PEOPLE = FIXTURES / "apicrypt.ldif"


def environment(state: Path, **variables: str) -> dict[str, str]:
    """This process's, with no configuration but the state."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANNUAIRE_")}
    return {**kept, "ANNUAIRE_STATE": str(state), "COLUMNS": "200", **variables}


def run(state: Path, *arguments: object, input: str | None = None, **variables: str) -> Result:  # noqa: A002
    """The command in this process."""
    runner = CliRunner(env=environment(state, **variables))
    return runner.invoke(cli.main, [str(one) for one in arguments], input=input)


def start(state: Path, *arguments: object, **options: object) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "annuaire", *map(str, arguments)],
        env=environment(state),
        stderr=subprocess.PIPE,
        **{"stdout": subprocess.PIPE, **options},
    )


def imported(state: Path, ldif: Path) -> None:
    done = run(state, "import", ldif)
    assert done.exit_code == 0, done.output
