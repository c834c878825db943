"""Operations on what is held elsewhere (RFC 3296 §5): a name that is a referral or lies below one, without ManageDsaIT.

Searches are referred where they are answered (index/search.py); compare and the writes are here, before they begin.
"""

from __future__ import annotations

from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import dn as names
from annuaire.ldap import referrals, refusals, responses
from annuaire.ldap.controls import MANAGE_DSA_IT
from annuaire.ldap.directory import Found
from annuaire.ldap.messages import (
    AddRequest,
    CompareRequest,
    DeleteRequest,
    Message,
    ModifyDnRequest,
    ModifyRequest,
)
from annuaire.ldap.results import ResultCode
from annuaire.ldap.service import Service


def answer(message: Message, service: Service, audience: Audience) -> bytes | None:
    """The referral, or None: the operation is ours."""
    operation = message.operation
    assert isinstance(
        operation, AddRequest | CompareRequest | DeleteRequest | ModifyRequest | ModifyDnRequest
    )
    managed = any(control.oid == MANAGE_DSA_IT for control in message.controls)
    adding = isinstance(operation, AddRequest)
    found = None
    # ManageDsaIT makes a referral an entry like others, but nothing lies below it: that is elsewhere.
    if adding or not managed:
        # Adding what is there already is said to be so, whatever it is.
        found = _of(operation.dn, service, audience, above=adding)
    if found is not None:
        stored = referrals.uris(found.attributes | found.operational)
        uris = referrals.adjusted(stored, found.dn, operation.dn.decode())
        return responses.result(
            message.message_id,
            refusals.TAGS[type(operation)],
            ResultCode.referral,
            found.dn.encode(),
            referrals=uris,
        )
    superior = operation.new_superior if isinstance(operation, ModifyDnRequest) else None
    if superior is not None and _of(superior, service, audience) is not None:
        return refusals.answer(message, ResultCode.affectsMultipleDSAs, "the new superior is held elsewhere")
    return None


def _of(name: bytes, service: Service, audience: Audience, above: bool = False) -> Found | None:
    try:
        key = names.key(names.parse(name.decode()), service.schema)
    except (Malformed, UnicodeDecodeError):
        return None  # refused for that
    return service.directory.referral(names.parent_key(key) if above else key, audience)
