"""Whom a name stands for: names that bind, names of SASL, and the authorization identities of RFC 4513 §5.2.1.8.

A SASL name is a DN, an address, or the bare name of an account below ou=comptes; `dn:` or `u:` may stand before it.
"""

from __future__ import annotations

from dataclasses import replace

from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import dn as names
from annuaire.ldap.directory import Account
from annuaire.ldap.dn import Dn, Rdn
from annuaire.ldap.identity import Identity
from annuaire.ldap.service import Service
from annuaire.ldap.standing import Standing
from annuaire.ldap.tree import ACCOUNTS

# A name longer than any DN or address of ours is nobody's, and is not looked at.
NAME_MAX = 2048


def of_account(account: Account, service: Service) -> Identity:
    name = key(account.dn, service)
    standing = Standing(account.dn, name, account.uuid, account.audience, account.replicates)
    return Identity(account.dn, account.audience, name, replicates=account.replicates, standings=(standing,))


def key(text: str, service: Service) -> bytes:
    """dn.key of a name; empty for what is none."""
    try:
        return names.key(names.parse(text), service.schema)
    except Malformed:  # an address, or nothing at all
        return b""


def named(text: str, service: Service) -> Identity | None:
    """Whoever has this name: the administrator or an account, with a password or without."""
    administrator = service.administrator
    if administrator is not None and key(text, service) == administrator.key:
        return Identity(administrator.dn, Audience.ADMIN, administrator.key)
    account = service.directory.account(text) if text else None
    return of_account(account, service) if account is not None else None


def login_name(sent: bytes, service: Service) -> str:
    """The bind name, a DN or an address, that a SASL name means; empty for what is no text or too long."""
    if len(sent) > NAME_MAX:
        return ""
    try:
        text = sent.decode()
    except UnicodeDecodeError:
        return ""
    if text.startswith(("dn:", "u:")):
        text = text.partition(":")[2]
    if not text or "=" in text or "@" in text or service.tree is None:
        return text
    return names.format(Dn((Rdn((("uid", text),)), *service.tree.branch(ACCOUNTS).rdns)))


def assume(identity: Identity, authzid: bytes, service: Service) -> Identity | None:
    """Whom an identity acts for: itself; an administrator, anybody who exists; None when that may not be."""
    if not authzid:
        return identity
    if not authzid.startswith((b"dn:", b"u:")):
        return None
    name = login_name(authzid, service)
    if means(name, identity, service):
        return identity
    asked = named(name, service) if identity.audience & Audience.ADMIN else None
    return in_the_name_of(asked, identity, identity.dn) if asked is not None else None


def means(name: str, identity: Identity, service: Service) -> bool:
    """Whether a bind name is that of who is bound. Whoever else it means is not looked up: that can be timed."""
    if not name or not identity.dn:
        return False
    # Who showed a certificate has a name that is no entry's.
    if key(name, service) == (identity.key or key(identity.dn, service)):
        return True
    return bool(identity.key) and service.directory.is_of(identity.key, name)


def in_the_name_of(asked: Identity, administrator: Identity, bound: str) -> Identity:
    """Whom an administrator acts for, as long as both are who they were."""
    return replace(asked, bound=bound, standings=(*asked.standings, *administrator.standings))
