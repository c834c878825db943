"""The rules of accounts as LDAP writes obey them: every entry that is to be goes through the same judgement as imports.

Whoever asked for a choice by LDAP is told why it is refused; a file would only be warned.
"""

from __future__ import annotations

from datetime import UTC, datetime

from annuaire.actions import accounts, entry_rules
from annuaire.actions.refresh import StoreSource
from annuaire.actions.write_entries import Kept, Rules
from annuaire.ldap.modification import Attributes
from annuaire.ldap.writing import WriteJob, WriteRefusedError
from annuaire.store.engine import Writer
from annuaire.store.entries import EntryRow


def rules(source: StoreSource) -> Rules:
    """The judgement of a process's writes."""

    def judge(
        writer: Writer,
        job: WriteJob,
        row: EntryRow | None,
        old: Attributes | None,
        new: Attributes | None,
        identity: bytes,
    ) -> Kept:
        order = accounts.order_of(source.settings, datetime.now(UTC))
        hides = old is not None and accounts.hides(old, new, order)
        if new is None:
            return Kept({}, hides)
        verdict = entry_rules.judge(old, new)
        if verdict.refusal:
            raise WriteRefusedError(*verdict.refusal)
        return Kept(new, hides)

    return judge
