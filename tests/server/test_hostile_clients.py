"""Clients that break the protocol, do not read, or ask too much: the others are served, and nothing grows."""

import contextlib
import os
import signal
import socket
import struct
import time
from pathlib import Path

import asking
import costs
import pytest
import serving
from waiting import until

# Who does not bind is of the sphere here, and shown seventy people.
PEOPLE = f"ou=personnes,{serving.SUFFIX}"


def rest(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    return data


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def answers(server: serving.Server) -> None:
    """Whoever comes now is served; one who had to wait for another's connection to end would wait in vain."""
    with server.connect() as connection:
        connection.sendall(asking.search(1, "(sn=dupont)", attributes=["1.1"]))
        answer = serving.receive(connection)
    assert asking.codes(answer) == [(1, 0)]
    assert len(asking.entries(answer)) == 4


@pytest.fixture(scope="module")
def lone(tmp_path_factory):
    """A server of one worker with small limits; no entries but those that always exist."""
    state = tmp_path_factory.mktemp("lone") / "var"
    with serving.serving(
        state,
        ANNUAIRE_LIMITS_CONNECTIONS="30",
        ANNUAIRE_LIMITS_CONNECTIONS_PER_CLIENT="20",
        ANNUAIRE_LIMITS_MESSAGE_ANONYMOUS="4096",
        ANNUAIRE_LOG_OPERATIONS="none",
    ) as running:
        yield running


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET / HTTP/1.0\r\n\r\n",
        b"\xff" * 1000,
        b"\x30\x84\x7f\xff\xff\xff\x02",
        b"\x30\x80",
        asking.search(1)[:-1] + b"\xff",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 389\r\n",
    ],
    ids=["TLS", "HTTP", "ff", "two gigabytes", "indefinite", "lying length", "PROXY"],
)
def test_noise_is_answered_with_a_notice_and_a_close(server, noise):
    with server.connect() as connection:
        connection.sendall(noise)
        [answer] = asking.read(rest(connection))
    assert (answer.message_id, answer.operation.code) == (0, 2)
    assert answer.operation.oid == "1.3.6.1.4.1.1466.20036"


def test_requests_in_one_packet_are_all_answered_in_order(server):
    with server.connect() as connection:
        connection.sendall(
            b"".join(asking.search(i, "(sn=dupont)", attributes=["cn"]) for i in range(1, 301))
        )
        assert asking.codes(serving.receive(connection, 300)) == [(i, 0) for i in range(1, 301)]


def test_a_request_that_comes_byte_by_byte_is_answered(server):
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in asking.search(1, "(sn=dupont)", attributes=["1.1"]):
            connection.sendall(bytes((octet,)))
        assert asking.codes(serving.receive(connection)) == [(1, 0)]


def test_a_client_that_never_reads_stops_being_read_and_disturbs_nobody(server):
    workers = server.worker_pids()
    everything = asking.search(1, "(objectClass=*)", base=serving.SUFFIX, attributes=["*", "+"])
    slow = [server.connect() for _ in range(4)]
    try:
        for connection in slow:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
        answers(server)
        before = sum(map(costs.memory, workers))
        for connection in slow:
            sent = 0
            end = time.monotonic() + 1.0
            # Each of these asks some 80 kB of answer; thousands of them would fill a memory that took them all.
            while sent < 20_000 * len(everything) and time.monotonic() < end:
                try:
                    sent += connection.send(everything * 50)
                except BlockingIOError:
                    time.sleep(0.05)
        answers(server)
        assert sum(map(costs.memory, workers)) - before < 32 * costs.MEBIBYTE
    finally:
        for connection in slow:
            # Reset, not closed: what the server still has to say has nowhere to go.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
    answers(server)


