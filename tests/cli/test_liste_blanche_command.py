"""`annuaire liste-blanche` as a person or a program runs it: exit statuses, totals, hints, JSON."""

import json

import pytest
import states

FOLDER = states.FIXTURES / "liste_blanche"
SIGNED, CA = FOLDER / "signed.xml", FOLDER / "ca.pem"


@pytest.fixture
def run(tmp_path):
    def invoke(*arguments, **variables):
        return states.run(tmp_path / "var", "liste-blanche", *arguments, **variables)

    return invoke


@pytest.fixture
def loaded(run):
    done = run("load", SIGNED, "--ca", CA)
    assert done.exit_code == 0, done.output
    return run


def test_totals_are_told_and_a_second_time_that_nothing_changed(run):
    first = run("load", SIGNED, "--ca", CA)
    assert first.exit_code == 0, first.output
    assert "domaines ajoutés 13, modifiés 0, inchangés 0, retirés 0" in first.stdout
    assert "13 domaines, 17 lignes, signée par CN=liste-blanche.essai.example" in first.stdout
    second = run("load", SIGNED, "--ca", CA)
    assert second.exit_code == 0
    assert "inchangés 13" in second.stdout
    assert "rien n'a changé" in second.stdout


def test_json_is_one_value_and_nothing_else(run):
    done = run("load", SIGNED, "--ca", CA, "--json")
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert said.pop("signer").startswith("CN=liste-blanche.essai.example")
    assert said == {
        "added": 13,
        "changed": 0,
        "unchanged": 0,
        "removed": 0,
        "refused": 0,
        "warnings": 0,
        "refusals": [],
        "notes": [],
        "generated": "2026-11-02T03:15:00+00:00",
        "domains": 13,
        "rows": 17,
        "applied": True,
    }


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([SIGNED], 1, "--ca"),
        ([FOLDER / "unsigned.xml", "--ca", CA], 1, "--unsigned"),
        ([FOLDER / "tampered.xml", "--ca", CA], 1, "modifié après la signature"),
        ([FOLDER / "other_ca.xml", "--ca", CA], 1, "ne répond pas"),
        ([FOLDER / "truncated.xml", "--ca", CA], 2, "tronqué"),
        ([FOLDER / "bomb.xml", "--unsigned"], 2, "DTD"),
        ([SIGNED, "--ca", FOLDER / "README.md"], 2, "certificat"),
        ([SIGNED, "--ca", CA, "--signer", "alb.example"], 1, "alb.example"),
        ([SIGNED, "--ca", CA, "--unsigned"], 2, "--unsigned"),
        (["absent.xml"], 2, "absent.xml"),
    ],
)
def test_each_refusal_has_its_status_and_says_what_to_do(run, arguments, status, said):
    done = run("load", *arguments)
    assert done.exit_code == status
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_authority_may_stand_in_the_configuration(run, tmp_path):
    path = tmp_path / "annuaire.toml"
    source = '[sources.confiance]\nkind = "liste-blanche"\nurl = "https://liste.example/"\n'
    path.write_text(f'{source}ca = "{CA}"\n')
    assert run("load", SIGNED, "--config", path).exit_code == 0
    path.write_text(f'{source}ca = "absent.pem"\n')
    done = run("load", SIGNED, "--config", path)
    assert done.exit_code == 78
    assert "absent.pem" in done.stderr


def test_refused_rows_are_told_with_their_lines_and_give_status_1(run):
    done = run("load", FOLDER / "odd_rows.xml", "--unsigned")
    assert done.exit_code == 1
    assert "ligne 6 : *.joker.mssante.fr : nom de domaine" in done.stderr
    assert "attention : liste prise sans vérifier de signature" in done.stderr
    assert "lignes refusées 6" in done.stdout
    assert run("show", "bon.mssante.fr").exit_code == 0


def test_a_dry_run_writes_nothing(run):
    done = run("load", SIGNED, "--ca", CA, "--dry-run")
    assert done.exit_code == 0
    assert "rien n'a été écrit" in done.stdout
    assert run("show").exit_code == 1


def test_many_removals_are_refused_until_they_are_meant(loaded):
    small = FOLDER / "odd_rows.xml"
    assert "--accept-removals" in loaded("load", small, "--unsigned").stderr
    assert "retirés 13" in loaded("load", small, "--unsigned", "--accept-removals").stdout


def test_the_share_of_removals_is_a_setting(loaded):
    done = loaded("load", FOLDER / "odd_rows.xml", "--unsigned", ANNUAIRE_LIMITS_REMOVALS="100")
    assert "retirés 13" in done.stdout


def test_a_domain_is_shown_with_its_certificates(loaded):
    done = loaded("show", "CH-Exemple.mssante.fr")
    assert done.exit_code == 0
    assert "ch-exemple.mssante.fr : CH EXEMPLE" in done.stdout
    assert "CN=mss1.ch-exemple.example" in done.stdout
    assert "CN=mss2.ch-exemple.example" in done.stdout
    rows = json.loads(loaded("show", "quelqu-un@santé-océan.mssante.fr", "--json").stdout)
    assert [(row["domain"], row["description"]) for row in rows] == [
        ("xn--sant-ocan-e4ad.mssante.fr", "SANTÉ & OCÉAN")
    ]


def test_a_domain_that_is_not_listed_is_status_1(loaded):
    done = loaded("show", "service.ch-exemple.mssante.fr")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "n'est pas sur la liste blanche" in done.stderr
    assert json.loads(loaded("show", "mssante.fr", "--json").stdout) == []
    assert loaded("show", "mssante").exit_code == 2


def test_without_a_domain_the_list_itself_is_shown(loaded):
    done = loaded("show")
    assert done.exit_code == 0
    assert "liste du 02/11/2026 03:15 UTC" in done.stdout
    assert "13 domaines, 17 lignes" in done.stdout
    said = json.loads(loaded("show", "--json").stdout)
    assert (said["domains"], said["rows"], said["generated"]) == (13, 17, "2026-11-02T03:15:00+00:00")


def test_that_no_list_is_loaded_is_said(run, tmp_path):
    states.imported(tmp_path / "var", states.PEOPLE)
    done = run("show")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "aucune liste blanche" in done.stderr
    assert run("show", "--json").stdout == "null\n"
    assert run("show", "medecin.mssante.fr").exit_code == 1
