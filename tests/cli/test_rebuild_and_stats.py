"""`annuaire rebuild` and `annuaire stats`: the index made anew, and what there is, counted."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
import states

from annuaire.cli import figures

SUFFIX = "o=apicrypt,c=FR"
THIN = figures._SPACE


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    made = tmp_path_factory.mktemp("stats") / "var"
    states.imported(made, states.PEOPLE)
    return made


@pytest.fixture
def state(filled, tmp_path):
    shutil.copytree(filled, tmp_path / "var")
    return tmp_path / "var"


def told(state, *arguments) -> dict:
    done = states.run(state, *arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_a_rebuilt_index_answers_as_the_one_before(state):
    before = states.run(state, "find", "--json", "dupont").stdout
    built = told(state, "rebuild")
    assert (built["index"], built["entries"], built["change"]) == (2, 81, 81)
    assert built["size"] > 0
    assert states.run(state, "find", "--json", "dupont").stdout == before


def test_rebuilding_is_told_to_people_in_a_line(state):
    done = states.run(state, "rebuild")
    assert done.exit_code == 0
    assert "index 2 : 81 entrées" in done.stdout


def test_an_index_that_is_gone_is_made_again(state):
    shutil.rmtree(state / "index")
    assert states.run(state, "find", "dupont").exit_code == 75
    assert states.run(state, "rebuild").exit_code == 0
    assert states.run(state, "find", "dupont").exit_code == 0


@pytest.mark.parametrize("command", ["rebuild", "stats"])
def test_without_a_base_nothing_is_made(tmp_path, command):
    done = states.run(tmp_path / "var", command, "--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "annuaire import" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["rebuild", "stats"])
def test_a_damaged_base_is_told_with_its_reason(state, command):
    for path in state.glob("annuaire.db*"):
        path.write_bytes(b"no database at all" * 1000)
    done = states.run(state, command)
    assert done.exit_code == 75
    assert "la base n'est pas disponible" in done.stderr
    assert "not a database" in done.stderr


def test_the_base_is_counted_by_subtree_and_class(state):
    store = told(state, "stats")["store"]
    assert (store["entries"], store["change"]) == (81, 81)
    assert store["size"] > 100_000
    assert datetime.now(UTC) - datetime.fromisoformat(store["changed"]) < timedelta(minutes=10)
    parts = {part["dn"]: part for part in store["subtrees"]}
    assert parts[f"ou=apicrypt,{SUFFIX}"]["entries"] == 79
    assert parts[f"ou=apicrypt,{SUFFIX}"]["kinds"]["groupOfNames"] == 1
    assert parts[f"ou=comptes,{SUFFIX}"]["kinds"] == {"organizationalUnit": 1}
    assert parts[SUFFIX]["kinds"] == {"organization": 1}


def test_entries_of_a_tree_that_is_no_longer_configured_are_not_forgotten(tmp_path):
    (tmp_path / "tree.ldif").write_text("dn: o=groupes\nobjectClass: organization\no: groupes\n")
    trees = {"ANNUAIRE_TREES_SUFFIXES": '["o=groupes"]'}
    state = tmp_path / "var"
    assert states.run(state, "import", tmp_path / "tree.ldif", **trees).exit_code == 0
    with_it = json.loads(states.run(state, "stats", "--json", **trees).stdout)["store"]
    without = told(state, "stats")["store"]
    assert with_it["entries"] == without["entries"] == 4
    assert {"dn": "o=groupes", "entries": 1, "kinds": {"organization": 1}} in with_it["subtrees"]
    assert {"dn": "", "entries": 1, "kinds": {"organization": 1}} in without["subtrees"]


def test_the_index_is_counted_with_what_each_audience_sees(state):
    said = told(state, "stats")
    index = said["index"]
    assert (index["number"], index["entries"], index["change"], index["behind"]) == (1, 81, 81, 0)
    assert index["size"] > 0
    assert datetime.now(UTC) - datetime.fromisoformat(index["built"]) < timedelta(minutes=10)
    assert said["audiences"]["admin"] == 81
    assert said["audiences"]["public"] == 80


def test_what_was_written_since_the_build_is_counted(state, tmp_path):
    (tmp_path / "one.ldif").write_text(
        f"dn: uid=luc,ou=apicrypt,{SUFFIX}\nobjectClass: account\nuid: luc\n\n"
        f"dn: ou=Cardiologie,ou=Hôpital Exemple,ou=apicrypt,{SUFFIX}\nchangetype: modify\n"
        "replace: telephoneNumber\ntelephoneNumber: +33 3 53 01 99 02\n"
    )
    states.run(state, "import", "--continue", tmp_path / "one.ldif")
    (tmp_path / "two.ldif").write_text(
        f"dn: uid=luc2,ou=apicrypt,{SUFFIX}\nobjectClass: account\nuid: luc2\n"
    )
    states.imported(state, tmp_path / "two.ldif")
    said = told(state, "stats")
    assert said["index"]["entries"] == said["store"]["entries"] == said["audiences"]["admin"]
    assert said["index"]["recent"] >= 1
    assert said["index"]["change"] == said["store"]["change"]


def test_the_last_imports_are_listed_with_their_totals(state, tmp_path):
    (tmp_path / "bad.ldif").write_text("dn: o=elsewhere\nobjectClass: organization\no: elsewhere\n")
    states.run(state, "import", tmp_path / "bad.ldif")
    last, first = told(state, "stats")["imports"]
    assert (last["applied"], last["refused"], last["added"]) == (False, 1, 0)
    assert (first["applied"], first["refused"], first["added"]) == (True, 0, 78)
    assert first["source"].endswith("apicrypt.ldif")


def test_people_read_the_same_in_french(state):
    said = states.run(state, "stats").stdout
    for words in (
        "base : 81 entrées",
        f"ou=apicrypt,{SUFFIX} : 79 (inetOrgPerson 75",
        "index 1 : 81 entrées",
        "vues par public 80",
        "ajoutées 78",
    ):
        assert words in said


def test_without_an_index_the_base_is_counted_all_the_same(state):
    shutil.rmtree(state / "index")
    said = told(state, "stats")
    assert said["index"] is said["audiences"] is None
    assert said["store"]["entries"] == 81
    assert "annuaire rebuild" in states.run(state, "stats").stdout


# ------------------------------------------------------------------ figures


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (figures.number(535_000), f"535{THIN}000"),
        (figures.decimal(1234.56), f"1{THIN}234,6"),
        (figures.size(1_500_000), f"1,5{THIN}Mo"),
        (figures.size(2_340_000_000), f"2,3{THIN}Go"),
        (figures.share(1, 8), f"12,5{THIN}%"),
        (figures.share(0, 0), f"0,0{THIN}%"),
        (figures.duration(0.2), f"0{THIN}s"),
        (figures.duration(59), f"59{THIN}s"),
        (figures.duration(7200), f"2{THIN}h"),
        (figures.duration(200_000), f"2{THIN}j"),
    ],
)
def test_figures_are_written_as_in_french(shown, expected):
    assert shown == expected


def test_a_moment_of_the_store_is_understood():
    assert figures.moment("20261123071912Z") == datetime(2026, 11, 23, 7, 19, 12, tzinfo=UTC)
    assert figures.moment("yesterday") is None
