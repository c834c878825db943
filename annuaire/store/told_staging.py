"""What an import will tell the journal: the entries that it changes, before and after, and those that it makes.

Changes are looked at while comparing, when the store still has what was; what is new is read after the commit, from
the working tables. The write lock is held for neither.
"""

# The names in statements are our own, never a caller's; values are always bound.
# ruff: noqa: S608

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from annuaire.store.staging import Staging
from annuaire.store.working import ROWS_AT_ONCE

# Slot of a state, kind and fields of a record. Several of one slot are in their order.
TABLES = (
    (
        "CREATE {temporary} TABLE {s}told (slot {number} NOT NULL, place {number} NOT NULL, kind TEXT NOT NULL,"
        " fields TEXT NOT NULL, PRIMARY KEY (slot, place))"
    ),
)


class Side(NamedTuple):
    """An entry at one moment."""

    dn: str
    attributes: bytes
    passwords: bytes | None


class Differing(NamedTuple):
    """An entry that an import touches; after is None when it goes."""

    slot: int
    before: Side
    after: Side | None


class Fresh(NamedTuple):
    """A new entry; without attributes when nothing but its native address is worth telling."""

    account: str | None
    attributes: bytes | None


class ToldStaging:
    """The rows behind what is told, of accounts and service accounts alone."""

    def __init__(self, staged: Staging) -> None:
        self._staged = staged
        staged.create(TABLES)

    def forget(self) -> None:
        self._staged.execute("DELETE FROM {t}told")

    def differing(self, after: int, limit: int = ROWS_AT_ONCE) -> list[Differing]:
        """States behind a slot, in order, with what their entries are until now."""
        rows = self._staged.execute(
            "SELECT s.slot, s.gone, e.dn, e.attributes, e.passwords, s.dn, s.attributes, s.passwords"
            " FROM {t}states s CROSS JOIN entries e WHERE e.id = s.entry AND s.slot > :after"
            f" AND ({_is_told('e')} OR {_is_told('s')}) ORDER BY s.slot LIMIT :limit",
            after=after,
            limit=limit,
        )
        return [
            Differing(slot, Side(*sides[:3]), None if gone else Side(*sides[3:]))
            for slot, gone, *sides in rows
        ]

    def keep(self, rows: Sequence[tuple[int, int, str, str]]) -> None:
        self._staged.insert("told", "slot, place, kind, fields", rows)

    def changes(self) -> Iterator[tuple[str, str]]:
        """Kind and fields of what was done to entries that were there: of what was applied, not of all compared."""
        return self._walk(
            "doing",
            "SELECT n.kind, n.fields FROM {t}doing d CROSS JOIN {t}told n WHERE n.slot = d.slot"
            " AND d.rank > :low AND d.rank <= :high ORDER BY d.rank, n.place",
        )

    def fresh(self, steps: bool) -> Iterator[Fresh]:
        """New entries, parents before children."""
        if steps:
            statement = (
                "SELECT s.account, s.attributes FROM {t}fresh f CROSS JOIN {t}states s WHERE s.slot = f.line"
            )
        else:
            statement = (
                "SELECT s.account, CASE WHEN g.line IS NOT NULL THEN g.attributes"
                " WHEN s.asks > 0 OR s.account IS NULL THEN s.attributes END"
                " FROM {t}fresh f CROSS JOIN {t}staged s LEFT JOIN {t}given g ON g.line = s.line WHERE s.line = f.line"
            )
        statement += f" AND {_is_told('s')} AND f.rank > :low AND f.rank <= :high ORDER BY f.rank"
        return map(Fresh._make, self._walk("fresh", statement))

    def _walk(self, table: str, statement: str) -> Iterator[Any]:
        """Rows by rank, few in memory at once."""
        with self._staged.transaction():
            last = self._staged.number(f"SELECT coalesce(max(rank), 0) FROM {{t}}{table}")
            for low in range(0, last, ROWS_AT_ONCE):
                yield from self._staged.execute(statement, low=low, high=low + ROWS_AT_ONCE).all()


def _is_told(table: str) -> str:
    """Whether a row is an account or, by its structural class, a service account."""
    return f"({table}.account IS NOT NULL OR {table}.structural = 'account')"
