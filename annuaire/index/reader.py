"""The index as a worker reads it: one look at it per request, reopened when it moved."""

import mmap
from dataclasses import dataclass, field
from functools import lru_cache

from pyroaring import BitMap

from annuaire.errors import Unavailable
from annuaire.index import environments, folder, layout, postings, view_log
from annuaire.index.folder import IndexFolder
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering
from annuaire.index.sight import Sight
from annuaire.index.view_log import Head
from annuaire.ldap.schema import Schema

# Resolved bases, universes, selections and the like kept for one state of the index.
KNOWN_MAX = 4096


@dataclass(slots=True)
class Snapshot:
    """The index at one moment: a base and, when something was written since, a recent part.

    `known` remembers what requests ask again and again, `hot` the answers cut for it; both go when the index moves.
    """

    number: int
    base: Sight
    recent: Sight | None
    change: int
    numbering: Numbering
    # Strangers are answered from this change on: Note [Secrecy before availability].
    hidden: int = 0
    known: dict[object, object] = field(default_factory=dict)
    hot: dict[int, bytes] = field(default_factory=dict)
    # The index of now, while an answer that began at this moment is still being sent.
    later: "Snapshot | None" = None
    # Where the log of each audience's view stands (view_log.py), and the part that holds it.
    views: dict[int, Head] = field(default_factory=dict)
    log: Part | None = None
    # Of the recent part, from which all of this was read: a writer commits before it tells anybody, or is killed then.
    moment: int = 0

    @property
    def sights(self) -> list[Sight]:
        return [self.base] if self.recent is None else [self.base, self.recent]

    def remember(self, name: object, value: object) -> None:
        """Keep it in `known`."""
        if len(self.known) >= KNOWN_MAX:
            self.known.clear()
        self.known[name] = value

    def fact(self, name: bytes) -> bytes | None:
        """What the index knows of a name beside its entries (facts.py)."""
        if self.recent is not None:
            found = self.recent.part.fact(name)
            if found is not None:
                return found or None
        return self.base.part.fact(name)

    def begin(self) -> None:
        """Before a slice of work."""
        self.base.part.begin()
        if self.recent is not None:
            self.recent.part.begin()

    def end(self) -> None:
        """After a slice of work: no read transaction outlives a turn of the reactor."""
        self.base.part.end()
        if self.recent is not None:
            self.recent.part.end()


class Reader:
    """Opens the current build and follows its moves."""

    def __init__(self, path: IndexFolder, numbering: Numbering) -> None:
        self._folder = path
        self._numbering = numbering
        self._beacon: mmap.mmap | None = None
        self._seen = b""
        self._number: int | None = None
        self._base: Part | None = None
        self._recent: Part | None = None
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """The index now, ready for a slice of work. Unavailable: there is none yet."""
        beacon = self._beacon
        if beacon is not None and beacon[:] == self._seen and self._snapshot is not None:
            if self._snapshot.recent is not None:
                part = self._snapshot.recent.part
                part.begin()
                if part.moment() != self._snapshot.moment:
                    return self._look()
            return self._snapshot
        return self._look()

    def is_at(self, snapshot: Snapshot | None) -> bool:
        """Whether the index is still at this moment: what was read of it then is what would be read now."""
        beacon = self._beacon
        return beacon is not None and snapshot is self._snapshot is not None and beacon[:] == self._seen

    def _look(self) -> Snapshot:
        if self._beacon is None:
            if not self._folder.path.exists():
                raise Unavailable("the index is not ready")
            self._beacon = self._folder.beacon()
        seen = self._beacon[:]
        number = self._folder.current()
        if number is None:
            raise Unavailable("the index is not ready")
        if number != self._number or self._base is None:
            try:
                self._open(number)
            except Unavailable:
                if self._folder.current() in (None, number):
                    raise
                return self._look()  # another build took its place just now
        assert self._base is not None
        gone, recent, change = BitMap(), None, self._manifest.change
        views: dict[int, Head] = {}
        if self._recent is None and self._folder.recent(number).exists():
            with environments.usable():
                self._recent = Part(self._folder.recent(number), frozen=False)
        if self._recent is not None:
            self._recent.end()
            self._recent.begin()
            self._recent.shapes.clear()
            self._recent.load()
            raw = self._recent.meta(b"change")
            if raw is not None:
                change = int.from_bytes(raw, "little")
                gone = _set(self._recent.meta(b"gone-base"))
                recent = Sight(self._recent, _set(self._recent.meta(b"gone-recent")))
            views = view_log.heads(self._recent.view_log())
            self._base.amend(self._recent)
            if recent is None:
                self._recent.end()
        base = None if self._snapshot is None else self._snapshot.base
        if base is None or base.part is not self._base or gone or base.gone or self._base.amended:
            base = Sight(self._base, gone)
        together = [base] if recent is None else [base, recent]
        for sight in together:
            sight.together = together
        hidden = self._folder.hidden_in(seen)
        self._snapshot = Snapshot(number, base, recent, change, self._numbering, hidden)
        self._snapshot.views, self._snapshot.log = views, self._recent
        if recent is not None:
            self._snapshot.moment = recent.part.moment()
        self._seen = seen  # only now: what could not be opened is looked at again
        return self._snapshot

    def _open(self, number: int) -> None:
        manifest = self._folder.manifest(number)
        if manifest is None or manifest.schema != schema_digest(self._numbering):
            raise Unavailable("the index is not ready", f"build {number} cannot be used")
        with environments.usable():
            base = Part(self._folder.build(number) / "base", frozen=True)
        # The former parts stay open for the streams that still read them; they close when nobody does.
        self._base, self._recent = base, None
        self._manifest: folder.Manifest = manifest
        self._number = number
        self._snapshot = None

    def beacon(self) -> bytes:
        """Octets that are others when the index has moved."""
        return b"" if self._beacon is None else self._beacon[:]

    def close(self) -> None:
        for part in (self._base, self._recent):
            if part is not None:
                part.close()
        self._base = self._recent = self._snapshot = None


def _set(raw: bytes | None) -> BitMap:
    return BitMap() if raw is None else postings.deserialize(raw)


def schema_digest(numbering: Numbering) -> str:
    """What a build depends on beside the entries: attributes, how their values are compared, what classes imply."""
    return _digest(numbering.schema)


@lru_cache(maxsize=4)
def _digest(schema: Schema) -> str:
    rules = [(t.key, t.equality_rule, t.substrings_rule) for t in schema.attribute_types]
    known = [f"{key} {e and e.name} {s and s.name}" for key, e, s in rules]
    known += [" ".join([c.key, *sorted(c.superclasses)]) for c in schema.object_classes]
    return layout.digest(0, "\n".join(sorted(known)).encode()).hex()
