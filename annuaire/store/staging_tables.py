"""The working tables of an import and the rows in them; each column is explained here and nowhere else.

On SQLite they are a file of their own, attached to the connection; on PostgreSQL, temporary tables of the
session. The statements are the same but for a few words.
"""

from typing import NamedTuple

NO_PARENT = "the entry above it exists neither in the directory nor among those taken from the file"

# Kinds of staged rows; the numbers are those of actions/preparing.py.
CONTENT, ADD, FIXED = 0, 1, 2

# What was refused: `late` 0 by reading alone, 1 by comparing. Of a row that is no entry, dn is "".
REFUSED = (
    "CREATE {temporary} TABLE {s}refused (line {number} PRIMARY KEY, dn TEXT NOT NULL, code INTEGER NOT NULL,"
    " reason TEXT NOT NULL, record {bytes}, late INTEGER NOT NULL DEFAULT 1)"
)

TABLES = (
    # One record that describes an entry. `line` orders and names it.
    (
        "CREATE {temporary} TABLE {s}staged (line {number} PRIMARY KEY, kind INTEGER NOT NULL, dn TEXT NOT NULL,"
        " key {bytes} NOT NULL, parent {bytes} NOT NULL, uuid {bytes} NOT NULL, attributes {bytes} NOT NULL,"
        " passwords {bytes}, structural TEXT NOT NULL, person TEXT, account {text},"
        # Of an account: 1 when it says its interop address, 2 when it makes a choice, 0 for every other.
        " asks INTEGER NOT NULL)"
    ),
    # One record that changes an entry, as its text.
    "CREATE {temporary} TABLE {s}steps (line {number} PRIMARY KEY, record {bytes} NOT NULL)",
    REFUSED,
    # Staged rows whose entry exists; same: nothing in it differs.
    (
        "CREATE {temporary} TABLE {s}matched (line {number} PRIMARY KEY, entry {number} NOT NULL,"
        " same INTEGER NOT NULL)"
    ),
    # Entries as they will be: changed ones have their id in `entry`, new ones the line of their staged row.
    # Of an entry that moves or goes, old_key says where it was. Gone: 1 when it is no more.
    (
        "CREATE {temporary} TABLE {s}states (slot {number} PRIMARY KEY, entry {number}, line {number},"
        " gone INTEGER NOT NULL, moved INTEGER NOT NULL, changed INTEGER NOT NULL, dn TEXT NOT NULL,"
        " key {bytes} NOT NULL, parent {bytes} NOT NULL, old_key {bytes}, uuid {bytes} NOT NULL,"
        " attributes {bytes} NOT NULL, passwords {bytes}, structural TEXT NOT NULL, person TEXT, account {text})"
    ),
    # New entries that are kept otherwise than the file has them: the rules of accounts gave or took something.
    "CREATE {temporary} TABLE {s}given (line {number} PRIMARY KEY, attributes {bytes} NOT NULL)",
    # Names that entries of the file lie below and that nobody has.
    "CREATE {temporary} TABLE {s}missing (parent {bytes} PRIMARY KEY)",
    # The staged rows that become new entries, in the order of their keys: parents before children.
    "CREATE {temporary} TABLE {s}fresh (rank {number} PRIMARY KEY, line {number} NOT NULL)",
    # What is done to entries that exist, in its order.
    "CREATE {temporary} TABLE {s}doing (slot {number} PRIMARY KEY, rank {number} NOT NULL, kind TEXT NOT NULL)",
)
INDEXES = (
    # All that resolving asks is in these; the wide rows are read once, when they are applied. On SQLite an index
    # names the schema of its table, on PostgreSQL a temporary table is what a plain name means.
    "CREATE INDEX {s}staged_key ON staged (key, line, parent, kind)",
    "CREATE INDEX {s}states_key ON states (key)",
    "CREATE INDEX {s}states_parent ON states (parent)",
    "CREATE INDEX {s}states_entry ON states (entry)",
    "CREATE INDEX {s}states_line ON states (line)",
    "CREATE INDEX {s}matched_entry ON matched (entry)",
)
STAGED = "line, kind, dn, key, parent, uuid, attributes, passwords, structural, person, account, asks"
STATE = (
    "slot, entry, line, gone, moved, changed, dn, key, parent, old_key, uuid, attributes, passwords, structural,"
    " person, account"
)


class StagedRow(NamedTuple):
    line: int
    kind: int
    dn: str
    key: bytes
    parent: bytes
    uuid: bytes
    attributes: bytes
    passwords: bytes | None
    structural: str
    person: str | None
    account: str | None
    asks: int


class State(NamedTuple):
    """An entry that an import touches, as it will be."""

    slot: int
    entry: int | None
    line: int | None
    gone: int
    moved: int
    changed: int
    dn: str
    key: bytes
    parent: bytes
    old_key: bytes | None
    uuid: bytes
    attributes: bytes
    passwords: bytes | None
    structural: str
    person: str | None
    account: str | None


class Refused(NamedTuple):
    line: int
    dn: str
    code: int
    reason: str
    record: bytes | None


def words(embedded: bool) -> dict[str, str]:
    """What the two databases call the same things: `s` before what is created, `t` before what is used."""
    if embedded:
        return {
            "temporary": "",
            "s": "staging.",
            "t": "staging.",
            "number": "INTEGER",
            "serial": "INTEGER",
            "bytes": "BLOB",
            "text": "TEXT",
            "position": "instr",
            "empty": "x''",
        }
    return {
        "temporary": "TEMPORARY",
        "s": "",
        "t": "pg_temp.",
        "number": "BIGINT",
        "serial": "BIGSERIAL",
        "bytes": "BYTEA",
        # As tables.Ordered: PostgreSQL compares no two texts of different orders.
        "text": 'TEXT COLLATE "C"',
        "position": "strpos",
        "empty": "''::bytea",
    }
