"""`annuaire find`: what a person types finds whom they mean, the best first; what a program reads is one JSON value."""

import base64
import json

import both_directories as both
import pytest
import states

from annuaire.actions import refresh
from annuaire.actions.source import StoreSource
from annuaire.cli import find
from annuaire.index.folder import IndexFolder
from annuaire.ldap.responses import Entry

SUFFIX = both.SUFFIX
INTEROP = "@interop-mssante.apicrypt.org"


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    made = tmp_path_factory.mktemp("find") / "var"
    states.imported(made, states.PEOPLE)
    return made


@pytest.fixture(scope="module")
def merged(tmp_path_factory):
    """Both networks, with the national list."""
    made = tmp_path_factory.mktemp("merged") / "var"
    source = StoreSource("", made, SUFFIX)
    both.filled(source)
    refresh.refresh(source, IndexFolder(made / "index"))
    source.store().close()
    return made


def answers(state, *arguments) -> list[dict]:
    done = states.run(state, "find", "--json", *arguments)
    found = json.loads(done.stdout)
    assert done.stderr == ""
    assert done.exit_code == (0 if found else 1)
    return found


def found(state, *arguments) -> list[str]:
    """The best address of each, in lower case; of our own sphere without the domain."""
    best = [one["attributes"]["mail"][0].lower() for one in answers(state, *arguments)]
    return [one.partition("@")[0] if "@medical" in one else one for one in best]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("dupont", "jean.dupont"),
        ("DUPONT jean", "jean.dupont"),
        ("jean dupont lille", "jean.dupont"),
        ("dupont paix", "jean.dupont"),
        ("dupont dunkerque médecin", "jean.dupont2"),
        ("jean.DUPONT2@medical59.apicrypt.org", "jean.dupont2"),
        ("jean.dupont2@", "jean.dupont2"),
        ("jean.dupont@interop", "jean.dupont"),
        ("99900010028", "jean.dupont"),
        ("899900010028", "jean.dupont"),
        ("jean.dupont3", "jean.dupont3"),
        ("aegerter", "laetitia.aegerter"),
        ("ÆGERTER laetitia", "laetitia.aegerter"),
        ("fontaine alice", "alice.fontaine"),
        ("de-la-fontaine", "marie.de-la-fontaine"),
    ],
)
def test_what_is_typed_finds_whom_it_means(state, words, first):
    assert found(state, *words.split())[0] == first


def test_every_word_must_be_found_somewhere(state):
    assert found(state, "dupont", "zzz") == []
    assert "jean.dupont2" not in found(state, "dupont", "lille")


def test_a_whole_word_comes_before_one_that_begins_so(state):
    names = found(state, "jean", "dupont")
    assert names.index("jean.dupont3") < names.index("jeanne.dupont")


def test_the_limit_keeps_the_best(state):
    assert found(state, "dupont", "--limit", "2") == found(state, "dupont")[:2]


def test_nobody_appears_twice_not_even_to_administrators(state):
    (jean,) = answers(state, "jean", "dupont", "lille", "paix")
    assert jean["dn"] == f"uid=899900010028,{both.PERSONNES}"
    assert found(state, "olivier", "faure") == ["olivier.faure2"], "one person with two accounts"


def test_what_holds_entries_is_no_answer(state):
    everything = answers(state, "a", "--limit", "1000") + answers(state, "e", "--limit", "1000")
    assert len(everything) > 100
    assert {one["dn"].partition(",")[2] for one in everything} == {both.PERSONNES}
    assert answers(state, "personnes") == answers(state, "Cardiologie", "telephone") == []


def test_each_audience_finds_what_it_sees(state):
    assert {"paul.martin", "marie.martin"} <= set(found(state, "martin"))
    assert "marie.martin" in found(state, "--as", "APICRYPT", "martin")
    assert "paul.martin" not in found(state, "--as", "apicrypt", "martin"), "his account is suspended"
    strangers = found(state, "--as", "PUBLIC", "dupont")
    assert f"jean.dupont{INTEROP}" in strangers
    assert all(address.endswith(INTEROP) for address in strangers)
    for hidden in ("jeanne", "dupont3", "marie martin"):  # liste rouge, V1, exchanges not open
        assert found(state, "--as", "public", *hidden.split()) == []
    (told,) = answers(state, "--as", "routage", f"jean.dupont{INTEROP}")
    assert told["attributes"]["mailRoutingAddress"] == ["jean.DUPONT@medical59.apicrypt.org"]


