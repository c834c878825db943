"""The directory that sessions ask: every answer is read here, from the index alone (see `ldap.directory`).

    -> SearchRequest, its audience, its controls
    <- SearchResultEntry…, SearchResultDone

Security: each operation starts from the set that the audience may see (Note [Who asks decides what exists]);
nothing that is computed outside of it reaches an answer.
Timing class: Note [The same path for the hidden and the absent] (sight.py).
"""

import hashlib
import itertools
import time
from collections.abc import Generator, Iterator
from typing import NamedTuple

from annuaire.domain.audience import Audience
from annuaire.errors import Malformed, Unavailable
from annuaire.index import entry as entries
from annuaire.index import folding, gather, layout, plan, query
from annuaire.index.answering import Answerer
from annuaire.index.bind_names import BindNames
from annuaire.index.compile import Compiler
from annuaire.index.cookies import Place, Seal
from annuaire.index.gather import Clock, Hit
from annuaire.index.output import ENCODED_AT_ONCE, Deadline, Output, Pieces, TooLate
from annuaire.index.prepare import Numbering
from annuaire.index.query import Query, SizeLimits
from annuaire.index.quick import QuickEquality
from annuaire.index.reader import Reader, Snapshot
from annuaire.index.sorting import Order
from annuaire.ldap import ber, controls, dn, responses
from annuaire.ldap.controls import PagedResults, SortKey
from annuaire.ldap.directory import Account, Answer, Found
from annuaire.ldap.filters import Equality
from annuaire.ldap.messages import Control, Message, SearchRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema
from annuaire.ldap.selection import Selection

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


