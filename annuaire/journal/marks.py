"""What the log of checkpoints says of each chain, once every entry of it is verified.

An entry counts when it follows the one before and when the key signed it that the log has shown: the first file shows
one, and each further key is acknowledged by the one before. Whoever verifies trusts one key: that of the state, or
one that was kept elsewhere; all others are known by their links to it. An entry that does not count marks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from annuaire.journal import entries, keys, layout, problems
from annuaire.journal.entries import Ending, Entry
from annuaire.journal.problems import Problem
from annuaire.journal.records import Position


class Marks:
    """Made by `read`. Of a chain only the last position is kept: it binds all records before it."""

    def __init__(self) -> None:
        self.last: dict[str, Position] = {}
        self.ended: dict[str, Ending] = {}
        # Where chains begin whose first files were removed because of their age.
        self.starts: dict[str, Position] = {}
        self.first_file = 1
        self.count = 0
        self.entry: Entry | None = None
        # Public keys in the order in which they signed.
        self.keys: list[bytes] = []
        self.problems: list[Problem] = []

    def at(self, chain: str) -> Position | None:
        """The last position of a chain that was signed."""
        ending = self.ended.get(chain)
        return ending.position if ending else self.last.get(chain)


def read(folder: Path, trusted: bytes | None = None, anchor: tuple[int, str] | None = None) -> Marks:
    """Read and verify the whole log. anchor: number and hash of an entry that must be in it."""
    marks = Marks()
    numbers = layout.checkpoint_numbers(folder)
    reading = _Reading(marks, trusted, is_whole=numbers[:1] == [1])
    expected = numbers[0] if numbers else 1
    is_anchored = anchor is None
    for number in numbers:
        for missing in range(expected, number):
            reading.tell(layout.checkpoint_file(folder, missing), 0, problems.MISSING_FILE, "fichier absent")
        expected = number + 1
        path = layout.checkpoint_file(folder, number)
        for index, line in enumerate(_lines(path), 1):
            if not line.endswith(b"\n") and number == numbers[-1] and entries.parse(line[:-1]) is None:
                break  # half an entry: its process is making it, or was killed
            reading.take(path, index, line)
            if anchor is not None and marks.entry is not None:
                is_anchored |= (marks.entry.number, marks.entry.hash) == anchor
    if numbers and numbers[0] > marks.first_file:
        for missing in range(marks.first_file, numbers[0]):
            reading.tell(layout.checkpoint_file(folder, missing), 0, problems.MISSING_FILE, "fichier absent")
    if not is_anchored and anchor is not None:
        reading.tell(folder, 0, problems.REMOVED, f"l'entrée {anchor[0]} n'est pas celle qui a été notée")
    return marks


def positions(folder: Path, chain: str) -> Iterator[tuple[Position, int]]:
    """Every position of a chain in the log, and the number of the entry that has it; nothing is verified."""
    for number in layout.checkpoint_numbers(folder):
        for line in _lines(layout.checkpoint_file(folder, number)):
            entry = entries.parse(line)
            if entry is not None and (chain in entry.chains or chain in entry.ended):
                ending = entry.ended.get(chain)
                yield (ending.position if ending else entry.chains[chain]), entry.number


def _lines(path: Path) -> Iterator[bytes]:
    # An entry names every process that writes: it has no length that it may not exceed.
    with open(path, "rb") as file:
        yield from file


class _Reading:
    """Goes through the log with the key, the number and the hash that the next entry must have."""

    def __init__(self, marks: Marks, trusted: bytes | None, is_whole: bool) -> None:
        self._marks = marks
        self._trusted = trusted
        self._public: bytes | None = None
        # None at the beginning of a log whose first files are gone.
        self._number = 1 if is_whole else None
        self._previous = "" if is_whole else None

    def tell(self, path: Path, line: int, code: str, text: str) -> None:
        self._marks.problems.append(Problem(path.name, line, code, text))

    def take(self, path: Path, index: int, line: bytes) -> None:
        entry = entries.parse(line) if line.endswith(b"\n") else None
        if entry is None:
            self.tell(path, index, problems.ALTERED, "cette ligne n'est pas un point de contrôle lisible")
            # Nobody knows whether it was one; the entry behind it names its hash all the same.
            self._number, self._previous = None, entries.hash_of(line)
            return
        follows = self._follows(path, index, entry)
        if self._key(path, index, line, entry) and follows:
            self._positions(path, index, entry)
            self._marks.entry = entry
            self._marks.count += 1
        self._number = entry.number + 1
        self._previous = entry.hash

    def _follows(self, path: Path, index: int, entry: Entry) -> bool:
        if (index == 1) != (entry.kind == entries.FILE) and entry.kind in entries.KINDS:
            self.tell(path, index, problems.MOVED, "un fichier de points de contrôle commence ailleurs")
            return False
        if entry.kind not in entries.KINDS:
            self.tell(path, index, problems.ALTERED, "sorte d'entrée inconnue")
            return False
        if self._number is not None and entry.number > self._number:
            text = f"les entrées {self._number} à {entry.number - 1} sont absentes"
            self.tell(path, index, problems.REMOVED, text)
        elif self._number is not None and entry.number < self._number:
            self.tell(path, index, problems.MOVED, f"l'entrée {entry.number} est répétée ou déplacée")
            return False
        elif self._previous is not None and entry.previous != self._previous:
            self.tell(path, index, problems.ALTERED, "l'entrée précédente a été modifiée, ou celle-ci")
        return True

    def _key(self, path: Path, index: int, line: bytes, entry: Entry) -> bool:
        """Whether the key that the log has shown signed the entry; the entry may show another one."""
        public = self._public
        if entry.kind in (entries.FILE, entries.KEY):
            shown = entries.public_key(entry)
            if shown is None:
                self.tell(path, index, problems.KEY, "la clé montrée n'est pas celle qui est nommée")
                return False
            if public is not None and shown != public:
                known = entry.kind == entries.KEY and entries.is_cosigned(line, public)
                if not known:
                    self.tell(path, index, problems.KEY, "nouvelle clé, que la précédente n'a pas reconnue")
            public = shown
        if public is None and self._trusted is not None:
            public = self._trusted  # the entry that shows it is gone, which is told
        if public is None or keys.name_of(public) != entry.key:
            self.tell(path, index, problems.KEY, f"signée par une clé inconnue, {entry.key}")
            return False
        if not entries.is_signed(line, public):
            self.tell(path, index, problems.SIGNATURE, "la signature n'est pas celle de cette entrée")
            return False
        if public != self._public:
            self._public = public
            self._marks.keys.append(public)
        return True

    def _positions(self, path: Path, index: int, entry: Entry) -> None:
        marks = self._marks
        for chain, position in entry.chains.items():
            self._position(path, index, chain, position)
            marks.last[chain] = position
        for chain, ending in entry.ended.items():
            self._position(path, index, chain, ending.position)
            marks.ended[chain] = ending
            marks.last.pop(chain, None)
        if entry.kind == entries.REMOVED:
            try:
                starts = {chain: entries.position(one) for chain, one in entry.more["starts"].items()}
                first = int(entry.more["first"])
            except (KeyError, ValueError, TypeError, AttributeError):
                self.tell(path, index, problems.ALTERED, "cette entrée ne dit pas ce qui reste")
                return
            marks.starts |= starts
            marks.first_file = max(marks.first_file, first)

    def _position(self, path: Path, index: int, chain: str, position: Position) -> None:
        before = self._marks.at(chain)
        if before is not None and (
            position.length < before.length
            or chain in self._marks.ended
            or (position.length == before.length and position.head != before.head)
        ):
            self.tell(path, index, problems.REWRITTEN, f"la chaîne {chain} est revenue en arrière")
