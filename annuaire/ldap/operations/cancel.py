"""Cancel (RFC 3909): stop an operation and have it answered, where abandon has neither.

What can be cancelled is what can still be as if it had never been asked: a search under way, and whatever waits for its
turn. A write that was handed over is as good as done: tooLate. Binds, StartTLS and cancels cannot be cancelled (§3).
"""

from __future__ import annotations

from annuaire.errors import Malformed
from annuaire.ldap import ber, capabilities
from annuaire.ldap.messages import BindRequest, ExtendedRequest, Message, UnbindRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.writing import WriteJob


def asked(request: ExtendedRequest) -> int:
    """The message id of the operation to cancel; Malformed when the value is none."""
    value = request.value
    if value is None:
        raise Malformed("cancel needs a value")
    try:
        start, end = ber.expect(value, 0, len(value), ber.SEQUENCE)
        number, position = ber.read_number(value, start, end, 0, ber.INTEGER_MAX, "message id")
    except IndexError:
        raise Malformed("truncated value of cancel") from None
    if position != end or end != len(value):
        raise Malformed("the value of cancel is a message id alone")
    return number


def fits(message: Message) -> bool:
    """Whether an operation is one that can be cancelled at all."""
    operation = message.operation
    if isinstance(operation, ExtendedRequest):
        return operation.oid not in (capabilities.START_TLS, capabilities.CANCEL)
    return not isinstance(operation, BindRequest | UnbindRequest)


def of_current(message: Message, streaming: bool, outside: object) -> ResultCode:
    """What a cancel of the operation under way is answered; success: it may be stopped."""
    if not fits(message):
        return ResultCode.cannotCancel
    if streaming:
        return ResultCode.success
    return ResultCode.tooLate if isinstance(outside, WriteJob) else ResultCode.cannotCancel