def test_both_networks_are_found_as_one(merged):
    (jeanne,) = answers(merged, "--as", "apicrypt", "jeanne", "dupont")
    native, hospital = "jeanne.DUPONT@medical59.apicrypt.org", "jeanne.dupont@ch-exemple.mssante.fr"
    assert jeanne["attributes"]["mail"] == [native, hospital]
    (hidden,) = answers(merged, "--as", "public", "jeanne", "dupont")
    assert hidden["attributes"]["mail"] == [hospital]
    assert hidden["dn"] == jeanne["dn"]
    assert found(merged, "--as", "mssante", "ch-exemple", "cardio") == [
        "secretariat.cardio@ch-exemple.mssante.fr"
    ]
    assert found(merged, "secrétariat") == ["secretariat.cardio", "secretariat.cardio@ch-exemple.mssante.fr"]


def test_json_holds_every_attribute_and_binary_values_in_base64(state):
    done = states.run(state, "find", "--json", "alice", "fontaine")
    (one,) = json.loads(done.stdout)
    assert one["dn"] == f"uid=899900010630,{both.PERSONNES}"
    assert one["attributes"]["cn"][0] == "Alice FONTAINE"
    (certificate,) = one["attributes"]["userCertificate;binary"]
    assert base64.b64decode(certificate["base64"]).startswith(b"\x30\x82")


def test_no_password_is_ever_found(state):
    assert "userPassword" not in states.run(state, "find", "--json", "dupont").stdout


def test_nobody_is_an_empty_list_and_status_1(state):
    done = states.run(state, "find", "--json", "zzzz")
    assert (done.exit_code, done.stdout, done.stderr) == (1, "[]\n", "")
    done = states.run(state, "find", "zzzz")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "rien pour « zzzz »" in done.stderr


def test_people_read_a_table_with_french_headings(state):
    done = states.run(state, "find", "dupont", "--limit", "2")
    assert done.exit_code == 0
    for heading in ("Nom", "Adresse", "Profession", "Ville"):
        assert heading in done.stdout
    assert "DUPONT Jean (Médecin, LILLE)" in done.stdout
    assert "il y en a d'autres" in done.stderr


@pytest.mark.parametrize("words", [(), ("",), ("-",), ("'", "’")])
def test_nothing_to_search_for_is_bad_input(state, words):
    assert states.run(state, "find", "--", *words).exit_code == 2


def test_a_star_is_a_letter_like_another(state):
    assert found(state, "*") == ["leo.etoile"]


def test_without_an_index_it_is_for_later(tmp_path):
    done = states.run(tmp_path / "var", "find", "dupont")
    assert done.exit_code == 75
    assert "annuaire rebuild" in done.stderr
    assert not (tmp_path / "var").exists()


def test_further_trees_are_searched_too(tmp_path):
    (tmp_path / "groups.ldif").write_text(
        "dn: o=groupes\nobjectClass: organization\no: groupes\n\n"
        "dn: cn=Astreinte,o=groupes\nobjectClass: device\ncn: Astreinte\n"
    )
    trees = {"ANNUAIRE_TREES_SUFFIXES": '["o=groupes", "o=gardes"]'}
    state = tmp_path / "var"
    assert states.run(state, "import", tmp_path / "groups.ldif", **trees).exit_code == 0
    done = states.run(state, "find", "--json", "astreinte", **trees)
    assert [one["dn"] for one in json.loads(done.stdout)] == ["cn=Astreinte,o=groupes"]


# ------------------------------------------------------------------ the parts alone


def test_ranking_looks_at_everything_that_was_searched():
    def entry(name: str, town: str) -> Entry:
        return Entry(name.encode(), {"cn": [name.encode()], "l": [town.encode()], "description": [b"lille"]})

    lillebonne, begun, whole = (
        entry("A MARTIN", "LILLEBONNE"),
        entry("B MARTINEAU", "LILLE"),
        entry("C MARTIN", "LILLE"),
    )
    assert find.ranked([lillebonne, begun, whole], ["martin", "lille"]) == [whole, lillebonne, begun]


def test_what_would_steer_a_terminal_is_shown_as_a_mark():
    entry = Entry(b"cn=x", {"cn": [b"\x1b[31mrouge"], "title": [b"[bold]x[/bold]"]})
    assert find._cell(entry, ("cn",)) == "�[31mrouge"
    assert find._cell(entry, ("title",)) == "[bold]x[/bold]"
