"""Add, modify, delete and modify DN (RFC 4511 §4.6-4.9): refused before anything is read.

So the refusal says nothing of whether the entry exists, to an administrator or to anybody.
"""

from __future__ import annotations

from annuaire.domain.audience import Audience
from annuaire.ldap import responses
from annuaire.ldap.identity import Identity
from annuaire.ldap.results import ResultCode


def refuse(message_id: int, response_tag: int, identity: Identity) -> bytes:
    if identity.audience & Audience.ADMIN:
        return responses.result(
            message_id,
            response_tag,
            ResultCode.unwillingToPerform,
            text="writes over LDAP are not available yet; use annuaire import",
        )
    return responses.result(
        message_id, response_tag, ResultCode.insufficientAccessRights, text="only administrators may write"
    )
