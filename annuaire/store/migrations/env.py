"""Runs the migrations on the connection that store/engine.py gives: there is no alembic.ini."""

from alembic import context

from annuaire.store import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
