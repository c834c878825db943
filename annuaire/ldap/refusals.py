"""The answers of requests that are not carried out: what may not be, what cannot be, and trouble of every kind."""

from __future__ import annotations

from annuaire.errors import Malformed, NotFound, Refused, Unavailable
from annuaire.ldap import capabilities, responses, standing
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import (
    AddRequest,
    BindRequest,
    CompareRequest,
    DeleteRequest,
    ExtendedRequest,
    Message,
    ModifyDnRequest,
    ModifyRequest,
    SearchRequest,
)
from annuaire.ldap.results import ResultCode

TAGS: dict[type, int] = {
    BindRequest: responses.BIND_RESPONSE,
    SearchRequest: responses.SEARCH_DONE,
    ModifyRequest: responses.MODIFY_RESPONSE,
    AddRequest: responses.ADD_RESPONSE,
    DeleteRequest: responses.DELETE_RESPONSE,
    ModifyDnRequest: responses.MODIFY_DN_RESPONSE,
    CompareRequest: responses.COMPARE_RESPONSE,
    ExtendedRequest: responses.EXTENDED_RESPONSE,
}
# An OID of the field is below forty characters; more is not repeated in a text.
OID_SHOWN_MAX = 64


def answer(message: Message, code: ResultCode, text: str = "") -> bytes:
    """The response that belongs to a request; none to those that are never answered."""
    tag = TAGS.get(type(message.operation))
    return b"" if tag is None else responses.result(message.message_id, tag, code, text=text)


def control(message: Message) -> bytes | None:
    """The refusal of the first critical control that this operation does not know."""
    unknown = capabilities.unavailable(message.controls, type(message.operation))
    if unknown is None:
        return None
    text = f"critical control {unknown.oid[:OID_SHOWN_MAX]} is not available here"
    return answer(message, ResultCode.unavailableCriticalExtension, text)


def to_gone(message: Message) -> bytes:
    """What somebody is told who is bound as an entry that is not there as it was."""
    return answer(message, ResultCode.insufficientAccessRights, standing.GONE)


def to_nobody(message: Message, identity: Identity, binding: bool) -> bytes:
    """What somebody without any audience is told; `binding`: between two steps of a SASL bind."""
    if binding:
        return answer(
            message, ResultCode.operationsError, "a SASL bind is under way: go on with it or begin anew"
        )
    if identity.anonymous:
        return answer(
            message, ResultCode.strongerAuthRequired, "bind first: anonymous access is not allowed here"
        )
    return answer(message, ResultCode.insufficientAccessRights, "this account belongs to no audience")


def trouble(message: Message, error: Exception) -> bytes | None:
    """The answer to a request that raised one of the kinds of trouble; None for a bug that nobody foresaw."""
    if isinstance(error, Unavailable):
        # A search is told to come back; a write, that what it needs is away (RFC 4511 §A.2).
        searching = isinstance(message.operation, SearchRequest | CompareRequest | BindRequest)
        return answer(message, ResultCode.busy if searching else ResultCode.unavailable, error.public)
    if isinstance(error, NotFound):
        return answer(message, ResultCode.noSuchObject)
    if isinstance(error, Refused):
        return answer(message, ResultCode.insufficientAccessRights, error.public)
    if isinstance(error, Malformed):
        return answer(message, ResultCode.protocolError, error.public)
    return None
