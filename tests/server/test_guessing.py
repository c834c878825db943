"""Who guesses passwords at a real server waits, at every worker; nobody learns from it who exists."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import asking
import pytest
import serving
from serving import SUFFIX
from waiting import until

from annuaire.ldap import responses
from annuaire.ldap.controls import PASSWORD_POLICY
from annuaire.ldap.messages import Control
from annuaire.passwords import hashes

APICRYPT = f"ou=apicrypt,{SUFFIX}"
SECRET = "un-mot-de-passe"
POLICY = [Control(PASSWORD_POLICY, False, None)]
LOCKED = b"\x30\x03\x81\x01\x01"
NOTHING = b"\x30\x00"
# Whoever waits does so for a second at first; a busy machine may take that long for two passwords, and another person
# is tried then.
FIRST_WAIT = 1.0
TRIES = 6
SEVERAL = [f"{name}{number}" for name in ("anne", "bruno", "claire", "gael") for number in range(TRIES)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    state = tmp_path_factory.mktemp("guesses") / "var"
    kept = hashes.made(SECRET.encode())
    lines = [f"userPassword: {value.decode()}" for value in kept]
    ldif = state.parent / "people.ldif"
    ldif.write_text(
        "\n".join(
            f"dn: uid={uid},{APICRYPT}\nobjectClass: inetOrgPerson\nobjectClass: apicryptUtilisateur\nuid: {uid}\n"
            f"cn: {uid}\nsn: {uid}\nmail: {uid}@medical59.apicrypt.org\napicryptVersion: 2\n"
            + "\n".join(lines)
            + "\n"
            for uid in [*SEVERAL, "denis", "emma", "farid"]
        )
    )
    serving.fill(state, ldif)
    with serving.serving(state, workers=2, ANNUAIRE_PASSWORDS_FAILURES="3") as running:
        yield running


def dn(uid: str) -> str:
    return f"uid={uid},{APICRYPT}"


def bind(server: serving.Server, name: str, secret: str, source: str = "127.0.0.1") -> tuple[int, bytes]:
    """The code, and what the policy control says."""
    address = ("127.0.0.1", server.port())
    with socket.create_connection(
        address, timeout=serving.PATIENCE_SECONDS, source_address=(source, 0)
    ) as connection:
        connection.sendall(asking.bind(1, name, secret, sent=POLICY))
        [answer] = asking.read(serving.receive(connection))
        assert isinstance(answer.operation, responses.Result)
        told = [one.value or b"" for one in answer.controls]
        assert answer.operation.text == ""
        return answer.operation.code, b"".join(told)


def guess(
    server: serving.Server, name: str, times: int, source: str = "127.0.0.1", first: int = 0
) -> list[tuple[int, bytes]]:
    return [bind(server, name, f"faux {number}", source) for number in range(first, first + times)]


def wait_out(server: serving.Server, name: str, source: str = "127.0.0.1") -> None:
    """Until the right password is looked at again: a second behind the last free one."""
    until(lambda: bind(server, name, SECRET, source)[0] == 0)


def in_time(attempt: Callable[[int], bool]) -> None:
    """Make attempts, by number, until one says that it was no slower than a wait. Others proved nothing."""
    if not any(attempt(number) for number in range(TRIES)):
        pytest.skip("this machine takes longer for a password than one waits")


@pytest.mark.parametrize(
    "names",
    [
        [dn("anne{}"), dn("nobody{}"), "uid=anne{},ou=nowhere,o=other"],
        [
            "bruno{}@medical59.apicrypt.org",
            "nobody{}@medical59.apicrypt.org",
            "nobody{}@nowhere.example",
            "nonsense{}",
        ],
    ],
)
def test_who_exists_and_who_does_not_wait_alike(server: serving.Server, names: list[str]) -> None:
    def alike(number: int) -> bool:
        told, times = [], []
        for name in (name.format(number) for name in names):
            # At each worker in turn, so to say: connections are shared out.
            first = guess(server, name, 2)
            started = time.monotonic()
            told.append([*first, *guess(server, name, 2, first=2), bind(server, name, SECRET)])
            times.append(time.monotonic() - started)
        if max(times) >= FIRST_WAIT:
            return False
        assert all(one == told[0] for one in told)
        assert told[0] == [(49, NOTHING)] * 3 + [(49, LOCKED)] * 2
        return True

    in_time(alike)


def test_the_right_password_is_taken_once_the_wait_is_over(server: serving.Server) -> None:
    def taken(number: int) -> bool:
        name = dn(f"claire{number}")
        guess(server, name, 2)
        started = time.monotonic()
        guess(server, name, 1, first=2)
        told = [
            bind(server, name, SECRET),
            bind(server, f"UID = Claire{number} , " + APICRYPT.upper(), SECRET),
        ]
        if time.monotonic() - started >= FIRST_WAIT:
            return False
        assert told == [(49, LOCKED)] * 2
        wait_out(server, name)
        assert bind(server, name, SECRET) == (0, NOTHING)
        # Only time forgets: the next wrong one is the fourth.
        started = time.monotonic()
        told = guess(server, name, 2)
        if time.monotonic() - started >= FIRST_WAIT:
            return False
        assert told == [(49, NOTHING), (49, LOCKED)]
        return True

    in_time(taken)


def test_the_administrator_of_the_configuration_waits_too(server: serving.Server) -> None:
    def waits(number: int) -> bool:
        source = f"127.0.9.{number + 1}"
        guess(server, serving.ADMIN, 2, source)
        started = time.monotonic()
        told = guess(server, serving.ADMIN, 2, source, first=2)
        told.append(bind(server, serving.ADMIN, serving.PASSWORD, source))
        if time.monotonic() - started >= FIRST_WAIT:
            return False
        assert told == [(49, NOTHING), (49, LOCKED), (49, LOCKED)]
        until(lambda: bind(server, serving.ADMIN, serving.PASSWORD, source)[0] == 0)
        # From elsewhere nothing was wrong.
        assert bind(server, serving.ADMIN, serving.PASSWORD) == (0, NOTHING)
        return True

    in_time(waits)


def test_somebody_elses_guesses_keep_nobody_out_of_where_they_are(server: serving.Server) -> None:
    assert bind(server, dn("denis"), SECRET, "127.0.0.3") == (0, NOTHING)
    assert guess(server, dn("denis"), 5, "127.0.0.4")[-1] == (49, LOCKED)
    assert bind(server, dn("denis"), SECRET, "127.0.0.3") == (0, NOTHING)
    assert bind(server, dn("denis"), SECRET, "127.0.0.5") == (0, NOTHING)


def test_guesses_from_everywhere_bar_newcomers_in_silence_and_nobody_who_is_known(
    server: serving.Server,
) -> None:
    def barred(attempt: int) -> bool:
        name = dn(f"gael{attempt}")
        assert bind(server, name, SECRET, "127.0.0.3") == (0, NOTHING)
        for number in range(15):
            started = time.monotonic()
            assert guess(server, name, 2, f"127.0.1.{number + 1}") == [(49, NOTHING)] * 2
        newcomer = bind(server, name, SECRET, "127.0.2.1")
        known = bind(server, name, SECRET, "127.0.0.3")
        if time.monotonic() - started >= FIRST_WAIT:
            return False
        # At the price of a verification, and told as a wrong password is.
        assert newcomer == (49, NOTHING)
        assert known == (0, NOTHING)
        wait_out(server, name, "127.0.2.1")
        return True

    in_time(barred)


def test_what_was_counted_outlives_a_worker(server: serving.Server) -> None:
    guess(server, dn("emma"), 3)
    before = server.worker_pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    def told() -> tuple[int, bytes] | None:
        with contextlib.suppress(OSError, ValueError):
            return bind(server, dn("emma"), "faux 3")
        return None

    # The wait of one second may be over by now: then this one was the fourth, and the next wait is longer.
    if until(told) == (49, NOTHING):
        assert bind(server, dn("emma"), SECRET) == (49, LOCKED)


def test_searches_go_on_while_eighty_binds_wait(server: serving.Server) -> None:
    """Each bind of an unknown name is a hash; the reactor must not notice."""
    places = [server.connect() for _ in range(80)]
    try:
        for number, place in enumerate(places):
            place.sendall(asking.bind(1, f"nobody{number}@nowhere.example", f"faux {number}"))
        ended = threading.Event()

        def wait_for_all() -> None:
            for place in places:
                serving.receive(place)
            ended.set()

        thread = threading.Thread(target=wait_for_all)
        thread.start()
        done = 0
        with server.connect() as searching:
            while not ended.is_set():
                searching.sendall(asking.search(2, base="", scope=0))
                serving.receive(searching)
                done += 1
        thread.join()
        # Were they made in the reactor, each worker would make its forty in one turn, and answer a search behind it.
        assert done > 20
    finally:
        for place in places:
            place.close()


def test_a_bind_that_fails_leaves_the_connection_to_nobody(server: serving.Server) -> None:
    address = ("127.0.0.1", server.port())
    with socket.create_connection(
        address, timeout=serving.PATIENCE_SECONDS, source_address=("127.0.0.7", 0)
    ) as connection:
        connection.sendall(asking.bind(1, dn("farid"), SECRET))
        assert asking.codes(serving.receive(connection)) == [(1, 0)]
        for number, (secret, code) in enumerate((("", 53), ("faux", 49)), 2):
            connection.sendall(asking.bind(number, dn("farid"), secret))
            assert asking.codes(serving.receive(connection)) == [(number, code)]
            connection.sendall(asking.extended(10 + number, "1.3.6.1.4.1.4203.1.11.3"))
            [answer] = asking.read(serving.receive(connection))
            assert answer.operation.code == 0
            assert not answer.operation.value
