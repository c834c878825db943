"""What people decided, what the source of an account last said, and since when it has which version.

Kept by native address in lower case, so that all of it outlives the entry: the rules are in domain/choices.py.
"""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import bindparam, text

from annuaire.store.direct import Asking, Statement
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
_OF = Statement(f"SELECT {_COLUMNS} FROM choices WHERE account = ? ORDER BY choice")
_AMONG = text(
    f"SELECT {_COLUMNS} FROM choices WHERE account IN :accounts ORDER BY account, choice"
).bindparams(bindparam("accounts", expanding=True))
_KEEP = Statement(
    f"INSERT INTO choices ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (account, choice) DO UPDATE SET value = excluded.value, since = excluded.since,"
    " origin = excluded.origin"
)
_FORGET = Statement("DELETE FROM choices WHERE account = ? AND choice = ?")
_SAID = Statement("SELECT attribute, value FROM said WHERE account = ? ORDER BY attribute")
_KEEP_SAID = Statement(
    "INSERT INTO said (account, attribute, value) VALUES (?, ?, ?)"
    " ON CONFLICT (account, attribute) DO UPDATE SET value = excluded.value"
)
_FORGET_SAID = Statement("DELETE FROM said WHERE account = ? AND attribute = ?")
_VERSIONS = Statement("SELECT since, version FROM versions WHERE account = ? ORDER BY since")
_ALL_VERSIONS = Statement("SELECT account, since, version FROM versions ORDER BY account, since")
_KEEP_VERSION = Statement(
    "INSERT INTO versions (account, since, version) VALUES (?, ?, ?)"
    " ON CONFLICT (account, since) DO UPDATE SET version = excluded.version"
)
_FORGET_VERSION = Statement("DELETE FROM versions WHERE account = ? AND since = ?")
_AMONG_SAID = text("SELECT account, attribute, value FROM said WHERE account IN :accounts").bindparams(
    bindparam("accounts", expanding=True)
)
_AMONG_VERSIONS = text(
    "SELECT account, since, version FROM versions WHERE account IN :accounts ORDER BY account, since"
).bindparams(bindparam("accounts", expanding=True))
_TABLES = ("choices", "said", "versions")
_CLEAR = [text(f"DELETE FROM {table} WHERE account = :new") for table in _TABLES]
_MOVE = [text(f"UPDATE {table} SET account = :new WHERE account = :old") for table in _TABLES]


class ChoiceReader(Asking):
    """What is remembered of accounts."""

    def choices_of(self, account: str) -> list[ChoiceRow]:
        return list(map(_choice, self._direct.rows(_OF, (account,))))

    def choices_among(self, accounts: Collection[str]) -> list[ChoiceRow]:
        """Those of many accounts, account by account."""
        found: list[ChoiceRow] = []
        for some in portions(accounts):
            found.extend(map(_choice, self._connection.execute(_AMONG, {"accounts": some})))
        return found

    def said(self, account: str) -> dict[str, bytes]:
        """What its source last said, where the entry holds something else, by attribute."""
        rows = self._direct.rows(_SAID, (account,))
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
        return [(since, version) for since, version in self._direct.rows(_VERSIONS, (account,))]

    def all_versions(self) -> list[tuple[str, str, int]]:
        """Account, since when, version: of all accounts, also of those that are no more."""
        return [tuple(row) for row in self._direct.rows(_ALL_VERSIONS)]


class ChoiceWriter(ChoiceReader):
    """Written in the transaction of what they belong to. No change of their own: the entry's is enough."""

    def keep_choice(self, choice: ChoiceRow) -> None:
        """Remember a decision instead of the one before it."""
        self._direct.change(_KEEP, choice)

    def forget_choice(self, account: str, choice: str) -> None:
        self._direct.change(_FORGET, (account, choice))

    def keep_said(self, account: str, attribute: str, value: bytes) -> None:
        self._direct.change(_KEEP_SAID, (account, attribute, value))

    def forget_said(self, account: str, attribute: str) -> None:
        self._direct.change(_FORGET_SAID, (account, attribute))

    def keep_version(self, account: str, since: str, version: int) -> None:
        self._direct.change(_KEEP_VERSION, (account, since, version))

    def forget_version(self, account: str, since: str) -> None:
        self._direct.change(_FORGET_VERSION, (account, since))

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
