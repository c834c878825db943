"""Somebody becomes hidden while strangers read: what they are told before, in between and afterwards.

Note [Secrecy before availability] (actions/recording.py): between a commit that hides somebody and the index that
contains it, strangers are told to come back; nobody else is.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asking
import hidden_people
import pytest
import two_directories
from hidden_people import HIDDEN, Account, Invention, People
from interviews import cookie_in
from operations import PERSONNES
from two_directories import MEMBERS, SECOND_DAY, SECRET, STRANGERS, Client, Place

from annuaire import config as configuration
from annuaire.actions import recording, refresh
from annuaire.domain.audience import Audience
from annuaire.errors import Unavailable
from annuaire.index import folder as folders
from annuaire.index import gather
from annuaire.index.folder import IndexFolder
from annuaire.ldap import controls
from annuaire.ldap.results import ResultCode
from annuaire.server import prepare

EVERYBODY = asking.search(2, "(objectClass=inetOrgPerson)", attributes=["*", "+"])
# The same people, by a filter that no set of entries answers: each is looked at, a slice of work at a time.
ONE_BY_ONE = asking.search(2, "(sn>=0)", attributes=["*", "+"])


@pytest.fixture(scope="module")
def people() -> People:
    return hidden_people.invent(7, seen=60, hidden=12)


@pytest.fixture
def place(tmp_path: Path, people: People) -> Iterator[Place]:
    """Everybody is seen yet."""
    with two_directories.held_time() as held:
        place = Place(tmp_path / "var", held)
        two_directories.seen_at_first(place, people)
        yield place
        place.close()


@pytest.fixture
def without(tmp_path: Path, people: People, place: Place) -> Iterator[Place]:
    """Who is about to hide was never there."""
    with two_directories.held_time() as held:
        other = Place(tmp_path / "without", held)
        other.copy_ledger(place)
        two_directories.common(other, people)
        other.refresh()
        yield other
        other.close()


def hide(place: Place, people: People) -> None:
    """Committed, and not yet in the index."""
    place.import_ldif(hidden_people.ldif_of(people.hidden), SECOND_DAY)


def connected(place: Place, audience: Audience) -> Client:
    client = Client(place.service(size=0))
    if audience != Audience.PUBLIC:
        assert asking.codes(client.say(asking.bind(1, MEMBERS[audience], SECRET))) == [(1, 0)]
    return client


def names_of(accounts: list[Account]) -> set[bytes]:
    """The names under which strangers saw them, of those who have an identification."""
    return {f"uid={one.person.national},{PERSONNES}".encode() for one in accounts if one.person.kind}


def code(answer: bytes) -> int:
    return asking.codes(answer)[-1][1]


# ------------------------------------------------------------------ between the commit and the index


@pytest.mark.parametrize("audience", STRANGERS)
def test_strangers_are_told_to_come_back_until_the_index_has_it(
    place: Place, without: Place, people: People, audience: Audience
) -> None:
    client, other = connected(place, audience), connected(without, audience)
    before = client.say(EVERYBODY)
    assert before != other.say(EVERYBODY)
    hide(place, people)
    questions = (
        EVERYBODY,
        asking.search(2, "(uid=nobody)"),
        asking.search(2, "(objectClass=*)", base=people.hidden[0].dn, scope=0),
        asking.search(2, "(objectClass=*)", base=PERSONNES, scope=0, attributes=["numSubordinates"]),
        asking.search(2, "(mail=*)", sent=[controls.paged_results(5, b"")]),
        asking.compare(2, f"uid={people.hidden[0].person.national},{PERSONNES}", "sn", b"x"),
    )
    for question in questions:
        assert code(client.say(question)) == ResultCode.busy
        assert not asking.entries(client.say(question))
    for question in (
        asking.search(2, "(objectClass=*)", base="", scope=0),
        asking.bind(2),
        asking.extended(2, "1.2"),
    ):
        assert client.say(question) == other.say(question)
    client = connected(place, audience)
    place.refresh()
    assert client.say(EVERYBODY) == other.say(EVERYBODY)


@pytest.mark.parametrize("audience", [Audience.APICRYPT, Audience.DGS])
def test_everybody_else_is_answered_meanwhile(place: Place, people: People, audience: Audience) -> None:
    client = connected(place, audience)
    hide(place, people)
    answer = client.say(EVERYBODY)
    assert code(answer) == ResultCode.success
    assert names_of(people.hidden) <= {entry.dn for entry in asking.entries(answer)}


def test_a_change_that_hides_nobody_makes_nobody_wait(place: Place, people: People) -> None:
    client = connected(place, Audience.PUBLIC)
    before = client.say(EVERYBODY)
    other = Invention(99).account(Invention(98).person("AUTRE"), hidden_people.SEEN)
    place.import_ldif(hidden_people.ldif_of([other]), SECOND_DAY)
    assert client.say(EVERYBODY) == before


@pytest.mark.parametrize("reason", [*HIDDEN, "deleted"])
def test_every_way_of_hiding_is_announced(place: Place, people: People, reason: str) -> None:
    account = people.hidden[0]
    client = connected(place, Audience.PUBLIC)
    if reason == "deleted":
        place.import_ldif(hidden_people.deletions([account]), SECOND_DAY)
    else:
        place.import_ldif(hidden_people.ldif_of([account], HIDDEN[reason]), SECOND_DAY)
    assert code(client.say(EVERYBODY)) == ResultCode.busy
    place.refresh()
    answer = client.say(EVERYBODY)
    assert code(answer) == ResultCode.success
    assert account.interop.encode() not in answer


# ------------------------------------------------------------------ a writer that is killed


def killed(place: Place, at: str, account: Account) -> None:
    """A process that hides somebody and is killed before its commit, or before it refreshes the index."""
    program = f"""
