"""One LDAP connection as a pure state machine (RFC 4511): bytes in, bytes out, no socket and no clock.

-> LDAPMessages cut anywhere: bind, search, compare, writes, extended, abandon, unbind
<- their answers, in the order of the requests; a notice of disconnection before a close that we decide

The server gives what it reads to `receive` and sends what comes back. Unless `idle`, something then follows:
`closing`: close once all is sent. `outside`: a password to verify or a write to do elsewhere, whose outcome goes to
`resume`.
`pending`: more to send or to do, call `advance` in a later turn of the reactor, as the client reads. `full`:
enough requests wait, stop reading.
`starting_tls`: begin TLS behind what was answered, then call `secured`.
Security: one place takes the peer's bytes and turns every fault into an answer; no request is begun while
another is under way, so a session holds one answer at a time, and what waits is bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from annuaire.domain.audience import NOBODY, Audience
from annuaire.errors import AnnuaireError, Malformed
from annuaire.ldap import capabilities, refusals, requests, responses, root_dse, transactions
from annuaire.ldap.association import Association
from annuaire.ldap.channel import Channel
from annuaire.ldap.framing import FramingError
from annuaire.ldap.messages import (
    BASE,
    SUBTREE,
    AbandonRequest,
    BindRequest,
    CompareRequest,
    ExtendedRequest,
    Message,
    SearchRequest,
    UnbindRequest,
)
from annuaire.ldap.operations import (
    bind,
    cancel,
    compare,
    elsewhere,
    extended,
    password_modify,
    proxied,
    sync,
    writes,
)
from annuaire.ldap.operations.bind import PasswordCheck
from annuaire.ldap.requests import BadRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.service import WAITING_OCTETS_MAX, Service
from annuaire.ldap.sleeping import ASLEEP
from annuaire.ldap.writing import WriteGroup, WriteJob, WriteOutcome

# Requests and bytes answered in one turn of the reactor: a stranger's thousand requests in one packet must
# not make the others wait.
TURN_REQUESTS_MAX = 8
TURN_BYTES_MAX = 65536

# ldapsearch's own scope is the subtree.
_READ_OWN = (BASE, SUBTREE)
_NO_CONNECTION = 0  # RFC 4511 §4.1.1.1: the message id of unsolicited notifications, no client's


class Session(Association):
    """The state of one connection."""

    __slots__ = (
        "_bounds",
        "_directory",
        "_early",
        "_feed",
        "_message",
        "_observer",
        "_overflow",
        "_started",
        "_stream",
        "_waiting",
        "_waiting_max",
        "_waiting_octets",
        "closing",
        "idle",
        "outside",
        "starting_tls",
    )

    def __init__(self, service: Service, peer: str = "", channel: Channel | None = None) -> None:
        super().__init__(service, peer, channel)
        self._directory = service.directory
        self._bounds = service.bounds
        # Beyond as many decoded requests the session is full: reading stops, and what had arrived in the same
        # read waits as bytes.
        self._waiting_max = service.waiting_max
        self._observer = service.observer if service.observe_operations else None
        self._feed = self._framer.feed
        self._waiting: deque[Message | Malformed] = deque()
        self._waiting_octets = 0  # of what was taken in since nothing waited
        self._overflow: deque[bytes] = deque()
        self._stream: Iterator[bytes] | None = None
        self._message: Message | None = None  # the request that the stream or the outside work answers
        self._started = 0.0
        self._early: list[bytes] = []  # answers to what does not wait for its turn
        self.starting_tls = False
        self.outside: PasswordCheck | WriteJob | None = None
        self.closing = False
        self.idle = True  # nothing follows: the one thing to look at after each call

    # ------------------------------------------------------------ what the server calls

    def receive(self, data: bytes, now: float) -> bytes:
        """Take what the peer sent; the bytes to answer at once."""
        try:
            frames = self._feed(data)
        except FramingError as error:
            return b"" if self.closing else self._broken(error, now)
        if self.idle and len(frames) == 1:
            try:
                message = requests.decode(frames[0], self._bounds)
            except Malformed as error:
                return self._undecodable(error)
            if message.controls:
                answer = proxied.perform(self, message, now, self._service, self._perform)
            else:
                answer = self._perform(message, now)
            if not self.idle:
                self._settle()
            return answer
        return self._receive_several(frames, now)

    def advance(self, now: float) -> bytes:
        """Go on with what is pending: the next chunk of a stream, or the requests that wait."""
        if self._stream is None:
            roused = self._sleepers.next()
            if roused is None:
                return self._next_requests(now)
            self._message, self._stream, self._started = roused
        chunk = self._next_chunk()
        return chunk if self._message is not None else chunk + self._next_requests(now)

    def resume(self, outcome: bool | WriteOutcome | AnnuaireError, now: float) -> bytes:
        """Take the outcome of the outside work, or why it could not be done; then what waited behind it."""
        work, message = self.outside, self._message
        if work is None or message is None:
            return b""  # the connection was closed meanwhile
        self.outside = self._message = None
        try:
            if isinstance(outcome, AnnuaireError):
                raise outcome
            if isinstance(work, WriteJob):
                assert isinstance(outcome, WriteOutcome)
                if isinstance(work.request, WriteGroup):
                    answer = transactions.end(message, work.request, outcome)
                elif isinstance(message.operation, ExtendedRequest):
                    answer = password_modify.end(message, outcome)
                else:
                    answer = writes.end(message, outcome)
            else:
                assert isinstance(outcome, bool)
                answer = self._bound(message, bind.conclude(work, outcome, self._service, now))
        except Exception as error:
            answer = self._failed(message, error)
        self._observe(message, answer, self._started)
        return answer + self._next_requests(now)

    def wake(self) -> None:
        """Something has happened that searches may wait for."""
        if not self.closing:
            self._sleepers.wake()
            self._settle()

    def secured(self, channel: Channel) -> None:
        super().secured(channel)
        self.starting_tls = False
        self._settle()

    def disconnect(self, code: ResultCode, text: str) -> bytes:
        """Say why the connection ends (RFC 4511 §4.4.1), and end it."""
        self.close()
        return self.transactions.abort() + responses.notice_of_disconnection(code, text)

    def close(self) -> None:
        """Drop everything: the connection is lost, or will be closed once what was answered is sent."""
        self._stop()
        self._sleepers.end_all()
        self._waiting.clear()
        self._overflow.clear()
        self.outside = None
        self.closing = True
        self.idle = False

    @property
    def pending(self) -> bool:
        """Whether `advance` has something to do."""
        if self.closing or self.outside is not None:
            return False
        return self._stream is not None or bool(self._waiting or self._overflow or self._sleepers.woken)

    @property
    def full(self) -> bool:
        """Whether so many requests wait that no more should be read."""
        return bool(self._overflow) or len(self._waiting) >= self._waiting_max

    # ------------------------------------------------------------ requests that wait their turn

    def _receive_several(self, frames: list[bytes], now: float) -> bytes:
        if self.closing or not frames:
            return b""
        self._overflow.extend(frames)
        if self._message is not None:
            self._admit()
            if self._message is not None or self.closing:
                return self._answered_early()
        return self._next_requests(now)

    def _admit(self) -> None:
        """Decode what arrived while there is room. Abandon, cancel, and unbind during an answer, do not wait."""
        waiting, overflow = self._waiting, self._overflow
        if not waiting:
            self._waiting_octets = 0
        while overflow and len(waiting) < self._waiting_max and self._waiting_octets < WAITING_OCTETS_MAX:
            self._waiting_octets += len(overflow[0])
            try:
                message = requests.decode(overflow.popleft(), self._bounds)
            except Malformed as error:
                waiting.append(error)
                continue
            operation = message.operation
            if type(operation) is AbandonRequest:
                self._withdraw(operation.message_id)  # RFC 4511 §4.11: nothing is answered, found or not
            elif type(operation) is UnbindRequest and self._message is not None:
                self.close()
            elif type(operation) is ExtendedRequest and operation.oid == capabilities.CANCEL:
                self._early.append(self._cancel(message, operation))
            elif (
                type(operation) is ExtendedRequest
                and operation.oid == capabilities.START_TLS
                and (waiting or self._message is not None)
            ):
                # It may not even be sent while something is outstanding: it never waits.
                self._early.append(self._start_tls(message, operation, True))
            else:
                waiting.append(message)

    def _next_requests(self, now: float) -> bytes:
        answers: list[bytes] = []
        size = 0
        for _ in range(TURN_REQUESTS_MAX):
            self._admit()
            if self._message is not None or not self._waiting or size >= TURN_BYTES_MAX:
                break
            item = self._waiting.popleft()
            if type(item) is Message:
                answer = proxied.perform(self, item, now, self._service, self._perform)
            else:
                assert isinstance(item, Malformed)
                answer = self._undecodable(item)
            answers.append(answer)
            size += len(answer)
            if self.closing:
                break
        self._settle()
        return self._answered_early() + b"".join(answers)

    def _answered_early(self) -> bytes:
        early, self._early = b"".join(self._early), []
        return early

    def _settle(self) -> None:
        self.idle = self._message is None and not (
            self._waiting or self._overflow or self.closing or self.starting_tls or self._sleepers.woken
        )

    def _cancel(self, message: Message, request: ExtendedRequest) -> bytes:
        """RFC 3909 §3: the operation's answer if it was stopped, then the cancel's own."""
        if message.controls and (refused := refusals.control(message)) is not None:
            return refused
        try:
            number = cancel.asked(request)
        except Malformed as error:
            return refusals.answer(message, ResultCode.protocolError, error.public)
        code, found = self._withdraw(number)
        answer = refusals.answer(message, code)
        if found is not None and code == ResultCode.success:
            return refusals.answer(found, ResultCode.canceled) + answer
        return answer

    def _withdraw(self, number: int) -> tuple[ResultCode, Message | None]:
        """Stop an operation, for abandon or cancel: what a cancel of it is answered, and the operation itself."""
        current = self._message
        if current is not None and current.message_id == number:
            code = cancel.of_current(current, self._stream is not None, self.outside)
            if code == ResultCode.success:
                self._stop()
            return code, current
        for item in self._waiting:
            if type(item) is Message and item.message_id == number:
                if not cancel.fits(item):
                    return ResultCode.cannotCancel, item
                self._waiting.remove(item)
                return ResultCode.success, item
        asleep = self._sleepers.end(number)
        if asleep is None:
            return ResultCode.noSuchOperation, None
        self._observe(asleep, b"", self._started)
        return ResultCode.success, asleep

    def _next_chunk(self) -> bytes:
        stream, message = self._stream, self._message
        assert stream is not None
        assert message is not None
        try:
            chunk = next(stream)
            if chunk is ASLEEP:
                self._sleepers.add(message, stream, self._started)
                self._stream = self._message = None
                return b""
        except StopIteration:
            chunk = b""
            self._stream = self._message = None
        except Exception as error:
            chunk = self._failed(message, error)
            self._stream = self._message = None
        if self._observer is not None:
            self._observer.answered(self.peer, message, chunk, self._message is None, self._started)
        return chunk

    def _stop(self) -> None:
        stream, message = self._stream, self._message
        self._stream = self._message = None
        close = getattr(stream, "close", None)
        if close is not None:
            close()
        if message is not None:
            self._observe(message, b"", self._started)

    # ------------------------------------------------------------ one request

    def _perform(self, message: Message, now: float) -> bytes:
        """Answer one request; what cannot be answered at once is left in `_message` and its place."""
        operation = message.operation
        try:
            if self.identity.standings and not self._stands(message, now):
                answer = refusals.to_gone(message)
            elif type(operation) is SearchRequest and message.message_id:
                if message.controls and (refused := self._refused_control(message)) is not None:
                    answer = refused
                elif message.controls and sync.asked(message.controls) and self.audience != NOBODY:
                    begun = sync.begin(message, self._service, self.identity, self.audience, self.sleeping)
                    if type(begun) is not bytes:
                        return self._begin_stream(message, begun, now)
                    answer = begun
                elif (
                    len(operation.base) <= root_dse.NAME_MAX
                    and (own := self._own_entries.asked(operation)) is not None
                ):
                    answer = own.answer(message, operation)
                elif self.audience == NOBODY:
                    answer = refusals.to_nobody(message, self.identity, self._challenge is not None)
                else:
                    audience = self.audience
                    if operation.scope in _READ_OWN and self._is_own(operation.base):
                        # domain/access.py: people read their own entry, and nothing that lies below it.
                        audience, operation.scope = Audience.ADMIN, BASE
                    found = self._directory.search(message, audience, now)
                    if type(found) is not bytes:
                        return self._begin_stream(message, found, now)
                    answer = found
            else:
                answer = self._perform_other(message, now)
                if self._message is not None or not answer:
                    return answer
        except Exception as error:
            answer = self._failed(message, error)
        if self._observer is not None:
            self._observer.answered(self.peer, message, answer, True, now)
        return answer

    def _begin_stream(self, message: Message, stream: Iterator[bytes] | bytes, now: float) -> bytes:
        assert not isinstance(stream, bytes)
        self._stream = stream
        self._message = message
        self._started = now
        self.idle = False
        return self._next_chunk()

    def _perform_other(self, message: Message, now: float) -> bytes:
        operation = message.operation
        kind = type(operation)
        if kind is UnbindRequest:
            self.close()
            return b""
        if isinstance(operation, AbandonRequest):
            self._withdraw(operation.message_id)
            return b""
        if message.message_id == _NO_CONNECTION:
            return self.disconnect(ResultCode.protocolError, "message id 0 is not a client's")
        if message.controls and (refused := self._refused_control(message)) is not None:
            return refused
        if isinstance(operation, BindRequest):
            aborted, bound = self.transactions.abort(), self._bind(message, operation, now)
            return aborted + (bound if isinstance(bound, bytes) else self._wait_for(message, bound, now))
        if isinstance(operation, ExtendedRequest):
            if operation.oid == capabilities.START_TLS:
                return self._start_tls(message, operation, self._challenge is not None)
            if operation.oid == capabilities.CANCEL:
                return self._cancel(message, operation)
            if operation.oid == capabilities.PASSWORD_MODIFY:
                change = password_modify.begin(
                    message, self._service, self.identity, self.audience, self.channel, self.peer
                )
                return change if isinstance(change, bytes) else self._wait_for(message, change, now)
            if operation.oid in (capabilities.TRANSACTION_START, capabilities.TRANSACTION_END):
                asked = self.transactions.asked(message, self.identity, self.audience, self.peer)
                return asked if isinstance(asked, bytes) else self._wait_for(message, asked, now)
            return extended.answer(message.message_id, operation, self.identity)
        if self.audience == NOBODY:
            return refusals.to_nobody(message, self.identity, self._challenge is not None)
        if isinstance(operation, CompareRequest):
            audience = Audience.ADMIN if self._is_own(operation.dn) else self.audience
            referred = elsewhere.answer(message, self._service, audience)
            own = self._own_entries
            return referred or compare.answer(message, self._service, own, audience, self.channel)
        begun = writes.begin(
            message, self._service, self.identity, self.audience, self.peer, self.channel, self.transactions
        )
        return begun if isinstance(begun, bytes) else self._wait_for(message, begun, now)

    def _is_own(self, name: bytes) -> bool:
        """Whether a name is that of the entry as which the client is bound, and may be read as such."""
        return self.identity.reads_own(name, self.audience, self._service.schema)

    def _refused_control(self, message: Message) -> bytes | None:
        refused = refusals.control(message)
        if refused is not None and type(message.operation) is BindRequest:
            return self._unbind() + refused
        return refused

    def _start_tls(self, message: Message, request: ExtendedRequest, outstanding: bool) -> bytes:
        outstanding = outstanding or bool(self._sleepers)
        refused = extended.start_tls_refused(request, self._service, self.channel, outstanding)
        if refused is not None:
            return extended.start_tls_answer(message.message_id, *refused)
        if self._waiting or self._overflow or self._framer.pending:
            # What somebody on the way may have put behind it must neither be done nor be taken for the client's
            # first words inside TLS.
            self._waiting.clear()
            self._overflow.clear()
            text = "nothing may be sent behind StartTLS before its answer"
            answer = extended.start_tls_answer(message.message_id, ResultCode.operationsError, text)
            return answer + self.disconnect(ResultCode.protocolError, text)
        self.starting_tls = True
        self.idle = False
        aborted = self.transactions.abort()  # nobody in TLS ends what somebody in clear began
        return aborted + extended.start_tls_answer(message.message_id, ResultCode.success)

    def _wait_for(self, message: Message, work: PasswordCheck | WriteJob, now: float) -> bytes:
        """Leave work that takes its time to others; nothing else is begun meanwhile."""
        self.outside = work
        self._message = message
        self._started = now
        self.idle = False
        return b""

    # ------------------------------------------------------------ faults

    def _failed(self, message: Message, error: Exception) -> bytes:
        """The answer to a request that raised: the kinds of trouble, or a bug that nobody foresaw."""
        told = refusals.trouble(message, error)
        if told is not None:
            return told
        if self._service.observer is not None:
            self._service.observer.bug(self.peer, message)
        return refusals.answer(message, ResultCode.other, "internal error")

    def _undecodable(self, error: Malformed) -> bytes:
        if isinstance(error, BadRequest) and error.message_id != _NO_CONNECTION:
            if error.response_tag is None:
                return b""
            aborted = self._unbind() if error.response_tag == responses.BIND_RESPONSE else b""
            return aborted + responses.result(
                error.message_id, error.response_tag, ResultCode.protocolError, text=error.public
            )
        return self.disconnect(ResultCode.protocolError, error.public)

    def _broken(self, error: FramingError, now: float) -> bytes:
        """Answer what came whole before the fault, if that can be done now, then end the session."""
        answer = b""
        if self.idle and error.frames:
            answer = self._receive_several(error.frames[:TURN_REQUESTS_MAX], now)
        if self.closing:
            return answer
        return answer + self.disconnect(ResultCode.protocolError, error.public)

    def _observe(self, message: Message, answer: bytes, started: float) -> None:
        if self._observer is not None:
            self._observer.answered(self.peer, message, answer, True, started)
