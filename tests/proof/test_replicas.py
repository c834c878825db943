"""What a stranger's replica is sent is the same, to the last octet and cookie, with and without whoever is hidden.

DESIGN: a cookie moves, and a search that waits is told something, when the view of its audience changes and only then.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import asking
import hidden_people
import pytest
import two_directories
from consumer import Consumer
from hidden_people import HIDDEN, SEEN, Account, People
from operations import PERSONNES
from two_directories import FOURTH_DAY, MEMBERS, SECOND_DAY, SECRET, STRANGERS, Client, Pair, Place

from annuaire.actions import refresh
from annuaire.domain.audience import Audience
from annuaire.index import view_log
from annuaire.ldap import sync
from annuaire.ldap.sync import State

# Ways to have somebody whom strangers never saw.
WAYS = ("in the base", "in the recent part")
BASES = (PERSONNES, "o=apicrypt,c=FR")
FILTERS = ("(objectClass=*)", "(!(l=LILLE))")


class Clock:
    """The log's clock: what both directories do is done at the same moments."""

    def __init__(self) -> None:
        self.at = 1_795_428_900_000_000

    def __call__(self) -> int:
        return self.at


@pytest.fixture(scope="module")
def people() -> People:
    return hidden_people.invent(31, seen=40, hidden=24)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(view_log, "now", clock)
    return clock


@pytest.fixture(params=WAYS)
def pair(request: pytest.FixtureRequest, people: People, tmp_path: Path, clock: Clock) -> Iterator[Pair]:
    with two_directories.pair(tmp_path, people, two_directories.WAYS[request.param]) as pair:
        yield pair


class Replica:
    """One search that waits and one that asks again and again, of one stranger, in one directory."""

    def __init__(self, place: Place, audience: Audience, base: str, filter_: str) -> None:
        self._asked = {"base": base, "filter_": filter_}
        self.waiting, self.polling = Consumer(), Consumer()
        self._line, self._other = self._connected(place, audience), self._connected(place, audience)
        self.said = [self._hear(self.waiting, self._line.say(self._request(self.waiting, True))), self.poll()]

    def follow(self) -> bytes:
        """What a search that waits is told now."""
        session = self._line.session
        session.wake()
        told = b""
        while not session.idle:
            told += session.advance(0.0)
        return self._hear(self.waiting, told)

    def poll(self) -> bytes:
        return self._hear(self.polling, self._other.say(self._request(self.polling, False)))

    def _request(self, consumer: Consumer, persist: bool) -> bytes:
        return consumer.request(persist=persist, **self._asked)  # type: ignore[arg-type]

    @staticmethod
    def _hear(consumer: Consumer, told: bytes) -> bytes:
        consumer.take(told)
        return told

    @staticmethod
    def _connected(place: Place, audience: Audience) -> Client:
        client = Client(place.service(size=0))
        if audience != Audience.PUBLIC:
            assert asking.codes(client.say(asking.bind(1, MEMBERS[audience], SECRET))) == [(1, 0)]
        return client


def elsewhere(accounts: list[Account]) -> bytes:
    """The same people, who moved to another town."""
    moved = [one._replace(person=one.person._replace(town="BREST", postal="29200")) for one in accounts]
    return hidden_people.ldif_of(
        [one._replace(native=old.native) for one, old in zip(moved, accounts, strict=True)]
    )


Step = Callable[[Place], None]


def common(people: People) -> list[Step]:
    """What happens to those whom strangers see, in both directories."""
    some = people.seen
    return [
        lambda place: place.import_ldif(elsewhere(some[:3]), SECOND_DAY),
        lambda place: place.import_ldif(hidden_people.deletions(some[3:5]), SECOND_DAY),
        lambda place: place.import_mailboxes([*people.rows[5:]], SECOND_DAY),
        lambda place: place.import_ldif(hidden_people.ldif_of(some[:2]), FOURTH_DAY),
        lambda place: place.import_mailboxes([*people.rows], FOURTH_DAY),
    ]


def of_the_hidden(people: People) -> list[Step]:
    """What happens to the hidden, where they are."""
    some = people.hidden
    return [
        lambda place: place.import_ldif(elsewhere(some[:6]), SECOND_DAY),
        lambda place: place.import_ldif(hidden_people.ldif_of(some[6:12], HIDDEN["closed"]), SECOND_DAY),
        lambda place: place.import_ldif(hidden_people.ldif_of(some), SECOND_DAY),
        lambda place: place.import_ldif(hidden_people.below(some[:1]), SECOND_DAY),
        lambda place: place.import_ldif(hidden_people.ldif_of(some, HIDDEN["suspended"]), FOURTH_DAY),
    ]


