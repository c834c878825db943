"""One account changed in a transaction that is open already: judged by the rules, with what is to be remembered.

Commands and LDAP writes come here; imports, which have many, ask the same rules in import_accounts.py.
"""

from __future__ import annotations

from annuaire.actions import account_memory, accounts, entry_rules, native_addresses, preparing
from annuaire.actions.account_memory import StoreAddresses, StoreMemory
from annuaire.actions.accounts import Attributes, Order, RuleError, Settled
from annuaire.domain import account as subscriptions
from annuaire.ldap.results import ResultCode
from annuaire.store.account_staging import NAMED_TWICE
from annuaire.store.engine import Writer
from annuaire.store.entries import EntryRow


def settle(
    writer: Writer, row: EntryRow | None, old: Attributes | None, new: Attributes, order: Order
) -> Settled:
    """An entry that is an account, or was one, as it will be kept. What follows is written; the entry itself is not.

    RuleError: it is not taken. What was written until then must be undone.
    """
    verdict = entry_rules.judge(old, new)
    if verdict.refusal:
        raise RuleError(*verdict.refusal, verdict.refusal[1])
    before = None if old is None else subscriptions.of(old)
    wanted = subscriptions.of_changed(new, old, before)
    if wanted is None:
        hides = forsake(writer, row, old, order)
        return Settled(new, (), account_memory.Notes(), "", hides)
    own = 0 if row is None else row.id
    key = wanted.native.lower()
    # Whose address it is already, it was asked of when it became theirs.
    theirs = row is not None and row.account == key
    if not theirs and any(other.id != own for other in writer.entries_of_account(key)):
        raise RuleError(
            ResultCode.constraintViolation,
            NAMED_TWICE,
            f"L'adresse {wanted.native} est celle d'un autre compte.",
        )
    if not theirs:
        native_addresses.hold(wanted.native, order.domains)
    settled = accounts.settle(
        old,
        new,
        StoreMemory(writer, before or wanted, wanted),
        order,
        StoreAddresses(writer, own),
        created_at="" if row is None else row.created_at,
        leftover=StoreMemory(writer, wanted),
        read=(before, wanted),
    )
    account_memory.keep(writer, settled.notes)
    return settled


def forsake(writer: Writer, row: EntryRow | None, old: Attributes | None, order: Order) -> bool:
    """An account whose entry goes, or is one no more: it is remembered. Whether strangers lose sight of somebody."""
    before = None if old is None else subscriptions.of(old)
    if old is None or before is None:
        return False
    created_at = "" if row is None else row.created_at
    account_memory.keep(writer, accounts.forsaken(old, StoreMemory(writer, before), order, created_at))
    return accounts.hides(old, None, order)


def change(writer: Writer, row: EntryRow, wanted: Attributes, order: Order) -> tuple[Settled, bool]:
    """An account as somebody wants it, judged and written; and whether anything of it is another.

    A decision that leaves the entry as it is is a change too: whoever compares an import meanwhile must see it.
    """
    old = preparing.decode(row.attributes, row.passwords)
    settled = settle(writer, row, old, wanted, order)
    changed = settled.attributes != old or not settled.notes.empty
    if changed:
        kept = {name: list(values) for name, values in settled.attributes.items()}
        described = subscriptions.described_as(settled.account, row.uuid)
        writer.replace(row, *preparing.encode(kept), row.structural, *described)
    return settled, changed
