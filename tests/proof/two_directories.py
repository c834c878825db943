"""Two directories that differ by hidden people alone, made as an operator makes them, and a client of each.

Files are imported, the index is built and refreshed, sessions take octets and give octets. The clock of the store and
the entryUUIDs of imports are held, so that what both directories have is the same to the last octet.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hidden_people
import pytest
from both_directories import MAILBOXES as EXTRACTION
from both_directories import begun, load_list
from hidden_people import SUFFIX, People

from annuaire.actions import import_records, import_source, initialise, refresh
from annuaire.actions.source import StoreSource
from annuaire.domain.audience import Audience
from annuaire.domain.domains import Domains
from annuaire.domain.mailbox import Mailbox
from annuaire.domain.password import Remembered
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.query import SizeLimits
from annuaire.index.reader import Reader
from annuaire.index.search import Directory, Settings
from annuaire.ldap import schema as schemas
from annuaire.ldap import tree
from annuaire.ldap.root_dse import OwnEntries
from annuaire.ldap.service import Observer, Service
from annuaire.ldap.session import Session
from annuaire.passwords import hashes
from annuaire.publishing import ldif
from annuaire.store import engine

SCHEMA = schemas.standard()
HEADER = EXTRACTION.read_text("utf-8-sig").split("\n", 1)[0].strip("\r|")
STRANGERS = (Audience.PUBLIC, Audience.MSSANTE)
COOKIE_KEY = bytes(range(32))
# The server's own limits, so low that searches meet them.
SIZE = 30
FIRST_DAY, SECOND_DAY, THIRD_DAY, FOURTH_DAY = [f"2026110{day}080000Z" for day in range(1, 5)]
# Who binds in the name of an audience, and the password of all of them.
SECRET = b"un-secret-de-test"
MEMBERS = {
    audience: f"uid={audience.name.lower()},{hidden_people.COMPTES}"
    for audience in (Audience.MSSANTE, Audience.DGS, Audience.APICRYPT)
}


class Time:
    """The clock of the store, and the entryUUIDs of the next import."""

    def __init__(self) -> None:
        self.at = FIRST_DAY
        self.uuids = bytes(11)
        self._count = 0

    def begin(self) -> None:
        """Another directory is made."""
        self.at, self._count = FIRST_DAY, 0

    def uuid(self) -> bytes:
        self._count += 1
        return self._count.to_bytes(16)


@contextmanager
def held_time() -> Iterator[Time]:
    held = Time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "now", lambda: held.at)
        patch.setattr(import_source, "_uuid_prefix", lambda: held.uuids)
        patch.setattr(initialise, "_random_uuid", held.uuid)
        yield held


class Place:
    """One directory: its store, its index and who asks it."""

    def __init__(self, state: Path, held: Time, trees: tuple[str, ...] = ()) -> None:
        self.source = StoreSource("", state, SUFFIX, trees=trees)
        self.store = self.source.store()
        self.folder = IndexFolder(state / "index")
        self.state = state
        self._time = held
        settings = self.source.settings
        self._ours = Domains(settings.native, settings.interop, settings.dgs)
        self._files = 0
        held.begin()
        begun(self.source)
        load_list(self.store)

    def import_ldif(
        self, data: bytes, at: str = FIRST_DAY, *, same: str = "", announced: bool = True
    ) -> None:
        """`same`: a name for what both directories are given, so that it has the same entryUUIDs in both.

        `announced`: False when it is another machine that does it.
        """
        self._files += 1
        self._time.at = at
        # The first eleven octets of RFC 9562's version 7; the line of the file makes the rest.
        mark = same.encode()[:4].rjust(5, b"\0") if same else b"\xff" + self._files.to_bytes(4)
        self._time.uuids = b"\x01" + mark + b"\x70\x00\x80\x00\x00"
        scope = import_source.Scope(tuple(schemas.shipped()), SUFFIX, self.source.trees)
        report = import_source.import_ldif(
            self.store,
            scope,
            io.BytesIO(data),
            name="f.ldif",
            processes=0,
            folder=self.folder if announced else None,
        )
        assert report.applied, report.refusals

    def import_mailboxes(self, rows: Sequence[Mailbox], at: str = FIRST_DAY) -> None:
        self._time.at = at
        data = hidden_people.extraction(rows, HEADER)
        import_records.import_mailboxes(
            self.store, io.BytesIO(data), name="e.txt", is_interop=self._ours.is_interop, removals_max=100
        )

    def import_activities(self, people: People, at: str = FIRST_DAY) -> None:
        self._time.at = at
        data = hidden_people.activity_list(people.activities)
        import_records.import_activities(
            self.store, io.BytesIO(data), name="a.txt", is_ours=self._ours.is_ours, removals_max=100
        )

    def refresh(self) -> None:
        refresh.refresh(self.source, self.folder)

    def copy_ledger(self, other: Place) -> None:
        """What DESIGN §10 (3) holds equal: which addresses were ever given, and to whom."""
        with other.store.reading() as reader:
            rows = reader.ledger_after(limit=100_000)
        with self.store.writing() as writer:
            for row in rows:
                writer.allocate(row)

    def service(
        self, anonymous: Audience = Audience.PUBLIC, observer: Observer | None = None, size: int = SIZE
    ) -> Service:
        """As a worker makes it (server/app.py); `size`: the server's own limit, 0 for none."""
        numbering = Numbering(SCHEMA)
        limits = SizeLimits(dict.fromkeys(STRANGERS, size), {Audience.APICRYPT: size})
        reader = Reader(self.folder, numbering)
        return Service(
            directory=Directory(reader, numbering, Settings(SUFFIX, limits, 60.0), COOKIE_KEY),
            schema=SCHEMA,
            own_entries=OwnEntries(SCHEMA, [SUFFIX], "annuaire 0.1.0"),
            tree=tree.plant(SUFFIX, (), SCHEMA),
            anonymous=anonymous,
            remembered=Remembered(300),
            observer=observer,
            observe_operations=observer is not None,
        )

    def close(self) -> None:
        self.store.close()


