"""Extended operations (RFC 4511 §4.12): who am I (RFC 4532); StartTLS is refused where it is not set up.

What is not known is protocolError, with the OID in the text: a client's log then says what it asked.
"""

from __future__ import annotations

from collections.abc import Callable

from annuaire.ldap import capabilities, responses
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import ExtendedRequest
from annuaire.ldap.results import ResultCode

# An OID of the field is below forty characters; more is not repeated in a text.
OID_SHOWN_MAX = 64


def answer(message_id: int, request: ExtendedRequest, identity: Identity) -> bytes:
    handler = _HANDLERS.get(request.oid)
    if handler is not None:
        return handler(message_id, request, identity)
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


def _start_tls(message_id: int, request: ExtendedRequest, identity: Identity) -> bytes:
    # RFC 4511 §4.14.2: a server that does not support it answers protocolError; the connection lives on.
    return responses.extended_response(
        message_id,
        ResultCode.protocolError,
        text="StartTLS is not available on this listener",
        oid=capabilities.START_TLS,
    )


_HANDLERS: dict[str, Callable[[int, ExtendedRequest, Identity], bytes]] = {
    capabilities.WHO_AM_I: _who_am_i,
    capabilities.START_TLS: _start_tls,
}
