"""A search with the sync request control (RFC 4533): who may copy what they see, and how many may wait for changes."""

from __future__ import annotations

from collections.abc import Iterator

from annuaire.domain.audience import NOBODY, Audience
from annuaire.errors import Malformed
from annuaire.ldap import controls, responses, search_controls, sync
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import Control, Message, SearchRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.service import Service
from annuaire.ldap.sleeping import ASLEEP, SLEEPERS_MAX
from annuaire.ldap.sync import Asker

# A content is sent whole, in an order of its own, and goes on: nothing of these can be kept beside it.
_AT_ODDS = frozenset(
    {controls.PAGED_RESULTS, controls.SORT_REQUEST, controls.VLV_REQUEST, controls.MATCHED_VALUES}
)


def asked(sent: tuple[Control, ...]) -> Control | None:
    """The control, if there is one."""
    return next((one for one in sent if one.oid == controls.SYNC_REQUEST), None)


def begin(
    message: Message, service: Service, identity: Identity, audience: Audience, asleep: int
) -> bytes | Iterator[bytes]:
    """The stream of an answer, or why there is none; `asleep`: how many of this connection wait already."""
    request, control = message.operation, asked(message.controls)
    assert isinstance(request, SearchRequest)
    assert control is not None
    assert audience != NOBODY
    try:
        wanted = sync.decode_request(control.value)
        beside = search_controls.read(message.controls)
    except Malformed as error:
        return _refused(message, ResultCode.protocolError, error.public)
    for other in message.controls:
        if other.critical and other.oid in _AT_ODDS:
            text = f"control {other.oid} cannot go with synchronization"
            return _refused(message, ResultCode.unavailableCriticalExtension, text)
    if service.own_entries.asked(request) is not None:
        return _refused(message, ResultCode.unwillingToPerform, "this entry is not part of any content")
    asker = Asker(audience, identity.anonymous, identity.replicates)
    stream = service.directory.synchronize(message.message_id, request, wanted, asker, beside)
    if not wanted.persist:
        return stream
    if asleep >= SLEEPERS_MAX:
        text = f"{SLEEPERS_MAX} searches of this connection wait for changes already"
        return _refused(message, ResultCode.adminLimitExceeded, text)
    if not service.followers.enter(identity.anonymous):
        return _refused(message, ResultCode.busy, "too many searches wait for changes")
    return _followed(message, stream, service, identity)


def _followed(
    message: Message, stream: Iterator[bytes], service: Service, identity: Identity
) -> Iterator[bytes]:
    """The stream while there is who asked: one that waits may outlive its account, and would go on to be told."""
    try:
        account = _account(service, identity)
        for chunk in stream:
            yield chunk
            if chunk is ASLEEP and account is not None and _account(service, identity) != account:
                text = "this account is not what it was when it began to copy"
                yield _refused(message, ResultCode.insufficientAccessRights, text)
                return
    finally:
        service.followers.leave(identity.anonymous)
        close = getattr(stream, "close", None)
        if close is not None:
            close()


def _account(service: Service, identity: Identity) -> tuple[Audience, bool] | None:
    """What an account may see; None for whoever has none: strangers, the first administrator, certificates."""
    found = None if identity.anonymous else service.directory.account(identity.dn)
    return None if found is None else (found.audience, found.replicates)


def _refused(message: Message, code: ResultCode, text: str) -> bytes:
    return responses.result(message.message_id, responses.SEARCH_DONE, code, text=text)
