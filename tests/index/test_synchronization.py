"""A consumer of RFC 4533 holds what its audience is shown, whatever happens to the directory and to the consumer."""

from __future__ import annotations

import gc
import itertools
import random
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import asking
import both_directories
import invented_directory as invented
import pytest
from both_directories import PERSONNES
from consumer import MESSAGE, Consumer
from invented_directory import APICRYPT, SUFFIX
from lives import Life, named, new

from annuaire.actions import initialise, refresh, renewing
from annuaire.actions.source import StoreSource
from annuaire.domain import account
from annuaire.domain.audience import Audience
from annuaire.index import view_log
from annuaire.index.folder import IndexFolder
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering
from annuaire.index.query import SizeLimits
from annuaire.index.reader import Reader
from annuaire.index.search import Directory, Settings
from annuaire.ldap import ber, controls, sync, tree
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import Control
from annuaire.ldap.root_dse import OwnEntries
from annuaire.ldap.service import Service
from annuaire.ldap.session import Session
from annuaire.ldap.sleeping import SLEEPERS_MAX
from annuaire.ldap.sync import State

SCHEMA = invented.SCHEMA
HIDDEN_FROM = Audience.PUBLIC | Audience.MSSANTE
EACH = [Audience.MSSANTE, Audience.APICRYPT, Audience.DGS, Audience.ROUTAGE, Audience.ADMIN]


class Place:
    """A store, its index, and connections to what serves it."""

    def __init__(self, path: Path) -> None:
        self.source = StoreSource("", path / "var", SUFFIX)
        self.folder = IndexFolder(path / "var" / "index")
        numbering = Numbering(SCHEMA)
        self.reader = Reader(self.folder, numbering)
        settings = Settings(SUFFIX, SizeLimits({Audience.PUBLIC: 20, Audience.MSSANTE: 20}, {}), 60.0)
        self.service = Service(
            Directory(self.reader, numbering, settings, bytes(32)), SCHEMA, OwnEntries(SCHEMA, [SUFFIX], "x")
        )

    def refresh(self) -> None:
        refresh.refresh(self.source, self.folder)

    def connect(self, audience: Audience, *, bound: bool = True, passwords: bool = False) -> Line:
        session = Session(self.service, "198.51.100.7:1")
        session._become(Identity("cn=x" if bound else "", audience, replicates=passwords))
        return Line(session)

    def change(self, work: Callable[[object], None]) -> None:
        with self.source.store().writing("cn=admin") as writer:
            work(writer)
        self.refresh()


class Line:
    """A connection, carried on until nothing more is to come."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def say(self, data: bytes, between: Callable[[], None] = lambda: None) -> bytes:
        return self.session.receive(data, time.monotonic()) + self.rest(between)

    def rest(self, between: Callable[[], None] = lambda: None) -> bytes:
        answer = b""
        while not self.session.idle and not self.session.closing:
            between()
            answer += self.session.advance(time.monotonic())
        return answer

    def something(self) -> bytes:
        """What the first slice says that says anything."""
        while not (answer := self.session.advance(time.monotonic())):
            assert not self.session.idle
        return answer

    def wake(self) -> bytes:
        self.session.wake()
        return self.rest()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Odd entries, for administrators."""
    place = Place(tmp_path)
    initialise.initialise(place.source.store(), tree.plant(SUFFIX, (), SCHEMA), SCHEMA)
    place.refresh()
    yield place
    place.source.store().close()


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Place]:
    """The invented people of both networks."""
    place = Place(tmp_path)
    both_directories.filled(place.source)
    place.refresh()
    yield place
    place.source.store().close()


def shown(place: Place, audience: Audience, base: str, filter_: str = "(objectClass=*)") -> dict[str, object]:
    """What a search shows now, by name."""
    line = place.connect(audience)
    line.session._service.directory._settings = Settings(SUFFIX, SizeLimits({}, {}), 60.0)  # type: ignore[attr-defined]
    found = asking.entries(line.say(asking.search(1, filter_, base, attributes=["*", "entryUUID"])))
    return {entry.dn.decode(): entry.attributes for entry in found}


