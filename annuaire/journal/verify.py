"""Reads a whole journal and finds whatever was altered, removed, inserted or reordered, and where.

A record that a checkpoint covers cannot be touched unseen by whoever lacks the key. What cannot be found: the end of
the journal taken away together with all checkpoints that speak of it (an entry noted elsewhere, the anchor, finds
that too), and a whole journal written anew by whoever has the key.

It may be read while it is written.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from annuaire.journal import keys, layout, marks, problems, records, recovering
from annuaire.journal.entries import Entry
from annuaire.journal.marks import Marks
from annuaire.journal.problems import Problem, span
from annuaire.journal.records import Position

# Records so much younger than the last checkpoint show that checkpoints are missing: one is made each 10 s.
UNSIGNED_SECONDS = 600.0
# A journal that moves while it is read can seem wrong; then it is read again.
ATTEMPTS = 3
# Inside a text its quotes would be escaped; a nested member is looked at more closely.
_FILE_MARK = b'"kind":"file"'


@dataclass(slots=True)
class Verified:
    """What was read, and what is wrong with it."""

    chains: int = 0
    files: int = 0
    records: int = 0
    unsigned: int = 0  # records behind the last checkpoint that speaks of their chain
    checkpoints: int = 0
    last: Entry | None = None
    keys: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    # What is unusual and nobody's doing.
    remarks: list[Problem] = field(default_factory=list)


def verify(folder: Path, trusted: bytes | None, anchor: tuple[int, str] | None = None) -> Verified:
    """trusted: the public key that must have signed; None believes the one that the journal shows."""
    found = _verify(folder, trusted, anchor)
    for _ in range(ATTEMPTS - 1):
        before = found.last.number if found.last else 0
        if not found.problems or _last_number(folder) == before:
            break
        found = _verify(folder, trusted, anchor)
    return found


def _verify(folder: Path, trusted: bytes | None, anchor: tuple[int, str] | None) -> Verified:
    # First the names: a chain that begins later is in no entry that is read afterwards.
    chains = layout.chains(folder)
    names = os.listdir(folder)
    known = marks.read(folder, trusted, anchor)
    found = Verified(checkpoints=known.count, last=known.entry, keys=known.keys, problems=known.problems)
    found.problems += _keys(folder, trusted, known)
    for name in sorted(names):
        if not _is_ours(name):
            found.problems.append(Problem(name, 0, problems.INSERTED, "ce fichier n'est pas de ce journal"))
    for chain in sorted({*chains, *known.last, *known.ended}):
        walk = _Walk(folder, chain, known, found)
        walk.run(chains.get(chain, []))
    return found


def _keys(folder: Path, trusted: bytes | None, known: Marks) -> list[Problem]:
    if trusted is None or trusted in known.keys:
        return []
    name = keys.name_of(trusted)
    return [Problem(folder.name, 0, problems.KEY, f"aucune entrée n'est signée par la clé attendue, {name}")]


def _is_ours(name: str) -> bool:
    return (
        name == layout.LOCK
        or name.endswith(layout.PART)
        or layout.parse_chain(name) is not None
        or layout.parse_checkpoints(name) is not None
    )


def _last_number(folder: Path) -> int:
    """The number of the last entry now."""
    for number in reversed(layout.checkpoint_numbers(folder)):
        with open(layout.checkpoint_file(folder, number), "rb") as file:
            for line in reversed(file.readlines()):
                found = records.number(line)
                if found is not None:
                    return found
    return 0


class _Walk:
    """Goes through one chain, and on behind whatever is wrong, so that all of it is told."""

    def __init__(self, folder: Path, chain: str, known: Marks, found: Verified) -> None:
        self._folder = folder
        self._chain = chain
        self._known = known
        self._found = found
        self._mark = known.at(chain)
        self._ending = known.ended.get(chain)
        start = known.starts.get(chain)
        # The hash that the next line follows; None when that is not known any more.
        self._head: bytes | None = bytes.fromhex(start.head) if start else records.genesis(chain)
        self._next = start.length + 1 if start else 1
        self._first_file = start.file + 1 if start else 1
        self._last_at = ""
        self._last_place = ("", 0)
        self._is_over = False

    def run(self, numbers: list[int]) -> None:
        mark = self._mark
        if mark is None:
            self._unknown(numbers)
            return
        last = max([mark.file, *numbers]) if mark.length or numbers else 0
        if mark.length < self._next and not [one for one in numbers if one >= self._first_file]:
            last = 0  # all of it was removed because of its age
        self._found.chains += 1
        for number in range(self._first_file, last + 1):
            self._file(number, number == last)
        self._end(mark)

    def _tell(self, file: str, line: int, code: str, text: str) -> None:
        self._found.problems.append(Problem(file, line, code, text))

    def _unknown(self, numbers: list[int]) -> None:
        """A chain that no checkpoint names: its process died before its first record, or it is foreign."""
        for number in numbers:
            path = layout.chain_file(self._folder, self._chain, number)
            if path.exists() and path.stat().st_size:
                self._tell(path.name, 0, problems.INSERTED, "aucun point de contrôle ne nomme ce fichier")

    def _file(self, number: int, is_last: bool) -> None:
        path = layout.chain_file(self._folder, self._chain, number)
        index = size = 0
        try:
            for index, line in enumerate(recovering.lines(path), 1):
                if self._is_over or self._is_at_its_end:
                    self._behind_the_end(path, index, size)
                    break
                if not line.endswith(b"\n") and is_last and self._is_unsigned():
                    break  # it is being written, or its process was killed in it
                self._line(path, index, line)
                size += len(line)
        except FileNotFoundError:
            self._tell(path.name, 0, problems.MISSING_FILE, "fichier absent")
            self._head = None
            return
        self._found.files += 1
        self._last_place = (path.name, index)
        if (
            self._ending is not None
            and self._ending.rest
            and number == self._ending.position.file
            and self._is_at_its_end
            and not self._is_over
        ):
            self._tell(path.name, index, problems.TRUNCATED, "la fin du fichier est absente")

    @property
    def _is_at_its_end(self) -> bool:
        return self._ending is not None and self._next > self._ending.position.length

    def _is_unsigned(self) -> bool:
        return self._ending is None and self._mark is not None and self._next > self._mark.length

    def _line(self, path: Path, index: int, line: bytes) -> None:
        following = records.follow(line, self._head) if self._head is not None else None
        number = records.number(line)
        if following is not None and number == self._next:
            self._head = following
            self._heads_its_file(path, index, line)
        elif not self._resume(path, index, line, number):
            return
        self._found.records += 1
        self._next += 1
        if self._mark is not None and self._next - 1 == self._mark.length:
            if self._head is not None and self._head.hex() != self._mark.head:
                self._rewritten(path, index)
        elif self._is_unsigned():
            self._found.unsigned += 1
            self._last_at = str((records.parse(line) or {}).get("at", ""))

    def _heads_its_file(self, path: Path, index: int, line: bytes) -> None:
        """The first line of a file, and no other, says which file it is: lines cannot pass from one to the next."""
        if index > 1 and _FILE_MARK not in line:
            return
        found = records.parse(line) or {}
        expected = (self._chain, layout.parse_chain(path.name))
        is_head = found.get("kind") == records.FILE
        named = (found.get("chain"), (found.get("chain"), found.get("file")))
        if is_head != (index == 1) or (is_head and named != expected):
            self._tell(path.name, index, problems.MOVED, "cette ligne n'est pas de ce fichier")

    def _resume(self, path: Path, index: int, line: bytes, number: int | None) -> bool:
        """Tell what is wrong with a line that does not follow, and go on behind it; whether it counts as one."""
        claimed = records.claimed_head(line)
        if number is None or claimed is None:
            self._tell(path.name, index, problems.ALTERED, "cette ligne n'est pas un enregistrement lisible")
        elif number < self._next:
            self._tell(path.name, index, problems.MOVED, f"l'enregistrement {number} est répété ou déplacé")
            return False
        elif self._head is None:
            pass  # what stood before is told already
        elif number > self._next:
            missing = span(self._next, number - 1)
            verb = "est absent" if number - 1 == self._next else "sont absents"
            self._tell(path.name, index, problems.REMOVED, f"{missing} {verb} avant cette ligne")
        else:
            self._tell(
                path.name,
                index,
                problems.ALTERED,
                f"l'enregistrement {number}, ou le précédent, a été modifié",
            )
        self._head = claimed
        self._next = self._next if number is None else number
        return True

    def _behind_the_end(self, path: Path, index: int, size: int) -> None:
        assert self._ending is not None
        rest = self._ending.rest
        if self._is_over or not rest or recovering.rest(path, size) != rest:
            text = "il y a des lignes après la fin de la chaîne"
            self._tell(path.name, index, problems.INSERTED, text)
        else:
            text = "fin illisible, laissée par un processus tué et signée telle quelle"
            self._found.remarks.append(Problem(path.name, index, problems.ALTERED, text))
        self._is_over = True

    def _end(self, mark: Position) -> None:
        file, index = self._last_place
        if self._next <= mark.length and self._head is not None:
            missing = span(self._next, mark.length)
            verb = "est absent" if self._next == mark.length else "sont absents"
            text = f"{missing}, qu'un point de contrôle a signés, {verb}"
            name = file or layout.chain_file(self._folder, self._chain, mark.file).name
            self._tell(name, index, problems.TRUNCATED, text)
        entry = self._known.entry
        if self._last_at and entry is not None and _seconds(entry.at, self._last_at) > UNSIGNED_SECONDS:
            text = f"des enregistrements sont plus jeunes que le dernier point de contrôle, du {entry.at}"
            self._tell(file, index, problems.UNSIGNED, text)

    def _rewritten(self, path: Path, index: int) -> None:
        """All hashes agree, and not with the checkpoint: somebody wrote the chain anew. Find from where on."""
        wanted: dict[int, tuple[str, int]] = {}
        for position, entry in marks.positions(self._folder, self._chain):
            wanted.setdefault(position.length, (position.head, entry))
        good, place = 0, (path.name, 1)
        for number in range(self._first_file, self._known_file(path) + 1):
            file = layout.chain_file(self._folder, self._chain, number)
            if not file.exists():
                continue
            for at, line in enumerate(recovering.lines(file), 1):
                count, claimed = records.number(line), records.claimed_head(line)
                if good == -1 or count is None or claimed is None:
                    continue
                if count == good + 1:
                    place = (file.name, at)
                if count in wanted and claimed.hex() == wanted[count][0]:
                    good = count
                elif count in wanted:
                    what = span(good + 1, count)
                    text = f"{what} : ce n'est pas ce que le point de contrôle {wanted[count][1]} a signé"
                    self._tell(place[0], place[1], problems.REWRITTEN, text)
                    return
        self._tell(path.name, index, problems.REWRITTEN, "ce n'est pas ce qu'un point de contrôle a signé")

    def _known_file(self, path: Path) -> int:
        parsed = layout.parse_chain(path.name)
        return parsed[1] if parsed else self._first_file


def _seconds(before: str, after: str) -> float:
    try:
        return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()
    except ValueError:
        return 0.0
