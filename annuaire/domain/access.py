"""What each audience may read and write, in one table: the session obeys it, `annuaire check --access` prints it.

Reading is a matter of the index (Note [Who asks decides what exists]): what an audience may not read does not exist
for it. Writing is decided here, before anything is looked at, so that a refusal tells nothing of what exists.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from annuaire.domain.audience import EVERYBODY, NAMES, Audience

# What a person changes of their own entry, and nothing else.
SELF_WRITABLE = ("userPassword", "userCertificate", "telephoneNumber", "listeRouge", "apicryptInterop")


class Part(Enum):
    """A part of the tree, as the table tells them apart."""

    SERVER = "root DSE, cn=Subschema"
    MONITOR = "cn=Monitor"
    SUFFIX = "suffix"
    COMPUTED = "ou=personnes, ou=structures"
    APICRYPT = "ou=apicrypt"
    ACCOUNTS = "ou=comptes"
    TREE = "[trees] suffixes"
    OWN = "own entry"
    PASSWORD = "own password, by Password Modify"  # noqa: S105


class Right(NamedTuple):
    """Who reads a part, who adds, changes and deletes in it, and which attributes alone (empty: all)."""

    part: Part
    readers: Audience
    writers: Audience
    attributes: tuple[str, ...] = ()


ADMIN = Audience.ADMIN
NOBODY = Audience(0)
TABLE = (
    Right(Part.SERVER, EVERYBODY, NOBODY),
    Right(Part.MONITOR, ADMIN, NOBODY),
    Right(Part.SUFFIX, EVERYBODY, NOBODY),
    # Each audience its own view: domain/visibility.py.
    Right(Part.COMPUTED, EVERYBODY, NOBODY),
    Right(Part.APICRYPT, ADMIN, ADMIN),
    Right(Part.ACCOUNTS, ADMIN, ADMIN),
    # Read by `[trees] readers`.
    Right(Part.TREE, EVERYBODY, ADMIN),
    Right(Part.OWN, Audience.APICRYPT, Audience.APICRYPT, SELF_WRITABLE),
    Right(Part.PASSWORD, NOBODY, EVERYBODY, ("userPassword",)),
)
RIGHTS = {right.part: right for right in TABLE}


def reads_own(audience: Audience) -> bool:
    """Whether whoever is bound as an entry of this audience reads that entry as it is stored, passwords aside."""
    return bool(audience & RIGHTS[Part.OWN].readers)


class Permission(NamedTuple):
    """One line of the table: what one audience does in one part."""

    part: Part
    audience: Audience
    reads: bool
    adds: bool
    modifies: bool
    deletes: bool
    attributes: tuple[str, ...]  # which alone are modified; empty: all


def permissions(tree_readers: Audience = EVERYBODY) -> Iterator[Permission]:
    """The table line by line, each audience in each part. tree_readers: `[trees] readers`."""
    for right in TABLE:
        for audience in NAMES.values():
            yield _permission(right, audience, tree_readers | ADMIN)


def _permission(right: Right, audience: Audience, tree_readers: Audience) -> Permission:
    part = right.part
    if part is Part.OWN and audience & ADMIN:
        right = RIGHTS[Part.ACCOUNTS]  # theirs lies there
    readers = right.readers & tree_readers if part is Part.TREE else right.readers
    writes = bool(audience & right.writers)
    whole = writes and not right.attributes
    return Permission(part, audience, bool(audience & readers), whole, writes, whole, right.attributes)


class Grant(NamedTuple):
    """What may be changed: everything, or these attributes of that one entry."""

    attributes: frozenset[str] | None = None  # None: all; names in lower case


def to_write(audience: Audience, own: bool, modifies: bool) -> Grant | None:
    """What somebody may write at a name that lies where writing is possible at all; None: nothing.

    `own`: the name is that of the entry as which the asker is bound; `modifies`: by a Modify, neither adding nor
    deleting nor renaming.
    """
    if audience & RIGHTS[Part.APICRYPT].writers:
        return Grant()
    return _own(RIGHTS[Part.OWN], audience) if own and modifies else None


def to_change_password(audience: Audience, own: bool) -> Grant | None:
    """What somebody may write of a password that they are to change by Password Modify; None: nothing."""
    if audience & RIGHTS[Part.APICRYPT].writers:
        return Grant()
    return _own(RIGHTS[Part.PASSWORD], audience) if own else None


def _own(right: Right, audience: Audience) -> Grant | None:
    return Grant(frozenset(map(str.lower, right.attributes))) if audience & right.writers else None
