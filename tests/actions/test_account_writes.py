"""Accounts written over LDAP obey what every other door obeys: choices, addresses, versions, and what is remembered."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import store_places
from invented_accounts import APICRYPT, INTEROP, State, ldif, rpps
from ldap_writes import Doors, add, delete, job, modify, rename
from sqlalchemy import event
from sqlalchemy.engine import Engine

from annuaire.actions import recording
from annuaire.domain import account
from annuaire.ldap import ber, controls
from annuaire.ldap.messages import Control
from annuaire.ldap.results import ResultCode
from annuaire.ldap.writing import WriteOutcome
from annuaire.store import address_file
from annuaire.store.direct import Direct

JEANNE = f"uid=jeanne,{APICRYPT}"
NATIVE = "jeanne@medical59.apicrypt.org"
PERSON = {
    "objectClass": ["inetOrgPerson", "apicryptUtilisateur"],
    "uid": "jeanne",
    "cn": "Jeanne DUPONT",
    "sn": "DUPONT",
    "givenName": "Jeanne",
    "mail": NATIVE,
    "profession": "10",
    "postalCode": "59000",
    "apicryptVersion": "2",
}
ON = ("replace", "apicryptInterop", "TRUE")
OFF = ("replace", "apicryptInterop", "FALSE")
HIDE = ("replace", "listeRouge", "TRUE")
WHO = ["administrator", "person"]
# What only an account has.
OF_ACCOUNTS = [
    "apicryptVersion",
    "apicryptInterop",
    "apicryptInteropDepuis",
    "apicryptInteropMail",
    "apicryptEtat",
    "profession",
    "IdentifiantPP",
    "TypeIdentifiantPP",
]


@pytest.fixture(params=store_places.PLACES)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield State(opened)


@pytest.fixture
def doors(state: State) -> Doors:
    return Doors(state)


def done(outcome: WriteOutcome) -> None:
    assert (outcome.code, outcome.text) == (ResultCode.success, "")


def refused(outcome: WriteOutcome, code: ResultCode, *words: str) -> None:
    assert outcome.code == code, outcome
    for word in words:
        assert word in outcome.text


@pytest.mark.parametrize("who", WHO)
def test_opening_exchanges_gives_the_address_and_keeps_the_choice(
    state: State, doors: Doors, who: str
) -> None:
    state.taken(ldif(**rpps(1)))
    done(getattr(doors, who)(modify(JEANNE, ON)))
    assert state.address() == "jeanne.dupont"
    assert state.ledger() == {"jeanne.dupont": "899900000001"}
    kept = state.memory().choices["apicryptInterop"]
    assert kept.value
    assert kept.origin == (JEANNE if who == "person" else f"cn=admin,{APICRYPT.partition(',')[2]}")
    # A file that says otherwise says it in vain.
    state.taken(ldif(apicryptInterop="FALSE", **rpps(1)))
    assert state.one("apicryptInterop") == "TRUE"


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"apicryptVersion": "1"}, "only version 2"),
        ({"profession": "71"}, "not open to this profession"),
        ({"apicryptEtat": "suspendu"}, "not active"),
    ],
)
def test_a_choice_that_the_rules_refuse_is_refused_with_its_one_reason_and_leaves_nothing(
    state: State, doors: Doors, who: str, changes: dict[str, str], reason: str
) -> None:
    state.taken(ldif(**changes))
    before = state.everything()
    outcome = getattr(doors, who)(modify(JEANNE, ON, ("replace", "telephoneNumber", "+33 3 53 01 00 01")))
    refused(outcome, ResultCode.unwillingToPerform, "apicryptInterop", reason)
    assert state.everything() == before


def test_liste_rouge_needs_open_exchanges_and_is_kept_when_they_close(state: State, doors: Doors) -> None:
    state.taken(ldif())
    refused(doors.person(modify(JEANNE, HIDE)), ResultCode.unwillingToPerform, "listeRouge", "open")
    done(doors.person(modify(JEANNE, ON, HIDE)))
    done(doors.person(modify(JEANNE, OFF)))
    assert state.one("listeRouge") == "TRUE"
    assert state.address() == "jeanne.dupont", "the address is kept for good"
    state.taken(ldif(listeRouge="FALSE"))
    assert state.one("listeRouge") == "TRUE"


def test_an_account_that_is_added_with_exchanges_open_gets_its_address(state: State, doors: Doors) -> None:
    done(doors.administrator(add(JEANNE, **PERSON, apicryptInterop="TRUE", **rpps(1))))
    assert state.address() == "jeanne.dupont"
    other = {**PERSON, "uid": "jeanne2", "mail": "jeanne2@medical59.apicrypt.org"}
    done(doors.administrator(add(f"uid=jeanne2,{APICRYPT}", **other, apicryptInterop="TRUE", **rpps(2))))
    assert state.ledger() == {"jeanne.dupont": "899900000001", "jeanne.dupont2": "899900000002"}


def test_two_accounts_have_not_one_native_address_whoever_brings_it(state: State, doors: Doors) -> None:
    state.taken(ldif(), ldif("paul"))
    other = {**PERSON, "uid": "anne", "mail": NATIVE.upper()}
    refused(doors.administrator(add(f"uid=anne,{APICRYPT}", **other)), ResultCode.constraintViolation)
    paul = f"uid=paul,{APICRYPT}"
    refused(doors.administrator(modify(paul, ("replace", "mail", NATIVE))), ResultCode.constraintViolation)


def test_an_address_of_somebody_else_is_not_given_and_ones_own_is_not_taken_away(
    state: State, doors: Doors
) -> None:
    state.taken(ldif(apicryptInterop="TRUE", **rpps(1)), ldif("paul", **rpps(2)))
    paul = f"uid=paul,{APICRYPT}"
    theirs = ("replace", "apicryptInteropMail", f"jeanne.dupont@{INTEROP}")
    refused(doors.administrator(modify(paul, theirs)), ResultCode.constraintViolation)
    elsewhere = ("replace", "apicryptInteropMail", "paul@ailleurs.exemple")
    refused(doors.administrator(modify(paul, elsewhere)), ResultCode.constraintViolation, INTEROP)
    refused(
        doors.administrator(modify(JEANNE, ("delete", "apicryptInteropMail"))), ResultCode.unwillingToPerform
    )
    done(doors.administrator(modify(paul, ("replace", "apicryptInteropMail", f"paul.martin@{INTEROP}"))))
    assert state.ledger() == {"jeanne.dupont": "899900000001", "paul.martin": "899900000002"}


def test_what_was_chosen_outlives_the_entry(state: State, doors: Doors) -> None:
    state.taken(ldif(**rpps(1)))
    done(doors.person(modify(JEANNE, ON, HIDE)))
    done(doors.administrator(delete(JEANNE)))
    done(doors.administrator(add(JEANNE, **PERSON, **rpps(1))))
    assert (state.one("apicryptInterop"), state.one("listeRouge")) == ("TRUE", "TRUE")
    assert state.address() == "jeanne.dupont"


def test_a_person_changes_what_is_theirs_in_one_modification_or_nothing(state: State, doors: Doors) -> None:
    state.taken(ldif())
    before = state.everything()
    for attribute in ("sn", "mail", "apicryptVersion", "profession", "objectClass", "apicryptInteropMail"):
        outcome = doors.person(
            modify(JEANNE, ("replace", "telephoneNumber", "+33 3 53 01 00 01"), ("replace", attribute, "x"))
        )
        refused(outcome, ResultCode.insufficientAccessRights, attribute)
    assert state.everything() == before
    done(doors.person(modify(JEANNE, ("add", "telephoneNumber;lang-fr", "+33 3 53 01 00 01"))))
    done(doors.person(modify(JEANNE, ("add", "2.5.4.20", "+33 3 53 01 00 02"))))
    assert state.attributes()["telephoneNumber"] == ["+33 3 53 01 00 02"]


def test_a_telephone_number_of_ones_own_outlives_the_next_file(state: State, doors: Doors) -> None:
    state.taken(ldif(telephoneNumber="+33 3 53 01 00 01"))
    done(doors.person(modify(JEANNE, ("replace", "telephoneNumber", "+33 3 53 01 00 02"))))
    state.taken(ldif(telephoneNumber="+33 3 53 01 00 01"))
    assert state.one("telephoneNumber") == "+33 3 53 01 00 02"
    state.taken(ldif(telephoneNumber="+33 3 53 01 00 03"))
    assert state.one("telephoneNumber") == "+33 3 53 01 00 03"


@pytest.mark.parametrize("value", ["true", "1", "oui", ""])
def test_what_is_no_truth_value_is_refused_as_such(state: State, doors: Doors, value: str) -> None:
    state.taken(ldif())
    outcome = doors.person(modify(JEANNE, ("replace", "apicryptInterop", value)))
    refused(outcome, ResultCode.invalidAttributeSyntax, "apicryptInterop")
    assert state.ledger() == {}


def test_since_when_a_choice_is_what_it_is_is_kept_by_the_server(state: State, doors: Doors) -> None:
    state.taken(ldif())
    done(doors.administrator(modify(JEANNE, ON, ("replace", "apicryptInteropDepuis", "19990101000000Z"))))
    since = state.one("apicryptInteropDepuis")
    assert since is not None
    assert since > "20260101"


def test_a_version_that_changes_is_remembered_with_its_date(state: State, doors: Doors) -> None:
    state.taken(ldif(apicryptVersion="1", apicryptVersionDepuis="20200101000000Z"))
    done(doors.administrator(modify(JEANNE, ("replace", "apicryptVersion", "2"))))
    assert [version for _, version in state.memory().versions] == [1, 2]
    assert state.one("apicryptVersionDepuis") == state.memory().versions[1][0]


def test_what_is_remembered_follows_a_native_address(state: State, doors: Doors) -> None:
    state.taken(ldif())
    done(doors.person(modify(JEANNE, ON)))
    other = "j.dupont@medical59.apicrypt.org"
    done(doors.administrator(modify(JEANNE, ("replace", "mail", other))))
    assert state.memory().choices == {}
    assert state.memory(other).choices["apicryptInterop"].value
    assert state.ledger() == {"jeanne.dupont": other}


def test_a_renaming_touches_no_choice(state: State, doors: Doors) -> None:
    state.taken(ldif())
    done(doors.person(modify(JEANNE, ON)))
    before = state.memory()
    done(doors.administrator(rename(JEANNE, "uid=marie")))
    assert state.memory() == before
    assert state.address("marie") == "jeanne.dupont"


def test_an_address_that_an_account_leaves_is_free_for_the_next_write_and_not_before(
    state: State, doors: Doors
) -> None:
    paul, other = f"uid=paul,{APICRYPT}", "j.dupont@medical59.apicrypt.org"
    state.taken(ldif(**rpps(1)), ldif("paul", **rpps(2)))
    done(doors.administrator(modify(JEANNE, ON, ("replace", "telephoneNumber", "+33 3 20 00 00 01"))))
    takes, leaves = modify(paul, ("replace", "mail", NATIVE)), modify(JEANNE, ("replace", "mail", other))
    early, left, taken = doors.all(job(takes), job(leaves), job(takes))
    assert isinstance(early, WriteOutcome)
    refused(early, ResultCode.constraintViolation)
    assert (left, taken) == (WriteOutcome(), WriteOutcome())
    # What is remembered of Jeanne went with her; Paul finds nothing of hers.
    assert state.memory(other).choices["apicryptInterop"].value
    assert state.memory(NATIVE).choices == {}
    assert state.memory(NATIVE).said == {}
    done(doors.administrator(modify(paul, ("replace", "telephoneNumber", "+33 3 20 00 00 02"))))
    assert list(state.memory(NATIVE).said) == ["telephoneNumber"]
    assert state.address("paul") is None


@pytest.mark.parametrize("who", WHO)
def test_what_the_source_said_is_remembered_with_the_first_change_and_forgotten_when_it_is_so_again(
    state: State, doors: Doors, who: str
) -> None:
    said, first, second = ("+33 3 20 00 00 00", "+33 3 20 00 00 01", "+33 3 20 00 00 02")
    state.taken(ldif(telephoneNumber=said))
    write = getattr(doors, who)
    # Not by a write that the schema refuses once the rules have judged it, in the commit of one that is done.
    outcomes = doors.all(
        job(modify(JEANNE, ("replace", "telephoneNumber", first), ("delete", "sn"))),
        job(modify(JEANNE, ("replace", "description", "x"))),
    )
    assert [one.code for one in outcomes if isinstance(one, WriteOutcome)] == [
        ResultCode.objectClassViolation,
        ResultCode.success,
    ]
    assert state.memory().said == {}
    for value in (first, second):
        done(write(modify(JEANNE, ("replace", "telephoneNumber", value))))
        assert state.memory().said == {
            "telephoneNumber": ber.encode_attributes({"telephoneNumber": [said.encode()]})
        }
    done(write(modify(JEANNE, ("replace", "telephoneNumber", said))))
    assert state.memory().said == {}


def test_whom_an_entry_describes_is_kept_with_every_change_of_it(state: State, doors: Doors) -> None:
    state.taken(ldif())
    changes = [
        [("replace", "telephoneNumber", "+33 3 20 00 00 01")],
        [("replace", "IdentifiantPP", "99900000011"), ("replace", "TypeIdentifiantPP", "8")],
        [("replace", "mail", "J.Dupont@medical59.apicrypt.org")],
        [ON],
        [("replace", "apicryptEtat", "resilie")],
        [("replace", "objectClass", "inetOrgPerson"), *[("delete", name) for name in OF_ACCOUNTS]],
    ]
    described = set()
    for change in changes:
        done(doors.administrator(modify(JEANNE, *change)))
        row = state.row()
        assert row is not None
        kept = (row.person, row.account)
        assert kept == account.described(ber.decode_attributes(row.attributes), row.uuid)
        described.add(kept)
    assert len(described) == 4


@pytest.mark.parametrize("exchanges", [False, True])
def test_a_telephone_number_asks_the_store_little(
    state: State, doors: Doors, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    """A statement is counted, not timed: most of the time of a write was in those that nothing was asked by."""
    counted = 0

    def count(*_: object) -> None:
        nonlocal counted
        counted += 1

    real = Direct._sent

    def sent(*given: object) -> object:
        count()
        return real(*given)  # type: ignore[arg-type]

    people = [f"n{number}" for number in range(30)]
    state.taken(*[ldif(uid, **rpps(number + 1)) for number, uid in enumerate(people)])
    if exchanges:
        doors.all(*[job(modify(f"uid={uid},{APICRYPT}", ON)) for uid in people])
    monkeypatch.setattr(Direct, "_sent", sent)
    monkeypatch.setattr(recording, "show", lambda *_: None)
    event.listen(Engine, "before_cursor_execute", count)

    def statements(uids: list[str], number: int) -> int:
        nonlocal counted
        counted = 0
        value = f"+33 3 20 00 00 {number:02}"
        requests = [modify(f"uid={uid},{APICRYPT}", ("replace", "telephoneNumber", value)) for uid in uids]
        assert set(doors.all(*map(job, requests))) == {WriteOutcome()}
        return counted

    try:
        few, many = statements(people[:5], 1), statements(people[5:], 1)
        # The entry, what its source said, a savepoint and its end, what it said kept, the entry; and its address.
        assert many - few <= 20 * (6 + exchanges)
        few, many = statements(people[:5], 2), statements(people[5:], 2)
        assert many - few <= 20 * (5 + exchanges)
        assert few <= 5 * (5 + exchanges) + 8
    finally:
        event.remove(Engine, "before_cursor_execute", count)


@pytest.mark.parametrize(
    ("more", "controls_sent"),
    [
        ([("replace", "telephoneNumber", "")], ()),
        ([], (Control(controls.NO_OPERATION, True),)),
    ],
    ids=["refused by the schema", "no-op"],
)
def test_an_address_that_was_not_given_in_the_end_is_reserved_for_nobody(
    state: State, doors: Doors, more: list[tuple[str, ...]], controls_sent: tuple[Control, ...]
) -> None:
    """Nor in the file beside the database, where another write of the same commit may add its own."""
    state.taken(ldif(**rpps(1)), ldif("paul", sn="MARTIN", givenName="Paul", **rpps(2)))
    given = [
        job(modify(f"uid=paul,{APICRYPT}", ON)),
        job(modify(JEANNE, ON, *more), *controls_sent),
        job(modify(f"uid=paul,{APICRYPT}", ("replace", "description", "x"))),
    ]
    first, second, third = doors.all(*given)
    assert isinstance(first, WriteOutcome)
    assert isinstance(second, WriteOutcome)
    assert (first.code, third) == (ResultCode.success, WriteOutcome())
    assert second.code != ResultCode.success
    file = (state.store.state / address_file.FILE_NAME).read_text().splitlines()[1:]
    assert [line.partition("@")[0] for line in file] == ["paul.martin"]
    assert list(state.ledger()) == ["paul.martin"]
    done(doors.administrator(modify(JEANNE, ON)))
    assert list(state.ledger()) == ["jeanne.dupont", "paul.martin"]


@pytest.mark.parametrize("name", ["listeRouge;lang-fr", "apicryptEtat;lang-fr"])
def test_a_choice_in_a_language_would_be_no_choice_and_is_refused_at_every_door(
    state: State, doors: Doors, name: str
) -> None:
    state.taken(ldif())
    value = "TRUE" if name.startswith("liste") else "suspendu"
    refused(
        doors.administrator(modify(JEANNE, ("add", name, value))), ResultCode.undefinedAttributeType, name
    )
    assert state.load(ldif(**{name: value})).refused == 1


def test_whoever_gives_an_address_outside_the_native_domains_is_refused(state: State, doors: Doors) -> None:
    wrong = PERSON | {"mail": "jean@gmail.com"}
    refused(doors.administrator(add(JEANNE, **wrong, **rpps(1))), ResultCode.constraintViolation, "native")
    done(doors.administrator(add(JEANNE, **PERSON, **rpps(1))))
    change = modify(JEANNE, ("replace", "mail", "jean@gmail.com"))
    refused(doors.administrator(change), ResultCode.constraintViolation, "native")
    # Further addresses are anything.
    done(doors.administrator(modify(JEANNE, ("add", "mail", "jean@gmail.com"))))


def test_an_account_that_a_file_brought_with_such_an_address_can_be_changed(
    state: State, doors: Doors
) -> None:
    state.load(ldif(mail="jean@gmail.com"))
    done(doors.administrator(modify(JEANNE, ("replace", "sn", "MARTIN"))))
    done(doors.person(modify(JEANNE, ("replace", "telephoneNumber", "+33 1 99 00 00 01"))))
