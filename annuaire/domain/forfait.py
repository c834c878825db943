"""The indicator « disposer d'une messagerie sécurisée de santé » of the forfait structure (domain reference §11).

It is looked at once a year, at the end of 31 December: either version counts until 2018, version 2 alone from 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

from annuaire.domain import moment

# The first year for which version 1 is no longer enough.
VERSION_2_ALONE = 2019
# What the history holds from the day on which an account is closed.
CLOSED = 0


def holds(versions: Sequence[tuple[str, int]], year: int) -> bool:
    """Whether the indicator holds at the end of a year.

    versions: since when (GeneralizedTime) the account had which version, CLOSED for none, in any order. Who was not
    there yet, or no more, does not hold it; a suspended subscription is one.
    """
    end = moment.end_of_year(year)
    known = [
        (at, version) for since, version in versions if (at := moment.parse(since)) is not None and at < end
    ]
    if not known:
        return False
    # Of two at one moment the later row counts: max keeps the first of equals.
    version = max(reversed(known), key=lambda one: one[0])[1]
    return version == 2 or (version == 1 and year < VERSION_2_ALONE)
