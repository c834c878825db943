"""The thread that writes: how much it takes at once and how much may wait, by number and by octets."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from annuaire.domain.access import Grant
from annuaire.domain.audience import Audience
from annuaire.domain.password import Rules
from annuaire.errors import AnnuaireError, Unavailable
from annuaire.ldap import schema, writing
from annuaire.ldap.guessing import Uncounted
from annuaire.ldap.messages import AddRequest, Control, DeleteRequest, ModifyDnRequest, ModifyRequest
from annuaire.ldap.writing import PasswordChange, WriteGroup, WriteJob, WriteOutcome
from annuaire.server import writes
from annuaire.server.passwords import Passwords
from annuaire.server.writes import WriteThread

PATIENCE = 20.0


def job(octets: int, name: bytes = b"") -> WriteJob:
    """A write of so many octets."""
    request = ModifyRequest(name, [(2, "", [bytes(octets - len(name))])])
    return WriteJob(request, (), "cn=admin", Audience.ADMIN, Grant())


class Reactor:
    """Runs what it is given in the thread of the test, when told to."""

    def __init__(self) -> None:
        self._calls: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self._more = threading.Condition()

    def callFromThread(self, done: Callable[..., None], *arguments: object) -> None:  # noqa: N802 (Twisted's)
        with self._more:
            self._calls.append((done, arguments))
            self._more.notify()

    def run(self, enough: Callable[[], bool]) -> None:
        """Until that is so."""
        while not enough():
            with self._more:
                assert self._more.wait_for(lambda: self._calls, PATIENCE)
                done, arguments = self._calls.pop(0)
            done(*arguments)


class Store:
    """Takes what it is given one batch at a time, when the test lets it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.let = threading.Semaphore(0)

    def perform(self, jobs: Sequence[WriteJob]) -> list[WriteOutcome | AnnuaireError]:
        self.batches.append([writing.octets(one) for one in jobs])
        self.begun.release()
        assert self.let.acquire(timeout=PATIENCE)
        return [WriteOutcome() for _ in jobs]

    def busy(self) -> None:
        """Return when a batch is under way."""
        assert self.begun.acquire(timeout=PATIENCE)


class Desk:
    def __init__(self) -> None:
        self.reactor, self.store = Reactor(), Store()
        self.thread = WriteThread(self.reactor, self.store.perform)
        self.outcomes: list[WriteOutcome | AnnuaireError] = []

    def submit(self, *sizes: int) -> None:
        for size in sizes:
            self.thread.submit(job(size), self.outcomes.append)

    def occupy(self) -> None:
        """Something of one octet is on its way: what comes now gathers."""
        self.submit(1)
        self.store.busy()

    def finish(self, batches: int, jobs: int) -> None:
        for _ in range(batches):
            self.store.let.release()
        wanted = len(self.outcomes) + jobs
        self.reactor.run(lambda: len(self.outcomes) >= wanted)

    @property
    def refused(self) -> int:
        return sum(isinstance(one, Unavailable) for one in self.outcomes)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    for _ in range(1000):
        desk.store.let.release()
    desk.thread.stop()


def test_what_gathers_is_done_together_up_to_so_many_octets(desk, monkeypatch):
    monkeypatch.setattr(writes, "TOGETHER_OCTETS_MAX", 100)
    desk.occupy()
    desk.submit(60, 40, 1, 99, 1, 50, 500, 3, 4)
    desk.finish(6, 10)
    assert desk.store.batches == [[1], [60, 40], [1, 99], [1, 50], [500], [3, 4]]
    assert desk.outcomes == [WriteOutcome()] * 10


def test_what_gathers_is_done_together_up_to_so_many(desk, monkeypatch):
    monkeypatch.setattr(writes, "TOGETHER_MAX", 3)
    desk.occupy()
    desk.submit(*range(1, 8))
    desk.finish(4, 8)
    assert desk.store.batches == [[1], [1, 2, 3], [4, 5, 6], [7]]


def test_who_wrote_together_is_waited_for_and_nobody_else(desk, monkeypatch):
    monkeypatch.setattr(writes, "GATHERING_SECONDS", PATIENCE)
    desk.occupy()
    desk.submit(2, 3, 4)
    desk.finish(2, 4)
    # Three came together: as many are waited for, however they come.
    for size in (5, 6, 7):
        desk.submit(size)
    desk.finish(1, 3)
    assert desk.store.batches == [[1], [2, 3, 4], [5, 6, 7]]
    monkeypatch.setattr(writes, "GATHERING_SECONDS", 0.01)
    desk.submit(8)
    desk.finish(1, 1)
    # Whoever comes after somebody who was alone waits for nobody.
    monkeypatch.setattr(writes, "GATHERING_SECONDS", PATIENCE)
    desk.submit(9)
    desk.finish(1, 1)
    assert desk.store.batches[3:] == [[8], [9]]


