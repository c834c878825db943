"""One build of the index takes the place of another: what replicas are told goes on (view_log.py)."""

from annuaire.index import environments
from annuaire.index.folder import IndexFolder
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering
from annuaire.index.writer import RecentWriter


def take_over(folder: IndexFolder, former: int | None, number: int, numbering: Numbering) -> None:
    """Give a build the logs of the one in use, wherever both show the same; the caller holds the lock.

    Unavailable: a build that cannot be read any more tells nothing; its consumers are then sent everything once.
    """
    if former is None or folder.manifest(former) is None or not folder.recent(number).exists():
        return
    with environments.usable():
        old, new = [
            RecentWriter(Part(folder.build(n) / "base", frozen=True), folder.recent(n), numbering)
            for n in (former, number)
        ]
        new.go_on_from(old)
