"""The rows of entries: read by key, by id or in bulk, and written one by one with their change numbers.

Knows nothing of LDAP: a key and the encoded attributes are bytes that callers made (ldap/dn.py, ldap/ber.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text

from annuaire.store import changes
from annuaire.store.direct import Asking, Statement, Values


class EntryRow(NamedTuple):
    """One stored entry. `attributes` is without userPassword, which is `passwords`, both in BER."""

    id: int
    key: bytes
    parent: bytes
    dn: str
    uuid: bytes
    attributes: bytes
    passwords: bytes | None
    structural: str
    person: str | None  # whom an account describes (domain/account.py), None for every other entry
    account: str | None  # its native address in lower case
    created_at: str
    created_by: str
    modified_at: str
    modified_by: str
    change: int


class NewEntry(NamedTuple):
    """What the store must be told of an entry to be; the rest (id, stamps, number) is its own doing."""

    key: bytes
    parent: bytes
    dn: str
    uuid: bytes
    attributes: bytes
    passwords: bytes | None
    structural: str
    person: str | None = None
    account: str | None = None


class Stamps(NamedTuple):
    """Who made an entry and when, where it is said with the entry; "" for what is not."""

    created_at: str = ""
    created_by: str = ""
    modified_at: str = ""
    modified_by: str = ""


UNSAID = Stamps()


class Moved(NamedTuple):
    """Where an entry goes: its own new place, or that of something above it."""

    id: int
    key: bytes
    parent: bytes
    dn: str


COLUMNS = ", ".join(EntryRow._fields)
# Rows fetched at once by the readers that walk: a few megabytes of attributes.
ROWS_AT_ONCE = 2000

_BY_KEY = Statement(f"SELECT {COLUMNS} FROM entries WHERE key = ?")  # noqa: S608 (our own column names)
_BY_ID = Statement(f"SELECT {COLUMNS} FROM entries WHERE id = ?")  # noqa: S608
_BY_UUID = Statement(f"SELECT {COLUMNS} FROM entries WHERE uuid = ?")  # noqa: S608
_AFTER = Statement(f"SELECT {COLUMNS} FROM entries WHERE id > ? ORDER BY id LIMIT ?")  # noqa: S608
_RANGE = Statement(
    f"SELECT {COLUMNS} FROM entries WHERE id BETWEEN ? AND ? AND id > ?"  # noqa: S608
    " ORDER BY id LIMIT ?"
)
_CHILDREN = Statement(
    f"SELECT {COLUMNS} FROM entries WHERE parent = ? AND id > ? ORDER BY id LIMIT ?"  # noqa: S608
)
_SUBTREE = Statement(
    f"SELECT {COLUMNS} FROM entries WHERE key > ? AND key < ? ORDER BY key LIMIT ?"  # noqa: S608
)
_COUNT = Statement("SELECT count(*) FROM entries")
_SPAN = Statement("SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM entries")
_LOST = Statement(
    f"SELECT {COLUMNS} FROM entries e WHERE id > ? AND length(parent) > 0"  # noqa: S608
    " AND NOT EXISTS (SELECT 1 FROM entries p WHERE p.key = e.parent) ORDER BY id LIMIT ?"
)
_HAS_CHILDREN = Statement("SELECT 1 FROM entries WHERE parent = ? LIMIT 1")

_ADD = Statement(
    f"INSERT INTO entries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?,"  # noqa: S608
    " ?, ?, ?, ?, ?, ?, ?, ?)"
)
_CONTENTS = "attributes = ?, passwords = ?, structural = ?, modified_at = ?, modified_by = ?, change = ?"
_REPLACE = Statement(f"UPDATE entries SET {_CONTENTS} WHERE id = ?")  # noqa: S608 (our own words)
# Apart, because SQLite writes the index entries of every column that is named here, whether it is another or not.
_REPLACE_DESCRIBED = Statement(f"UPDATE entries SET {_CONTENTS}, person = ?, account = ? WHERE id = ?")  # noqa: S608
_IDENTIFY = text("UPDATE entries SET person = :person, account = :account WHERE id = :id")
_OF_ACCOUNT = Statement(f"SELECT {COLUMNS} FROM entries WHERE account = ? ORDER BY id")  # noqa: S608
_ACCOUNTS = Statement(
    f"SELECT {COLUMNS} FROM entries WHERE account > ? ORDER BY account LIMIT ?"  # noqa: S608
)
_OF_LOCAL = Statement(
    "SELECT account FROM entries WHERE account >= ? AND account < ? AND account <> ? ORDER BY account LIMIT 1"
)
_MOVE = Statement(
    "UPDATE entries SET key = ?, parent = ?, dn = ?,"
    " modified_at = ?, modified_by = ?, change = ? WHERE id = ?"
)
_SET_ASIDE = Statement("UPDATE entries SET key = ? WHERE id = ?")
_DELETE = Statement("DELETE FROM entries WHERE id = ?")


class EntryReader(Asking):
    """What can be asked about entries inside one transaction."""

    def entry(self, key: bytes) -> EntryRow | None:
        """The entry whose DN has this key."""
        return self._one(_BY_KEY, (key,))

    def entry_by_id(self, entry_id: int) -> EntryRow | None:
        return self._one(_BY_ID, (entry_id,))

    def entry_by_uuid(self, uuid: bytes) -> EntryRow | None:
        return self._one(_BY_UUID, (uuid,))

    def entries_of_account(self, account: str) -> list[EntryRow]:
        """The account of a native address, in lower case; never more than one."""
        return self._many(_OF_ACCOUNT, (account,))

    def every_account(self) -> Iterator[EntryRow]:
        """All accounts, by native address, few in memory at once."""
        after = ""
        while rows := self._many(_ACCOUNTS, (after, ROWS_AT_ONCE)):
            yield from rows
            after = rows[-1].account or ""

    def namesake(self, account: str) -> str | None:
        """The native address of another account that differs by its domain alone."""
        local = account.rpartition("@")[0] + "@"
        # No character of a domain comes between @ and A.
        found = self._direct.row(_OF_LOCAL, (local, local[:-1] + "A", account))
        return None if found is None else str(found[0])

    def entries(self, after_id: int = 0, limit: int = ROWS_AT_ONCE) -> list[EntryRow]:
        """The next entries in the order of their ids."""
        return self._many(_AFTER, (after_id, limit))

    def range(self, low: int, high: int) -> Iterator[EntryRow]:
        """Every entry with low <= id <= high, in order, few in memory at once."""
        after = low - 1
        while rows := self._many(_RANGE, (low, high, after, ROWS_AT_ONCE)):
            yield from rows
            after = rows[-1].id

    def children(self, parent: bytes) -> Iterator[EntryRow]:
        """The entries directly below a key, in the order of their ids."""
        after = 0
        while rows := self._many(_CHILDREN, (parent, after, ROWS_AT_ONCE)):
            yield from rows
            after = rows[-1].id

    def subtree(self, key: bytes) -> Iterator[EntryRow]:
        """Everything below a key, without the key itself, parents before children; below b"" is everything."""
        # A key begins with the name of an attribute type: no octet of one reaches FF.
        after, high = (key + b"\x00", key + b"\x01") if key else (b"", b"\xff")
        while rows := self._many(_SUBTREE, (after, high, ROWS_AT_ONCE)):
            yield from rows
            after = rows[-1].key

    def has_children(self, parent: bytes) -> bool:
        return self._direct.row(_HAS_CHILDREN, (parent,)) is not None

    def lost(self, limit: int = ROWS_AT_ONCE) -> list[EntryRow]:
        """Entries that lie below one that does not exist: there must be none."""
        return self._many(_LOST, (0, limit))

    def count(self) -> int:
        return int(self._direct.row(_COUNT)[0])

    def count_kinds(self, roots: Sequence[bytes]) -> dict[tuple[int, str], int]:
        """How many entries of each structural class there are at or below each root, in one pass.

        By place in `roots` and class; an entry counts for the first root that it fits, else for -1.
        """
        cases = [
            f"WHEN key = :at{i} OR (key > :from{i} AND key < :to{i}) THEN {i}" for i in range(len(roots))
        ]
        part = f"CASE {' '.join(cases)} ELSE -1 END" if cases else "-1"
        bounds: dict[str, bytes] = {}
        for i, root in enumerate(roots):
            bounds |= {f"at{i}": root, f"from{i}": root + b"\x00", f"to{i}": root + b"\x01"}
        counted = text(
            f"SELECT part, structural, count(*) FROM (SELECT {part} AS part, structural FROM entries) AS placed"  # noqa: S608 (numbers)
            " GROUP BY part, structural"
        )
        rows = self._connection.execute(counted, bounds).all()
        return {(int(root), kind): int(count) for root, kind, count in rows}

    def id_ranges(self, parts: int) -> list[tuple[int, int]]:
        """At most `parts` adjoining ranges of ids that cover all entries, for readers that share the work."""
        low, high = self._direct.row(_SPAN)
        step = max(1, -(-(high - low + 1) // parts))
        return [(start, min(start + step - 1, high)) for start in range(low, high + 1, step)]

    def _one(self, statement: Statement, values: Values) -> EntryRow | None:
        row = self._direct.row(statement, values)
        return None if row is None else EntryRow._make(row)

    def _many(self, statement: Statement, values: Values) -> list[EntryRow]:
        return list(map(EntryRow._make, self._direct.rows(statement, values)))


class EntryWriter(EntryReader, changes.ChangeWriter):
    """Changes of single entries. The caller has judged them: a key taken twice is a fault, not an answer."""

    actor: str
    _entry: int

    def add(self, new: NewEntry, said: Stamps = UNSAID) -> EntryRow:
        self._entry += 1
        entry = self._entry
        change = self._record("add", entry, new.uuid, new.key)
        row = EntryRow(
            entry,
            *new,
            said.created_at or self.at,
            said.created_by or self.actor,
            said.modified_at or self.at,
            said.modified_by or self.actor,
            change,
        )
        self._direct.change(_ADD, row)
        return row

    def replace(
        self,
        old: EntryRow,
        attributes: bytes,
        passwords: bytes | None,
        structural: str,
        person: str | None,
        account: str | None,
        *,
        stamped: bool = True,
    ) -> EntryRow:
        """Give an entry other attributes; who made it, when, and its entryUUID stay; unstamped, who modified it too."""
        change = self._record("modify", old.id, old.uuid, old.key, old.person)
        new = old._replace(
            attributes=attributes,
            passwords=passwords,
            structural=structural,
            person=person,
            account=account,
            modified_at=self.at if stamped else old.modified_at,
            modified_by=self.actor if stamped else old.modified_by,
            change=change,
        )
        contents = attributes, passwords, structural, new.modified_at, new.modified_by, change
        if (person, account) == (old.person, old.account):
            self._direct.change(_REPLACE, (*contents, old.id))
        else:
            self._direct.change(_REPLACE_DESCRIBED, (*contents, person, account, old.id))
        return new

    def identify(self, described: Mapping[int, tuple[str | None, str | None]]) -> None:
        """Say whom entries describe, by id, where a program that did not know has written them. No change of theirs."""
        if described:
            self._connection.execute(
                _IDENTIFY,
                [
                    {"id": entry, "person": person, "account": account}
                    for entry, (person, account) in described.items()
                ],
            )

    def delete(self, old: EntryRow) -> int:
        change = self._record("delete", old.id, old.uuid, old.key, old.person)
        self._direct.change(_DELETE, (old.id,))
        return change

    def move(self, moves: Iterable[tuple[EntryRow, Moved]]) -> None:
        """Rename entries, given the root of a moved subtree before what lies below it.

        Keys are unique at every moment, so all leave their old place before any takes its new one.
        """
        pairs = list(moves)
        for old, _ in pairs:
            self._direct.change(_SET_ASIDE, (b"\x00%d" % old.id, old.id))
        for old, moved in pairs:
            change = self._record("rename", old.id, old.uuid, old.key, old.person)
            place = moved.key, moved.parent, moved.dn
            self._direct.change(_MOVE, (*place, self.at, self.actor, change, moved.id))
