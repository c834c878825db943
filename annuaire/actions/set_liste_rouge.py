"""Puts somebody on liste rouge or takes them off it, because they said so.

Note [Liste rouge hides, it never blocks] is in domain/activation.py.
"""

from __future__ import annotations

from datetime import UTC, datetime

from annuaire.actions import accounts, set_choice
from annuaire.actions.accounts import LISTE_ROUGE
from annuaire.actions.set_choice import Decision
from annuaire.actions.source import StoreSource
from annuaire.index.folder import IndexFolder


def set_liste_rouge(
    source: StoreSource,
    folder: IndexFolder,
    who: str,
    on: bool,
    *,
    actor: str = "",
    origin: str = "cli",
    now: datetime | None = None,
) -> Decision:
    """Visible on this machine on return. Refused with the one reason, in French; NotFound: nobody is meant."""
    wanted = {LISTE_ROUGE: accounts.TRUE if on else accounts.FALSE}
    return set_choice.decide(
        source, folder, who, LISTE_ROUGE, wanted, actor, origin, now or datetime.now(UTC)
    )
