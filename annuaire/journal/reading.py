"""Records of all chains in the order of their moments, read as a stream: nothing is verified, little is in memory.

A chain is opened when its turn comes, and closed when it is over: a year has thousands of them.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from annuaire.journal import layout, records, recovering
from annuaire.journal.pseudonyms import MARK

# Records are made in threads and numbered in another: their moments are in order but for this.
SLACK_SECONDS = 60
# A chain is named by when it could be written: its first records may have waited for a disk that was full.
WAITED_SECONDS = 3600
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What records are asked for; empty is everything but what chains say of themselves."""

    since: str = ""  # as records write moments: these texts are in the order of time
    until: str = ""
    # The address as it stands in clear, and the token of its pseudonym.
    names: frozenset[str] = frozenset()
    reasons: Collection[str] = ()
    kinds: Collection[str] = ()

    def __call__(self, record: Record) -> bool:
        at, kind = str(record.get("at", "")), record["kind"]
        if at < self.since or (self.until and at >= self.until):
            return False
        if self.kinds:
            if kind not in self.kinds:
                return False
        elif kind in records.OWN_KINDS:
            return False
        if self.reasons and record.get("reason") not in self.reasons:
            return False
        return not self.names or any(_names(value, self.names) for value in record.values())


def read(folder: Path, wanted: Wanted) -> Iterator[Record]:
    """The records wanted, oldest first."""
    serial = count()
    since = _shifted(wanted.since, -SLACK_SECONDS)
    # A chain waits under the moment at which it began; opened, under that of its next record.
    waiting: list[tuple[str, int, Record | None, Iterator[Record]]] = [
        (
            _shifted(layout.begun(chain), -WAITED_SECONDS),
            next(serial),
            None,
            _chain(folder, chain, numbers, since),
        )
        for chain, numbers in layout.chains(folder).items()
    ]
    heapq.heapify(waiting)
    stop = _shifted(wanted.until, SLACK_SECONDS)
    while waiting:
        at, _, record, rest = heapq.heappop(waiting)
        if stop and at > stop:
            continue
        if record is not None and wanted(record):
            yield record
        following = next(rest, None)
        if following is not None:
            # A file is younger than the records that waited for it.
            moment = at if following["kind"] == records.FILE else str(following.get("at", ""))
            heapq.heappush(waiting, (moment, next(serial), following, rest))


def _chain(folder: Path, chain: str, numbers: list[int], since: str) -> Iterator[Record]:
    for number in numbers:
        path = layout.chain_file(folder, chain, number)
        try:
            if since and _ends_before(path, since):
                continue
            for line in recovering.lines(path):
                record = records.parse(line)
                if record is not None:
                    yield record
        except FileNotFoundError:
            continue  # removed in this moment because of its age


def _ends_before(path: Path, moment: str) -> bool:
    """Whether the last record of a file is older."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - recovering.LINE_MAX))
        whole = file.read().split(b"\n")
    last = records.parse(whole[-2]) if len(whole) > 1 else None
    return last is not None and str(last.get("at", "")) < moment


def _shifted(moment: str, seconds: int) -> str:
    """A moment some time before or after; "" stays what it is."""
    if not moment:
        return ""
    shifted = datetime.fromisoformat(moment.removesuffix("Z")) + timedelta(seconds=seconds)
    return shifted.isoformat(timespec="microseconds") + "Z"


def _names(value: object, names: frozenset[str]) -> bool:
    """Whether a value is one of the names, or has one in it; of a pseudonym only the token counts."""
    if isinstance(value, str):
        if value in names or value.lower() in names:
            return True
        if MARK in value:
            return any(name in value for name in names if name.startswith(MARK))
        return any(name in value.lower() for name in names if "@" in name) if "@" in value else False
    if isinstance(value, list):
        return any(_names(one, names) for one in value)
    if isinstance(value, dict):
        return any(_names(one, names) for one in value.values())
    return False
