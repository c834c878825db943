"""A tree beside our suffix may be read by everybody and name people: whom a stranger does not see is not named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asking
import pytest
import two_directories
from hidden_people import APICRYPT, CABINET, HIDDEN, SEEN, Account, Invention, folders, ldif_of
from operations import PERSONNES
from two_directories import SECOND_DAY, STRANGERS, THIRD_DAY, Client, Place

from annuaire.actions import refresh
from annuaire.domain.audience import Audience
from annuaire.ldap.results import ResultCode
from annuaire.publishing import ldif

TREE = "o=groupes"
GROUP = f"cn=cardiologues,{TREE}"
ALL = asking.search(1, "(objectClass=*)", TREE, attributes=["*", "+"])


def virtual(account: Account) -> str:
    return f"uid={account.person.national},{PERSONNES}"


def tree(members: list[str]) -> bytes:
    """A group, an entry with other names of people, and one that names nobody."""
    pairs = [("objectClass", "groupOfNames"), ("cn", "cardiologues"), *[("member", one) for one in members]]
    return b"".join(
        (
            ldif.format_entry(TREE, [("objectClass", b"organization"), ("o", b"groupes")]),
            ldif.format_entry(GROUP, [(name, value.encode()) for name, value in pairs]),
            ldif.format_entry(
                f"cn=secret,{TREE}",
                [
                    ("objectClass", b"groupOfUniqueNames"),
                    ("cn", b"secret"),
                    ("uniqueMember", f"cn=autre,{TREE}".encode()),
                    *[
                        ("uniqueMember", f"{one}#'01'B".encode())
                        for one in members
                        if one.startswith("uid=8")
                    ],
                    *[("seeAlso", one.encode()) for one in members],
                ],
            ),
        )
    )


@pytest.fixture(scope="module")
def accounts() -> list[Account]:
    invention = Invention(1)
    return [invention.account(invention.person(name), SEEN) for name in ("MARTIN", "DUPONT", "LEFÈVRE")]


@pytest.fixture
def place(tmp_path: Path, accounts: list[Account]) -> Iterator[Place]:
    with two_directories.held_time() as held:
        place = Place(tmp_path / "var", held, (TREE,))
        place.import_ldif(folders() + ldif_of(accounts))
        names = [name for one in accounts for name in (one.dn, virtual(one))]
        place.import_ldif(tree([*names, APICRYPT, PERSONNES, "cn=ailleurs,dc=exemple"]))
        place.refresh()
        yield place
        place.close()


def members(place: Place, audience: Audience) -> set[bytes]:
    [group] = asking.entries(Client(place.service(audience)).say(asking.search(1, "(cn=*)", GROUP)))
    return set(group.attributes.get("member", ()))


def known(accounts: list[Account]) -> set[bytes]:
    """The names that everybody may know, with those of these people."""
    return {one.encode() for one in (*map(virtual, accounts), PERSONNES, "cn=ailleurs,dc=exemple")}


@pytest.mark.parametrize("audience", STRANGERS)
def test_a_group_names_whom_its_reader_sees(
    place: Place, accounts: list[Account], audience: Audience
) -> None:
    assert members(place, audience) == known(accounts)
    hidden, *others = accounts
    for reason, at in (("liste rouge", SECOND_DAY), ("suspended", THIRD_DAY)):
        place.import_ldif(ldif_of([hidden], HIDDEN[reason]), at)
        place.refresh()
        assert members(place, audience) == known(others)
    place.import_ldif(ldif_of([hidden], SEEN), THIRD_DAY)
    place.refresh()
    assert members(place, audience) == known(accounts)
    assert members(place, Audience.ADMIN) == {
        name.encode() for one in accounts for name in (one.dn, virtual(one))
    } | known([]) | {APICRYPT.encode()}


def test_liste_rouge_hides_nobody_from_a_group_that_the_sphere_reads(
    place: Place, accounts: list[Account]
) -> None:
    place.import_ldif(ldif_of(accounts[:1], HIDDEN["liste rouge"]), SECOND_DAY)
    place.refresh()
    assert members(place, Audience.APICRYPT) == members(place, Audience.DGS) == known(accounts)


def test_nothing_tells_of_a_name_that_is_left_out(place: Place, accounts: list[Account]) -> None:
    place.import_ldif(ldif_of(accounts[:1], HIDDEN["liste rouge"]), SECOND_DAY)
    place.refresh()
    client = Client(place.service())
    for name in (accounts[0].dn, virtual(accounts[0]), CABINET):
        for attribute in ("member", "seeAlso", "uniqueMember"):
            for rule in ("", ":distinguishedNameMatch:"):
                answer = client.say(asking.search(1, f"({attribute}{rule}={name})", TREE))
                assert not asking.entries(answer)
            assert asking.codes(client.say(asking.compare(1, GROUP, "member", name.encode()))) == [
                (1, ResultCode.compareFalse)
            ]
        assert name.encode() not in client.say(ALL)
    assert asking.entries(client.say(asking.search(1, f"(member={virtual(accounts[1])})", TREE)))


@pytest.mark.parametrize("audience", STRANGERS)
def test_with_and_without_the_hidden_a_tree_has_the_same_octets(
    tmp_path: Path, accounts: list[Account], audience: Audience
) -> None:
    hidden, *others = accounts
    answers = []
    for everybody in (True, False):
        with two_directories.held_time() as held:
            place = Place(tmp_path / str(everybody), held, (TREE,))
            place.import_ldif(folders(), same="base")
            place.import_ldif(ldif_of(others), same="seen")
            if everybody:
                place.import_ldif(ldif_of([hidden], HIDDEN["liste rouge"]))
            some = accounts if everybody else others
            place.import_ldif(tree([*map(virtual, some), *(one.dn for one in some)]), same="tree")
            place.refresh()
            answers.append(Client(place.service(audience)).say(ALL))
            place.close()
    assert len(asking.entries(answers[0])) == 3
    # The lines of the file are counted in entryUUIDs: the last entry is some lines further down.
    first, second = map(asking.entries, answers)
    assert [one.attributes | {"entryUUID": []} for one in first] == [
        one.attributes | {"entryUUID": []} for one in second
    ]


def test_an_index_that_followed_is_the_one_that_is_built_anew(place: Place, accounts: list[Account]) -> None:
    place.import_ldif(ldif_of(accounts[:1], HIDDEN["liste rouge"]), SECOND_DAY)
    place.refresh()
    place.import_ldif(ldif_of(accounts[1:2], HIDDEN["version 1"]), THIRD_DAY)
    place.refresh()
    followed = [Client(place.service(audience)).say(ALL) for audience in Audience]
    assert len(set(followed)) > 2
    refresh.rebuild(place.source, place.folder)
    assert [Client(place.service(audience)).say(ALL) for audience in Audience] == followed
