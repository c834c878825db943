"""Add, modify, delete and modify DN (RFC 4511 §4.6-4.9), as far as a session decides: who may write where.

Refusals here are decided before anything is read, so they say nothing of what exists.
"""

from __future__ import annotations

from annuaire.domain import access
from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import controls, monitor, responses
from annuaire.ldap import dn as names
from annuaire.ldap.channel import Channel
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import (
    AddRequest,
    DeleteRequest,
    Message,
    ModifyDnRequest,
    ModifyRequest,
    Operation,
)
from annuaire.ldap.operations import elsewhere
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema
from annuaire.ldap.service import Service
from annuaire.ldap.transactions import Transactions
from annuaire.ldap.tree import Place
from annuaire.ldap.writing import WriteJob, WriteOutcome

_TAGS: dict[type, int] = {
    ModifyRequest: responses.MODIFY_RESPONSE,
    AddRequest: responses.ADD_RESPONSE,
    DeleteRequest: responses.DELETE_RESPONSE,
    ModifyDnRequest: responses.MODIFY_DN_RESPONSE,
}


def begin(
    message: Message,
    service: Service,
    identity: Identity,
    audience: Audience,
    peer: str,
    channel: Channel,
    transactions: Transactions,
) -> bytes | WriteJob:
    """The answer, or the write to hand over."""
    gives_password = _holds_password(message.operation, service)
    if service.require_tls and not channel.confidential and gives_password:
        return end(message, WriteOutcome(ResultCode.confidentialityRequired, "a password in clear needs TLS"))
    outcome = _decide(message, service, identity, audience, peer)
    if isinstance(outcome, WriteJob):
        referred = elsewhere.answer(message, service, audience)
        if referred:
            return referred
        outcome = transactions.take(message, outcome, gives_password)
    return outcome if isinstance(outcome, WriteJob) else end(message, outcome)


def end(message: Message, outcome: WriteOutcome) -> bytes:
    """The answer to a write."""
    return responses.result(
        message.message_id,
        _TAGS[type(message.operation)],
        outcome.code,
        outcome.matched.encode(),
        outcome.text,
        controls=controls.encode_controls(outcome.controls),
    )


def _holds_password(request: Operation, service: Service) -> bool:
    """Whether values of userPassword are sent, by any of its names."""
    if isinstance(request, AddRequest):
        sent = [name for name, _ in request.attributes]
    elif isinstance(request, ModifyRequest):
        sent = [name for _, name, values in request.changes if values]
    else:
        return False
    return any(service.schema.canonical(name.partition(";")[0]).lower() == "userpassword" for name in sent)


def _decide(
    message: Message, service: Service, identity: Identity, audience: Audience, peer: str
) -> WriteOutcome | WriteJob:
    request = message.operation
    assert isinstance(request, AddRequest | ModifyRequest | DeleteRequest | ModifyDnRequest)
    try:
        name = names.parse(request.dn.decode())
        key = names.key(name, service.schema)
    except (Malformed, UnicodeDecodeError):
        return WriteOutcome(ResultCode.invalidDNSyntax, "not a distinguished name")
    grant = access.to_write(
        audience, bool(identity.key) and key == identity.key, isinstance(request, ModifyRequest)
    )
    if grant is None:
        if identity.anonymous:
            return WriteOutcome(
                ResultCode.insufficientAccessRights, "bind first: only administrators may write"
            )
        return WriteOutcome(ResultCode.insufficientAccessRights, _not_here(identity, audience, key, service))
    tree = service.tree
    if tree is None:
        return WriteOutcome(ResultCode.unwillingToPerform, "this server takes no writes")
    place = tree.place(key)
    if service.own_entries.by_key(key) is not None or (
        place is Place.OUTSIDE and names.is_within(key, _monitor(service.schema))
    ):
        return WriteOutcome(ResultCode.unwillingToPerform, "this entry is the server's own")
    if place is Place.COMPUTED:
        return WriteOutcome(
            ResultCode.unwillingToPerform, f"this subtree is computed; write below {tree.where_to_write}"
        )
    return WriteJob(
        request,
        message.controls,
        identity.dn,
        audience,
        grant,
        peer,
        identity.bound,
        standings=identity.standings,
    )


def _not_here(identity: Identity, audience: Audience, key: bytes, service: Service) -> str:
    """Of what is computed, people may be shown their own under a name that is nobody's to write: where theirs is, they
    know, and are told it whatever name they tried."""
    text = "only administrators may write here"
    if service.tree is None or service.tree.place(key) is not Place.COMPUTED or not identity.key:
        return text
    own = access.to_write(audience, True, True)
    return text if own is None else f"this subtree is computed; of your own entry write to {identity.dn}"


def _monitor(schema: Schema) -> bytes:
    return names.key(names.parse(monitor.ROOT), schema)
