"""Where the store's tests run: SQLite in a temporary folder; PostgreSQL too, at ANNUAIRE_TEST_POSTGRESQL.

On PostgreSQL each test has a schema of its own in that database, dropped at its end.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annuaire.store import engine
from annuaire.store.engine import Store

POSTGRESQL = os.environ.get("ANNUAIRE_TEST_POSTGRESQL", "")
PLACES = ["sqlite", *(["postgresql"] if POSTGRESQL else [])]


@contextmanager
def url(place: str) -> Iterator[str]:
    """An empty database: its URL, as a configuration would give it."""
    if place == "sqlite":
        yield ""
        return
    import psycopg

    schema = f"annuaire_test_{secrets.token_hex(6)}"
    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    try:
        mark = "&" if "?" in POSTGRESQL else "?"
        yield f"{POSTGRESQL}{mark}options=-csearch_path%3D{schema}"
    finally:
        with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


@contextmanager
def opened(place: str, state: Path) -> Iterator[Store]:
    """An empty store, at this program's revision."""
    with url(place) as address:
        engine.migrate(address, state)
        store = engine.open(address, state)
        try:
            yield store
        finally:
            store.close()
