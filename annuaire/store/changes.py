"""The numbered changes: what happened to which entry or holder, written in its transaction, read by followers."""

from typing import Any, NamedTuple

from annuaire.store.direct import Asking, Statement

# Beyond so many holders or domains that one writer touches, they are not named: building the index anew is quicker.
MANY = 20_000


class ChangeRow(NamedTuple):
    """One committed change. `key` and `holder` are where the entry lay and whom it described before it.

    What it is now is read from the entry. Of the kinds that are about no entry (tables.changes) only `holder` tells.
    """

    number: int
    at: str
    kind: str
    entry: int
    uuid: bytes
    key: bytes
    imported: int | None
    holder: str | None


_COLUMNS = 'number, at, kind, entry, uuid, key, "import", holder'
_SINCE = Statement(
    f"SELECT {_COLUMNS} FROM changes WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608
)
_RECORDS_MOVED = Statement(
    "SELECT 1 FROM changes WHERE number > ? AND kind IN ('holder', 'everything') LIMIT 1"
)
_HEAD = Statement("SELECT change FROM head")
_RECORD = Statement(
    f"INSERT INTO changes ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, NULL, ?)"  # noqa: S608
)


class ChangeReader(Asking):
    """What a follower asks: how far the store is, and what came after a number."""

    def head(self) -> int:
        """The number of the last committed change, 0 before the first."""
        return int(self._direct.row(_HEAD)[0])

    def changes_since(self, number: int, limit: int) -> list[ChangeRow]:
        """The changes that follow a number, in order, at most `limit`."""
        return list(map(ChangeRow._make, self._direct.rows(_SINCE, (number, limit))))

    def records_moved(self, number: int) -> bool:
        """Whether what sources say has changed since a number, as far as changes tell."""
        return self._direct.row(_RECORDS_MOVED, (number,)) is not None


class ChangeWriter(ChangeReader):
    """Gives numbers. The row of `head` is held by this transaction, so nobody else gives any meanwhile.

    What it records is sent at the end, all at once: nobody reads the changes of a transaction that is not committed.
    """

    at: str
    _change: int
    _recorded: list[tuple[Any, ...]]

    def head(self) -> int:
        return self._change

    def record_holder(self, holder: str) -> int:
        """What sources say of somebody has changed."""
        return self._record("holder", 0, b"", b"", holder)

    def record_domain(self, domain: str) -> int:
        """What the liste blanche says of a domain has changed."""
        return self._record("domain", 0, b"", b"", domain)

    def record_everything(self) -> int:
        """More has changed than is worth naming, or than can be named: whoever follows begins anew."""
        return self._record("everything", 0, b"", b"")

    def _record(self, kind: str, entry: int, uuid: bytes, key: bytes, holder: str | None = None) -> int:
        self._change += 1
        self._recorded.append((self._change, self.at, kind, entry, uuid, key, holder))
        return self._change

    def _send_recorded(self) -> None:
        if self._recorded:
            self._direct.change_each(_RECORD, self._recorded)
            self._recorded.clear()
