"""Who sees whom, held against the table that a lawyer can read."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from annuaire.actions import rules
from annuaire.domain import activation, audience, visibility
from annuaire.domain.account import Account
from annuaire.domain.audience import NOBODY, Audience
from annuaire.domain.visibility import Face

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
NATIVE, INTEROP = "jean.DUPONT@medical59.apicrypt.org", "jean.dupont@interop-mssante.apicrypt.org"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
# Of each face, the addresses that it shows.
SHOWN = {Face.NATIVE: ["native"], Face.INTEROP: ["interop"], Face.WHOLE: ["native", "interop"]}


def lines(name: str) -> list[str]:
    text = (FIXTURES / name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


CASES = list(zip(lines("visibility.in"), lines("visibility.ref"), strict=True))


def account_of(words: list[str]) -> Account:
    version, profession, state, interop, liste_rouge = words
    return Account(
        native=NATIVE,
        interop=INTEROP,
        version=int(version[1:]),
        professions=("10",) if profession == "éligible" else ("71",),
        state={"actif": "actif", "suspendu": "suspendu", "résilié": "resilie"}[state],
        interop_on=interop == "interop-ouvert",
        liste_rouge=liste_rouge == "sur-liste-rouge",
        key_end="",
        national="899900010010",
        postal_code="59000",
    )


def faces_of(account: Account, dgs: bool = True) -> dict[Face, Audience]:
    reachable = activation.is_reachable_from_trust_space(account, rules.shipped("faq-2018"), NOW)
    return visibility.of_account(account, reachable, dgs)


def test_the_table_holds_every_combination() -> None:
    assert len({case for case, _ in CASES}) == 6 * 2 * 2 * 3 * 2 * 2


@pytest.mark.parametrize(("case", "expected"), CASES)
def test_who_sees_whom(case: str, expected: str) -> None:
    asking, *words = case.split()
    account = account_of(words)
    seers = audience.NAMES[asking]
    faces = faces_of(account)
    found = [word for face, shown in SHOWN.items() if seers & faces.get(face, NOBODY) for word in shown]
    if seers & faces.get(Face.ROUTING, NOBODY):
        reachable = activation.is_reachable_from_trust_space(account, rules.shipped("faq-2018"), NOW)
        found = ["native", "interop"] if reachable else ["native"]
    assert " ".join(found) == (expected if expected != "rien" else "")


def test_nobody_sees_two_faces_of_one_account() -> None:
    for case, _ in CASES:
        faces = list(faces_of(account_of(case.split()[1:])).values())
        together = NOBODY
        for seers in faces:
            assert not together & seers
            together |= seers


def test_a_setting_hides_liste_rouge_from_the_dgs_too() -> None:
    hidden = account_of(["V2", "éligible", "actif", "interop-ouvert", "sur-liste-rouge"])
    assert Face.INTEROP not in faces_of(hidden, dgs=False)
    shown = account_of(["V2", "éligible", "actif", "interop-ouvert", "hors-liste-rouge"])
    assert faces_of(shown, dgs=False)[Face.INTEROP] & Audience.DGS


def test_going_on_liste_rouge_hides_and_leaving_it_does_not() -> None:
    shown = faces_of(account_of(["V2", "éligible", "actif", "interop-ouvert", "hors-liste-rouge"]))
    hidden = faces_of(account_of(["V2", "éligible", "actif", "interop-ouvert", "sur-liste-rouge"]))
    assert visibility.hides(shown, hidden)
    assert not visibility.hides(hidden, shown)
    assert not visibility.hides(shown, shown)
    assert visibility.hides(shown, {})
