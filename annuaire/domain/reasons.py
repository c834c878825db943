"""Why a message passes or does not: every reason with its code, its status (RFC 3463) and what each reader is told.

A code never changes its meaning. Our own people read the sentence, without its accents, since SMTP replies are ASCII.
Everybody else reads one of two texts, whatever the truth is: Note [Who asks decides what exists].
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

# What is done with a message for one recipient.
DELIVER = "deliver"  # to one of our people
RELAY = "relay"  # to the trust space
REFUSE = "refuse"
DEFER = "defer"  # trouble on our side: later
NONE = "none"  # not ours to decide
VERDICTS = (DELIVER, RELAY, REFUSE, DEFER, NONE)

# The network that carries it on.
APICRYPT, MSSANTE = "apicrypt", "mssante"

# What a mail server is told where nothing stands against a message: never OK, which would open a relay (Postfix).
NO_OBJECTION = "DUNNO"
# The two texts for whoever is not ours, and the one for trouble.
NO_SUCH_RECIPIENT = "550 5.1.1 No such recipient"
NOT_ADMITTED = "550 5.7.1 Sender refused: not authenticated, or not of the trust space"
LATER = "451 4.3.0 Directory not ready, try again later"

# RFC 5321 §4.5.3.1.5: a reply line has 512 octets, code and line end included.
REPLY_MAX = 510


class Step(NamedTuple):
    """A condition that was looked at, in French, and whether it held."""

    condition: str
    held: bool


class Decision(NamedTuple):
    """The answer for one sender and one recipient."""

    verdict: str
    reason: str  # the code of a Reason
    status: str  # as it is told; "" where there is no opinion
    reply: str  # what the mail server is told
    route: str | None = None  # APICRYPT or MSSANTE
    sender_as: str | None = None  # "" is the null sender; None where nothing passes
    recipient_as: str | None = None
    encoding: str | None = None  # V1 or V2; None outside the sphere, where we encode nothing
    steps: tuple[Step, ...] = ()  # only where they were asked for


class Reason(NamedTuple):
    """One row of the table."""

    code: str
    verdict: str
    status: str  # what the reason deserves, told to those who may know it
    is_public: bool  # whether an outsider may know it
    sentence: str  # French
    to_us: (
        Decision  # as our own people are told; where a message passes the addresses are still to be written
    )
    to_outsiders: Decision  # as everybody else is


REASONS: dict[str, Reason] = {}


def ascii_text(sentence: str) -> str:
    """French as an SMTP reply may hold it."""
    plain = unicodedata.normalize("NFKD", sentence.translate(_TYPOGRAPHIC))
    return "".join(c for c in plain if c.isascii())


_TYPOGRAPHIC = str.maketrans({"’": "'", "«": '"', "»": '"', "œ": "oe", "Œ": "OE", "–": "-", "—": "-"})


def _kept(reason: Reason) -> Reason:
    assert reason.code not in REASONS
    REASONS[reason.code] = reason
    return reason


def _passes(code: str, verdict: str, sentence: str) -> Reason:
    status = "" if verdict == NONE else "2.1.5"
    told = Decision(verdict, code, status, NO_OBJECTION)
    return _kept(Reason(code, verdict, status, True, sentence, told, told))


def _refuses(code: str, reply: str, outside: str, sentence: str, *, is_public: bool = False) -> Reason:
    """`reply` is the reply code and status of whoever may know, `outside` the text of those who may not."""
    status = reply.split()[1]
    to_us = Decision(REFUSE, code, status, f"{reply} {ascii_text(sentence)}"[:REPLY_MAX])
    to_outsiders = Decision(REFUSE, code, outside.split()[1], outside)
    return _kept(Reason(code, REFUSE, status, is_public, sentence, to_us, to_outsiders))


def _waits(code: str, sentence: str) -> Reason:
    told = Decision(DEFER, code, LATER.split()[1], LATER)
    return _kept(Reason(code, DEFER, told.status, True, sentence, told, told))


# ---- It passes, or is not ours

DANS_LA_SPHERE = _passes(
    "dans_la_sphere", DELIVER, "Le message reste dans la sphère APICRYPT ; il est remis à l'adresse native."
)
VERS_L_ESPACE = _passes(
    "vers_l_espace",
    RELAY,
    "Le message part vers l'espace de confiance MSSanté, sous l'adresse interop de l'expéditeur.",
)
AVIS_VERS_L_ESPACE = _passes(
    "avis_vers_l_espace",
    RELAY,
    "L'avis (expéditeur vide) de nos serveurs part vers l'espace de confiance MSSanté.",
)
DE_L_ESPACE = _passes(
    "de_l_espace",
    DELIVER,
    "Le message vient de l'espace de confiance MSSanté ; il est remis à l'adresse native du destinataire.",
)
DE_LA_DGS = _passes(
    "de_la_dgs",
    DELIVER,
    "Le message vient de la Direction générale de la santé ; il est remis, liste rouge ou non.",
)
AVIS_DE_L_ESPACE = _passes(
    "avis_de_l_espace",
    DELIVER,
    "L'avis (expéditeur vide) vient de l'espace de confiance MSSanté ; il est remis à l'adresse native.",
)
PAS_DE_NOTRE_RESSORT = _passes(
    "pas_de_notre_ressort", NONE, "Ce message n'est pas du ressort de l'annuaire, qui n'a pas d'avis."
)

# ---- The sender may not

EXPEDITEUR_NON_AUTHENTIFIE = _refuses(
    "expediteur_non_authentifie",
    "550 5.7.1",
    NOT_ADMITTED,
    "Une adresse de nos domaines ne sert d'expéditeur que dans une session authentifiée sous ce compte, ou depuis nos "
    "réseaux.",
    is_public=True,
)
EXPEDITEUR_AUTRE_COMPTE = _refuses(
    "expediteur_autre_compte",
    "550 5.7.1",
    NOT_ADMITTED,
    "La session n'est pas authentifiée sous le compte de cette adresse d'expéditeur.",
)
EXPEDITEUR_INCONNU = _refuses(
    "expediteur_inconnu",
    "550 5.7.1",
    NOT_ADMITTED,
    "L'adresse d'expéditeur est d'un de nos domaines, mais d'aucun de nos comptes.",
)
EXPEDITEUR_SUSPENDU = _refuses(
    "expediteur_suspendu", "550 5.7.13", NOT_ADMITTED, "L'abonnement APICRYPT de l'expéditeur est suspendu."
)
EXPEDITEUR_RESILIE = _refuses(
    "expediteur_resilie", "550 5.7.13", NOT_ADMITTED, "L'abonnement APICRYPT de l'expéditeur est résilié."
)
EXPEDITEUR_V1 = _refuses(
    "expediteur_v1",
    "550 5.7.1",
    NOT_ADMITTED,
    "Seule la version 2 d'APICRYPT échange avec l'espace de confiance MSSanté ; l'expéditeur est en version 1.",
)
EXPEDITEUR_PROFESSION = _refuses(
    "expediteur_profession",
    "550 5.7.1",
    NOT_ADMITTED,
    "L'espace de confiance MSSanté n'est pas ouvert à la profession de l'expéditeur.",
)
EXPEDITEUR_INTEROP_FERMEE = _refuses(
    "expediteur_interop_fermee",
    "550 5.7.1",
    NOT_ADMITTED,
    "L'expéditeur n'a pas ouvert ses échanges avec l'espace de confiance MSSanté ; il le peut dans son espace "
    "personnel.",
)
HORS_ESPACE = _refuses(
    "hors_espace",
    "550 5.7.1",
    NOT_ADMITTED,
    "Le domaine de l'expéditeur n'est pas de l'espace de confiance MSSanté.",
    is_public=True,
)
EXPEDITEUR_MALFORME = _refuses(
    "expediteur_malforme", "550 5.7.1", NOT_ADMITTED, "L'expéditeur n'est pas une adresse.", is_public=True
)
CERTIFICAT_ABSENT = _refuses(
    "certificat_absent",
    "550 5.7.1",
    NOT_ADMITTED,
    "Le client ne montre pas de certificat, et nous en demandons un.",
    is_public=True,
)
CERTIFICAT_INCONNU = _refuses(
    "certificat_inconnu",
    "550 5.7.1",
    NOT_ADMITTED,
    "Le certificat du client n'est pas inscrit sur la liste blanche pour le domaine de l'expéditeur.",
    is_public=True,
)

# ---- The recipient may not, or is none

DESTINATAIRE_MALFORME = _refuses(
    "destinataire_malforme", "553 5.1.3", NO_SUCH_RECIPIENT, "Le destinataire n'est pas une adresse."
)
DESTINATAIRE_AMBIGU = _refuses(
    "destinataire_ambigu",
    "553 5.1.3",
    NO_SUCH_RECIPIENT,
    "Un serveur pourrait lire dans le destinataire une autre adresse que nous.",
)
DESTINATAIRE_INCONNU = _refuses(
    "destinataire_inconnu",
    "550 5.1.1",
    NO_SUCH_RECIPIENT,
    "Aucun de nos abonnés n'a cette adresse.",
    is_public=True,
)
DESTINATAIRE_HORS_ESPACE = _refuses(
    "destinataire_hors_espace",
    "550 5.7.1",
    NOT_ADMITTED,
    "Le destinataire n'est ni un abonné APICRYPT ni dans l'espace de confiance MSSanté.",
)
DESTINATAIRE_SUSPENDU = _refuses(
    "destinataire_suspendu",
    "550 5.2.1",
    NO_SUCH_RECIPIENT,
    "L'abonnement APICRYPT du destinataire est suspendu.",
)
DESTINATAIRE_RESILIE = _refuses(
    "destinataire_resilie",
    "550 5.2.1",
    NO_SUCH_RECIPIENT,
    "L'abonnement APICRYPT du destinataire est résilié.",
)
DESTINATAIRE_CLES = _refuses(
    "destinataire_cles",
    "550 5.2.1",
    NO_SUCH_RECIPIENT,
    "Les clés APICRYPT du destinataire ont expiré : il ne pourrait pas lire le message.",
)
ADRESSE_NATIVE = _refuses(
    "adresse_native",
    "550 5.1.1",
    NO_SUCH_RECIPIENT,
    "L'adresse native ne sert que dans la sphère APICRYPT ; l'espace de confiance MSSanté ne la connaît pas.",
)
DESTINATAIRE_V1 = _refuses(
    "destinataire_v1",
    "550 5.1.1",
    NO_SUCH_RECIPIENT,
    "Le destinataire est en version 1 : il ne reçoit rien de l'espace de confiance MSSanté.",
)
DESTINATAIRE_PROFESSION = _refuses(
    "destinataire_profession",
    "550 5.1.1",
    NO_SUCH_RECIPIENT,
    "L'espace de confiance MSSanté n'est pas ouvert à la profession du destinataire.",
)
DESTINATAIRE_INTEROP_FERMEE = _refuses(
    "destinataire_interop_fermee",
    "550 5.1.1",
    NO_SUCH_RECIPIENT,
    "Le destinataire n'a pas ouvert ses échanges avec l'espace de confiance MSSanté.",
)

# ---- Trouble on our side is temporary, never "unknown user"

LISTE_BLANCHE_ABSENTE = _waits(
    "liste_blanche_absente", "Aucune liste blanche n'est chargée : on ne peut pas savoir qui est de l'espace."
)
INTEROP_SANS_ADRESSE = _waits(
    "interop_sans_adresse",
    "Les échanges MSSanté de l'expéditeur sont ouverts, mais son adresse interop manque.",
)
ANNUAIRE_INDISPONIBLE = _waits("annuaire_indisponible", "L'annuaire n'est pas prêt.")
