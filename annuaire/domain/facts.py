"""What a routing decision knows of one address or domain: small values, kept ready in the index.

Liste rouge is not among them: Note [Liste rouge hides, it never blocks].
"""

from __future__ import annotations

from typing import NamedTuple

from annuaire.domain.account import Account

_FIELD, _ITEM = "\n", "\t"

# Names under which facts are kept in the index, before the address or domain in lower case.
ADDRESS, DOMAIN = b"a", b"d"
# Present when a liste blanche was loaded.
LOADED = b"l"


class AccountFacts(NamedTuple):
    """One of our accounts, found by its native or its interop address."""

    native: str
    interop: str  # "" when none was allocated
    version: int
    professions: tuple[str, ...]
    state: str
    interop_on: bool
    key_end: str  # GeneralizedTime, "" for no end


class DomainFacts(NamedTuple):
    """A domain of the liste blanche and the certificate names listed for it (RFC 4514 text, as in the list)."""

    domain: str
    certificates: tuple[str, ...]


def of_account(account: Account) -> AccountFacts:
    return AccountFacts(
        account.native,
        account.interop,
        account.version,
        account.professions,
        account.state,
        account.interop_on,
        account.key_end,
    )


def pack_account(facts: AccountFacts) -> bytes:
    """The form that the index keeps."""
    parts = (
        facts.native,
        facts.interop,
        str(facts.version),
        _ITEM.join(facts.professions),
        facts.state,
        "1" if facts.interop_on else "",
        facts.key_end,
    )
    return _FIELD.join(part.replace(_FIELD, " ") for part in parts).encode()


def unpack_account(packed: bytes) -> AccountFacts:
    native, interop, version, professions, state, on, key_end = packed.decode().split(_FIELD)
    return AccountFacts(
        native,
        interop,
        int(version),
        tuple(professions.split(_ITEM)) if professions else (),
        state,
        on == "1",
        key_end,
    )


def pack_domain(facts: DomainFacts) -> bytes:
    return _FIELD.join((facts.domain, *[one.replace(_FIELD, " ") for one in facts.certificates])).encode()


def unpack_domain(packed: bytes) -> DomainFacts:
    domain, *certificates = packed.decode().split(_FIELD)
    return DomainFacts(domain, tuple(certificates))


def address_name(address: str) -> bytes:
    """The name of an address in lower case."""
    return ADDRESS + address.lower().encode()


def domain_name(domain: str) -> bytes:
    return DOMAIN + domain.lower().encode()
