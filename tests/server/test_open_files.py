"""Connections are open files: a worker takes as many as it is allowed, and keeps enough for itself."""

import resource
import subprocess
import sys
import time

import asking
import pytest
import serving

from annuaire.server.connections import OWN_FILES, Crowd

ALLOWED = 400


@pytest.mark.parametrize(
    ("soft", "hard", "asked", "taken"),
    [
        (300, 400, 50, 50),
        (300, 400, 150, 150),  # beyond the soft limit, which is a default
        (300, 400, 10_000, 400 - OWN_FILES),
        (100, 100, 10_000, 1),
    ],
)
def test_a_process_takes_what_the_hard_limit_leaves(soft, hard, asked, taken):
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        f"from annuaire.server import connections; print(connections.room({asked}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str(taken), done.stderr


def test_a_crowd_has_an_end_and_room_when_somebody_leaves():
    crowd = Crowd(2)
    assert [crowd.enter(), crowd.enter(), crowd.enter()] == [True, True, False]
    crowd.leave()
    assert [crowd.enter(), crowd.enter()] == [True, False]


def test_more_connections_than_files_over_all_listeners_and_those_inside_are_served(
    tmp_path, monkeypatch, fixtures
):
    state = tmp_path / "var"
    serving.fill(state, fixtures / "apicrypt.ldif")
    real = subprocess.Popen
    limited = [
        "-c",
        "import os,resource,sys; resource.setrlimit(7, (%d, %d)); os.execv(sys.argv[1], sys.argv[1:])",
    ]
    assert resource.RLIMIT_NOFILE == 7
    limited[1] %= (ALLOWED, ALLOWED)
    monkeypatch.setattr(
        subprocess, "Popen", lambda command, **given: real([sys.executable, *limited, *command], **given)
    )
    server = serving.Server(state, ANNUAIRE_LISTENERS_MORE_ENDPOINT="tcp:0:interface=127.0.0.1").start()
    monkeypatch.undo()
    held = []
    try:
        listeners = ("ldap", "more", "policy", "socketmap")
        held = [server.connect(listeners[number % 4]) for number in range(2 * ALLOWED)]
        time.sleep(0.5)
        for connection in held[:2]:
            connection.sendall(asking.search(1, "(sn=dupont)"))
            assert asking.codes(serving.receive(connection)) == [(1, 0)]
        held[0].sendall(asking.bind(2, serving.ADMIN, serving.PASSWORD))
        assert asking.codes(serving.receive(held[0])) == [(2, 0)]
        held[0].sendall(asking.delete(3, f"cn=absent,ou=apicrypt,{serving.SUFFIX}"))
        assert asking.codes(serving.receive(held[0])) == [(3, 32)]
        with server.connect() as late:
            assert [code for _, code in asking.codes(serving.receive(late))] == [52]
        for connection in held:
            connection.close()
        deadline = time.monotonic() + serving.PATIENCE_SECONDS
        code = 52
        while code == 52 and time.monotonic() < deadline:
            with server.connect() as again:
                again.sendall(asking.search(1, base="", scope=0))
                [(_, code)] = asking.codes(serving.receive(again))
        assert code == 0
        assert f"{ALLOWED - OWN_FILES} at most" in server.log.read_text()
        assert "Traceback" not in server.log.read_text()
    finally:
        for connection in held:
            connection.close()
        assert server.stop() == 0
