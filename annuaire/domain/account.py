"""A subscription to APICRYPT, read from the attributes of its entry (DESIGN: apicryptUtilisateur)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from annuaire.domain import audience, identifiers
from annuaire.domain.audience import Audience

CLASS = b"apicryptutilisateur"
ACTIVE, SUSPENDED, CLOSED = "actif", "suspendu", "resilie"
STATES = (ACTIVE, SUSPENDED, CLOSED)
# Before the identity of an entry, where a person has no national identification.
UNIDENTIFIED = "a-"

Attributes = Mapping[str, Sequence[bytes]]


class Account(NamedTuple):
    """What the rules ask of a subscription."""

    native: str  # the address used inside the sphere
    interop: str  # the address that was allocated, "" before the first activation
    version: int  # 1 or 2
    professions: tuple[str, ...]  # codes
    state: str
    interop_on: bool
    liste_rouge: bool
    key_end: str  # GeneralizedTime, "" for no end
    national: str  # "" without one
    postal_code: str

    @property
    def active(self) -> bool:
        return self.state == ACTIVE


def is_one(attributes: Attributes) -> bool:
    """Whether an entry is an account."""
    for value in attributes.get("objectClass", ()):  # noqa: SIM110 (asked of every entry that is written)
        if value.lower() == CLASS:
            return True
    return False


def seen_as(attributes: Attributes, subscribers: Audience = Audience.APICRYPT) -> Audience | None:
    """As which audience an entry binds: the one it names, or that of subscribers; None: it is no login."""
    named = attributes.get("annuaireAudience")
    if named:
        return audience.parse(named[0].decode("utf-8", "replace"))
    subscriber = of(attributes)
    return subscribers if subscriber is not None and subscriber.active else None


# What `of` reads.
READ = (
    "objectClass",
    "mail",
    "apicryptInteropMail",
    "apicryptVersion",
    "profession",
    "apicryptEtat",
    "apicryptInterop",
    "listeRouge",
    "apicryptFinValidite",
    "TypeIdentifiantPP",
    "IdentifiantPP",
    "postalCode",
)


def of(attributes: Attributes) -> Account | None:
    """The account that an entry is, None for an entry of another kind. Descriptions are canonical ones."""
    if not is_one(attributes):
        return None

    def one(name: str) -> str:
        values = attributes.get(name)
        return values[0].decode("utf-8", "replace") if values else ""

    version = one("apicryptVersion").strip()
    return Account(
        native=one("mail"),
        interop=one("apicryptInteropMail"),
        version=2 if version == "2" else 1,
        professions=tuple([value.decode("utf-8", "replace") for value in attributes.get("profession", ())]),
        state=one("apicryptEtat").strip().lower() or ACTIVE,
        interop_on=one("apicryptInterop").upper() == "TRUE",
        liste_rouge=one("listeRouge").upper() == "TRUE",
        key_end=one("apicryptFinValidite"),
        national=identifiers.one_spelling(
            identifiers.national(one("TypeIdentifiantPP"), one("IdentifiantPP"))
        ),
        postal_code=one("postalCode"),
    )


def of_changed(attributes: Attributes, before: Attributes | None, known: Account | None) -> Account | None:
    """The same, when what the entry was before is known: most changes change nothing of the subscription."""
    if before is None or known is None:
        return of(attributes)
    for name in READ:
        if attributes.get(name) != before.get(name):
            return of(attributes)
    return known


class Described(NamedTuple):
    """What an entry is found by beside its name, None for an entry that is no account."""

    person: str | None  # whom it describes, see `holder`
    account: str | None  # its native address in lower case: the key of what is remembered of it


def described(attributes: Attributes, uuid: bytes) -> Described:
    return described_as(of(attributes), uuid)


def described_as(account: Account | None, uuid: bytes) -> Described:
    """The same, of an account that is known already."""
    if account is None:
        return Described(None, None)
    return Described(_holder(account, uuid), account.native.lower())


def holder(attributes: Attributes, uuid: bytes) -> str | None:
    """Whom an entry describes: see `mailbox.holder`; None when it is no account.

    Two sources are one person when they say the same national identification, and never otherwise.
    """
    return described(attributes, uuid).person


def _holder(account: Account, uuid: bytes) -> str:
    # What cannot be an identification of any type ties nobody to anybody.
    identified = identifiers.is_well_formed("", account.national)
    return account.national if identified else UNIDENTIFIED + uuid.hex()
