"""What `scripts/bench --writes` sends: real changes, of one entry each, and nothing before the bind is answered."""

import random
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import make_population
import pytest
from benchmark import measuring, shapes, writes

from annuaire.ldap import ber, requests
from annuaire.ldap.messages import (
    REPLACE_VALUES,
    AddRequest,
    BindRequest,
    DeleteRequest,
    ModifyRequest,
    Simple,
)

SCRIPTS = Path(make_population.__file__).parent
KNOWN = writes.entries(200, 1)


def test_entries_are_named_as_the_population_names_them() -> None:
    person = next(make_population.people(200, 1))
    assert make_population.ldif_entry(person).startswith(f"dn: {KNOWN[0].dn}\n")
    assert len({one.dn for one in KNOWN}) == 200


def test_a_modify_replaces_one_attribute() -> None:
    operation = requests.decode(writes.modify("cn=a,c=FR", "telephoneNumber", "01 99 00 11 22")).operation
    changes = [(REPLACE_VALUES, "telephoneNumber", [b"01 99 00 11 22"])]
    assert operation == ModifyRequest(b"cn=a,c=FR", changes)


def test_who_comes_is_the_one_who_goes() -> None:
    came, gone = writes.come_and_gone(KNOWN[0], random.Random(1))
    added, removed = requests.decode(came).operation, requests.decode(gone).operation
    assert isinstance(added, AddRequest)
    assert isinstance(removed, DeleteRequest)
    assert added.dn == removed.dn
    assert added.dn.decode().endswith(KNOWN[0].branch)
    assert dict(added.attributes)["apicryptVersion"] == [b"2"]


def test_everybody_has_their_turn_before_anybody_has_another_and_another_value(tmp_path: Path) -> None:
    visits = tmp_path / "modify.visits"
    writes.write_visits(visits, writes.SHAPES["modify"], KNOWN, 400, random.Random(1))
    read = [requests.decode(one).operation for one in shapes.read_visits(visits)]
    assert all(isinstance(one, ModifyRequest) for one in read)
    first, second = read[:200], read[200:]
    assert len({one.dn for one in first}) == 200
    assert [one.dn for one in first] == [one.dn for one in second]
    assert sum(a.changes == b.changes for a, b in zip(first, second, strict=True)) < 5


def test_the_disk_is_asked_how_often_it_takes_a_page(tmp_path: Path) -> None:
    assert writes.syncs(tmp_path) > 1
    assert not list(tmp_path.iterdir())


def test_a_bind_says_who_and_the_password() -> None:
    operation = requests.decode(shapes.bind("cn=admin", "secret")).operation
    assert isinstance(operation, BindRequest)
    assert operation.name == b"cn=admin"
    assert operation.method == Simple(b"secret")


def test_nothing_is_measured_where_the_first_message_is_refused(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler")
    generator = tmp_path / "loadgen"
    measuring.compile_generator(compiler, SCRIPTS / "loadgen.c", generator)
    visits, first = tmp_path / "visits", tmp_path / "first"
    visits.write_bytes(shapes.visit(shapes.search("(cn=a)")))
    first.write_bytes(shapes.bind("cn=admin", "wrong"))
    listener = socket.create_server(("127.0.0.1", 0))
    received = []

    def refuse() -> None:
        connection, _ = listener.accept()
        with connection:
            received.append(connection.recv(4096))
            refused = ber.sequence([ber.integer(49, ber.ENUMERATED), ber.octets(b""), ber.octets(b"")], 0x61)
            connection.sendall(ber.sequence([ber.integer(1), refused]))
            received.append(connection.recv(4096))

    thread = threading.Thread(target=refuse)
    thread.start()
    port = str(listener.getsockname()[1])
    command = [str(generator), "127.0.0.1", port, str(visits), "1", "0.2", "0", str(first)]
    done = subprocess.run(command, capture_output=True, timeout=120)
    thread.join(60)
    listener.close()
    assert done.returncode == 1
    assert b"answered with code 49" in done.stderr
    assert received == [first.read_bytes(), b""]
