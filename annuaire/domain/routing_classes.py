"""The letters of the routing table: who writes, and whom they write to.

Who writes is what the session proves, not what the envelope says: an address of ours is believed of whoever is logged
in as its owner or sits in our own networks, a domain of the trust space of whoever shows a certificate listed for it.
"""

from __future__ import annotations

from functools import lru_cache

from annuaire.domain import liste_blanche, reasons
from annuaire.domain.envelope import (
    DGS,
    INTEROP,
    MALFORMED,
    NATIVE,
    NULL,
    POSTMASTER,
    Envelope,
    Facts,
    Party,
    Settings,
)
from annuaire.domain.reasons import Reason, Step

A = "A"  # one of our accounts, in a session of its own or from our networks; or our servers' own null sender
D = "D"  # the DGS, as M
M = "M"  # a domain of the liste blanche, with a certificate listed for it where one is shown or required
# The null sender of somebody else: a bounce or a receipt, treated as M. It claims no domain, so what its certificate
# proves is what the mail server verified, that an authority of the trust space issued it; that one must be shown
# where [routing] require_certificate says so.
V = "V"
X = "X"  # anybody else
S = "S"  # an address of ours in the hands of somebody who may not use it
U = "U"  # M or X: no liste blanche tells

N = "N"  # a native address, whether somebody has it or not
# An interop address, likewise.
I = "I"  # noqa: E741
P = "P"  # the postmaster, without a domain


def sender(envelope: Envelope, facts: Facts, settings: Settings) -> tuple[str, Reason | None]:
    """Who writes and, for S and X, why they are that."""
    party = facts.sender
    if party.kind in (NATIVE, INTEROP):
        return _one_of_ours(envelope, party, settings)
    if party.kind == NULL:
        if party.account is not None or settings.is_own_client(envelope.client_address):
            return A, None
        if settings.require_certificate and not envelope.certificate:
            return X, reasons.CERTIFICAT_ABSENT
        return V, None
    if party.kind in (MALFORMED, POSTMASTER):
        return X, reasons.EXPEDITEUR_MALFORME
    if party.listed is None:
        return (X, reasons.HORS_ESPACE) if facts.loaded else (U, None)
    if envelope.certificate:
        if not _is_listed(envelope.certificate, party.listed.certificates):
            return X, reasons.CERTIFICAT_INCONNU
    elif settings.require_certificate:
        return X, reasons.CERTIFICAT_ABSENT
    return (D if party.kind == DGS else M), None


def _one_of_ours(envelope: Envelope, party: Party, settings: Settings) -> tuple[str, Reason | None]:
    if _is_session_of(party, envelope):
        return A, None
    if settings.is_own_client(envelope.client_address):
        return (A, None) if party.account is not None else (S, reasons.EXPEDITEUR_INCONNU)
    # The same for an address that nobody has: what exists is not told.
    if envelope.authenticated_user:
        return S, reasons.EXPEDITEUR_AUTRE_COMPTE
    return S, reasons.EXPEDITEUR_NON_AUTHENTIFIE


def _is_session_of(party: Party, envelope: Envelope) -> bool:
    """Whether the session is logged in with one of the addresses of the account that is the sender."""
    address, account = party.address, party.account
    if account is None or address is None or not envelope.authenticated_user:
        return False
    user = envelope.authenticated_user.lower()
    if user in (address.plain, address.exact):
        return True
    return user in (account.native.lower(), account.interop.lower())


# Each operator shows a few certificates for its domains, again and again.
@lru_cache(16_384)
def _is_listed(certificate: str, listed: tuple[str, ...]) -> bool:
    return liste_blanche.is_listed(certificate, listed)


def recipient(facts: Facts) -> str:
    kind = facts.recipient.kind
    if kind == NATIVE:
        return N
    if kind == INTEROP:
        return I
    if kind == POSTMASTER:
        return P
    if facts.recipient.listed is not None:
        return M
    return X if facts.loaded or kind == MALFORMED else U


# ---------------------------------------------------------------- the same, step by step


def steps_of_sender(envelope: Envelope, facts: Facts, settings: Settings) -> list[Step]:
    party = facts.sender
    own_client = Step("le client est dans nos réseaux", settings.is_own_client(envelope.client_address))
    shown = Step("le client montre un certificat", bool(envelope.certificate))
    if party.kind == NULL:
        found = [
            Step("l'expéditeur est vide (avis, accusé)", True),
            Step("la session est celle d'un de nos comptes", party.account is not None),
            own_client,
        ]
        return [*found, shown] if settings.require_certificate else found
    if party.kind in (MALFORMED, POSTMASTER):
        return [Step("l'expéditeur est une adresse", False)]
    if party.kind in (NATIVE, INTEROP):
        return [
            Step("l'expéditeur est d'un de nos domaines", True),
            Step("il est un de nos comptes", party.account is not None),
            Step("la session est la sienne", _is_session_of(party, envelope)),
            own_client,
        ]
    found = [
        Step("l'expéditeur est d'un de nos domaines", False),
        Step("son domaine est exactement celui de la DGS", party.kind == DGS),
        *_steps_of_list("de l'expéditeur", party, facts),
    ]
    if envelope.certificate and party.listed is not None:
        is_listed = _is_listed(envelope.certificate, party.listed.certificates)
        found.append(Step("le certificat du client y est inscrit pour ce domaine", is_listed))
    elif settings.require_certificate:
        found.append(shown)
    return found


def steps_of_recipient(facts: Facts) -> list[Step]:
    kind = facts.recipient.kind
    if kind == MALFORMED:
        return [Step("le destinataire est une adresse", False)]
    if kind == POSTMASTER:
        return [Step("le destinataire est le postmaster du serveur", True)]
    found = [
        Step("le destinataire a une adresse native", kind == NATIVE),
        Step("le destinataire a une adresse interop", kind == INTEROP),
    ]
    if kind not in (NATIVE, INTEROP):
        found += _steps_of_list("du destinataire", facts.recipient, facts)
    return found


def _steps_of_list(whose: str, party: Party, facts: Facts) -> list[Step]:
    if not facts.loaded:
        return [Step("une liste blanche est chargée", False)]
    return [Step(f"le domaine {whose} est sur la liste blanche", party.listed is not None)]
