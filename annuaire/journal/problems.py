"""What can be wrong with a journal, in words for people: in which file, at which line, what.

Codes are for programs and stay the same.
"""

from __future__ import annotations

from typing import NamedTuple

ALTERED = "altered"  # a line is not what was written
REMOVED = "removed"  # lines are missing
MOVED = "moved"  # a line stands where it was not written, or twice
TRUNCATED = "truncated"  # the end of a file is missing
INSERTED = "inserted"  # lines or files that this journal never wrote
MISSING_FILE = "missing-file"
REWRITTEN = "rewritten"  # hashes agree among themselves, and not with a checkpoint
UNSIGNED = "unsigned"  # checkpoints are missing
SIGNATURE = "signature"  # an entry that its key did not sign
KEY = "key"  # an entry signed by a key that is not known


class Problem(NamedTuple):
    file: str
    line: int  # 0: the file as a whole
    code: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place} : {self.text}"


def span(first: int, last: int) -> str:
    """Records, by their numbers."""
    return f"l'enregistrement {first}" if first == last else f"les enregistrements {first} à {last}"
