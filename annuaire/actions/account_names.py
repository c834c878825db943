"""Which account somebody means who types a native or an interop address, a uid, or a national identification."""

from __future__ import annotations

from annuaire.actions import account_memory, accounts, preparing
from annuaire.errors import NotFound, Refused
from annuaire.store.engine import Reader
from annuaire.store.entries import EntryRow

# TRE_G08: what may stand before the identifier that a card shows.
_TYPES = ("0", "1", "2", "3", "4", "5", "6", "8", "9", "10", "30")


def find(reader: Reader, who: str) -> EntryRow:
    """The one account that is meant. NotFound: none; Refused: several, with the list."""
    found = {row.id: row for row in _matching(reader, who.strip())}
    if not found:
        raise NotFound(
            f"aucun compte pour « {who} » (adresse native ou interop, uid ou identifiant national)"
        )
    if len(found) > 1:
        named = "\n".join(f"  {row.account}  {row.dn}" for row in found.values())
        raise Refused(f"« {who} » désigne plusieurs comptes, précisez lequel par son adresse :\n{named}")
    return next(iter(found.values()))


def _matching(reader: Reader, who: str) -> list[EntryRow]:
    lowered = who.lower()
    if not lowered:
        return []
    if "@" in lowered:
        return reader.entries_of_account(lowered) or _by_interop(reader, lowered)
    found = list(reader.accounts_of(who))
    for kind in _TYPES:
        found += reader.accounts_of(kind + who)
    return found + _by_uid(reader, lowered)


def _by_interop(reader: Reader, address: str) -> list[EntryRow]:
    row = reader.ledger_row(address)
    if row is None:
        return []
    candidates = account_memory.of_holder(reader, row.holder)
    return [
        one for one in candidates if accounts.address_of(preparing.decode(one.attributes, None)) == address
    ]


def _by_uid(reader: Reader, uid: str) -> list[EntryRow]:
    """Reads every account: no command is typed so often that an index for it would be worth its upkeep."""
    wanted = uid.encode()
    found = []
    for row in reader.every_account():
        if wanted in row.attributes.lower():
            values = preparing.decode(row.attributes, None).get("uid", ())
            if any(value.decode("utf-8", "replace").lower() == uid for value in values):
                found.append(row)
    return found
