"""What every command has: `--config`, `--json` where a program would read it, `--as` where answers depend on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from annuaire.domain import audience as audiences

Command = Callable[..., Any]


def with_config(command: Command) -> Command:
    """Give a command the parameter `config`: a loaded Config."""
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FICHIER",
        callback=_load,
        help="Configuration ; sinon $ANNUAIRE_CONFIG, puis ./annuaire.toml, puis les valeurs par défaut.",
    )(command)


def with_json(command: Command) -> Command:
    """Give a command the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Écrire une valeur JSON et rien d'autre.")(
        command
    )


def with_audience(command: Command) -> Command:
    """Give a command the parameter `audience`: an Audience."""
    return click.option(
        "--as",
        "audience",
        type=click.Choice(list(audiences.NAMES), case_sensitive=False),
        metavar="QUI",
        default=audiences.format(audiences.Audience.ADMIN),
        show_default=True,
        callback=lambda context, parameter, name: audiences.NAMES[name],
        help="Qui regarde, et donc ce qui existe : " + ", ".join(audiences.NAMES) + ".",
    )(command)


def _load(context: click.Context, parameter: click.Parameter, path: Path | None) -> Any:
    if context.resilient_parsing:  # completion in the shell reads no file
        return None
    from annuaire import config

    return config.load(path)
