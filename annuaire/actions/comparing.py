"""Holds the index against the store: every entry that the store makes is in it, as it is now, and nothing else is.

Reads only. Each finding is a sentence; none means that they agree. Both are read as they were at one moment, at which
the index had all that was committed: others write meanwhile.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from annuaire.actions.source import StoreSource
from annuaire.domain.audience import Audience
from annuaire.errors import Unavailable
from annuaire.index import entry as entries
from annuaire.index import query
from annuaire.index.entry import IndexEntry
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Reader as Index
from annuaire.index.reader import Snapshot
from annuaire.ldap import ber, responses
from annuaire.store.engine import Reader

# Writers bring the index up themselves, behind their commit and outside the store's lock.
LEVEL_SECONDS = 5.0
LEVEL_PAUSE = 0.02


def differences(source: StoreSource, folder: IndexFolder) -> Iterator[str]:
    """Every disagreement, one sentence each."""
    if folder.current() is None:
        return  # none yet: `serve` or the next import makes it
    index = Index(folder, Numbering(source.schema()))
    with contextlib.ExitStack() as held:
        try:
            store, snapshot = _level(source, index, held)
        except Unavailable as error:
            yield f"the index cannot be used ({error.reason}): run `annuaire rebuild`"
            return
        if not folder.whole(snapshot.number):
            yield "the index file is not what was written: run `annuaire rebuild`"
        elif (head := store.head()) != snapshot.change:
            yield f"the index is at change {snapshot.change}, the store at {head}: run `annuaire rebuild`"
        else:
            yield from _compared(source, store, snapshot)


def _level(source: StoreSource, index: Index, held: contextlib.ExitStack) -> tuple[Reader, Snapshot]:
    """The store and the index, as they are when the one has what the other has committed: so long writers wait.

    An index that nobody moves any more is behind for ever, and given as it is. `held`: keeps them as they are.
    """
    until = time.monotonic() + LEVEL_SECONDS
    with source.store().write_lock():
        while True:
            with contextlib.ExitStack() as reading:
                store = reading.enter_context(source.store().reading())
                snapshot = index.snapshot()
                if store.head() == snapshot.change or time.monotonic() > until:
                    held.push(reading.pop_all())
                    return store, snapshot
                snapshot.end()
            time.sleep(LEVEL_PAUSE)


def _compared(source: StoreSource, store: Reader, snapshot: Snapshot) -> Iterator[str]:
    count = 0
    for piece in source.partitions(store):
        for entry in source.read(piece, store):
            if entry.audiences:
                count += 1
                yield from _difference(snapshot, entry)
            yield from _forgotten(snapshot, entry)
    held = sum(_seen(snapshot))
    if held != count:
        yield f"the index holds {held} entries, the store makes {count}: run `annuaire rebuild`"


def _seen(snapshot: Snapshot) -> Iterator[int]:
    for sight in snapshot.sights:
        everything: set[tuple[int, int]] = set()
        for audience in Audience:
            for chunk, seen in sight.everything(audience).items():
                everything.update((chunk, local) for local in seen)
        yield len(everything)


def _difference(snapshot: Snapshot, entry: IndexEntry) -> Iterator[str]:
    """One name may have several entries: one of them must be this one, and no other for its audiences."""
    hits = {hit for audience in Audience for hit in query.resolve(snapshot, entry.key, audience).hits}
    if not hits:
        yield f"{entry.dn}: 0 times in the index: run `annuaire rebuild`"
        return
    expected = responses.entry(entry.dn.encode(), entry.attributes)
    operational = ber.encode_attributes(entry.operational)
    same = 0
    for sight, identifier in hits:
        record = sight.part.record(identifier)
        details = entries.decode_details(entries.details_of(record))
        seers = sum(audience for audience in Audience if sight.sees(audience, identifier))
        if seers & entry.audiences:
            same += (
                entries.answer_of(record) == expected
                and details.operational == operational
                and details.uuid == entry.uuid
                and seers == entry.audiences
            ) or 2
    if same != 1:
        yield f"{entry.dn}: the index holds another state of it: run `annuaire rebuild`"


def _forgotten(snapshot: Snapshot, entry: IndexEntry) -> Iterator[str]:
    for name, value in entry.facts:
        if snapshot.fact(name) != value:
            yield f"{name.decode()}: the index knows something else for routing: run `annuaire rebuild`"
