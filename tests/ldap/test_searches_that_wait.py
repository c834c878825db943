"""Searches that wait for changes beside the one answer of a session: how they are woken and how they end."""

from __future__ import annotations

from collections.abc import Iterator

import asking
import pytest
from session_client import USER, Client, FakeDirectory
from test_cancel import cancel

from annuaire.domain.audience import NOBODY, Audience
from annuaire.errors import Unavailable
from annuaire.ldap import ber, responses, sync
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import Control
from annuaire.ldap.sleeping import ASLEEP, Followers


class Waiting(FakeDirectory):
    """Each search that waits is told what is in `news` when it is woken."""

    def __init__(self) -> None:
        super().__init__()
        self.news: dict[int, list[bytes | Exception]] = {}
        self.askers: list[sync.Asker] = []

    def synchronize(self, number, request, asked, asker, beside) -> Iterator[bytes]:
        self.askers.append(asker)
        return self._told(number, asked.persist)

    def _told(self, number: int, persist: bool) -> Iterator[bytes]:
        try:
            yield responses.search_entry(number, b"cn=first", b"")
            while persist:
                for one in self.news.pop(number, []):
                    if isinstance(one, Exception):
                        raise one
                    yield one
                yield ASLEEP
            yield responses.result(number, responses.SEARCH_DONE, 0)
        finally:
            self.closed.append(number)


@pytest.fixture
def client() -> Client:
    client = Client()
    client.directory = client.service.directory = client.session._directory = Waiting()
    return client


def entries(data: bytes) -> list[tuple[int, bytes]]:
    return [(one.message_id, one.operation.dn) for one in asking.read(data)]


def persist(number: int) -> bytes:
    return asking.search(number, sent=[sync.request(True)])


def waiting(client: Client, *numbers: int) -> None:
    for number in numbers:
        assert entries(client.say(persist(number)) + client.rest()) == [(number, b"cn=first")]
    assert client.session.sleeping == len(numbers)
    assert client.session.idle


def news(client: Client, number: int, name: bytes) -> None:
    client.directory.news[number] = [responses.search_entry(number, name, b"")]


def test_a_search_that_waits_leaves_the_connection_to_others(client):
    waiting(client, 5)
    assert asking.codes(client.say(asking.search(6), asking.search(7)) + client.rest()) == [(6, 0), (7, 0)]
    news(client, 5, b"cn=second")
    client.session.wake()
    assert not client.session.idle
    assert entries(client.rest()) == [(5, b"cn=second")]
    assert client.session.idle
    assert client.session.sleeping == 1


def test_one_that_is_woken_for_nothing_says_nothing(client):
    waiting(client, 5)
    for _ in range(3):
        client.session.wake()
        assert client.rest() == b""
    assert client.session.sleeping == 1


def test_all_are_woken_and_each_gives_its_own(client):
    waiting(client, 5, 6, 7)
    news(client, 5, b"cn=a")
    news(client, 7, b"cn=b")
    client.session.wake()
    assert entries(client.rest()) == [(5, b"cn=a"), (7, b"cn=b")]
    assert client.session.sleeping == 3


def test_one_that_is_woken_during_an_answer_waits_for_its_end(client):
    waiting(client, 5)
    entry = responses.search_entry(9, b"cn=x", b"")
    client.directory.answers[9] = [entry, b"", responses.result(9, responses.SEARCH_DONE, 0)]
    news(client, 5, b"cn=second")
    first = client.say(asking.search(9))
    client.session.wake()
    answers = asking.read(first + client.rest())
    assert [one.message_id for one in answers] == [9, 9, 5]


def test_abandon_ends_it(client):
    waiting(client, 5, 6)
    assert client.say(asking.abandon(8, 5)) == b""
    assert client.directory.closed == [5]
    news(client, 5, b"cn=second")
    client.session.wake()
    assert client.rest() == b""
    assert client.session.sleeping == 1


