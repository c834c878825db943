"""What commands that write share: the store, made when there is none, and the journal that is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from annuaire.cli import local

if TYPE_CHECKING:
    from annuaire.actions.source import StoreSource
    from annuaire.config import Config


@contextmanager
def opened(config: Config) -> Iterator[StoreSource]:
    """The store behind its index, with the entries that always exist. What is written is told to the journal."""
    from annuaire import journal
    from annuaire.actions import initialise
    from annuaire.domain import trace
    from annuaire.ldap import tree

    with journal.opened(config, warn) as told:
        source = local.source(config, trace.through(trace.CLI, told))
        store = source.store()
        try:
            planted = tree.plant(config.suffix, config.trees.suffixes, source.schema())
            initialise.initialise(store, planted, source.schema(), config.admin_dn)
            yield source
        finally:
            store.close()


def warn(text: str) -> None:
    """Trouble with the journal, which stops nothing."""
    click.echo(f"annuaire : {text}", err=True)
