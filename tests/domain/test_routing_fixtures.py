"""Who may write to whom, one line a case: fixtures/routing.in tells the cases, routing.ref the answers.

`python tests/domain/test_routing_fixtures.py` prints what routing.ref would be; read it before keeping it.
"""

import pytest
import routing_cases
from routing_cases import CASES, FIXTURES, PEOPLE

from annuaire.domain import account, reasons, routing, routing_classes

LEGEND = """# Les réponses aux cas de routing.in, dans leur ordre, chacune derrière le cas qu'elle répond :
#
#   cas  =>  verdict ; raison ; code d'état ; ce que lit l'expéditeur ; adresses réécrites ; réseau ; encodage
#
#   deliver   remis à un de nos abonnés
#   relay     transmis à l'espace de confiance
#   refuse    refusé, définitivement
#   defer     pas maintenant : le trouble est chez nous, et l'expéditeur réessaiera
#   none      ne nous regarde pas
#
# Ce que lit l'expéditeur : « DUNNO » (rien ne s'y oppose), « le motif » (le texte de la raison, réservé aux nôtres),
# ou l'un des textes des autres, « inconnu » (5.1.1), « refusé » (5.7.1), « plus tard » (4.3.0). Les voici tous :
#
# texte | raison | ce que lisent les nôtres | ce que lisent les autres"""


def test_every_case_is_answered_as_the_reference_says() -> None:
    lines = (FIXTURES / "routing.ref").read_text("utf-8").splitlines()
    expected = [line for line in lines if line.startswith("# ---") or not line.startswith("#")]
    assert list(routing_cases.told()) == expected


def test_no_case_is_told_twice() -> None:
    texts = [case.text for case in CASES]
    assert sorted({text for text in texts if texts.count(text) > 1}) == []


def test_every_reason_has_a_case() -> None:
    assert {case.decide(PEOPLE).reason for case in CASES} == reasons.REASONS.keys()


def test_every_cell_of_the_table_has_a_case() -> None:
    played = set()
    for case in CASES:
        if not case.is_away:
            facts = routing.collect(case.envelope, case.directory(PEOPLE), case.settings)
            writer, _ = routing_classes.sender(case.envelope, facts, case.settings)
            played.add((writer, routing_classes.recipient(facts)))
    # U is one side where no liste blanche tells; then it tells nothing of the other side either.
    impossible = {("U", "M"), ("M", "U"), ("D", "U")}
    assert routing.TABLE.keys() - played == impossible


def test_liste_rouge_plays_no_part_in_any_case() -> None:
    others = [one._replace(liste_rouge=not one.liste_rouge) for one in PEOPLE]
    assert any(one.liste_rouge for one in PEOPLE)
    for case in CASES:
        assert case.decide(others) == case.decide(PEOPLE), case.text


def test_every_step_of_a_case_is_told_and_changes_nothing() -> None:
    for case in CASES:
        told = case.decide(PEOPLE, explain=True)
        assert told._replace(steps=()) == case.decide(PEOPLE), case.text
        assert told.steps or case.is_away, case.text
        # What was refused was refused at the last step; what passes failed at none of its rule.
        if told.verdict == reasons.REFUSE:
            assert not all(step.held for step in told.steps), case.text


@pytest.mark.parametrize("state", account.STATES)
def test_trouble_is_never_a_permanent_refusal(state: str) -> None:
    people = [one._replace(state=state) for one in PEOPLE]
    waiting = 0
    for case in CASES:
        decision = case._replace(is_away=True).decide(people)
        waiting += decision.verdict == reasons.DEFER
        if decision.verdict == reasons.DEFER:
            assert decision.reply == reasons.LATER, case.text
        else:
            # Neither end is an address: nothing was to be looked up.
            assert decision == case._replace(is_away=False).decide(people), case.text
            assert "@" not in case.envelope.sender or decision.reason == "expediteur_non_authentifie"
    assert waiting > len(CASES) * 0.97


def test_a_missing_liste_blanche_refuses_nobody_whom_the_loaded_one_lets_pass() -> None:
    passing = (reasons.DELIVER, reasons.RELAY)
    changed = set()
    for case in CASES:
        before = case.decide(PEOPLE).verdict
        after = case._replace(is_loaded=False).decide(PEOPLE).verdict
        if before in passing:
            assert after in (*passing, reasons.DEFER), case.text
        changed.add((before, after))
    assert (reasons.RELAY, reasons.DEFER) in changed
    assert (reasons.DELIVER, reasons.DELIVER) in changed


if __name__ == "__main__":
    print(LEGEND)
    print("\n".join(routing_cases.told()))
