"""The `annuaire` command. Each sub-command is imported when it is asked for, so that all of them start at once.

Exit status: 0 done, 1 refused or not found, 2 bad input, 70 our own fault, 75 temporary, 78 configuration.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

import annuaire
from annuaire.cli import french
from annuaire.errors import AnnuaireError

french.speak()

# Name of the command -> its module here, whose attribute <name>_command it is.
COMMANDS = {
    "serve": "serve",
    "import": "imports",
    "export": "export",
    "find": "find",
    "journal": "journal",
    "check": "check",
    "migrate": "migrate",
    "rebuild": "rebuild",
    "stats": "stats",
    "interop": "choices",
    "liste-rouge": "choices",
    "account": "accounts",
    "liste-blanche": "liste_blanche",
    "report": "reports",
    "route": "routing",
    "diffusion": "routing",
}

INTERRUPTED = 130
OUR_FAULT = 70


class Commands(click.Group):
    """The group: lists without importing, and turns every trouble into a sentence and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        module = COMMANDS.get(name)
        if module is None:
            return None
        try:
            found = getattr(
                importlib.import_module(f"annuaire.cli.{module}"), f"{name.replace('-', '_')}_command"
            )
        except ModuleNotFoundError as error:
            if error.name != f"annuaire.cli.{module}":
                raise
            return None
        assert isinstance(found, click.Command)
        return found

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        sys.exit(self._run(args, prog_name, complete_var, extra))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would end with 1
            return _enough()

    def _run(
        self, args: Sequence[str] | None, name: str | None, complete_var: str | None, extra: dict[str, Any]
    ) -> int:
        try:
            status = super().main(args, name or "annuaire", complete_var, False, **extra)
            sys.stdout.flush()
            return status if isinstance(status, int) else 0
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except AnnuaireError as error:
            # Whoever types commands here may know the reason too.
            said = error.public if error.reason == error.public else f"{error.public} ({error.reason})"
            for line in said.splitlines():
                _say(line)
            return error.exit_status
        except (click.Abort, KeyboardInterrupt):
            _say("interrompu")
            return INTERRUPTED
        except BrokenPipeError:
            return _enough()
        except Exception as error:
            if "--trace" in (sys.argv if args is None else args):
                raise
            _say(f"faute du programme : {type(error).__name__} : {error} [{_place(error)}]")
            _say("« annuaire --trace … » donne le détail à joindre à un signalement")
            return OUR_FAULT


def _say(text: str) -> None:
    click.echo(f"annuaire : {text}", err=True)


def _enough() -> int:
    """Whoever read us, `head` for example, has enough; the interpreter would complain at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _place(error: BaseException) -> str:
    """Where it was raised, as file:line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


@click.command(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(annuaire.__version__, message="annuaire %(version)s")
@click.option("--trace", is_flag=True, help="En cas de faute du programme, montrer où.")
def main(trace: bool) -> None:
    """Annuaire LDAP de la messagerie sécurisée de santé : APICRYPT et MSSanté réunis."""
