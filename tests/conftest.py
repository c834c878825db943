"""Fixtures for all tests; that this file is here also lets tests import their neighbours in this folder by name."""

import pytest

from annuaire.ldap import schema as schemas


@pytest.fixture(scope="session")
def schema() -> schemas.Schema:
    return schemas.standard()
