"""What holds for every command: help with examples, quick starts, exit statuses of real processes."""

import importlib
import subprocess
import sys

import pytest
import states

from annuaire import cli
from annuaire.cli import local
from annuaire.errors import Unavailable

HEAVY = "{'twisted', 'numpy', 'sqlalchemy', 'lmdb', 'ldaptor', 'rich', 'alembic', 'cryptography'}"
CONFIGURED = ["serve", "import", "export", "find", "rebuild", "stats", "route", "diffusion"]


def arguments(command: str) -> list[str]:
    """The least that a command wants to be told."""
    said = {
        "import": ["import", "-"],
        "find": ["find", "dupont"],
        "route": ["route", "--from", "", "--to", ""],
        "diffusion": ["diffusion", "dgs"],
    }
    return said.get(command, [command])


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_the_help_of_every_command_ends_with_examples_that_begin_as_it_does(command):
    module = importlib.import_module(f"annuaire.cli.{cli.COMMANDS[command]}")
    found = getattr(module, f"{command.replace('-', '_')}_command")
    examples = found.help.partition("Exemple")[2].partition(" :")[2].strip().splitlines()
    assert examples
    assert all(f"annuaire {command}" in line for line in examples)
    done = states.run("unused", command, "--help")
    assert done.exit_code == 0
    assert "Exemple" in done.stdout
    assert examples[0].strip() in done.stdout


def test_listing_and_helping_import_nothing_heavy():
    asked = [["--help"], ["--version"], *([command, "--help"] for command in cli.COMMANDS)]
    code = (
        "import sys\nfrom annuaire import cli\n"
        f"for arguments in {asked!r}:\n    cli.main.main(arguments, standalone_mode=False)\n"
        f"print('HEAVY', sorted({HEAVY} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("HEAVY []\n"), done.stdout[-300:] + done.stderr


def test_finding_needs_neither_the_base_nor_the_server():
    code = (
        "import sys\nfrom annuaire import cli\n"
        "try:\n    cli.main.main(['find', '--json', 'dupont'], standalone_mode=False)\n"
        "except Exception as error:\n    print(error)\n"
        "print('HEAVY', sorted({'twisted', 'sqlalchemy', 'ldaptor', 'rich', 'alembic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/")
    assert done.stdout.endswith("HEAVY []\n"), done.stdout + done.stderr


@pytest.mark.parametrize("command", CONFIGURED)
def test_every_problem_of_a_configuration_is_told_at_once(tmp_path, command):
    path = tmp_path / "annuaire.toml"
    path.write_text("colour = 1\n[serve]\nworkers = -1\nspeed = 2\n")
    done = states.run(
        tmp_path / "var", *arguments(command), "--config", path, ANNUAIRE_LISTEN_NOWHERE="tcp:1"
    )
    assert done.exit_code == 78
    assert done.stdout == ""
    for said in ("colour", "[serve] workers", "[serve] speed", "ANNUAIRE_LISTEN_NOWHERE"):
        assert said in done.stderr
    assert not (tmp_path / "var").exists()


def test_a_configuration_that_was_named_must_be_there(tmp_path):
    done = states.run(tmp_path / "var", "stats", "--config", tmp_path / "absent.toml")
    assert done.exit_code == 78
    assert "absent.toml" in done.stderr


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (["--version"], 0),
        (["find", "--json", "dupont"], 75),
        (["stats"], 1),
        (["export", "--as", "everybody"], 2),
        (["find"], 2),
        (["find", "x", "--limit", "0"], 2),
        (["nope"], 2),
        (["stats", "--config", "/nonexistent"], 78),
    ],
)
def test_a_process_ends_with_the_status_that_its_trouble_has(tmp_path, given, status):
    process = states.start(tmp_path / "var", *given)
    out, said = process.communicate(timeout=120)
    assert process.returncode == status, said
    assert (out == b"") == (status != 0)
    assert (said == b"") == (status == 0)
    assert b"Traceback" not in said
    assert b"Error" not in said


def test_a_fault_of_ours_is_70_without_a_traceback(tmp_path, monkeypatch):
    def fail(config):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(local, "store", fail)
    done = states.run(tmp_path / "var", "stats", "--json")
    assert (done.exit_code, done.stdout) == (70, "")
    assert "Traceback" not in done.stderr


def test_why_the_base_is_away_is_told_to_the_operator(tmp_path, monkeypatch):
    from annuaire.store import engine

    def away(url, state):
        raise Unavailable("the store is not available", "connection refused")

    monkeypatch.setattr(engine, "exists", lambda url, state: True)
    monkeypatch.setattr(engine, "open", away)
    done = states.run(tmp_path / "var", "export")
    assert done.exit_code == 75
    assert "la base n'est pas disponible (connection refused)" in done.stderr
