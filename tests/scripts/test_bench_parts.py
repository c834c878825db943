"""The parts of the bench that a wrong figure could come from: the requests, and the load generator."""

import json
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import make_population
import pytest
from benchmark import measuring, servers, shapes
from waiting import answers, until

from annuaire.ldap import filters, requests
from annuaire.ldap.messages import BindRequest, SearchRequest

SCRIPTS = Path(make_population.__file__).parent


@pytest.mark.parametrize(
    "text", [shapes.ANY_NAME, shapes.OUTLOOK_FILTER, shapes.BOOK_FILTER, "(mail=a@b)", "(mail=*)"]
)
def test_a_filter_is_sent_as_it_is_written(text: str) -> None:
    written = text.format("dup")
    message = requests.decode(shapes.search(written, "cn mail", 100, 60))
    assert isinstance(message.operation, SearchRequest)
    assert filters.format(message.operation.filter) == written
    assert message.operation.size_limit == 100
    assert message.operation.time_limit == 60
    assert message.operation.attributes == (b"cn", b"mail")


def test_the_anonymous_bind_is_one() -> None:
    message = requests.decode(shapes.BIND)
    assert isinstance(message.operation, BindRequest)
    assert message.operation.name == b""


def test_what_is_typed_lies_in_the_address_wherever_it_lies_in_a_folded_name() -> None:
    people = list(make_population.people(3000, 1))

    def folded(text: str) -> str:
        return unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()

    for typed in {person.surname[:5] for person in shapes.typable(iter(people))[:300]}:
        for person in people:
            if typed in folded(f"{person.given} {person.surname} ({person.title})"):
                assert typed in f"{person.mail} {person.title}".lower()


def test_every_shape_has_its_file_and_every_visit_ends_with_a_search(tmp_path: Path) -> None:
    shapes.write_requests(make_population.people(2000, 1), 1, tmp_path)
    for name in [shape.name for shape in shapes.SHAPES] + ["mix"]:
        messages = shapes.read_visits(tmp_path / f"{name}.visits")
        assert len(messages) > 500
        for message in messages[:50]:
            assert isinstance(requests.decode(message).operation, SearchRequest)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler")
    target = tmp_path_factory.mktemp("loadgen") / "loadgen"
    measuring.compile_generator(compiler, SCRIPTS / "loadgen.c", target)
    return target


@pytest.fixture
def null_server(generator: Path) -> Iterator[int]:
    """A server that answers everything with three entries and success."""
    port = servers.free_port()
    with subprocess.Popen([str(generator), "--null", str(port), "3", "300"]) as process:
        until(lambda: answers(port))
        yield port
        process.kill()


@pytest.mark.parametrize("own_connection", [False, True])
def test_the_generator_counts_what_it_was_answered(
    generator: Path, null_server: int, own_connection: bool, tmp_path: Path
) -> None:
    visits = tmp_path / "two.visits"
    visits.write_bytes(shapes.visit(shapes.search("(cn=a)"), own_connection=own_connection) * 2)
    command = [str(generator), "127.0.0.1", str(null_server), str(visits), "4", "0.2"]
    run = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert run["requests"] > 20
    assert run["entries"] == 3 * run["requests"]
    assert set(run["codes"]) == {"0"}
    assert run["failures"] == run["unanswered"] == 0
    assert 0 < run["p50"] <= run["p99"] <= run["max"]
    assert (run["connects"] > 20) is own_connection


def test_the_generator_refuses_a_file_that_holds_no_visit(generator: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.visits"
    empty.write_bytes(b"")
    done = subprocess.run([str(generator), "127.0.0.1", "1", str(empty), "1", "0.1"], capture_output=True)
    assert done.returncode == 1
    assert b"holds no visit" in done.stderr