class Directory:
    """The index behind `annuaire.ldap.directory.Directory`."""

    def __init__(self, reader: Reader, numbering: Numbering, settings: Settings, cookie_key: bytes) -> None:
        self._reader = reader
        self._numbering = numbering
        self._schema: Schema = numbering.schema
        self._settings = settings
        self._compiler = Compiler(numbering)
        self._numbers = itertools.count()
        self._seal = Seal(cookie_key)
        self._suffix = dn.key(dn.parse(settings.suffix), self._schema)
        self._bases = query.Bases(self._schema, self._suffix)
        self._quick = QuickEquality(numbering, self._bases, self._answerer)
        self._names = BindNames(numbering, settings.suffix, settings.accounts)

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
            page, keys, sort_critical = _controls(message.controls)
        except Malformed as error:
            yield [_done(number, ResultCode.protocolError, text=error.public)]
            return
        prepared = query.prepare(snapshot, request, key, audience, self._compiler, self._settings.size)
        if not prepared.target.hits:
            yield [self._absent(number, snapshot, key, audience)]
            return
        answerer = self._answerer(snapshot, request)
        output = Output(ber.integer(number), answerer, audience, deadline, snapshot)
        response: list[Control] = []
        try:
            if keys is None and page is None:
                if prepared.limit:
                    yield from self._best(prepared, output)
                else:
                    yield from self._in_order(prepared, output)
            else:
                yield from self._controlled(message, prepared, output, page, keys, sort_critical, response)
        except TooLate:
            pass
        yield [_done(number, output.code, text=output.text, response=response)]

    def _controlled(
        self,
        message: Message,
        prepared: Query,
        output: Output,
        page: PagedResults | None,
        keys: tuple[SortKey, ...] | None,
        sort_critical: bool,
        response: list[Control],
    ) -> Pieces:
        """Sorted, paged, or both: the whole visible set is sorted, then cut in pages."""
        request = message.operation
        assert isinstance(request, SearchRequest)
        order = None
        if keys is not None:
            order, sorted_code, attribute = self._order(keys)
            response.append(controls.sort_response(sorted_code, attribute))
            if order is None and sort_critical:
                output.refuse(ResultCode.unavailableCriticalExtension, "this sort is not possible")
                return
        if order is not None and order.natural:
            order = None  # the order in which entries are numbered
        if page is None and order is None:
            yield from self._first(prepared, output)
        elif page is None and order is not None:
            yield from self._sorted(prepared, order, output, 0, prepared.limit or None)
        elif page is not None:
            search = _identity(request, prepared.target.key, keys, output.audience)
            place = Place(0, 0, b"", bytes(16))
            if page.cookie:
                found = self._seal.open(search, page.cookie)
                if found is None:
                    output.refuse(ResultCode.unwillingToPerform, "this page cookie is not for this search")
                    return
                place = found
            cookie = yield from self._page(prepared, order, output, page, place, search)
            response.append(controls.paged_results(0, cookie))

    def _deadline(self, request: SearchRequest, now: float) -> Deadline:
        limits = [float(x) for x in (request.time_limit, self._settings.time_limit) if x]
        return Deadline(now + min(limits) if limits else float("inf"))

    def _answerer(self, snapshot: Snapshot, request: SearchRequest) -> Answerer:
        wanted = (request.attributes, request.types_only)
        answerer = snapshot.known.get(wanted)
        if answerer is None:
            answerer = Answerer(
                Selection.of(request.attributes, self._schema),
                request.types_only,
                snapshot.hot,
                next(self._numbers),
            )
            if len(snapshot.known) < query.KNOWN_MAX:
                snapshot.known[wanted] = answerer
        assert isinstance(answerer, Answerer)
        return answerer

    def _absent(self, number: int, snapshot: Snapshot, key: bytes, audience: Audience) -> bytes:
        above = query.matched(snapshot, key, audience)
        return _done(number, ResultCode.noSuchObject, matched=b"" if above is None else _name(above.hits[0]))

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

    def _first(self, prepared: Query, output: Output) -> Pieces:
        """The first entries in (cn, DN) order, as many as the limit lets through."""
        clock = Clock()
        gathering = gather.ordered(prepared.plan, prepared.sights, None, self._numbering, clock)
        hits = yield from output.watched(gathering)
        if not prepared.limit:
            yield from output.emit(hits, clock)
            return
        taken = yield from output.take(hits, prepared.limit + 1, clock)
        if len(taken) > prepared.limit:
            output.code = ResultCode.sizeLimitExceeded
        yield output.encode(taken[: prepared.limit])

    def _sorted(
        self, prepared: Query, order: Order, output: Output, offset: int, count: int | None
    ) -> Generator[list[bytes] | None, None, int]:
        """Send sorted entries from an offset; how many there are in all."""
        clock = Clock()
        hits = yield from output.watched(
            gather.everything(prepared.plan, prepared.sights, self._numbering, clock)
        )
        hits = yield from output.watched(order.sort(hits, self._numbering, clock))
        chosen = hits[offset : None if count is None else offset + count]
        if prepared.limit and len(hits) > prepared.limit and offset + len(chosen) >= prepared.limit:
            output.code = ResultCode.sizeLimitExceeded
        yield from output.emit(iter(chosen), clock)
        return len(hits)

    def _page(
        self,
        prepared: Query,
        order: Order | None,
        output: Output,
        page: PagedResults,
        place: Place,
        search: bytes,
    ) -> Generator[list[bytes] | None, None, bytes]:
        """Send one page; the cookie of the next, empty after the last."""
        if page.size == 0:  # RFC 2696 §3: the client abandons the rest
            return b""
        size = page.size
        if prepared.limit:
            size = min(size, prepared.limit - place.sent)
            if size <= 0:
                output.code = ResultCode.sizeLimitExceeded
                return b""
        if order is not None:
            total = yield from self._sorted(prepared._replace(limit=0), order, output, place.offset, size)
            after = place.offset + size
            if output.code != ResultCode.success or after >= total:
                return b""
            if prepared.limit and place.sent + size >= prepared.limit:
                output.code = ResultCode.sizeLimitExceeded
                return b""
            return self._seal.seal(search, Place(place.sent + size, after, b"", bytes(16)))
        clock = Clock()
        start = self._start(prepared, place, output.audience)
        gathering = gather.ordered(prepared.plan, prepared.sights, start, self._numbering, clock)
        hits = yield from output.watched(gathering)
        taken = yield from output.take(hits, size + 1, clock)
        yield from output.emit(iter(taken[:size]), clock)
        if len(taken) <= size or output.code != ResultCode.success:
            return b""
        if prepared.limit and place.sent + size >= prepared.limit:
            output.code = ResultCode.sizeLimitExceeded
            return b""
        sight, identifier = taken[size - 1]
        details = sight.part.details(identifier)
        here = Place(place.sent + size, 0, entries.sort_key_of(details), entries.uuid_of(details))
        return self._seal.seal(search, here)

    def _start(self, prepared: Query, place: Place, audience: Audience) -> bytes | None:
        """The whole sort key after which a page begins.

        Of the entry as the audience sees it: one name may have several entries, of one entryUUID.
        """
        if not place.sent:
            return None
        number = self._numbering.number.get("entryuuid", 0)
        uuid = place.uuid.hex()
        text = f"{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-{uuid[16:20]}-{uuid[20:]}"
        fold = folding.equality(self._schema.attribute("entryUUID"))
        folded = None if fold is None else fold(text.encode())
        if folded is not None:
            digest = layout.digest(number, folded.encode())
            for sight, _ in prepared.sights:
                for identifier in sight.part.equal(digest) or ():
                    if not sight.sees(audience, identifier):
                        continue
                    key = entries.sort_key_of(sight.part.details(identifier))
                    if key.startswith(place.key):
                        return key
        return place.key  # it was deleted or renamed meanwhile: go on at its place

    def _order(self, keys: tuple[SortKey, ...]) -> tuple[Order | None, int, str | None]:
        """How to sort, or why not (RFC 2891 §1.2: code and attribute of the response control)."""
        folds: list[tuple[plan.Operand, folding.Fold, bool]] = []
        for key in keys:
            attribute = self._schema.attribute(key.attribute)
            if attribute is None:
                return None, ResultCode.noSuchAttribute, key.attribute
            rule = None if key.rule is None else self._schema.rule(key.rule)
            fold = folding.ordering(attribute, self._schema.rules, rule)
            if fold is None or (rule is None and key.rule is not None):
                return None, ResultCode.inappropriateMatching, key.attribute
            operand = plan.Operand([attribute], [self._numbering.of(attribute)], frozenset())
            folds.append((operand, fold, key.reverse))
        operand, fold, reverse = folds[0]
        natural = len(folds) == 1 and operand.names == {"cn"} and fold is folding.name and not reverse
        return Order(folds, natural), ResultCode.success, None

    # -------------------------------------------------------------- the other questions

    def entry(self, key: bytes, audience: Audience) -> Found | None:
        """The entry with that `dn.key`; None when it is absent or hidden, which are the same."""
        snapshot = self._snapshot(audience)
        try:
            target = query.resolve(snapshot, key, audience)
            return _found(target.hits[0]) if target.hits else None
        finally:
            snapshot.end()

    def matched(self, key: bytes, audience: Audience) -> str:
        """The DN of the nearest superior that the audience sees, or ""."""
        snapshot = self._snapshot(audience)
        try:
            above = query.matched(snapshot, key, audience)
            return "" if above is None else _name(above.hits[0]).decode()
        finally:
            snapshot.end()

    def account(self, name: str) -> Account | None:
        """Whom a bind name stands for (bind_names.py)."""
        snapshot = self._reader.snapshot()
        try:
            return self._names.account(snapshot, name)
        finally:
            snapshot.end()


