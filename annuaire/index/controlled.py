"""The answers to searches that ask for an order, a page or a window: RFC 2891, RFC 2696, virtual list views.

Where the order is that in which entries lie, a page is read from its place on; any other order is a listing
(listings.py), of which pages and windows are cut by position. Nothing is kept for a connection: any worker answers any
page.
"""

import hashlib
from collections.abc import Generator

from annuaire.domain.audience import Audience
from annuaire.index import entry as entries
from annuaire.index import folding, gather, layout, sorting
from annuaire.index.cookies import Place, Seal
from annuaire.index.gather import Clock
from annuaire.index.listings import Listings
from annuaire.index.output import Output, Pieces
from annuaire.index.prepare import Numbering
from annuaire.index.query import Query
from annuaire.index.reader import Snapshot
from annuaire.index.sorting import Order
from annuaire.ldap import controls, virtual_list
from annuaire.ldap.controls import PagedResults
from annuaire.ldap.messages import Control, SearchRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.search_controls import Asked
from annuaire.ldap.virtual_list import View

_BEGINNING = Place(0, b"", bytes(16))


class Controlled:
    """Answers such searches for one directory."""

    def __init__(self, numbering: Numbering, seal: Seal, page_max: int) -> None:
        self._numbering = numbering
        self._seal = seal
        self._page_max = page_max
        self._listings = Listings(numbering)

    def answer(
        self,
        prepared: Query,
        output: Output,
        asked: Asked,
        request: SearchRequest,
        snapshot: Snapshot,
        response: list[Control],
    ) -> Pieces:
        """The entries; how the search ends is left in `output`, the response controls in `response`."""
        order = None
        if asked.keys is not None:
            order, code, attribute = sorting.understand(asked.keys, self._numbering)
            response.append(controls.sort_response(code, attribute))
            if order is None and asked.sort_critical:
                output.refuse(ResultCode.unavailableCriticalExtension, "this sort is not possible")
                return
        search = _identity(request, prepared.target.key, asked, output.audience)
        if asked.view is not None:
            output.partial = True
            if not _refused_view(asked, order, output, response):
                assert order is not None
                yield from self._view(prepared, order, output, asked.view, search, snapshot, response)
            return
        if asked.page is not None:
            place = _BEGINNING
            if asked.page.cookie:
                found = self._seal.open(search, asked.page.cookie)
                if found is None:
                    output.refuse(ResultCode.unwillingToPerform, "this page cookie is not for this search")
                    return
                place = found
            cookie = yield from self._page(prepared, order, output, asked.page, place, search, snapshot)
            output.partial = bool(cookie) or not asked.page.size
            response.append(controls.paged_results(0, cookie))
        elif order is None or order.natural:
            yield from self._first(prepared, output)
        else:
            yield from self._sorted(prepared, order, output, search, snapshot)

    # -------------------------------------------------------------- whole

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
        self, prepared: Query, order: Order, output: Output, search: bytes, snapshot: Snapshot
    ) -> Pieces:
        making = self._listings.of(search, prepared, order, snapshot, output.audience)
        listing = yield from output.watched(making)
        stop = prepared.limit or len(listing)
        if len(listing) > stop:
            output.code = ResultCode.sizeLimitExceeded
        yield from output.emit(listing.hits(0, stop), Clock())

    # -------------------------------------------------------------- pages

    def _page(
        self,
        prepared: Query,
        order: Order | None,
        output: Output,
        page: PagedResults,
        place: Place,
        search: bytes,
        snapshot: Snapshot,
    ) -> Generator[list[bytes] | None, None, bytes]:
        """Send one page; the cookie of the next, empty after the last."""
        if page.size == 0:  # RFC 2696 §3: the client abandons the rest
            return b""
        size = min(page.size, self._page_max) if self._page_max else page.size
        if prepared.limit:
            size = min(size, prepared.limit - place.sent)
            if size <= 0:
                output.code = ResultCode.sizeLimitExceeded
                return b""
        clock = Clock()
        if order is None or order.natural:
            start = self._whole_key(prepared, place, output.audience, None)
            gathering = gather.ordered(prepared.plan, prepared.sights, start, self._numbering, clock)
            hits = yield from output.watched(gathering)
        else:
            making = self._listings.of(search, prepared, order, snapshot, output.audience)
            listing = yield from output.watched(making)
            after = self._whole_key(prepared, place, output.audience, order)
            # The least key that is larger: of two keys one may be the beginning of the other.
            first = 0 if after is None else listing.first_from(after + b"\0")
            hits = listing.hits(first, first + size + 1)
        taken = yield from output.take(hits, size + 1, clock)
        yield from output.emit(iter(taken[:size]), clock)
        if len(taken) <= size or output.code != ResultCode.success:
            return b""
        if prepared.limit and place.sent + size >= prepared.limit:
            output.code = ResultCode.sizeLimitExceeded
            return b""
        last = taken[size - 1]
        key = gather.order_key(last) if order is None else order.key(last)
        uuid = entries.uuid_of(last[0].part.details(last[1]))
        return self._seal.seal(search, Place(place.sent + size, key, uuid))

    def _whole_key(
        self, prepared: Query, place: Place, audience: Audience, order: Order | None
    ) -> bytes | None:
        """The whole sort key after which a page begins.

        Of the entry as the audience sees it: one name may have several entries, of one entryUUID.
        """
        if not place.sent:
            return None
        attribute = self._numbering.schema.attribute("entryUUID")
        assert attribute is not None
        uuid = place.uuid.hex()
        text = f"{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-{uuid[16:20]}-{uuid[20:]}"
        fold = folding.equality(attribute)
        folded = None if fold is None else fold(text.encode())
        if folded is not None:
            digest = layout.digest(self._numbering.of(attribute), folded.encode())
            for sight, _ in prepared.sights:
                for identifier in sight.part.equal(digest) or ():
                    if not sight.sees(audience, identifier):
                        continue
                    hit = (sight, identifier)
                    key = gather.order_key(hit) if order is None else order.key(hit)
                    if key.startswith(place.key):
                        return key
        return place.key  # it was deleted or renamed meanwhile: go on at its place

    # -------------------------------------------------------------- windows

    def _view(
        self,
        prepared: Query,
        order: Order,
        output: Output,
        view: View,
        search: bytes,
        snapshot: Snapshot,
        response: list[Control],
    ) -> Pieces:
        def refuse(code: ResultCode, text: str, length: int = 0) -> None:
            output.refuse(code, text)
            response.append(virtual_list.response(0, length, code))

        if view.context and self._seal.open(search, view.context) is None:
            refuse(ResultCode.unwillingToPerform, "this context is not of this list")
            return
        start = None
        if view.value is not None:
            start = order.start(view.value)
            if start is None:
                refuse(ResultCode.inappropriateMatching, "not a value of the first sort key")
                return
        making = self._listings.of(search, prepared, order, snapshot, output.audience)
        listing = yield from output.watched(making)
        length = len(listing)
        if start is not None:
            place: int | None = listing.first_from(start) + 1
        else:
            place = virtual_list.place(view.offset, view.content, length)
        if place is None:
            refuse(ResultCode.offsetRangeError, "the list has no such entry", length)
            return
        target = max(place - 1, 0)
        first, stop = max(0, target - view.before), min(length, target + view.after + 1)
        if prepared.limit and stop - first > prepared.limit:
            stop = first + prepared.limit
            output.code = ResultCode.sizeLimitExceeded
        yield from output.emit(listing.hits(first, stop), Clock())
        context = self._seal.seal(search, _BEGINNING)
        response.append(virtual_list.response(place, length, ResultCode.success, context))


def _refused_view(asked: Asked, order: Order | None, output: Output, response: list[Control]) -> bool:
    """Whether a window cannot be given at all; why is then said in both places."""
    if asked.keys is None:
        code, text = ResultCode.sortControlMissing, "a virtual list needs the sort control"
    elif asked.page is not None:
        code, text = ResultCode.unwillingToPerform, "a virtual list has no pages"
    elif order is None:
        code, text = ResultCode.virtualListViewError, "a virtual list needs a sort that is possible"
    else:
        return False
    output.refuse(code, text)
    response.append(virtual_list.response(0, 0, code))
    return True


def _identity(request: SearchRequest, key: bytes, asked: Asked, audience: Audience) -> bytes:
    """What tells this search from another, page by page and window by window: not how many entries are asked."""
    viewed = asked.view is not None
    limit = 0 if viewed else request.size_limit
    whole = repr((key, request.scope, request.filter, limit, asked.keys, asked.scene, viewed, int(audience)))
    return hashlib.blake2b(whole.encode("utf-8", "backslashreplace"), digest_size=16).digest()
