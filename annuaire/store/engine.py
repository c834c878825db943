"""Opens the store, SQLite in the state or PostgreSQL by URL, and gives transactions: to read, or to write.

No SQLAlchemy object leaves: readers and writers answer named tuples, and trouble below becomes Unavailable.

# Note [What was acknowledged survives power loss]
SQLite runs in WAL mode with synchronous=FULL: a commit returns when its log is on the disk. NORMAL would be
faster and could lose the last commits on power failure, that is, writes that somebody was told are done.
"""

import fcntl
import os
import secrets
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url, text

from annuaire.errors import Misconfigured, Unavailable
from annuaire.store import address_file, changes, choices, domains, entries, imports, ledger, records, tables
from annuaire.store.direct import Direct, Statement
from annuaire.store.ledger import LedgerRow
from annuaire.store.touched import Touched, TouchedWriter

FILE_NAME = "annuaire.db"
LOCK_NAME = "write.lock"
SNAPSHOT = "REPEATABLE READ"
STATE_MODE = 0o700
FILE_MODE = 0o600

# How long SQLite itself waits for a lock. Writers queue on write.lock, so this is met only by a checkpoint
# or by a program that is not ours.
BUSY_MS = 10_000
# Page cache of one connection, in KiB (negative by SQLite's convention).
CACHE_KIB = -16_384
# Connections kept: a reading and a writing thread, and some for checks; SQLite writes one at a time anyway.
POOL_SIZE = 8

# What a large import leaves of the log file once its contents are in the database.
LOG_KEPT = 64 * 1024 * 1024

# Bytes of a page, set when the file is made. Measured under the write lock: 500,000 entries at once take 15 % less
# with 16,384; 1 % of 535,000 records, which lie on as many pages, a third less with 8,192 (0.20 s: a change logs
# its pages whole). With SQLite's 4,096 the first takes 15 % more, the second 0.15 s. A small write takes the same
# time with each of the three: waiting for the disk is all of it.
PAGE = 8192

_PRAGMAS = (
    f"PRAGMA page_size = {PAGE}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # Note [What was acknowledged survives power loss]
    f"PRAGMA busy_timeout = {BUSY_MS}",
    f"PRAGMA cache_size = {CACHE_KIB}",
    "PRAGMA temp_store = MEMORY",
    f"PRAGMA journal_size_limit = {LOG_KEPT}",
)

_HEAD = Statement("SELECT change, entry FROM head WHERE id = 1")
_LOCKED_HEAD = Statement("SELECT change, entry FROM head WHERE id = 1 FOR UPDATE")
_NEXT_IMPORT = Statement('UPDATE head SET "import" = "import" + 1 WHERE id = 1')
_LAST_IMPORT = Statement('SELECT "import" FROM head WHERE id = 1')
_SERVER_SIZE = text(
    "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
)
_SAVE_HEAD = Statement("UPDATE head SET change = ?, entry = ? WHERE id = 1")


class Reader(
    entries.EntryReader,
    changes.ChangeReader,
    records.RecordReader,
    choices.ChoiceReader,
    ledger.LedgerReader,
    domains.DomainReader,
    imports.ImportReader,
):
    """One snapshot of the store; everything read in it belongs together."""

    def __init__(self, connection: Connection) -> None:
        self._direct = Direct(connection)

    def damage(self) -> list[str]:
        rows = self._connection.execute(text("PRAGMA quick_check(100)")).all()
        return [str(row[0]) for row in rows if row[0] != "ok"]


