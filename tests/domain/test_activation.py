"""When exchanges with the trust space may be opened, and who is reached from there."""

import itertools
from datetime import UTC, datetime

import pytest
from shipped_rules import ELIGIBLE, RULES

from annuaire.domain import account, activation, facts, profession
from annuaire.domain.account import Account

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
OPEN = ELIGIBLE._replace(interop="jeanne.dupont@interop-mssante.apicrypt.org", interop_on=True)

BRETAGNE = {"postal_code": "29200", "native": "yann.LE-GOFF@medical29.apicrypt.org"}
IN_OCTOBER_2018 = datetime(2018, 10, 15, tzinfo=UTC)


def code(tried: Account, now: datetime = NOW) -> str:
    refused = activation.refusal(tried, RULES, now)
    return refused.code if refused else ""


def test_a_physician_in_version_2_may_open_exchanges() -> None:
    assert activation.refusal(ELIGIBLE, RULES, NOW) is None


@pytest.mark.parametrize(
    ("changes", "reason", "sentence"),
    [
        (
            {"version": 1},
            "version",
            "Seule la version 2 d'APICRYPT échange avec l'espace de confiance MSSanté.",
        ),
        (
            {"professions": ("71",)},
            "profession",
            "L'espace de confiance MSSanté n'est pas ouvert à cette profession : Ostéopathe (71).",
        ),
        (
            {"professions": ("71", "0")},
            "profession",
            "L'espace de confiance MSSanté n'est pas ouvert à cette profession : Ostéopathe (71), inconnue (0).",
        ),
        (
            {"professions": ()},
            "profession",
            "Aucune profession n'est indiquée : l'espace de confiance MSSanté est ouvert selon la profession.",
        ),
        ({"state": account.SUSPENDED}, "etat", "L'abonnement est suspendu."),
        ({"state": account.CLOSED}, "etat", "L'abonnement est résilié."),
        ({"state": "autre"}, "etat", "L'abonnement n'est pas actif."),
    ],
)
def test_there_is_one_reason_and_its_sentence(changes: dict, reason: str, sentence: str) -> None:
    assert activation.refusal(ELIGIBLE._replace(**changes), RULES, NOW) == (reason, sentence)


@pytest.mark.parametrize(
    ("place", "last_day", "sentence"),
    [
        (
            {"postal_code": "59000"},
            datetime(2018, 9, 30, 23, 59, tzinfo=UTC),
            "Les échanges avec l'espace de confiance MSSanté (Hauts-de-France) ouvrent le 1er octobre 2018.",
        ),
        (
            BRETAGNE,
            datetime(2018, 10, 31, 23, 59, tzinfo=UTC),
            "Les échanges avec l'espace de confiance MSSanté (Bretagne) ouvrent le 1er novembre 2018.",
        ),
        (
            {"postal_code": "67000"},
            datetime(2018, 11, 30, 23, 59, tzinfo=UTC),
            "Les échanges avec l'espace de confiance MSSanté (Grand Est) ouvrent le 1er décembre 2018.",
        ),
        (
            {"postal_code": "97400"},
            datetime(2018, 12, 31, 23, 59, tzinfo=UTC),
            "Les échanges avec l'espace de confiance MSSanté (La Réunion) ouvrent le 1er janvier 2019.",
        ),
        (
            {"postal_code": "", "native": "a@medical.apicrypt.org"},
            datetime(2018, 12, 31, 23, 59, tzinfo=UTC),
            "Les échanges avec l'espace de confiance MSSanté ouvrent le 1er janvier 2019.",
        ),
    ],
)
def test_before_the_day_of_the_region_the_day_is_told(place: dict, last_day: datetime, sentence: str) -> None:
    somewhere = ELIGIBLE._replace(**place)
    assert activation.refusal(somewhere, RULES, last_day) == ("calendrier", sentence)
    opened = datetime.fromtimestamp(last_day.timestamp() + 60, UTC)
    assert activation.refusal(somewhere, RULES, opened) is None


