"""Interop addresses: who gets which, and that nobody gets another's."""

import re
from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped_rules import ELIGIBLE

from annuaire.domain import interop, names
from annuaire.domain.account import Account

DOMAIN = "interop-mssante.apicrypt.org"
DOMAINS = (DOMAIN, "mssante.apicrypt.org")
STRUCTURE = ELIGIBLE._replace(national="", native="Cabinet.DU-PORT@medical59.apicrypt.org")


def at(local: str) -> str:
    return f"{local}@{DOMAIN}"


def nobody(_: str) -> bool:
    return False


def everything_but(*free: str) -> Callable[[str], bool]:
    return lambda address: address not in free


# --- Forms ---


@pytest.mark.parametrize("domain", DOMAINS)
def test_both_domains_are_interop_domains(domain: str) -> None:
    assert interop.is_interop_address(f"jeanne.dupont@{domain}", DOMAINS)
    assert interop.is_interop_address(f"Jeanne.DUPONT@{domain.upper()}", DOMAINS)


@pytest.mark.parametrize(
    "address",
    [
        *("", DOMAIN, f"@{DOMAIN}", "a@apicrypt.org", "a@medical59.apicrypt.org"),
        *(f"a@x.{DOMAIN}", f"a@{DOMAIN}.evil.example", f"a@x{DOMAIN}", f"a@{DOMAIN}.", f"a@{DOMAIN}@b.fr"),
    ],
)
def test_no_other_domain_is_one(address: str) -> None:
    assert not interop.is_interop_address(address, DOMAINS)


@pytest.mark.parametrize(
    "local",
    [
        *("jeanne.dupont", "Jeanne.DUPONT", "cardio", "c1", "1c", "a-b", "a_b", "a.b.c", "a--b", "a" * 64),
        *("rhumatologie.lille", "jean.dupont2"),
    ],
)
def test_an_administrator_may_give_an_ordinary_address(local: str) -> None:
    assert interop.valid_explicit(at(local), DOMAINS)


@pytest.mark.parametrize(
    "local",
    [
        *("", ".a", "a.", "a..b", "-a", "a-", "a+b", "a b", "a@b", '"a"', "é", "a" * 65, "a\n", "a'b", "a/b"),
        *("postmaster", "Abuse", "root"),
    ],
)
def test_an_administrator_may_not_give_what_mail_servers_stumble_over(local: str) -> None:
    assert not interop.valid_explicit(at(local), DOMAINS)


def test_an_administrator_gives_addresses_of_our_domains_only() -> None:
    assert not interop.valid_explicit("jeanne.dupont@medecin.mssante.fr", DOMAINS)


# --- Candidates ---


def test_candidates_are_numbered_from_two() -> None:
    assert list(islice(interop.candidates("jean.dupont", DOMAIN.upper()), 3)) == [
        at("jean.dupont"),
        at("jean.dupont2"),
        at("jean.dupont3"),
    ]


def test_a_number_is_not_written_behind_a_digit() -> None:
    assert list(islice(interop.candidates("louis.14", DOMAIN), 2)) == [at("louis.14"), at("louis.14-2")]


def test_the_mailboxes_of_whoever_runs_a_domain_are_nobodys() -> None:
    assert next(interop.candidates("postmaster", DOMAIN)) == at("postmaster2")


def test_a_number_finds_room_in_a_long_name() -> None:
    tried = list(islice(interop.candidates("a" * 20 + "." + "b" * 43, DOMAIN), 12))
    assert tried[1] == at("a" * 20 + "." + "b" * 42 + "2")
    assert tried[-1] == at("a" * 20 + "." + "b" * 41 + "12")
    assert {len(one.partition("@")[0]) for one in tried} == {64}


# --- Local parts ---


@pytest.mark.parametrize(
    ("account", "given_name", "surname", "local"),
    [
        (ELIGIBLE, "Jeanne", "DUPONT", "jeanne.dupont"),
        (ELIGIBLE, "", "DUPONT", "dupont"),  # a person: there is a national identification
        (ELIGIBLE, "Jeanne", "", "jeanne"),
        (ELIGIBLE, "", "", "jeanne.dupont"),
        (STRUCTURE, "", "Cabinet médical", "cabinet.du-port"),
        (STRUCTURE, "  ", "Cabinet médical", "cabinet.du-port"),
        (STRUCTURE, "Luc", "PETIT", "luc.petit"),
        (STRUCTURE, "Λουκάς", "ΠΕΤΡΟΥ", "cabinet.du-port"),
        (STRUCTURE._replace(native="Accueil Été..2@medical59.apicrypt.org"), "", "X", "accueil-ete.2"),
        (STRUCTURE._replace(native=""), "", "Cabinet médical", "cabinet-medical"),
        (STRUCTURE._replace(native="王@medical59.apicrypt.org"), "", "王", "correspondant"),
        (STRUCTURE._replace(native="a" * 80 + "@medical59.apicrypt.org"), "", "X", "a" * 64),
    ],
)
def test_a_person_is_named_and_a_structure_keeps_its_name(
    account: Account, given_name: str, surname: str, local: str
) -> None:
    assert interop.local_part(account, given_name, surname) == local