class Writer(
    TouchedWriter,
    ledger.LedgerWriter,
    domains.DomainWriter,
    imports.ImportWriter,
    Reader,
):
    """One writing transaction, alone of its kind. All its changes have one moment and one actor."""

    def __init__(self, connection: Connection, actor: str, at: str, state: Path) -> None:
        super().__init__(connection)
        self.actor = actor
        self.at = at
        self.touched: list[Touched] = []
        self._recorded = []
        # By a weak reference: a circle would keep entries of megabytes until the collector comes, and in a server it
        # comes seldom.
        self._addresses = address_file.AddressFile(state, weakref.proxy(self))
        head = _HEAD if connection.dialect.name == "sqlite" else _LOCKED_HEAD
        self._change, self._entry = self._direct.row(head)
        self._saved = (self._change, self._entry)
        self._begun = self._change
        self._addresses.put_back()  # Note [The ledger outlives its database]

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that can fail alone: what it did is undone, its numbers are given to what follows."""
        before, given = (self._change, self._entry), self._addresses.mark()
        touched, recorded = len(self.touched), len(self._recorded)
        try:
            with self._direct.part():
                yield
        except BaseException:
            self._change, self._entry = before
            self._addresses.back(given)
            del self.touched[touched:], self._recorded[recorded:]
            raise

    @property
    def committed_head(self) -> int:
        """The last change before this transaction's own."""
        return self._begun

    @property
    def last_entry(self) -> int:
        return self._entry

    def take_numbers(self, changes: int, entries: int) -> None:
        """Many at once: what set-based statements have given from head() + 1 and last_entry + 1 on."""
        self._change += changes
        self._entry += entries

    def next_import(self) -> int:
        self._direct.change(_NEXT_IMPORT)
        return int(self._direct.row(_LAST_IMPORT)[0])

    def note_allocated(self, rows: Iterable[LedgerRow]) -> None:
        self._addresses.append(rows)

    def finish(self) -> None:
        """Keep the changes, the numbers and the addresses given, last before the commit."""
        self._send_recorded()
        self._addresses.sync()
        if (self._change, self._entry) != self._saved:
            self._direct.change(_SAVE_HEAD, (self._change, self._entry))
            self._saved = (self._change, self._entry)

    def close(self) -> None:
        """After the commit, or instead of it."""
        self._addresses.close()


