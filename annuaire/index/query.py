"""A search prepared: its base found, its filter compiled, its limits chosen, for one audience and one moment."""

from collections.abc import Callable
from typing import NamedTuple

from pyroaring import BitMap

from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.index import apart, family, layout
from annuaire.index import entry as entries
from annuaire.index.compile import Plan
from annuaire.index.gather import Hit, Universe
from annuaire.index.prepare import ancestors
from annuaire.index.reader import KNOWN_MAX, Snapshot
from annuaire.index.sight import Sight
from annuaire.index.strict import Strict
from annuaire.ldap import dn, messages
from annuaire.ldap.messages import SearchRequest
from annuaire.ldap.schema import Schema
from annuaire.ldap.search_controls import Scene

ORDINARY = Scene()


class Target(NamedTuple):
    """The base of a search, as the audience sees it."""

    key: bytes
    digest: bytes
    hits: tuple[Hit, ...]  # the base entry; none: it does not exist for this audience
    # The referral that it is or lies below (RFC 3296), which ManageDsaIT asks to overlook.
    referral: Hit | None = None


class Scope(NamedTuple):
    """Everything that the audience sees below a base, the starting set of every operation."""

    sights: list[tuple[Sight, Universe]]
    references: list[Hit]  # the referrals in it, which are not among its entries


class SizeLimits(NamedTuple):
    """The server's own limits on entries returned, 0 for none (`[limits] size`)."""

    by_audience: dict[Audience, int]
    substrings: dict[Audience, int]  # for filters with a substrings assertion, where it differs


class Query(NamedTuple):
    """What a SearchRequest means now."""

    target: Target
    plan: Plan
    sights: list[tuple[Sight, Universe]]
    limit: int  # 0: none
    references: list[Hit]


def resolve(snapshot: Snapshot, key: bytes, audience: int) -> Target:
    """The entry of that DN key, if the audience sees it."""
    known = snapshot.known.get((key, audience))
    if known is None:
        known = _look_up(snapshot, key, audience)
        referrals = apart.of(snapshot, audience).referrals
        if referrals:
            above = [name for name in (key, *ancestors(key)) if name in referrals]
            known = known._replace(referral=referrals[above[-1]] if above else None)
        snapshot.remember((key, audience), known)
    assert isinstance(known, Target)
    return known


def _look_up(snapshot: Snapshot, key: bytes, audience: int) -> Target:
    digest = layout.digest(layout.DN_KEY, key)
    hits = tuple(
        (sight, identifier)
        for sight in snapshot.sights
        for identifier in sight.part.equal(digest) or ()
        if sight.sees(audience, identifier)
    )
    return Target(key, digest, hits)


def still_seen(now: Snapshot, hits: list[Hit], audience: int, holds: Callable[[Hit], bool]) -> list[Hit]:
    """The entries found at an earlier moment as the audience sees them now; those that it sees no more are left out.

    A name may be seen with another content: what it has of a person who hides is gone, the rest stays. `holds`:
    whether an entry is what is searched for, which is asked again of those that may have changed.
    """
    seen: list[Hit] = []
    parts = {id(sight.part) for sight in now.sights}
    for sight, identifier in hits:
        found = _look_up(now, entries.key_of(sight.part.details(identifier)), audience).hits
        if id(sight.part) in parts:
            seen += [hit for hit in found if _is_lasting(hit, sight, identifier) or holds(hit)]
        else:  # of another build, whose numbers mean other entries: what has not changed is sent as it was
            answer = sight.part.answer(identifier)
            if any(other.part.answer(number) == answer for other, number in found):
                seen.append((sight, identifier))
    return seen


def _is_lasting(hit: Hit, sight: Sight, identifier: int) -> bool:
    """Whether it is the very entry that was found, which nobody has changed."""
    return hit[1] == identifier and hit[0].part is sight.part and sight.part.is_lasting(identifier)


