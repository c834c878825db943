"""One writing transaction whose changes this machine's searches show when it ends.

# Note [Secrecy before availability]
Between a commit that hides somebody and the index that contains it, strangers would still be shown who asked not to
be. So the index folder is told before the commit from which change on they may be answered again; until the index
contains that change they are told to come back (`IndexFolder.hide_until`). A transaction that came to nothing takes
this back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from annuaire.actions import refresh, stretch, telling
from annuaire.actions.source import StoreSource
from annuaire.actions.telling import By
from annuaire.domain.trace import Trace
from annuaire.errors import Unavailable
from annuaire.index.folder import IndexFolder
from annuaire.store.engine import Store, Writer


@dataclass
class Recording:
    """A transaction on its way. Whoever writes in it sets `hides` when strangers lose sight of somebody."""

    writer: Writer
    hides: bool = False
    # In whose name what follows is written, for the journal: from which touched entry on.
    _by: list[tuple[int, By | None]] = field(default_factory=list)

    def by(self, who: By | None) -> None:
        """None: nobody's change, of which nothing is told."""
        self._by.append((len(self.writer.touched), who))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that can fail alone: what is undone is nobody's."""
        before = len(self._by)
        try:
            with self.writer.savepoint():
                yield
        except BaseException:
            del self._by[before:]
            raise

    def tell(self, told: Trace) -> None:
        ends = [start for start, _ in self._by[1:]] + [len(self.writer.touched)]
        for (start, who), end in zip(self._by, ends, strict=True):
            if who is not None:
                telling.tell(told, telling.of_written(self.writer.touched[start:end]), who)


@contextmanager
def recording(source: StoreSource, folder: IndexFolder, actor: str) -> Iterator[Recording]:
    """Commit on leaving, tell of it, and bring the index up to it; anything raised inside undoes all of it.

    Unavailable after the commit says so: recorded, not yet visible.
    """
    store = source.store()
    with hiding(store, folder) as announce, store.writing(actor) as writer:
        before = number = writer.head()
        begun = Recording(writer)
        begun.by(By(actor))
        yield begun
        number = writer.head()
        if begun.hides:
            announce(number)
    begun.tell(source.told)
    if number > before:
        show(source, folder, before, number)


@contextmanager
def hiding(store: Store, folder: IndexFolder | None) -> Iterator[Announce]:
    """Around a transaction: gives what announces, just before its commit, that it hides somebody."""
    announce = Announce(folder)
    try:
        yield announce
    except BaseException:
        if announce.number and folder is not None:
            _take_back(store, folder, announce)
        raise


class Announce:
    """Tells the index folder that change `number`, about to be committed, hides somebody."""

    def __init__(self, folder: IndexFolder | None) -> None:
        self._folder = folder
        self.number = 0
        self.earlier = 0

    def __call__(self, number: int) -> None:
        if self._folder is not None:
            # There may be no index yet; one that is being built must know as well.
            self.earlier = self._folder.hidden_until() if self._folder.path.exists() else 0
            self.number = number
            self._folder.hide_until(number)


def _take_back(store: Store, folder: IndexFolder, announce: Announce) -> None:
    """Only what certainly came to nothing: a commit may have arrived although its answer did not."""
    try:
        with store.write_lock(), store.reading() as reader:
            if reader.head() < announce.number == folder.hidden_until():
                folder.hide_until(announce.earlier)
    except Unavailable:
        return


def show(source: StoreSource, folder: IndexFolder, before: int, number: int) -> None:
    """Bring the index up to a change that was committed, the last of those that follow another one."""
    ahead = stretch.ahead(source, before, number)
    try:
        refresh.refresh(source, folder, full=refresh.RECENT_FULL, wanted=number, ahead=ahead)
    except Unavailable as error:
        raise Unavailable(
            f"enregistré (changement {number}), pas encore visible : {error.public}", error.reason
        ) from error
