"""What an import tells the journal: a record for each account and choice that it changes, and one for itself.

Eighty thousand accounts are eighty thousand records: what they say is looked at while comparing, and they are made
when the import is committed, both without any lock.
"""

from __future__ import annotations

import json

from annuaire.actions import preparing, telling
from annuaire.actions.import_report import Report
from annuaire.actions.telling import By
from annuaire.domain import trace
from annuaire.domain.trace import Trace
from annuaire.store.account_staging import AccountStaging
from annuaire.store.staging import Staging
from annuaire.store.told_staging import Side, ToldStaging

# `reason` of what a file asked for and did not get.
NOT_TAKEN = "not-taken"


class ImportTelling:
    """Of one import."""

    def __init__(self, staged: Staging, accounts: AccountStaging) -> None:
        self._rows = ToldStaging(staged)
        self._accounts = accounts
        self._slot = 0

    def begin(self) -> None:
        """Before everything is compared, again perhaps."""
        self._rows.forget()

    def compare(self) -> None:
        """Look at the entries that will change, as far as that was not done yet."""
        while differing := self._rows.differing(self._slot):
            found = []
            for one in differing:
                moved = one.after is not None and one.after.dn != one.before.dn
                tellings = telling.of_entry(_attributes(one.before), _attributes(one.after), moved)
                found += [
                    (one.slot, place, kind, json.dumps(fields))
                    for place, (kind, fields) in enumerate(tellings)
                ]
            self._rows.keep(found)
            self._slot = differing[-1].slot

    def tell(self, told: Trace, by: By, steps: bool) -> None:
        """After the commit."""
        told = trace.through(trace.FILE, told)
        for native, encoded in self._rows.fresh(steps):
            if encoded is None:
                telling.tell(told, [telling.added(native or "")], by)
            else:
                telling.tell(told, telling.of_entry(None, preparing.decode(encoded, None)), by)
        telling.tell(told, ((kind, json.loads(fields)) for kind, fields in self._rows.changes()), by)
        for account, why in self._accounts.untaken():
            told(trace.REFUSAL, account=account, reason=NOT_TAKEN, text=why, actor=by.actor)


def imported(told: Trace, name: str, digest: bytes, report: Report, by: By) -> None:
    """That a file was applied, or that its refusals stopped it."""
    told = trace.through(trace.FILE, told)
    told(
        trace.IMPORT if report.applied else trace.REFUSAL,
        source=name,
        sha256=digest.hex(),
        added=report.added,
        changed=report.changed,
        unchanged=report.unchanged,
        removed=report.removed,
        refused=report.refused,
        warnings=report.warnings,
        change=report.change_number,
        actor=by.actor,
    )


def _attributes(side: Side | None) -> telling.Attributes | None:
    return None if side is None else preparing.decode(side.attributes, side.passwords)
