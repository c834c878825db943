"""`annuaire import` as a person or a program runs it: exit statuses, totals, refusals, JSON."""

import io
import json
import stat
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from annuaire.cli import main

UNDER = "ou=apicrypt,o=apicrypt,c=FR"
MSSANTE = Path(__file__).resolve().parents[2] / "fixtures" / "mssante"
EDITION = MSSANTE / "Extraction_Correspondance_MSSante_202611220600.txt"
NEWER = MSSANTE / "Extraction_Correspondance_MSSante_202611230600.txt"
BROKEN = MSSANTE / "extraction_unreadable_lines.txt"
ACTIVITIES = MSSANTE / "PS_LibreAcces_Personne_activite_202611220600.txt"
GOOD = f"dn: uid=anne,{UNDER}\nobjectClass: account\nuid: anne\n\n"
BAD = f"dn: uid=luc,ou=absent,{UNDER}\nobjectClass: account\nuid: luc\n\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANNUAIRE_ADMIN_PASSWORD", "mot")

    def invoke(*arguments: str, **options) -> Result:
        return CliRunner().invoke(main, [str(one) for one in arguments], **options)

    return invoke


def test_totals_are_told_and_a_second_time_that_nothing_changed(run, tmp_path):
    path = tmp_path / "people.ldif"
    path.write_text(GOOD)
    first = run("import", path)
    assert first.exit_code == 0, first.output
    assert first.stdout == "ajoutées 1, modifiées 0, inchangées 0, retirées 0, refusées 0, avertissements 0\n"
    assert first.stderr == ""
    second = run("import", path)
    assert second.exit_code == 0
    assert "inchangées 1" in second.stdout
    assert "rien n'a changé" in second.stdout


def test_a_refusal_gives_status_1_and_names_line_dn_and_reason(run):
    done = run("import", "-", input=GOOD + BAD)
    assert done.exit_code == 1
    assert f"ligne 5 : uid=luc,ou=absent,{UNDER} : the entry above" in done.stderr
    assert "rien n'a été écrit" in done.stdout
    assert "inchangées 0" in run("import", "-", "--dry-run", input=GOOD).stdout


def test_json_is_one_value_and_nothing_else(run):
    done = run("import", "--json", "--continue", "-", input=GOOD + BAD)
    assert done.exit_code == 1
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert said["refusals"][0].pop("reason").startswith("the entry above")
    assert said == {
        "added": 1,
        "changed": 0,
        "unchanged": 0,
        "removed": 0,
        "refused": 1,
        "warnings": 0,
        "refusals": [{"line": 5, "dn": f"uid=luc,ou=absent,{UNDER}"}],
    }


def test_a_dry_run_says_that_nothing_was_written(run):
    done = run("import", "--dry-run", "-", input=GOOD)
    assert done.exit_code == 0
    assert "ajoutées 1" in done.stdout
    assert "rien n'a été écrit" in done.stdout
    assert "ajoutées 1" in run("import", "-", input=GOOD).stdout


def test_rejects_are_written_for_their_owner_alone(run, tmp_path):
    run("import", "--continue", "--rejects", "refused.ldif", "-", input=GOOD + BAD)
    path = tmp_path / "refused.ldif"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "# Error: No such object (32)" in path.read_text()
    assert BAD.strip() in path.read_text()


@pytest.mark.parametrize(
    "head", ["PK\x03\x04rest", "Type de BAL|" * 31 + "\n"], ids=["archive", "thirty-one columns"]
)
def test_a_national_extraction_is_refused_with_the_hint(run, head):
    done = run("import", "-", input=head)
    assert done.exit_code == 2
    assert "--into mssante" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "absent.ldif"],
        ["import", "--into", "nowhere", "-"],
        ["import", "--into", "mssante", "-"],
        ["import", "--format", "fhir", "-"],
        ["import", "--format", "extraction", "-"],
        ["import", "--accept-removals", "-"],
        ["import", "--into", "mssante", "--under", UNDER, "-"],
        ["import", "--into", "mssante", "--reset-choices", "-"],
        ["import", "--under", "nonsense", "-"],
        ["import", "--rejects", "no/such/folder", "-"],
    ],
)
def test_bad_input_is_status_2(run, arguments):
    assert run(*arguments, input="").exit_code == 2


