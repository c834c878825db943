"""What must hold of an entry by itself, beyond what a syntax can say: every writer asks, without looking at the store.

What accounts obey beyond this, and what the store remembers of them, is in accounts.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from annuaire.domain import account, audience
from annuaire.ldap import dn, referrals
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema
from annuaire.ldap.tree import Tree
from annuaire.passwords import hashes

Attributes = Mapping[str, Sequence[bytes]]


class Verdict(NamedTuple):
    """`refusal`: result code and reason, or None; `warnings`: what was not taken, and why."""

    refusal: tuple[int, str] | None = None
    warnings: tuple[str, ...] = ()


FINE = Verdict()
# RFC 4519 §2.41 lets userPassword be in clear; a store that somebody may copy does not.
_IN_CLEAR = Verdict(
    (
        19,
        "userPassword: a password in clear is not kept, give its hash: {ARGON2}, {SSHA512}, {SSHA}, {CRYPT}, …",
    )
)

_NOWHERE_ELSE = Verdict(
    (64, "apicryptUtilisateur: an account of APICRYPT lies below ou=apicrypt, nowhere else")
)

# Below which classes nothing lies: RFC 3296 §5.1.3, RFC 4512 §2.6 (an alias is a leaf), X.501 §14.1.
_CLOSED = {
    "referral": (
        ResultCode.affectsMultipleDSAs,
        "the entry above it is a referral: what lies below that is held elsewhere, add it there",
    ),
    "alias": (
        ResultCode.aliasProblem,
        "the entry above it is an alias: put it below the entry that the alias names",
    ),
    "subentry": (
        ResultCode.objectClassViolation,
        "the entry above it is a subentry, below which nothing lies: put it beside that",
    ),
}

_CLEAR = (None, b"CLEARTEXT")

# Read as they stand: the same with a language would be another attribute, which decides nothing.
_PLAIN_ANYWHERE = frozenset({"annuaireaudience", "annuairereplication"})
_PLAIN_OF_ACCOUNTS = _PLAIN_ANYWHERE | frozenset(map(str.lower, account.READ))

# What attributes may hold when they are there.
_WORDS = {
    "apicryptVersion": ("1", "2"),
    "apicryptEtat": account.STATES,
    "annuaireAudience": tuple(audience.NAMES),
}


def placed(is_account: bool, key: bytes, planted: Tree) -> Verdict:
    """Judge where an entry is to lie: a further tree may be read by everybody, and nobody is hidden in it."""
    if is_account and not dn.is_within(key, planted.managed["apicrypt"]):
        return _NOWHERE_ELSE
    return FINE


class Closed(NamedTuple):
    """Structural classes of entries below which nothing is put, and what whoever tries is told."""

    refusal: tuple[int, str]
    classes: frozenset[str]


@lru_cache(8)
def closed(schema: Schema) -> tuple[Closed, ...]:
    """All of them, with the classes that descend from them."""
    kinds = schema.object_classes
    return tuple(
        Closed(refusal, frozenset([known.name for known in kinds if key in known.superclasses]))
        for key, refusal in _CLOSED.items()
    )


def below(structural: str, schema: Schema) -> Verdict:
    """Judge whether something may be put below an entry of this structural class."""
    return next((Verdict(one.refusal) for one in closed(schema) if structural in one.classes), FINE)


def reclassed(before: str, after: str) -> Verdict:
    """Judge whether an entry may be of another structural class than it was (RFC 4512 §2.4.2: never)."""
    if before.lower() == after.lower():
        return FINE
    text = (
        f"the structural class of an entry does not change: {before}, not {after}; delete it and add it anew"
    )
    return Verdict((ResultCode.objectClassModsProhibited, text))


def judge(old: Attributes | None, new: Attributes) -> Verdict:
    """Judge a new entry (old is None) or a changed one."""
    if any(hashes.scheme(value) in _CLEAR for value in new.get("userPassword", ())):
        return _IN_CLEAR
    optional = [name for name in new if ";" in name]
    if optional:
        plain = _PLAIN_OF_ACCOUNTS if account.is_one(new) else _PLAIN_ANYWHERE
        for name in optional:
            known = name.partition(";")[0]
            if known.lower() in plain:
                return Verdict((17, f"{name}: {known} has no options here, leave them out"))
    for value in new.get(referrals.REF, ()):
        fault = referrals.fault(value)
        if fault is not None:
            return Verdict((21, f"{referrals.REF}: {fault}"))
    for name, words in _WORDS.items():
        for value in new.get(name, ()):
            if value.decode("utf-8", "replace").strip().lower() not in words:
                return Verdict((19, f"{name}: one of {', '.join(words)}"))
    return FINE
