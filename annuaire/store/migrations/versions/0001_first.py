"""The first tables: entries, numbered changes, imports with their refusals, settings."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    head = op.create_table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("change", Number, nullable=False),
        sa.Column("entry", Number, nullable=False),
        sa.Column("import", Number, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "change": 0, "entry": 0, "import": 0}])
    op.create_table(
        "entries",
        sa.Column("id", Number, primary_key=True, autoincrement=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("parent", sa.LargeBinary, nullable=False),
        sa.Column("dn", sa.Text, nullable=False),
        sa.Column("uuid", sa.LargeBinary, nullable=False),
        sa.Column("attributes", sa.LargeBinary, nullable=False),
        sa.Column("passwords", sa.LargeBinary),
        sa.Column("structural", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("modified_at", sa.Text, nullable=False),
        sa.Column("modified_by", sa.Text, nullable=False),
        sa.Column("change", Number, nullable=False),
    )
    op.create_index("entries_key", "entries", ["key"], unique=True)
    op.create_index("entries_parent", "entries", ["parent"])
    op.create_index("entries_uuid", "entries", ["uuid"], unique=True)
    op.create_table(
        "changes",
        sa.Column("number", Number, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("entry", Number, nullable=False),
        sa.Column("uuid", sa.LargeBinary, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("import", Number),
    )
    op.create_table(
        "imports",
        sa.Column("id", Number, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("applied", sa.Boolean, nullable=False),
        sa.Column("added", Number, nullable=False),
        sa.Column("changed", Number, nullable=False),
        sa.Column("unchanged", Number, nullable=False),
        sa.Column("removed", Number, nullable=False),
        sa.Column("refused", Number, nullable=False),
        sa.Column("warnings", Number, nullable=False),
        sa.Column("change", Number, nullable=False),
    )
    op.create_table(
        "refusals",
        sa.Column("import", Number, primary_key=True, autoincrement=False),
        sa.Column("line", Number, primary_key=True, autoincrement=False),
        sa.Column("dn", sa.Text, nullable=False),
        sa.Column("code", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
