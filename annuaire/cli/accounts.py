"""`annuaire account add|password|list|remove`: accounts of mail servers, partners and administrators (ou=comptes)."""

from __future__ import annotations

import json
import sys

import click

from annuaire.cli import local, options, writing
from annuaire.config import Config
from annuaire.domain import audience as audiences
from annuaire.domain.password import Rules
from annuaire.errors import Malformed


@click.group("account")
def account_command() -> None:
    """Gérer les comptes de service : qui se connecte avec, et donc ce qui existe pour lui.

    \b
    Exemples :
      annuaire account add relais --audience routage
      annuaire account list
      annuaire account remove relais
    """


@account_command.command("add")
@click.argument("name", metavar="NOM")
@click.option(
    "--audience",
    "seer",
    type=click.Choice(list(audiences.NAMES), case_sensitive=False),
    metavar="QUI",
    required=True,
    help="Ce que voit ce compte : " + ", ".join(audiences.NAMES) + ".",
)
@click.option("--password-stdin", is_flag=True, help="Lire le mot de passe sur l'entrée standard.")
@click.option(
    "--replicate-passwords",
    is_flag=True,
    help="Donner aussi les empreintes des mots de passe à ce compte quand il copie l'annuaire.",
)
@options.with_config
def add_command(config: Config, name: str, seer: str, password_stdin: bool, replicate_passwords: bool) -> int:
    """Créer le compte uid=NOM,ou=comptes,… et son mot de passe.

    \b
    Exemples :
      annuaire account add relais --audience routage
      pass show relais | annuaire account add relais --audience routage --password-stdin
    """
    from annuaire.actions import audience_accounts
    from annuaire.server import state

    secret = _from_stdin() if password_stdin else _prompted()
    with writing.opened(config) as source:
        made = audience_accounts.add(
            source,
            local.folder(config),
            name,
            audiences.NAMES[seer],
            secret,
            replicates_passwords=replicate_passwords,
            rules=Rules(config.passwords.min_length),
            salts=state.salts(config.state),
            actor=config.admin_dn,
        )
    click.echo(f"compte créé : {made} ({seer})")
    return 0


@account_command.command("password")
@click.argument("name", metavar="NOM")
@click.option("--password-stdin", is_flag=True, help="Lire le mot de passe sur l'entrée standard.")
@options.with_config
def password_command(config: Config, name: str, password_stdin: bool) -> int:
    """Donner un autre mot de passe à un compte de service.

    Les personnes changent le leur par LDAP (ldappasswd), les administrateurs celui de tous.

    \b
    Exemples :
      annuaire account password relais
      pass show relais | annuaire account password relais --password-stdin
    """
    from annuaire.actions import audience_accounts
    from annuaire.server import state

    with local.store(config):
        pass
    secret = _from_stdin() if password_stdin else _prompted()
    with writing.opened(config) as source:
        changed = audience_accounts.set_password(
            source,
            local.folder(config),
            name,
            secret,
            rules=Rules(config.passwords.min_length),
            salts=state.salts(config.state),
            actor=config.admin_dn,
        )
    click.echo(f"mot de passe changé : {changed}")
    return 0


@account_command.command("list")
@options.with_json
@options.with_config
def list_command(config: Config, as_json: bool) -> int:
    """Montrer les comptes et ce que chacun voit.

    \b
    Exemples :
      annuaire account list
      annuaire account list --json
    """
    from annuaire.actions import audience_accounts

    with local.store(config):
        pass  # told here, in the words of a command that reads, when it is missing or away
    source = local.source(config)
    try:
        found = audience_accounts.every(source)
    finally:
        source.store().close()
    if as_json:
        click.echo(json.dumps([one._asdict() for one in found], ensure_ascii=False))
        return 0
    width = max((len(one.name) for one in found), default=0)
    for one in found:
        more = "  (empreintes des mots de passe)" if one.replicates_passwords else ""
        click.echo(f"{one.name:<{width}}  {one.audience}{more}")
    if not found:
        click.echo("aucun compte : « annuaire account add » en crée un", err=True)
    return 0


@account_command.command("remove")
@click.argument("name", metavar="NOM")
@options.with_config
def remove_command(config: Config, name: str) -> int:
    """Supprimer un compte. Qui est connecté avec le reste jusqu'à la fin de sa connexion.

    \b
    Exemple :
      annuaire account remove relais
    """
    from annuaire.actions import audience_accounts

    with local.store(config):
        pass
    with writing.opened(config) as source:
        removed = audience_accounts.remove(source, local.folder(config), name, actor=config.admin_dn)
    click.echo(f"compte supprimé : {removed}")
    return 0


def _from_stdin() -> bytes:
    """The first line, as a file of a password has it: its end does not belong to it."""
    given = sys.stdin.buffer.readline().rstrip(b"\r\n")
    if not given:
        raise Malformed("l'entrée standard ne donne pas de mot de passe")
    return given


def _prompted() -> bytes:
    if not sys.stdin.isatty():
        raise Malformed("pas de terminal pour demander le mot de passe : donnez-le avec --password-stdin")
    asked: str = click.prompt("Mot de passe", hide_input=True, confirmation_prompt=True, err=True)
    return asked.encode()
