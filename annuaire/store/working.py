"""Working tables of one import beside the store: a file of their own, attached, or temporary tables of a session.

What a file says is put there, compared with the store without any lock, and applied from there in one transaction
(store/applying.py). Nobody else sees these tables, and nothing of them outlives the import.
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
from annuaire.store.staging_tables import Refused, words

FOLDER = "imports"
ROWS_AT_ONCE = 1000
# Page cache while importing, in KiB (negative by SQLite's convention): the indexes of 500,000 entries fit, so
# that no dirty page is written twice.
CACHE_KIB = -200_000
# Of the file of working tables, mapped instead of read page by page: a national directory's worth.
MAPPED_MAX = 4 << 30


class WorkingTables:
    """One import's tables and the connection that sees them beside the store."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.store = store
        self.connection = connection
        self.words = words(store.embedded)
        # Some fifty; a file of changes runs the same five for each record.
        self._statements: dict[str, TextClause] = {}

    def create(self, statements: Iterable[str]) -> None:
        with self.transaction():
            for statement in statements:
                self.execute(statement)

    @contextmanager
    def comparing(self) -> Iterator[Reader]:
        """One snapshot of the store, with the working tables beside it; holds no lock."""
        with self.transaction(snapshot=True):
            yield Reader(self.connection)

    # --- Refusals ---

    def refuse(self, refusals: Iterable[Refused]) -> None:
        """Refuse records that were staged."""
        self.insert("refused", "line, dn, code, reason, record", [tuple(refusal) for refusal in refusals])

    def refusals(self, after: int = 0, limit: int = ROWS_AT_ONCE) -> list[Refused]:
        rows = self.execute(
            "SELECT line, dn, code, reason, record FROM {t}refused WHERE line > :after ORDER BY line LIMIT :limit",
            after=after,
            limit=limit,
        )
        return list(map(Refused._make, rows))

    def count_refused(self) -> int:
        return self.number("SELECT count(*) FROM {t}refused")

    # --- Below ---

    @contextmanager
    def filling(self, table: str, indexes: Sequence[str]) -> Iterator[None]:
        """Around the insertion of more rows than a table has: indexes in another order than the rows come after it.

        Sorting at the end takes half the time of finding a place for each row. PostgreSQL keeps them, because who
        drops one there makes every reader wait.
        """
        if not self.store.embedded:
            yield
            return
        made = []
        for name in indexes:
            found = self.execute(
                "SELECT sql FROM main.sqlite_master WHERE type = 'index' AND tbl_name = :table AND name = :name",
                table=table,
                name=name,
            )
            made.append(found.scalar_one())
            self.execute(f"DROP INDEX main.{name}")
        yield
        for statement in made:
            self.connection.exec_driver_sql(statement)

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
            known = self._statements[statement] = text(statement.format(**self.words))
        return self.connection.execute(known, values)

    def number(self, statement: str, **values: Any) -> int:
        return int(self.execute(statement, **values).scalar_one())

    def insert(self, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        name = self.words["t"] + table
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
def beside(store: Store) -> Iterator[Connection]:
    """A connection that has room for working tables; those that a killed import left are removed first."""
    with store.own_connection() as connection:
        if not store.embedded:
            yield connection
            return
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
            yield connection


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
