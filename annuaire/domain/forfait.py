"""The indicator « disposer d'une messagerie sécurisée de santé » of the forfait structure (domain reference §11).

It is looked at once a year, at the end of 31 December: either version counts until 2018, version 2 alone from 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from annuaire.domain import account as accounts
from annuaire.domain import moment
from annuaire.domain.account import Attributes

# The first year for which version 1 is no longer enough.
VERSION_2_ALONE = 2019
# What the history holds from the day on which an account is closed.
CLOSED = 0


# Since when, and which version: CLOSED for none.
Dated = tuple[str, int]


def holds(versions: Sequence[Dated], year: int) -> bool:
    """Whether the indicator holds at the end of a year.

    versions: since when (GeneralizedTime) the account had which version, CLOSED for none, in any order. Who was not
    there yet, or no more, does not hold it; a suspended subscription is one.
    """
    found = at_end_of(versions, year)
    return found is not None and (found[1] == 2 or (found[1] == 1 and year < VERSION_2_ALONE))


def at_end_of(versions: Sequence[Dated], year: int) -> Dated | None:
    """Which version there was at the end of a year and since when; None before the first."""
    end = moment.end_of_year(year)
    known: list[tuple[datetime, Dated]] = []
    for dated in versions:
        at = moment.parse(dated[0])
        if at is not None and at < end:
            known.append((at, dated))
    # Of two at one moment the later row counts: max keeps the first of equals.
    return max(reversed(known), key=lambda one: one[0])[1] if known else None


def history(attributes: Attributes, rows: Sequence[Dated], created_at: str) -> list[Dated]:
    """What is known of an account, oldest first: its rows, or what its entry tells.

    Rows are kept only of what the entry does not tell: an account that never changed has none.
    """
    account = accounts.of(attributes)
    if rows or account is None:
        return sorted(rows)
    values = attributes.get("apicryptVersionDepuis")
    since = (values[0].decode("utf-8", "replace") if values else "") or created_at
    if account.state != accounts.CLOSED:
        return [(since, account.version)]
    if since < created_at:
        return [(since, account.version), (created_at, CLOSED)]
    return [(created_at, CLOSED)]
