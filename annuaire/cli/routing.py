"""`annuaire route` and `annuaire diffusion`: what the routing table answers, and whom the DGS reaches.

`route` reads the index of this machine, as the mail servers' answers do; `diffusion` reads the store, which has every
account whatever the index is doing.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from annuaire.cli import options
from annuaire.config import Config
from annuaire.errors import Unavailable

if TYPE_CHECKING:
    from annuaire.domain.routing import Decision, Envelope, Settings

VERDICTS = {
    "deliver": ("Remis", "green"),
    "relay": ("Transmis à l'espace de confiance", "green"),
    "refuse": ("Refusé", "red"),
    "defer": ("Plus tard", "yellow"),
    "none": ("Sans avis", "cyan"),
}


@click.command("route")
@click.option(
    "--from", "sender", metavar="ADRESSE", required=True, help="Expéditeur ; '' ou <> s'il est vide."
)
@click.option("--to", "recipient", metavar="ADRESSE", required=True, help="Destinataire.")
@click.option(
    "--certificate", metavar="NOM", default="", help="Nom que montre le client : un DN, ou son CN seul."
)
@click.option(
    "--unauthenticated", is_flag=True, help="Le client n'a rien prouvé de ce qu'il ne montre pas ici."
)
@click.option("--client", metavar="IP", default="", help="Adresse du client : est-il dans nos réseaux ?")
@options.with_json
@options.with_config
def route_command(
    config: Config,
    sender: str,
    recipient: str,
    certificate: str,
    unauthenticated: bool,
    client: str,
    as_json: bool,
) -> int:
    """Expliquer qui peut écrire à qui, et par quelle route.

    Donne chaque condition, la décision, et ce que lira le serveur de messagerie. Le client est supposé
    authentifié sous l'adresse de l'expéditeur et digne de confiance, sauf avec --unauthenticated.
    Le code de sortie est 0 quelle que soit la décision.

    \b
    Exemples :
      annuaire route --from jean.DUPONT@medical59.apicrypt.org --to marie.martin@medecin.mssante.fr
      annuaire route --from alerte@dgs.mssante.fr --to jean.dupont@interop-mssante.apicrypt.org --json
      annuaire route --from '' --to jean.dupont@interop-mssante.apicrypt.org --certificate mail.ch.fr
    """
    from annuaire.domain import mail_address
    from annuaire.domain.routing import Envelope
    from annuaire.server import routing

    settings = routing.settings(config)
    user = ""
    if not unauthenticated:
        address = mail_address.parse(sender)
        user = address.exact if address is not None else ""
        # A client that is trusted shows one.
        settings.require_certificate = False
    envelope = Envelope(sender, recipient, user, client, certificate)
    decision = _decide(config, settings, envelope)
    if as_json:
        click.echo(json.dumps(_as_json(decision), ensure_ascii=False))
    else:
        _show(envelope, decision)
    return 0


def _decide(config: Config, settings: Settings, envelope: Envelope) -> Decision:
    from annuaire.cli import local
    from annuaire.domain import routing

    lookups = local.facts(config)
    try:
        lookups.loaded()  # even what needs no fact is not answered without an index
        facts = routing.collect(envelope, lookups, settings)
    except Unavailable as error:
        raise Unavailable(
            "l'index n'est pas prêt : « annuaire rebuild » le construit, « annuaire serve » aussi",
            error.reason if error.reason != error.public else "",
        ) from error
    return routing.decide(envelope, facts, settings, datetime.now(UTC), explain=True)


def _as_json(decision: Decision) -> dict[str, object]:
    return {
        "verdict": decision.verdict,
        "reason": decision.reason,
        "status": decision.status,
        "reply": decision.reply,
        "sender_as": decision.sender_as,
        "recipient_as": decision.recipient_as,
        "encoding": decision.encoding,
        "steps": [{"condition": step.condition, "held": step.held} for step in decision.steps],
    }


# Where nobody looks on a screen, a line is never cut.
WIDTH = 400


def _show(envelope: Envelope, decision: Decision) -> None:
    from rich.console import Console
    from rich.text import Text

    from annuaire.domain.reasons import REASONS, REFUSE

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    # Text: what stands in brackets in an address is no markup.
    console.print(Text(f"De {_shown(envelope.sender)} à {_shown(envelope.recipient)}", style="bold"))
    for step in decision.steps:
        console.print(Text(f"  {'oui' if step.held else 'non'}  {step.condition}"))
    word, colour = VERDICTS[decision.verdict]
    reason = REASONS[decision.reason]
    console.print(Text.assemble((word, f"bold {colour}"), f" : {reason.sentence}"))
    if decision.sender_as is not None:
        encoding = f", en {decision.encoding}" if decision.encoding else ""
        way = f"De {_shown(decision.sender_as)} à {_shown(decision.recipient_as or '')}{encoding}."
        console.print(Text(way))
    console.print(Text(f"Réponse au serveur de messagerie : {decision.reply}"))
    if decision.verdict == REFUSE and decision.reply == reason.to_outsiders.reply:
        console.print(Text("L'expéditeur n'en lit pas plus ; le motif n'est que pour le journal."))
    console.print(Text(f"Motif : {decision.reason}", style="dim"))


def _shown(address: str) -> str:
    """What would steer the terminal is shown as a mark."""
    return "".join(c if c.isprintable() else "�" for c in address) or "<>"


# ------------------------------------------------------------------ whom the DGS reaches


@click.command("diffusion")
@click.argument("who", metavar="dgs", type=click.Choice(["dgs"]))
@click.option(
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FICHIER",
    help="Fichier à écrire, en entier ou pas du tout ; par défaut, la sortie standard.",
)
@options.with_json
@options.with_config
def diffusion_command(config: Config, who: str, output: Path | None, as_json: bool) -> int:
    """Lister les adresses interop que la DGS doit atteindre.

    Ce sont celles à qui un message de dgs.mssante.fr est remis aujourd'hui, liste rouge comprise : la
    liste est donc à protéger. Une par ligne, triées.

    \b
    Exemples :
      annuaire diffusion dgs --output dgs.txt
      annuaire diffusion dgs --json
    """
    from annuaire.cli import destination

    addresses = _reached(config)
    text = f"{json.dumps(addresses)}\n" if as_json else "".join(f"{address}\n" for address in addresses)
    with destination.opened(output) as stream:
        stream.write(text.encode())
    if output is not None and output != destination.STANDARD_OUTPUT:
        click.echo(f"{len(addresses)} adresses dans {output}", err=True)
    return 0


def _reached(config: Config) -> list[str]:
    from annuaire.cli import local
    from annuaire.domain import account, facts
    from annuaire.domain import routing as table
    from annuaire.ldap import ber
    from annuaire.server import routing

    settings, now = routing.settings(config), datetime.now(UTC)
    found = set()
    with local.store(config) as store, store.reading() as reader:
        for row in reader.accounts_between("", None):
            one = account.of(ber.decode_attributes(row.attributes))
            if one is not None and table.is_reached_from_outside(facts.of_account(one), settings, now):
                found.add(one.interop)
    return sorted(found)