def test_a_client_that_reads_late_and_slowly_gets_every_byte_in_order(server):
    count = 150
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        sent = [asking.search(i, "(sn=*)", PEOPLE, attributes=["*", "+"]) for i in range(1, count + 1)]
        connection.sendall(b"".join(sent))
        time.sleep(0.5)
        answer = serving.receive(connection, count)
    assert asking.codes(answer) == [(i, 0) for i in range(1, count + 1)]
    assert len(asking.entries(answer)) > 70 * count


def test_ten_thousand_refused_requests_leave_nothing_behind(lone):
    [pid] = lone.worker_pids()
    refused = [
        asking.search(1, scope=9),
        asking.search(2, "(&" * 150 + "(cn=x)" + ")" * 150),
        asking.extended(3, "1.2.3.4.5", b"x"),
        asking.delete(4, PEOPLE),
        asking.search(5, base="not a name"),
        asking.sasl(6, "NTLM", b"x" * 50),
        asking.search(7, base="cn=nobody,o=elsewhere"),
        asking.bind(8, "cn=x", ""),
        asking.compare(9, "cn=nobody", "cn", b"x"),
        asking.search(10, sent=[asking.Control("1.2.3.4", True)]),
    ]

    def volley(times: int) -> None:
        with lone.connect() as connection:
            for _ in range(times):
                connection.sendall(b"".join(refused))
                assert all(code for _, code in asking.codes(serving.receive(connection, len(refused))))

    volley(100)
    before = descriptors(pid)
    costs.leaves(lambda: volley(1000), [pid], 2 * costs.MEBIBYTE)
    # The server may not have noticed yet that the last client left.
    until(lambda: descriptors(pid) <= before)


@pytest.mark.parametrize("place", ["filter", "attributes", "comparison", "base", "value"])
def test_long_names_and_values_that_nobody_has_are_not_remembered(server, place):
    """Each another one of a hundred kilobytes: what is remembered of requests is bounded in octets, not in number."""

    def asked(number: int) -> bytes:
        long = f"a{number}-{'x' * 60_000}"
        if place == "filter":
            return asking.search(1, f"(|({long}=x)(sn=zz))")
        if place == "attributes":
            return asking.search(1, "(sn=zz)", attributes=[long, "sn"])
        if place == "comparison":
            return asking.compare(1, PEOPLE, long, b"x")
        if place == "base":
            return asking.search(1, base=f"{long}=x,{PEOPLE}")
        return asking.search(1, f"(|(sn={long})(member=cn={long})(cn=*{long}*))")

    def volley(times: int) -> None:
        with server.connect() as connection:
            for number in range(times):
                connection.sendall(asked(number))
                assert len(asking.codes(serving.receive(connection))) == 1

    volley(50)
    costs.leaves(lambda: volley(300), server.worker_pids(), 8 * costs.MEBIBYTE)


def test_connections_that_come_and_go_badly_leave_nothing_behind(lone):
    [pid] = lone.worker_pids()

    def volley(times: int) -> None:
        for number in range(times):
            with lone.connect() as connection:
                connection.sendall((b"\x30\x50\x02\x01", b"GET", b"", asking.search(1)[:20])[number % 4])
                if number % 2:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def all_have_gone() -> None:
        until(lambda: descriptors(pid) <= before)

    before = descriptors(pid)
    volley(100)
    all_have_gone()

    def coming_and_going() -> None:
        volley(500)
        all_have_gone()

    costs.leaves(coming_and_going, [pid], 2 * costs.MEBIBYTE)


def test_a_message_above_the_limit_is_refused_before_it_is_sent(lone):
    with lone.connect() as connection:
        connection.sendall(b"\x30\x82\x20\x00\x02\x01\x01")
        [answer] = asking.read(rest(connection))
    assert (answer.message_id, answer.operation.code) == (0, 2)


def test_more_connections_than_allowed_are_told_so(lone):
    held = [lone.connect() for _ in range(20)]
    try:
        for connection in held:
            connection.sendall(asking.search(1, scope=0))
            serving.receive(connection)
        with lone.connect() as connection:
            [answer] = asking.read(rest(connection))
        assert (answer.message_id, answer.operation.code) == (0, 52)
    finally:
        for connection in held:
            connection.close()


