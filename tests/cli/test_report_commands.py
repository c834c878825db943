"""`annuaire report …` as an operator or a program runs it: tables, JSON, CSV."""

import csv
import io
import json

import pytest
import states

LISTE_BLANCHE = states.FIXTURES / "liste_blanche"
UNDER = "ou=apicrypt,o=apicrypt,c=FR"
PEOPLE = f"""dn: uid=anne,{UNDER}
objectClass: inetOrgPerson
objectClass: apicryptUtilisateur
uid: anne
cn: Anne LE GOFF
sn: LE GOFF
givenName: Anne
mail: anne.LEGOFF@medical29.apicrypt.org
profession: 10
l: BREST
IdentifiantPP: 99900000011
TypeIdentifiantPP: 8
apicryptVersion: 2
apicryptVersionDepuis: 20181002090000Z

dn: uid=anne2,{UNDER}
objectClass: inetOrgPerson
objectClass: apicryptUtilisateur
uid: anne2
cn: Anne Le Goff
sn: Le Goff
givenName: Anne
mail: alegoff@medical29.apicrypt.org
profession: 10
l: Brest
apicryptVersion: 1
apicryptVersionDepuis: 20100101000000Z

dn: uid=luc,{UNDER}
objectClass: inetOrgPerson
objectClass: apicryptUtilisateur
uid: luc
cn: =1+1 [red]LUC[/red]
sn: =1+1 [red]LUC[/red]
mail: luc@medical29.apicrypt.org
profession: 10
apicryptVersion: 1
apicryptVersionDepuis: 20100101000000Z
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    (folder / "people.ldif").write_text(PEOPLE)
    states.imported(folder / "var", folder / "people.ldif")
    loaded = ("liste-blanche", "load", LISTE_BLANCHE / "signed.xml", "--ca", LISTE_BLANCHE / "ca.pem")
    assert states.run(folder / "var", *loaded).exit_code == 0
    return lambda *arguments: states.run(folder / "var", "report", *arguments)


def test_quality_tells_sources_reasons_and_ages(run):
    done = run("quality")
    assert done.exit_code == 0, done.output
    assert "boîtes MSSanté : aucune ligne" in done.stdout
    assert "comptes : 3, avec un identifiant national : 1, dont clé RPPS fausse : 0" in done.stdout
    assert "liste blanche du 02/11/2026" in done.stdout
    assert "13 domaines" in done.stdout
    said = json.loads(run("quality", "--json").stdout)
    assert said["sources"][0] == {"name": "mssante", "rows": 0, "first": None, "last": None}
    assert said["accounts"] == {"total": 3, "identified": 1, "wrong_digit": 0}
    assert said["liste_blanche"]["domains"] == 13
    assert said["liste_blanche"]["generated"] == "2026-11-02T03:15:00+00:00"
    assert [one["applied"] for one in said["imports"]] == [True, True]
    assert (said["reasons"], said["warnings"], said["ours"]["unexplained"]) == ([], [], [])


def test_duplicates_are_told_with_their_reasons(run):
    done = run("duplicates")
    assert done.exit_code == 0, done.output
    assert "Doublons probables : 1" in done.stdout
    assert "même profession, même ville" in done.stdout
    (pair,) = json.loads(run("duplicates", "--json").stdout)
    assert pair["why"] == ["même profession", "même ville"]
    assert {pair["one"]["identifier"], pair["other"]["identifier"]} == {"899900000011", None}


def test_forfait_is_a_table_of_physicians(run):
    done = run("forfait", "--year", "2019")
    assert done.exit_code == 0, done.output
    assert "Médecins au 31/12/2019" in done.stdout
    assert "indicateur au 31/12/2019 : 1 sur 3" in done.stdout
    assert "=1+1 [red]LUC[/red]" in done.stdout
    assert "2018 : 3 sur 3" in run("forfait", "--year", "2018").stdout


def test_forfait_is_written_as_a_file_that_a_spreadsheet_reads_and_does_not_run(run, tmp_path):
    path = tmp_path / "forfait.csv"
    done = run("forfait", "--year", "2019", "--output", path)
    assert done.exit_code == 0
    rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))
    assert rows[0] == ["adresse", "nom", "RPPS", "version", "depuis", "indicateur"]
    assert [
        "anne.LEGOFF@medical29.apicrypt.org",
        "LE GOFF Anne",
        "99900000011",
        "V2",
        "02/10/2018",
        "oui",
    ] in rows
    assert ["luc@medical29.apicrypt.org", "'=1+1 [red]LUC[/red]", "", "V1", "01/01/2010", "non"] in rows
    assert "1 sur 3" in done.stdout
    same = run("forfait", "--year", "2019", "--output", "-")
    assert same.stdout_bytes == path.read_bytes()
    assert "1 sur 3" in same.stderr


def test_forfait_in_json_is_one_value(run):
    said = json.loads(run("forfait", "--year", "2019", "--json").stdout)
    assert {one["address"]: one["holds"] for one in said} == {
        "anne.LEGOFF@medical29.apicrypt.org": True,
        "alegoff@medical29.apicrypt.org": False,
        "luc@medical29.apicrypt.org": False,
    }
    anne = next(one for one in said if one["rpps"])
    assert (anne["version"], anne["since"]) == (2, "2018-10-02T09:00:00+00:00")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["forfait"], 2),
        (["forfait", "--year", "19"], 2),
        (["forfait", "--year", "2019", "--json", "--output", "-"], 2),
        (["forfait", "--year", "2019", "--output", "no/such/folder.csv"], 2),
        (["everything"], 2),
    ],
)
def test_bad_input_is_status_2(run, arguments, status):
    assert run(*arguments).exit_code == status


@pytest.mark.parametrize("arguments", [["quality"], ["duplicates"], ["forfait", "--year", "2019"]])
def test_without_a_store_there_is_nothing_to_report(tmp_path, arguments):
    done = states.run(tmp_path / "var", "report", *arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "il n'y a pas de base" in done.stderr