def test_who_does_not_come_again_is_not_waited_for_long(desk, monkeypatch):
    monkeypatch.setattr(writes, "GATHERING_SECONDS", 0.01)
    desk.occupy()
    desk.submit(2, 3, 4)
    desk.finish(2, 4)
    desk.submit(5)
    desk.finish(1, 1)
    assert desk.store.batches == [[1], [2, 3, 4], [5]]


def test_beyond_so_many_octets_that_wait_the_next_are_told_to_come_back(desk, monkeypatch):
    monkeypatch.setattr(writes, "WAITING_OCTETS_MAX", 100)
    desk.occupy()
    desk.submit(90)
    desk.submit(10)  # one too many, for the first is not done yet
    assert desk.refused == 1
    desk.submit(9)
    assert desk.refused == 1
    desk.finish(2, 3)
    # What is done waits no longer.
    desk.submit(100)
    desk.store.busy()
    assert desk.refused == 1
    desk.finish(1, 1)
    assert sum(map(sum, desk.store.batches)) == 1 + 90 + 9 + 100


def test_what_is_larger_than_all_room_is_let_in_when_nothing_else_waits(desk, monkeypatch):
    monkeypatch.setattr(writes, "WAITING_OCTETS_MAX", 100)
    desk.submit(1_000)
    desk.store.busy()
    desk.submit(1)
    assert desk.refused == 1
    desk.finish(1, 1)
    assert desk.store.batches == [[1_000]]


def test_beyond_so_many_that_wait_the_next_are_told_to_come_back(desk, monkeypatch):
    monkeypatch.setattr(writes, "WAITING_MAX", 5)
    desk.occupy()
    desk.submit(*[1] * 7)
    assert desk.refused == 2
    desk.finish(2, 6)


def test_five_thousand_of_the_largest_messages_do_not_wait():
    assert writes.WAITING_OCTETS_MAX <= 64 * 1024 * 1024
    assert writes.TOGETHER_OCTETS_MAX < writes.WAITING_OCTETS_MAX


def test_what_waits_to_be_hashed_takes_room_as_well(desk, monkeypatch):
    monkeypatch.setattr(writes, "WAITING_OCTETS_MAX", 1_000)
    hashing: list[tuple[Callable[[], object], Callable[[object], None]]] = []

    class Threads:
        def run(self, work, done) -> None:
            hashing.append((work, done))

    class Nobody:
        def passwords(self, key: bytes) -> tuple[bytes, ...]:
            return ()

    passwords = Passwords(
        Threads(), desk.thread, Nobody(), schema.standard(), Uncounted(), Rules(8), lambda key: b"salt"
    )
    photo = ("jpegPhoto", [bytes(700)])
    secret = ("userPassword", [b"correct cheval pile agrafe"])
    large = WriteJob(AddRequest(b"cn=a", [photo, secret]), (), "cn=admin", Audience.ADMIN, Grant())
    passwords.write(large, desk.outcomes.append)
    passwords.write(large, desk.outcomes.append)
    assert (len(hashing), desk.refused) == (1, 1)
    work, done = hashing[0]
    done(work())
    desk.store.busy()
    desk.finish(1, 1)
    assert desk.outcomes[1:] == [WriteOutcome()]
    passwords.write(large, desk.outcomes.append)
    assert len(hashing) == 2


def test_every_part_of_a_write_is_counted():
    def counted(request: object, *controls: Control) -> int:
        return writing.octets(WriteJob(request, controls, "cn=admin", Audience.ADMIN, Grant()))

    add = AddRequest(b"cn=a", [("cn", [b"a", b"bc"]), ("sn", [])])
    assert counted(add) == 4 + 2 + 3 + 2
    assert counted(DeleteRequest(b"cn=a")) == 4
    assert counted(ModifyRequest(b"cn=a", [(2, "cn", [b"xyz"]), (1, "description", [])])) == 4 + 5 + 11
    assert counted(ModifyDnRequest(b"cn=a", b"cn=bc", True, None)) == 9
    assert counted(ModifyDnRequest(b"cn=a", b"cn=bc", True, b"o=x")) == 12
    assert counted(PasswordChange("cn=a", b"old", b"new1")) == 11
    assert counted(PasswordChange("cn=a")) == 4
    assert counted(DeleteRequest(b"cn=a"), Control("1.2", True, b"12345"), Control("1.3")) == 9
    several = tuple(WriteJob(add, (), "cn=admin", Audience.ADMIN, Grant()) for _ in range(3))
    assert counted(WriteGroup(several, (1, 2, 3))) == 33
