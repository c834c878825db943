"""What a stretch of changes comes to in the index: which names to forget, and the entries as they are now."""

from collections.abc import Iterator
from typing import NamedTuple

from annuaire.actions import mentions, views
from annuaire.actions.source import StoreSource
from annuaire.errors import Unavailable
from annuaire.index.entry import IndexEntry
from annuaire.index.writer import RecentWriter
from annuaire.store.engine import Reader
from annuaire.store.entries import EntryRow

# Changes read at once from the store.
CHANGES_AT_ONCE = 5_000
# A stretch of more changes is not worked out ahead: its entries are not held in memory.
AHEAD_MAX = 500


class Touched:
    """What changed since the index was last brought up."""

    def __init__(self) -> None:
        self.gone: set[bytes] = set()
        self.uuids: set[bytes] = set()
        self.entries: dict[int, None] = {}
        self.holders: dict[str, None] = {}
        self.domains: dict[str, None] = {}
        # What was read of some holders already.
        self.accounts: dict[str, list[EntryRow]] = {}


class Stretch(NamedTuple):
    """What follows one change, up to another."""

    after: int
    upto: int
    gone: set[bytes]
    rows: list[EntryRow]
    touched: Touched


class Ahead(NamedTuple):
    """A stretch with its entries: what a writer works out before it waits for the index.

    Note [Worked out before the lock]: entries cost as much to make as to write. Each writer makes its own while
    another one writes, of the store as it was just after its commit; they are written if nothing else came between.
    """

    stretch: Stretch
    entries: list[IndexEntry]


def read(
    source: StoreSource, reader: Reader, after: int, upto: int, most: int, writer: RecentWriter | None
) -> Stretch | None:
    """The changes of a stretch; None: so much changed that a new base is the better way.

    Rows are read as they are now, so an entry may already lie where another one was. writer: the index as it is,
    which tells whose entries name others.
    """
    touched = Touched()
    at = after
    while at < upto:
        changes = reader.changes_since(at, CHANGES_AT_ONCE)
        for change in changes:
            if change.kind == "everything":
                return None
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
    known = {}
    if len(touched.holders) <= AHEAD_MAX:
        touched.accounts = {holder: reader.accounts_of(holder) for holder in touched.holders}
        known = {row.id: row for rows in touched.accounts.values() for row in rows}
    found_rows = (known.get(entry) or reader.entry_by_id(entry) for entry in touched.entries)
    rows = [row for row in found_rows if row is not None]
    touched.holders.update(dict.fromkeys([row.person for row in rows if row.person is not None]))
    if len(touched.holders) + len(rows) > most:
        return None
    made = source.views(reader)
    naming = source.schema()
    gone = touched.gone
    for holder in touched.holders:
        gone.update(made.keys(holder))
        # What routing knows of them goes by another name.
        touched.uuids.update([row.uuid for row in _accounts_of(reader, touched, holder)])
    gone.update(map(made.routing_key, touched.uuids))
    gone.update([views.domain_name(domain, naming)[1] for domain in touched.domains])
    if source.trees and writer is not None:
        with writer.parts() as parts:
            others = mentions.who_name(parts, source.numbering(), gone) - gone
        rows += [found for key in others if (found := reader.entry(key)) is not None]
    return Stretch(after, upto, gone, rows, touched)


def _accounts_of(reader: Reader, touched: Touched, holder: str) -> list[EntryRow]:
    found = touched.accounts.get(holder)
    return reader.accounts_of(holder) if found is None else found


def written(source: StoreSource, reader: Reader, stretch: Stretch) -> Iterator[IndexEntry]:
    """The entries as they are now, one after the other."""
    known, made, touched = source.mentions(reader), source.views(reader), stretch.touched
    for row in stretch.rows:
        yield from source.entries(row, known)
    for holder in touched.holders:
        yield from source.of_holder(reader, made, holder, _accounts_of(reader, touched, holder))
    if touched.domains:
        found = [row for domain in touched.domains for row in reader.domain(domain)]
        yield from source.listed(found, reader.liste_blanche())


def ahead(source: StoreSource, after: int, upto: int) -> Ahead | None:
    """What a writer has just committed, worked out; None when it cannot be, or others have committed since."""
    if upto - after > AHEAD_MAX or source.trees:  # who names others, only the index knows
        return None
    try:
        with source.store().reading() as reader:
            if reader.head() != upto:
                return None
            stretch = read(source, reader, after, upto, AHEAD_MAX, None)
            return None if stretch is None else Ahead(stretch, list(written(source, reader, stretch)))
    except Unavailable:
        return None  # whoever moves the index says so
