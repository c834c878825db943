"""Transactions of one connection (RFC 5805): updates that wait for their end, then all are done or none is.

An update that names a transaction is judged as far as a session can and answered at once; it is handed over, with the
others and in their order, when the client ends the transaction. A client that binds anew, or loses its connection,
has no transaction any more: nothing of it was begun. Passwords are changed outside of transactions.
"""

from __future__ import annotations

from annuaire.domain import access
from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import ber, capabilities, controls, responses
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import ExtendedRequest, Message
from annuaire.ldap.results import ResultCode
from annuaire.ldap.writing import WriteGroup, WriteJob, WriteOutcome, octets

# A client that needs more writes a file.
OPEN_MAX = 8
UPDATES_MAX = 1_000
# What all updates that wait may take.
OCTETS_MAX = 16 * 1024 * 1024
_UNSOLICITED = 0  # the message id of what nobody asked for


class Transactions:
    """Those of one connection that have not ended."""

    __slots__ = ("_octets", "_open", "_started")

    def __init__(self) -> None:
        self._open: dict[bytes, list[tuple[int, WriteJob]]] = {}
        self._started = 0
        self._octets = 0

    def asked(self, message: Message, identity: Identity, audience: Audience, peer: str) -> bytes | WriteJob:
        """The answer to a start or an end; the updates to be done, when they are to be done."""
        request = message.operation
        assert isinstance(request, ExtendedRequest)
        try:
            if request.oid == capabilities.TRANSACTION_START:
                return self._start(message, request, identity, audience)
            commit, name = _decode_end(request.value)
        except Malformed as error:
            return _answer(message, ResultCode.protocolError, error.public)
        updates = self._open.pop(name, None)
        if updates is None:
            return _answer(message, ResultCode.unwillingToPerform, "there is no such transaction")
        self._octets -= sum(octets(job) for _, job in updates)
        if not commit or not updates:
            return _answer(message, ResultCode.success)
        group = WriteGroup(tuple([job for _, job in updates]), tuple([number for number, _ in updates]))
        return WriteJob(group, (), identity.dn, audience, updates[0][1].grant, peer, identity.bound)

    def take(self, message: Message, job: WriteJob, gives_password: bool) -> WriteJob | WriteOutcome:
        """An update, to be done at once unless it names a transaction; else what its client is answered."""
        name = next((one.value or b"" for one in message.controls if one.oid == controls.TRANSACTION), None)
        if name is None:
            return job
        updates = self._open.get(name)
        if updates is None:
            return WriteOutcome(ResultCode.unwillingToPerform, "there is no such transaction")
        if gives_password:
            return WriteOutcome(ResultCode.unwillingToPerform, "a password is not changed in a transaction")
        if len(updates) >= UPDATES_MAX:
            return WriteOutcome(
                ResultCode.adminLimitExceeded, f"a transaction holds {UPDATES_MAX} updates at most"
            )
        size = octets(job)
        if self._octets + size > OCTETS_MAX:
            return WriteOutcome(
                ResultCode.adminLimitExceeded, f"updates that wait hold {OCTETS_MAX} octets at most"
            )
        self._octets += size
        updates.append((message.message_id, job))
        return WriteOutcome()

    def abort(self) -> bytes:
        """Forget them all; the notices that say so (§3.4)."""
        names = list(self._open)
        self._open.clear()
        self._octets = 0
        return b"".join(
            responses.extended_response(
                _UNSOLICITED, ResultCode.success, oid=capabilities.TRANSACTION_ABORTED, value=name
            )
            for name in names
        )

    def _start(
        self, message: Message, request: ExtendedRequest, identity: Identity, audience: Audience
    ) -> bytes:
        if request.value is not None:
            raise Malformed("the start of a transaction takes no value")
        if identity.anonymous or access.to_write(audience, True, True) is None:
            return _answer(
                message, ResultCode.insufficientAccessRights, "bind first: there is nothing to write"
            )
        if len(self._open) >= OPEN_MAX:
            return _answer(
                message, ResultCode.adminLimitExceeded, f"{OPEN_MAX} transactions are open already"
            )
        self._started += 1
        name = b"%d" % self._started
        self._open[name] = []
        return _answer(message, ResultCode.success, value=name)


def end(message: Message, group: WriteGroup, outcome: WriteOutcome) -> bytes:
    """The answer to the end of a transaction that was to be done (§3.2)."""
    failed = len(outcome.parts) - 1 if outcome.code != ResultCode.success else None
    body = b"" if failed is None or failed < 0 else ber.integer(group.numbers[failed])
    told = [
        # Controls without the tag that they have in a message.
        ber.sequence([ber.integer(number), b"\x30" + controls.encode_controls(part.controls)[1:]])
        for number, part in zip(group.numbers, outcome.parts, strict=False)
        if part.controls
    ]
    if failed is None and told:
        body += ber.sequence(told)
    value = ber.sequence([body]) if body else None
    return responses.extended_response(
        message.message_id, outcome.code, outcome.matched.encode(), outcome.text, value=value
    )


def _decode_end(value: bytes | None) -> tuple[bool, bytes]:
    """Whether it is to be done, by default it is; and which."""
    if value is None:
        raise Malformed("the end of a transaction names it")
    start, end = ber.expect(value, 0, len(value), ber.SEQUENCE)
    tag, body, after = ber.read(value, start, end)
    commit = True
    if tag == ber.BOOLEAN:
        commit = value[body:after] != b"\0"
        tag, body, after = ber.read(value, after, end)
    if tag != ber.OCTET_STRING or after != end or end != len(value):
        raise Malformed("not the end of a transaction")
    return commit, value[body:after]


def _answer(message: Message, code: ResultCode, text: str = "", value: bytes | None = None) -> bytes:
    return responses.extended_response(message.message_id, code, text=text, value=value)