def _controls(sent: tuple[Control, ...]) -> tuple[PagedResults | None, tuple[SortKey, ...] | None, bool]:
    page, keys, critical = None, None, False
    for control in sent:
        if control.oid == controls.PAGED_RESULTS:
            page = controls.decode_paged_results(control.value)
        elif control.oid == controls.SORT_REQUEST:
            keys, critical = controls.decode_sort_request(control.value), control.critical
    return page, keys, critical


def _done(
    number: int, code: int, *, matched: bytes = b"", text: str = "", response: list[Control] | None = None
) -> bytes:
    encoded = controls.encode_controls(response) if response else b""
    return responses.result(number, responses.SEARCH_DONE, code, matched, text, controls=encoded)


def _identity(
    request: SearchRequest, key: bytes, keys: tuple[SortKey, ...] | None, audience: Audience
) -> bytes:
    """What tells this paged search from another: all of it but the page size."""
    whole = repr((key, request.scope, request.filter, request.size_limit, keys, int(audience)))
    return hashlib.blake2b(whole.encode("utf-8", "backslashreplace"), digest_size=16).digest()


def _name(hit: Hit) -> bytes:
    sight, identifier = hit
    answer = sight.part.answer(identifier)
    _, start, _ = ber.read(answer, 0, len(answer))
    _, start, end = ber.read(answer, start, len(answer))
    return answer[start:end]


def _found(hit: Hit) -> Found:
    sight, identifier = hit
    details = entries.decode_details(sight.part.details(identifier))
    answer = sight.part.answer(identifier)
    attributes = ber.decode_attributes(answer[details.offsets[0] :])
    return Found(_name(hit).decode(), attributes, ber.decode_attributes(details.operational))
