"""Fixtures for all tests; that this file is here also lets tests import their neighbours in this folder by name."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import serving
from hypothesis import HealthCheck, settings

from annuaire.ldap import schema as schemas

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"

# A finding of chance must not refuse work that has nothing to do with it, nor a slow machine any: the same examples
# each time, without a clock. `scripts/test --hypothesis-profile=random` looks for others, and keeps what it finds.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", UNHURRIED, derandomize=True, database=None)
settings.register_profile("random", UNHURRIED)
settings.load_profile("repeatable")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What servers said meanwhile stands with a failure: it may not come again where somebody can look."""
    report = yield
    if report.failed:
        for log, tail in serving.said_since(call.start):
            report.sections.append((f"end of {log}", tail))
    return report


@pytest.fixture(scope="session")
def schema() -> schemas.Schema:
    return schemas.standard()


@pytest.fixture(scope="session")
def fixtures() -> Path:
    return FIXTURES


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    """Two workers serving the invented people of fixtures/: to be asked, not to be changed."""
    state = tmp_path_factory.mktemp("server") / "var"
    serving.fill(state, FIXTURES / "apicrypt.ldif")
    with serving.serving(state, workers=2, ANNUAIRE_AUDIENCE_ANONYMOUS="apicrypt") as running:
        yield running
