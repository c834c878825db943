"""What a file says, beside the store, until it is applied (store/applying.py): filled, then compared.

Comparing goes by sets in SQL; only records that differ pass through Python. Nobody else sees the working
tables, and nothing of them outlives the import.
"""

# The names in statements are our own, never a caller's; values are always bound.
# ruff: noqa: S608

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from annuaire.store import working
from annuaire.store.engine import Store
from annuaire.store.entries import EntryRow
from annuaire.store.staging_tables import INDEXES, NO_PARENT, STAGED, STATE, TABLES, StagedRow, State
from annuaire.store.working import ROWS_AT_ONCE, WorkingTables

# What is told of entries below others of some structural classes (code and reason), and these.
Closed = tuple[tuple[int, str], frozenset[str]]


class Staging(WorkingTables):
    """What a file of entries says, and what becomes of them."""

    def __init__(self, store: Store, connection: Connection) -> None:
        super().__init__(store, connection)
        self._slot = 0

    # --- Filling ---

    def stage(
        self,
        rows: Sequence[tuple[Any, ...]] = (),
        steps: Sequence[tuple[Any, ...]] = (),
        refused: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        with self.transaction():
            self.insert("staged", STAGED, rows)
            self.insert("steps", "line, record", steps)
            self.insert("refused", "line, dn, code, reason, record, late", [(*row, 0) for row in refused])

    def index(self) -> None:
        """After the last row: sorting at the end is faster than keeping order all along."""
        with self.transaction():
            for statement in INDEXES:
                self.execute(statement)
            if not self.store.embedded:
                for table in ("staged", "refused"):
                    self.execute("ANALYZE {t}" + table)

    # --- Comparing ---

    def steps(self) -> int:
        return self.number("SELECT count(*) FROM {t}steps")

    def match(self, keys: Sequence[bytes] | None = None) -> None:
        """Find the entries that exist already; again for some keys, when entries have moved meanwhile."""
        insert = (
            "INSERT INTO {t}matched (line, entry, same) SELECT s.line, e.id,"
            " CASE WHEN e.attributes = s.attributes AND (s.passwords IS NULL OR s.passwords = e.passwords)"
            " THEN 1 ELSE 0 END FROM {t}staged s CROSS JOIN entries e WHERE e.key = s.key AND s.kind <> 2"
        )
        if keys is None:
            self.execute(insert)
            return
        for key in keys:
            lines = [row[0] for row in self.execute("SELECT line FROM {t}staged WHERE key = :key", key=key)]
            for line in lines:
                for table in ("matched", "states"):
                    self.execute(f"DELETE FROM {{t}}{table} WHERE line = :line", line=line)
            self.execute(insert + " AND s.key = :key", key=key)

    def refuse_duplicates(self) -> None:
        """Each record whose name an earlier one has."""
        self.execute(
            "INSERT INTO {t}refused (line, dn, code, reason) SELECT s.line, s.dn, 68,"
            " 'the entry is already described at line ' || d.first FROM"
            " (SELECT key, min(line) AS first FROM {t}staged WHERE kind <> 2 GROUP BY key HAVING count(*) > 1) d"
            " JOIN {t}staged s ON s.key = d.key WHERE s.line > d.first"
        )

    def differing(
        self, ahead: bool, after: int, limit: int = ROWS_AT_ONCE
    ) -> list[tuple[StagedRow, EntryRow]]:
        """Content records that say otherwise than their entries, with the entries.

        Ahead, those of accounts that say their interop address; else all the others.
        """
        staged = ", ".join(f"s.{column}" for column in StagedRow._fields)
        entry = ", ".join(f"e.{column}" for column in EntryRow._fields)
        width = len(StagedRow._fields)
        rows = self.execute(
            f"SELECT {staged}, {entry} FROM {{t}}matched m CROSS JOIN {{t}}staged s CROSS JOIN entries e"
            " WHERE s.line = m.line AND e.id = m.entry AND m.same = 0 AND s.kind = 0 AND m.line > :after"
            f" AND s.asks {'=' if ahead else '<>'} 1"
            " AND NOT EXISTS (SELECT 1 FROM {t}refused r WHERE r.line = m.line)"
            " AND NOT EXISTS (SELECT 1 FROM {t}states t WHERE t.line = m.line) ORDER BY m.line LIMIT :limit",
            after=after,
            limit=limit,
        )
        return [(StagedRow._make(row[:width]), EntryRow._make(row[width:])) for row in rows]

    def refuse_existing_adds(self) -> None:
        """Each `changetype: add` whose entry exists."""
        self.execute(
            "INSERT INTO {t}refused (line, dn, code, reason) SELECT s.line, s.dn, 68, 'the entry exists already'"
            " FROM {t}matched m JOIN {t}staged s ON s.line = m.line WHERE s.kind = 1"
            " AND NOT EXISTS (SELECT 1 FROM {t}refused r WHERE r.line = m.line)"
        )

    def refuse_misplaced(self, closed: Iterable[Closed]) -> None:
        """Each new entry below one of a closed class, or below nothing, be it in the store or in the file."""
        kinds = list(closed)
        if self._find_above(*_in([name for _, names in kinds for name in names])):
            for refusal, names in kinds:
                if self._find_above(*_in(names)):
                    self._refuse_below(*refusal)
        while True:  # what was refused may leave others without parent
            self.execute("DELETE FROM {t}missing")
            self.execute(
                "INSERT INTO {t}missing (parent) SELECT d.parent FROM (SELECT DISTINCT parent FROM {t}staged"
                " WHERE kind <> 2) d WHERE d.parent <> {empty}"
                " AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.key = d.parent)"
                " AND NOT EXISTS (SELECT 1 FROM {t}staged p WHERE p.key = d.parent"
                "   AND NOT EXISTS (SELECT 1 FROM {t}refused r WHERE r.line = p.line))"
            )
            if not self.number("SELECT count(*) FROM {t}missing") or not self._refuse_below(32, NO_PARENT):
                return

    def _find_above(self, which: str, names: dict[str, str]) -> int:
        """Put aside the parents in the file whose structural class is one of these."""
        self.execute("DELETE FROM {t}missing")
        self.execute(
            "INSERT INTO {t}missing (parent) SELECT d.parent FROM (SELECT DISTINCT parent FROM {t}staged"
            " WHERE kind <> 2) d"
            f" WHERE EXISTS (SELECT 1 FROM entries e WHERE e.key = d.parent AND e.structural {which})"
            f" OR EXISTS (SELECT 1 FROM {{t}}staged p WHERE p.key = d.parent AND p.structural {which}"
            "   AND NOT EXISTS (SELECT 1 FROM {t}matched m WHERE m.line = p.line)"
            "   AND NOT EXISTS (SELECT 1 FROM {t}refused r WHERE r.line = p.line))",
            **names,
        )
        return self.number("SELECT count(*) FROM {t}missing")

    def _refuse_below(self, code: int, reason: str) -> bool:
        """Refuse each new entry right below what was put aside; whether there is one."""
        before = self.count_refused()
        self.execute(
            "INSERT INTO {t}refused (line, dn, code, reason) SELECT s.line, s.dn, :code, :reason"
            " FROM {t}staged s WHERE s.kind <> 2 AND s.parent IN (SELECT parent FROM {t}missing)"
            " AND NOT EXISTS (SELECT 1 FROM {t}refused r WHERE r.line = s.line)"
            " AND NOT EXISTS (SELECT 1 FROM {t}matched m WHERE m.line = s.line)",
            code=int(code),
            reason=reason,
        )
        return self.count_refused() != before

    def staged(self, line: int) -> StagedRow | None:
        row = self.execute(f"SELECT {STAGED} FROM {{t}}staged WHERE line = :line", line=line).first()
        return None if row is None else StagedRow._make(row)

    def describes(self, key: bytes) -> bool:
        """Whether a record is about the entry with this key."""
        return self.execute("SELECT 1 FROM {t}staged WHERE key = :key", key=key).first() is not None

    def forget_comparison(self) -> None:
        """Back to what reading alone has found."""
        for table in ("matched", "states", "given", "fresh", "doing"):
            self.execute("DELETE FROM {t}" + table)
        self.execute("DELETE FROM {t}refused WHERE late = 1")

    # --- States ---

    def change(self, state: State) -> State:
        """Keep what an entry will be; a slot of 0 is given the next one."""
        if state.slot:
            self.execute("DELETE FROM {t}states WHERE slot = :slot", slot=state.slot)
        else:
            self._slot += 1
            state = state._replace(slot=self._slot)
        values = ", ".join(f":{column}" for column in State._fields)
        self.execute(f"INSERT INTO {{t}}states ({STATE}) VALUES ({values})", **state._asdict())
        return state

    def change_all(self, states: Iterable[State]) -> None:
        rows = []
        for state in states:
            self._slot += 1
            rows.append(tuple(state._replace(slot=self._slot)))
        self.insert("states", STATE, rows)

    def state_at(self, key: bytes) -> State | None:
        """What will lie at a key, if the import has touched it."""
        row = self.execute(
            f"SELECT {STATE} FROM {{t}}states WHERE key = :key AND gone = 0",
            key=key,
        ).first()
        return None if row is None else State._make(row)

    def state_of(self, entry: int) -> State | None:
        """What becomes of an entry, if the import has touched it."""
        row = self.execute(f"SELECT {STATE} FROM {{t}}states WHERE entry = :entry", entry=entry).first()
        return None if row is None else State._make(row)

    def state_named(self, account: str) -> State | None:
        """The account that will have this native address, if the import has touched it."""
        row = self.execute(
            f"SELECT {STATE} FROM {{t}}states WHERE account = :account AND gone = 0", account=account
        ).first()
        return None if row is None else State._make(row)

    def is_touched(self, entry: int) -> bool:
        return self.execute("SELECT 1 FROM {t}states WHERE entry = :entry", entry=entry).first() is not None

    def states_below(self, key: bytes) -> list[State]:
        rows = self.execute(
            f"SELECT {STATE} FROM {{t}}states WHERE key > :low AND key < :high AND gone = 0 ORDER BY key",
            low=key + b"\x00",
            high=key + b"\x01",
        )
        return list(map(State._make, rows))

    def has_children(self, key: bytes) -> bool:
        """Whether something will lie below a key."""
        return (
            self.execute(
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM {t}states WHERE parent = :key AND gone = 0)"
                " OR EXISTS (SELECT 1 FROM entries e WHERE e.parent = :key"
                "   AND NOT EXISTS (SELECT 1 FROM {t}states t WHERE t.entry = e.id))",
                key=key,
            ).first()
            is not None
        )

    def refuse_adrift(self, closed: Iterable[Closed]) -> None:
        """The same of a file of changes: each entry that it adds, by what will be above it."""
        for (code, reason), names in closed:
            which, values = _in(names)
            self._refuse_states(
                f"EXISTS (SELECT 1 FROM {{t}}states p WHERE p.key = t.parent AND p.gone = 0 AND p.structural {which})"
                f" OR EXISTS (SELECT 1 FROM entries e WHERE e.key = t.parent AND e.structural {which}"
                "   AND NOT EXISTS (SELECT 1 FROM {t}states p WHERE p.entry = e.id))",
                code=int(code),
                reason=reason,
                **values,
            )
        before = -1
        while (refused := self.count_refused()) != before:
            before = refused
            self._refuse_states(
                "t.parent <> {empty}"
                " AND NOT EXISTS (SELECT 1 FROM {t}states p WHERE p.key = t.parent AND p.gone = 0)"
                " AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.key = t.parent"
                "   AND NOT EXISTS (SELECT 1 FROM {t}states p WHERE p.entry = e.id))",
                code=32,
                reason=NO_PARENT,
            )

    def _refuse_states(self, condition: str, **values: object) -> None:
        self.execute(
            "INSERT INTO {t}refused (line, dn, code, reason) SELECT t.line, t.dn, :code, :reason FROM {t}states t"
            f" WHERE t.entry IS NULL AND t.gone = 0 AND ({condition})",
            **values,
        )
        self.execute("DELETE FROM {t}states WHERE entry IS NULL AND line IN (SELECT line FROM {t}refused)")

    def adds_in_order(self, after: int, limit: int = ROWS_AT_ONCE) -> list[StagedRow]:
        rows = self.execute(
            f"SELECT {STAGED} FROM {{t}}staged WHERE line > :after ORDER BY line LIMIT :limit",
            after=after,
            limit=limit,
        )
        return list(map(StagedRow._make, rows))

    def steps_in_order(self, after: int, limit: int = ROWS_AT_ONCE) -> list[tuple[int, bytes]]:
        rows = self.execute(
            "SELECT line, record FROM {t}steps WHERE line > :after ORDER BY line LIMIT :limit",
            after=after,
            limit=limit,
        )
        return [(row[0], row[1]) for row in rows]


def _in(names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """A condition that holds of these names, and what it binds."""
    bound = {f"name{number}": name for number, name in enumerate(names)}
    return f"IN ({', '.join(f':{one}' for one in bound)})", bound


@contextmanager
def staging(store: Store) -> Iterator[Staging]:
    """Working tables for one file of entries."""
    with working.beside(store) as connection:
        created = Staging(store, connection)
        created.create(TABLES)
        yield created