import os
from pathlib import Path

from annuaire.actions import preparing, recording
from annuaire.actions.source import StoreSource
from annuaire.index.folder import IndexFolder
from annuaire.ldap import dn

source = StoreSource("", Path({str(place.state)!r}), {hidden_people.SUFFIX!r})
recording.show = lambda *_: os._exit(9)
with recording.recording(source, IndexFolder(Path({str(place.folder.path)!r})), "cn=admin") as begun:
    row = begun.writer.entry(dn.key(dn.parse({account.dn!r}), source.schema()))
    attributes = preparing.decode(row.attributes, row.passwords) | {{"listeRouge": [b"TRUE"]}}
    begun.writer.replace(row, *preparing.encode(attributes), row.structural, row.person, row.account)
    begun.hides = True
    if {at!r} == "announced":
        begun.writer.finish = lambda: os._exit(9)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.returncode == 9, done.stderr.decode()


def test_a_writer_killed_behind_its_commit_leaves_strangers_waiting_for_the_index(
    place: Place, people: People
) -> None:
    client = connected(place, Audience.PUBLIC)
    killed(place, "committed", people.hidden[0])
    refresh.release(place.source, place.folder)  # what the follower does: it changes nothing here
    assert code(client.say(EVERYBODY)) == ResultCode.busy
    place.refresh()
    assert code(client.say(EVERYBODY)) == ResultCode.success


def test_a_writer_killed_before_its_commit_makes_strangers_wait_until_that_is_noticed(
    place: Place, people: People
) -> None:
    client = connected(place, Audience.PUBLIC)
    before = client.say(EVERYBODY)
    killed(place, "announced", people.hidden[0])
    assert code(client.say(EVERYBODY)) == ResultCode.busy
    refresh.release(place.source, place.folder)
    assert client.say(EVERYBODY) == before


