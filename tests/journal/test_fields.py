"""What stands in a record, and what never does."""

import json
from datetime import UTC, datetime
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_journals import CLEAR

from annuaire.journal.fields import ITEMS_MAX, RECORD_MAX, Fields
from annuaire.journal.pseudonyms import Pseudonyms, canonical

KEY = bytes(range(32))
NAMES = Pseudonyms(KEY, CLEAR)
HASHED = Fields(NAMES)
CLEARLY = Fields(None)
AT = 1_790_000_000_000_000_000


def told(fields: Fields, kind: str = "choice", /, **values: object) -> dict:
    return json.loads(b'{"n":1,' + fields.text(kind, values, AT) + b"}")


def test_an_address_stands_under_a_pseudonym_with_the_domain_of_an_operator():
    found = told(HASHED, account="Jean.Dupont@medical59.apicrypt.org", recipient="jean@dr-durand.example")
    local, domain = found["account"].split("@")
    assert domain == "medical59.apicrypt.org"
    assert local.startswith("~")
    assert len(local) == 21
    hidden, own = found["recipient"].split("@")
    assert hidden.startswith("~")
    assert own.startswith("~")
    assert "durand" not in json.dumps(found)


@pytest.mark.parametrize(
    "other",
    [
        "jean.dupont@medical59.apicrypt.org",
        "JEAN.DUPONT@MEDICAL59.apicrypt.ORG",
        " jean.dupont@medical59.apicrypt.org ",
        "jean.dupont+labo@medical59.apicrypt.org",
        '"jean.dupont"@medical59.apicrypt.org',
        "jean.dupont@medical59.apicrypt.org.",
    ],
)
def test_all_spellings_of_an_address_have_one_pseudonym(other):
    assert NAMES.of(other) == NAMES.of("Jean.Dupont@medical59.apicrypt.org")


def test_other_addresses_other_keys_and_other_things_have_other_pseudonyms():
    names = [
        "a@medical.apicrypt.org",
        "b@medical.apicrypt.org",
        "a@medical2.apicrypt.org",
        "899900010010",
        "a",
        "+a@x.fr",
    ]
    tokens = {NAMES.token(name) for name in names}
    tokens |= {Pseudonyms(bytes(32), CLEAR).token(name) for name in names}
    assert len(tokens) == 2 * len(names)


def test_the_token_does_not_depend_on_which_domains_are_clear():
    assert Pseudonyms(KEY, ()).of("a@chu.mssante.fr").startswith(NAMES.token("a@chu.mssante.fr") + "@~")
    assert NAMES.of("a@chu.mssante.fr").endswith("@chu.mssante.fr")


@pytest.mark.parametrize(
    "domain", ["chu.mssante.fr.evil.example", "mssante.fr.example", "xmssante.fr", "é.example"]
)
def test_a_domain_that_only_resembles_an_operators_is_hashed(domain):
    assert NAMES.of(f"a@{domain}").rpartition("@")[2].startswith("~")


def test_whoever_is_named_inside_a_text_is_replaced_there():
    found = told(HASHED, text="de <Jean.Dupont@free.example>, 899900010010 ; ligne 12", source="fichier.txt")
    assert "upont" not in found["text"]
    assert "899900010010" not in found["text"]
    assert found["text"].startswith("de <~")
    assert found["text"].endswith("; ligne 12")
    assert found["source"] == "fichier.txt"


def test_a_holder_without_an_address_is_hashed_as_well():
    found = told(HASHED, holder="899900010010", addresses=["a@x.example", "b@y.example"])
    assert found["holder"] == NAMES.token("899900010010")
    assert found["addresses"] == [NAMES.of("a@x.example"), NAMES.of("b@y.example")]


def test_an_address_that_a_cut_would_halve_is_not_left_readable():
    text = "x" * 1180 + " jean.dupont.de.la.tour@somewhere.example"
    assert "jean" not in HASHED.text("import", {"text": text}, AT).decode()


def test_addresses_stay_as_they_are_when_that_is_configured():
    found = told(CLEARLY, account="Jean.Dupont@medical59.apicrypt.org", text="to a@b.example")
    assert found["account"] == "Jean.Dupont@medical59.apicrypt.org"
    assert found["text"] == "to a@b.example"


@pytest.mark.parametrize("fields", [HASHED, CLEARLY], ids=["hash", "clear"])
@pytest.mark.parametrize(
    "name",
    ["password", "userPassword", "new_passwords", "secret", "subject", "body", "Subject", "mot_de_passe"],
)
def test_a_password_a_body_or_a_subject_is_never_kept(fields, name):
    found = fields.text("account", {name: "hunter2", "more": {name: "hunter2", "kept": 1}}, AT)
    assert b"hunter2" not in found
    assert b'"more":{"kept":1}' in found


def test_values_of_every_kind_have_a_form():
    class Word(StrEnum):
        YES = "oui"

    found = told(
        CLEARLY,
        yes=True,
        none=None,
        empty="",
        number=7,
        ratio=0.5,
        infinite=float("inf"),
        word=Word.YES,
        octets=b"\xff",
        at=5,
        moment=datetime(2026, 11, 23, tzinfo=UTC),
        listed=("a", 1),
        chosen={"b", "a"},
        nested={"a": {"b": [None]}},
    )
    assert found == {
        "n": 1,
        "at": "2026-09-21T14:13:20.000000Z",
        "kind": "choice",
        "yes": True,
        "number": 7,
        "ratio": 0.5,
        "infinite": None,
        "word": "oui",
        "octets": "\\xff",
        "at_": 5,
        "moment": "2026-11-23T00:00:00+00:00",
        "listed": ["a", 1],
        "chosen": ["a", "b"],
        "nested": {"a": {"b": [None]}},
    }


def test_what_is_too_long_is_cut():
    found = told(CLEARLY, text="x" * 10_000, many=list(range(1000)))
    assert len(found["text"]) == 301
    assert len(found["many"]) == ITEMS_MAX + 1
    huge = {f"field{number}": "é" * 300 for number in range(100)}
    assert told(CLEARLY, **huge).keys() == {"n", "at", "kind", "cut"}


def test_the_null_sender_is_said_to_be_one():
    assert HASHED.name("") == '"<>"'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30), st.dictionaries(st.text(max_size=20), VALUES, max_size=8))
def test_whatever_is_told_is_one_line_of_json_in_ascii(kind, fields):
    for kept in (HASHED, CLEARLY):
        text = kept.text(kind, fields, AT)
        assert text.isascii()
        assert b"\n" not in text
        assert len(text) <= RECORD_MAX
        record = json.loads(b'{"n":1,' + text + b',"hash":""}')
        assert record["n"] == 1
        assert record["hash"] == ""


LOCALS = st.text("abcdefgh.+-_'é", min_size=1, max_size=20).filter(lambda text: text.strip(".+'") == text)


@settings(max_examples=100, deadline=None)
@given(
    LOCALS,
    st.sampled_from(["medical59.apicrypt.org", "chu.mssante.fr", "dr-durand.example"]),
    st.text(max_size=20),
)
def test_no_address_is_readable_wherever_it_stands(local, domain, around):
    address = f"qzw{local}@{domain}"
    fields = {
        "account": address,
        "text": f"{around} {address}, {around}",
        "more": {"x": [address], address: 1},
    }
    text = HASHED.text("choice", fields, AT).decode()
    assert "qzw" not in text
    assert canonical(address) not in text