def matched(snapshot: Snapshot, key: bytes, audience: int) -> Target | None:
    """The nearest entry above that the audience sees (matchedDN, RFC 4511 §4.1.9)."""
    for above in ancestors(key):
        target = resolve(snapshot, above, audience)
        if target.hits:
            return target
    return None


def scope_of(snapshot: Snapshot, target: Target, scope: int, audience: int, scene: Scene = ORDINARY) -> Scope:
    """Where a search begins: what it may find, and where it is to go on elsewhere."""
    wanted = (target.key, scope, audience, scene)
    known = snapshot.known.get(wanted)
    if known is None:
        known = _scope_of(snapshot, target, scope, audience, scene)
        snapshot.remember(wanted, known)
    return known  # type: ignore[return-value]


def _scope_of(snapshot: Snapshot, target: Target, scope: int, audience: int, scene: Scene) -> Scope:
    found: list[tuple[Sight, Universe]] = []
    references: list[Hit] = []
    kind = layout.CHILDREN if scope == messages.ONE_LEVEL else layout.SUBTREE
    kept = apart.of(snapshot, audience)
    for sight, referring, subentries in zip(snapshot.sights, kept.referring, kept.subentries, strict=True):
        universe: Universe = {}
        if scope != messages.BASE:
            universe = dict(sight.universe(audience, target.digest, kind))
        if scope in (messages.BASE, messages.SUBTREE):
            for owner, identifier in target.hits:
                if owner is sight:
                    chunk = identifier >> layout.CHUNK_BITS
                    one = BitMap([identifier & layout.CHUNK_MASK])
                    universe[chunk] = universe[chunk] | one if chunk in universe else one
        if not scene.manages:
            if not scene.subentries:
                references += apart.hits(sight, apart.common(universe, referring))
            universe = apart.without(universe, referring)
        if scene.subentries:
            universe = apart.common(universe, subentries)
        elif scope != messages.BASE or scene.subentries is not None:
            universe = apart.without(universe, subentries)
        found.append((sight, dict(sorted(universe.items()))))
    return Scope(found, references)


class Bases:
    """Turns the base of a request into a DN key; clients send the same few for ever."""

    def __init__(self, schema: Schema, suffix: bytes) -> None:
        self._schema = schema
        self._suffix = suffix
        self._keys: dict[bytes, bytes] = {}

    def key(self, base: bytes) -> bytes:
        """The key of a base as sent. Malformed: not a DN."""
        key = self._keys.get(base)
        if key is None:
            try:
                text = base.decode()
            except UnicodeDecodeError:
                raise Malformed("the base is not UTF-8") from None
            # Note [An empty base means the suffix]: what macOS asks, and what a browser asks before it knows.
            key = dn.key(dn.parse(text), self._schema) or self._suffix
            if len(self._keys) < KNOWN_MAX and len(base) < 1024:
                self._keys[base] = key
        return key


def limit_of(limits: SizeLimits, audience: Audience, asked: int, plan: Plan) -> int:
    """The entries that may be returned, 0 for any number.

    Note [A cut never reaches an exact filter]: Postfix takes sizeLimitExceeded for a failure of the table.
    """
    if plan.exact:
        return asked
    own = limits.by_audience.get(audience, 0)
    if plan.substrings:
        own = limits.substrings.get(audience, own)
    return min(asked, own) if asked and own else asked or own


def prepare(
    snapshot: Snapshot,
    request: SearchRequest,
    key: bytes,
    audience: Audience,
    compiler: Strict,
    limits: SizeLimits,
    scene: Scene = ORDINARY,
) -> Query:
    """The query of a request whose base has that key."""
    target = resolve(snapshot, key, audience)
    plan = compiler.plan(request.filter, key, lambda: family.of(snapshot, audience))
    limit = limit_of(limits, audience, request.size_limit, plan)
    if not target.hits:
        return Query(target, plan, [], limit, [])
    sights, references = scope_of(snapshot, target, request.scope, audience, scene)
    return Query(target, plan, sights, limit, references)
