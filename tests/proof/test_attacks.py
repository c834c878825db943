"""Ways to find out about somebody hidden that were tried one by one; some of them worked once.

Each test makes the same directory with and without somebody, and asks what gave them away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asking
import hidden_people
import two_directories
from hidden_people import HIDDEN, Account, Invention
from interviews import cookie_in
from two_directories import SECOND_DAY, THIRD_DAY, Client, Place

from annuaire.domain.audience import Audience
from annuaire.domain.mailbox import Mailbox
from annuaire.ldap import controls

Story = Callable[[Place, bool], None]


@contextmanager
def both(folder: Path, story: Story) -> Iterator[list[Place]]:
    """The same story twice: with somebody hidden, and without."""
    with two_directories.held_time() as held:
        places = []
        for hidden in (True, False):
            place = Place(folder / str(hidden), held)
            place.import_ldif(hidden_people.folders(), same="base")
            story(place, hidden)
            place.refresh()
            places.append(place)
        yield places
        for place in places:
            place.close()


def answers(places: list[Place], request: bytes, audience: Audience = Audience.PUBLIC) -> list[bytes]:
    return [Client(place.service(audience)).say(request) for place in places]


EVERYTHING = asking.search(1, "(objectClass=inetOrgPerson)", attributes=["*", "+"])


def hidden_account(person: hidden_people.Person, reason: str = "liste rouge") -> Account:
    return Invention(2).account(person, HIDDEN[reason])


# ------------------------------------------------------------------ names


def test_an_identification_in_another_spelling_takes_nobody_s_name(tmp_path: Path) -> None:
    """Names of entries tell no case: the account came, and the mailbox of the other left the directory."""
    person = Invention(1).person("DUPONT")._replace(kind="3", identifier="990000001/ab12")
    row = Invention(1).row(person)
    account = hidden_account(person._replace(identifier="990000001/AB12"))

    def story(place: Place, hidden: bool) -> None:
        place.import_mailboxes([row])
        place.refresh()
        if hidden:
            place.import_ldif(hidden_people.ldif_of([account]), SECOND_DAY)
            place.refresh()
            place.import_ldif(hidden_people.ldif_of([account], HIDDEN["suspended"]), THIRD_DAY)

    with both(tmp_path, story) as places:
        first, second = answers(places, EVERYTHING)
        assert first == second
        assert len(asking.entries(first)) == 1


# ------------------------------------------------------------------ pages


def paged(client: Client) -> Iterator[bytes]:
    """The names of everybody, in pages of one."""
    cookie, more = b"", True
    while more:
        answer = client.say(asking.search(1, "(mail=*)", sent=[controls.paged_results(1, cookie)]))
        yield from [entry.dn for entry in asking.entries(answer)]
        cookie = cookie_in(answer)
        more = bool(cookie)


def test_a_page_begins_where_the_one_before_ended_whatever_else_has_the_same_entry_uuid(
    tmp_path: Path,
) -> None:
    """A cookie holds the beginning of a place and an entryUUID. One name may have several entries, of one UUID: that
    of administrators, whose name sorts elsewhere, was taken for the place."""
    long = "Ж" * 100
    invention = Invention(1)
    people = [invention.person("Я")._replace(given=f"{long}Ж")]
    people += [invention.person(letter)._replace(given=long) for letter in "ЗИК"]
    people.append(invention.person("Щ")._replace(given="Щ"))
    rows = [invention.row(one)._replace(address=f"x{i}@medecin.mssante.fr") for i, one in enumerate(people)]
    account = hidden_account(people[0]._replace(given=long, family=f"{long}Ж"))._replace(
        uid="x", native="x@medical59.apicrypt.org", interop="x@interop-mssante.apicrypt.org"
    )

    def story(place: Place, hidden: bool) -> None:
        if hidden:
            place.import_ldif(hidden_people.ldif_of([account]))
        place.import_mailboxes(rows)

    with both(tmp_path, story) as places:
        first, second = [list(paged(Client(place.service()))) for place in places]
        assert first == second
        assert len(set(first)) == len(first) == len(people)


# ------------------------------------------------------------------ what was imported when


def test_activities_that_were_kept_for_a_hidden_account_say_nothing_of_a_mailbox(tmp_path: Path) -> None:
    """Activities are kept of whom we know. Somebody hidden was known before their mailbox was published: then the
    mailbox had a town and a speciality at once, and everybody else's not before the next list of activities."""
    invention = Invention(1)
    known, other = invention.person(), invention.person()
    account = hidden_account(known)
    people = hidden_people.People(
        [], [], [], [], [hidden_people.activity_of(known), hidden_people.activity_of(other)]
    )

    def story(place: Place, hidden: bool) -> None:
        place.import_mailboxes([invention_row(other)])
        if hidden:
            place.import_ldif(hidden_people.ldif_of([account]))
        place.import_activities(people)
        place.import_mailboxes([invention_row(other), invention_row(known)], SECOND_DAY)

    def again(place: Place, hidden: bool) -> None:
        story(place, hidden)
        place.refresh()
        place.import_activities(people, THIRD_DAY)

    for number, told in enumerate((story, again)):
        with both(tmp_path / str(number), told) as places:
            first, second = answers(places, EVERYTHING)
            assert first == second
            assert towns(first) == 1 + number
            # The sphere knows the account, and what goes with it.
            sphere = answers(places, EVERYTHING, Audience.APICRYPT)
            assert (towns(sphere[0]), towns(sphere[1])) == (2, 1 + number)


def towns(answer: bytes) -> int:
    """Of how many people an answer tells the town that activities say."""
    return sum(b"QUIMPER" in entry.attributes.get("l", ()) for entry in asking.entries(answer))


def invention_row(person: hidden_people.Person) -> Mailbox:
    return Invention(person.number).row(person, "medecin.mssante.fr")
