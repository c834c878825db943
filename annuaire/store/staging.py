"""What a file says, beside the store, until it is applied (store/applying.py): filled, then compared.

Comparing goes by sets in SQL; only records that differ pass through Python. Nobody else sees the working
tables, and nothing of them outlives the import.
"""

# The names in statements are our own, never a caller's; values are always bound.
# ruff: noqa: S608

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, TextClause, text

from annuaire.errors import Unavailable
from annuaire.store.engine import FILE_MODE, STATE_MODE, Reader, Store, translated
from annuaire.store.entries import EntryRow
from annuaire.store.staging_tables import (
    INDEXES,
    NO_PARENT,
    STAGED,
    STATE,
    TABLES,
    Refused,
    StagedRow,
    State,
    words,
)

FOLDER = "imports"
ROWS_AT_ONCE = 1000
# Page cache while importing, in KiB (negative by SQLite's convention): the indexes of 500,000 entries fit, so
# that no dirty page is written twice.
CACHE_KIB = -200_000
# Of the file of working tables, mapped instead of read page by page: a national directory's worth.
MAPPED_MAX = 4 << 30


class Staging:
    """One import's working tables and the connection that sees them beside the store."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.store = store
        self.connection = connection
        self._words = words(store.embedded)
        # Some fifty; a file of changes runs the same five for each record.
        self._statements: dict[str, TextClause] = {}
        self._slot = 0

    # --- Filling ---

    def stage(
        self,
        rows: Sequence[tuple[Any, ...]] = (),
        steps: Sequence[tuple[Any, ...]] = (),
        refused: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        with self.transaction():
            self._insert("staged", STAGED, rows)
            self._insert("steps", "line, record", steps)
            self._insert("refused", "line, dn, code, reason, record, late", [(*row, 0) for row in refused])

    def index(self) -> None:
        """After the last row: sorting at the end is faster than keeping order all along."""
        with self.transaction():
            for statement in INDEXES:
                self.execute(statement)
            if not self.store.embedded:
                for table in ("staged", "refused"):
                    self.execute("ANALYZE {t}" + table)

    # --- Comparing ---

    @contextmanager
    def comparing(self) -> Iterator[Reader]:
        """One snapshot of the store, with the working tables beside it; holds no lock."""
        with self.transaction(snapshot=True):
            yield Reader(self.connection)

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

    def differing(self, after: int, limit: int = ROWS_AT_ONCE) -> list[tuple[StagedRow, EntryRow]]:
        """Content records that say otherwise than their entries, with the entries."""
        staged = ", ".join(f"s.{column}" for column in StagedRow._fields)
        entry = ", ".join(f"e.{column}" for column in EntryRow._fields)
        width = len(StagedRow._fields)
        rows = self.execute(
            f"SELECT {staged}, {entry} FROM {{t}}matched m CROSS JOIN {{t}}staged s CROSS JOIN entries e"
            " WHERE s.line = m.line AND e.id = m.entry AND m.same = 0 AND s.kind = 0 AND m.line > :after"
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

    def refuse_orphans(self) -> None:
        """Each new entry above which there is nothing, neither in the store nor in the file."""
        while True:  # what was refused may leave others without parent
            self.execute("DELETE FROM {t}missing")
            self.execute(
                "INSERT INTO {t}missing (parent) SELECT d.parent FROM (SELECT DISTINCT parent FROM {t}staged"
                " WHERE kind <> 2) d WHERE d.parent <> {empty}"
                " AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.key = d.parent)"
                " AND NOT EXISTS (SELECT 1 FROM {t}staged p WHERE p.key = d.parent"
                "   AND NOT EXISTS (SELECT 1 FROM {t}refused r WHERE r.line = p.line))"
            )
            if not self.number("SELECT count(*) FROM {t}missing"):
                return
            before = self.count_refused()
            self.execute(
                "INSERT INTO {t}refused (line, dn, code, reason) SELECT s.line, s.dn, 32, :reason"
                " FROM {t}staged s WHERE s.kind <> 2 AND s.parent IN (SELECT parent FROM {t}missing)"
                " AND NOT EXISTS (SELECT 1 FROM {t}refused r WHERE r.line = s.line)"
                " AND NOT EXISTS (SELECT 1 FROM {t}matched m WHERE m.line = s.line)",
                reason=NO_PARENT,
            )
            if self.count_refused() == before:
                return

    def refuse(self, refusals: Iterable[Refused]) -> None:
        """Refuse records that were staged."""
        self._insert("refused", "line, dn, code, reason, record", [tuple(refusal) for refusal in refusals])

    def refusals(self, after: int = 0, limit: int = ROWS_AT_ONCE) -> list[Refused]:
        rows = self.execute(
            "SELECT line, dn, code, reason, record FROM {t}refused WHERE line > :after ORDER BY line LIMIT :limit",
            after=after,
            limit=limit,
        )
        return list(map(Refused._make, rows))

    def staged(self, line: int) -> StagedRow | None:
        row = self.execute(f"SELECT {STAGED} FROM {{t}}staged WHERE line = :line", line=line).first()
        return None if row is None else StagedRow._make(row)

    def count_refused(self) -> int:
        return self.number("SELECT count(*) FROM {t}refused")

    def describes(self, key: bytes) -> bool:
        """Whether a record is about the entry with this key."""
        return self.execute("SELECT 1 FROM {t}staged WHERE key = :key", key=key).first() is not None

    def forget_comparison(self) -> None:
        """Back to what reading alone has found."""
        for table in ("matched", "states", "fresh", "doing"):
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
        self._insert("states", STATE, rows)

    def state_at(self, key: bytes) -> State | None:
        """What will lie at a key, if the import has touched it."""
        row = self.execute(
            f"SELECT {STATE} FROM {{t}}states WHERE key = :key AND gone = 0",
            key=key,
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

    def refuse_adrift(self) -> None:
        """Each new entry of a file of changes above which there will be nothing."""
        before = -1
        while (refused := self.count_refused()) != before:
            before = refused
            self.execute(
                "INSERT INTO {t}refused (line, dn, code, reason) SELECT t.line, t.dn, 32, :reason FROM {t}states t"
                " WHERE t.entry IS NULL AND t.gone = 0 AND t.parent <> {empty}"
                " AND NOT EXISTS (SELECT 1 FROM {t}states p WHERE p.key = t.parent AND p.gone = 0)"
                " AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.key = t.parent"
                "   AND NOT EXISTS (SELECT 1 FROM {t}states p WHERE p.entry = e.id))",
                reason=NO_PARENT,
            )
            self.execute(
                "DELETE FROM {t}states WHERE entry IS NULL AND line IN (SELECT line FROM {t}refused)"
            )

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

    # --- Below ---

    def settle(self) -> None:
        """After a large commit, SQLite's log goes into its file now, with nobody waiting for it."""
        if self.store.embedded:
            # The commit is durable already: on a full disk the log simply stays until a later checkpoint.
            with suppress(sqlite3.OperationalError):
                self._driver().execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _driver(self) -> Any:
        return self.connection.connection.dbapi_connection

    @contextmanager
    def transaction(self, immediate: bool = False, snapshot: bool = False) -> Iterator[None]:
        options = {"annuaire_begin": "IMMEDIATE" if immediate else "DEFERRED"}
        if not self.store.embedded:
            options["isolation_level"] = "REPEATABLE READ" if snapshot else "READ COMMITTED"
        self.connection.execution_options(**options)
        with translated(), self.connection.begin():
            yield

    def execute(self, statement: str, **values: Any) -> Any:
        known = self._statements.get(statement)
        if known is None:
            known = self._statements[statement] = text(statement.format(**self._words))
        return self.connection.execute(known, values)

    def number(self, statement: str, **values: Any) -> int:
        return int(self.execute(statement, **values).scalar_one())

    def _insert(self, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        name = self._words["t"] + table
        if self.store.embedded:
            marks = ", ".join("?" * len(rows[0]))
            self.connection.exec_driver_sql(f"INSERT INTO {name} ({columns}) VALUES ({marks})", list(rows))
            return
        trouble = self.connection.dialect.dbapi.OperationalError  # type: ignore[union-attr]
        try:
            with self._driver().cursor().copy(f"COPY {name} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        except trouble as error:
            raise Unavailable("the store is not available", str(error)) from error


@contextmanager
def staging(store: Store) -> Iterator[Staging]:
    """Working tables for one import; those that a killed import left are removed first."""
    with store.own_connection() as connection:
        if store.embedded:
            with _file(store.state) as path:
                driver: Any = connection.connection.dbapi_connection
                driver.execute("ATTACH DATABASE ? AS staging", (str(path),))
                # Nothing here must survive anything: no journal, no waiting for the disk.
                driver.execute("PRAGMA staging.journal_mode = OFF")
                driver.execute("PRAGMA staging.synchronous = OFF")
                # Applying reads rows in another order than they were written in.
                driver.execute(f"PRAGMA staging.mmap_size = {MAPPED_MAX}")
                driver.execute(f"PRAGMA staging.cache_size = {CACHE_KIB}")
                driver.execute(f"PRAGMA main.cache_size = {CACHE_KIB}")
                driver.execute("PRAGMA wal_autocheckpoint = 0")
                yield _create(store, connection)
        else:
            yield _create(store, connection)


def _create(store: Store, connection: Connection) -> Staging:
    created = Staging(store, connection)
    with created.transaction():
        for statement in TABLES:
            created.execute(statement)
    return created


@contextmanager
def _file(state: Path) -> Iterator[Path]:
    folder = state / FOLDER
    folder.mkdir(mode=STATE_MODE, exist_ok=True)
    remove_stale(folder)
    name = secrets.token_hex(8)
    lock = folder / f"{name}.lock"
    path = folder / f"{name}.db"
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
        yield path
    finally:
        path.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def remove_stale(folder: Path) -> int:
    """Remove the files of imports that live no more: their lock is free. How many there were."""
    removed = 0
    for lock in folder.glob("*.lock"):
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            lock.with_suffix(".db").unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
            removed += 1
        finally:
            os.close(descriptor)
    return removed
