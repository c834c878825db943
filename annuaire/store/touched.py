"""What one transaction did to which entries and choices, kept for whoever tells of it once it is committed.

Of what is written one by one, not of what an import writes set by set (store/account_staging.py keeps that).
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from annuaire.store import choices, entries
from annuaire.store.choices import ChoiceRow
from annuaire.store.entries import EntryRow, Moved, NewEntry


class Touched(NamedTuple):
    """One entry before and after; None: there was none, or there is none any more. Or a choice that was kept."""

    old: EntryRow | None = None
    new: EntryRow | None = None
    choice: ChoiceRow | None = None


class TouchedWriter(entries.EntryWriter, choices.ChoiceWriter):
    """Writes, and remembers it in `touched`, in order."""

    touched: list[Touched]

    def add(self, new: NewEntry, *more: Any, **named: Any) -> EntryRow:
        row = super().add(new, *more, **named)
        self.touched.append(Touched(None, row))
        return row

    def replace(self, old: EntryRow, *more: Any, **named: Any) -> EntryRow:
        row = super().replace(old, *more, **named)
        self.touched.append(Touched(old, row))
        return row

    def delete(self, old: EntryRow) -> int:
        change = super().delete(old)
        self.touched.append(Touched(old, None))
        return change

    def move(self, moves: Iterable[tuple[EntryRow, Moved]]) -> None:
        pairs = list(moves)
        super().move(pairs)
        self.touched += [
            Touched(old, old._replace(key=to.key, parent=to.parent, dn=to.dn)) for old, to in pairs
        ]

    def keep_choice(self, choice: ChoiceRow) -> None:
        super().keep_choice(choice)
        self.touched.append(Touched(choice=choice))
