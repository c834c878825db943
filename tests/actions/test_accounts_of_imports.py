"""Interop addresses, native addresses, states and versions of accounts that files bring."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import store_places
from invented_accounts import (
    AT,
    AT_LATER,
    INTEROP,
    LATER,
    State,
    delete,
    ldif,
    modify,
    rpps,
    totals,
)

from annuaire.actions import import_source, native_addresses, set_interop
from annuaire.actions.import_report import Progress
from annuaire.domain import forfait
from annuaire.store.ledger import ALLOCATED, GIVEN, SEEN, LedgerRow

ON = {"apicryptInterop": "TRUE"}
NATIVE = "jeanne@medical59.apicrypt.org"


@pytest.fixture(params=store_places.PLACES)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield State(opened)


def explicit(local: str) -> dict[str, str]:
    return {"apicryptInteropMail": f"{local}@{INTEROP}"}


def reasons(state: State, *texts: str) -> list[str]:
    report = state.load(*texts)
    assert not report.applied
    return [one.reason for one in report.refusals]


# --- Addresses ---


def test_homonyms_of_one_file_are_numbered_in_its_order(state: State) -> None:
    state.taken(*(ldif(uid, **ON, **rpps(number)) for number, uid in enumerate("abc", 1)))
    assert [state.address(uid) for uid in "abc"] == ["jeanne.dupont", "jeanne.dupont2", "jeanne.dupont3"]
    assert state.ledger() == {
        "jeanne.dupont": "899900000001",
        "jeanne.dupont2": "899900000002",
        "jeanne.dupont3": "899900000003",
    }
    state.taken(ldif("d", **ON))
    assert state.address("d") == "jeanne.dupont4"
    assert state.ledger()["jeanne.dupont4"] == "d@medical59.apicrypt.org"


def test_more_homonyms_than_a_page_holds(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    state.taken(*(ldif(f"p{number}", **ON) for number in range(1300)))
    given = {state.address(f"p{number}") for number in (0, 1, 999, 1000, 1001, 1299)}
    assert given == {
        "jeanne.dupont",
        *(f"jeanne.dupont{number + 1}" for number in (1, 999, 1000, 1001, 1299)),
    }
    assert len(state.ledger()) == 1300


def test_who_says_an_address_comes_before_who_needs_one(state: State) -> None:
    people = [ldif("a", **ON), ldif("b", **ON, **explicit("jeanne.dupont")), ldif("c", **ON)]
    state.taken(*people)
    assert [state.address(uid) for uid in "abc"] == ["jeanne.dupont2", "jeanne.dupont", "jeanne.dupont3"]
    with state.store.reading() as reader:
        origins = {row.address.partition("@")[0]: row.origin for row in reader.ledger_after("", 9)}
    assert origins == {"jeanne.dupont": GIVEN, "jeanne.dupont2": ALLOCATED, "jeanne.dupont3": ALLOCATED}


def test_an_address_is_kept_while_exchanges_are_closed_and_whatever_the_file_leaves_out(state: State) -> None:
    state.taken(ldif(**ON))
    state.taken(ldif(apicryptInterop="FALSE"))
    assert (state.one("apicryptInterop"), state.address()) == ("FALSE", "jeanne.dupont")
    state.taken(ldif(**ON, givenName="Marie"))
    assert state.address() == "jeanne.dupont", "it does not follow the name"
    assert totals(state.taken(modify("jeanne", "delete: apicryptInteropMail"))) == (0, 0, 1, 0, 0)
    assert state.address() == "jeanne.dupont"
    state.taken(ldif(apicryptEtat="resilie"))
    assert state.address() == "jeanne.dupont"


def test_an_address_is_reserved_even_before_exchanges_open(state: State) -> None:
    state.taken(ldif("a", **explicit("Jeanne.Dupont")), ldif("b", **ON))
    assert (state.address("a"), state.address("b")) == ("jeanne.dupont", "jeanne.dupont2")
    state.taken(ldif("a", **ON))
    assert state.address("a") == "jeanne.dupont"


@pytest.mark.parametrize(
    "address",
    [
        "jeanne.dupont@medecin.mssante.fr",
        f"postmaster@{INTEROP}",
        f"a+b@{INTEROP}",
        f"a..b@{INTEROP}",
        f"@{INTEROP}",
        f"jeanne.dupont@{INTEROP}.example",
    ],
)
def test_an_address_that_cannot_be_one_of_ours_refuses_the_record(state: State, address: str) -> None:
    [reason] = reasons(state, ldif(apicryptInteropMail=address))
    assert "not an address that can be given" in reason


def test_both_of_our_domains_can_be_given(state: State) -> None:
    state.taken(ldif(**ON, apicryptInteropMail="jeanne.dupont@mssante.apicrypt.org"))
    assert state.one("apicryptInteropMail") == "jeanne.dupont@mssante.apicrypt.org"


def test_an_address_of_somebody_else_refuses_the_record_with_the_reason(state: State) -> None:
    state.taken(ldif("a", **ON, **rpps(1)))
    state.taken(delete("a"))
    [reason] = reasons(state, ldif("b", **explicit("jeanne.dupont"), **rpps(2)))
    assert reason == f"apicryptInteropMail: jeanne.dupont@{INTEROP} is somebody else's, or was once"
    [reason] = reasons(state, ldif("c", **explicit("x")), ldif("d", **explicit("X")))
    assert "somebody else's" in reason
    state.taken(ldif("e", **explicit("jeanne.dupont"), **rpps(1)))
    assert state.address("e") == "jeanne.dupont", "the same person, under another native address"


def test_an_address_that_is_a_mailbox_anywhere_is_not_given(state: State) -> None:
    with state.store.writing() as writer:
        insert = "INSERT INTO records (holder, source, key, address, line, first, last) VALUES"
        writer._connection.exec_driver_sql(f"{insert} ('x', 1, 'x', 'jeanne.dupont@{INTEROP}', '', '', '')")
    state.taken(ldif("a", **ON), ldif("b", mail=f"jeanne.dupont2@{INTEROP}"))
    assert state.address("a") == "jeanne.dupont3"
    assert "somebody else's" in reasons(state, ldif("c", **explicit("jeanne.dupont")))[0]


def test_what_the_national_file_has_seen_is_given_to_that_very_person(state: State) -> None:
    with state.store.writing() as writer:
        assert writer.allocate(LedgerRow(f"docteur.dupont@{INTEROP}", "899900000001", AT, SEEN))
    state.taken(ldif("a", **ON, **rpps(2)), ldif("b", **ON, **rpps(1)), ldif("c", **ON, **rpps(1)))
    assert [state.address(uid) for uid in "abc"] == ["jeanne.dupont", "docteur.dupont", "jeanne.dupont2"]
    [reason] = reasons(state, ldif("d", **explicit("docteur.dupont"), **rpps(3)))
    assert "somebody else's" in reason


def test_two_accounts_of_one_person_have_two_addresses_for_ever(state: State) -> None:
    state.taken(ldif("a", **ON, **rpps(1)), ldif("b", **ON, **rpps(1)))
    assert [state.address(uid) for uid in "ab"] == ["jeanne.dupont", "jeanne.dupont2"]
    state.taken(delete("a"))
    state.taken(ldif("c", **ON, **rpps(1)))
    assert state.address("c") == "jeanne.dupont"
    state.taken(ldif("d", **ON, **rpps(1)))
    assert state.address("d") == "jeanne.dupont3"


def test_an_entry_that_describes_somebody_else_now_leaves_the_address_behind(state: State) -> None:
    state.taken(ldif(**ON, **rpps(1)))
    report = state.taken(ldif(**ON, **rpps(2)))
    assert (state.address(), report.warnings) == ("jeanne.dupont2", 1)
    assert state.ledger() == {"jeanne.dupont": "899900000001", "jeanne.dupont2": "899900000002"}
    assert totals(state.taken(ldif(**ON, **rpps(2)))) == (0, 0, 1, 0, 0)
    [reason] = reasons(state, ldif(**ON, **explicit("jeanne.dupont"), **rpps(2)))
    assert "somebody else's" in reason


def test_an_account_that_gains_an_identification_keeps_its_address(state: State) -> None:
    state.taken(ldif(**ON))
    assert totals(state.taken(ldif(**ON, **rpps(1)))) == (0, 1, 0, 0, 0)
    assert state.address() == "jeanne.dupont"
    state.taken(delete("jeanne"))
    state.taken(ldif(**ON, **rpps(1)))
    assert state.address() == "jeanne.dupont"


def test_a_given_address_replaces_another_and_both_stay_reserved(state: State) -> None:
    state.taken(ldif(**ON))
    state.taken(ldif(**ON, **explicit("docteur.jeanne")))
    assert state.address() == "docteur.jeanne"
    assert set(state.ledger()) == {"jeanne.dupont", "docteur.jeanne"}
    state.taken(ldif("b", **ON))
    assert state.address("b") == "jeanne.dupont2"
    state.taken(ldif(**ON, **explicit("jeanne.dupont")))
    assert state.address() == "jeanne.dupont"


def test_what_an_administrator_gave_outlives_the_file_that_says_another(state: State) -> None:
    said = ldif(**ON, **explicit("jeanne.dupont"))
    state.taken(said)
    set_interop.set_interop(state.source, state.folder, NATIVE, True, address=f"dr@{INTEROP}")
    assert totals(state.taken(said)) == (0, 0, 1, 0, 0)
    assert state.address() == "dr"
    state.taken(ldif(**ON, **explicit("jd")))
    assert state.address() == "jd", "the source says something new"
    assert totals(state.taken(ldif(**ON, **explicit("jd")))) == (0, 0, 1, 0, 0)


def test_a_structure_keeps_its_own_local_part(state: State) -> None:
    state.taken(ldif("secretariat.cardio", givenName=None, sn="CARDIOLOGIE", **ON))
    assert state.address("secretariat.cardio") == "secretariat.cardio"


def test_the_address_lies_in_the_first_of_our_domains(state: State) -> None:
    settings = state.source.settings._replace(interop=("interop.example", INTEROP))
    state.taken(ldif(**ON), settings=settings)
    assert state.one("apicryptInteropMail") == "jeanne.dupont@interop.example"


def test_refused_records_give_no_address_away(state: State) -> None:
    orphan = ldif("a", **ON).replace("uid=a,", "uid=a,ou=nowhere,", 1)
    report = state.load(orphan, ldif("b", **ON), continue_=True)
    assert [one.code for one in report.refusals] == [32]
    assert state.ledger() == {"jeanne.dupont2": "b@medical59.apicrypt.org"}
    assert state.address("b") == "jeanne.dupont2"


# --- While others write ---


@pytest.mark.parametrize("few", [0, 2000])
def test_what_others_were_given_meanwhile_is_asked_again(
    state: State, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(import_source, "FEW", few)
    state.taken(ldif("old"), ldif("autre", **rpps(3)))
    done = []

    def interfere(progress: Progress) -> None:
        if progress.phase == "apply" and not done:
            done.append(True)
            thread = threading.Thread(target=others)
            thread.start()
            thread.join()

    def others() -> None:
        set_interop.set_interop(state.source, state.folder, "old@medical59.apicrypt.org", True)
        with state.store.writing() as writer:
            writer.allocate(LedgerRow(f"vue.ailleurs@{INTEROP}", "899900000002", AT, SEEN))
            writer.record_holder("899900000002")
            row = writer.entries_of_account("autre@medical59.apicrypt.org")[0]
            writer.replace(
                row, row.attributes, row.passwords, row.structural, row.person, "c@medical59.apicrypt.org"
            )

    report = state.load(
        ldif("a", **ON, **rpps(1)), ldif("b", **ON, **rpps(2)), ldif("c"), progress=interfere, continue_=True
    )
    assert state.address("old") == "jeanne.dupont"
    assert state.address("a") == "jeanne.dupont2"
    assert state.address("b") == "vue.ailleurs"
    assert [one.dn.partition(",")[0] for one in report.refusals] == ["uid=c"]
    assert state.row("c") is None
    assert set(state.ledger()) == {"jeanne.dupont", "jeanne.dupont2", "vue.ailleurs"}


@pytest.mark.parametrize("few", [0, 2000])
def test_a_choice_made_meanwhile_is_not_overruled(
    state: State, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(import_source, "FEW", few)
    state.taken(ldif(**ON))
    done = []

    def interfere(progress: Progress) -> None:
        if progress.phase == "apply" and not done:
            done.append(True)
            set_interop.set_interop(state.source, state.folder, NATIVE, True)

    report = state.taken(ldif(apicryptInterop="FALSE"), progress=interfere)
    assert done
    assert state.one("apicryptInterop") == "TRUE"
    assert report.warnings == 1


# --- Native addresses ---


def test_no_two_accounts_have_one_native_address(state: State) -> None:
    state.taken(ldif("a", mail="X@medical59.apicrypt.org"))
    twice = [
        ldif("b", mail="x@medical59.apicrypt.org"),
        ldif("c", mail="y@medical59.apicrypt.org"),
        ldif("d", mail="Y@MEDICAL59.apicrypt.org"),
    ]
    report = state.load(*twice, continue_=True)
    assert [(one.dn.partition(",")[0], one.code) for one in report.refusals] == [("uid=b", 19), ("uid=d", 19)]
    assert all("native address" in one.reason for one in report.refusals)
    assert state.row("c") is not None
    added = ldif("e", mail="x@medical59.apicrypt.org").replace(
        "objectClass", "changetype: add\nobjectClass", 1
    )
    change = modify("c", "replace: mail", "mail: x@medical59.apicrypt.org")
    assert [one.code for one in state.load(added + change, continue_=True).refusals] == [19, 19]


def test_an_address_may_go_from_one_account_to_another_in_one_file(state: State) -> None:
    state.taken(ldif("a"), ldif("b"))
    state.taken(ldif("a", mail="c@medical59.apicrypt.org"), ldif("b", mail="a@medical59.apicrypt.org"))
    assert state.one("mail", "b") == "a@medical59.apicrypt.org"
    state.taken(
        delete("b")
        + ldif("n", mail="a@medical59.apicrypt.org").replace("objectClass", "changetype: add\nobjectClass", 1)
    )
    assert state.row("n") is not None


def test_who_is_refused_keeps_the_address_from_others(state: State) -> None:
    """A record that is not taken leaves its entry as it is, and so its address is not free."""
    state.taken(ldif("a"), ldif("b"), ldif("c"))
    chain = [
        ldif("a", mail="b@medical59.apicrypt.org"),
        ldif("b", mail="c@medical59.apicrypt.org"),
        ldif("c", mail="c@medical59.apicrypt.org", title="Médecin"),
    ]
    report = state.load(*chain, continue_=True)
    assert [one.dn.partition(",")[0] for one in report.refusals] == ["uid=a", "uid=b"]
    assert [state.one("mail", uid) for uid in "abc"] == [f"{uid}@medical59.apicrypt.org" for uid in "abc"]
    assert state.one("title", "c") == "Médecin"


def test_the_same_local_part_elsewhere_is_worth_a_warning(state: State) -> None:
    state.taken(ldif("a"))
    other, third = ldif("b", mail="a@medical62.apicrypt.org"), ldif("c", mail="A@medical80.apicrypt.org")
    assert totals(state.taken(other, third, ldif("d", mail="a.b@medical62.apicrypt.org"))) == (3, 0, 0, 0, 2)
    assert state.taken(other, third).warnings == 0, "nothing new"
    moved = state.taken(ldif("d", mail="a@medical75.apicrypt.org"))
    assert (moved.changed, moved.warnings) == (1, 1)


def test_the_first_address_is_the_native_one_whatever_was_there_before(state: State) -> None:
    one, other = "un@medical59.apicrypt.org", "deux@medical59.apicrypt.org"
    state.taken(ldif(mail=[one, other]))
    assert totals(state.taken(ldif(mail=[other, one]))) == (0, 1, 0, 0, 0)
    assert state.attributes()["mail"] == [other, one]
    assert totals(state.taken(ldif(mail=[other, one]))) == (0, 0, 1, 0, 0)
    row = state.row()
    assert row is not None
    assert row.account == other


# --- What an account may be ---


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"apicryptVersion": "3"}, "apicryptVersion: one of 1, 2"),
        ({"apicryptVersion": "0"}, "apicryptVersion: one of 1, 2"),
        ({"apicryptEtat": "parti"}, "apicryptEtat: one of actif, suspendu, resilie"),
    ],
)
def test_a_version_or_state_that_does_not_exist_refuses_the_record(
    state: State, wrong: dict[str, str], said: str
) -> None:
    assert reasons(state, ldif(**wrong)) == [said]
    state.taken(ldif())
    [(name, value)] = wrong.items()
    assert reasons(state, modify("jeanne", f"replace: {name}", f"{name}: {value}")) == [said]
    assert reasons(state, ldif(**wrong)) == [said]


# --- Versions ---


def history(state: State) -> list[tuple[str, int]]:
    row = state.row()
    assert row is not None
    attributes = {name: [value.encode() for value in values] for name, values in state.attributes().items()}
    return forfait.history(attributes, state.memory().versions, row.created_at)


def test_an_account_that_never_changed_has_no_row(state: State) -> None:
    state.taken(ldif(apicryptVersionDepuis="20180301000000Z"))
    assert state.memory().versions == []
    assert history(state) == [("20180301000000Z", 2)]


def test_each_change_of_version_is_dated(state: State) -> None:
    state.taken(ldif(apicryptVersion="1", apicryptVersionDepuis="20170101000000Z"))
    state.taken(ldif(apicryptVersion="2"), now=LATER)
    assert state.one("apicryptVersionDepuis") == AT_LATER
    assert history(state) == [("20170101000000Z", 1), (AT_LATER, 2)]
    assert totals(state.taken(ldif(apicryptVersion="2"))) == (0, 0, 1, 0, 0)
    state.taken(ldif(apicryptVersion="2", apicryptVersionDepuis="20190601000000Z"))
    assert ("20190601000000Z", 2) in history(state)
    assert forfait.holds(history(state), 2019)


def test_a_change_is_dated_by_the_file_that_says_when(state: State) -> None:
    state.taken(ldif(apicryptVersion="1", apicryptVersionDepuis="20170101000000Z"))
    state.taken(ldif(apicryptVersion="2", apicryptVersionDepuis="20190601000000Z"))
    assert history(state) == [("20170101000000Z", 1), ("20190601000000Z", 2)]
    assert [forfait.holds(history(state), year) for year in (2016, 2017, 2018, 2019)] == [
        False,
        True,
        True,
        True,
    ]


def test_a_closed_subscription_has_no_version(state: State) -> None:
    state.taken(ldif(apicryptVersionDepuis="20180301000000Z"))
    state.taken(
        ldif(apicryptEtat="resilie", apicryptVersionDepuis="20180301000000Z"),
        now=datetime(2020, 5, 1, tzinfo=UTC),
    )
    state.taken(ldif(apicryptVersionDepuis="20180301000000Z"), now=datetime(2022, 5, 1, tzinfo=UTC))
    assert history(state) == [("20180301000000Z", 2), ("20200501000000Z", 0), ("20220501000000Z", 2)]
    assert [forfait.holds(history(state), year) for year in (2019, 2020, 2021, 2022)] == [
        True,
        False,
        False,
        True,
    ]


def test_a_deleted_account_leaves_its_history(state: State) -> None:
    state.taken(ldif(apicryptVersionDepuis="20180301000000Z"))
    state.taken(delete("jeanne"), now=LATER)
    assert state.memory().versions == [("20180301000000Z", 2), (AT_LATER, 0)]
    state.taken(ldif(), now=datetime(2027, 1, 1, tzinfo=UTC))
    assert history(state)[-1] == ("20270101000000Z", 2)


# --- Secrecy before availability ---


@pytest.mark.parametrize(
    ("change", "hides"),
    [
        (ldif(**ON, listeRouge="TRUE"), True),
        (ldif(apicryptInterop="FALSE"), True),
        (ldif(**ON, apicryptVersion="1"), True),
        (ldif(**ON, apicryptEtat="suspendu"), True),
        (ldif(**ON, profession="71"), True),
        (delete("jeanne"), True),
        (modify("jeanne", "replace: listeRouge", "listeRouge: TRUE"), True),
        (ldif(**ON, title="Médecin"), False),
        (ldif("autre", **ON), False),
    ],
)
def test_an_import_that_hides_somebody_is_announced_before_its_commit(
    tmp_path: Path, change: str, hides: bool
) -> None:
    with store_places.opened("sqlite", tmp_path / "var") as opened:
        state = State(opened)
        state.taken(ldif(**ON), folder=state.folder)
        before = state.folder.hidden_until() if state.folder.path.exists() else 0
        assert before == 0
        report = state.taken(change, folder=state.folder)
        assert (state.folder.path.exists() and state.folder.hidden_until() == report.change_number) is hides


def test_an_account_outside_the_native_domains_is_taken_with_a_warning(state: State) -> None:
    report = state.load(ldif("a"), ldif("b", mail="jean@gmail.com"), ldif("c", mail="jean"))
    assert (report.added, report.warnings) == (3, 2)
    assert report.warned == {native_addresses.NOT_NATIVE: 2}
    # Nothing is said again of what stays as it is.
    assert state.load(ldif("b", mail="jean@gmail.com")).warnings == 0
    for change in (
        modify("a", "replace: mail", "mail: jean@example.org"),
        ldif("a", mail="jean@example.com"),
    ):
        assert state.load(change).warned.get(native_addresses.NOT_NATIVE) == 1