def held(consumer: Consumer) -> dict[str, object]:
    found: dict[str, object] = dict(consumer.entries.values())
    assert len(found) == len(consumer.entries), "two entries of one name"
    return found


def poll(place: Place, consumer: Consumer, audience: Audience, **asked: object) -> None:
    consumer.states.clear()
    data = consumer.request(attributes=["*", "entryUUID"], **asked)  # type: ignore[arg-type]
    consumer.take(place.connect(audience).say(data))
    assert consumer.code == 0


def people_of(place: Place) -> list[str]:
    """Names of accounts that the trust space sees."""
    wanted = "(&(apicryptInterop=TRUE)(listeRouge=FALSE)(apicryptVersion=2)(apicryptEtat=actif))"
    return sorted(shown(place, Audience.ADMIN, APICRYPT, wanted))


def set_flag(place: Place, name: str, description: str, value: bytes) -> None:
    place.change(lambda writer: write_flag(writer, name, description, value))


def write_flag(writer, name: str, description: str, value: bytes) -> None:
    """An attribute of an account, written as an import would."""
    row = writer.entry(invented.dn.key(invented.dn.parse(name), SCHEMA))
    attributes = ber.decode_attributes(row.attributes)
    attributes[description] = [value]
    described = account.described(attributes, row.uuid)
    octets = ber.encode_attributes(attributes)
    writer.replace(row, octets, row.passwords, row.structural, *described)


def test_a_consumer_is_sent_nothing_while_its_base_is_not_as_it_asserts(place: Place) -> None:
    def ask(asserted: str, *, persist: bool, base: str = APICRYPT) -> list[tuple[int, int]]:
        sent = [sync.request(persist), asking.asserting(asserted)]
        answer = place.connect(Audience.ADMIN).say(asking.search(1, base=base, sent=sent))
        assert persist or asking.codes(answer)
        return asking.codes(answer)

    for persist in (False, True):
        assert ask("(ou=autre)", persist=persist) == [(1, 122)]
        assert ask("(|)", persist=persist, base=f"cn=absent,{APICRYPT}") == [(1, 32)]
    assert ask("(ou=apicrypt)", persist=False) == [(1, 0)]
    assert ask("(ou=apicrypt)", persist=True) == [], "it waits"


# ------------------------------------------------------------------ convergence


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("persist", [False, True])
def test_a_consumer_follows_whatever_happens(place: Place, seed: int, persist: bool) -> None:
    life = Life(seed)
    consumer = Consumer()
    line = place.connect(Audience.ADMIN)
    if persist:
        consumer.take(line.say(consumer.request(persist=True, base=APICRYPT, attributes=["*", "entryUUID"])))
    for turn in range(40):
        for _ in range(1 + turn % 4):
            place.change(life.turn)
        if turn == 25:
            refresh.rebuild(place.source, place.folder)
        if persist:
            consumer.take(line.wake())
        else:
            poll(place, consumer, Audience.ADMIN, base=APICRYPT)
        assert held(consumer) == shown(place, Audience.ADMIN, APICRYPT)
    # A rebuild that shows the same cuts nobody off, and nothing was ever sent twice for it.
    assert consumer.code in (None, 0)
    assert consumer.refreshed == int(persist)


@pytest.mark.parametrize(
    "filter_", ["(sn=*a*)", "(!(cn=*e*))", "(|(uid=odd1*)(objectClass=organizationalUnit))"]
)
def test_an_entry_that_leaves_the_filter_is_deleted_and_one_that_enters_is_added(
    place: Place, filter_: str
) -> None:
    life = Life(5)
    consumer = Consumer()
    line = place.connect(Audience.ADMIN)
    consumer.take(
        line.say(
            consumer.request(persist=True, base=APICRYPT, filter_=filter_, attributes=["*", "entryUUID"])
        )
    )
    known = set(consumer.entries)
    for _ in range(60):
        consumer.states.clear()
        place.change(life.turn)
        consumer.take(line.wake())
        assert held(consumer) == shown(place, Audience.ADMIN, APICRYPT, filter_)
        now = set(consumer.entries)
        told = [state for state, _ in consumer.states]
        # Nothing about what was not and is not in the content; each state is what it says.
        assert told.count(State.DELETE) == len(known - now)
        assert told.count(State.ADD) == len(now - known)
        known = now


