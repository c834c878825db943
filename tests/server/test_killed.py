"""Processes killed while many write: what was promised is kept, index and store agree, and somebody always answers."""

import contextlib
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asking
import pytest
import serving
import store_places
from waiting import until
from writing_clients import PATIENCE, WritingClient, kept

BASE = f"ou=ecritures,ou=apicrypt,{serving.SUFFIX}"
CLIENTS = 8


def prepared(server: serving.Server) -> None:
    """The folder in which all write, and the counter that they share."""
    counter = {
        "objectClass": [b"pilotPerson"],
        "sn": [b"compteur"],
        "mailPreferenceOption": [b"0"],
    }
    with server.connect() as connection:
        for request in (
            asking.bind(1, serving.ADMIN, serving.PASSWORD),
            asking.add(2, BASE, {"objectClass": [b"organizationalUnit"]}),
            asking.add(3, f"cn=compteur,{BASE}", counter),
        ):
            connection.sendall(request)
            assert asking.codes(serving.receive(connection))[0][1] == 0


@contextlib.contextmanager
def writing(server: serving.Server, count: int = CLIENTS) -> Iterator[list[WritingClient]]:
    """So many clients that write as long as the block lasts."""
    end = threading.Event()
    clients = [WritingClient(server, BASE, f"client{number}", end) for number in range(count)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        end.set()
        for client in clients:
            client.join(2 * PATIENCE)
            assert not client.is_alive(), client.name


def well(server: serving.Server) -> None:
    done = server.annuaire("check", "--deep")
    assert done.returncode == 0, done.stdout + done.stderr


def replaced(server: serving.Server, gone: int, count: int) -> None:
    until(lambda: len(pids := server.worker_pids()) == count and gone not in pids, server.worker_pids)


def promised(clients: list[WritingClient], more: int) -> None:
    """Wait until they were promised so many writes more."""
    before = sum(client.promises.acknowledged for client in clients)
    until(lambda: sum(client.promises.acknowledged for client in clients) >= before + more)


def connected(clients: list[WritingClient], times: int) -> None:
    """Wait until each has connected so often."""
    until(lambda: all(client.reconnected >= times for client in clients))


def people(count: int) -> str:
    return "".join(
        f"dn: cn=Importé {number},{BASE}\nobjectClass: inetOrgPerson\ncn: Importé {number}\nsn: importé\n\n"
        for number in range(count)
    )


def test_workers_are_killed_while_many_write_and_another_process_imports(tmp_path):
    server = serving.Server(tmp_path / "var", workers=3)
    chance = random.Random(5)
    (tmp_path / "people.ldif").write_text(people(400))
    imports = []
    server.start()
    try:
        prepared(server)
        with writing(server) as clients:
            importing = threading.Thread(
                target=lambda: imports.append(server.annuaire("import", str(tmp_path / "people.ldif")))
            )
            connected(clients, 1)
            for turn in range(6):
                if turn == 1:
                    importing.start()
                promised(clients, 5)
                time.sleep(chance.uniform(0.1, 0.5))
                victim = chance.choice(server.worker_pids())
                os.kill(victim, signal.SIGKILL)
                replaced(server, victim, 3)
            importing.join(4 * PATIENCE)
            promised(clients, 20)
            well(server)  # also while they write
        assert kept(server, BASE, clients) == []
        assert sum(client.reconnected for client in clients) > CLIENTS
        assert imports[0].returncode == 0, imports[0].stdout + imports[0].stderr
        with server.connect() as connection:
            connection.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD))
            serving.receive(connection)
            connection.sendall(asking.search(2, "(sn=importé)", base=BASE, attributes=["1.1"]))
            assert len(asking.entries(serving.receive(connection))) == 400
        well(server)
    finally:
        assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


