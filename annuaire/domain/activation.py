"""When a person may open exchanges with the trust space, and when they may go on liste rouge.

Opening is refused for one reason, the first that holds in this order: the version of the software (the person can
change it), the profession (nobody can), the state of the subscription (the operator can), the calendar (time does).

# Note [Liste rouge hides, it never blocks]
A choice of liste rouge takes the coordinates of a person out of what the MSSanté side may look up. It plays no part
in whether a message passes: who was given the address goes on writing, the person goes on answering, and what the
DGS sends arrives. So no function that decides about messages may take it, and `is_reachable_from_trust_space`,
asked for visibility and for routing alike, does not know it; visibility adds it afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from annuaire.domain import calendar
from annuaire.domain.account import ACTIVE, CLOSED, SUSPENDED, Account
from annuaire.domain.calendar import Calendar
from annuaire.domain.profession import Professions


class Rules(NamedTuple):
    """What the shipped files and the configuration say."""

    professions: Professions
    calendar: Calendar
    profile: str  # of professions


class Refusal(NamedTuple):
    """Why not: a code that never changes, and a sentence for people."""

    code: str
    text: str


class Subscription(Protocol):
    """What an `Account` and the `AccountFacts` of routing have in common."""

    @property
    def interop(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def professions(self) -> Sequence[str]: ...
    @property
    def state(self) -> str: ...
    @property
    def interop_on(self) -> bool: ...


VERSION, PROFESSION, STATE, CALENDAR = "version", "profession", "etat", "calendrier"
INTEROP_OFF, NO_ADDRESS = "interop", "adresse"


def missing(subscription: Subscription, rules: Rules, now: datetime) -> str:
    """The code of the first condition that keeps somebody apart from the trust space, "" when all hold.

    The calendar is not among them: it plays a part in opening exchanges only.
    """
    standing = _standing(subscription, rules, calendar.day(now))
    if standing:
        return standing
    if not subscription.interop_on:
        return INTEROP_OFF
    return "" if subscription.interop else NO_ADDRESS


def is_reachable_from_trust_space(subscription: Subscription, rules: Rules, now: datetime) -> bool:
    """Whether messages pass between somebody and the trust space. Note [Liste rouge hides, it never blocks]."""
    return not missing(subscription, rules, now)


def _standing(subscription: Subscription, rules: Rules, on: date) -> str:
    if subscription.version != 2:
        return VERSION
    if not rules.professions.eligible(subscription.professions, rules.profile, on):
        return PROFESSION
    return "" if subscription.state == ACTIVE else STATE


def refusal(account: Account, rules: Rules, now: datetime) -> Refusal | None:
    """Why this account may not open exchanges with the trust space now; None when it may."""
    on = calendar.day(now)
    code = _standing(account, rules, on)
    if code == VERSION:
        return Refusal(code, "Seule la version 2 d'APICRYPT échange avec l'espace de confiance MSSanté.")
    if code == PROFESSION:
        return Refusal(code, _about_professions(account.professions, rules.professions))
    if code == STATE:
        return Refusal(code, _STATES.get(account.state, "L'abonnement n'est pas actif."))
    opens = rules.calendar.opening(account.postal_code, account.native)
    if on < opens:
        region = rules.calendar.region(account.postal_code, account.native)
        where = "Les échanges avec l'espace de confiance MSSanté" + (f" ({region.name})" if region else "")
        return Refusal(CALENDAR, f"{where} ouvrent le {calendar.in_french(opens)}.")
    return None


_STATES = {
    SUSPENDED: "L'abonnement est suspendu.",
    CLOSED: "L'abonnement est résilié.",
}


def _about_professions(codes: Sequence[str], professions: Professions) -> str:
    if not codes:
        return (
            "Aucune profession n'est indiquée : l'espace de confiance MSSanté est ouvert selon la profession."
        )
    named = ", ".join([f"{professions.label(code) or 'inconnue'} ({code})" for code in codes])
    return f"L'espace de confiance MSSanté n'est pas ouvert à cette profession : {named}."


def liste_rouge_refusal(account: Account) -> Refusal | None:
    """Why this account may not go on liste rouge; None when it may. Leaving it is always possible.

    It is a choice of somebody who exchanges with the trust space; once made it outlives closing and opening again.
    """
    if account.interop_on or account.liste_rouge:
        return None
    return Refusal(
        INTEROP_OFF,
        "La liste rouge se choisit une fois les échanges avec l'espace de confiance MSSanté ouverts.",
    )
