"""Brings the index up to what the store has committed. Nothing else moves the index.

Note [Only refresh moves the index, in change order]: it holds the index's lock, applies every change up to the
store's head, and says in the index which change that is. A build, which takes long, runs beside the index in use
and takes the lock only to catch up and to switch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from annuaire.domain import visibility
from annuaire.errors import Unavailable
from annuaire.index import build, environments, layout
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
from annuaire.store.engine import Reader, Store
from annuaire.store.entries import EntryRow

# Beyond so many entries written since the base, a new base is built aside: searches ask both parts.
RECENT_MAX = 20_000
# Changes read at once from the store.
CHANGES_AT_ONCE = 5_000
# Entries of one piece of a build's reading.
PARTITION = 4_000
PROCESSES = 2

SUBSCHEMA = b"cn=Subschema"


def silent(stage: str, done: int, total: int) -> None:
    """The progress of somebody who does not look."""


@dataclass(frozen=True)
class StoreSource:
    """The store as the index reads it; pickled into the processes of a build, where it opens its own store."""

    url: str
    state: Path
    suffix: str
    schema_files: tuple[Path, ...] = ()
    _kept: dict[str, object] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_kept": {}}

    def schema(self) -> Schema:
        found = self._kept.get("schema")
        if not isinstance(found, Schema):
            extra = self.schema_files
            found = schema.load([*schema.shipped(), *extra]) if extra else schema.standard()
            self._kept["schema"] = found
        return found

    def store(self) -> Store:
        found = self._kept.get("store")
        if not isinstance(found, Store):
            found = self._kept["store"] = engine.open(self.url, self.state)
        return found

    def partitions(self) -> list[tuple[int, int]]:
        with self.store().reading() as reader:
            return reader.id_ranges(max(1, reader.count() // PARTITION))

    def read(self, partition: tuple[int, int]) -> Iterator[IndexEntry]:
        with self.store().reading() as reader:
            for row in reader.range(*partition):
                yield self.entry(row)

    def entry(self, row: EntryRow) -> IndexEntry:
        """A stored entry as the index takes it."""
        apicrypt = self._key(f"ou=apicrypt,{self.suffix}")
        below = row.key.startswith(apicrypt) and row.key[len(apicrypt) : len(apicrypt) + 1] in (b"", b"\0")
        hexadecimal = row.uuid.hex()
        operational = {
            "structuralObjectClass": [row.structural.encode()],
            "entryUUID": [
                f"{hexadecimal[:8]}-{hexadecimal[8:12]}-{hexadecimal[12:16]}-{hexadecimal[16:20]}-"
                f"{hexadecimal[20:]}".encode()
            ],
            "createTimestamp": [row.created_at.encode()],
            "creatorsName": [row.created_by.encode()],
            "modifyTimestamp": [row.modified_at.encode()],
            "modifiersName": [row.modified_by.encode()],
            "entryDN": [row.dn.encode()],
            "subschemaSubentry": [SUBSCHEMA],
        }
        audiences = visibility.of_stored(below, row.key == self._key(self.suffix))
        return IndexEntry(
            row.dn, row.key, row.attributes, operational, row.uuid, int(audiences), row.passwords
        )

    def _key(self, text: str) -> bytes:
        found = self._kept.get(text)
        if not isinstance(found, bytes):
            found = self._kept[text] = dn.key(dn.parse(text), self.schema())
        return found


def refresh(source: StoreSource, folder: IndexFolder, progress: Progress = silent) -> int:
    """Bring the index up to the store's head; the number of the change that it then contains.

    Unavailable: somebody else holds the index for too long, or the store is away.
    """
    numbering = Numbering(source.schema())
    while True:
        with folder.locked():
            reached = _catch_up(source, folder, folder.current(), numbering)
            if reached is not None:
                folder.announce()
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


def _usable(folder: IndexFolder, number: int | None, numbering: Numbering) -> Manifest | None:
    manifest = None if number is None else folder.manifest(number)
    return manifest if manifest is not None and manifest.schema == schema_digest(numbering) else None


def _catch_up(
    source: StoreSource, folder: IndexFolder, number: int | None, numbering: Numbering
) -> int | None:
    """Apply to a build what was committed since; None when a new base is the better way. Holds the lock."""
    manifest = _usable(folder, number, numbering)
    if manifest is None or number is None:
        return None
    with source.store().reading() as reader:
        head = reader.head()
        recent = folder.recent(number)
        if head == manifest.change and not recent.exists():
            return head
        try:
            with environments.usable():
                base = Part(folder.build(number) / "base", frozen=True)
                writer = RecentWriter(base, recent, numbering)
                at = writer.change()
        except Unavailable:
            return None
        at = manifest.change if at is None else at
        if head < at or head - at + writer.count() > RECENT_MAX:
            return None
        if at < head:
            _apply(source, reader, writer, at, head)
    return head


def _apply(source: StoreSource, reader: Reader, writer: RecentWriter, at: int, head: int) -> None:
    """All in one transaction: rows are read as they are now, so an entry may already lie where another one was."""
    gone: set[bytes] = set()
    touched: dict[int, None] = {}
    while at < head:
        changes = reader.changes_since(at, CHANGES_AT_ONCE)
        gone.update(change.key for change in changes)
        touched.update(dict.fromkeys(change.entry for change in changes))
        at = changes[-1].number
    rows = map(reader.entry_by_id, touched)
    writer.apply(gone, (source.entry(row) for row in rows if row is not None), head)


def _rebuild(
    source: StoreSource, folder: IndexFolder, numbering: Numbering, progress: Progress, again: bool = False
) -> int:
    with folder.locked("build.lock"):
        if not again and _usable(folder, folder.current(), numbering) is not None:
            with folder.locked():  # another process built it while we waited
                reached = _catch_up(source, folder, folder.current(), numbering)
            if reached is not None:
                return reached
        folder.remove_others(set())
        with source.store().reading() as reader:
            change, expected = reader.head(), reader.count()
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
        manifest = Manifest(layout.FORMAT, schema_digest(numbering), change, entries, size)
        folder.write_manifest(number, manifest)
        with folder.locked():
            reached = _catch_up(source, folder, number, numbering)
            folder.switch(number)
        folder.remove_others(set())
        return change if reached is None else reached
