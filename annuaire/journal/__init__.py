"""A log that nobody can change unseen: hash-chained records, signed checkpoints, pseudonyms instead of addresses."""

from annuaire.journal.settings import Settings, of
from annuaire.journal.writer import Journal, open, opened  # noqa: A004 journal.open

__all__ = ["Journal", "Settings", "of", "open", "opened"]
