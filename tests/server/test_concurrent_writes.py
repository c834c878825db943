"""Many writers at once, over several workers and by command: no update is lost, none is done twice or out of order."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import asking
import pytest
import serving
from serving import ADMIN, PASSWORD, Server

from annuaire.ldap import ber
from annuaire.ldap.messages import Control
from annuaire.ldap.responses import Result

TREE = "o=compteurs"
COUNTER = f"cn=compteur,{TREE}"
CONNECTIONS, EACH, COMMANDS = 20, 12, 4
POST_READ = "1.3.6.1.1.13.2"
SCHEMA = """\
objectidentifier own 1.3.6.1.4.1.99999
attributetype ( own:1 NAME 'compte' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
objectclass ( own:2 NAME 'compteur' SUP top AUXILIARY MUST compte MAY description )
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("writers")
    (folder / "own.schema").write_text(SCHEMA)
    variables = {
        "ANNUAIRE_TREES_SUFFIXES": f'["{TREE}"]',
        "ANNUAIRE_SCHEMA_FILES": f'["{folder / "own.schema"}"]',
    }
    with serving.serving(folder / "var", workers=2, **variables) as running:
        with bound(running) as client:
            done(client, asking.add(2, TREE, {"objectClass": [b"organization"], "o": [b"compteurs"]}))
            entry = {"objectClass": [b"device", b"compteur"], "cn": [b"compteur"], "compte": [b"0"]}
            done(client, asking.add(3, COUNTER, entry))
        yield running


def bound(server: Server) -> socket.socket:
    connection = server.connect()
    done(connection, asking.bind(1, ADMIN, PASSWORD))
    return connection


def done(connection: socket.socket, request: bytes) -> asking.responses.Response:
    connection.sendall(request)
    [answer] = asking.read(serving.receive(connection))
    assert isinstance(answer.operation, Result)
    assert (answer.operation.code, answer.operation.text) == (0, "")
    return answer


def change(operation: int, attribute: str, value: bytes) -> bytes:
    one = ber.sequence([ber.integer(operation, ber.ENUMERATED), ber.encode_attributes({attribute: [value]})])
    return one


def changing(number: int, name: str, changes: list[bytes], sent: tuple[Control, ...] = ()) -> bytes:
    return asking.message(number, ber.tlv(0x66, ber.octets(name.encode()) + ber.sequence(changes)), sent)


def value(server: Server, attribute: str, name: str = COUNTER) -> list[bytes]:
    with bound(server) as client:
        client.sendall(asking.search(2, base=name, scope=0))
        [entry] = asking.entries(serving.receive(client))
        return entry.attributes.get(attribute, [])


def together(tasks: list) -> list:
    """Run them in threads that begin at once; what each returned."""
    results: list = [None] * len(tasks)
    start = threading.Barrier(len(tasks))

    def run(place: int) -> None:
        start.wait()
        try:
            results[place] = tasks[place]()
        except BaseException as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = [one for one in results if isinstance(one, BaseException)]
    assert failed == []
    return results


def test_a_counter_that_many_increment_ends_exact_and_shows_each_number_once(server: Server) -> None:
    read = Control(POST_READ, True, ber.sequence([ber.octets(b"compte")]))

    def over_ldap() -> list[int]:
        seen = []
        with bound(server) as client:
            for number in range(EACH):
                increment = changing(number + 2, COUNTER, [change(3, "compte", b"1")], (read,))
                seen.append(counted(done(client, increment)))
        return seen

    def by_command() -> list[int]:
        text = f"dn: {COUNTER}\nchangetype: modify\nincrement: compte\ncompte: 1\n-\n"
        for _ in range(COMMANDS):
            ran = server.annuaire("import", "-", input=text)
            assert ran.returncode == 0, ran.stdout + ran.stderr
        return []

    results = together([over_ldap] * CONNECTIONS + [by_command])
    total = CONNECTIONS * EACH + COMMANDS
    assert value(server, "compte") == [b"%d" % total]
    numbers = [number for seen in results for number in seen]
    assert len(set(numbers)) == len(numbers) == CONNECTIONS * EACH, "two were told the same number"
    assert set(numbers) <= set(range(1, total + 1))
    for seen in results:
        assert seen == sorted(seen), "whoever waits for an answer sees the number grow"


def counted(answer: asking.responses.Response) -> int:
    """What the post-read control says: the entry's one attribute has one value, an OCTET STRING at the end."""
    [control] = answer.controls
    assert control.value is not None
    return int(control.value.rpartition(b"\x04")[2][1:])


def test_pipelined_writes_of_one_connection_are_done_in_order(server: Server) -> None:
    name = f"cn=suite,{TREE}"
    count = 60
    sent = [asking.add(2, name, {"objectClass": [b"device"], "cn": [b"suite"], "description": [b"0"]})]
    for number in range(1, count):
        old, new = b"%d" % (number - 1), b"%d" % number
        sent.append(
            changing(number + 2, name, [change(1, "description", old), change(0, "description", new)])
        )
    with bound(server) as client:
        client.sendall(b"".join(sent))
        answers = asking.codes(serving.receive(client, count))
    assert answers == [(number, 0) for number in range(2, count + 2)]
    assert value(server, "description", name) == [b"%d" % (count - 1)]


def test_one_of_many_adds_of_one_name_is_done_and_every_answer_is_seen_at_once_by_all(server: Server) -> None:
    name = f"cn=seul,{TREE}"

    def add(number: int) -> tuple[int, list[bytes]]:
        with bound(server) as client:
            entry = {"objectClass": [b"device"], "cn": [b"seul"], "description": [b"%d" % number]}
            client.sendall(asking.add(2, name, entry))
            [(_, code)] = asking.codes(serving.receive(client))
        return code, value(server, "description", name)

    results = together([lambda number=number: add(number) for number in range(10)])
    assert sorted(code for code, _ in results) == [0] + [68] * 9
    [winner] = [place for place, (code, _) in enumerate(results) if code == 0]
    assert {tuple(found) for _, found in results} == {(b"%d" % winner,)}


def test_afterwards_store_and_index_agree(server: Server) -> None:
    checked = server.annuaire("check", "--deep")
    assert checked.returncode == 0, checked.stdout + checked.stderr
