"""What the journal of a state holds, as tests compare it: records without their moments and numbers, oldest first."""

from pathlib import Path
from typing import Any

from annuaire.journal import keys, reading, verify

_ITS_OWN = frozenset({"n", "at", "hash"})


def told(state: Path, *without: str) -> list[dict[str, Any]]:
    """Everything, but for the members named."""
    if not (state / "journal").exists():
        return []
    return [
        {name: value for name, value in record.items() if name not in _ITS_OWN and name not in without}
        for record in reading.read(state / "journal", reading.Wanted())
    ]


def is_well(state: Path) -> bool:
    """What `annuaire journal verify` says."""
    key = keys.existing(state)
    assert key is not None
    found = verify.verify(state / "journal", key.public)
    assert [str(one) for one in found.problems] == []
    return True