class Store:
    """The truth. Readers never wait; writers queue."""

    def __init__(self, engine: Engine, state: Path) -> None:
        self._engine = engine
        # On PostgreSQL a writer must see what the one before it committed, a reader one moment only; SQLite's
        # transactions are both already.
        self._snapshots = engine if self.embedded else engine.execution_options(isolation_level=SNAPSHOT)
        self._inside = threading.local()
        self.state = state

    def __repr__(self) -> str:
        return f"Store({self._engine.url.render_as_string(hide_password=True)!r})"

    @property
    def embedded(self) -> bool:
        """SQLite in the state, as opposed to a database server."""
        return self._engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        with translated(), self._snapshots.connect() as connection, connection.begin():
            yield Reader(connection)

    @contextmanager
    def writing(self, actor: str = "", at: str | None = None) -> Iterator[Writer]:
        """Hold the write lock, yield a writer, commit on leaving; anything raised undoes all of it."""
        with (
            self.write_lock(),
            self._writing() as connection,
            closing(Writer(connection, actor, at or now(), self.state)) as writer,
        ):
            yield writer
            writer.finish()

    @contextmanager
    def write_lock(self) -> Iterator[None]:
        """The queue of all writers of this machine.

        SQLite's own busy handler polls, and a writer that polls is overtaken for ever by those that come
        later; flock wakes the one that has waited. The kernel lets go when a holder dies.
        """
        if getattr(self._inside, "writing", False):
            raise RuntimeError(
                "a writing transaction inside another of the same thread would wait for itself"
            )
        descriptor = os.open(self.state / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._inside.writing = True
            yield
        finally:
            self._inside.writing = False
            os.close(descriptor)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with translated(), self._engine.connect() as connection:
            connection.execution_options(annuaire_begin="IMMEDIATE")
            with connection.begin():
                yield connection

    @contextmanager
    def own_connection(self) -> Iterator[Connection]:
        """A connection that is closed at the end, with all that was set or made on it (store/staging.py)."""
        with translated(), self._engine.connect() as connection:
            try:
                yield connection
            finally:
                connection.invalidate()

    def damage(self) -> list[str]:
        """What SQLite finds wrong with its own file; a database server looks after its own."""
        if not self.embedded:
            return []
        with self.reading() as reader:
            return reader.damage()

    def size(self) -> int:
        """Octets that the truth takes on the disk: the file and its log, or the tables of a server."""
        if self.embedded:
            file = Path(self._engine.url.database or "")
            files = (file, file.with_name(f"{file.name}-wal"))
            return sum(one.stat().st_size for one in files if one.exists())
        with translated(), self._engine.connect() as connection:
            return int(connection.execute(_SERVER_SIZE).scalar_one())

    def close(self) -> None:
        self._engine.dispose()


def now() -> str:
    """This moment as the store writes moments: GeneralizedTime (RFC 4517 §3.3.13) in Z, to the second."""
    return datetime.now(UTC).strftime("%Y%m%d%H%M%SZ")


def default_url(state: Path) -> str:
    return f"sqlite:///{state / FILE_NAME}"


def exists(url: str, state: Path) -> bool:
    """Whether there is a store to open; of a server's database nobody can say without connecting."""
    parsed = make_url(url or default_url(state))
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()


def open(url: str, state: Path) -> Store:  # noqa: A001
    """Open the store of a state, creating and migrating an embedded one; a server's is migrated by `migrate`.

    An empty URL means the SQLite file in the state.
    """
    store = _connect(url, state)
    try:
        found = _revision(store)
        if found != tables.REVISION:
            _refuse_newer(found)
            if not store.embedded:
                raise Misconfigured(
                    f"[store] url: the database is at revision {found or 'none'}, this program needs"
                    f" {tables.REVISION}: run `annuaire migrate`"
                )
            _upgrade(store)
    except BaseException:
        store.close()
        raise
    return store


def migrate(url: str, state: Path) -> tuple[str | None, str]:
    """Bring the tables to this program's revision; the revision found and the one reached."""
    store = _connect(url, state)
    try:
        found = _revision(store)
        if found != tables.REVISION:
            _refuse_newer(found)
            _upgrade(store)
        return found, tables.REVISION
    finally:
        store.close()


def make_state(state: Path) -> None:
    """Create the folder of the state, for its owner alone: it holds password hashes and private choices."""
    try:
        state.mkdir(mode=STATE_MODE, parents=True, exist_ok=True)
        if state.stat().st_mode & 0o077:
            state.chmod(STATE_MODE)
    except OSError as error:
        raise Misconfigured(f"state: cannot use {state}: {error.strerror}") from error


def _connect(url: str, state: Path) -> Store:
    make_state(state)
    try:
        parsed = make_url(url or default_url(state))
    except exc.ArgumentError as error:
        raise Misconfigured("[store] url: not a database URL") from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise Misconfigured(f"[store] url: neither sqlite nor postgresql: {parsed.drivername}")
    try:
        if parsed.get_backend_name() == "sqlite":
            return Store(_sqlite(parsed), state)
        return Store(create_engine(parsed, pool_size=POOL_SIZE, pool_pre_ping=True), state)
    except ModuleNotFoundError as error:
        raise Misconfigured(
            "[store] url: PostgreSQL needs the driver psycopg: pip install 'annuaire[postgresql]'"
        ) from error


def _sqlite(url: Any) -> Engine:
    if not url.database or url.database == ":memory:":
        raise Misconfigured("[store] url: the SQLite database must be a file")
    try:
        # Created here, because SQLite gives its -wal and -shm files the mode of this one.
        os.close(os.open(url.database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    except OSError as error:
        raise Misconfigured(f"[store] url: cannot open {url.database}: {error.strerror}") from error
    engine = create_engine(url, pool_size=POOL_SIZE, max_overflow=-1)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver would begin transactions by itself, deferred, and only before some statements.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A deferred transaction that reads, then writes, fails at once if somebody wrote in between: a writer
        # takes the write lock with its first word.
        connection.exec_driver_sql(
            "BEGIN " + connection.get_execution_options().get("annuaire_begin", "DEFERRED")
        )

    return engine


@contextmanager
def translated() -> Iterator[None]:
    """Trouble of the database is temporary for whoever asks and named in the log; a fault of ours stays."""
    try:
        yield
    except (exc.DatabaseError, exc.InterfaceError, exc.TimeoutError) as error:
        # A damaged file is a plain DatabaseError; the other kinds below it (integrity, programming) are bugs.
        if isinstance(error, exc.DatabaseError) and type(error) not in (
            exc.DatabaseError,
            exc.OperationalError,
        ):
            raise
        cause = getattr(error, "orig", None) or error
        raise Unavailable("the store is not available", f"{type(cause).__name__}: {cause}") from error


def _revision(store: Store) -> str | None:
    with translated(), store._engine.connect() as connection:
        if not store._engine.dialect.has_table(connection, "alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _refuse_newer(found: str | None) -> None:
    if found is not None and found > tables.REVISION:
        raise Misconfigured(f"[store] url: the database is at revision {found}, made by a newer annuaire")


def _upgrade(store: Store) -> None:
    """Run the migrations, one process at a time. Alembic is imported only here: it is slow to start."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with store.write_lock(), store._writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if store.embedded:
            # An identity of this state, told apart from every other copy: followers compare it.
            connection.execute(
                text("INSERT INTO settings (name, value) VALUES ('state', :value) ON CONFLICT DO NOTHING"),
                {"value": secrets.token_bytes(16)},
            )
