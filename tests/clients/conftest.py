"""One server for all clients: two workers, a certificate, what every client's own folder lies in."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import serving
from workplace import Workplace, program, run

CERTIFICATES = Path(__file__).parents[2] / "scripts" / "make_certificates"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a certificate for localhost, its key, and the CA that clients trust (ca.pem)."""
    folder = tmp_path_factory.mktemp("authority")
    subprocess.run([sys.executable, str(CERTIFICATES), str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[serving.Server]:
    """A server to be written to; what it logged is looked at when all clients are done."""
    with serving.serving(
        tmp_path_factory.mktemp("clients") / "var",
        workers=2,
        ANNUAIRE_TLS_CERTIFICATE=str(authority / "server.pem"),
        ANNUAIRE_TLS_KEY=str(authority / "server.key"),
        ANNUAIRE_AUDIENCE_ANONYMOUS="apicrypt",
    ) as running:
        yield running
        assert "Traceback" not in running.log.read_text()


@pytest.fixture
def workplace(directory: serving.Server, request: pytest.FixtureRequest) -> Iterator[Workplace]:
    """An empty folder of this test's own, named after it, looked into by other means than the client's."""
    with Workplace(directory, request.node.name) as place:
        yield place


@pytest.fixture
def tools(workplace: Workplace, authority: Path):
    """Run a tool as administrator: its exit status is the result code of the server."""

    def call(name: str, *arguments: str, who: tuple[str, str] = (serving.ADMIN, serving.PASSWORD), **options):
        command = [program(name), "-x", "-H", workplace.server.uri]
        if who[0]:
            command += ["-D", who[0], "-w", who[1]]
        if name == "ldapsearch":
            command += ["-LLL", "-o", "ldif-wrap=no"]
        environment = {
            "LDAPCONF": "/dev/null",
            "LDAPTLS_CACERT": str(authority / "ca.pem"),
            "LC_ALL": "C.UTF-8",
        }
        return run([*command, *arguments], env=environment, **options)

    return call