@pytest.mark.parametrize("audience", EACH)
def test_each_audience_holds_its_own_view(people: Place, audience: Audience) -> None:
    consumer = Consumer()
    line = people.connect(audience)
    consumer.take(line.say(consumer.request(persist=True, attributes=["*", "entryUUID"])))
    assert held(consumer) == shown(people, audience, SUFFIX)
    for name, description, value in itertools.product(
        people_of(people)[:4],
        ["listeRouge", "apicryptInterop", "apicryptEtat"],
        [b"TRUE", b"FALSE", b"actif", b"suspendu"],
    ):
        if (value in (b"actif", b"suspendu")) == (description == "apicryptEtat"):
            set_flag(people, name, description, value)
            consumer.take(line.wake())
            assert held(consumer) == shown(people, audience, SUFFIX)


def test_whoever_hides_is_deleted_at_once_and_comes_back_when_seen_again(people: Place) -> None:
    consumer, follower = Consumer(), people.connect(Audience.MSSANTE)
    consumer.take(follower.say(consumer.request(persist=True, base=PERSONNES)))
    name = people_of(people)[0]
    before = dict(consumer.entries)
    consumer.states.clear()
    set_flag(people, name, "listeRouge", b"TRUE")
    consumer.take(follower.wake())
    [(state, gone)] = consumer.states
    assert state == State.DELETE
    assert gone in {dn for dn, _ in before.values()}
    set_flag(people, name, "listeRouge", b"FALSE")
    consumer.take(follower.wake())
    assert consumer.states[1:] == [(State.ADD, gone)]
    assert consumer.entries.keys() == before.keys()


def test_while_somebody_hides_replicas_of_strangers_wait_and_others_do_not(people: Place) -> None:
    """Note [Secrecy before availability] (actions/recording.py)."""
    strangers, sphere = people.connect(Audience.MSSANTE), people.connect(Audience.APICRYPT)
    following, other, polling = Consumer(), Consumer(), Consumer()
    following.take(strangers.say(following.request(persist=True, base=PERSONNES)))
    other.take(sphere.say(other.request(persist=True, base=PERSONNES)))
    snapshot = people.reader.snapshot()
    snapshot.end()
    people.folder.hide_until(snapshot.change + 1)
    assert strangers.wake() == sphere.wake() == b""
    assert (strangers.session.sleeping, sphere.session.sleeping) == (1, 1)
    polling.take(strangers.say(polling.request(base=PERSONNES, number=9)))
    assert (polling.code, polling.entries) == (51, {})
    polling.take(sphere.say(polling.request(base=PERSONNES, number=9)))
    assert polling.code == 0
    following.states.clear()
    set_flag(people, people_of(people)[0], "listeRouge", b"TRUE")
    following.take(strangers.wake())
    assert [state for state, _ in following.states] == [State.DELETE]


