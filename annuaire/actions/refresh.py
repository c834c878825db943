"""Brings the index up to what the store has committed. Nothing else moves the index.

Note [Only refresh moves the index, in change order]: it holds the index's lock, applies every change up to the
store's head, and says in the index which change that is. A build, which takes long, runs beside the index in use
and takes the lock only to catch up and to switch.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from annuaire.actions import mentions, rules, views
from annuaire.actions.mentions import Mentions
from annuaire.actions.views import Views, ViewSettings
from annuaire.domain import audience, trace, visibility
from annuaire.domain.activation import Rules
from annuaire.domain.audience import Audience
from annuaire.domain.trace import Trace
from annuaire.errors import Unavailable
from annuaire.index import build, environments, layout, succession
from annuaire.index.build import Progress
from annuaire.index.entry import IndexEntry
from annuaire.index.folder import IndexFolder, Manifest
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Reader as Index
from annuaire.index.reader import schema_digest
from annuaire.index.writer import RecentWriter
from annuaire.ldap import dn, schema
from annuaire.ldap.schema import Schema
from annuaire.store import engine
from annuaire.store.domains import DomainRow
from annuaire.store.engine import Reader, Store
from annuaire.store.entries import EntryRow
from annuaire.store.records import MAILBOXES, RecordRow

# Beyond so many entries written since the base, a new base is better: searches ask both parts. Writers leave it to
# whoever follows the store (renewing.py) and wait for it only when there are RECENT_FULL.
RECENT_MAX = 20_000
RECENT_FULL = 200_000
# A build catches up without holding up writers until so few changes are left, and so often at most.
NEARLY_LEVEL, LEVEL_ROUNDS = 500, 10
# Of a build that is about to be replaced, what is written to it so that the logs of its views are whole.
LAST_MAX = 1_000
# Changes read at once from the store.
CHANGES_AT_ONCE = 5_000
# Entries, or people, of one piece of a build's reading.
PARTITION = 4_000
PROCESSES = 2


def silent(stage: str, done: int, total: int) -> None:
    """The progress of somebody who does not look."""


class Piece(NamedTuple):
    """One piece of a build's reading: entries by id, holders by name, or the liste blanche."""

    kind: str  # entries, holders, liste-blanche
    low: int | str
    high: int | str | None


