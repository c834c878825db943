"""A new base beside the one in use, made before anybody must wait for it."""

from __future__ import annotations

from annuaire.actions import refresh
from annuaire.actions.source import StoreSource
from annuaire.errors import Unavailable
from annuaire.index import part
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Reader


def renew(source: StoreSource, folder: IndexFolder) -> bool:
    """Build a new base when so much was written since the last that searches feel it. Writers go on meanwhile."""
    if _written(source, folder) <= refresh.RECENT_MAX:
        return False
    refresh.rebuild(source, folder)
    return True


def _written(source: StoreSource, folder: IndexFolder) -> int:
    """What was written since the base; without an index there is none to be renewed."""
    reader = Reader(folder, Numbering(source.schema()))
    try:
        snapshot = reader.snapshot()
    except Unavailable:
        return 0
    try:
        return 0 if snapshot.recent is None else part.written(snapshot.recent.part.meta)
    finally:
        snapshot.end()
