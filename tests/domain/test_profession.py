"""Who is eligible, as the shipped table says it, and how a table is read."""

from datetime import date

import pytest
from shipped_rules import PROFESSIONS

from annuaire.domain import profession
from annuaire.domain.profession import FAQ_2018, JDV_J71
from annuaire.errors import Misconfigured

TODAY = date(2026, 11, 23)
ORDRES = ["10", "21", "40", "50", "60", "70", "80"]
WITHOUT_ORDRE = ["26", "28", "81", "82", "83", "84", "85", "86", "91", "92", "94", "95", "96", "98"]
TITLES = ["71", "72", "73", "93", "97", "171", "172", "173", "193", "194"]
SOCIAL = ["41", "42", "43", "44", "45", "46", "47", "48", "49", "51", "52", "53"]
OLD_SOCIAL = [str(code) for code in range(200, 214)]


@pytest.mark.parametrize("profile", [FAQ_2018, JDV_J71])
@pytest.mark.parametrize("code", [*ORDRES, *WITHOUT_ORDRE])
def test_health_professions_are_open_in_both_profiles(code: str, profile: str) -> None:
    assert PROFESSIONS.eligible([code], profile, TODAY)
    assert PROFESSIONS.eligible([code], profile, date(2018, 10, 1))


@pytest.mark.parametrize("profile", [FAQ_2018, JDV_J71])
@pytest.mark.parametrize("code", [*TITLES, *SOCIAL, *OLD_SOCIAL, "99", "303", "331", "332"])
def test_users_of_a_title_social_workers_and_secretaries_are_in_neither(code: str, profile: str) -> None:
    for on in (date(2018, 10, 1), date(2019, 12, 1), date(2022, 1, 1), TODAY):
        assert not PROFESSIONS.eligible([code], profile, on)
    assert PROFESSIONS.label(code)


@pytest.mark.parametrize("on", [date(2021, 12, 16), date(2021, 12, 17), date(2021, 12, 18), TODAY])
def test_a_psychologue_is_a_user_of_a_title_although_93_is_a_code_of_health_professions(on: date) -> None:
    assert {one.table for one in PROFESSIONS.all if one.code == "93"} == {"TRE_R95", "TRE_G15"}
    assert not PROFESSIONS.eligible(["93"], FAQ_2018, on)
    assert not PROFESSIONS.eligible(["93"], JDV_J71, on)


@pytest.mark.parametrize("code", ["35", "36", "37", "38", "39"])
@pytest.mark.parametrize(
    ("on", "eligible"),
    [
        (date(2018, 10, 25), False),
        (date(2018, 10, 26), True),
        (date(2024, 12, 13), True),
        (date(2024, 12, 14), False),
    ],
)
def test_aides_soignants_and_their_like_are_health_professions_for_a_time(
    code: str, on: date, eligible: bool
) -> None:
    assert PROFESSIONS.eligible([code], FAQ_2018, on) is eligible
    assert not PROFESSIONS.eligible([code], JDV_J71, on)


@pytest.mark.parametrize(
    ("code", "first"), [("31", date(2018, 10, 26)), ("32", date(2019, 4, 26)), ("69", date(2000, 12, 13))]
)
def test_the_two_profiles_differ_on_what_the_value_set_leaves_out(code: str, first: date) -> None:
    assert PROFESSIONS.eligible([code], FAQ_2018, first)
    assert not PROFESSIONS.eligible([code], FAQ_2018, date.fromordinal(first.toordinal() - 1))
    assert not PROFESSIONS.eligible([code], JDV_J71, TODAY)


def test_the_value_set_admits_roles_that_the_rule_of_2018_does_not() -> None:
    roles = [str(code) for code in range(300, 330) if code != 303]
    assert [code for code in roles if PROFESSIONS.eligible([code], JDV_J71, TODAY)] == roles
    assert [code for code in roles if PROFESSIONS.eligible([code], FAQ_2018, TODAY)] == []


def test_one_eligible_code_among_several_is_enough() -> None:
    assert PROFESSIONS.eligible(["71", "10"], FAQ_2018, TODAY)
    assert not PROFESSIONS.eligible(["71", "72"], FAQ_2018, TODAY)


@pytest.mark.parametrize("codes", [[], [""], ["1"], ["010"], ["médecin"], ["*"], ["10,21"]])
def test_what_is_no_code_is_not_eligible(codes: list[str]) -> None:
    assert not PROFESSIONS.eligible(codes, FAQ_2018, TODAY)


def test_spaces_around_a_code_do_not_matter() -> None:
    assert PROFESSIONS.eligible([" 10 "], FAQ_2018, TODAY)
    assert PROFESSIONS.label(" 10 ") == "Médecin"


def test_a_code_that_nobody_knows_has_no_label() -> None:
    assert PROFESSIONS.label("12345") == ""


def test_a_profile_that_is_not_there_is_named() -> None:
    with pytest.raises(Misconfigured, match="no profile faq-2019 of professions \\(faq-2018, jdv-j71\\)"):
        PROFESSIONS.eligible(["10"], "faq-2019", TODAY)


def test_the_table_is_consistent() -> None:
    assert {one.group for one in PROFESSIONS.all} == {"A", "B", "B'", "C"}
    assert len({(one.code, one.table) for one in PROFESSIONS.all}) == len(PROFESSIONS.all)
    assert all(one.since <= one.until for one in PROFESSIONS.all)
    # The classes say the rule of 2018: a health professional of the Code de la santé publique.
    for one in PROFESSIONS.all:
        assert PROFESSIONS.eligible([one.code], FAQ_2018, one.since) == (one.group != "C"), one


HEADER = "code,label,table,class,from,until,ici\n"


def test_another_operator_may_write_another_profile() -> None:
    own = profession.load(f'# ours\n\n{HEADER}71,"Ostéopathe, DO",TRE_R95,C,2020-05-29,,oui\n')
    assert own.profiles == ("ici",)
    assert own.label("71") == "Ostéopathe, DO"
    assert own.eligible(["71"], "ici", TODAY)


def test_every_line_that_cannot_be_read_is_named() -> None:
    with pytest.raises(Misconfigured) as raised:
        profession.load(
            f"{HEADER}10,Médecin,TRE_G15,A,,,oui\n10,Médecin\n11,X,TRE_G15,A,,,yes\n12,X,T,A,hier,,oui\n,X,T,A,,,oui\n"
        )
    lines = str(raised.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"professions.csv, line {n}" for n in (3, 4, 5, 6)]
    assert "ici is oui or non, not 'yes'" in lines[1]


@pytest.mark.parametrize("text", ["", "# nothing\n", "code,label\n10,Médecin\n", HEADER.replace(",ici", "")])
def test_a_table_without_its_columns_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured):
        profession.load(text)
