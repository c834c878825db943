"""What sources say, choices, the ledger of interop addresses, versions, the liste blanche; persons of entries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

Ordered = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("entries", sa.Column("person", Ordered))
    identified = sa.text("person IS NOT NULL")
    op.create_index(
        "entries_person", "entries", ["person"], sqlite_where=identified, postgresql_where=identified
    )
    op.add_column("entries", sa.Column("account", Ordered))
    native = sa.text("account IS NOT NULL")
    op.create_index("entries_account", "entries", ["account"], sqlite_where=native, postgresql_where=native)
    op.add_column("changes", sa.Column("holder", sa.Text))
    op.create_table(
        "records",
        sa.Column("holder", Ordered, primary_key=True),
        sa.Column("source", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", Ordered, primary_key=True),
        sa.Column("address", Ordered, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("first", sa.Text, nullable=False),
        sa.Column("last", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    addressed = sa.text("address <> ''")
    op.create_index(
        "records_address",
        "records",
        ["address", "holder"],
        sqlite_where=addressed,
        postgresql_where=addressed,
    )
    op.create_table(
        "choices",
        sa.Column("account", Ordered, primary_key=True),
        sa.Column("choice", sa.Text, primary_key=True),
        sa.Column("value", sa.Boolean, nullable=False),
        sa.Column("since", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
    )
    op.create_table(
        "said",
        sa.Column("account", Ordered, primary_key=True),
        sa.Column("attribute", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ledger",
        sa.Column("address", Ordered, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("since", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
    )
    op.create_index("ledger_holder", "ledger", ["holder"])
    op.create_table(
        "versions",
        sa.Column("account", Ordered, primary_key=True),
        sa.Column("since", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "domains",
        sa.Column("domain", Ordered, primary_key=True),
        sa.Column("certificate", sa.Text, primary_key=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("responsible", sa.Text, nullable=False),
        sa.Column("support", sa.Text, nullable=False),
        sa.Column("updated", sa.Text, nullable=False),
    )
