"""`annuaire rebuild` and `annuaire stats`: the index made anew, and what there is, counted."""

import io
import json
import shutil
from datetime import UTC, datetime, timedelta

import both_directories as both
import pytest
import states

from annuaire.actions import refresh
from annuaire.actions.source import StoreSource
from annuaire.cli import figures
from annuaire.domain import audience as audiences
from annuaire.importing import ldif
from annuaire.index.folder import IndexFolder

SUFFIX = "o=apicrypt,c=FR"
THIN = figures._SPACE


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    made = tmp_path_factory.mktemp("stats") / "var"
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


@pytest.fixture
def state(filled, tmp_path):
    shutil.copytree(filled, tmp_path / "var")
    return tmp_path / "var"


def told(state, *arguments) -> dict:
    done = states.run(state, *arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    return json.loads(done.stdout)


def views(state) -> dict[str, list[str]]:
    """The names of what each audience is shown, as an export lists them."""
    found = {}
    for audience in audiences.NAMES:
        if audience != "admin":
            data = states.run(state, "export", "--as", audience).stdout_bytes
            found[audience] = [record.dn for record in ldif.read(io.BytesIO(data))]
    return found


def test_a_rebuilt_index_answers_as_the_one_before(state):
    before = states.run(state, "find", "--json", "dupont").stdout, views(state)
    held = told(state, "stats")["index"]
    built = told(state, "rebuild")
    assert (built["index"], built["change"]) == (2, held["change"])
    assert built["entries"] == held["entries"]
    assert built["size"] > 0
    assert (states.run(state, "find", "--json", "dupont").stdout, views(state)) == before


def test_rebuilding_is_told_to_people_in_a_line(state):
    entries = told(state, "stats")["index"]["entries"]
    done = states.run(state, "rebuild")
    assert done.exit_code == 0
    assert f"index 2 : {entries} entrées" in done.stdout


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


def test_the_index_is_counted_with_what_each_audience_sees(merged):
    said = told(merged, "stats")
    index = said["index"]
    assert (index["number"], index["behind"]) == (1, 0)
    assert index["change"] == said["store"]["change"]
    assert index["size"] > 0
    assert datetime.now(UTC) - datetime.fromisoformat(index["built"]) < timedelta(hours=6)
    shown = views(merged)
    for audience, names in shown.items():
        people = [name for name in names if name.endswith(f",{both.PERSONNES}")]
        structures = [name for name in names if name.endswith(f",{both.STRUCTURES}")]
        assert said["audiences"][audience] == len(names)
        assert said["people"][audience] == len(people)
        assert said["structures"][audience] == len(structures)
    # Administrators see what is written, every person whatever their state, and every structure.
    assert said["people"]["admin"] == said["people"]["apicrypt"] > said["people"]["public"] > 40
    assert said["structures"] == dict.fromkeys(audiences.NAMES, 12) | {"routage": 0}
    computed = said["people"]["admin"] + said["structures"]["admin"] + 2
    assert said["audiences"]["admin"] == said["store"]["entries"] + computed
    # What two audiences are shown differently of one person is held twice, and routing is told of each account.
    assert index["entries"] > said["audiences"]["admin"] + said["people"]["routage"]


def test_the_national_list_and_the_liste_blanche_are_counted(merged, state):
    said = told(merged, "stats")
    assert said["national"] == {"mailboxes": 88, "activities": 9}
    listed = said["liste_blanche"]
    assert (listed["rows"], listed["domains"], listed["signer"]) == (17, 13, None)
    assert datetime.fromisoformat(listed["generated"]) == datetime(2026, 11, 2, 3, 15, tzinfo=UTC)
    assert datetime.fromisoformat(listed["loaded_at"]) == both.NOW
    text = states.run(merged, "stats").stdout
    assert "liste nationale : 88 boîtes, 9 activités" in text
    assert "liste blanche : 13 domaines, 17 lignes" in text
    none = told(state, "stats")
    assert none["national"] == {"mailboxes": 0, "activities": 0}
    assert none["liste_blanche"] is None
    assert "liste blanche : aucune" in states.run(state, "stats").stdout


def test_what_was_written_since_the_build_is_counted(state, tmp_path):
    before = told(state, "stats")
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
    added = said["store"]["entries"] - before["store"]["entries"]
    assert added >= 1
    assert said["index"]["entries"] - before["index"]["entries"] == added
    assert said["audiences"]["admin"] - before["audiences"]["admin"] == added
    assert said["people"] == before["people"], "an entry of another class is no person"
    assert said["index"]["recent"] >= 1
    assert said["index"]["change"] == said["store"]["change"]


def test_people_are_counted_as_soon_as_they_are_written(state, tmp_path):
    before = told(state, "stats")
    (tmp_path / "one.ldif").write_text(
        f"dn: uid=luc,ou=apicrypt,{SUFFIX}\nobjectClass: inetOrgPerson\nobjectClass: apicryptUtilisateur\n"
        "uid: luc\ncn: Luc\nsn: Luc\nmail: luc@medical59.apicrypt.org\napicryptVersion: 1\n"
    )
    states.imported(state, tmp_path / "one.ldif")
    said = told(state, "stats")
    more = {name: said["people"][name] - before["people"][name] for name in audiences.NAMES}
    assert more == {"public": 0, "mssante": 0, "apicrypt": 1, "dgs": 0, "routage": 1, "admin": 1}


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
        "index 1 : ",
        "entrées vues par public ",
        "personnes vues par public ",
        "apicrypt 72,",
        "structures vues par public 0",
        "ajoutées 78",
    ):
        assert words in said


def test_without_an_index_the_base_is_counted_all_the_same(state):
    shutil.rmtree(state / "index")
    said = told(state, "stats")
    assert said["index"] is said["audiences"] is said["people"] is said["structures"] is None
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
