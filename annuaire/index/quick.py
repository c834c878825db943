"""The shortest way from a lone equality filter to its answer: what mail servers ask, at every recipient.

It decides nothing of its own: same universes, same folding, same digests as the general way, which answers
whatever is not plainly zero or one entry.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.index import folding, layout, query
from annuaire.index.answering import Answerer
from annuaire.index.family import COMPUTED
from annuaire.index.gather import Universe
from annuaire.index.prepare import Numbering, value_digest
from annuaire.index.query import Bases
from annuaire.index.reader import Snapshot
from annuaire.index.sight import Sight
from annuaire.index.strict import Strict
from annuaire.ldap import ber, messages, responses
from annuaire.ldap.filters import Equality
from annuaire.ldap.messages import SearchRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.selection import memorable


class _Lane(NamedTuple):
    """What all searches of one client that differ by the asserted value have in common."""

    sights: list[tuple[Sight, Universe]]
    number: int
    fold: folding.Fold
    answerer: Answerer


class QuickEquality:
    """Answers equality of one attribute without options or subtypes, in a subtree or one level."""

    def __init__(
        self,
        numbering: Numbering,
        bases: Bases,
        answerer: Callable[[Snapshot, SearchRequest], Answerer],
        strict: Strict,
    ) -> None:
        self._strict = strict
        self._numbering = numbering
        self._bases = bases
        self._answerer = answerer

    def answer(
        self, snapshot: Snapshot, number: int, request: SearchRequest, filter_: Equality, audience: Audience
    ) -> bytes | None:
        """The whole answer, or None: take the general way."""
        wanted = (
            request.base,
            request.scope,
            audience,
            filter_.attribute,
            request.attributes,
            request.types_only,
        )
        lane: _Lane | None = snapshot.known.get(wanted)  # type: ignore[assignment]
        if lane is None:
            lane = self._lane(snapshot, request, filter_, audience)
            if lane is None:
                return None
            if memorable(request.attributes):
                snapshot.remember(wanted, lane)
        sights, attribute, fold, answerer = lane
        folded = fold(filter_.value)
        if folded is None:
            return None
        digest = value_digest(attribute, folded)
        found = None
        for sight, universe in sights:
            ids = sight.part.equal(digest)
            if ids is None:
                return None
            for identifier in ids:
                seen = universe.get(identifier >> layout.CHUNK_BITS)
                if seen is not None and (identifier & layout.CHUNK_MASK) in seen:
                    if found is not None:
                        return None
                    found = (sight, [identifier])
        if found is None:
            return done(number)
        pieces: list[bytes] = answerer.messages(_message_id(number), *found, audience)
        pieces.append(done(number))
        return b"".join(pieces)

    def _lane(
        self, snapshot: Snapshot, request: SearchRequest, filter_: Equality, audience: Audience
    ) -> _Lane | None:
        if request.scope == messages.BASE:
            return None
        known = self._numbering.schema.describe(filter_.attribute)
        if known.type is None or known.options or known.type.key in COMPUTED:
            return None
        key = known.type.key
        if any(key in t.supertypes and t.key != key for t in self._numbering.schema.attribute_types):
            return None
        fold = folding.equality(known.type)
        try:
            target = query.resolve(snapshot, self._bases.key(request.base), audience)
        except Malformed:
            return None
        if fold is None or not target.hits or self._strict.applies(target.key):
            return None
        sights, references = query.scope_of(snapshot, target, request.scope, audience)
        if references or target.referral is not None:
            return None
        return _Lane(sights, self._numbering.of(known.type), fold, self._answerer(snapshot, request))


_message_id = lru_cache(maxsize=1024)(ber.integer)


@lru_cache(maxsize=1024)
def done(number: int) -> bytes:
    """SearchResultDone with success."""
    return responses.result(number, responses.SEARCH_DONE, ResultCode.success)
