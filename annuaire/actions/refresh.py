"""Brings the index up to what the store has committed. Nothing else moves the index.

Note [Only refresh moves the index, in change order]: it holds the index's lock, applies every change up to the
store's head, and says in the index which change that is. A build, which takes long, runs beside the index in use
and takes the lock only to catch up and to switch.
"""

import contextlib

from annuaire.actions import stretch
from annuaire.actions.source import StoreSource
from annuaire.actions.stretch import Ahead
from annuaire.errors import Unavailable
from annuaire.index import build, environments, layout, succession
from annuaire.index.build import Progress
from annuaire.index.folder import IndexFolder, Manifest
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Reader as Index
from annuaire.index.reader import schema_digest
from annuaire.index.writer import RecentWriter
from annuaire.store.engine import Reader
from annuaire.store.records import MAILBOXES

# Beyond so many entries written since the base, a new base is better: searches ask both parts. Writers leave it to
# whoever follows the store (renewing.py) and wait for it only when there are RECENT_FULL.
RECENT_MAX = 20_000
RECENT_FULL = 200_000
# A build catches up without holding up writers until so few changes are left, and so often at most.
NEARLY_LEVEL, LEVEL_ROUNDS = 500, 10
# Of a build that is about to be replaced, what is written to it so that the logs of its views are whole.
LAST_MAX = 1_000
PROCESSES = 2


def silent(stage: str, done: int, total: int) -> None:
    """The progress of somebody who does not look."""


def refresh(
    source: StoreSource,
    folder: IndexFolder,
    progress: Progress = silent,
    full: int | None = None,
    wanted: int | None = None,
    ahead: Ahead | None = None,
) -> int:
    """Bring the index up to the store's head; the number of the change that it then contains.

    `full`: at how many entries of the recent part a new base is waited for, RECENT_MAX unless said. `wanted`: a
    change, just committed, that is enough: whoever held the lock meanwhile may have brought it. `ahead`: it is worked
    out already. Unavailable: somebody else holds the index for too long, or the store is away.
    """
    numbering = source.numbering()
    # Only what moved while we waited is believed: a store put back from a copy has numbers that were reached before.
    before = folder.reached() if wanted is not None and folder.path.exists() else None
    while True:
        with folder.locked():
            if wanted is not None and (now := folder.reached()) != before and now >= wanted:
                return now
            reached = _catch_up(source, folder, folder.current(), numbering, full, ahead=ahead)
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
    # What was written and not announced, by a process that was killed in between, no worker has looked at.
    return snapshot.change != head or folder.reached() != head


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
    ahead: Ahead | None = None,
    moment: Reader | None = None,
) -> int | None:
    """Apply to a build what was committed since; None when a new base is the better way. Holds the lock.

    All in one transaction. `most`: how many entries may be written, whatever the build has already; usually what makes
    a recent part `full`. `ahead`: what was committed since, if it is worked out: nothing else is then looked at.
    `moment`: the store as it was then, instead of now.
    """
    manifest = _usable(source, folder, number, numbering)
    if manifest is None or number is None:
        return None
    try:
        with environments.usable():
            base = Part(folder.build(number) / "base", frozen=True)
            writer = RecentWriter(base, folder.recent(number), numbering)
            found = writer.change()
    except Unavailable:
        return None
    writer.begin_log()
    at = manifest.change if found is None else found
    room = min(RECENT_MAX, (full or RECENT_MAX) - writer.count()) if most is None else most
    if ahead is not None and ahead.stretch.after == at and ahead.stretch.upto - at <= room:
        writer.apply(ahead.stretch.gone, ahead.entries, ahead.stretch.upto)
        return ahead.stretch.upto
    with source.store().reading() if moment is None else contextlib.nullcontext(moment) as reader:
        head = reader.head()
        if head < at or head - at > room:
            return None
        if at < head:
            read = stretch.read(source, reader, at, head, RECENT_MAX if most is None else most, writer)
            if read is None:
                return None
            writer.apply(read.gone, stretch.written(source, reader, read), head)
    return head


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
        # Both of one moment, whatever is committed meanwhile: the logs go on where both show the same.
        with folder.locked(), source.store().reading() as moment:
            reached = _catch_up(source, folder, number, numbering, most=RECENT_FULL, moment=moment)
            # The one in use gets the last changes first: a base is often built because of one that it has not. It may
            # be damaged, which is why another is built.
            with contextlib.suppress(Exception):
                _catch_up(source, folder, folder.current(), numbering, most=LAST_MAX, moment=moment)
            with contextlib.suppress(Exception):
                succession.take_over(folder, folder.current(), number, numbering)
            folder.switch(number, 0 if reached is None else reached)
        folder.remove_others(set())
        return change if reached is None else reached
