"""Password Modify (RFC 3062), as far as a session decides: whose password, and who may change it.

Everybody changes their own: with the old one, or on a connection that was bound with it. Administrators change
anybody's. Whether the old one is right, and how the new one is kept, is found out beside the session.
"""

from __future__ import annotations

from annuaire.domain import access
from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import ber, controls, policy_control, responses
from annuaire.ldap import dn as names
from annuaire.ldap.channel import Channel
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import ExtendedRequest, Message
from annuaire.ldap.operations import identities
from annuaire.ldap.policy_control import PolicyError
from annuaire.ldap.results import ResultCode
from annuaire.ldap.service import Service
from annuaire.ldap.tree import Place
from annuaire.ldap.writing import PasswordChange, WriteJob, WriteOutcome

_IDENTITY, _OLD, _NEW = 0x80, 0x81, 0x82
_GENERATED = 0x80
Asked = tuple[bytes | None, bytes | None, bytes | None]


def begin(
    message: Message, service: Service, identity: Identity, audience: Audience, channel: Channel, peer: str
) -> bytes | WriteJob:
    """The refusal, or the change to hand over."""
    outcome = _decide(message, service, identity, audience, channel, peer)
    return outcome if isinstance(outcome, WriteJob) else end(message, outcome)


def end(message: Message, outcome: WriteOutcome) -> bytes:
    """The answer to a change."""
    value = None
    if outcome.value is not None:
        value = ber.sequence([ber.octets(outcome.value, _GENERATED)])
    return responses.extended_response(
        message.message_id,
        outcome.code,
        outcome.matched.encode(),
        outcome.text,
        value=value,
        controls=controls.encode_controls(outcome.controls),
    )


def decode(value: bytes | None) -> Asked:
    """PasswdModifyRequestValue (§2): whose, the old and the new password; a request without a value has none."""
    if value is None:
        return None, None, None
    position, end = ber.expect(value, 0, len(value), ber.SEQUENCE)
    if end != len(value):
        raise Malformed("octets after the value of the operation")
    whose, position = ber.read_optional(value, position, end, _IDENTITY)
    old, position = ber.read_optional(value, position, end, _OLD)
    new, position = ber.read_optional(value, position, end, _NEW)
    if position != end:
        raise Malformed("not the value of a password modify")
    return whose, old, new


def _decide(
    message: Message, service: Service, identity: Identity, audience: Audience, channel: Channel, peer: str
) -> WriteOutcome | WriteJob:
    request = message.operation
    assert isinstance(request, ExtendedRequest)
    if service.require_tls and not channel.confidential:
        return WriteOutcome(ResultCode.confidentialityRequired, "a password in clear needs TLS")
    try:
        whose, old, new = decode(request.value)
    except Malformed as error:
        return WriteOutcome(ResultCode.protocolError, error.public)
    if identity.anonymous:
        return WriteOutcome(
            ResultCode.insufficientAccessRights, "bind first: who is not known has no password"
        )
    name = _named(whose, identity, audience, service)
    key = identities.key(name, service)
    own = bool(identity.key) and key == identity.key
    grant = access.to_change_password(audience, own)
    if grant is None:
        return WriteOutcome(
            ResultCode.insufficientAccessRights, "only administrators change the passwords of others"
        )
    administrator = service.administrator
    if administrator is not None and key == administrator.key:
        return WriteOutcome(
            ResultCode.unwillingToPerform, "this password is in the configuration: change it there"
        )
    tree = service.tree
    if tree is None:
        return WriteOutcome(ResultCode.unwillingToPerform, "this server takes no writes")
    if not key or tree.place(key) is not Place.WRITABLE:
        return WriteOutcome(ResultCode.noSuchObject, "nobody has this name")
    if grant.attributes is not None and old is None and not identity.proved:
        # A certificate says who somebody is, not that they know what they are about to replace.
        return WriteOutcome(
            ResultCode.insufficientAccessRights,
            "give the old password",
            controls=policy_control.response(message.controls, PolicyError.mustSupplyOldPassword),
        )
    change = PasswordChange(name, old, new)
    return WriteJob(
        change,
        message.controls,
        identity.dn,
        audience,
        grant,
        peer,
        identity.bound,
        standings=identity.standings,
    )


def _named(whose: bytes | None, identity: Identity, audience: Audience, service: Service) -> str:
    """The DN of the entry that is meant: one's own unless said, by any name that binds or by its DN."""
    if not whose:
        return identity.dn
    text = identities.login_name(whose, service)
    if identities.means(text, identity, service):
        return identity.dn
    account = service.directory.account(text) if text and audience & Audience.ADMIN else None
    if account is not None:
        return account.dn
    # Who cannot bind has a password too: suspended, or without an audience.
    try:
        return names.format(names.parse(text))
    except Malformed:
        return ""
