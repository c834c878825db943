"""The ledger of interop addresses: whose each one is, for good. Rows are only ever added.

Note [An interop address is never given twice] is in domain/interop.py.
"""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, text

from annuaire.store.records import portions


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
_ROW = text(f"SELECT {_COLUMNS} FROM ledger WHERE address = :address")
_OF = text(f"SELECT {_COLUMNS} FROM ledger WHERE holder = :holder ORDER BY since, address")
_AMONG = text(f"SELECT {_COLUMNS} FROM ledger WHERE address IN :addresses").bindparams(
    bindparam("addresses", expanding=True)
)
_AFTER = text(f"SELECT {_COLUMNS} FROM ledger WHERE address > :address ORDER BY address LIMIT :limit")
_ALLOCATE = text(
    f"INSERT INTO ledger ({_COLUMNS}) VALUES (:address, :holder, :since, :origin) ON CONFLICT (address) DO NOTHING"
)


class LedgerReader:
    """Whose an address is."""

    _connection: Connection

    def ledger_row(self, address: str) -> LedgerRow | None:
        row = self._connection.execute(_ROW, {"address": address}).first()
        return None if row is None else LedgerRow._make(row)

    def ledger_of(self, holder: str) -> list[LedgerRow]:
        """The addresses of a holder, oldest first."""
        return list(map(LedgerRow._make, self._connection.execute(_OF, {"holder": holder})))

    def taken_among(self, addresses: Collection[str]) -> dict[str, LedgerRow]:
        """Those of some addresses that are somebody's."""
        found = {}
        for some in portions(addresses):
            for row in map(LedgerRow._make, self._connection.execute(_AMONG, {"addresses": some})):
                found[row.address] = row
        return found

    def ledger_after(self, address: str = "", limit: int = 1000) -> list[LedgerRow]:
        """The next rows in the order of addresses."""
        rows = self._connection.execute(_AFTER, {"address": address, "limit": limit})
        return list(map(LedgerRow._make, rows))


class LedgerWriter(LedgerReader):
    """Gives addresses, one by one; nothing takes one back."""

    def allocate(self, row: LedgerRow) -> bool:
        """Give an address to a holder, whether it was free: nothing changes when it is somebody's already."""
        return self._connection.execute(_ALLOCATE, row._asdict()).rowcount == 1
