"""What people decided, what the source of an account last said, and since when it has which version.

Kept by native address in lower case, so that all of it outlives the entry: the rules are in domain/choices.py.
"""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, text

from annuaire.store.records import portions


class ChoiceRow(NamedTuple):
    """One decision; the columns are explained in tables.py."""

    account: str
    choice: str
    value: bool
    since: str
    origin: str


_COLUMNS = ", ".join(ChoiceRow._fields)
# The names in statements are our own, never a caller's; values are always bound.
# ruff: noqa: S608
_OF = text(f"SELECT {_COLUMNS} FROM choices WHERE account = :account ORDER BY choice")
_AMONG = text(
    f"SELECT {_COLUMNS} FROM choices WHERE account IN :accounts ORDER BY account, choice"
).bindparams(bindparam("accounts", expanding=True))
_KEEP = text(
    f"INSERT INTO choices ({_COLUMNS}) VALUES (:account, :choice, :value, :since, :origin)"
    " ON CONFLICT (account, choice) DO UPDATE SET value = excluded.value, since = excluded.since,"
    " origin = excluded.origin"
)
_FORGET = text("DELETE FROM choices WHERE account = :account AND choice = :choice")
_SAID = text("SELECT attribute, value FROM said WHERE account = :account ORDER BY attribute")
_KEEP_SAID = text(
    "INSERT INTO said (account, attribute, value) VALUES (:account, :attribute, :value)"
    " ON CONFLICT (account, attribute) DO UPDATE SET value = excluded.value"
)
_FORGET_SAID = text("DELETE FROM said WHERE account = :account AND attribute = :attribute")
_VERSIONS = text("SELECT since, version FROM versions WHERE account = :account ORDER BY since")
_ALL_VERSIONS = text("SELECT account, since, version FROM versions ORDER BY account, since")
_KEEP_VERSION = text(
    "INSERT INTO versions (account, since, version) VALUES (:account, :since, :version)"
    " ON CONFLICT (account, since) DO UPDATE SET version = excluded.version"
)
_FORGET_VERSION = text("DELETE FROM versions WHERE account = :account AND since = :since")
_AMONG_SAID = text("SELECT account, attribute, value FROM said WHERE account IN :accounts").bindparams(
    bindparam("accounts", expanding=True)
)
_AMONG_VERSIONS = text(
    "SELECT account, since, version FROM versions WHERE account IN :accounts ORDER BY account, since"
).bindparams(bindparam("accounts", expanding=True))
_TABLES = ("choices", "said", "versions")
_CLEAR = [text(f"DELETE FROM {table} WHERE account = :new") for table in _TABLES]
_MOVE = [text(f"UPDATE {table} SET account = :new WHERE account = :old") for table in _TABLES]


class ChoiceReader:
    """What is remembered of accounts."""

    _connection: Connection

    def choices_of(self, account: str) -> list[ChoiceRow]:
        return list(map(_choice, self._connection.execute(_OF, {"account": account})))

    def choices_among(self, accounts: Collection[str]) -> list[ChoiceRow]:
        """Those of many accounts, account by account."""
        found: list[ChoiceRow] = []
        for some in portions(accounts):
            found.extend(map(_choice, self._connection.execute(_AMONG, {"accounts": some})))
        return found

    def said(self, account: str) -> dict[str, bytes]:
        """What its source last said, where the entry holds something else, by attribute."""
        rows = self._connection.execute(_SAID, {"account": account})
        return {attribute: bytes(value) for attribute, value in rows}

    def said_among(self, accounts: Collection[str]) -> list[tuple[str, str, bytes]]:
        """Account, attribute, value: of many accounts."""
        found: list[tuple[str, str, bytes]] = []
        for some in portions(accounts):
            rows = self._connection.execute(_AMONG_SAID, {"accounts": some})
            found.extend((account, attribute, bytes(value)) for account, attribute, value in rows)
        return found

    def versions_among(self, accounts: Collection[str]) -> list[tuple[str, str, int]]:
        """Account, since when, version: of many accounts, oldest first in each."""
        found: list[tuple[str, str, int]] = []
        for some in portions(accounts):
            found.extend(map(tuple, self._connection.execute(_AMONG_VERSIONS, {"accounts": some})))
        return found

    def versions_of(self, account: str) -> list[tuple[str, int]]:
        """Since when it has which version, oldest first."""
        return [
            (since, version) for since, version in self._connection.execute(_VERSIONS, {"account": account})
        ]

    def all_versions(self) -> list[tuple[str, str, int]]:
        """Account, since when, version: of all accounts, also of those that are no more."""
        return [tuple(row) for row in self._connection.execute(_ALL_VERSIONS)]


class ChoiceWriter(ChoiceReader):
    """Written in the transaction of what they belong to. No change of their own: the entry's is enough."""

    def keep_choice(self, choice: ChoiceRow) -> None:
        """Remember a decision instead of the one before it."""
        self._connection.execute(_KEEP, choice._asdict())

    def forget_choice(self, account: str, choice: str) -> None:
        self._connection.execute(_FORGET, {"account": account, "choice": choice})

    def keep_said(self, account: str, attribute: str, value: bytes) -> None:
        self._connection.execute(_KEEP_SAID, {"account": account, "attribute": attribute, "value": value})

    def forget_said(self, account: str, attribute: str) -> None:
        self._connection.execute(_FORGET_SAID, {"account": account, "attribute": attribute})

    def keep_version(self, account: str, since: str, version: int) -> None:
        self._connection.execute(_KEEP_VERSION, {"account": account, "since": since, "version": version})

    def forget_version(self, account: str, since: str) -> None:
        self._connection.execute(_FORGET_VERSION, {"account": account, "since": since})

    def move_account(self, old: str, new: str) -> None:
        """An account has another native address, and what is remembered of it goes along.

        What somebody left behind who once had the new address is not theirs, and goes.
        """
        if old == new:
            return
        for statement in (*_CLEAR, *_MOVE):
            self._connection.execute(statement, {"old": old, "new": new})


def _choice(row: tuple[str, str, bool, str, str]) -> ChoiceRow:
    # SQLite has no boolean: it gives 0 and 1.
    return ChoiceRow._make(row)._replace(value=bool(row[2]))