def test_the_supervisor_is_killed_then_everything_at_once_and_the_next_one_goes_on(tmp_path):
    server = serving.Server(tmp_path / "var", workers=2)
    server.start()
    prepared(server)
    with writing(server, 4) as clients:
        for times, everything in enumerate((False, True), 1):
            connected(clients, times)
            promised(clients, 5)
            workers = server.worker_pids()
            for pid in [server.process.pid, *(workers if everything else [])]:
                os.kill(pid, signal.SIGKILL)
            server.process.wait()
            until(lambda workers=workers: not any(Path(f"/proc/{pid}").exists() for pid in workers))
            server.start()
        connected(clients, 3)
        promised(clients, 5)
    try:
        assert kept(server, BASE, clients) == []
        well(server)
    finally:
        assert server.stop() == 0


class Gate:
    """A way to PostgreSQL that can be closed: a socket of ours in front of its own."""

    def __init__(self, folder: Path, target: str) -> None:
        self._target = target
        self._path = folder / ".s.PGSQL.5432"
        self._open: list[socket.socket] = []
        self._guard = threading.Lock()
        self._listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        self._listener = listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._path))
        listener.listen(50)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """No connection lives on, and none is to be had."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self._path.unlink()
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._guard:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._open = []

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = listener.accept()
                theirs = socket.socket(socket.AF_UNIX)
                theirs.connect(self._target)
                with self._guard:
                    if self._listener is not listener:  # it was closed while this one came in
                        ours.close()
                        theirs.close()
                        return
                    self._open += [ours, theirs]
                for pair in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@pytest.mark.skipif(not store_places.POSTGRESQL, reason="ANNUAIRE_TEST_POSTGRESQL names no database")
class TestPostgresql:
    @pytest.fixture
    def gate(self, tmp_path):
        host = store_places.POSTGRESQL.partition("host=")[2].partition("&")[0]
        if not host.startswith("/"):
            pytest.skip("PostgreSQL is not reached by a unix socket")
        folder = tmp_path / "gate"
        folder.mkdir()
        gate = Gate(folder, f"{host}/.s.PGSQL.5432")
        yield gate
        gate.close()

    @pytest.fixture
    def server(self, tmp_path, gate):
        with store_places.url("postgresql") as address:
            host = store_places.POSTGRESQL.partition("host=")[2].partition("&")[0]
            through = address.replace(f"host={host}", f"host={tmp_path / 'gate'}")
            server = serving.Server(tmp_path / "var", workers=2, ANNUAIRE_STORE_URL=through)
            assert server.annuaire("migrate").returncode == 0
            server.start()
            prepared(server)
            yield server
            gate.close()
            gate.open()
            assert server.stop() == 0
            assert "Traceback" not in server.log.read_text()

    def test_while_it_is_away_searches_go_on_and_writes_are_told_so_and_then_it_is_back(self, server, gate):
        with server.connect() as connection:
            connection.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD))
            serving.receive(connection)

            def add(number: int) -> int:
                name = f"cn=entrée {number},{BASE}"
                connection.sendall(asking.add(number, name, {"objectClass": [b"person"], "sn": [b"x"]}))
                return asking.codes(serving.receive(connection))[0][1]

            def seen() -> int:
                connection.sendall(asking.search(2, "(sn=x)", base=BASE, attributes=["1.1"]))
                answer = serving.receive(connection)
                assert asking.codes(answer) == [(2, 0)]
                return len(asking.entries(answer))

            assert add(10) == 0
            gate.close()
            started = time.monotonic()
            assert [add(11), add(12)] == [52, 52]
            assert time.monotonic() - started < PATIENCE / 2
            assert seen() == 1
            with server.connect() as other:
                other.sendall(asking.search(1, base=serving.SUFFIX, scope=0))
                assert asking.codes(serving.receive(other)) == [(1, 0)]
            gate.open()
            assert add(13) == 0
            assert seen() == 2
        well(server)

    def test_it_goes_and_comes_while_many_write_and_a_worker_is_killed(self, server, gate):
        with writing(server, 4) as clients:
            for _ in range(2):
                promised(clients, 5)
                gate.close()
                [victim, *_] = server.worker_pids()
                time.sleep(0.2)
                os.kill(victim, signal.SIGKILL)
                time.sleep(0.2)
                gate.open()
                replaced(server, victim, 2)
            promised(clients, 20)
        assert kept(server, BASE, clients) == []
        well(server)