def test_after_another_boot_the_base_alone_shows_nobody_who_hid_since(
    place: Place, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written since the base goes with a boot (folder.py); it is made anew from the store, a moment later."""
    hide(place, people)
    place.refresh()
    place.import_ldif(hidden_people.deletions([people.seen[0]]), SECOND_DAY)
    place.refresh()
    killed(place, "announced", people.hidden[0])
    refresh.release(place.source, place.folder)
    expected = connected(place, Audience.PUBLIC).say(EVERYBODY)
    assert code(expected) == ResultCode.success
    monkeypatch.setattr(folders, "boot_identifier", lambda: "another boot")
    client = connected(place, Audience.PUBLIC)
    assert code(client.say(EVERYBODY)) == ResultCode.busy
    place.refresh()
    assert client.say(EVERYBODY) == expected


def test_what_another_machine_hid_is_waited_for_at_a_start(
    place: Place, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object, **_named: object) -> None:
        raise Unavailable("it takes a while")

    client = connected(place, Audience.PUBLIC)
    place.import_ldif(hidden_people.ldif_of(people.hidden), SECOND_DAY, announced=False)
    assert code(client.say(EVERYBODY)) == ResultCode.success
    monkeypatch.setenv("ANNUAIRE_STATE", str(place.state))
    with monkeypatch.context() as patch:
        patch.setattr(refresh, "refresh", fail)
        with pytest.raises(Unavailable, match="a while"):
            prepare._prepare(configuration.load(None))
    assert code(client.say(EVERYBODY)) == ResultCode.busy
    place.refresh()
    assert people.hidden[0].interop.encode() not in client.say(EVERYBODY)


def test_a_start_with_nothing_new_makes_nobody_wait(place: Place) -> None:
    client = connected(place, Audience.PUBLIC)
    before = client.say(EVERYBODY)
    refresh.hold_back(place.source, place.folder)
    assert client.say(EVERYBODY) == before


def test_a_refresh_that_fails_leaves_strangers_waiting_and_tells_the_writer(
    place: Place, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object, **_named: object) -> None:
        raise Unavailable("the index cannot be written", "disk full")

    def write() -> None:
        with recording.recording(place.source, place.folder, "cn=admin") as begun:
            begun.writer.record_everything()
            begun.hides = True

    client = connected(place, Audience.PUBLIC)
    with monkeypatch.context() as patch:
        patch.setattr(refresh, "refresh", fail)
        with pytest.raises(Unavailable, match="pas encore visible"):
            write()
    assert code(client.say(EVERYBODY)) == ResultCode.busy
    place.refresh()
    assert code(client.say(EVERYBODY)) == ResultCode.success


def test_what_was_announced_and_undone_makes_nobody_wait(place: Place) -> None:
    client = connected(place, Audience.PUBLIC)
    before = client.say(EVERYBODY)

    def write() -> None:
        with recording.hiding(place.store, place.folder) as announce, place.store.writing() as writer:
            announce(writer.record_everything())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert client.say(EVERYBODY) == before


def test_an_announcement_is_on_the_disk_before_the_commit_that_it_is_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store survives a loss of power and the index does not: what is lost of the beacon would show somebody."""
    synced: list[int] = []

    class Watched(folders.mmap.mmap):  # type: ignore[misc]
        def flush(self, *arguments: int) -> None:
            synced.append(IndexFolder.hidden_in(self[:]))
            super().flush(*arguments)

    monkeypatch.setattr(folders.mmap, "mmap", Watched)
    IndexFolder(tmp_path / "index").hide_until(17)
    assert synced == [17]


def test_an_announcement_is_not_lost_when_the_index_moves_at_that_moment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes write the beacon, each under a lock of its own."""
    current = IndexFolder.current

    def meanwhile(folder: IndexFolder) -> int | None:
        with monkeypatch.context() as patch:
            patch.setattr(IndexFolder, "current", current)
            IndexFolder(folder.path).hide_until(1_000_000)
            return current(folder)

    client = connected(place, Audience.PUBLIC)
    monkeypatch.setattr(IndexFolder, "current", meanwhile)
    place.folder.announce()
    monkeypatch.undo()
    assert place.folder.hidden_until() == 1_000_000
    assert code(client.say(EVERYBODY)) == ResultCode.busy


# ------------------------------------------------------------------ answers under way


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is a slice."""
    monkeypatch.setattr(gather, "SLICE_SECONDS", -1.0)


class Once:
    """Does something between the nth two slices of an answer; keeps what had been sent until then."""

    def __init__(self, at: int, act: Callable[[], None]) -> None:
        self.at, self.act = at, act

    def __call__(self) -> None:
        self.at -= 1
        if self.at == 0:
            self.act()


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("audience", "at", "rebuilt"),
    [
        (Audience.PUBLIC, 1, False),
        (Audience.MSSANTE, 20, False),
        (Audience.PUBLIC, 60, False),
        (Audience.MSSANTE, 1, True),
        (Audience.PUBLIC, 20, True),
    ],
)
def test_a_stream_goes_on_without_whoever_became_hidden(
    place: Place, without: Place, people: People, audience: Audience, at: int, rebuilt: bool
) -> None:
    expected = asking.entries(connected(without, audience).say(ONE_BY_ONE))
    client = connected(place, audience)
    pieces: list[int] = []

    def act() -> None:
        hide(place, people)
        if rebuilt:
            refresh.rebuild(place.source, place.folder)
        else:
            place.refresh()
        pieces.append(len(sent))

    sent = bytearray()
    session = client.session
    sent += session.receive(ONE_BY_ONE, time.monotonic())
    between = Once(at, act)
    while not session.idle:
        between()
        sent += session.advance(time.monotonic())
    assert pieces, "the answer had ended before"
    before, after = asking.entries(bytes(sent[: pieces[0]])), asking.entries(bytes(sent[pieces[0] :]))
    assert code(bytes(sent)) == ResultCode.success
    # What was sent before was true then; what comes after is what strangers see of those who are left. Whose entry
    # has another content now is left out by a stream that began in another build.
    told = {entry.dn for entry in before}
    left = {entry.dn: entry.attributes for entry in expected if entry.dn not in told}
    assert {entry.dn: entry.attributes for entry in after}.items() <= left.items()
    assert left.keys() - {entry.dn for entry in after} <= (names_of(people.hidden) if rebuilt else set())


