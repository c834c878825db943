"""Accounts for tests: invented entries as LDIF, and what a state that holds them answers."""

from __future__ import annotations

from pathlib import Path

from annuaire.domain import password as passwords
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.query import SizeLimits
from annuaire.index.reader import Reader
from annuaire.index.search import Directory, Settings
from annuaire.ldap import schema as schemas
from annuaire.ldap.directory import Account

SUFFIX = "o=apicrypt,c=FR"
APICRYPT = f"ou=apicrypt,{SUFFIX}"


def directory(state: Path) -> Directory:
    """The index of a state, as a server asks it."""
    numbering = Numbering(schemas.standard())
    reader = Reader(IndexFolder(state / "index"), numbering)
    return Directory(reader, numbering, Settings(SUFFIX, SizeLimits({}, {}), 0.0), bytes(32))


def account(state: Path, name: str) -> Account | None:
    return directory(state).account(name)


def bound(state: Path, name: str, secret: str) -> Account | None:
    """Who a bind with this name and password is, None when it is refused."""
    found = account(state, name)
    if found is None or not passwords.verify(found.hashes, secret.encode()):
        return None
    return found
