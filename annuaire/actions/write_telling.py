"""What LDAP writes tell the journal beside what they did: who did it from where, and what was not allowed."""

from __future__ import annotations

from annuaire.actions.telling import By
from annuaire.domain import trace
from annuaire.domain.trace import Trace
from annuaire.ldap.results import ResultCode
from annuaire.ldap.writing import WriteJob, WriteOutcome

# Asked and not allowed. What is misspelt, absent or against the schema is a mistake, and in the log of operations.
NOT_ALLOWED = frozenset(
    {
        ResultCode.confidentialityRequired,
        ResultCode.constraintViolation,
        ResultCode.insufficientAccessRights,
        ResultCode.unwillingToPerform,
    }
)


def by(job: WriteJob) -> By | None:
    """A person who changes their own entry is not named beside it. None: nobody's change."""
    if job.quiet:
        return None
    return By(job.actor if job.grant.attributes is None else trace.SELF, job.peer, job.bound)


def refused(told: Trace, job: WriteJob, outcome: WriteOutcome) -> None:
    """Tell of a write that was not done, when it was not allowed."""
    who = by(job)
    if who is None or outcome.code not in NOT_ALLOWED:
        return
    asked = type(job.request).__name__.removesuffix("Request").lower()
    dn = job.request.dn
    told(
        trace.REFUSAL,
        entry=dn.decode("utf-8", "replace") if isinstance(dn, bytes) else dn,
        operation=asked,
        reason=outcome.code.name,
        text=outcome.text,
        **who.fields(),
    )