def test_a_silent_connection_and_a_half_request_are_closed_in_time(tmp_path):
    with serving.serving(tmp_path / "var", ANNUAIRE_LIMITS_IDLE="1s") as impatient:
        started = time.monotonic()
        with impatient.connect() as silent, impatient.connect() as half:
            half.sendall(asking.search(1)[:10])
            assert rest(silent) == b""
            assert rest(half) == b""
        assert time.monotonic() - started > 0.9


def test_wrong_passwords_do_not_delay_searches(server):
    attackers = [server.connect() for _ in range(8)]
    try:
        for connection in attackers:
            connection.sendall(asking.bind(1, serving.ADMIN, "wrong"))
        answers(server)
        for connection in attackers:
            assert asking.codes(serving.receive(connection)) == [(1, 49)]
    finally:
        for connection in attackers:
            connection.close()


class TestWorkers:
    def test_a_worker_that_is_killed_is_replaced(self, server):
        victim, *others = server.worker_pids()
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(pids := server.worker_pids()) == 2 and victim not in pids)
        assert set(others) <= set(server.worker_pids())
        answers(server)

    def test_a_second_server_of_the_same_state_is_refused_and_names_the_first(self, server):
        done = server.annuaire("serve")
        assert done.returncode == 1
        assert str(server.process.pid) in done.stderr
        assert str(server.port()) in done.stderr
        assert "Traceback" not in done.stderr
        answers(server)

    def test_ctrl_c_stops_everything_cleanly_and_tells_the_clients(self, tmp_path):
        state = tmp_path / "var"
        server = serving.Server(state).start()
        with server.connect() as connection:
            connection.sendall(asking.search(1, base="", scope=0))
            serving.receive(connection)
            pids = server.worker_pids()
            os.kill(server.process.pid, signal.SIGINT)
            [answer] = asking.read(rest(connection))
        assert (answer.message_id, answer.operation.code) == (0, 52)
        assert server.process.wait(serving.PATIENCE_SECONDS) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        assert state.stat().st_mode & 0o777 == 0o700

    def test_all_processes_may_be_told_at_once_and_twice_to_stop(self, tmp_path):
        """As a service manager does, while the supervisor tells its workers."""
        server = serving.Server(tmp_path / "var", workers=2).start()
        workers = server.worker_pids()
        for pid in (*workers, server.process.pid, *workers, server.process.pid):
            os.kill(pid, signal.SIGTERM)
        assert server.process.wait(serving.PATIENCE_SECONDS) == 0
        assert "Traceback" not in server.log.read_text()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_all_may_be_told_while_they_start(self, tmp_path, number):
        """A child that ends before its supervisor hears of it is no fault; Ctrl-C is the supervisor's alone."""
        server = serving.Server(tmp_path / "var", workers=2).launch()
        until(lambda: len(server.worker_pids()) == 2, server.log.read_text)
        for pid in (*server.worker_pids(), server.process.pid):
            os.kill(pid, number)
        assert server.process.wait(serving.PATIENCE_SECONDS) == 0
        assert "Traceback" not in server.log.read_text()

    def test_workers_leave_when_their_supervisor_is_killed_and_the_next_one_starts(self, tmp_path):
        server = serving.Server(tmp_path / "var").start()
        [worker] = server.worker_pids()
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        until(lambda: not Path(f"/proc/{worker}").exists())
        with serving.serving(tmp_path / "var"):
            pass

    def test_a_wrong_configuration_is_told_in_words(self, tmp_path):
        server = serving.Server(tmp_path / "var", ANNUAIRE_LIMITS_IDLE="soon")
        done = server.annuaire("serve")
        assert done.returncode == 78
        assert "ANNUAIRE_LIMITS_IDLE" in done.stderr
        assert "Traceback" not in done.stderr