def test_of_several_reasons_the_first_of_a_fixed_order_is_told() -> None:
    wrong = [
        ("version", {"version": 1}),
        ("profession", {"professions": ("71",)}),
        ("etat", {"state": account.SUSPENDED}),
        ("calendrier", BRETAGNE),
    ]
    for count in range(1, len(wrong) + 1):
        for chosen in itertools.combinations(wrong, count):
            tried = ELIGIBLE
            for _, changes in chosen:
                tried = tried._replace(**changes)
            assert code(tried, IN_OCTOBER_2018) == chosen[0][0]


def test_a_profession_is_judged_on_the_day_and_by_the_profile() -> None:
    aide_soignant = ELIGIBLE._replace(professions=("35",))
    assert code(aide_soignant, datetime(2024, 12, 13, 12, tzinfo=UTC)) == ""
    assert code(aide_soignant, datetime(2024, 12, 14, tzinfo=UTC)) == "profession"
    wider = RULES._replace(profile=profession.JDV_J71)
    role = ELIGIBLE._replace(professions=("313",))
    assert code(role) == "profession"
    assert activation.refusal(role, wider, NOW) is None


def test_exchanges_may_be_opened_again_by_whoever_has_them() -> None:
    assert activation.refusal(OPEN, RULES, NOW) is None


# --- Who is reached ---


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({}, ""),
        ({"version": 1}, "version"),
        ({"professions": ("71",)}, "profession"),
        ({"professions": ("71", "10")}, ""),
        ({"state": account.SUSPENDED}, "etat"),
        ({"state": account.CLOSED}, "etat"),
        ({"interop_on": False}, "interop"),
        ({"interop": ""}, "adresse"),
    ],
)
def test_somebody_is_reached_when_nothing_is_missing(changes: dict, missing: str) -> None:
    tried = OPEN._replace(**changes)
    assert activation.missing(tried, RULES, NOW) == missing
    assert activation.is_reachable_from_trust_space(tried, RULES, NOW) is (missing == "")
    # Routing knows less of an account, and decides the same.
    assert activation.missing(facts.of_account(tried), RULES, NOW) == missing


def test_the_calendar_closes_nothing_that_is_open() -> None:
    early = OPEN._replace(**BRETAGNE)
    assert code(early, IN_OCTOBER_2018) == "calendrier"
    assert activation.is_reachable_from_trust_space(early, RULES, IN_OCTOBER_2018)


def test_liste_rouge_changes_nothing_about_being_reached() -> None:
    choices = itertools.product((1, 2), (("10",), ("71",)), account.STATES, (True, False), ("", OPEN.interop))
    for version, codes, state, interop_on, address in choices:
        shown = OPEN._replace(
            version=version, professions=codes, state=state, interop_on=interop_on, interop=address
        )
        hidden = shown._replace(liste_rouge=True)
        assert activation.missing(shown, RULES, NOW) == activation.missing(hidden, RULES, NOW)
        assert activation.refusal(shown, RULES, NOW) == activation.refusal(hidden, RULES, NOW)


# --- Liste rouge ---


def test_liste_rouge_is_possible_once_exchanges_are_open() -> None:
    refused = activation.liste_rouge_refusal(ELIGIBLE)
    assert refused is not None
    assert refused == (
        "interop",
        "La liste rouge se choisit une fois les échanges avec l'espace de confiance MSSanté ouverts.",
    )
    assert activation.liste_rouge_refusal(OPEN) is None


def test_liste_rouge_outlives_closing_and_opening_exchanges() -> None:
    hidden = OPEN._replace(liste_rouge=True)
    assert activation.liste_rouge_refusal(hidden._replace(interop_on=False)) is None
    assert activation.liste_rouge_refusal(hidden) is None


def test_who_closed_exchanges_without_liste_rouge_may_not_go_on_it() -> None:
    assert activation.liste_rouge_refusal(OPEN._replace(interop_on=False)) is not None