def test_what_was_not_told_yet_when_somebody_else_hides_is_told_then(
    people: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who follows a filter is told by what it has; work that is interrupted begins again."""
    monkeypatch.setattr("annuaire.index.synchronizing.CHUNK_OCTETS", 1)
    consumer, line = Consumer(), people.connect(Audience.MSSANTE)
    asked = {"base": PERSONNES, "filter_": "(!(l=NULLE PART))", "attributes": ["*", "entryUUID"]}
    consumer.take(line.say(consumer.request(persist=True, **asked)))  # type: ignore[arg-type]
    hides, stays, other = people_of(people)[:3]

    def work(writer) -> None:
        for name, description, value in ((hides, "listeRouge", b"TRUE"), (stays, "street", b"1 rue Neuve")):
            write_flag(writer, name, description, value)

    people.change(work)
    snapshot = people.reader.snapshot()
    snapshot.end()
    line.session.wake()
    consumer.states.clear()
    consumer.take(line.something())
    assert [state for state, _ in consumer.states] == [State.MODIFY]
    people.folder.hide_until(snapshot.change + 1)
    assert line.rest() == b""
    set_flag(people, other, "listeRouge", b"TRUE")
    consumer.take(line.wake())
    assert held(consumer) == shown(people, Audience.MSSANTE, PERSONNES, "(!(l=NULLE PART))")


def test_whoever_was_told_more_than_its_cookie_says_and_cut_off_is_told_who_is_gone(people: Place) -> None:
    consumer = Consumer()
    poll(people, consumer, Audience.MSSANTE, base=PERSONNES)
    name, before = people_of(people)[0], shown(people, Audience.MSSANTE, PERSONNES)
    set_flag(people, name, "listeRouge", b"TRUE")
    poll(people, consumer, Audience.MSSANTE, base=PERSONNES)
    cookie = consumer.cookie
    set_flag(people, name, "listeRouge", b"FALSE")
    poll(people, consumer, Audience.MSSANTE, base=PERSONNES)
    assert held(consumer) == before
    consumer.cookie = cookie  # the one behind the entry was lost
    set_flag(people, name, "listeRouge", b"TRUE")
    poll(people, consumer, Audience.MSSANTE, base=PERSONNES)
    assert held(consumer) == shown(people, Audience.MSSANTE, PERSONNES)
    assert len(consumer.entries) == len(before) - 1


def test_whoever_appeared_before_somebody_hid_and_is_gone_then_is_deleted(
    people: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annuaire.index.synchronizing.CHUNK_OCTETS", 1)
    hidden, other, *_ = people_of(people)
    set_flag(people, hidden, "listeRouge", b"TRUE")
    consumer, line = Consumer(), people.connect(Audience.MSSANTE)
    consumer.take(line.say(consumer.request(persist=True, base=PERSONNES)))
    consumer.states.clear()
    set_flag(people, hidden, "listeRouge", b"FALSE")
    snapshot = people.reader.snapshot()
    snapshot.end()
    line.session.wake()
    consumer.take(line.something())
    assert [state for state, _ in consumer.states] == [State.ADD]
    people.folder.hide_until(snapshot.change + 1)  # before the cookie
    assert line.rest() == b""
    set_flag(people, hidden, "listeRouge", b"TRUE")
    set_flag(people, other, "telephoneNumber", b"1")
    consumer.take(line.wake())
    assert held(consumer).keys() == shown(people, Audience.MSSANTE, PERSONNES).keys()


# ------------------------------------------------------------------ cookies


def test_a_cookie_moves_when_the_view_changes_and_only_then(people: Place) -> None:
    cookies = {}
    for audience in EACH:
        consumer = Consumer()
        poll(people, consumer, audience)
        cookies[audience] = consumer
    before = {audience: consumer.cookie for audience, consumer in cookies.items()}
    person = named("uid=only", APICRYPT, random.Random(1), 1)
    people.change(lambda writer: writer.add(new(person)))  # type: ignore[attr-defined]
    for audience, consumer in cookies.items():
        poll(people, consumer, audience)
        assert (consumer.cookie != before[audience]) == (audience == Audience.ADMIN)
        assert bool(consumer.states) == (audience == Audience.ADMIN)


def test_moments_are_distinct_and_ascend_although_the_clock_stands(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = Consumer()
    poll(place, consumer, Audience.ADMIN)
    monkeypatch.setattr(view_log, "now", lambda: 1)  # it was even put back
    life, cookies = Life(3), [consumer.cookie or b""]
    for _ in range(10):
        place.change(life.turn)
        poll(place, consumer, Audience.ADMIN, base=APICRYPT)
        if consumer.states:
            cookies.append(consumer.cookie or b"")
    assert len(cookies) > 5
    assert cookies == sorted(set(cookies))


def test_what_the_log_has_dropped_is_sent_whole_to_those_who_poll_and_refused_to_those_who_follow(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_log, "ROWS_MAX", 5)
    consumer, behind, follower = Consumer(), Consumer(), Consumer()
    line = place.connect(Audience.ADMIN)
    follower.take(line.say(follower.request(persist=True, base=APICRYPT)))
    poll(place, behind, Audience.ADMIN, base=APICRYPT)
    life = Life(4)
    for turn in range(30):
        place.change(life.turn)
        if turn > 26:
            poll(place, consumer, Audience.ADMIN, base=APICRYPT)
    follower.take(line.wake())
    assert follower.code == 4096
    assert line.session.sleeping == 0
    # RFC 4533 §3.9: it may ask again with what it has.
    follower.take(line.say(follower.request(persist=True, base=APICRYPT, attributes=["*", "entryUUID"])))
    poll(place, behind, Audience.ADMIN, base=APICRYPT)
    for one in (consumer, behind, follower):
        assert held(one) == shown(place, Audience.ADMIN, APICRYPT)


def rows(place: Place, audience: Audience) -> int:
    snapshot = place.reader.snapshot()
    snapshot.end()
    return snapshot.views[int(audience)].rows


def test_the_log_is_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_log, "ROWS_MAX", 8)
    life = Life(6)
    for _ in range(40):
        place.change(life.turn)
        assert rows(place, Audience.ADMIN) <= 8


@pytest.mark.parametrize(
    "cookie",
    [
        b"",
        b"rid=001",
        b"nonsense \xff\x00",
        b"rid=001,csn=20000101000000.000000Z#000000#000#000000",
        b"rid=001,csn=20990101000000.000000Z#000000#000#000000",
        b"rid=001,csn=20261123101500.000042Z#000000#003#000000",
    ],
)
def test_a_cookie_that_nobody_knows_begins_anew_and_its_successor_is_later(
    place: Place, cookie: bytes
) -> None:
    life = Life(7)
    for _ in range(20):
        place.change(life.turn)
    consumer = Consumer()
    consumer.cookie = cookie
    consumer.entries[bytes(16)] = ("cn=of another time", {})
    poll(place, consumer, Audience.ADMIN, base=APICRYPT)
    assert held(consumer) == shown(place, Audience.ADMIN, APICRYPT)
    assert consumer.cookie is not None
    if cookie.startswith(b"rid=001"):
        assert consumer.cookie > cookie  # slapd ignores what is not
    poll(place, consumer, Audience.ADMIN, base=APICRYPT)
    assert held(consumer) == shown(place, Audience.ADMIN, APICRYPT)


# ------------------------------------------------------------------ the index moves


def test_marks_of_the_log_are_those_of_an_index_built_anew(people: Place, tmp_path: Path) -> None:
    life = Life(8)
    for turn in range(6):
        for _ in range(4):
            people.change(life.turn)
        set_flag(people, people_of(people)[turn], "listeRouge", b"TRUE")
        anew = IndexFolder(tmp_path / f"anew{turn}")
        refresh.rebuild(people.source, anew)
        base = Part(anew.build(1) / "base", frozen=True)
        snapshot = people.reader.snapshot()
        snapshot.end()
        found = {int(bit): mark for bit, mark in view_log.marks_of(base.meta, base.chunks).items()}
        assert {bit: head.mark for bit, head in snapshot.views.items()} == found
        base.close()


def test_a_new_base_because_there_is_too_much_keeps_the_log(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "RECENT_MAX", 10)
    life, consumer = Life(9), Consumer()
    line = place.connect(Audience.ADMIN)
    consumer.take(line.say(consumer.request(persist=True, base=APICRYPT, attributes=["*", "entryUUID"])))
    builds = set()
    for _ in range(30):
        place.change(life.turn)
        renewing.renew(place.source, place.folder)
        builds.add(place.folder.current())
        consumer.take(line.wake())
        assert held(consumer) == shown(place, Audience.ADMIN, APICRYPT)
    assert len(builds) > 2
    assert consumer.code is None


def test_what_is_committed_while_a_base_takes_the_place_of_another_leaves_the_log(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    life, consumer = Life(12), Consumer()
    for _ in range(60):
        place.change(life.turn)
    poll(place, consumer, Audience.ADMIN, base=APICRYPT)
    catch_up, caught_up = refresh._catch_up, []

    def and_somebody_writes(*some: object, **more: object) -> int | None:
        reached = catch_up(*some, **more)  # type: ignore[arg-type]
        caught_up.append(reached)
        with place.source.store().writing("cn=admin") as writer:
            count = 1000 + len(caught_up)
            writer.add(
                new(named(f"uid=late{count}", APICRYPT, life.chance, count), count.to_bytes(16, "big"))
            )
        return reached

    with monkeypatch.context() as patch:
        patch.setattr(refresh, "_catch_up", and_somebody_writes)
        refresh.rebuild(place.source, place.folder)
    assert len(caught_up) >= 3
    place.refresh()
    poll(place, consumer, Audience.ADMIN, base=APICRYPT)
    assert held(consumer) == shown(place, Audience.ADMIN, APICRYPT)
    assert len(consumer.states) == len(caught_up) < len(consumer.entries)


def test_a_base_that_shows_something_else_begins_the_log_anew(people: Place, tmp_path: Path) -> None:
    strangers, sphere = Consumer(), Consumer()
    poll(people, strangers, Audience.MSSANTE)
    poll(people, sphere, Audience.ROUTAGE)
    before = strangers.cookie, sphere.cookie
    settings = people.source.settings._replace(cn_detail=False)
    people.source = StoreSource("", people.source.state, SUFFIX, settings=settings)
    people.refresh()
    poll(people, strangers, Audience.MSSANTE)
    poll(people, sphere, Audience.ROUTAGE)
    assert held(strangers) == shown(people, Audience.MSSANTE, SUFFIX)
    assert strangers.cookie > before[0]  # type: ignore[operator]
    # What mail servers see says nothing of places and professions.
    assert sphere.cookie == before[1]


def test_after_another_boot_a_consumer_is_sent_everything_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    life, consumer = Life(10), Consumer()
    for _ in range(20):
        place.change(life.turn)
    poll(place, consumer, Audience.ADMIN, base=APICRYPT)
    before = consumer.cookie
    place.change(life.turn)
    monkeypatch.setattr("annuaire.index.folder.boot_identifier", lambda: "another0-boot")
    other = Place(place.source.state.parent)
    other.refresh()
    poll(other, consumer, Audience.ADMIN, base=APICRYPT)
    assert held(consumer) == shown(other, Audience.ADMIN, APICRYPT)
    assert consumer.cookie > before  # type: ignore[operator]
    poll(other, consumer, Audience.ADMIN, base=APICRYPT)
    assert consumer.states == []


def test_what_changes_while_the_first_copy_is_on_its_way_is_told_behind_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annuaire.index.synchronizing.CHUNK_OCTETS", 1)
    life = Life(11)
    for _ in range(40):
        place.change(life.turn)
    consumer, line = Consumer(), place.connect(Audience.ADMIN)
    turns = itertools.count()

    def meanwhile() -> None:
        turn = next(turns)
        if turn < 12:
            place.change(life.turn)
        if turn == 6:
            refresh.rebuild(place.source, place.folder)

    monkeypatch.setattr("annuaire.index.synchronizing.ENTRIES_AT_ONCE", 2)
    asked = consumer.request(persist=True, base=APICRYPT, attributes=["*", "entryUUID"])
    consumer.take(line.say(asked, meanwhile))
    assert held(consumer) == shown(place, Audience.ADMIN, APICRYPT)
    assert next(turns) > 8


def test_who_does_not_read_is_told_the_outcome_of_many_changes_once(place: Place) -> None:
    consumer, line = Consumer(), place.connect(Audience.ADMIN)
    consumer.take(line.say(consumer.request(persist=True, base=APICRYPT, attributes=["*", "entryUUID"])))
    consumer.states.clear()
    life = Life(13)
    for _ in range(40):
        place.change(life.turn)
        line.session.wake()  # its connection is full: nobody advances
    consumer.take(line.rest())
    assert held(consumer) == shown(place, Audience.ADMIN, APICRYPT)
    assert len(consumer.states) <= len(consumer.entries)


def test_one_that_waits_holds_no_build(place: Place) -> None:
    consumer, line = Consumer(), place.connect(Audience.ADMIN)
    consumer.take(line.say(consumer.request(persist=True, base=APICRYPT)))
    first = weakref.ref(place.reader._base)  # type: ignore[arg-type]
    refresh.rebuild(place.source, place.folder)
    consumer.take(line.wake())
    gc.collect()
    assert first() is None
    assert line.session.sleeping == 1


def test_who_lies_above_others_is_sent_before_them(place: Place) -> None:
    life = Life(12)
    for _ in range(60):
        place.change(life.turn)
    consumer = Consumer()
    poll(place, consumer, Audience.ADMIN)
    names = [name for _, name in consumer.states]
    known = set(names)
    for number, name in enumerate(names):
        above = name.partition(",")[2]
        assert above not in known or above in names[:number], name


# ------------------------------------------------------------------ what is refused


def test_strangers_are_cut_by_the_servers_limit_and_accounts_are_not(people: Place) -> None:
    stranger, known = Consumer(), Consumer()
    stranger.take(people.connect(Audience.PUBLIC, bound=False).say(stranger.request(base=PERSONNES)))
    assert stranger.code == 4
    assert stranger.cookie is None
    assert len(stranger.entries) == 20
    poll(people, known, Audience.MSSANTE, base=PERSONNES)
    assert len(known.entries) > 50
    known = Consumer()
    known.take(people.connect(Audience.MSSANTE).say(known.request(base=PERSONNES, size_limit=7)))
    assert (known.code, len(known.entries), known.cookie) == (4, 7, None)


@pytest.mark.parametrize(
    ("base", "scope", "code"),
    [
        ("ou=nowhere,o=apicrypt,c=FR", 2, 32),
        ("not a name", 2, 34),
        ("", 0, 53),
        ("cn=Subschema", 0, 53),
    ],
)
def test_where_there_is_no_content(place: Place, base: str, scope: int, code: int) -> None:
    consumer = Consumer()
    consumer.take(place.connect(Audience.ADMIN).say(consumer.request(base=base, scope=scope)))
    assert (consumer.code, consumer.entries) == (code, {})


def test_controls_that_cannot_go_with_it_are_refused_when_they_are_critical(place: Place) -> None:
    sync_request = sync.request(False)
    pages = controls.paged_results(10, b"", critical=True)
    line = place.connect(Audience.ADMIN)
    assert asking.codes(line.say(asking.search(1, sent=[sync_request, pages]))) == [(1, 12)]
    pages = controls.paged_results(10, b"")
    answers = asking.read(line.say(asking.search(2, sent=[sync_request, pages])))
    assert [one.oid for one in answers[-1].controls] == [controls.SYNC_DONE]
    broken = Control(controls.SYNC_REQUEST, True, b"\x30\x03\x0a\x01\x02")
    assert asking.codes(line.say(asking.search(3, sent=[broken]))) == [(3, 2)]


def test_searches_that_wait_are_bounded(place: Place) -> None:
    line = place.connect(Audience.ADMIN)
    consumer = Consumer()
    for number in range(1, SLEEPERS_MAX + 1):
        consumer.take(line.say(consumer.request(persist=True, number=number)))
        assert consumer.code is None
    consumer.take(line.say(consumer.request(persist=True, number=99)))
    assert consumer.code == 11
    assert line.session.sleeping == SLEEPERS_MAX
    line.session.close()
    assert line.session.sleeping == 0
    assert place.service.followers._count == 0


# ------------------------------------------------------------------ passwords


def test_hashes_are_copied_to_those_who_may_and_to_nobody_else(place: Place) -> None:
    kept = ber.encode_attributes({"userPassword": [b"{SSHA}abcd", b"{SCRAM-SHA-256}4096:c2Vs$a:b"]})
    person = invented.Thing(
        f"uid=one,{APICRYPT}", {"objectClass": [b"person"], "sn": [b"x"], "cn": [b"x"]}, 63, kept
    )
    place.change(lambda writer: writer.add(new(person)))  # type: ignore[attr-defined]
    for attributes, passwords, wanted in (
        (["*"], True, [b"{SSHA}abcd"]),
        (["userPassword"], True, [b"{SSHA}abcd"]),
        (["cn"], True, None),
        (["*"], False, None),
        (["userPassword"], False, None),
    ):
        consumer = Consumer()
        line = place.connect(Audience.ADMIN, passwords=passwords)
        consumer.take(line.say(consumer.request(base=APICRYPT, attributes=attributes)))
        assert consumer.entries[person.uuid.bytes][1].get("userPassword") == wanted


def test_the_number_of_a_message_is_kept(place: Place) -> None:
    consumer, line = Consumer(), place.connect(Audience.ADMIN)
    answers = asking.read(line.say(consumer.request(persist=True)))
    assert {answer.message_id for answer in answers} == {MESSAGE}