@dataclass(frozen=True)
class StoreSource:
    """The store as the index reads it; pickled into the processes of a build, where it opens its own store."""

    url: str
    state: Path
    suffix: str
    schema_files: tuple[Path, ...] = ()
    settings: ViewSettings = field(default_factory=ViewSettings)
    trees: tuple[str, ...] = ()  # `[trees] suffixes`
    readers: tuple[str, ...] = tuple(audience.NAMES)  # `[trees] readers`
    # Told of what is written through this source; processes of a build only read.
    told: Trace = field(default=trace.silent, repr=False, compare=False)
    _kept: dict[str, object] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "told": trace.silent, "_kept": {}}

    def schema(self) -> Schema:
        found = self._kept.get("schema")
        if not isinstance(found, Schema):
            extra = self.schema_files
            found = schema.load([*schema.shipped(), *extra]) if extra else schema.standard()
            self._kept["schema"] = found
        return found

    def numbering(self) -> Numbering:
        """With all that it remembers of values from one write to the next."""
        found = self._kept.get("numbering")
        if not isinstance(found, Numbering):
            found = self._kept["numbering"] = Numbering(self.schema())
        return found

    def store(self) -> Store:
        found = self._kept.get("store")
        if not isinstance(found, Store):
            found = self._kept["store"] = engine.open(self.url, self.state)
        return found

    # -------------------------------------------------------------- what a build reads

    def partitions(self) -> list[Piece]:
        with self.store().reading() as reader:
            parts = reader.id_ranges(max(1, reader.count() // PARTITION))
            pieces = [Piece("entries", low, high) for low, high in parts]
            pieces += [Piece("holders", low, high) for low, high in reader.holder_ranges(PARTITION)]
            return [*pieces, Piece("liste-blanche", 0, None)]

    def read(self, piece: Piece) -> Iterator[IndexEntry]:
        with self.store().reading() as reader:
            if piece.kind == "entries":
                assert isinstance(piece.low, int)
                assert isinstance(piece.high, int)
                known = self.mentions(reader)
                for row in reader.range(piece.low, piece.high):
                    if row.person is None:  # accounts come with whom they describe, most values of whom are theirs
                        yield from self.entries(row, known)
            elif piece.kind == "holders":
                assert isinstance(piece.low, str)
                assert not isinstance(piece.high, int)
                yield from self.people(reader, piece.low, piece.high)
            else:
                loaded = reader.liste_blanche()
                yield from self.listed(() if loaded is None else reader.domains(), loaded)

    def people(self, reader: Reader, low: str, high: str | None) -> Iterator[IndexEntry]:
        """The accounts of the holders of a range, and what is computed of both directories."""
        made, contested, known = self.views(reader), self._contested(reader), self.mentions(reader)
        for holder, stored, records in _together(
            reader.accounts_between(low, high), reader.records_between(low, high)
        ):
            for row in stored:
                yield from self.entries(row, known)
            yield from made.of_holder(holder, stored, records, contested)

    @staticmethod
    def of_holder(reader: Reader, made: Views, holder: str) -> Iterator[IndexEntry]:
        """What is computed of one of them."""
        records = reader.records_of(holder)
        addresses = {record.address for record in records if record.source == MAILBOXES}
        contested = reader.contested_among(addresses) if addresses else frozenset()
        yield from made.of_holder(holder, reader.accounts_of(holder), records, contested)

    def entries(self, row: EntryRow, known: Mentions) -> Iterator[IndexEntry]:
        """A stored entry as the index takes it; with the suffix come the subtrees that are computed."""
        if self._readers(row.key) is None:
            yield self.entry(row)
        else:
            for shown in known.of(self.entry(row)):
                yield views.numbered(shown, row.modified_at)
        if row.key == self._key(self.suffix):
            made = Views(self.schema(), self.suffix, self.settings, self.rules(), None, datetime.now(UTC))
            yield from made.containers(row.created_at)

    def entry(self, row: EntryRow) -> IndexEntry:
        """A stored entry by itself."""
        operational = views.operational_of(row)
        seers = visibility.of_stored(row.key == self._key(self.suffix), self._readers(row.key))
        decoded = views.decoded(row.attributes)
        facts = () if row.person is None else views.facts_of(row, decoded[0])
        return IndexEntry(
            row.dn, row.key, row.attributes, operational, row.uuid, int(seers), row.passwords, facts, decoded
        )

    def listed(self, rows: Iterable[DomainRow], loaded: dict[str, object] | None) -> Iterator[IndexEntry]:
        """The liste blanche, as routing asks for it."""
        if loaded is None:
            return
        yield views.of_liste_blanche(self.schema())
        domain: list[DomainRow] = []
        for row in rows:
            if domain and domain[0].domain != row.domain:
                yield views.of_domain(domain[0].domain, domain, self.schema())
                domain = []
            domain.append(row)
        if domain:
            yield views.of_domain(domain[0].domain, domain, self.schema())

    # -------------------------------------------------------------- what the rules need

    def digest(self) -> str:
        """What views depend on beside the store: an index made under other settings is built anew."""
        found = self._kept.get("digest")
        if not isinstance(found, str):
            chosen = repr((self.suffix, self.settings, self.trees, self.readers, rules.digest()))
            found = self._kept["digest"] = layout.digest(0, chosen.encode()).hex()
        return found

    def rules(self) -> Rules:
        return rules.shipped(self.settings.profile)

    def views(self, reader: Reader) -> Views:
        """The views under the liste blanche of now, on the day that it is: regions open by date."""
        now = datetime.now(UTC)
        loaded = (reader.liste_blanche(), reader.liste_blanche_change(), now.date())
        known = self._kept.get("views")
        if isinstance(known, tuple) and known[0] == loaded and isinstance(known[1], Views):
            return known[1]
        listed = None if loaded[0] is None else frozenset([row.domain for row in reader.domains()])
        made = Views(self.schema(), self.suffix, self.settings, self.rules(), listed, now)
        self._kept["views"] = (loaded, made)
        return made

    def mentions(self, reader: Reader) -> Mentions:
        """What entries of further trees may say of people and structures at this moment of the store."""

        made = self.views(reader)

        def seers(holder: str) -> dict[bytes, Audience]:
            found: dict[bytes, Audience] = {}
            for entry in self.of_holder(reader, made, holder):
                found[entry.key] = found.get(entry.key, Audience(0)) | Audience(entry.audiences)
            return found

        return Mentions(self.schema(), self.suffix, seers)

    def _contested(self, reader: Reader) -> frozenset[str]:
        """Addresses that two people claim, read once for each state of the store."""
        head = reader.head()
        known = self._kept.get("contested")
        if isinstance(known, tuple) and known[0] == head:
            return known[1]  # type: ignore[no-any-return]
        found = reader.contested()
        self._kept["contested"] = (head, found)
        return found

    def _readers(self, key: bytes) -> Audience | None:
        """Who reads the further tree that a name lies in; None when it lies in none."""
        for tree in self.trees:
            if dn.is_within(key, self._key(tree)):
                seers = Audience(0)
                for name in self.readers:
                    seers |= audience.NAMES[name]
                return seers
        return None

    def _key(self, text: str) -> bytes:
        found = self._kept.get(text)
        if not isinstance(found, bytes):
            found = self._kept[text] = dn.key(dn.parse(text), self.schema())
        return found


def _together(
    stored: Iterator[EntryRow], records: Iterator[RecordRow]
) -> Iterator[tuple[str, list[EntryRow], list[RecordRow]]]:
    """Accounts and records of each holder, both given in the order of holders."""
    account, record = next(stored, None), next(records, None)
    while account is not None or record is not None:
        if account is None or account.person is None:
            assert record is not None
            holder = record.holder
        else:
            holder = account.person if record is None else min(account.person, record.holder)
        accounts: list[EntryRow] = []
        while account is not None and account.person == holder:
            accounts.append(account)
            account = next(stored, None)
        found: list[RecordRow] = []
        while record is not None and record.holder == holder:
            found.append(record)
            record = next(records, None)
        yield holder, accounts, found


def refresh(
    source: StoreSource,
    folder: IndexFolder,
    progress: Progress = silent,
    full: int | None = None,
    wanted: int | None = None,
) -> int:
    """Bring the index up to the store's head; the number of the change that it then contains.

    `full`: at how many entries of the recent part a new base is waited for, RECENT_MAX unless said. `wanted`: a
    change, just committed, that is enough: whoever held the lock meanwhile may have brought it. Unavailable: somebody
    else holds the index for too long, or the store is away.
    """
    numbering = source.numbering()
    # Only what moved while we waited is believed: a store put back from a copy has numbers that were reached before.
    before = folder.reached() if wanted is not None and folder.path.exists() else None
    while True:
        with folder.locked():
            if wanted is not None and (now := folder.reached()) != before and now >= wanted:
                return now
            reached = _catch_up(source, folder, folder.current(), numbering, full)
            if reached is not None:
                folder.announce(reached)
                return reached
        _rebuild(source, folder, numbering, progress)


def is_behind(source: StoreSource, folder: IndexFolder) -> bool:
    """Whether the store has committed what the index does not contain. Unavailable: the store is away."""
    with source.store().reading() as reader:
        head = reader.head()
    try:
        snapshot = Index(folder, Numbering(source.schema())).snapshot()
    except Unavailable:
        return True
    snapshot.end()
    return snapshot.change != head


def hold_back(source: StoreSource, folder: IndexFolder) -> None:
    """Answer strangers again when the index has all that is committed now, whichever machine wrote it.

    Note [Secrecy before availability]. Under the write lock, so that nothing that a writer announces is taken back.
    Without an index nobody is answered, and the one that is built has all of it.
    """
    if folder.current() is None:
        return
    with source.store().write_lock(), source.store().reading() as reader:
        if folder.hidden_until() < reader.head():
            folder.hide_until(reader.head())


def release(source: StoreSource, folder: IndexFolder) -> None:
    """Answer strangers again when a change that hides somebody was announced and its writer died before its commit.

    Note [Secrecy before availability]. Under the write lock no writer of this machine is on its way. Not before the
    index has what was committed: of the changes announced earlier the last one's number is all that was kept, and
    after another boot the index begins again at its base.
    """
    with source.store().reading() as reader:
        if folder.hidden_until() <= reader.head():
            return
    with source.store().write_lock(), source.store().reading() as reader:
        if folder.hidden_until() > reader.head():
            folder.hide_until(reader.head())


def mend(source: StoreSource, folder: IndexFolder) -> bool:
    """Read the whole base in use; build another one when its octets are not those that were written."""
    number = folder.current()
    if number is None or folder.manifest(number) is None or folder.whole(number):
        return False  # what cannot be opened at all, `refresh` builds
    rebuild(source, folder)
    return True


def rebuild(source: StoreSource, folder: IndexFolder, progress: Progress = silent) -> int:
    """Build a new base whatever the state of the present one; the change that it contains."""
    return _rebuild(source, folder, Numbering(source.schema()), progress, again=True)


def _usable(
    source: StoreSource, folder: IndexFolder, number: int | None, numbering: Numbering
) -> Manifest | None:
    manifest = None if number is None else folder.manifest(number)
    if manifest is None or manifest.schema != schema_digest(numbering) or manifest.views != source.digest():
        return None
    return manifest


def _catch_up(
    source: StoreSource,
    folder: IndexFolder,
    number: int | None,
    numbering: Numbering,
    full: int | None = None,
    most: int | None = None,
) -> int | None:
    """Apply to a build what was committed since; None when a new base is the better way. Holds the lock.

    `most`: how many entries may be written, whatever the build has already; usually what makes a recent part `full`.
    """
    manifest = _usable(source, folder, number, numbering)
    if manifest is None or number is None:
        return None
    with source.store().reading() as reader:
        head = reader.head()
        recent = folder.recent(number)
        try:
            with environments.usable():
                base = Part(folder.build(number) / "base", frozen=True)
                writer = RecentWriter(base, recent, numbering)
                at = writer.change()
        except Unavailable:
            return None
        writer.begin_log()
        at = manifest.change if at is None else at
        if head < at or head - at > (
            min(RECENT_MAX, (full or RECENT_MAX) - writer.count()) if most is None else most
        ):
            return None
        if at < head and not _apply(source, reader, writer, at, head, RECENT_MAX if most is None else most):
            return None
    return head


def _apply(source: StoreSource, reader: Reader, writer: RecentWriter, at: int, head: int, most: int) -> bool:
    """All in one transaction: rows are read as they are now, so an entry may already lie where another one was.

    False: so much changed that a new base is the better way.
    """
    touched = _Touched()
    while at < head:
        changes = reader.changes_since(at, CHANGES_AT_ONCE)
        for change in changes:
            if change.kind == "everything":
                return False
            if change.kind == "domain":
                assert change.holder is not None
                touched.domains[change.holder] = None
                continue
            if change.holder is not None:
                touched.holders[change.holder] = None
            if change.entry:
                touched.entries[change.entry] = None
                touched.gone.add(change.key)
                touched.uuids.add(change.uuid)
        at = changes[-1].number
    # Of many domains for the price of one: every address is looked at.
    if touched.domains:
        touched.holders.update(dict.fromkeys(reader.holders_of_domains(touched.domains)))
    rows = [row for row in map(reader.entry_by_id, touched.entries) if row is not None]
    touched.holders.update(dict.fromkeys([row.person for row in rows if row.person is not None]))
    if len(touched.holders) + len(rows) > most:
        return False
    made = source.views(reader)
    naming = source.schema()
    gone = touched.gone
    for holder in touched.holders:
        gone.update(made.keys(holder))
        # What routing knows of them goes by another name.
        touched.uuids.update([row.uuid for row in reader.accounts_of(holder)])
    gone.update(map(made.routing_key, touched.uuids))
    gone.update([views.domain_name(domain, naming)[1] for domain in touched.domains])
    if source.trees:
        with writer.parts() as parts:
            others = mentions.who_name(parts, source.numbering(), gone) - gone
        rows += [found for key in others if (found := reader.entry(key)) is not None]
    writer.apply(gone, _written(source, reader, made, rows, touched), head)
    return True


class _Touched:
    """What changed since the index was last brought up."""

    def __init__(self) -> None:
        self.gone: set[bytes] = set()
        self.uuids: set[bytes] = set()
        self.entries: dict[int, None] = {}
        self.holders: dict[str, None] = {}
        self.domains: dict[str, None] = {}


def _written(
    source: StoreSource, reader: Reader, made: Views, rows: list[EntryRow], touched: _Touched
) -> Iterator[IndexEntry]:
    known = source.mentions(reader)
    for row in rows:
        yield from source.entries(row, known)
    for holder in touched.holders:
        yield from source.of_holder(reader, made, holder)
    if touched.domains:
        found = [row for domain in touched.domains for row in reader.domain(domain)]
        yield from source.listed(found, reader.liste_blanche())


def _rebuild(
    source: StoreSource, folder: IndexFolder, numbering: Numbering, progress: Progress, again: bool = False
) -> int:
    with folder.locked("build.lock"):
        if not again and _usable(source, folder, folder.current(), numbering) is not None:
            with folder.locked():  # another process built it while we waited
                reached = _catch_up(source, folder, folder.current(), numbering)
            if reached is not None:
                return reached
        folder.remove_others(set())
        with source.store().reading() as reader:
            change = reader.head()
            expected = reader.count() + reader.count_records(MAILBOXES)
        number = folder.free_number()
        path = folder.build(number) / "base"
        # The processes read later than `change`: what they saw too early is put right by catching up, because
        # applying a change again changes nothing.
        try:
            entries = build.build(source, path, expected=expected, processes=PROCESSES, progress=progress)
        except Unavailable:
            folder.remove_others(set())  # half a build helps nobody, least of all a full disk
            raise
        size = (path / "data.mdb").stat().st_size
        manifest = Manifest(layout.FORMAT, schema_digest(numbering), source.digest(), change, entries, size)
        folder.write_manifest(number, manifest)
        for _ in range(LEVEL_ROUNDS):  # nobody else writes to a build that is not in use
            reached = _catch_up(source, folder, number, numbering, most=RECENT_FULL)
            with source.store().reading() as reader:
                if reached is None or reader.head() - reached < NEARLY_LEVEL:
                    break
        with folder.locked():
            reached = _catch_up(source, folder, number, numbering, most=RECENT_FULL)
            # The one in use gets the last changes first: a base is often built because of one that it has not. It may
            # be damaged, which is why another is built.
            with contextlib.suppress(Exception):
                _catch_up(source, folder, folder.current(), numbering, most=LAST_MAX)
            with contextlib.suppress(Exception):
                succession.take_over(folder, folder.current(), number, numbering)
            folder.switch(number, 0 if reached is None else reached)
        folder.remove_others(set())
        return change if reached is None else reached
