"""`annuaire migrate`: brings the tables of a database server to this program's revision."""

from __future__ import annotations

import click

from annuaire.cli import options
from annuaire.config import Config


@click.command("migrate")
@options.with_config
def migrate_command(config: Config) -> int:
    """Mettre les tables de la base à la version de ce programme.

    Une base SQLite l'est d'elle-même au démarrage ; celle d'un serveur PostgreSQL, partagée, ne
    l'est que par cette commande, tous les annuaires arrêtés.

    \b
    Exemple :
      annuaire migrate --config /etc/annuaire.toml
    """
    from annuaire.store import engine

    found, reached = engine.migrate(config.store.url, config.state)
    if found == reached:
        click.echo(f"les tables sont déjà à la révision {reached}")
    else:
        click.echo(f"tables : de la révision {found or 'aucune'} à la révision {reached}")
    return 0
