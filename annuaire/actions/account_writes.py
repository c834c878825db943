"""The rules of accounts as LDAP writes obey them: every entry that is to be goes through the same judgement as imports.

Whoever asked for a choice by LDAP is told why it is refused; a file would only be warned. What a person does of their
own entry is theirs, what an administrator does is done in their name: both outlive imports.
"""

from __future__ import annotations

from datetime import UTC, datetime

from annuaire.actions import accounts, write_accounts
from annuaire.actions.accounts import RuleError, Writing
from annuaire.actions.source import StoreSource
from annuaire.actions.write_entries import Kept, Rules
from annuaire.ldap.messages import AddRequest, ModifyRequest
from annuaire.ldap.modification import Attributes
from annuaire.ldap.schema import Schema
from annuaire.ldap.writing import WriteJob, WriteRefusedError
from annuaire.store.engine import Writer
from annuaire.store.entries import EntryRow


def rules(source: StoreSource) -> Rules:
    """The judgement of a process's writes."""
    schema = source.schema()
    standing = accounts.order_of(source.settings, datetime.now(UTC))

    def judge(
        writer: Writer,
        job: WriteJob,
        row: EntryRow | None,
        old: Attributes | None,
        new: Attributes | None,
        identity: bytes,
    ) -> Kept:
        order = standing._replace(
            now=datetime.now(UTC),
            writing=Writing.ADMINISTRATOR if job.grant.attributes is None else Writing.PERSON,
            actor=job.actor,
            touched=_touched(job, old, new, schema),
        )
        if new is None:
            return Kept({}, write_accounts.forsake(writer, row, old, order))
        try:
            settled = write_accounts.settle(writer, row, old, new, order)
        except RuleError as refused:
            raise WriteRefusedError(refused.code, refused.text) from None
        return Kept(settled.attributes, settled.hides, settled.account)

    return judge


def _touched(
    job: WriteJob, old: Attributes | None, new: Attributes | None, schema: Schema
) -> frozenset[str] | None:
    """The attributes that a write speaks of: those that a Modify names, whatever they were; None: all of them."""
    if isinstance(job.request, AddRequest) or old is None or new is None:
        return None
    if isinstance(job.request, ModifyRequest):
        return frozenset([schema.canonical(written) for _, written, _ in job.request.changes])
    return frozenset([name for name in old.keys() | new.keys() if old.get(name) != new.get(name)])
