"""Opens or closes somebody's exchanges with the trust space, because they said so.

The first opening allocates the address under which they are known there: Note [An interop address is never given
twice] (domain/interop.py).
"""

from __future__ import annotations

from datetime import UTC, datetime

from annuaire.actions import accounts, set_choice
from annuaire.actions.accounts import ADDRESS, INTEROP
from annuaire.actions.set_choice import Decision
from annuaire.actions.source import StoreSource
from annuaire.index.folder import IndexFolder


def set_interop(
    source: StoreSource,
    folder: IndexFolder,
    who: str,
    on: bool,
    *,
    address: str | None = None,
    actor: str = "",
    origin: str = "cli",
    now: datetime | None = None,
) -> Decision:
    """Visible on this machine on return. Refused with the one reason, in French; NotFound: nobody is meant.

    address: the one that an administrator gives, instead of the one that the names make.
    """
    wanted = {INTEROP: accounts.TRUE if on else accounts.FALSE}
    if address is not None:
        wanted[ADDRESS] = address.strip().lower().encode()
    return set_choice.decide(source, folder, who, INTEROP, wanted, actor, origin, now or datetime.now(UTC))
