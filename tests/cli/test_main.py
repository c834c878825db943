import importlib
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from annuaire import cli
from annuaire.cli import french
from annuaire.errors import Malformed, Misconfigured, NotFound, Refused, Unavailable


def run(*arguments: str):
    return CliRunner().invoke(cli.main, list(arguments))


@pytest.fixture
def failing(monkeypatch):
    """A command `fail` that raises what it is told to."""

    def install(error: BaseException) -> None:
        @click.command("fail")
        def fail() -> None:
            raise error

        monkeypatch.setattr(cli.Commands, "get_command", lambda self, context, name: fail)

    return install


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Malformed("une ligne illisible"), 2),
        (NotFound("personne"), 1),
        (Refused("pas permis"), 1),
        (Unavailable("plus tard"), 75),
        (Misconfigured("un\ndeux"), 78),
    ],
)
def test_each_kind_of_trouble_is_a_sentence_and_an_exit_status(failing, error, status):
    failing(error)
    result = run("fail")
    assert result.exit_code == status
    for line in error.public.splitlines():
        assert f"annuaire : {line}\n" in result.stderr
    assert "Traceback" not in result.output


def test_whoever_types_commands_is_told_the_reason_too(failing):
    failing(Refused("pas permis", "la raison"))
    assert "annuaire : pas permis (la raison)\n" in run("fail").stderr


def test_a_fault_of_ours_says_where_and_shows_no_traceback(failing):
    failing(ZeroDivisionError("division"))
    result = run("fail")
    assert result.exit_code == 70
    assert "ZeroDivisionError" in result.stderr
    assert "test_main.py:" in result.stderr
    assert "Traceback" not in result.stderr


def test_trace_shows_a_fault_of_ours(failing):
    failing(ZeroDivisionError("division"))
    assert isinstance(run("--trace", "fail").exception, ZeroDivisionError)


def test_interrupting_is_said_and_has_its_status(failing):
    failing(KeyboardInterrupt())
    assert run("fail").exit_code == 130


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "Commande inconnue"),
        (["--nope"], "Option inconnue"),
        (["serve", "--workers", "many"], "Valeur incorrecte"),
        (["serve", "--workers", "0"], "n'est pas dans"),
        (["serve", "extra"], "Argument en trop"),
    ],
)
def test_bad_arguments_are_bad_input_said_in_french(arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Error" not in result.stderr


def test_the_help_is_in_french_and_lists_the_commands():
    result = run("--help")
    assert result.exit_code == 0
    for word in ("Usage :", "Commandes", "serve", "Afficher cette aide."):
        assert word in result.stdout
    assert "Show" not in result.stdout


def test_click_still_words_what_is_translated_as_it_did():
    folder = Path(click.__file__).parent
    written = "".join(path.read_text() for path in folder.glob("*.py"))
    missing = [text for text in french.TEXTS if f'"{text}"' not in written]
    assert missing == []


def test_every_command_of_the_table_that_exists_is_a_command():
    for name, module in cli.COMMANDS.items():
        if (Path(cli.__file__).parent / f"{module}.py").exists():
            imported = importlib.import_module(f"annuaire.cli.{module}")
            found = getattr(imported, f"{name.replace('-', '_')}_command")
            assert found.name == name


def test_asking_for_help_imports_nothing_heavy():
    import subprocess

    code = (
        "import sys\nfrom annuaire import cli\ncli.main.main(['serve', '--help'], standalone_mode=False)\n"
        "heavy = {'twisted', 'sqlalchemy', 'numpy', 'lmdb', 'ldaptor', 'rich', 'alembic', 'cryptography'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr
