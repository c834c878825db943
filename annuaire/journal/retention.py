"""What is older than a journal keeps it: whole files, and a signed entry that says which, and where the rest begins.

Without that entry a file that is not there was removed by somebody else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annuaire.journal import layout, records, recovering
from annuaire.journal.records import Position


def choose(folder: Path, written: Mapping[str, Position], before: float) -> dict[str, Any] | None:
    """The members of the entry, for files last written before a moment (seconds since 1970); None when none is."""
    names = []
    starts: dict[str, list[Any]] = {}
    for chain, numbers in layout.chains(folder).items():
        old = 0
        for number in numbers:
            if not _is_older(layout.chain_file(folder, chain, number), before):
                break
            if chain in written and number == numbers[-1]:
                break  # its process goes on in it
            old = number
        gone = [number for number in numbers if number <= old]
        names += [layout.chain_file(folder, chain, number).name for number in gone]
        start = _end(layout.chain_file(folder, chain, old)) if old else _begin(folder, chain, numbers[0])
        if start is not None:
            # Said again of what lost its beginning earlier: the entry that said so first may go itself.
            starts[chain] = list(start._replace(file=old or numbers[0] - 1))
    checkpoints = layout.checkpoint_numbers(folder)
    first = checkpoints[0]
    for number in checkpoints[:-1]:
        if not _is_older(layout.checkpoint_file(folder, number), before):
            break
        names.append(layout.checkpoint_file(folder, number).name)
        first = number + 1
    return {"files": names, "starts": starts, "first": first} if names else None


def _is_older(path: Path, before: float) -> bool:
    return os.stat(path).st_mtime < before


def _end(path: Path) -> Position | None:
    """Where a chain stands at the end of a file."""
    last = b""
    for line in recovering.lines(path):
        last = line if line.endswith(b"\n") else last
    number, head = records.number(last), records.claimed_head(last)
    return None if number is None or head is None else Position(number, head.hex(), 0)


def _begin(folder: Path, chain: str, number: int) -> Position | None:
    """Where a chain stands before a file; None before its first."""
    if number == 1:
        return None
    for line in recovering.lines(layout.chain_file(folder, chain, number)):
        first, found = records.number(line), records.parse(line)
        if first is not None and found is not None:
            return Position(first - 1, str(found.get("after", "")), 0)
        break
    return None
