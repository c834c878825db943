"""Who may write to whom, and by which route: one table, the same for every mail server and every command.

`decide` is pure and total: an envelope and facts in, one Decision out, whatever the text. Rows of the table are who
writes, columns whom they write to (`routing_classes`); a cell is a rule, and a rule is conditions in the order in
which they are looked at (`routing_conditions`), then what is done where all of them hold.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from annuaire.domain import mail_address, reasons, routing_classes, routing_conditions
from annuaire.domain.envelope import INTEROP, NULL, Envelope, Facts, Lookups, Party, Settings, collect
from annuaire.domain.facts import AccountFacts
from annuaire.domain.reasons import Decision, Reason, Step
from annuaire.domain.routing_classes import A, D, I, M, N, P, S, U, V, X
from annuaire.domain.routing_conditions import (
    NATIVE_SERVES_OUTSIDE,
    RECIPIENT_ACTIVE,
    RECIPIENT_CLEAR,
    RECIPIENT_KEYS,
    RECIPIENT_KNOWN,
    RECIPIENT_OF_TRUST_SPACE,
    RECIPIENT_OPEN,
    SENDER_ACTIVE,
    SENDER_OPEN,
    TRUST_SPACE_KNOWN,
)
from annuaire.errors import Unavailable

__all__ = [
    "TABLE",
    "Decision",
    "Envelope",
    "Facts",
    "Lookups",
    "Settings",
    "Step",
    "answer",
    "collect",
    "decide",
    "is_reached_from_outside",
]

# ---------------------------------------------------------------- what is done where all conditions hold


def _deliver_inside(writer: str, facts: Facts) -> Decision:
    """V1 and V2 always reach each other: in the encoding that both can read."""
    to, by = facts.recipient.account, facts.sender.account
    assert to is not None
    encoding = "V2" if to.version == 2 and (by is None or by.version == 2) else "V1"
    sender = "" if by is None or facts.sender.kind == NULL else by.native
    return _passes(reasons.DANS_LA_SPHERE, reasons.APICRYPT, sender, to.native, encoding)


def _relay(writer: str, facts: Facts) -> Decision:
    by, to = facts.sender.account, facts.recipient.address
    assert to is not None
    if by is None or facts.sender.kind == NULL:
        return _passes(reasons.AVIS_VERS_L_ESPACE, reasons.MSSANTE, "", to.text, None)
    return _passes(reasons.VERS_L_ESPACE, reasons.MSSANTE, by.interop, to.text, None)


_FROM_OUTSIDE = {D: reasons.DE_LA_DGS, M: reasons.DE_L_ESPACE, V: reasons.AVIS_DE_L_ESPACE}


def _deliver_from_outside(writer: str, facts: Facts) -> Decision:
    to, by = facts.recipient.account, facts.sender.address
    assert to is not None
    # The conditions let only V2 through.
    return _passes(_FROM_OUTSIDE[writer], reasons.APICRYPT, "" if by is None else by.text, to.native, "V2")


def _have_no_opinion(writer: str, facts: Facts) -> Decision:
    return reasons.PAS_DE_NOTRE_RESSORT.to_us


# One is made for each message: this skips a call.
_new = tuple.__new__


def _passes(reason: Reason, route: str, sender: str, recipient: str, encoding: str | None) -> Decision:
    told = (
        reason.verdict,
        reason.code,
        reason.status,
        reasons.NO_OBJECTION,
        route,
        sender,
        recipient,
        encoding,
        (),
    )
    return _new(Decision, told)


# ---------------------------------------------------------------- the table


class Rule(NamedTuple):
    conditions: tuple[routing_conditions.Condition | routing_conditions.OpenToTrustSpace, ...]
    passes: Callable[[str, Facts], Decision]


INSIDE = Rule((SENDER_ACTIVE, RECIPIENT_KNOWN, RECIPIENT_ACTIVE, RECIPIENT_KEYS), _deliver_inside)
LEAVING = Rule((SENDER_ACTIVE, SENDER_OPEN), _relay)
ENTERING = Rule((RECIPIENT_KNOWN, RECIPIENT_ACTIVE, RECIPIENT_OPEN, RECIPIENT_KEYS), _deliver_from_outside)
TO_NATIVE = Rule((NATIVE_SERVES_OUTSIDE,), _have_no_opinion)
ASTRAY = Rule((SENDER_ACTIVE, RECIPIENT_OF_TRUST_SPACE), _have_no_opinion)
UNTOLD = Rule((SENDER_ACTIVE, TRUST_SPACE_KNOWN), _have_no_opinion)
NOT_OURS = Rule((RECIPIENT_CLEAR,), _have_no_opinion)
# The postmaster: whoever may write at all may write to them.
TO_SERVER = Rule((SENDER_ACTIVE,), _have_no_opinion)
# The reason is what the sender is: see `routing_classes.sender`.
REFUSED: Rule | None = None

_ROWS = {
    #   to N        I         M         X         U         P
    A: (INSIDE,     INSIDE,   LEAVING,  ASTRAY,   UNTOLD,   TO_SERVER),
    D: (TO_NATIVE,  ENTERING, NOT_OURS, NOT_OURS, NOT_OURS, TO_SERVER),
    M: (TO_NATIVE,  ENTERING, NOT_OURS, NOT_OURS, NOT_OURS, TO_SERVER),
    V: (TO_NATIVE,  ENTERING, NOT_OURS, NOT_OURS, NOT_OURS, TO_SERVER),
    X: (REFUSED,    REFUSED,  NOT_OURS, NOT_OURS, NOT_OURS, TO_SERVER),
    S: (REFUSED,    REFUSED,  REFUSED,  REFUSED,  REFUSED,  REFUSED),
    U: (UNTOLD,     UNTOLD,   NOT_OURS, NOT_OURS, NOT_OURS, TO_SERVER),
}  # fmt: skip
TABLE = {
    (writer, recipient): rule
    for writer, row in _ROWS.items()
    for recipient, rule in zip((N, I, M, X, U, P), row, strict=True)
}


def decide(
    envelope: Envelope, facts: Facts, settings: Settings, now: datetime, explain: bool = False
) -> Decision:
    """Whether the message may pass, why, and under which addresses; with `explain`, every step of the way."""
    writer, failure = routing_classes.sender(envelope, facts, settings)
    rule = TABLE[writer, routing_classes.recipient(facts)]
    if rule is not None:
        failure = None
        for condition in rule.conditions:
            failure = condition.failure(facts, settings, now)
            if failure is not None:
                break
    if failure is not None:
        ours = writer == A or (writer == S and _may_know(envelope, settings))
        decision = failure.to_us if ours else failure.to_outsiders
    else:
        assert rule is not None
        decision = rule.passes(writer, facts)
    if explain:
        return decision._replace(steps=_steps(envelope, facts, settings, now, rule))
    return decision


def _may_know(envelope: Envelope, settings: Settings) -> bool:
    """Whether somebody who uses an address of ours wrongly is one of us all the same."""
    return bool(envelope.authenticated_user) or settings.is_own_client(envelope.client_address)


def _steps(
    envelope: Envelope, facts: Facts, settings: Settings, now: datetime, rule: Rule | None
) -> tuple[Step, ...]:
    found = [
        *routing_classes.steps_of_sender(envelope, facts, settings),
        *routing_classes.steps_of_recipient(facts),
    ]
    for condition in rule.conditions if rule is not None else ():
        found += condition.steps(facts, settings, now)
        if condition.failure(facts, settings, now) is not None:
            break
    return tuple(found)


def answer(
    envelope: Envelope, lookups: Lookups, settings: Settings, now: datetime, explain: bool = False
) -> Decision:
    """Collect and decide; while the facts cannot be had, the message waits."""
    try:
        facts = collect(envelope, lookups, settings)
    except Unavailable:
        return reasons.ANNUAIRE_INDISPONIBLE.to_us
    return decide(envelope, facts, settings, now, explain)


def is_reached_from_outside(account: AccountFacts, settings: Settings, now: datetime) -> bool:
    """Whether what the trust space and the DGS write to the interop address of an account is delivered."""
    address = mail_address.parse(account.interop)
    if address is None or settings.kind(address.domain) != INTEROP:
        return False
    facts = Facts(Party(NULL), Party(INTEROP, address, account), True)
    return all(condition.failure(facts, settings, now) is None for condition in ENTERING.conditions)
