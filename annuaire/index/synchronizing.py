"""The provider of content synchronization (RFC 4533): what a replica is sent of the view of its audience.

    -> a search, the moment that the replica has reached
    <- entries with what they are to it, entryUUIDs of what is gone, cookies; asleep between changes when it persists

A replica whose moment the log knows (view_log.py) is sent what changed since; another one everything, after which it
drops what it was not sent (§3.3.2, the present phase). Messages and cookies depend on the audience's own view alone:
Note [A view moves by itself].

Nothing waits here for a slow replica: it is sent what is true when it reads, and when the log has been shortened
beyond the moment that it has reached, it is told to refresh.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple
from zlib import crc32

from pyroaring import BitMap

from annuaire.domain.audience import Audience
from annuaire.errors import Malformed, Unavailable
from annuaire.index import entry as entries
from annuaire.index import folding, gather, layout, prepare, query, shown
from annuaire.index.answering import Answerer
from annuaire.index.candidate import Candidate
from annuaire.index.gather import PAUSE, Clock, Hit
from annuaire.index.output import Pieces
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering
from annuaire.index.query import Bases, Query, SizeLimits
from annuaire.index.reader import Snapshot
from annuaire.index.strict import Strict
from annuaire.index.view_log import Changed
from annuaire.ldap import assertion, ber, dn, filters, messages, responses, sync
from annuaire.ldap.messages import SearchRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import OBJECT_CLASS
from annuaire.ldap.search_controls import Asked, Scene
from annuaire.ldap.selection import ALL_OPERATIONAL, Selection
from annuaire.ldap.sleeping import ASLEEP
from annuaire.ldap.sync import Asker, Cookie, State

CHUNK_OCTETS = 64 * 1024
ENTRIES_AT_ONCE = 64
DELETIONS_AT_ONCE = 256
# Keys of SCRAM lie beside the hashes and are of use to nobody who is no SASL server of ours.
KEYS_OF_SASL = b"{SCRAM-"

# What `+` means to a replica: what it cannot know by itself. The others it makes of its own tree, or has no place for:
# slapd refuses an entry with an attribute that it does not know, and takes no operational one from a schema file.
OPERATIONAL = (
    b"structuralObjectClass",
    b"entryUUID",
    b"createTimestamp",
    b"creatorsName",
    b"modifyTimestamp",
    b"modifiersName",
    b"ref",
    b"subtreeSpecification",
)

Slices = Generator[bytes, None, None]


@dataclass
class _Replica:
    """One consumer: what it asked, and how far it has been told."""

    number: int  # of its message
    request: SearchRequest
    key: bytes
    asker: Asker
    scene: Scene
    cookie: Cookie
    now: Snapshot
    sent: int = 0
    worked: float = 0.0
    limit: int = 0  # of entries in the refresh, 0 for none
    refreshing: bool = True
    # Digests of the entryUUIDs that it has, where its filter does not tell: four octets each. Two entries in four
    # thousand million have the same; one would then be told as modified when it is new, or deleted without being there.
    content: BitMap | None = None
    # entryUUIDs told since the cookie that was told last, while it persists.
    told: set[bytes] = field(default_factory=set)
    code: ResultCode = ResultCode.success  # anything else: a limit of the request ends its refresh
    _queries: dict[int, tuple[Snapshot, Query]] = field(default_factory=dict)

    def query(self, made: Callable[[Snapshot], Query]) -> Query:
        """The query at the moment of now."""
        known = self._queries.get(id(self.now))
        if known is None:
            self._queries.clear()
            known = self._queries[id(self.now)] = (self.now, made(self.now))
        return known[1]

    def forget(self) -> None:
        """Hold nothing of the index while asleep: a build that nobody reads any more can go."""
        self._queries.clear()


class _Gone(NamedTuple):
    """What a replica may have and is to lose; in the order in which it can be done."""

    height: int  # what lies below others first
    key: bytes
    uuid: bytes
    dn: bytes
    keys: frozenset[bytes]  # all the names that it may have it under


class Synchronizer:
    """Answers searches that carry the sync request control."""

    def __init__(
        self,
        numbering: Numbering,
        compiler: Strict,
        bases: Bases,
        sizes: SizeLimits,
        snapshot: Callable[[Audience], Snapshot],
        answerer: Callable[[Snapshot, SearchRequest], Answerer],
    ) -> None:
        self._numbering = numbering
        self._compiler = compiler
        self._bases = bases
        self._sizes = sizes
        self._snapshot = snapshot
        self._answerer = answerer

    def answer(
        self, number: int, request: SearchRequest, asked: sync.Request, asker: Asker, beside: Asked
    ) -> Slices:
        """The messages, in chunks; ASLEEP until the index has moved. Unavailable: there is no index yet."""
        try:
            key = self._bases.key(request.base)
        except Malformed as error:
            yield _done(number, ResultCode.invalidDNSyntax, text=error.public)
            return
        start = self._snapshot(asker.audience)
        try:
            head = start.views.get(int(asker.audience))
            if head is None:
                raise Unavailable("the directory is being updated")
            cookie = sync.read_cookie(asked.cookie)
            request = _replicated(request)
            replica = _Replica(number, request, key, asker, beside.scene, cookie, start)
            found = replica.query(lambda at: self._query(replica, at))
            above = None if found.target.hits else query.matched(start, key, asker.audience)
            matched = b"" if above is None else shown.name(above.hits[0])
            replica.limit = found.limit if asker.anonymous else request.size_limit
            rows = self._rows(start, asker.audience, cookie.moment, head.moment)
            true = found.target.hits and shown.asserted(
                beside.assertion, found.target.hits[0], asker.audience, self._numbering.schema
            )
        finally:
            start.end()
        if not found.target.hits:
            yield _done(number, ResultCode.noSuchObject, matched=matched)
            return
        if not true:
            yield _done(number, ResultCode.assertionFailed, text=assertion.FAILED)
            return
        told = head.moment
        if rows is None and cookie.moment is not None:
            # slapd takes a cookie that is not later than its own for old news, and would drop nothing.
            told = max(told, cookie.moment + 1)
        work = self._everything(replica, found, start) if rows is None else self._changes(replica, rows)
        yield from self._slices(replica, work, start)
        if replica.code != ResultCode.success:
            yield _done(number, replica.code)
            return
        if not asked.persist:
            controls = sync.done(cookie.at(told), rows is not None)
            yield responses.result(number, responses.SEARCH_DONE, ResultCode.success, controls=controls)
            return
        yield from self._slices(replica, self._remembered(replica, found, start), start)
        yield sync.refreshed(number, cookie.at(told), rows is not None)
        del start, found, work
        replica.refreshing = False
        yield from self._persist(replica, head.moment, told)

    def _persist(self, replica: _Replica, reached: int, told: int) -> Slices:
        """Tell each change of the view; ASLEEP while there is none."""
        audience, number = replica.asker.audience, replica.number
        while True:
            try:
                now = self._snapshot(audience)
                try:
                    head = now.views.get(int(audience))
                    moved = head is not None and head.moment != reached
                    rows = self._rows(now, audience, reached, head.moment) if head and moved else []
                finally:
                    now.end()
                if rows is None:
                    yield _done(number, ResultCode.syncRefreshRequired, text="refresh: the log is shorter")
                    return
                if head is not None and moved:
                    yield from self._slices(replica, self._changes(replica, rows), now)
                    replica.told.clear()
                    reached, told = head.moment, max(head.moment, told + 1)
                    yield sync.new_cookie(number, replica.cookie.at(told))
                    continue
            except Unavailable:
                pass  # the index moves again when there is one, or when nobody who hides is in it
            replica.forget()
            now = replica.now = None  # type: ignore[assignment]
            yield ASLEEP

    # -------------------------------------------------------------- slices of work

    def _slices(self, replica: _Replica, work: Pieces, start: Snapshot) -> Slices:
        """Work that is cut in slices, each of which sees the index of its own moment."""
        while True:
            now = replica.now = self._snapshot(replica.asker.audience)
            pieces: list[bytes] = []
            size, over = 0, False
            began = time.monotonic()
            start.begin()
            try:
                for some in work:
                    if some is None:
                        break
                    pieces += some
                    size += sum(map(len, some))
                    if size >= CHUNK_OCTETS:
                        break
                else:
                    over = True
            finally:
                start.end()
                now.end()
            yield b"".join(pieces)
            if over or replica.code != ResultCode.success:
                return
            replica.worked += time.monotonic() - began
            if replica.refreshing and 0 < replica.request.time_limit < replica.worked:
                replica.code = ResultCode.timeLimitExceeded
                return

    # -------------------------------------------------------------- everything

    def _remembered(self, replica: _Replica, found: Query, start: Snapshot) -> Pieces:
        """Which entries the content has, for a replica that waits and whose filter leaves some out.

        Without it nobody knows whether a changed entry was in the content: what its former values were is not kept.
        """
        every = replica.request.filter
        if isinstance(every, filters.Present) and every.attribute.lower() == OBJECT_CLASS:
            return
        clock = Clock()
        content = BitMap()
        hits = yield from gather.ordered(found.plan, found.sights, None, self._numbering, clock)
        for hit in hits:
            if hit is not PAUSE:
                content.add(crc32(entries.uuid_of(hit[0].part.details(hit[1]))))
            if hit is PAUSE or clock.over():
                yield None
                clock.restart()
        replica.content = content

    def _everything(self, replica: _Replica, found: Query, start: Snapshot) -> Pieces:
        """The whole content: what lies above others first, so that no replica has to invent it, then in order."""
        clock = Clock()
        answerer = self._answerer(start, replica.request)
        above = self._above(replica, found)
        first = {(id(sight), identifier) for sight, identifier in above}
        hits = yield from gather.ordered(found.plan, found.sights, None, self._numbering, clock)
        rest = (hit for hit in hits if hit is PAUSE or (id(hit[0]), hit[1]) not in first)
        some: list[Hit] = []
        for hit in chain(above, rest):
            if hit is not PAUSE:
                some.append(hit)
                if len(some) < ENTRIES_AT_ONCE:
                    continue
            if some:
                yield self._encoded(replica, some, answerer, start)
                some = []
                if replica.code != ResultCode.success:
                    return
            if hit is PAUSE or clock.over():
                yield None
                clock.restart()
        if some:
            yield self._encoded(replica, some, answerer, start)

    def _above(self, replica: _Replica, found: Query) -> list[Hit]:
        """The entries of the content that have others below them, as the audience sees both, from the top down."""
        digests: dict[bytes, None] = {}
        size = layout.DIGEST_SIZE
        for sight, _ in found.sights:
            for chunk, seen in sight.everything(replica.asker.audience).items():
                prefix = layout.posting_key(chunk, layout.CHILDREN, 0, b"")
                for key, _ in sight.part.scan("postings", prefix, prefix):
                    term = key[-size:]
                    if seen.intersect(sight.posting(chunk, layout.CHILDREN, 0, term)):
                        digests[term] = None
        placed = []
        for sight, universe in found.sights:
            for digest in digests:
                for identifier in sight.part.equal(digest) or ():
                    local = identifier & layout.CHUNK_MASK
                    if local not in universe.get(identifier >> layout.CHUNK_BITS, ()):
                        continue
                    candidate = Candidate(sight.part, identifier, self._numbering)
                    if found.plan.node.check(candidate):
                        placed.append((_depth(candidate.key), candidate.key, (sight, identifier)))
        return [hit for _, _, hit in sorted(placed, key=lambda one: one[:2])]

    def _encoded(
        self, replica: _Replica, hits: list[Hit], answerer: Answerer, start: Snapshot
    ) -> list[bytes]:
        """The messages of these entries. Note [Who is hidden meanwhile is not sent] (output.py)."""
        if replica.now is not start:
            now = replica.query(lambda at: self._query(replica, at)).plan
            hits = query.still_seen(
                replica.now, hits, replica.asker.audience, lambda hit: now.holds(hit, self._numbering)
            )
        found = [self._message(replica, hit, answerer, State.ADD) for hit in hits]
        return [one for one in found if one]

    # -------------------------------------------------------------- what changed

    def _rows(self, at: Snapshot, audience: Audience, moment: int | None, until: int) -> list[Changed] | None:
        if moment is None or at.log is None:
            return None
        if moment == until:
            return []
        at.log.begin()
        try:
            return at.log.view_log().since(audience, moment, until)
        finally:
            if at.recent is None:
                at.log.end()

    def _changes(self, replica: _Replica, rows: list[Changed]) -> Pieces:
        """What these rows are to the replica, in an order in which it can be done."""
        clock = Clock()
        there: list[tuple[int, bytes, bytes, State]] = []
        gone: list[_Gone] = []
        for row in rows:
            had = self._had(replica, row)
            hit = self._find(replica, row.uuid)
            if hit is not None:
                key = entries.key_of(hit[0].part.details(hit[1]))
                there.append((_depth(key), key, row.uuid, State.MODIFY if had else State.ADD))
            elif had:
                keys = frozenset(map(self._key, row.names))
                first = self._key(row.names[0])
                gone.append(_Gone(-_depth(first), first, row.uuid, row.names[0], keys))
            if clock.over():
                yield None
                clock.restart()
        there.sort()
        gone.sort()
        # A name that was given to another entry must be free before that one comes.
        taken = {key for _, key, _, _ in there}
        yield from self._deletions(replica, [one for one in gone if not taken.isdisjoint(one.keys)])
        for _, _, uuid, state in there:
            hit = self._find(replica, uuid)
            if hit is not None:  # otherwise it changed again, and that will be told
                if replica.content is not None:
                    replica.content.add(crc32(uuid))
                elif not replica.refreshing:
                    replica.told.add(uuid)
                answerer = self._answerer(replica.now, replica.request)
                yield [self._message(replica, hit, answerer, State.ADD if replica.refreshing else state)]
                if replica.code != ResultCode.success:
                    return
            if clock.over():
                yield None
                clock.restart()
        yield from self._deletions(replica, [one for one in gone if taken.isdisjoint(one.keys)])

    def _deletions(self, replica: _Replica, gone: list[_Gone]) -> Pieces:
        """Each with its name (RFC 4533 §3.4.2), when it comes back as well.

        Of a set of entryUUIDs (§2.5) slapd 2.5 leaves those alone whose entryCSN is later than its contextCSN, and
        makes the one of its own clock: whoever came last before it was cut off, and hid meanwhile, would stay for ever.
        """
        for at in range(0, len(gone), DELETIONS_AT_ONCE):
            some = gone[at : at + DELETIONS_AT_ONCE]
            if (
                replica.content is not None
            ):  # not before it is told: somebody who hides may interrupt this work
                replica.content -= BitMap([crc32(one.uuid) for one in some])
            yield [
                sync.entry(replica.number, responses.entry(one.dn, b""), State.DELETE, one.uuid)
                for one in some
            ]

    def _had(self, replica: _Replica, row: Changed) -> bool:
        """Whether the replica may have the entry.

        One that asks again may have been told more than its cookie says, and of a filter it is not known what it has:
        it takes the deletion of what it never had for done.
        """
        if not any(self._in_scope(replica, self._key(name)) for name in row.names):
            return False
        if replica.content is not None:
            return crc32(row.uuid) in replica.content
        return replica.refreshing or row.seen or row.uuid in replica.told

    def _find(self, replica: _Replica, uuid: bytes) -> Hit | None:
        """The entry of an entryUUID, when it is in the content now."""
        found = replica.query(lambda at: self._query(replica, at))
        attribute = self._numbering.schema.attribute("entryUUID")
        fold = None if attribute is None else folding.equality(attribute)
        digits = uuid.hex()
        text = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        folded = None if fold is None else fold(text.encode())
        if attribute is None or folded is None:
            return None
        digest = prepare.value_digest(self._numbering.of(attribute), folded)
        last: Hit | None = None
        for sight, universe in found.sights:
            for identifier in sight.part.equal(digest) or ():
                local = identifier & layout.CHUNK_MASK
                if local not in universe.get(identifier >> layout.CHUNK_BITS, ()):
                    continue
                if entries.uuid_of(sight.part.details(identifier)) != uuid:
                    continue
                if found.plan.node.check(Candidate(sight.part, identifier, self._numbering)):
                    last = (sight, identifier)
        return last

    # -------------------------------------------------------------- one entry, one query

    def _query(self, replica: _Replica, at: Snapshot) -> Query:
        audience = replica.asker.audience
        return query.prepare(
            at, replica.request, replica.key, audience, self._compiler, self._sizes, replica.scene
        )

    def _in_scope(self, replica: _Replica, key: bytes) -> bool:
        scope, base = replica.request.scope, replica.key
        if scope == messages.BASE:
            return key == base
        if scope == messages.ONE_LEVEL:
            return dn.parent_key(key) == base and key != base
        return dn.is_within(key, base) and not (scope == messages.SUBORDINATES and key == base)

    def _key(self, name: bytes) -> bytes:
        return dn.key(dn.parse(name.decode()), self._numbering.schema)

    def _message(self, replica: _Replica, hit: Hit, answerer: Answerer, state: State) -> bytes:
        if replica.refreshing:
            if 0 < replica.limit <= replica.sent:
                replica.code = ResultCode.sizeLimitExceeded
                return b""
            replica.sent += 1
        sight, identifier = hit
        operation = answerer.messages(b"", sight, [identifier], replica.asker.audience)[2]
        details = sight.part.details(identifier)
        if replica.asker.passwords:
            operation = self._with_passwords(replica.request, operation, sight.part, details)
        return sync.entry(replica.number, operation, state, entries.uuid_of(details))

    def _with_passwords(self, request: SearchRequest, operation: bytes, part: Part, details: bytes) -> bytes:
        """The hashes that binds are checked against, for a replica that may have them (DESIGN §10 (13))."""
        kept = part.passwords(layout.digest(layout.DN_KEY, entries.key_of(details)))
        if kept is None:
            return operation
        added: dict[str, list[bytes]] = {}
        for description, values in ber.decode_attributes(kept).items():
            wanted = Selection.of(request.attributes, self._numbering.schema).wanted(description)
            hashes = [value for value in values if not value.startswith(KEYS_OF_SASL)]
            if wanted is not None and hashes:
                added[wanted] = [] if request.types_only else hashes
        _, start, limit = ber.read(operation, 0, len(operation))
        _, start, end = ber.read(operation, start, limit)
        _, first, last = ber.read(operation, end, limit)
        return responses.entry(operation[start:end], operation[first:last] + ber.encode_attributes(added))


def _replicated(request: SearchRequest) -> SearchRequest:
    """The request, with the attributes that a replica can hold in the place of `+`."""
    if ALL_OPERATIONAL.encode() not in request.attributes:
        return request
    named = [name for name in request.attributes if name != ALL_OPERATIONAL.encode()]
    return replace(request, attributes=(*named, *OPERATIONAL))


def _depth(key: bytes) -> int:
    return key.count(b"\0")


def _done(number: int, code: ResultCode, *, matched: bytes = b"", text: str = "") -> bytes:
    return responses.result(number, responses.SEARCH_DONE, code, matched, text)
