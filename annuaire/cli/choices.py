"""`annuaire interop` and `annuaire liste-rouge`: what a person decided, set by an administrator on their word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from annuaire.cli import local, options, writing
from annuaire.config import Config

if TYPE_CHECKING:
    from annuaire.actions.set_choice import Decision

SWITCH = click.Choice(["on", "off"], case_sensitive=False)


@click.command("interop")
@click.argument("switch", metavar="on|off", type=SWITCH)
@click.argument("who", metavar="QUI")
@click.option("--address", metavar="ADRESSE", help="Donner cette adresse au lieu de celle que font les noms.")
@options.with_json
@options.with_config
def interop_command(config: Config, switch: str, who: str, address: str | None, as_json: bool) -> int:
    """Ouvrir ou fermer les échanges d'une personne avec l'espace de confiance MSSanté.

    QUI est une adresse native ou interop, un uid ou un identifiant national. La première ouverture attribue
    l'adresse interop, conservée ensuite quoi qu'il arrive. Ce choix passe avant celui de tout import.

    \b
    Exemples :
      annuaire interop on jean.DUPONT@medical59.apicrypt.org
      annuaire interop on 99900010028 --address dr.dupont@interop-mssante.apicrypt.org
      annuaire interop off jean.dupont --json
    """
    from annuaire.actions import set_interop

    if address is not None and switch != "on":
        raise click.UsageError("--address ne va qu'avec on")
    with writing.opened(config) as source:
        done = set_interop.set_interop(
            source, local.folder(config), who, switch == "on", address=address, actor=config.admin_dn
        )
    if as_json:
        return _as_json(done, interop=done.on)
    state = f"ouverts sous {done.address}" if done.on else "fermés"
    return _say(done, f"échanges {state}")


@click.command("liste-rouge")
@click.argument("switch", metavar="on|off", type=SWITCH)
@click.argument("who", metavar="QUI")
@options.with_json
@options.with_config
def liste_rouge_command(config: Config, switch: str, who: str, as_json: bool) -> int:
    """Mettre une personne sur liste rouge, ou l'en retirer.

    Elle n'existe plus pour qui cherche depuis l'espace MSSanté, mais continue d'écrire et de recevoir. QUI est une
    adresse native ou interop, un uid ou un identifiant national. Ce choix passe avant celui de tout import.

    \b
    Exemples :
      annuaire liste-rouge on jean.DUPONT@medical59.apicrypt.org
      annuaire liste-rouge off 899900010028 --json
    """
    from annuaire.actions import set_liste_rouge

    with writing.opened(config) as source:
        done = set_liste_rouge.set_liste_rouge(
            source, local.folder(config), who, switch == "on", actor=config.admin_dn
        )
    if as_json:
        return _as_json(done, liste_rouge=done.on)
    return _say(done, "sur liste rouge" if done.on else "pas sur liste rouge")


def _as_json(done: Decision, **choice: bool) -> int:
    said = {"dn": done.dn, "mail": done.native, **choice, "since": done.since or None}
    said |= {"address": done.address or None, "changed": done.changed}
    click.echo(json.dumps(said, ensure_ascii=False))
    return 0


def _say(done: Decision, state: str) -> int:
    since = f", depuis le {done.since[6:8]}/{done.since[4:6]}/{done.since[:4]}" if done.since else ""
    click.echo(f"{done.native} : {state}{since}{'' if done.changed else ' (rien n’a changé)'}")
    return 0
