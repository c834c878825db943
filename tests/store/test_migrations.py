"""The migrations build the tables that the code describes, neither more nor less."""

import pytest
import store_places
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url

from annuaire.errors import Misconfigured
from annuaire.store import engine, tables


@pytest.mark.parametrize("place", store_places.PLACES)
def test_a_migrated_database_equals_the_tables(place, tmp_path):
    with store_places.url(place) as url:
        assert engine.migrate(url, tmp_path) == (None, tables.REVISION)
        address = make_url(url or engine.default_url(tmp_path))
        if place == "postgresql":
            address = address.set(drivername="postgresql+psycopg")
        database = create_engine(address)
        with database.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, tables.metadata) == []
        database.dispose()


def test_the_revision_that_the_code_wants_is_the_last_one():
    config = Config()
    config.set_main_option("script_location", "annuaire/store/migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == tables.REVISION


@pytest.mark.parametrize("place", store_places.PLACES)
def test_migrating_twice_does_nothing_more(place, tmp_path):
    with store_places.url(place) as url:
        engine.migrate(url, tmp_path)
        assert engine.migrate(url, tmp_path) == (tables.REVISION, tables.REVISION)


@pytest.mark.skipif("postgresql" not in store_places.PLACES, reason="ANNUAIRE_TEST_POSTGRESQL is not set")
def test_a_server_is_never_migrated_by_opening_it(tmp_path):
    with store_places.url("postgresql") as url, pytest.raises(Misconfigured, match="annuaire migrate"):
        engine.open(url, tmp_path)


def test_an_embedded_store_is_migrated_by_opening_it_and_gets_an_identity(tmp_path):
    store = engine.open("", tmp_path)
    with store.reading() as reader:
        identity = reader.setting("state")
    store.close()
    store = engine.open("", tmp_path)
    with store.reading() as reader:
        assert reader.setting("state") == identity
        assert len(identity) == 16
    store.close()
