"""Transactions (RFC 5805) on a server: updates wait for the end, then all are done or none is."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import asking
import pytest
import serving
from serving import ADMIN, PASSWORD, SUFFIX, Server

from annuaire.ldap import ber, controls
from annuaire.ldap.messages import Control
from annuaire.ldap.responses import Response, Result

START, END, ABORTED = "1.3.6.1.1.21.1", "1.3.6.1.1.21.3", "1.3.6.1.1.21.4"
BELOW = f"ou=apicrypt,{SUFFIX}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving.serving(tmp_path_factory.mktemp("transactions") / "var") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[socket.socket]:
    with server.connect() as connection:
        assert said(connection, asking.bind(1, ADMIN, PASSWORD)).code == 0
        yield connection


def answers(connection: socket.socket, request: bytes, count: int = 1) -> list[Response]:
    connection.sendall(request)
    return asking.read(serving.receive(connection, count))


def said(connection: socket.socket, request: bytes) -> Result:
    [answer] = answers(connection, request)
    assert isinstance(answer.operation, Result)
    return answer.operation


def started(connection: socket.socket) -> bytes:
    answer = said(connection, asking.extended(2, START))
    assert answer.code == 0
    assert answer.value
    return answer.value


def within(name: bytes, request: bytes, *more: Control) -> bytes:
    """A request without controls, as part of a transaction."""
    _, start, end = ber.read(request, 0, len(request))
    return ber.sequence(
        [request[start:end], controls.encode_controls([Control(controls.TRANSACTION, True, name), *more])]
    )


def ended(connection: socket.socket, name: bytes, commit: bool = True) -> Result:
    value = ber.sequence([*([] if commit else [ber.boolean(False)]), ber.octets(name)])
    return said(connection, asking.extended(90, END, value))


def add(number: int, name: str) -> bytes:
    return asking.add(number, f"cn={name},{BELOW}", {"objectClass": [b"device"], "cn": [name.encode()]})


def exists(connection: socket.socket, name: str) -> bool:
    found = answers(connection, asking.search(80, base=f"cn={name},{BELOW}", scope=0, attributes=["1.1"]))
    return len(found) == 2


def test_updates_wait_for_the_end_and_are_then_done_in_order(client: socket.socket) -> None:
    name = started(client)
    for request in (add(10, "un"), add(11, "deux"), asking.modify_dn(12, f"cn=un,{BELOW}", "cn=trois")):
        assert said(client, within(name, request)).code == 0
    assert not exists(client, "deux")
    assert ended(client, name).code == 0
    assert [exists(client, one) for one in ("un", "deux", "trois")] == [False, True, True]
    again = ended(client, name)
    assert again.code == 53


def test_one_that_cannot_be_done_undoes_all_and_is_named(client: socket.socket) -> None:
    name = started(client)
    for request in (add(10, "quatre"), add(11, "quatre"), add(12, "cinq")):
        assert said(client, within(name, request)).code == 0
    end = ended(client, name)
    assert end.code == 68
    assert end.value == ber.sequence([ber.integer(11)])
    assert not exists(client, "quatre")
    assert not exists(client, "cinq")


def test_a_transaction_that_is_given_up_did_nothing(client: socket.socket) -> None:
    name = started(client)
    assert said(client, within(name, add(10, "six"))).code == 0
    assert ended(client, name, commit=False).code == 0
    assert not exists(client, "six")


def test_what_the_updates_were_to_answer_comes_with_the_end(client: socket.socket) -> None:
    name = started(client)
    read = Control(controls.POST_READ, True, ber.sequence([ber.octets(b"cn")]))
    assert said(client, within(name, add(10, "sept"), read)).code == 0
    end = ended(client, name)
    assert end.code == 0
    assert end.value is not None
    assert controls.POST_READ.encode() in end.value
    assert f"cn=sept,{BELOW}".encode() in end.value


def test_a_transaction_that_is_none_takes_nothing(client: socket.socket, server: Server) -> None:
    assert said(client, within(b"nothing", add(10, "huit"))).code == 53
    name = started(client)
    with server.connect() as other:
        assert said(other, asking.bind(1, ADMIN, PASSWORD)).code == 0
        assert said(other, within(name + b"0", add(10, "huit"))).code == 53
    assert said(client, asking.extended(91, END, b"\x30\x00")).code == 2
    assert said(client, asking.extended(91, END)).code == 2
    assert said(client, asking.extended(91, START, b"x")).code == 2
    assert not exists(client, "huit")
    password = asking.add(12, f"cn=huit,{BELOW}", {"objectClass": [b"person"], "userPassword": [b"secret"]})
    assert said(client, within(name, password)).code == 53


def test_a_stranger_starts_none(server: Server) -> None:
    with server.connect() as stranger:
        assert said(stranger, asking.extended(2, START)).code == 50


def test_who_binds_anew_is_told_that_the_transaction_is_over(client: socket.socket) -> None:
    name = started(client)
    assert said(client, within(name, add(10, "neuf"))).code == 0
    notice, bound = answers(client, asking.bind(20, ADMIN, PASSWORD), 2)
    assert notice.message_id == 0
    assert isinstance(notice.operation, Result)
    assert (notice.operation.oid, notice.operation.value) == (ABORTED, name)
    assert bound.message_id == 20
    assert ended(client, name).code == 53
    assert not exists(client, "neuf")


def test_a_connection_has_few_open_and_what_is_lost_with_it_was_not_begun(server: Server) -> None:
    with server.connect() as connection:
        assert said(connection, asking.bind(1, ADMIN, PASSWORD)).code == 0
        names = [started(connection) for _ in range(8)]
        assert len(set(names)) == 8
        assert said(connection, asking.extended(2, START)).code == 11
        assert said(connection, within(names[0], add(10, "dix"))).code == 0
    with server.connect() as connection:
        assert said(connection, asking.bind(1, ADMIN, PASSWORD)).code == 0
        assert not exists(connection, "dix")


def test_what_waits_is_bounded(client: socket.socket) -> None:
    name = started(client)
    large = bytes(3 * 1024 * 1024)
    codes = []
    for number in range(7):
        entry = {"objectClass": [b"inetOrgPerson"], "sn": [b"x"], "jpegPhoto": [large]}
        request = asking.add(10 + number, f"cn=grand{number},{BELOW}", entry)
        codes.append(said(client, within(name, request)).code)
    assert codes == [0] * 5 + [11] * 2
    assert ended(client, name, commit=False).code == 0
    name = started(client)
    assert said(client, within(name, request)).code == 0
    assert ended(client, name, commit=False).code == 0


def test_the_root_dse_says_so(client: socket.socket) -> None:
    client.sendall(asking.search(2, base="", scope=0, attributes=["+"]))
    [entry] = asking.entries(serving.receive(client))
    assert {START.encode(), END.encode()} <= set(entry.attributes["supportedExtension"])
    assert controls.TRANSACTION.encode() in entry.attributes["supportedControl"]
