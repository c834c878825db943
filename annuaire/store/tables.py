"""The tables of the truth, as SQLAlchemy Core describes them; columns are explained here and nowhere else.

The migrations build exactly this (tests/store/test_migrations.py holds the two together). Binary columns
compare byte by byte on both databases, so the order of `key` is the order of dn.key.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

# The revision that a database must be at for this code to use it (migrations/versions).
REVISION = "0001"

# SQLite makes a column the row's own number only when its type is spelled INTEGER.
Number = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

# One row, locked by every writer.
# Note [Change numbers are in commit order]
# A number taken from a sequence may be committed after a greater one, and a follower that has seen the
# greater would never read the smaller. On PostgreSQL the row lock, on SQLite the single writer, makes the next
# number wait for the last one's commit.
head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("change", Number, nullable=False),  # the last change that is committed, 0 before the first
    Column("entry", Number, nullable=False),  # the last entry id given: ids are never given again
    Column("import", Number, nullable=False),  # the last import's id
)

entries = Table(
    "entries",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),  # dn.key: the identity of a DN, root first
    Column("parent", LargeBinary, nullable=False),  # the key above; b"" above a suffix
    Column("dn", Text, nullable=False),  # RFC 4514 text, as the writer spelled it
    Column("uuid", LargeBinary, nullable=False),  # entryUUID, 16 bytes; outlives every rename
    Column("attributes", LargeBinary, nullable=False),  # ber.encode_attributes of the user attributes
    Column(
        "passwords", LargeBinary
    ),  # the same form, userPassword alone: so that no reader has it by accident
    Column("structural", Text, nullable=False),  # structuralObjectClass
    Column("created_at", Text, nullable=False),  # GeneralizedTime, in Z, like modified_at
    Column("created_by", Text, nullable=False),  # a DN
    Column("modified_at", Text, nullable=False),
    Column("modified_by", Text, nullable=False),
    Column("change", Number, nullable=False),  # the number of the last change of this entry
    Index("entries_key", "key", unique=True),
    Index("entries_parent", "parent"),
    Index("entries_uuid", "uuid", unique=True),
)

changes = Table(
    "changes",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),  # GeneralizedTime
    Column("kind", Text, nullable=False),  # add, modify, delete, rename
    Column("entry", Number, nullable=False),
    Column("uuid", LargeBinary, nullable=False),
    Column("key", LargeBinary, nullable=False),  # as it was before the change: where a deleted entry lay
    Column("import", Number),  # which import did it, when one did
)

imports = Table(
    "imports",
    metadata,
    Column("id", Number, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("source", Text, nullable=False),  # the file's name as given, "-" for standard input
    Column("sha256", LargeBinary, nullable=False),  # of the bytes read
    Column("actor", Text, nullable=False),
    Column("applied", Boolean, nullable=False),  # false when refusals stopped it: then nothing below was done
    Column("added", Number, nullable=False),
    Column("changed", Number, nullable=False),
    Column("unchanged", Number, nullable=False),
    Column("removed", Number, nullable=False),
    Column("refused", Number, nullable=False),
    Column("warnings", Number, nullable=False),
    Column("change", Number, nullable=False),  # the store's last change when it ended
)

refusals = Table(
    "refusals",
    metadata,
    Column("import", Number, primary_key=True, autoincrement=False),
    Column("line", Number, primary_key=True, autoincrement=False),  # where the record begins, from 1
    Column("dn", Text, nullable=False),  # as written; "" when unreadable
    Column("code", Integer, nullable=False),  # LDAP result code
    Column("reason", Text, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
