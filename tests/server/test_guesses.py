import itertools
import os
import signal
import subprocess
import sys

import pytest

from annuaire.domain import lockout
from annuaire.ldap import schema as schemas
from annuaire.ldap.guessing import Attempt
from annuaire.server import guesses
from annuaire.server.guesses import Guesses

RULES = lockout.rules(5, 900.0)
NUMBERS = itertools.count()
HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def shared():
    descriptor = guesses.create()
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def counted(shared):
    return Guesses(shared, RULES)


def fail(counted: Guesses, times: int, name: bytes = b"anne", client: str = HERE, now: float = 100.0) -> None:
    for _ in range(times):
        counted.failed(name, client, b"%d" % next(NUMBERS), now)


def test_all_workers_see_what_one_counted(shared):
    first, second = Guesses(shared, RULES), Guesses(shared, RULES)
    fail(first, 3)
    fail(second, 1)
    assert not first.waits(b"anne", HERE, 100)
    fail(second, 1, now=100.5)
    assert first.waits(b"anne", HERE, 100.6)
    assert not first.waits(b"anne", HERE, 101.6)
    assert not first.waits(b"bruno", HERE, 100.6)
    assert not first.waits(b"anne", THERE, 100.6)


def test_the_same_wrong_password_again_is_no_guess(counted):
    for _ in range(500):
        counted.failed(b"anne", HERE, b"of last year", 100)
    assert not counted.waits(b"anne", HERE, 100)
    fail(counted, 4)
    assert counted.waits(b"anne", HERE, 100)


def test_a_login_forgets_nothing_or_it_would_show_to_who_sits_behind_the_same_address(counted):
    fail(counted, 4)
    counted.succeeded(b"anne", HERE, 100)
    fail(counted, 1, now=100.1)
    assert counted.waits(b"anne", HERE, 100.2)


def test_guesses_from_many_addresses_bar_strangers_and_not_whoever_is_known(counted):
    counted.succeeded(b"anne", HERE, 90)
    for number in range(50):
        fail(counted, 1, client=f"203.0.113.{number}")
    assert counted.barred(b"anne", "198.51.100.1", 100.5)
    assert not counted.barred(b"anne", HERE, 100.5)
    assert not counted.barred(b"bruno", "198.51.100.1", 100.5)


def test_guesses_at_many_names_bar_the_address_and_not_who_is_known_there(counted):
    counted.succeeded(b"anne", HERE, 90)
    for number in range(120):
        fail(counted, 1, name=b"name %d" % number)
    assert counted.barred(b"bruno", HERE, 101)
    assert not counted.barred(b"anne", HERE, 101)
    assert not counted.barred(b"bruno", THERE, 101)
    # Whatever somebody does there, newcomers wait a minute at most.
    assert not counted.barred(b"bruno", HERE, 161)


def test_being_barred_does_not_show(counted):
    """To who sits behind the same address, a name that has logged in there is like any other."""
    counted.succeeded(b"anne", HERE, 90)
    for number in range(120):
        fail(counted, 1, name=b"name %d" % number)
    told = []
    for name in (b"anne", b"bruno", b"nobody"):
        attempt = Attempt(counted, schemas.standard(), name, f"{HERE}:5000")
        told.append([])
        for number in range(8):
            told[-1].append((attempt.waits(100.5), attempt.ended(False, b"%d" % number, 100.5)))
    assert told[0] == told[1] == told[2]
    assert [waits for waits, _ in told[0]] == [False] * 5 + [True] * 3


def test_the_right_password_is_none_while_barred_and_counts_like_a_wrong_one(counted):
    for number in range(120):
        fail(counted, 1, name=b"name %d" % number)
    attempt = Attempt(counted, schemas.standard(), b"bruno", f"{HERE}:5000")
    assert not attempt.ended(True, b"right", 100.5)
    for number in range(4):
        assert not attempt.ended(False, b"%d" % number, 100.5)
    assert attempt.waits(100.6)
    assert attempt.ended(True, b"right", 200)
    assert not counted.barred(b"bruno", HERE, 200)


def test_who_is_known_waits_for_wrong_passwords_of_their_own(counted):
    counted.succeeded(b"anne", HERE, 90)
    fail(counted, 5)
    assert counted.waits(b"anne", HERE, 100.5)


def test_the_size_is_fixed_and_a_flood_of_names_frees_nobody_who_waits(counted):
    fail(counted, 12)
    assert counted.waits(b"anne", HERE, 200)
    for number in range(60_000):
        counted.failed(b"x%d" % number, f"client {number}", b"x", 101)
    assert counted.waits(b"anne", HERE, 200)
    assert os.fstat(counted._descriptor).st_size < 4_000_000


def test_nothing_of_a_name_address_or_password_is_in_the_memory(shared, counted):
    fail(counted, 5, b"anne.durand", "192.0.2.77")
    counted.succeeded(b"anne.durand", "192.0.2.77", 100)
    content = os.pread(shared, 8_000_000, 0)
    for secret in (b"anne", b"192.0.2"):
        assert secret not in content
    again = guesses.create()
    try:
        assert os.pread(again, 64, 0) != content[:64]
    finally:
        os.close(again)


def test_a_worker_that_dies_while_it_counts_stops_nobody(shared, counted):
    code = (
        "import sys, time; from annuaire.server.guesses import Guesses; from annuaire.domain import lockout\n"
        "g = Guesses(int(sys.argv[1]), lockout.rules(5, 900.0))\n"
        "for n in range(4): g.failed(b'anne', '192.0.2.1', b'%d' % n, 100)\n"
        "with g._locked():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(shared)], stdout=subprocess.PIPE, pass_fds=[shared]
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"held\n"
    fail(counted, 1, now=100.5)  # while it is held: not waited for
    assert worker.poll() is None
    worker.send_signal(signal.SIGKILL)
    worker.wait(60)
    worker.stdout.close()
    # What the dead one had counted is there.
    assert counted.waits(b"anne", HERE, 100.6)
    with counted._locked():
        pass