def test_abandon_ends_one_that_is_woken(client):
    waiting(client, 5, 6)
    client.session.wake()
    client.say(asking.abandon(8, 6))
    assert client.rest() == b""
    assert client.directory.closed == [6]


def test_cancel_answers_it(client):
    waiting(client, 5)
    assert asking.codes(client.say(cancel(8, 5)) + client.rest()) == [(5, 118), (8, 0)]
    assert client.session.sleeping == 0
    assert asking.codes(client.say(cancel(9, 5)) + client.rest()) == [(9, 119)]


@pytest.mark.parametrize(
    "request_bytes", [asking.bind(8), asking.bind(8, "cn=x", "wrong"), b"\x30\x03\x02\x01"]
)
def test_whoever_binds_ends_what_somebody_else_asked(client, request_bytes):
    waiting(client, 5)
    client.say(request_bytes)
    if request_bytes.startswith(b"\x30\x03"):
        client.say(asking.unbind())
    assert client.session.sleeping == 0
    assert client.directory.closed == [5]


def test_unbind_and_the_loss_of_the_connection_end_it(client):
    waiting(client, 5)
    client.say(asking.unbind())
    assert client.directory.closed == [5]
    client.session.wake()
    assert not client.session.pending


def test_starttls_is_refused_while_one_waits(client):
    client.service.start_tls = True
    waiting(client, 5)
    body = ber.octets(b"1.3.6.1.4.1.1466.20037", 0x80)
    assert asking.codes(client.say(asking.message(8, ber.tlv(0x77, body)))) == [(8, 1)]
    assert client.session.sleeping == 1


def test_trouble_ends_it_with_a_result(client):
    waiting(client, 5)
    client.directory.news[5] = [Unavailable("away")]
    client.session.wake()
    assert asking.codes(client.rest()) == [(5, 51)]
    assert client.session.sleeping == 0


def test_refresh_only_does_not_wait(client):
    data = client.say(asking.search(5, sent=[sync.request(False)])) + client.rest()
    assert [one.message_id for one in asking.read(data)] == [5, 5]
    assert client.session.sleeping == 0


def test_nobody_copies_nothing():
    client = Client(anonymous=NOBODY)
    client.directory = client.session._directory = Waiting()
    assert asking.codes(client.say(persist(5))) == [(5, 8)]
    assert client.directory.askers == []


def test_who_asks_is_told_to_the_directory(client):
    waiting(client, 5)
    client.log_in()
    waiting(client, 6)
    assert client.directory.askers == [
        sync.Asker(Audience.PUBLIC, True, False),
        sync.Asker(Audience.ADMIN, False, False),
    ]


def test_strangers_leave_room_to_those_who_bind():
    client = Client(followers=Followers(3, 1))
    client.directory = client.service.directory = client.session._directory = Waiting()
    waiting(client, 5)
    assert asking.codes(client.say(persist(6))) == [(6, 51)]
    client.log_in()
    waiting(client, 6, 7, 8)
    assert asking.codes(client.say(persist(9))) == [(9, 51)]
    client.say(asking.abandon(10, 8))
    assert entries(client.say(persist(11)) + client.rest()) == [(11, b"cn=first")]


def test_an_account_that_is_no_more_is_told_nothing_more(client):
    client.session._become(Identity(USER, Audience.APICRYPT, b"key"))
    waiting(client, 5)
    news(client, 5, b"cn=second")
    client.session.wake()
    assert entries(client.rest()) == [(5, b"cn=second")]
    client.directory.account = lambda name: None
    news(client, 5, b"cn=third")
    client.session.wake()
    assert asking.codes(client.rest()) == [(5, 50)]
    assert client.directory.closed == [5]
    assert client.service.followers._count == 0


def test_a_control_that_is_not_critical_counts_as_well(client):
    control = sync.request(True)
    sent = [Control(control.oid, False, control.value)]
    data = client.say(asking.search(5, sent=sent)) + client.rest()
    assert entries(data) == [(5, b"cn=first")]
    assert client.session.sleeping == 1