# --- Allocation ---


def test_the_first_free_candidate_is_given() -> None:
    free = everything_but(at("jeanne.dupont4"), at("jeanne.dupont7"))
    assert interop.allocate(ELIGIBLE, "Jeanne", "DUPONT", DOMAIN, free, []) == at("jeanne.dupont4")


def test_what_its_holder_has_in_the_ledger_is_given_back_whatever_it_looks_like() -> None:
    held = ["j.martin@mssante.apicrypt.org", at("jeanne.dupont")]
    given_back = interop.allocate(ELIGIBLE, "Jeanne", "DUPONT", DOMAIN, everything_but(), held)
    assert given_back == "j.martin@mssante.apicrypt.org"


def test_what_the_entry_has_is_the_present_one_of_several() -> None:
    account = ELIGIBLE._replace(interop="Jeanne.Dupont@" + DOMAIN)
    held = ["j.martin@mssante.apicrypt.org", at("jeanne.dupont")]
    assert interop.allocate(account, "Jeanne", "X", DOMAIN, everything_but(), held) == at("jeanne.dupont")


def test_an_entry_that_comes_with_its_address_keeps_it_unless_it_is_somebodys() -> None:
    account = ELIGIBLE._replace(interop=at("jd"))
    assert interop.allocate(account, "Jeanne", "DUPONT", DOMAIN, nobody, []) == at("jd")
    assert interop.allocate(account, "Jeanne", "DUPONT", DOMAIN, lambda one: one == at("jd"), []) == at(
        "jeanne.dupont"
    )


def test_what_the_national_file_has_seen_comes_first_then_what_was_given_then_the_latest() -> None:
    rows = [
        (at("d"), "899900000011", "20200101000000Z", interop.ALLOCATED),
        (at("c"), "899900000011", "20180101000000Z", interop.GIVEN),
        (at("b"), "899900000011", "20190101000000Z", interop.GIVEN),
        (at("e"), "899900000011", "20210101000000Z", interop.ALLOCATED),
        (at("a"), "899900000011", "20100101000000Z", interop.SEEN),
        (at("a2"), "899900000011", "20100101000000Z", interop.SEEN),
    ]
    expected = [at(local) for local in ("a2", "a", "b", "c", "e", "d")]
    assert interop.in_order(rows) == expected
    assert interop.in_order(rows[::-1]) == expected


NAMES = st.sampled_from(["Jean", "Jéan", "Jean-Luc", "Jean Luc", "", "Иван", "2", "Postmaster", "a" * 70])
PEOPLE = st.lists(st.tuples(NAMES, NAMES, st.integers(0, 5)), min_size=2, max_size=25)
FORM = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")


@given(PEOPLE, st.sets(st.sampled_from(["jean.jean", "jean.jean2", "jean-luc.jean", "2.2", "a"]), max_size=3))
@settings(max_examples=200)
def test_two_holders_never_get_the_same_address_and_each_keeps_their_own(
    people: list[tuple[str, str, int]], mailboxes: set[str]
) -> None:
    """Holders come, go and come back, under other names; the ledger is all that stays."""
    existing = {at(local) for local in mailboxes}
    ledger: dict[str, int] = {}
    for given_name, surname, holder in people:
        account = ELIGIBLE._replace(
            national=f"8999001{holder:05}" if holder % 2 else "",
            native=f"compte@medical{holder}.apicrypt.org",
        )
        held = [address for address, owner in ledger.items() if owner == holder]
        address = interop.allocate(
            account, given_name, surname, DOMAIN, lambda one: one in ledger or one in existing, held
        )
        assert address not in existing
        assert ledger.setdefault(address, holder) == holder
        assert [address] == (held or [address])
        assert interop.valid_explicit(address, DOMAINS)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80), st.booleans())
@settings(max_examples=200)
def test_any_name_gets_an_address_and_always_the_same(
    given_name: str, surname: str, native: str, identified: bool
) -> None:
    account = ELIGIBLE._replace(
        native=f"{native}@medical59.apicrypt.org", national=ELIGIBLE.national if identified else ""
    )
    first = interop.allocate(account, given_name, surname, DOMAIN, nobody, [])
    assert interop.valid_explicit(first, DOMAINS)
    assert first == interop.allocate(account, given_name, surname, DOMAIN, nobody, [])
    second = interop.allocate(account, given_name, surname, DOMAIN, lambda one: one == first, [])
    assert second != first
    assert interop.valid_explicit(second, DOMAINS)
    named = names.local_part(given_name, surname)
    if named and (identified or given_name.strip()):
        assert first == at(named)
