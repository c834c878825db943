"""A person's choice outlives every import; a file's choice that the rules refuse costs a warning and nothing else."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import store_places
from invented_accounts import AT, AT_LATER, LATER, State, delete, ldif, modify, rpps, totals

from annuaire.actions import set_interop, set_liste_rouge
from annuaire.store.choices import ChoiceRow

NATIVE = "jeanne@medical59.apicrypt.org"
ON = {"apicryptInterop": "TRUE"}
ROUGE = {**ON, "listeRouge": "TRUE"}


@pytest.fixture(params=store_places.PLACES)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield State(opened)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[State]:
    with store_places.opened("sqlite", tmp_path / "var") as opened:
        yield State(opened)


def interop(state: State, on: bool, who: str = NATIVE, **options: object) -> None:
    set_interop.set_interop(state.source, state.folder, who, on, now=LATER, **options)  # type: ignore[arg-type]


def liste_rouge(state: State, on: bool, who: str = NATIVE) -> None:
    set_liste_rouge.set_liste_rouge(state.source, state.folder, who, on, now=LATER)


def test_a_first_import_brings_the_initial_choices(state: State) -> None:
    assert totals(state.taken(ldif(**ROUGE))) == (1, 0, 0, 0, 0)
    assert state.one("apicryptInterop") == "TRUE"
    assert state.one("listeRouge") == "TRUE"
    assert state.one("apicryptInteropDepuis") == AT
    assert state.one("listeRougeDepuis") == AT
    assert state.memory() == ({}, {}, [], ()), "the entry tells all of it"


def test_since_when_a_choice_holds_is_taken_from_the_file_that_brings_it(state: State) -> None:
    since = {"apicryptInteropDepuis": "20181105090000Z", "listeRougeDepuis": "20190101000000Z"}
    state.taken(ldif(**ROUGE, **since))
    assert state.one("apicryptInteropDepuis") == "20181105090000Z"
    assert state.one("listeRougeDepuis") == "20190101000000Z"
    again = {**since, "apicryptInteropDepuis": "20170101000000Z"}
    assert totals(state.taken(ldif(**ROUGE, **again))) == (0, 0, 1, 0, 0), (
        "it holds since then, whatever is said now"
    )


def test_the_same_file_again_changes_nothing_and_writes_no_row(state: State) -> None:
    people = [
        ldif("a", **ROUGE),
        ldif("b", **ON, apicryptVersion="1"),
        ldif("c", listeRouge="TRUE"),
        ldif("d", **ON, profession="71"),
        ldif("e", apicryptInterop="FALSE", telephoneNumber="+33 3 53 01 00 02"),
        ldif("f", **ON, apicryptEtat="suspendu"),
        ldif("g", apicryptInteropMail="dr.g@interop-mssante.apicrypt.org", apicryptInterop="FALSE"),
        ldif("h", **ON, apicryptInteropMail="Dr.H@interop-mssante.apicrypt.org"),
        ldif("i", mail=["i@medical59.apicrypt.org", "second@medical59.apicrypt.org"], **ON),
    ]
    first = state.taken(*people)
    assert first.warnings == 4
    assert sum(first.warned.values()) == 4
    before = state.everything()
    for _ in range(2):
        again = state.taken(*people, now=LATER)
        assert totals(again) == (0, 0, 9, 0, 0)
        assert state.everything() == before
    assert totals(state.taken(*reversed(people), now=LATER)) == (0, 0, 9, 0, 0)
    assert state.everything() == before


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"apicryptVersion": "1"}, "version 2"),
        ({"profession": "71"}, "Ostéopathe"),
        ({"profession": None}, "Aucune profession"),
        ({"apicryptEtat": "suspendu"}, "suspendu"),
        ({"apicryptEtat": "resilie"}, "résilié"),
    ],
)
def test_a_choice_that_the_rules_refuse_is_not_taken_and_the_record_is(
    embedded: State, wrong: dict[str, object], reason: str
) -> None:
    report = embedded.taken(ldif(**ON, **wrong))
    assert totals(report) == (1, 0, 0, 0, 1)
    [said] = report.warned
    assert reason in said
    assert embedded.one("apicryptInterop") is None
    assert embedded.address() is None
    assert embedded.ledger() == {}


@pytest.mark.parametrize(
    ("place", "day", "open_"),
    [
        ("59000", (2018, 9, 30), False),
        ("59000", (2018, 10, 1), True),
        ("35000", (2018, 10, 31), False),
        ("35000", (2018, 11, 1), True),
        ("97400", (2018, 12, 31), False),
        ("97400", (2019, 1, 1), True),
        ("20000", (2018, 12, 31), False),
    ],
)
def test_nobody_opens_before_their_region(
    embedded: State, place: str, day: tuple[int, int, int], open_: bool
) -> None:
    now = datetime(*day, 12, tzinfo=UTC)
    mail = "jeanne@medical.apicrypt.org"
    report = embedded.taken(ldif(**ON, postalCode=place, mail=mail), now=now)
    assert (report.warnings == 0) is open_
    assert (embedded.address() is not None) is open_


def test_what_was_refused_is_taken_once_the_rules_allow_it(state: State) -> None:
    state.taken(ldif(**ON, apicryptVersion="1"))
    assert totals(state.taken(ldif(**ON, apicryptVersion="2"), now=LATER)) == (0, 1, 0, 0, 0)
    assert state.address() == "jeanne.dupont"
    assert state.one("apicryptInteropDepuis") == AT_LATER
    assert state.memory().said == {}


def test_what_was_refused_is_told_once_and_again_when_the_source_says_it_anew(state: State) -> None:
    wanting, silent = ldif(**ON, apicryptVersion="1"), ldif(apicryptInterop="FALSE", apicryptVersion="1")
    assert [state.taken(one).warnings for one in (wanting, wanting, silent, wanting, wanting)] == [
        1,
        0,
        0,
        1,
        0,
    ]


def test_what_somebody_chose_outlives_every_import(state: State) -> None:
    state.taken(ldif(**ON))
    interop(state, False)
    assert state.one("apicryptInterop") == "FALSE"
    before = state.everything()
    assert totals(state.taken(ldif(**ON))) == (0, 0, 1, 0, 0)
    assert state.everything() == before
    changed = state.taken(ldif(**ON, telephoneNumber="+33 3 53 01 00 02"))
    assert totals(changed) == (0, 1, 0, 0, 0)
    assert state.one("apicryptInterop") == "FALSE"
    assert state.one("telephoneNumber") == "+33 3 53 01 00 02"
    assert state.one("apicryptInteropDepuis") == AT_LATER


def test_choices_are_kept_over_one_file_another_and_the_first_again(state: State) -> None:
    first = [ldif("a", **ROUGE), ldif("b", apicryptInterop="FALSE"), ldif("c", **ON)]
    second = [
        ldif("a", **ON, listeRouge="FALSE"),
        ldif("b", **ON, title="Médecin"),
        ldif("c", apicryptInterop="FALSE"),
    ]
    state.taken(*first)
    liste_rouge(state, False, "a@medical59.apicrypt.org")
    interop(state, True, "b@medical59.apicrypt.org")

    def chosen() -> list[tuple[str | None, ...]]:
        return [
            tuple(state.one(name, uid) for name in ("apicryptInterop", "listeRouge", "apicryptInteropDepuis"))
            for uid in ("a", "b")
        ]

    before, entries = chosen(), {uid: state.attributes(uid) for uid in "abc"}
    assert before == [("TRUE", "FALSE", AT), ("TRUE", None, AT_LATER)]
    state.taken(*second)
    assert chosen() == before
    assert state.one("apicryptInterop", "c") == "FALSE", "nobody but files has decided this"
    state.taken(*first)
    assert chosen() == before
    # Since when c is open again is all that tells that there was another file between.
    now = {uid: state.attributes(uid) for uid in "abc"}
    assert now == entries


def test_the_operator_may_let_the_file_overrule_what_people_chose(state: State) -> None:
    state.taken(ldif(**ON))
    interop(state, False)
    assert state.taken(ldif(**ON), now=LATER).changed == 0
    assert totals(state.taken(ldif(**ON), now=LATER, reset_choices=True)) == (0, 1, 0, 0, 0)
    assert state.one("apicryptInterop") == "TRUE"
    assert state.address() == "jeanne.dupont"
    assert state.memory() == ({}, {}, [], ())
    assert totals(state.taken(ldif(apicryptInterop="FALSE"))) == (0, 1, 0, 0, 0), "it is the file's again"


def test_even_the_operator_cannot_let_a_file_open_what_the_rules_refuse(state: State) -> None:
    state.taken(ldif(**ON))
    interop(state, False)
    report = state.taken(ldif(**ON, apicryptVersion="1"), reset_choices=True)
    assert report.warnings == 1
    assert state.one("apicryptInterop") == "FALSE"
    assert state.memory().choices["apicryptInterop"].origin == "cli"


def test_a_file_that_wants_what_a_person_did_not_is_told_so_once(state: State) -> None:
    state.taken(ldif(apicryptInterop="FALSE"))
    interop(state, True)
    liste_rouge(state, True)
    wanting = ldif(**ON, listeRouge="FALSE")
    first, second = state.taken(wanting), state.taken(wanting)
    assert (first.warnings, second.warnings) == (1, 0)
    assert state.one("listeRouge") == "TRUE"


def test_a_file_that_does_not_mention_a_choice_says_nothing_about_it(state: State) -> None:
    state.taken(ldif(**ROUGE))
    assert totals(state.taken(ldif(title="Médecin"))) == (0, 1, 0, 0, 0)
    assert (state.one("apicryptInterop"), state.one("listeRouge")) == ("TRUE", "TRUE")
    assert state.one("apicryptInteropDepuis") == AT


def test_liste_rouge_needs_open_exchanges_and_survives_their_closing(state: State) -> None:
    report = state.taken(ldif(listeRouge="TRUE"))
    assert (report.warnings, state.one("listeRouge")) == (1, None)
    state.taken(ldif(**ROUGE))
    assert state.one("listeRouge") == "TRUE"
    interop(state, False)
    assert state.one("listeRouge") == "TRUE"
    interop(state, True)
    assert (state.one("listeRouge"), state.one("listeRougeDepuis")) == ("TRUE", AT)


def test_choices_outlive_the_entry_and_the_ledger_too(state: State) -> None:
    state.taken(ldif(**ON, **rpps(1)))
    liste_rouge(state, True)
    address = state.address()
    state.taken(delete("jeanne"))
    assert state.row() is None
    kept = state.memory().choices
    assert kept["apicryptInterop"] == ChoiceRow(NATIVE, "apicryptInterop", True, AT, "import")
    assert kept["listeRouge"] == ChoiceRow(NATIVE, "listeRouge", True, AT_LATER, "cli")
    assert state.ledger() == {"jeanne.dupont": "899900000001"}
    # Somebody of the same name cannot get the address of the one who is gone.
    state.taken(ldif("autre", **ON, **rpps(2)))
    assert state.address("autre") == "jeanne.dupont2"
    state.taken(ldif(**rpps(1)))
    assert state.one("apicryptInterop") == "TRUE"
    assert (state.one("listeRouge"), state.one("listeRougeDepuis")) == ("TRUE", AT_LATER)
    assert state.address() == address
    assert list(state.memory().choices) == ["listeRouge"], "the other is told by the entry again"
    state.taken(ldif(**ON, listeRouge="FALSE", **rpps(1)))
    assert state.one("listeRouge") == "TRUE"


def test_a_deletion_and_a_new_entry_in_one_file_lose_nothing(state: State) -> None:
    state.taken(ldif(**ROUGE, **rpps(1)))
    interop(state, False)
    record = ldif(title="Médecin", **rpps(1)).replace("objectClass", "changetype: add\nobjectClass", 1)
    state.taken(delete("jeanne") + record)
    assert (state.one("apicryptInterop"), state.one("listeRouge")) == ("FALSE", "TRUE")
    assert state.one("title") == "Médecin"
    interop(state, True)
    assert state.address() == "jeanne.dupont"


def test_a_change_of_something_else_says_nothing_about_choices(state: State) -> None:
    state.taken(ldif(**ON))
    interop(state, False)
    before = state.memory()
    state.taken(modify("jeanne", "replace: title", "title: Médecin"))
    assert state.memory() == before
    assert state.one("apicryptInterop") == "FALSE"
    assert totals(state.taken(ldif(**ON, title="Médecin"))) == (0, 0, 1, 0, 0)


def test_a_file_of_changes_is_a_file_too(state: State) -> None:
    state.taken(ldif(**ON))
    state.taken(modify("jeanne", "replace: apicryptInterop", "apicryptInterop: FALSE"), now=LATER)
    assert (state.one("apicryptInterop"), state.one("apicryptInteropDepuis")) == ("FALSE", AT_LATER)
    assert state.memory() == ({}, {}, [], ())
    interop(state, True)
    wanted = [
        state.taken(modify("jeanne", "replace: apicryptInterop", f"apicryptInterop: {word}"))
        for word in ("FALSE", "TRUE", "FALSE")
    ]
    assert [totals(one)[1:] for one in wanted] == [(0, 1, 0, 0), (0, 1, 0, 0), (0, 1, 0, 1)]
    assert state.one("apicryptInterop") == "TRUE"
    state.taken(modify("jeanne", "delete: apicryptInterop"), reset_choices=True)
    assert state.one("apicryptInterop") == "FALSE"


def test_what_a_file_of_changes_wants_in_vain_is_told(state: State) -> None:
    state.taken(ldif(apicryptVersion="1"))
    report = state.taken(modify("jeanne", "replace: apicryptInterop", "apicryptInterop: TRUE"))
    assert report.warnings == 1
    assert state.one("apicryptInterop") is None


def test_an_address_that_changes_takes_everything_along(state: State) -> None:
    state.taken(ldif(**ON), ldif("autre", sn="MARTIN", **ON))
    interop(state, False)
    interop(state, False, "autre@medical59.apicrypt.org")
    # What an account left behind that once had the new address is not hers.
    state.taken(delete("autre"))
    new = "autre@medical59.apicrypt.org"
    state.taken(ldif(**ON, mail=new))
    assert state.memory().choices == {}
    assert state.memory().said == {}
    moved = state.memory(new)
    assert moved.choices["apicryptInterop"].since == AT_LATER
    assert set(moved.said) == {"apicryptInterop"}
    assert state.one("apicryptInterop") == "FALSE"
    assert totals(state.taken(ldif(**ON, mail=new))) == (0, 0, 1, 0, 0)
    interop(state, True, new)
    assert state.address() == "jeanne.dupont"
    assert state.ledger()["jeanne.dupont"] == new


@pytest.mark.parametrize("as_changes", [False, True])
def test_two_accounts_may_exchange_their_addresses(state: State, as_changes: bool) -> None:
    first, second = "a@medical59.apicrypt.org", "b@medical59.apicrypt.org"
    state.taken(ldif("a", **ON), ldif("b", sn="MARTIN", **ON))
    interop(state, False, first)
    if as_changes:
        report = state.load(modify("a", "replace: mail", f"mail: {second}"))
        assert [one.code for one in report.refusals] == [19], "one after the other, as servers do"
        return
    state.taken(ldif("a", **ON, mail=second), ldif("b", sn="MARTIN", **ON, mail=first))
    assert [state.one("apicryptInterop", uid) for uid in "ab"] == ["FALSE", "TRUE"]
    assert set(state.memory(second).choices) == {"apicryptInterop"}
    assert state.memory(first).choices == {}
    assert [state.address(uid) for uid in "ab"] == ["jeanne.dupont", "jeanne.martin"]
    assert state.ledger() == {"jeanne.dupont": second, "jeanne.martin": first}


def test_attributes_of_the_person_follow_whoever_spoke_last(state: State) -> None:
    first, second = "+33 3 53 01 00 02", "+33 3 53 01 00 03"
    state.taken(ldif(telephoneNumber=first))
    with state.store.writing() as writer:  # as a person does who changes their own entry
        writer.keep_said(NATIVE, "telephoneNumber", b"")
    state.taken(ldif(telephoneNumber=second))
    assert state.one("telephoneNumber") == second
    state.taken(ldif())
    assert state.one("telephoneNumber") is None, "what the source gave, it takes away"


def test_a_file_without_passwords_takes_none_away(state: State) -> None:
    state.taken(ldif(userPassword="{SSHA}WlkGwjege+Yu4LcONUCeK+qUL11maXh0dXJlMQ=="))
    row = state.row()
    assert totals(state.taken(ldif(title="Médecin"))) == (0, 1, 0, 0, 0)
    after = state.row()
    assert row is not None
    assert after is not None
    assert after.passwords == row.passwords
    state.taken(modify("jeanne", "delete: userPassword"))
    gone = state.row()
    assert gone is not None
    assert gone.passwords is None


def test_dry_runs_count_the_same_and_keep_nothing(state: State) -> None:
    people = [ldif("a", **ROUGE), ldif("b", **ON, apicryptVersion="1")]
    before = state.everything()
    dry = state.taken(*people, dry_run=True)
    assert state.everything() == before
    assert totals(dry) == totals(state.taken(*people))


def test_the_order_of_decisions_is_a_table(embedded: State) -> None:
    """Every sequence of what a file says and what a person does, against the rule in a few words."""
    words = {"T": "TRUE", "F": "FALSE", "-": None}
    for number, steps in enumerate(
        json.loads(
            '["T", "F", "-", "TF", "FT", "T-", "To", "Fo", "ToT", "ToF", "FoT", "FoF", "Fi", "FiF", "FiT", "FiTF",'
            ' "ToFT", "-i", "-iF", "-i-F", "TiF", "TioT", "FioiF", "To-T", "TT", "FiFTF"]'
        )
    ):
        uid, held, chosen = f"p{number}", None, False
        for step in steps:
            if step in words:
                embedded.taken(ldif(uid, apicryptInterop=words[step]))
                if words[step] is not None and not chosen:
                    held = words[step]
            else:
                interop(embedded, step == "i", f"{uid}@medical59.apicrypt.org")
                held, chosen = {"i": "TRUE", "o": "FALSE"}[step], True
            assert embedded.one("apicryptInterop", uid) == held, steps
