"""The ledger of interop addresses: whose each one is, for good. Rows are only ever added.

A holder that is a native address, for want of an identification, follows the account when that address changes.

Note [An interop address is never given twice] is in domain/interop.py.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from sqlalchemy import bindparam, text

from annuaire.store.direct import Asking, Statement
from annuaire.store.records import ASKED_AT_ONCE, portions


class LedgerRow(NamedTuple):
    """One address that is somebody's; the columns are explained in tables.py."""

    address: str
    holder: str
    since: str
    origin: str


# Origins.
ALLOCATED, GIVEN, SEEN = "allocated", "given", "mssante"

_COLUMNS = ", ".join(LedgerRow._fields)
# The names in statements are our own, never a caller's; values are always bound.
# ruff: noqa: S608
_ROW = Statement(f"SELECT {_COLUMNS} FROM ledger WHERE address = ?")
_OF = Statement(f"SELECT {_COLUMNS} FROM ledger WHERE holder = ? ORDER BY since, address")
_AMONG = text(f"SELECT {_COLUMNS} FROM ledger WHERE address IN :addresses").bindparams(
    bindparam("addresses", expanding=True)
)
_AFTER = Statement(f"SELECT {_COLUMNS} FROM ledger WHERE address > ? ORDER BY address LIMIT ?")
_ALLOCATE = Statement(f"INSERT INTO ledger ({_COLUMNS}) VALUES (?, ?, ?, ?) ON CONFLICT (address) DO NOTHING")
_RESTORE = text(
    f"INSERT INTO ledger ({_COLUMNS}) VALUES (:address, :holder, :since, :origin)"
    " ON CONFLICT (address) DO UPDATE SET holder = excluded.holder"
)
_MOVE_HOLDER = Statement("UPDATE ledger SET holder = ? WHERE holder = ?")
_OF_HOLDERS = text(
    f"SELECT {_COLUMNS} FROM ledger WHERE holder IN :holders ORDER BY since, address"
).bindparams(bindparam("holders", expanding=True))


class LedgerReader(Asking):
    """Whose an address is."""

    def ledger_row(self, address: str) -> LedgerRow | None:
        row = self._direct.row(_ROW, (address,))
        return None if row is None else LedgerRow._make(row)

    def ledger_of(self, holder: str) -> list[LedgerRow]:
        """The addresses of a holder, oldest first."""
        return list(map(LedgerRow._make, self._direct.rows(_OF, (holder,))))

    def ledger_among(self, holders: Collection[str]) -> list[LedgerRow]:
        """The addresses of many holders."""
        found: list[LedgerRow] = []
        for some in portions(holders):
            found.extend(map(LedgerRow._make, self._connection.execute(_OF_HOLDERS, {"holders": some})))
        return found

    def taken_among(self, addresses: Collection[str]) -> dict[str, LedgerRow]:
        """Those of some addresses that are somebody's."""
        found = {}
        for some in portions(addresses):
            for row in map(LedgerRow._make, self._connection.execute(_AMONG, {"addresses": some})):
                found[row.address] = row
        return found

    def ledger_after(self, address: str = "", limit: int = 1000) -> list[LedgerRow]:
        """The next rows in the order of addresses."""
        rows = self._direct.rows(_AFTER, (address, limit))
        return list(map(LedgerRow._make, rows))


class LedgerWriter(LedgerReader):
    """Gives addresses; nothing takes one back. Each is told to the file beside the database (address_file.py)."""

    at: str

    @abstractmethod
    def note_allocated(self, rows: Iterable[LedgerRow]) -> None:
        """Rows that this transaction adds, or gives another holder: on the disk before it is committed."""

    def allocate(self, row: LedgerRow) -> bool:
        """Give an address to a holder, whether it was free: nothing changes when it is somebody's already."""
        if self._direct.change(_ALLOCATE, row) != 1:
            return False
        self.note_allocated([row])
        return True

    def restore_ledger(self, rows: Iterable[LedgerRow]) -> None:
        """Put back what the file beside the database has; the later of two rows about an address counts."""
        waiting = iter(rows)
        while some := [row._asdict() for row in islice(waiting, ASKED_AT_ONCE)]:
            self._connection.execute(_RESTORE, some)

    def move_holder(self, old: str, new: str) -> None:
        self.move_holders([(old, new)])

    def move_holders(self, moves: Sequence[tuple[str, str]]) -> None:
        """Accounts without identification have other native addresses, all at once: their addresses stay their own.

        Those of somebody who once had the new native address stay theirs, who are nobody's holder any more.
        """
        real = [(old, new) for old, new in moves if old != new]
        olds = {old for old, _ in real}
        left = [(new, f"{new} {self.at}") for _, new in real if new not in olds]
        # What moves leaves first: two may exchange their addresses.
        away = [(old, f"> {new}") for old, new in real]
        arrived = [(f"> {new}", new) for _, new in real]
        for before, after in (*away, *left, *arrived):
            self._direct.change(_MOVE_HOLDER, (after, before))
        for _, holder in (*left, *arrived):
            self.note_allocated(self.ledger_of(holder))
