"""What imports tell of accounts and choices: what the commit really changed, once each, at both stores."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import store_places
from invented_accounts import State, delete, ldif, modify

from annuaire.actions import import_source, set_interop
from annuaire.actions.import_report import Progress

ON, OFF = {"apicryptInterop": "TRUE"}, {"apicryptInterop": "FALSE"}


@pytest.fixture(params=store_places.PLACES)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield State(opened)


class Told(list[tuple[str, ...]]):
    """Kind, account without its domain, and what was done to it."""

    def __call__(self, kind: str, /, **fields: Any) -> None:
        what = fields.get("done") or fields.get("choice") or fields.get("reason") or ""
        more = [str(fields["value"])] if "value" in fields else fields.get("attributes", [])
        self.append((kind, str(fields.get("account", "")).partition("@")[0], what, *more))


def mail(uid: str) -> str:
    return f"{uid}@medical59.apicrypt.org"


@pytest.mark.parametrize("few", [0, 2000])
def test_what_others_did_meanwhile_is_not_told_again_and_what_it_left_to_do_is(
    state: State, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(import_source, "FEW", few)
    state.taken(ldif("a", **OFF), ldif("b", **OFF), ldif("c", **OFF))
    done = []

    def interfere(progress: Progress) -> None:
        if progress.phase == "apply" and not done:
            done.append(True)
            thread = threading.Thread(target=others)
            thread.start()
            thread.join()

    def others() -> None:
        set_interop.set_interop(state.source, state.folder, mail("a"), True)
        with state.store.writing() as writer:
            writer.delete(writer.entries_of_account(mail("b"))[0])

    told = Told()
    people = [ldif(uid, **ON, telephoneNumber="+33 3 53 01 00 01") for uid in "abc"]
    state.taken(*people, progress=interfere, told=told)
    assert done
    # Exchanges of a were opened by somebody else; b is there anew.
    assert sorted(told[:-1]) == [
        ("account", "a", "changed", "telephoneNumber"),
        ("account", "b", "added"),
        ("account", "c", "changed", "apicryptInteropMail", "telephoneNumber"),
        ("choice", "b", "apicryptInterop", "True"),
        ("choice", "c", "apicryptInterop", "True"),
    ]
    assert told[-1] == ("import", "", "")


def test_more_accounts_than_a_page_holds_are_told_once_each(state: State) -> None:
    names = [f"p{number}" for number in range(1300)]
    told = Told()
    state.taken(*map(ldif, names), told=told)
    assert sorted(told[:-1]) == sorted(("account", name, "added") for name in names)
    told.clear()
    state.taken(*(ldif(name, telephoneNumber="+33 3 53 01 00 01") for name in names), told=told)
    assert sorted(told[:-1]) == sorted(("account", name, "changed", "telephoneNumber") for name in names)
    told.clear()
    state.taken("\n".join(delete(name) for name in names), told=told)
    assert sorted(told[:-1]) == sorted(("account", name, "removed") for name in names)


def test_of_what_is_refused_nothing_is_told_but_that(state: State) -> None:
    state.taken(ldif("a"))
    wrong = ldif("b", apicryptVersion="neuf")
    told = Told()
    assert not state.load(ldif("a", **ON), ldif("c", **ON), wrong, told=told).applied
    assert told == [("refusal", "", "")]
    told.clear()
    state.load(ldif("a", **ON), ldif("c"), wrong, told=told, continue_=True)
    assert sorted(told) == [
        ("account", "a", "changed", "apicryptInteropMail"),
        ("account", "c", "added"),
        ("choice", "a", "apicryptInterop", "True"),
        ("import", "", ""),
    ]


def test_steps_are_told_by_where_they_end(state: State) -> None:
    state.taken(ldif("a", **ON), ldif("b"))
    told = Told()
    state.taken(
        modify("a", "replace: apicryptInterop", "apicryptInterop: FALSE"),
        modify("a", "replace: apicryptInterop", "apicryptInterop: TRUE"),
        modify("b", "replace: apicryptInterop", "apicryptInterop: TRUE"),
        modify("b", "replace: mail", f"mail: {mail('neuve')}"),
        told=told,
    )
    assert sorted(told[:-1]) == [
        ("account", "neuve", "changed", "apicryptInteropMail", "mail"),
        ("choice", "neuve", "apicryptInterop", "True"),
    ]


def test_a_trial_tells_nothing(state: State) -> None:
    told = Told()
    state.load(ldif("a", **ON), told=told, dry_run=True)
    assert told == []