def test_a_place_that_does_not_exist_is_status_1(run):
    assert run("import", "--under", f"ou=absent,{UNDER}", "-", input=GOOD).exit_code == 1


def test_a_wrong_configuration_is_status_78(run, tmp_path):
    (tmp_path / "annuaire.toml").write_text("colour = 1\n[serve]\nworkers = -1\n")
    done = run("import", "-", input=GOOD)
    assert done.exit_code == 78
    assert "colour: unknown key" in done.stderr
    assert "[serve] workers" in done.stderr


def test_what_a_server_keeps_of_itself_is_named(run):
    done = run("import", "-", input=GOOD.replace("uid: anne", "uid: anne\nentryUUID: x\ncreatorsName: y"))
    assert "creatorsName (1), entryUUID (1)" in done.stderr
    assert "avertissements 1" in done.stdout


def packed(path: Path) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    return output.getvalue()


def said(done: Result) -> dict[str, int]:
    found = json.loads(done.stdout)
    return {name: found[name] for name in ("added", "changed", "unchanged", "removed", "refused")}


def test_a_national_file_is_a_difference_and_its_people_are_found(run):
    first = run("import", "--into", "mssante", EDITION)
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("ajoutées 89, modifiées 0, inchangées 0, retirées 0, refusées 0")
    assert "avertissement : la clé du numéro RPPS est fausse (2)" in first.stderr
    tried = run("import", "--into", "mssante", "--dry-run", "--json", NEWER)
    expected = {"added": 5, "changed": 3, "unchanged": 79, "removed": 7, "refused": 0}
    assert said(tried) == expected
    assert said(run("import", "--into", "mssante", "--json", NEWER)) == expected
    again = run("import", "--into", "mssante", NEWER)
    assert "rien n'a changé" in again.stdout
    assert "jeanne.dupont@ch-exemple.mssante.fr" in run("find", "--json", "jeanne", "dupont").stdout


def test_a_national_file_is_recognised_whatever_its_form(run):
    assert said(run("import", "--into", "mssante", "--json", "-", input=packed(EDITION)))["added"] == 89
    assert said(run("import", "--into", "mssante", "--json", EDITION))["unchanged"] == 89
    done = run("import", "--into", "mssante", "--format", "extraction", "--json", ACTIVITIES)
    assert (said(done)["added"], said(done)["removed"]) == (9, 0)
    ldif = MSSANTE / "national_names.ldif"
    done = run("import", "--into", "mssante", "--accept-removals", "--json", ldif)
    assert said(done)["added"] + said(done)["changed"] + said(done)["unchanged"] == 11


def test_what_is_no_national_file_is_said_with_what_is_missing(run):
    done = run("import", "--into", "mssante", "-", input="Type de BAL|Adresse BAL\nPER|a@x.fr\n")
    assert done.exit_code == 2
    assert "il manque" in done.stderr


def test_removals_beyond_the_limit_are_status_1_and_accepted_when_said(run):
    run("import", "--into", "mssante", EDITION)
    done = run("import", "--into", "mssante", "--continue", BROKEN)
    assert done.exit_code == 1
    assert "--accept-removals" in done.stderr
    assert done.stdout == ""
    done = run("import", "--into", "mssante", "--continue", "--accept-removals", "--json", BROKEN)
    assert done.exit_code == 1  # lines were refused; the rest is in
    assert said(done)["removed"] > 80


def test_lines_that_cannot_be_read_are_named_and_kept(run, tmp_path):
    done = run("import", "--into", "mssante", "--rejects", "refused.txt", BROKEN)
    assert done.exit_code == 1
    assert "ligne 3 : (illisible) : 4 colonnes au lieu de 31" in done.stderr
    assert "rien n'a été écrit" in done.stdout
    rejected = (tmp_path / "refused.txt").read_bytes().splitlines()
    lines = BROKEN.read_bytes().splitlines()
    assert rejected[0].startswith(b"# ligne 3 : ")
    assert rejected[1] == lines[2]