class Client:
    """One connection to one directory, carried on until nothing more is to come."""

    def __init__(self, service: Service) -> None:
        self.session = Session(service, "198.51.100.7:1")
        self.closed = False

    def say(self, data: bytes, between: Callable[[], None] = lambda: None) -> bytes:
        """`between` is called between two slices of an answer."""
        session = self.session
        answer = session.receive(data, time.monotonic())
        while not session.idle:
            if session.closing:
                self.closed = True
                break
            between()
            work = session.outside
            if work is not None:
                assert hasattr(work, "hashes"), "a stranger's write was handed over"
                answer += session.resume(hashes.verify(work.hashes, work.password), time.monotonic())
            else:
                answer += session.advance(time.monotonic())
        return answer


def members() -> bytes:
    """The accounts of audiences, with a hash that is quickly verified."""
    digest = ldif_hash(SECRET)
    return b"".join(
        ldif.format_entry(
            name,
            [
                ("objectClass", b"account"),
                ("objectClass", b"annuaireCompte"),
                ("uid", audience.name.lower().encode()),
                ("annuaireAudience", audience.name.lower().encode()),
                ("userPassword", digest),
            ],
        )
        for audience, name in MEMBERS.items()
    )


def ldif_hash(secret: bytes) -> bytes:
    import base64
    import hashlib

    salt = b"sel-sel-"
    return b"{SSHA}" + base64.b64encode(hashlib.sha1(secret + salt).digest() + salt)  # noqa: S324


class Pair(tuple[Place, Place]):
    """`whole` has everybody, `without` has only those whom strangers see."""

    __slots__ = ()

    @property
    def whole(self) -> Place:
        return self[0]

    @property
    def without(self) -> Place:
        return self[1]

    def close(self) -> None:
        for place in self:
            place.close()


