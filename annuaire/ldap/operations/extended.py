"""Extended operations (RFC 4511 §4.12) that are answered at once: who am I (RFC 4532), and whether StartTLS may begin.

What is not known is protocolError, with the OID in the text: a client's log then says what it asked.
"""

from __future__ import annotations

from annuaire.ldap import capabilities, responses
from annuaire.ldap.channel import Channel
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import ExtendedRequest
from annuaire.ldap.refusals import OID_SHOWN_MAX
from annuaire.ldap.results import ResultCode
from annuaire.ldap.service import Service


def answer(message_id: int, request: ExtendedRequest, identity: Identity) -> bytes:
    if request.oid == capabilities.WHO_AM_I:
        return _who_am_i(message_id, request, identity)
    shown = request.oid[:OID_SHOWN_MAX]
    if not shown.isprintable():
        shown = ascii(shown)
    return responses.extended_response(
        message_id, ResultCode.protocolError, text=f"unknown extended operation {shown}"
    )


def _who_am_i(message_id: int, request: ExtendedRequest, identity: Identity) -> bytes:
    if request.value is not None:  # RFC 4532 §2.1: the value is absent
        return responses.extended_response(
            message_id, ResultCode.protocolError, text="who am I takes no value"
        )
    name = b"" if identity.anonymous else b"dn:" + identity.dn.encode()
    return responses.extended_response(message_id, ResultCode.success, value=name)


def start_tls_refused(
    request: ExtendedRequest, service: Service, channel: Channel, outstanding: bool
) -> tuple[ResultCode, str] | None:
    """Why TLS may not begin now (RFC 4511 §4.14.2), if so; the connection lives on as it is."""
    if not service.start_tls:
        return ResultCode.protocolError, "StartTLS is not available on this listener"
    if request.value is not None:
        return ResultCode.protocolError, "StartTLS takes no value"
    if channel.encrypted:
        return ResultCode.operationsError, "TLS is already there"
    if outstanding:
        return ResultCode.operationsError, "operations are outstanding"
    return None


def start_tls_answer(message_id: int, code: ResultCode, text: str = "") -> bytes:
    return responses.extended_response(message_id, code, text=text, oid=capabilities.START_TLS)
