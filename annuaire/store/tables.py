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
    text,
)

# The revision that a database must be at for this code to use it (migrations/versions).
REVISION = "0002"

# SQLite makes a column the row's own number only when its type is spelled INTEGER.
Number = BigInteger().with_variant(Integer(), "sqlite")

# Text that is put in order: by octets on both databases, whatever the language of a server's database is.
Ordered = Text().with_variant(Text(collation="C"), "postgresql")

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
    Column("person", Ordered),  # account.holder: whom an account describes; NULL for every other entry
    Column(
        "account", Ordered
    ),  # native address in lower case of an account, unlike that of any other; NULL likewise
    Index("entries_key", "key", unique=True),
    Index("entries_parent", "parent"),
    Index("entries_uuid", "uuid", unique=True),
    Index(
        "entries_person",
        "person",
        sqlite_where=text("person IS NOT NULL"),
        postgresql_where=text("person IS NOT NULL"),
    ),
    Index(
        # Not unique: two accounts may exchange their addresses in one statement. Writers look.
        "entries_account",
        "account",
        sqlite_where=text("account IS NOT NULL"),
        postgresql_where=text("account IS NOT NULL"),
    ),
)

changes = Table(
    "changes",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),  # GeneralizedTime
    # Of an entry: add, modify, delete, rename. Of what sources say: holder (one person's or structure's records),
    # domain (a domain of the liste blanche), everything (more than is worth naming: the index is built anew).
    Column("kind", Text, nullable=False),
    Column("entry", Number, nullable=False),  # 0 when it is about no entry
    Column("uuid", LargeBinary, nullable=False),  # b"" likewise
    Column("key", LargeBinary, nullable=False),  # as it was before the change: where a deleted entry lay
    Column("import", Number),  # which import did it, when one did
    # The person whom an entry described before the change; the holder, or the domain, of the other kinds.
    Column("holder", Text),
)

# What sources say: mailboxes of the national extraction (1), activities of PS_LibreAcces (2).
records = Table(
    "records",
    metadata,
    # The holder first: what all sources say of one lies together, and so does what is said of those that follow.
    Column("holder", Ordered, primary_key=True),  # mailbox.holder: a national identification, or an address
    Column("source", Integer, primary_key=True, autoincrement=False),
    Column(
        "key", Ordered, primary_key=True
    ),  # tells apart the records of one holder; begins with the address
    Column("address", Ordered, nullable=False),  # in lower case; "" where a record has none
    Column("line", Text, nullable=False),  # the fields as domain/mailbox.py joins them
    Column("first", Text, nullable=False),  # GeneralizedTime of the import that brought it
    Column("last", Text, nullable=False),  # GeneralizedTime of the import that last changed it
    Index(
        # With the holder: who claims an address is told without reading the rows.
        "records_address",
        "address",
        "holder",
        sqlite_where=text("address <> ''"),
        postgresql_where=text("address <> ''"),
    ),
    sqlite_with_rowid=False,
)

# What people decided, where the entry alone does not tell it: set otherwise than by an import, or refused, or
# outliving its entry. Note [A person's choice outlives every import] (domain/choices.py).
choices = Table(
    "choices",
    metadata,
    Column("account", Ordered, primary_key=True),  # native address in lower case
    Column("choice", Text, primary_key=True),  # apicryptInterop, listeRouge
    Column("value", Boolean, nullable=False),
    Column("since", Text, nullable=False),  # GeneralizedTime
    Column("origin", Text, nullable=False),  # import, or who set it otherwise (a DN, "cli", "web")
)

# What the source of an entry last said of an attribute that a person may change, where the entry now holds
# something else. No row: the source said what the entry holds.
said = Table(
    "said",
    metadata,
    Column("account", Ordered, primary_key=True),  # native address in lower case
    Column("attribute", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),  # ber.encode_attributes of that attribute alone
)

# Note [An interop address is never given twice] (domain/interop.py). Rows are only ever added.
ledger = Table(
    "ledger",
    metadata,
    Column("address", Ordered, primary_key=True),  # in lower case
    Column("holder", Text, nullable=False),  # national identification, or the native address of an account
    Column("since", Text, nullable=False),  # GeneralizedTime
    Column("origin", Text, nullable=False),  # allocated, given (by an administrator), mssante (seen there)
    Index("ledger_holder", "holder"),
)

# Since when an account has which version, for the yearly statement; the present one is in the entry too.
versions = Table(
    "versions",
    metadata,
    Column("account", Ordered, primary_key=True),  # native address in lower case
    Column("since", Text, primary_key=True),  # GeneralizedTime
    Column("version", Integer, nullable=False),
)

# The liste blanche: one row for each domain and certificate of its operator. When it was made and loaded, and who
# signed it, is in settings under "liste-blanche".
domains = Table(
    "domains",
    metadata,
    Column("domain", Ordered, primary_key=True),  # in lower case, ASCII (IDNA)
    Column("certificate", Text, primary_key=True),  # the DN as the list writes it
    Column("description", Text, nullable=False),
    Column("responsible", Text, nullable=False),
    Column("support", Text, nullable=False),
    Column("updated", Text, nullable=False),  # as the list writes it
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
