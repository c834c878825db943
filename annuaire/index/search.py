"""The directory that sessions ask: every answer is read here, from the index alone (see `ldap.directory`).

    -> SearchRequest, its audience, its controls
    <- SearchResultEntry…, SearchResultDone

Security: each operation starts from the set that the audience may see (Note [Who asks decides what exists]);
nothing that is computed outside of it reaches an answer.
Timing class: Note [The same path for the hidden and the absent] (sight.py).
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from annuaire.domain.audience import NOBODY, Audience
from annuaire.errors import Malformed, Unavailable
from annuaire.index import family, gather, query, shown
from annuaire.index.answering import Answerer
from annuaire.index.bind_names import BindNames
from annuaire.index.compile import Compiler
from annuaire.index.controlled import Controlled
from annuaire.index.cookies import Seal
from annuaire.index.gather import Clock, Hit
from annuaire.index.matched_values import ValuesFilter
from annuaire.index.output import ENCODED_AT_ONCE, Deadline, Output, Pieces, TooLate
from annuaire.index.prepare import Numbering
from annuaire.index.query import Query, SizeLimits
from annuaire.index.quick import QuickEquality
from annuaire.index.reader import KNOWN_MAX, Reader, Snapshot
from annuaire.index.strict import Strict
from annuaire.index.synchronizing import Synchronizer
from annuaire.ldap import assertion, ber, controls, dn, messages, referrals, responses, search_controls, sync
from annuaire.ldap.directory import Account, Answer, Found
from annuaire.ldap.filters import Equality, Filter
from annuaire.ldap.messages import Control, Message, SearchRequest
from annuaire.ldap.monitor import Monitor
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema
from annuaire.ldap.search_controls import Asked
from annuaire.ldap.selection import Selection, memorable

# An answer longer than this is streamed as the client reads it.
STREAMED_AT = 256 * 1024
# From whom liste rouge hides: Note [Secrecy before availability] (folder.py).
STRANGERS = Audience.PUBLIC | Audience.MSSANTE
# Octets of one chunk of a stream, and entries encoded at once.
CHUNK_OCTETS = 64 * 1024


class Settings(NamedTuple):
    """What the operator chooses."""

    suffix: str
    size: SizeLimits
    time_limit: float  # seconds, 0 for none
    accounts: Audience = Audience.APICRYPT  # the audience of a user bound as their own entry
    page: int = 0  # entries of one page, 0 for any number
    trees: tuple[str, ...] = ()  # `[trees] suffixes`, where filters are evaluated strictly


class Directory:
    """The index behind `annuaire.ldap.directory.Directory`."""

    def __init__(self, reader: Reader, numbering: Numbering, settings: Settings, cookie_key: bytes) -> None:
        self._reader = reader
        self._numbering = numbering
        self._schema: Schema = numbering.schema
        self._settings = settings
        self._compiler = Compiler(numbering)
        self._numbers = itertools.count()
        self._controlled = Controlled(numbering, Seal(cookie_key), settings.page)
        self._suffix = dn.key(dn.parse(settings.suffix), self._schema)
        self._bases = query.Bases(self._schema, self._suffix)
        trees = tuple([dn.key(dn.parse(one), self._schema) for one in settings.trees])
        self._strict = Strict(self._compiler, self._schema, trees)
        self._quick = QuickEquality(numbering, self._bases, self._answerer, self._strict)
        self._names = BindNames(numbering, settings.suffix, settings.accounts)
        self.monitor: Monitor | None = None  # what administrators find at cn=Monitor
        self._synchronizer = Synchronizer(
            numbering, self._strict, self._bases, settings.size, self._snapshot, self._answerer
        )

    # -------------------------------------------------------------- search

    def search(self, message: Message, audience: Audience, now: float) -> Answer:
        """The answer to a SearchRequest; Unavailable when there is no index yet."""
        snapshot = self._snapshot(audience)
        request = message.operation
        assert isinstance(request, SearchRequest)
        filter_ = request.filter
        if isinstance(filter_, Equality) and not message.controls:
            answer = self._quick.answer(snapshot, message.message_id, request, filter_, audience)
            if answer is not None:
                snapshot.end()
                return answer
        deadline = self._deadline(request, now)
        run = self._run(message, audience, deadline, snapshot)
        pieces: list[bytes] = []
        try:
            for some in run:
                if some is None:
                    return self._stream(run, pieces, snapshot, deadline, message.message_id, audience)
                pieces += some
                if len(pieces) > 3 * ENCODED_AT_ONCE and sum(map(len, pieces)) > STREAMED_AT:
                    return self._stream(run, pieces, snapshot, deadline, message.message_id, audience)
            return b"".join(pieces)
        finally:
            snapshot.end()

    def synchronize(
        self, number: int, request: SearchRequest, asked: sync.Request, asker: sync.Asker, beside: Asked
    ) -> Iterator[bytes]:
        """The answer to a consumer of RFC 4533 (synchronizing.py)."""
        return self._synchronizer.answer(number, request, asked, asker, beside)

    def moved(self) -> bytes:
        """Octets that are others when the index has moved."""
        return self._reader.beacon()

    def standing(self) -> tuple[int, dict[str, int]]:
        """The change that the index contains, and its size: for administrators, for it counts the hidden."""
        snapshot = self._reader.snapshot()
        try:
            recent = 0 if snapshot.recent is None else snapshot.recent.part.count
            return snapshot.change, {"Base": snapshot.base.part.count, "Recent": recent}
        finally:
            snapshot.end()

    def _snapshot(self, audience: Audience) -> Snapshot:
        """The index now. Unavailable for strangers while somebody who hides is still in it."""
        snapshot = self._reader.snapshot()
        if snapshot.hidden > snapshot.change and audience & STRANGERS:
            snapshot.end()
            raise Unavailable("the directory is being updated")
        return snapshot

    def _stream(
        self,
        run: Pieces,
        pieces: list[bytes],
        snapshot: Snapshot,
        deadline: Deadline,
        number: int,
        audience: Audience,
    ) -> Iterator[bytes]:
        """The rest of an answer: b"" ends a slice of work that found nothing to send yet."""
        while True:
            stopped = time.monotonic()
            yield b"".join(pieces)
            deadline.extend(time.monotonic() - stopped)
            pieces, size = [], 0
            try:
                now = self._snapshot(audience)
            except Unavailable as error:
                run.close()
                yield _done(number, ResultCode.busy, text=error.public)
                return
            snapshot.later = None if now is snapshot else now
            snapshot.begin()
            try:
                for some in run:
                    if some is None:
                        break
                    pieces += some
                    size += sum(map(len, some))
                    if size >= CHUNK_OCTETS:
                        break
                else:
                    yield b"".join(pieces)
                    return
            finally:
                snapshot.end()
                now.end()

    def _run(self, message: Message, audience: Audience, deadline: Deadline, snapshot: Snapshot) -> Pieces:
        request = message.operation
        assert isinstance(request, SearchRequest)
        number = message.message_id
        try:
            key = self._bases.key(request.base)
        except Malformed as error:
            yield [_done(number, ResultCode.invalidDNSyntax, text=error.public)]
            return
        try:
            asked = search_controls.read(message.controls)
        except Malformed as error:
            yield [_done(number, ResultCode.protocolError, text=error.public)]
            return
        prepared = query.prepare(
            snapshot, request, key, audience, self._strict, self._settings.size, asked.scene
        )
        if prepared.target.referral is not None and not asked.scene.manages:
            yield [self._referred(number, prepared.target.referral, request, asked.domain_scope)]
            return
        if not prepared.target.hits and audience == Audience.ADMIN and self._monitors(key):
            assert self.monitor is not None
            yield [self.monitor.answer(message, key)]
            return
        if not prepared.target.hits:
            yield [self._absent(number, snapshot, key, audience)]
            return
        if not shown.asserted(asked.assertion, prepared.target.hits[0], audience, self._schema):
            yield [_done(number, ResultCode.assertionFailed, text=assertion.FAILED)]
            return
        answerer = self._answerer(snapshot, request, asked.values, key, audience)
        output = Output(
            ber.integer(number),
            answerer,
            audience,
            deadline,
            snapshot,
            lambda hit: prepared.plan.holds(hit, self._numbering),
        )
        response: list[Control] = []
        try:
            if asked.keys is None and asked.page is None and asked.view is None:
                if prepared.limit:
                    yield from self._best(prepared, output)
                else:
                    yield from self._in_order(prepared, output)
            else:
                yield from self._controlled.answer(prepared, output, asked, request, snapshot, response)
            further = prepared.references and not asked.domain_scope
            if further and output.code == ResultCode.success and not output.partial:
                yield [self._references(number, prepared, request)]
        except TooLate:
            pass
        yield [_done(number, output.code, text=output.text, response=response)]

    def _deadline(self, request: SearchRequest, now: float) -> Deadline:
        limits = [float(x) for x in (request.time_limit, self._settings.time_limit) if x]
        return Deadline(now + min(limits) if limits else float("inf"))

    def _answerer(
        self,
        snapshot: Snapshot,
        request: SearchRequest,
        values: tuple[Filter, ...] | None = None,
        key: bytes = b"",
        audience: Audience = NOBODY,
    ) -> Answerer:
        if values is not None:
            items = [self._strict.item(one, key, lambda: family.of(snapshot, audience)) for one in values]
            return Answerer(
                Selection.of(request.attributes, self._schema),
                request.types_only,
                {},
                0,
                ValuesFilter(items, self._numbering),
            )
        wanted = (request.attributes, request.types_only)
        answerer = snapshot.known.get(wanted)
        if answerer is None:
            answerer = Answerer(
                Selection.of(request.attributes, self._schema),
                request.types_only,
                snapshot.hot,
                next(self._numbers),
            )
            if len(snapshot.known) < KNOWN_MAX and memorable(request.attributes):
                snapshot.known[wanted] = answerer
        assert isinstance(answerer, Answerer)
        return answerer

    def _absent(self, number: int, snapshot: Snapshot, key: bytes, audience: Audience) -> bytes:
        above = query.matched(snapshot, key, audience)
        return _done(
            number, ResultCode.noSuchObject, matched=b"" if above is None else shown.name(above.hits[0])
        )

    # -------------------------------------------------------------- the ways to answer

    def _best(self, prepared: Query, output: Output) -> Pieces:
        """Note [Best first]: when a limit cuts, the entries returned are the best ones."""
        clock = Clock()
        gathering = gather.ranked(prepared.plan, prepared.sights, prepared.limit, self._numbering, clock)
        hits, more = yield from output.watched(gathering)
        if more:
            output.code = ResultCode.sizeLimitExceeded
        yield output.encode(hits)

    def _in_order(self, prepared: Query, output: Output) -> Pieces:
        clock = Clock()
        gathering = gather.ordered(prepared.plan, prepared.sights, None, self._numbering, clock)
        hits = yield from output.watched(gathering)
        yield from output.emit(hits, clock)

    # -------------------------------------------------------------- elsewhere

    def _referred(self, number: int, hit: Hit, request: SearchRequest, here_alone: bool) -> bytes:
        """The base is held elsewhere (RFC 3296 §5.1); who asks what is here alone is told that it is not."""
        name, uris = _reference(hit)
        if here_alone:
            return _done(number, ResultCode.noSuchObject, matched=name.encode())
        adjusted = referrals.adjusted(uris, name, request.base.decode(), request.scope)
        return _done(number, ResultCode.referral, matched=name.encode(), referrals=adjusted)

    def _references(self, number: int, prepared: Query, request: SearchRequest) -> bytes:
        """Where the search is to go on (RFC 3296 §5.2)."""
        # What is below the base is the whole of what is held there.
        whole = request.scope in (messages.SUBTREE, messages.SUBORDINATES)
        scope = messages.SUBTREE if whole else messages.BASE
        found = []
        for hit in prepared.references:
            name, uris = _reference(hit)
            adjusted = referrals.adjusted(uris, name, name, scope)
            if adjusted:
                found.append(responses.search_reference(number, adjusted))
        return b"".join(found)

    def referral(self, key: bytes, audience: Audience) -> Found | None:
        """The referral that a name is or lies below, if the audience sees it."""
        snapshot = self._snapshot(audience)
        try:
            hit = query.resolve(snapshot, key, audience).referral
            return None if hit is None else shown.stored(hit)
        finally:
            snapshot.end()

    # -------------------------------------------------------------- the other questions

    def entry(self, key: bytes, audience: Audience) -> Found | None:
        """The entry with that `dn.key`; None when it is absent or hidden, which are the same."""
        snapshot = self._snapshot(audience)
        try:
            target = query.resolve(snapshot, key, audience)
            if target.hits:
                return shown.found(target.hits[0], audience)
        finally:
            snapshot.end()
        if audience == Audience.ADMIN and self._monitors(key):
            assert self.monitor is not None
            return self.monitor.entry(key)
        return None

    def _monitors(self, key: bytes) -> bool:
        return self.monitor is not None and self.monitor.holds(key)

    def matched(self, key: bytes, audience: Audience) -> str:
        """The DN of the nearest superior that the audience sees, or ""."""
        snapshot = self._snapshot(audience)
        try:
            above = query.matched(snapshot, key, audience)
            return "" if above is None else shown.name(above.hits[0]).decode()
        finally:
            snapshot.end()

    def account(self, name: str) -> Account | None:
        """Whom a bind name stands for (bind_names.py)."""
        snapshot = self._reader.snapshot()
        try:
            return self._names.account(snapshot, name)
        finally:
            snapshot.end()

    def is_of(self, key: bytes, name: str) -> bool:
        """Whether a bind name means the entry with that `dn.key`; nobody else's entry is looked at."""
        snapshot = self._reader.snapshot()
        try:
            return self._names.is_of(snapshot, key, name)
        finally:
            snapshot.end()

    def passwords(self, key: bytes) -> tuple[bytes, ...]:
        """What is kept as the password of the entry with that `dn.key`, whether anybody can log in with it or not."""
        snapshot = self._reader.snapshot()
        try:
            return self._names.passwords(snapshot, key)
        finally:
            snapshot.end()


def _done(
    number: int,
    code: int,
    *,
    matched: bytes = b"",
    text: str = "",
    referrals: Sequence[str] = (),
    response: list[Control] | None = None,
) -> bytes:
    encoded = controls.encode_controls(response) if response else b""
    return responses.result(number, responses.SEARCH_DONE, code, matched, text, referrals, controls=encoded)


def _reference(hit: Hit) -> tuple[str, list[str]]:
    """The name of a referral and where it leads."""
    found = shown.stored(hit)
    return found.dn, referrals.uris(found.attributes | found.operational)
