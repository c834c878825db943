"""What the relax control lets an administrator say of an entry that is added: who it is, who made it, and when.

For copies of other directories, whose entries keep their identity (draft-zeilenga-ldap-relax §3.6). Everything else
that the server keeps stays its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from annuaire.domain import moment
from annuaire.ldap.modification import Attributes
from annuaire.ldap.results import ResultCode
from annuaire.ldap.writing import WriteRefusedError
from annuaire.store.entries import Stamps

_CREATED, _CREATOR = "createTimestamp", "creatorsName"
_MODIFIED, _MODIFIER = "modifyTimestamp", "modifiersName"
_UUID = "entryUUID"


def taken(attributes: Attributes) -> tuple[Stamps, bytes]:
    """Take out of the attributes what is said of these; the stamps, and the entry's identity: a new one by itself."""

    def one(name: str, read: Callable[[str], str]) -> str:
        values = attributes.pop(name, None)
        return read(values[0].decode()) if values else ""

    identity = one(_UUID, str)
    stamps = Stamps(one(_CREATED, _second), one(_CREATOR, str), one(_MODIFIED, _second), one(_MODIFIER, str))
    return stamps, uuid.UUID(identity).bytes if identity else uuid.uuid4().bytes


def _second(text: str) -> str:
    """A moment as the store writes moments."""
    parsed = moment.parse(text)
    if parsed is None:
        raise WriteRefusedError(ResultCode.constraintViolation, f"{text[:40]}: not a moment that is kept")
    return moment.format(parsed)
