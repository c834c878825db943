"""Whether a write may still be done when its turn comes: who asked for it must be there as their bind found them.

A session decides by what it knew when its client bound, perhaps days ago; the store knows who was removed, suspended,
renamed or given another audience since, be it by the write before this one.
"""

from __future__ import annotations

from annuaire.actions import preparing
from annuaire.domain import account
from annuaire.ldap import standing
from annuaire.ldap.results import ResultCode
from annuaire.ldap.writing import WriteJob, WriteRefusedError
from annuaire.store.engine import Writer


def hold(writer: Writer, job: WriteJob) -> None:
    """Raise WriteRefusedError when what the right to a write rests on is not there any more."""
    for one in job.standings:
        row = writer.entry(one.key)
        if row is not None and row.uuid == one.uuid:
            attributes = preparing.decode(row.attributes, None)
            if account.seen_as(attributes) == one.audience:
                continue
        raise WriteRefusedError(ResultCode.insufficientAccessRights, standing.GONE)
