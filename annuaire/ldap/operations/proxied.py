"""Proxied authorization (RFC 4370): an administrator does one operation as somebody else, with that audience's eyes.

Everything that the operation reads, writes and is refused follows from whose name it has; the connection stays the
administrator's. Security: only administrators may, and of nobody else is a name looked up, so the answer to a stranger
tells nothing of who exists.
"""

from __future__ import annotations

from collections.abc import Callable

from annuaire.domain.audience import Audience
from annuaire.ldap import capabilities, refusals
from annuaire.ldap.association import Association
from annuaire.ldap.controls import PROXIED_AUTHORIZATION
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import ExtendedRequest, Message
from annuaire.ldap.operations import identities
from annuaire.ldap.results import ResultCode
from annuaire.ldap.service import Service


def perform(
    session: Association,
    message: Message,
    now: float,
    service: Service,
    done: Callable[[Message, float], bytes],
) -> bytes:
    """What `done` answers to a request with controls, in the name that one of them gives."""
    acting = _acting(session, message, service)
    if acting is None:
        return done(message, now)
    if isinstance(acting, bytes):
        if service.observe_operations and service.observer is not None:
            service.observer.answered(session.peer, message, acting, True, now)
        return acting
    own, audience = session.identity, session.audience
    session.identity, session.audience = acting, acting.audience
    try:
        return done(message, now)
    finally:
        session.identity, session.audience = own, audience


def _acting(session: Association, message: Message, service: Service) -> Identity | bytes | None:
    """Whose name it is, why it may not be, or None when nobody's is given."""
    control = next((one for one in message.controls if one.oid == PROXIED_AUTHORIZATION), None)
    operation = message.operation
    if control is None or type(operation) not in capabilities.CONTROLS[PROXIED_AUTHORIZATION]:
        return None
    if not control.critical:  # §3: a server that ignored it would act as somebody else than was meant
        return refusals.answer(message, ResultCode.protocolError, "proxied authorization must be critical")
    if isinstance(operation, ExtendedRequest) and operation.oid in _OF_THE_CONNECTION:
        text = "this operation is the connection's and nobody's by proxy"
        return refusals.answer(message, ResultCode.unavailableCriticalExtension, text)
    if not session.audience & Audience.ADMIN:
        text = "only administrators act for others"
        return refusals.answer(message, ResultCode.authorizationDenied, text)
    identity = _named(control.value or b"", session, service)
    if identity is None:
        return refusals.answer(
            message, ResultCode.authorizationDenied, "nobody has this authorization identity"
        )
    own = session.identity
    if identity.key == own.key:
        return identity
    return identities.in_the_name_of(identity, own, own.bound or own.dn)


def _named(authzid: bytes, session: Association, service: Service) -> Identity | None:
    if not authzid:
        return Identity("", session.channel.unbound)
    if not authzid.startswith((b"dn:", b"u:")):
        return None
    if authzid == b"dn:":  # RFC 4513 §5.2.1.8: the empty name is the stranger's
        return Identity("", session.channel.unbound)
    return identities.named(identities.login_name(authzid, service), service)


# StartTLS is between two machines; cancel stops what the same connection asked, in whatever name.
_OF_THE_CONNECTION = (capabilities.START_TLS, capabilities.CANCEL)
