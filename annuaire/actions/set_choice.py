"""One decision of one person, recorded: what opening exchanges and going on liste rouge have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from annuaire.actions import account_names, accounts, preparing, recording, telling, write_accounts
from annuaire.actions.accounts import RuleError, Writing
from annuaire.actions.source import StoreSource
from annuaire.actions.telling import By
from annuaire.errors import Refused
from annuaire.index.folder import IndexFolder


class Decision(NamedTuple):
    """What holds now."""

    dn: str
    native: str
    on: bool
    since: str  # GeneralizedTime
    address: str  # interop, "" before the first opening
    changed: bool  # whether anything is another than before


def decide(
    source: StoreSource,
    folder: IndexFolder,
    who: str,
    choice: str,
    wanted: Mapping[str, bytes],
    actor: str,
    origin: str,
    now: datetime,
) -> Decision:
    """Give an account these values in the name of its person, in one transaction."""
    order = accounts.order_of(
        source.settings,
        now,
        writing=Writing.ADMINISTRATOR,
        actor=origin,
        touched=frozenset(wanted),
    )
    asked = wanted[choice] == accounts.TRUE
    with telling.refusals(source.told, By(actor), account=who, choice=choice, value=asked):
        try:
            with recording.recording(source, folder, actor) as begun:
                row = account_names.find(begun.writer, who)
                attributes = preparing.decode(row.attributes, row.passwords)
                attributes |= {name: [value] for name, value in wanted.items()}
                settled, changed = write_accounts.change(begun.writer, row, attributes, order)
                begun.hides = settled.hides
        except RuleError as refused:
            raise Refused(refused.french) from None
    kept = settled.attributes
    since = kept.get(accounts.SINCE[choice], [b""])[0].decode()
    return Decision(
        row.dn, kept["mail"][0].decode(), kept[choice] == [accounts.TRUE], since, settled.address, changed
    )
