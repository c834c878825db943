"""Who of the physicians held the indicator « disposer d'une messagerie sécurisée de santé » at the end of a year.

The rule is in domain/forfait.py; here it meets the accounts of the store. An account that is no more is not told: its
entry, and so its profession, has gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from annuaire.domain import forfait, identifiers
from annuaire.domain.profession import PHYSICIAN
from annuaire.reporting import subscriptions
from annuaire.reporting.subscriptions import Subscription
from annuaire.store.engine import Reader


class Line(NamedTuple):
    """One physician. version None: nothing is known that early; 0 (forfait.CLOSED): closed by then."""

    address: str
    name: str
    rpps: str
    version: int | None
    since: str  # GeneralizedTime, "" when there is no version
    holds: bool


def report(reader: Reader, year: int) -> Iterator[Line]:
    """A line for each account of a physician, in the order of national identifications."""
    rows: dict[str, list[forfait.Dated]] = {}
    for account, since, version in reader.all_versions():
        rows.setdefault(account, []).append((since, version))
    for one in subscriptions.every(reader):
        if PHYSICIAN in [code.strip() for code in one.account.professions]:
            yield _line(one, rows.get(one.account.native.lower(), []), year)


def _line(one: Subscription, rows: list[forfait.Dated], year: int) -> Line:
    versions = forfait.history(one.attributes, rows, one.created_at)
    found = forfait.at_end_of(versions, year)
    return Line(
        address=one.account.native,
        name=one.name,
        rpps=_rpps(one),
        version=None if found is None else found[1],
        since="" if found is None else found[0],
        holds=forfait.holds(versions, year),
    )


def _rpps(one: Subscription) -> str:
    """The eleven digits, "" for an account with another identification or none."""
    national = one.account.national
    if one.text("TypeIdentifiantPP") != identifiers.RPPS:
        return ""
    return national[1:] if identifiers.is_well_formed(identifiers.RPPS, national) else ""