def common(place: Place, people: People, hidden: bytes = b"", own_rows: Sequence[Mailbox] = ()) -> None:
    """What both directories have, from the same moments on; `hidden`: what one of them has beside."""
    accounts(place, people, hidden)
    place.import_mailboxes([*people.rows, *own_rows])
    place.import_activities(people)


def accounts(place: Place, people: People, hidden: bytes = b"") -> None:
    place.import_ldif(hidden_people.folders() + members(), same="base")
    place.import_ldif(hidden_people.ldif_of(people.seen), same="seen")
    if hidden:
        place.import_ldif(hidden)
    place.import_ldif(hidden_people.groups([*people.seen, *(people.hidden if hidden else ())]))


def common_in_another_order(place: Place, people: People, hidden: bytes = b"") -> None:
    """Activities before the mailboxes: they are kept of whom accounts alone make known, then of everybody."""
    accounts(place, people, hidden)
    place.import_activities(people)
    place.import_mailboxes(people.rows, SECOND_DAY)
    place.refresh()
    place.import_mailboxes(people.rows[::2], THIRD_DAY)
    place.import_activities(people, THIRD_DAY)
    place.import_mailboxes(people.rows, FOURTH_DAY)


def in_the_base(place: Place, people: People) -> None:
    hidden = hidden_people.ldif_of(people.hidden) + hidden_people.below(people.hidden)
    common(place, people, hidden, people.rows_of_the_hidden)
    place.refresh()


def in_another_order(place: Place, people: People) -> None:
    common_in_another_order(place, people, hidden_people.ldif_of(people.hidden))
    place.refresh()


def in_the_recent_part(place: Place, people: People) -> None:
    common(place, people)
    place.refresh()
    place.import_ldif(hidden_people.ldif_of(people.hidden), SECOND_DAY)
    place.import_ldif(hidden_people.below(people.hidden), SECOND_DAY)
    place.import_mailboxes([*people.rows, *people.rows_of_the_hidden], SECOND_DAY)
    place.refresh()


def seen_at_first(place: Place, people: People) -> None:
    """Everybody is seen; nobody hides yet."""
    common(place, people, hidden_people.ldif_of(people.hidden, hidden_people.SEEN), people.rows_of_the_hidden)
    place.refresh()


def hidden_by_a_change(place: Place, people: People) -> None:
    seen_at_first(place, people)
    place.import_ldif(hidden_people.ldif_of(people.hidden), SECOND_DAY)
    place.refresh()


def deleted(place: Place, people: People) -> None:
    seen_at_first(place, people)
    place.import_ldif(hidden_people.deletions(people.hidden), SECOND_DAY)
    place.refresh()


def deleted_and_restored(place: Place, people: People) -> None:
    deleted(place, people)
    place.import_ldif(hidden_people.ldif_of(people.hidden), THIRD_DAY)
    place.refresh()


def hidden_and_rebuilt(place: Place, people: People) -> None:
    hidden_by_a_change(place, people)
    refresh.rebuild(place.source, place.folder)


def show_again(place: Place, people: People) -> None:
    """The reverse: nobody hides any more."""
    place.import_ldif(hidden_people.ldif_of(people.hidden, hidden_people.SEEN), SECOND_DAY)
    place.refresh()


Making = Callable[[Place, People], None]
WAYS: dict[str, Making] = {
    "in the base": in_the_base,
    "in the recent part": in_the_recent_part,
    "hidden by a change": hidden_by_a_change,
    "deleted": deleted,
    "deleted and restored": deleted_and_restored,
    "hidden and rebuilt": hidden_and_rebuilt,
    "in another order": in_another_order,
}


@contextmanager
def pair(folder: Path, people: People, making: Making) -> Iterator[Pair]:
    """Both directories; the ledger of the whole one is that of the other too (DESIGN §10 (3))."""
    with held_time() as held:
        whole = Place(folder / "whole", held)
        making(whole, people)
        without = Place(folder / "without", held)
        without.copy_ledger(whole)
        (common_in_another_order if making is in_another_order else common)(without, people)
        without.refresh()
        made = Pair((whole, without))
        try:
            yield made
        finally:
            made.close()
