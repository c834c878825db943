"""`annuaire rebuild`: a new index from the store, beside the one in use, which answers until it is ready."""

from __future__ import annotations

import json
import time

import click

from annuaire.cli import figures, options
from annuaire.config import Config
from annuaire.errors import Unavailable

PHASES = {"prepare": "lecture", "build": "construction"}


@click.command("rebuild")
@options.with_json
@options.with_config
def rebuild_command(config: Config, as_json: bool) -> int:
    """Reconstruire l'index à partir de la base.

    Rarement utile : un index absent, abîmé ou d'un ancien format est reconstruit de lui-même. Un serveur
    continue de répondre, puis passe au nouvel index sans redémarrer.

    \b
    Exemples :
      annuaire rebuild
      annuaire rebuild --json
    """
    from annuaire.actions import refresh
    from annuaire.cli import local
    from annuaire.cli.progress import Display

    source, folder = local.source(config), local.folder(config)
    with local.store(config):
        pass  # told here, in the words of this command, when it is missing or away
    started = time.monotonic()
    with Display(silent=as_json) as display:

        def show(stage: str, done: int, total: int) -> None:
            display.show(PHASES.get(stage, stage), done, total, done)

        try:
            change = refresh.rebuild(source, folder, show)
        except Unavailable as error:
            raise Unavailable("l'index n'a pas pu être reconstruit", error.reason) from error
    seconds = round(time.monotonic() - started, 1)
    number = folder.current()
    manifest = None if number is None else folder.manifest(number)
    assert manifest is not None
    if as_json:
        built = {"index": number, "change": change, "entries": manifest.entries, "size": manifest.size}
        click.echo(json.dumps({**built, "seconds": seconds}))
    else:
        click.echo(
            f"index {number} : {figures.number(manifest.entries)} entrées, {figures.size(manifest.size)},"
            f" changement {change}, en {figures.decimal(seconds)} s"
        )
    return 0
