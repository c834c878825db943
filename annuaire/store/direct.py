"""Sends the statements of single rows straight to the driver, and undoes a part of a transaction alone.

An LDAP write is a handful of such statements. SQLAlchemy takes five times as long over one of them as SQLite itself,
which is why it does everything here but this: it opens, pools and ends connections and transactions, runs whatever is
about many rows, and its exceptions are raised here too.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any

from sqlalchemy import Connection, exc

from annuaire.errors import Unavailable

Values = Sequence[Any]


class Statement:
    """One statement with a `?` for each value, as both drivers want to be given it."""

    __slots__ = ("formatted", "marked")

    def __init__(self, text: str) -> None:
        self.marked = text  # SQLite's
        self.formatted = text.replace("%", "%%").replace("?", "%s")  # psycopg's


_BEGIN = Statement("SAVEPOINT part")
_UNDO = Statement("ROLLBACK TO SAVEPOINT part")
_END = Statement("RELEASE SAVEPOINT part")


class _Part(Enum):
    NONE = 0
    AWAITED = 1  # nothing has been changed in it yet
    BEGUN = 2


class Direct:
    """The driver's side of a connection whose transaction SQLAlchemy has begun and will end."""

    def __init__(self, connection: Connection) -> None:
        self._whole = connection
        self._driver: Any = connection.connection.dbapi_connection
        self._marked = connection.dialect.name == "sqlite"
        driver = connection.dialect.loaded_dbapi
        self._errors: type[Exception] = driver.Error
        self._part = _Part.NONE

    @property
    def connection(self) -> Connection:
        """For every other statement; one that changes something may follow."""
        self._begin_part()
        return self._whole

    def rows(self, statement: Statement, values: Values = ()) -> list[Any]:
        """Every row that a question is answered by."""
        found: list[Any] = self._sent(statement, values).fetchall()
        return found

    def row(self, statement: Statement, values: Values = ()) -> Any:
        """The only row, or the first; None: there is none."""
        return self._sent(statement, values).fetchone()

    def change(self, statement: Statement, values: Values = ()) -> int:
        """How many rows are another."""
        self._begin_part()
        return int(self._sent(statement, values).rowcount)

    def change_each(self, statement: Statement, rows: Iterable[Values]) -> None:
        """The same statement of many rows."""
        self._begin_part()
        text = statement.marked if self._marked else statement.formatted
        try:
            self._driver.cursor().executemany(text, rows)
        except self._errors as error:
            raise self._translated(text, error) from error

    @contextmanager
    def part(self) -> Iterator[None]:
        """What is changed inside is undone alone when anything is raised; never one part inside another.

        The savepoint is set before the first change: of what is refused at once, and that is most of what is refused,
        there is nothing to undo.
        """
        assert self._part is _Part.NONE
        self._part = _Part.AWAITED
        try:
            yield
            if self._part is _Part.BEGUN:
                self._sent(_END)
        except BaseException as error:
            if self._part is _Part.BEGUN:
                self._sent(_UNDO)
                self._sent(_END)
            elif self._aborted:
                # A question that PostgreSQL refused before anything was changed: there is nothing to go back to.
                raise Unavailable("the store is not available", "the transaction was aborted") from error
            raise
        finally:
            self._part = _Part.NONE

    @property
    def _aborted(self) -> bool:
        """Whether PostgreSQL answers nothing more in this transaction; SQLite always does."""
        info = getattr(self._driver, "info", None)
        return info is not None and info.transaction_status.name == "INERROR"

    def _begin_part(self) -> None:
        if self._part is _Part.AWAITED:
            self._sent(_BEGIN)
            self._part = _Part.BEGUN

    def _sent(self, statement: Statement, values: Values = ()) -> Any:
        text = statement.marked if self._marked else statement.formatted
        try:
            return self._driver.execute(text, values)
        except self._errors as error:
            raise self._translated(text, error) from error

    def _translated(self, text: str, error: Exception) -> BaseException:
        """What SQLAlchemy would raise; a connection that is lost is not given to the next."""
        dialect = self._whole.dialect
        lost = dialect.is_disconnect(error, self._driver, None)  # type: ignore[arg-type]
        if lost and not self._whole.invalidated:
            self._whole.invalidate(error)
        return exc.DBAPIError.instance(
            text,
            None,
            error,
            self._errors,
            hide_parameters=True,
            connection_invalidated=lost,
            dialect=dialect,
        )


class Asking:
    """What all that reads and writes in a transaction stands on."""

    _direct: Direct

    @property
    def _connection(self) -> Connection:
        return self._direct.connection
