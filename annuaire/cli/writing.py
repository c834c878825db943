"""What commands that write share: the store, made when there is none, and who is said to have written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from annuaire.cli import local

if TYPE_CHECKING:
    from annuaire.actions.refresh import StoreSource
    from annuaire.config import Config


@contextmanager
def opened(config: Config) -> Iterator[StoreSource]:
    """The store behind its index, with the entries that always exist."""
    from annuaire.actions import initialise
    from annuaire.ldap import tree

    source = local.source(config)
    store = source.store()
    try:
        planted = tree.plant(config.suffix, config.trees.suffixes, source.schema())
        initialise.initialise(store, planted, source.schema(), config.admin_dn)
        yield source
    finally:
        store.close()
