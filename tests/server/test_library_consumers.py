"""Consumers of RFC 4533 made of other people's libraries follow a real server: ldap3, python-ldap's ldap.syncrepl."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asking
import both_directories
import ldap3
import pytest
import serving
from consumer import Consumer

from annuaire.actions import refresh
from annuaire.actions.source import StoreSource
from annuaire.index.folder import IndexFolder
from annuaire.ldap import controls, sync
from annuaire.ldap.framing import Framer

APICRYPT = f"ou=apicrypt,{serving.SUFFIX}"
PEOPLE = f"ou=personnes,{serving.SUFFIX}"
PYTHON = shutil.which("python3", path="/usr/bin")
SECONDS = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    state = tmp_path_factory.mktemp("provider") / "var"
    source = StoreSource("", state, serving.SUFFIX)
    both_directories.filled(source)
    refresh.refresh(source, IndexFolder(state / "index"))
    source.store().close()
    with serving.serving(state, workers=2) as server:
        yield server


@pytest.fixture
def admin(server: serving.Server) -> Iterator[ldap3.Connection]:
    """Somebody who writes."""
    connection = ldap3.Connection(
        ldap3.Server("127.0.0.1", server.port(), get_info=ldap3.NONE),
        serving.ADMIN,
        serving.PASSWORD,
        auto_bind=True,
    )
    yield connection
    connection.unbind()


def add(admin: ldap3.Connection, name: str) -> str:
    dn = f"cn={name},{APICRYPT}"
    assert admin.add(dn, "person", {"sn": name}), admin.result
    return dn


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_ldap3_polls_and_follows(server: serving.Server, admin: ldap3.Connection) -> None:
    control = sync.request(False)
    sent = [(control.oid, True, control.value)]
    assert admin.search(APICRYPT, "(objectClass=*)", attributes=["cn"], controls=sent)
    assert len(admin.response) > 50
    assert all(controls.SYNC_STATE in one["controls"] for one in admin.response)
    assert controls.SYNC_DONE in admin.result["controls"]

    told: list[dict[str, Any]] = []
    follower = ldap3.Connection(
        ldap3.Server("127.0.0.1", server.port(), get_info=ldap3.NONE),
        serving.ADMIN,
        serving.PASSWORD,
        client_strategy=ldap3.ASYNC_STREAM,
        auto_bind=True,
    )
    follower.strategy.callback = told.append
    control = sync.request(True)
    with follower.strategy.async_lock:
        number = follower.search(
            APICRYPT, "(objectClass=*)", attributes=["cn"], controls=[(control.oid, True, control.value)]
        )
        follower.strategy.persistent_search_message_id = number

    def kinds(kind: str) -> list[dict[str, Any]]:
        return [one for one in told if one["type"] == kind]

    wait_until(lambda: bool(kinds("intermediateResponse")))
    assert kinds("intermediateResponse")[0]["responseName"] == sync.INFO
    before = len(kinds("searchResEntry"))
    assert before > 50
    name = add(admin, "suivie-par-ldap3")
    wait_until(lambda: len(kinds("intermediateResponse")) == 2)
    assert kinds("searchResEntry")[before]["dn"] == name
    assert admin.delete(name)
    wait_until(lambda: len(kinds("intermediateResponse")) == 3)
    states = [one["controls"][controls.SYNC_STATE]["value"][4] for one in kinds("searchResEntry")[before:]]
    assert states == [1, 3]
    follower.abandon(number)
    follower.unbind()


def test_python_ldap_follows_and_polls(server: serving.Server, admin: ldap3.Connection) -> None:
    if PYTHON is None or subprocess.run([PYTHON, "-c", "import ldap.syncrepl"], check=False).returncode:
        pytest.skip("python-ldap is not installed for the system's Python (package python3-ldap)")
    script = Path(__file__).with_name("python_ldap_consumer.py")
    kept, removed, last = "cn=gardee", "cn=ephemere", "cn=derniere"
    add(admin, "ephemere")
    process = subprocess.Popen(
        [PYTHON, str(script), server.uri, serving.ADMIN, serving.PASSWORD, APICRYPT, f"{last},{APICRYPT}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "refreshed\n"
        add(admin, "gardee")
        assert admin.delete(f"{removed},{APICRYPT}")
        assert admin.modify_dn(f"{kept},{APICRYPT}", "cn=renommee")
        add(admin, "derniere")
        said = json.loads(process.stdout.read().splitlines()[-1])
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.stdout.close()
    admin.search(APICRYPT, "(objectClass=*)", attributes=["1.1"])
    assert said["entries"] == sorted(one["dn"] for one in admin.response)
    assert f"cn=renommee,{APICRYPT}" in said["entries"]
    assert said["deleted"] == 1
    assert said["ascending"]
    assert said["cookie"].startswith("rid=000,csn=")


def receive_until(
    connection: socket.socket, framer: Framer, consumer: Consumer, holds: Callable[[], bool]
) -> None:
    until = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < until, "waited in vain"
        for frame in framer.feed(connection.recv(65536)):
            consumer.take(frame)


def test_other_requests_are_answered_while_one_waits(server: serving.Server, admin: ldap3.Connection) -> None:
    with server.connect() as connection:
        framer, consumer = Framer(1 << 24), Consumer()
        connection.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD))
        serving.receive(connection)
        connection.sendall(consumer.request(persist=True, base=APICRYPT))
        receive_until(connection, framer, consumer, lambda: consumer.refreshed == 1)
        connection.sendall(asking.search(77, "(cn=none)"))
        assert asking.codes(serving.receive(connection)) == [(77, 0)]
        cookie, count = consumer.cookie, len(consumer.entries)
        name = add(admin, "pendant")
        receive_until(connection, framer, consumer, lambda: consumer.cookie != cookie)
        assert name in consumer.names
        assert len(consumer.entries) == count + 1
        assert admin.delete(name)
        receive_until(connection, framer, consumer, lambda: name not in consumer.names)


def test_strangers_follow_what_they_see_and_nothing_else(
    server: serving.Server, admin: ldap3.Connection
) -> None:
    with server.connect() as connection:
        framer, consumer = Framer(1 << 24), Consumer()
        connection.sendall(consumer.request(persist=True, base=PEOPLE))
        receive_until(connection, framer, consumer, lambda: consumer.refreshed == 1)
        name = add(admin, "inconnue")  # for administrators alone
        wanted = "(&(apicryptInterop=TRUE)(listeRouge=FALSE)(apicryptVersion=2)(apicryptEtat=actif)(uid=*))"
        admin.search(APICRYPT, wanted, attributes=["1.1"])
        person = admin.response[0]["dn"]
        assert admin.modify(person, {"listeRouge": [(ldap3.MODIFY_REPLACE, ["TRUE"])]}), admin.result
        receive_until(connection, framer, consumer, lambda: len(consumer.states) > len(consumer.entries) + 1)
        assert consumer.states[-1][0] == sync.State.DELETE
        assert [state for state, _ in consumer.states].count(sync.State.DELETE) == 1
        assert admin.modify(person, {"listeRouge": [(ldap3.MODIFY_REPLACE, ["FALSE"])]})
        assert admin.delete(name)