def test_replicas_of_strangers_are_sent_the_same_octets(pair: Pair, people: People, clock: Clock) -> None:
    kinds = list(itertools.product(STRANGERS, BASES, FILTERS))
    both = [[Replica(place, *kind) for kind in kinds] for place in pair]
    assert [one.said for one in both[0]] == [one.said for one in both[1]]
    told = 0
    for number, (hidden, shared) in enumerate(zip(of_the_hidden(people), common(people), strict=True)):
        clock.at += 1_000_000
        hidden(pair.whole)
        pair.whole.refresh()
        if number == 2:
            refresh.rebuild(pair.whole.source, pair.whole.folder)
        for with_them, without in zip(*both, strict=True):
            assert with_them.follow() == without.follow() == b""
            assert with_them.poll() == without.poll()
            assert with_them.polling.cookie == without.polling.cookie
        clock.at += 1_000_000
        for place in pair:
            shared(place)
            place.refresh()
        if number == 3:
            refresh.rebuild(pair.without.source, pair.without.folder)
        for with_them, without in zip(*both, strict=True):
            news = with_them.follow()
            assert news == without.follow()
            assert with_them.poll() == without.poll()
            told += bool(news)
    assert told > 20  # agreement about nothing would prove nothing
    for one in both[0]:
        assert one.waiting.entries == one.polling.entries


@pytest.mark.parametrize("pair", WAYS[:1], indirect=True)
def test_a_log_that_is_shortened_is_shortened_by_what_they_see(
    pair: Pair, people: People, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_log, "ROWS_MAX", 3)
    both = [Replica(place, Audience.MSSANTE, PERSONNES, "(objectClass=*)") for place in pair]
    for hidden, shared in zip(of_the_hidden(people), common(people), strict=True):
        clock.at += 1_000_000
        hidden(pair.whole)
        pair.whole.refresh()
        clock.at += 1_000_000
        for place in pair:
            shared(place)
            place.refresh()
    whole, without = both
    assert whole.poll() == without.poll()
    assert whole.follow() == without.follow()
    assert whole.waiting.code == 4096


@pytest.mark.parametrize("audience", STRANGERS)
def test_whoever_comes_to_hide_is_gone_from_replicas_as_if_deleted(
    people: People, tmp_path: Path, clock: Clock, audience: Audience
) -> None:
    """Hidden in one directory, deleted in the other: strangers' replicas are told the same."""
    with two_directories.held_time() as held:
        places = [Place(tmp_path / name, held) for name in ("hides", "leaves")]
        for place in places:
            held.begin()
            two_directories.common(place, people, hidden_people.ldif_of(people.hidden, SEEN))
            place.refresh()
        both = [Replica(place, audience, PERSONNES, "(objectClass=*)") for place in places]
        assert both[0].said == both[1].said
        clock.at += 1_000_000
        liste_rouge = SEEN._replace(liste_rouge=True)
        places[0].import_ldif(hidden_people.ldif_of(people.hidden, liste_rouge), SECOND_DAY, same="go")
        places[1].import_ldif(hidden_people.deletions(people.hidden), SECOND_DAY, same="go")
        for place in places:
            place.refresh()
        told = [replica.follow() for replica in both]
        assert told[0] == told[1]
        deleted = [name for state, name in both[0].waiting.states if state == State.DELETE]
        assert len(deleted) > 5
        assert both[0].poll() == both[1].poll()
        for place in places:
            place.close()


@pytest.mark.parametrize("pair", WAYS[:1], indirect=True)
def test_those_who_see_them_are_told(pair: Pair, people: People, clock: Clock) -> None:
    """The proof can tell two directories apart: the sphere's replicas differ."""
    replica = Replica(pair.whole, Audience.APICRYPT, PERSONNES, "(objectClass=*)")
    cookie = replica.waiting.cookie
    clock.at += 1_000_000
    pair.whole.import_ldif(elsewhere(people.hidden), SECOND_DAY)
    pair.whole.refresh()
    assert replica.follow() != b""
    assert sync.read_cookie(replica.waiting.cookie).moment == clock.at
    assert replica.waiting.cookie != cookie
