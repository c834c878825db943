"""The imports that were made, with their totals and what they refused, and small settings of the state."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import text

from annuaire.store.direct import Asking, Statement


class ImportRow(NamedTuple):
    """One import. Not applied means that refusals stopped it: its totals say what it would have done."""

    id: int
    at: str
    source: str
    sha256: bytes
    actor: str
    applied: bool
    added: int
    changed: int
    unchanged: int
    removed: int
    refused: int
    warnings: int
    change: int


class RefusalRow(NamedTuple):
    """One record that an import did not take."""

    line: int
    dn: str
    code: int
    reason: str


_COLUMNS = ", ".join(ImportRow._fields)
_LAST = text(f"SELECT {_COLUMNS} FROM imports ORDER BY id DESC LIMIT :limit")  # noqa: S608
_REFUSALS = text(
    'SELECT line, dn, code, reason FROM refusals WHERE "import" = :id AND line > :after'
    " ORDER BY line LIMIT :limit"
)
# The names in statements are our own, never a caller's; values are always bound.
_RECORD = text(
    f"INSERT INTO imports ({_COLUMNS}) VALUES ({', '.join(f':{name}' for name in ImportRow._fields)})"  # noqa: S608
)
_REFUSE = text(
    'INSERT INTO refusals ("import", line, dn, code, reason) VALUES (:id, :line, :dn, :code, :reason)'
)
_SETTING = Statement("SELECT value FROM settings WHERE name = ?")
_SET = Statement(
    "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)


class ImportReader(Asking):
    """The history of imports, last first."""

    def imports(self, limit: int = 20) -> list[ImportRow]:
        rows = self._connection.execute(_LAST, {"limit": limit}).all()
        # SQLite has no boolean: it gives 0 and 1.
        return [ImportRow._make(row)._replace(applied=bool(row[5])) for row in rows]

    def refusals(self, import_id: int, after_line: int = 0, limit: int = 1000) -> list[RefusalRow]:
        parameters = {"id": import_id, "after": after_line, "limit": limit}
        return list(map(RefusalRow._make, self._connection.execute(_REFUSALS, parameters).all()))

    def setting(self, name: str) -> bytes | None:
        found = self._direct.row(_SETTING, (name,))
        return None if found is None else bytes(found[0])


class ImportWriter(ImportReader):
    """Settings are written like everything else: under the write lock."""

    def record_import(self, row: ImportRow, refusals: Iterable[RefusalRow] = ()) -> None:
        """Keep that an import was made; one that is not staged, whose rows the caller has (else applying.record)."""
        self._connection.execute(_RECORD, row._asdict())
        refused = [{"id": row.id, **refusal._asdict()} for refusal in refusals]
        if refused:
            self._connection.execute(_REFUSE, refused)

    def set_setting(self, name: str, value: bytes) -> None:
        self._direct.change(_SET, (name, value))
