"""The conditions of the routing table: each in French, and the reason that is given where it does not hold.

An end of the envelope without an account holds whatever is asked of accounts: as the sender it is one of our own
servers, and as the recipient it has failed before.

Note [Liste rouge hides, it never blocks]: no fact that is looked at here knows it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from annuaire.domain import account as accounts
from annuaire.domain import activation, reasons
from annuaire.domain.envelope import MALFORMED, Facts, Party, Settings
from annuaire.domain.reasons import Reason, Step

# None: it holds.
Failure = Callable[[Facts, Settings, datetime], Reason | None]


class Condition(NamedTuple):
    """Something that must hold, as people read it, and how one finds out."""

    text: str
    failure: Failure

    def steps(self, facts: Facts, settings: Settings, now: datetime) -> list[Step]:
        return [Step(self.text, self.failure(facts, settings, now) is None)]


class OpenToTrustSpace(NamedTuple):
    """Everything that `activation` asks of somebody, sender or recipient, who exchanges with the trust space.

    The state of the subscription has been looked at by then: it keeps nobody here, and is not told again.
    """

    end: Callable[[Facts], Party]
    texts: dict[str, str]  # by the codes of `activation`, in the order in which it looks at them
    otherwise: dict[str, Reason]

    def failure(self, facts: Facts, settings: Settings, now: datetime) -> Reason | None:
        missing = self._missing(facts, settings, now)
        return self.otherwise[missing] if missing else None

    def steps(self, facts: Facts, settings: Settings, now: datetime) -> list[Step]:
        missing = self._missing(facts, settings, now)
        found = []
        for code, text in self.texts.items():
            found.append(Step(text, code != missing))
            if code == missing:
                break
        return found

    def _missing(self, facts: Facts, settings: Settings, now: datetime) -> str:
        account = self.end(facts).account
        return "" if account is None else activation.missing(account, settings.rules, now)


def _sender_of(facts: Facts) -> Party:
    return facts.sender


def _recipient_of(facts: Facts) -> Party:
    return facts.recipient


# ---------------------------------------------------------------- the sender


def _sender_is_active(facts: Facts, settings: Settings, now: datetime) -> Reason | None:
    account = facts.sender.account
    if account is None or account.state == accounts.ACTIVE:
        return None
    return reasons.EXPEDITEUR_RESILIE if account.state == accounts.CLOSED else reasons.EXPEDITEUR_SUSPENDU


SENDER_ACTIVE = Condition("l'abonnement de l'expéditeur est actif", _sender_is_active)
SENDER_OPEN = OpenToTrustSpace(
    _sender_of,
    {
        activation.VERSION: "l'expéditeur est en version 2",
        activation.PROFESSION: "la profession de l'expéditeur est admise dans l'espace de confiance",
        activation.INTEROP_OFF: "l'expéditeur a ouvert ses échanges MSSanté",
        activation.NO_ADDRESS: "l'expéditeur a une adresse interop",
    },
    {
        activation.VERSION: reasons.EXPEDITEUR_V1,
        activation.PROFESSION: reasons.EXPEDITEUR_PROFESSION,
        activation.STATE: reasons.EXPEDITEUR_SUSPENDU,
        activation.INTEROP_OFF: reasons.EXPEDITEUR_INTEROP_FERMEE,
        # Opening gives the address at once: where it is missing, something of ours is broken.
        activation.NO_ADDRESS: reasons.INTEROP_SANS_ADRESSE,
    },
)

# ---------------------------------------------------------------- the recipient


def _recipient_is_known(facts: Facts, settings: Settings, now: datetime) -> Reason | None:
    if facts.recipient.account is not None:
        return None
    malformed = facts.recipient.address is None
    return reasons.DESTINATAIRE_MALFORME if malformed else reasons.DESTINATAIRE_INCONNU


def _recipient_is_active(facts: Facts, settings: Settings, now: datetime) -> Reason | None:
    account = facts.recipient.account
    if account is None or account.state == accounts.ACTIVE:
        return None
    return reasons.DESTINATAIRE_RESILIE if account.state == accounts.CLOSED else reasons.DESTINATAIRE_SUSPENDU


def _recipient_can_read(facts: Facts, settings: Settings, now: datetime) -> Reason | None:
    account = facts.recipient.account
    valid = account is None or settings.keys_are_valid(account, now)
    return None if valid else reasons.DESTINATAIRE_CLES


RECIPIENT_KNOWN = Condition("le destinataire est un de nos comptes", _recipient_is_known)
RECIPIENT_ACTIVE = Condition("l'abonnement du destinataire est actif", _recipient_is_active)
RECIPIENT_KEYS = Condition(
    "les clés du destinataire sont valides, ou dans leur délai de grâce", _recipient_can_read
)
RECIPIENT_OPEN = OpenToTrustSpace(
    _recipient_of,
    {
        activation.VERSION: "le destinataire est en version 2",
        activation.PROFESSION: "la profession du destinataire est admise dans l'espace de confiance",
        activation.INTEROP_OFF: "le destinataire a ouvert ses échanges MSSanté",
        activation.NO_ADDRESS: "le destinataire a une adresse interop",
    },
    {
        activation.VERSION: reasons.DESTINATAIRE_V1,
        activation.PROFESSION: reasons.DESTINATAIRE_PROFESSION,
        activation.STATE: reasons.DESTINATAIRE_SUSPENDU,
        activation.INTEROP_OFF: reasons.DESTINATAIRE_INTEROP_FERMEE,
        activation.NO_ADDRESS: reasons.DESTINATAIRE_INCONNU,
    },
)

# ---------------------------------------------------------------- the space between them


def _recipient_is_of_trust_space(facts: Facts, settings: Settings, now: datetime) -> Reason | None:
    malformed = facts.recipient.kind == MALFORMED
    return reasons.DESTINATAIRE_MALFORME if malformed else reasons.DESTINATAIRE_HORS_ESPACE


def _trust_space_is_known(facts: Facts, settings: Settings, now: datetime) -> Reason | None:
    return None if facts.loaded else reasons.LISTE_BLANCHE_ABSENTE


def _native_serves_outside(facts: Facts, settings: Settings, now: datetime) -> Reason | None:
    return reasons.ADRESSE_NATIVE


# How mail servers write two addresses in one (`name%ours@other`, `ours!name`, "name@ours"@other).
_ROUTING = frozenset("%!@")


def _recipient_is_clear(facts: Facts, settings: Settings, now: datetime) -> Reason | None:
    party = facts.recipient
    if party.kind == MALFORMED:
        return reasons.DESTINATAIRE_MALFORME
    two_in_one = party.address is not None and not _ROUTING.isdisjoint(party.address.local)
    return reasons.DESTINATAIRE_AMBIGU if two_in_one else None


# Note [One address, one meaning] What is not ours to decide about must not become ours behind our back: a recipient
# that a mail server may read otherwise than we do is refused, and none is passed over without an opinion.
RECIPIENT_CLEAR = Condition("personne ne peut lire un des nôtres dans le destinataire", _recipient_is_clear)

# These two stand in cells whose very letters say that they do not hold.
RECIPIENT_OF_TRUST_SPACE = Condition(
    "le destinataire est de l'espace de confiance", _recipient_is_of_trust_space
)
NATIVE_SERVES_OUTSIDE = Condition(
    "l'adresse native sert aussi à l'espace de confiance", _native_serves_outside
)
TRUST_SPACE_KNOWN = Condition("une liste blanche est chargée", _trust_space_is_known)