@pytest.mark.usefixtures("slow")
def test_a_stream_ends_when_somebody_hides_and_the_index_has_it_not_yet(place: Place, people: People) -> None:
    client = connected(place, Audience.PUBLIC)
    answer = client.say(ONE_BY_ONE, Once(20, lambda: hide(place, people)))
    assert code(answer) == ResultCode.busy
    assert len(asking.entries(answer)) < len(asking.entries(connected_after(place).say(ONE_BY_ONE)))


def connected_after(place: Place) -> Client:
    place.refresh()
    return connected(place, Audience.PUBLIC)


@pytest.mark.parametrize("sort", [(), (controls.sort_request([controls.SortKey("sn")]),)])
def test_pages_go_on_without_whoever_became_hidden(
    place: Place, without: Place, people: People, sort: tuple[controls.Control, ...]
) -> None:
    client, other = connected(place, Audience.PUBLIC), connected(without, Audience.PUBLIC)

    def page(asked: Client, cookie: bytes) -> tuple[list[bytes], bytes, int]:
        answer = asked.say(asking.search(3, "(sn=*)", sent=[controls.paged_results(7, cookie), *sort]))
        return [entry.dn for entry in asking.entries(answer)], cookie_in(answer), code(answer)

    first, cookie, _ = page(client, b"")
    hide(place, people)
    assert page(client, cookie) == ([], b"", ResultCode.busy)
    place.refresh()
    found = []
    while cookie:
        some, cookie, result = page(client, cookie)
        assert result == ResultCode.success
        found += some
    every, cookie = [], b"begin"
    while cookie:
        some, cookie, _ = page(other, b"" if cookie == b"begin" else cookie)
        every += some
    if not sort:  # a sorted page begins at a number, in what is sorted now
        assert found == [one for one in every if one not in first]
    assert not set(found) - set(every)
