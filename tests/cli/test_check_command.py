"""`annuaire check`: differences from the defaults, every problem at once, contradictions of the base."""

import json
import sqlite3

import pytest
from click.testing import CliRunner
from invented_certificates import Authority

from annuaire.actions import initialise
from annuaire.cli import main
from annuaire.domain.access import Part
from annuaire.domain.audience import NAMES
from annuaire.ldap import schema, tree
from annuaire.store import engine


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["check", *arguments])


@pytest.fixture
def state(tmp_path):
    standard = schema.standard()
    store = engine.open("", tmp_path / "var")
    initialise.initialise(store, tree.plant("o=apicrypt,c=FR", (), standard), standard)
    store.close()
    return tmp_path / "var"


def test_without_a_file_there_is_no_problem_and_nothing_is_made(run, tmp_path):
    done = run()
    assert done.exit_code == 0
    assert "aucun problème" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_differences_are_shown_with_their_defaults_and_secrets_are_not(run, tmp_path, monkeypatch):
    monkeypatch.setenv("ANNUAIRE_ADMIN_PASSWORD", "hidden-word")
    (tmp_path / "annuaire.toml").write_text("[serve]\nworkers = 3\n")
    done = run()
    assert "serve.workers = 3   (par défaut : 0)" in done.stdout
    assert "admin.password" in done.stdout
    assert "hidden-word" not in done.output


def test_every_problem_is_told_at_once(run, tmp_path):
    (tmp_path / "wrong.schema").write_text("attributetype ( 1.2.3 NAME 'x' SUP absent )\n")
    (tmp_path / "annuaire.toml").write_text(
        """
        [schema]
        files = ["wrong.schema"]
        [tls]
        certificate = "absent.pem"
        key = "absent.key"
        [admin]
        password_file = "absent"
        [listen]
        ldap = "ssl:636"
        """
    )
    done = run("--json")
    assert done.exit_code == 78
    problems = "\n".join(json.loads(done.stdout)["problems"])
    for said in (
        "wrong.schema:1",
        "[tls] certificate",
        "[tls] key",
        "[admin] password_file",
        "[listen] ldap",
    ):
        assert said in problems


@pytest.mark.parametrize("suffix", ["cn=nothing", "o=a\\zz", "dc="])
def test_a_suffix_that_cannot_be_an_entry_is_a_problem(run, monkeypatch, suffix):
    monkeypatch.setenv("ANNUAIRE_SUFFIX", suffix)
    done = run()
    assert done.exit_code == 78
    assert "suffix" in done.stderr.lower()


@pytest.mark.parametrize(
    "suffix", ["dc=example,dc=org", "o=Santé,c=FR", "ou=annuaire,o=x", "c=FR", "l=Lille"]
)
def test_other_suffixes_are_fine(run, monkeypatch, suffix):
    monkeypatch.setenv("ANNUAIRE_SUFFIX", suffix)
    assert run().exit_code == 0


def test_a_whole_base_is_said_to_agree(run, state):
    done = run("--deep")
    assert done.exit_code == 0, done.output
    assert "la base est cohérente" in done.stdout


def test_a_base_that_contradicts_itself_is_status_70(run, state):
    database = sqlite3.connect(state / "annuaire.db")
    database.execute("UPDATE entries SET dn = 'ou=autre,o=apicrypt,c=FR' WHERE id = 2")
    database.execute("UPDATE entries SET parent = x'00' WHERE id = 3")
    database.execute("UPDATE head SET change = 9")
    database.commit()
    database.close()
    done = run("--deep", "--json")
    assert done.exit_code == 70
    found = "\n".join(json.loads(done.stdout)["contradictions"])
    assert "ou=autre,o=apicrypt,c=FR: is not kept under its own name" in found
    assert "the entry above it does not exist" in found
    assert "the last is 3, the head says 9" in found


def test_a_base_made_by_a_newer_program_is_a_problem(run, state):
    database = sqlite3.connect(state / "annuaire.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    done = run()
    assert done.exit_code == 78
    assert "newer" in done.stderr


def test_a_damaged_base_is_a_problem(run, tmp_path):
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "annuaire.db").write_bytes(b"no database at all, but long enough to be read" * 99)
    done = run()
    assert done.exit_code == 78
    assert "not a database" in done.stderr


def test_who_reads_and_writes_what_is_shown_to_people(run, monkeypatch):
    monkeypatch.setenv("ANNUAIRE_TREES_READERS", '["dgs"]')
    done = run("--access")
    assert done.exit_code == 0
    headings, *lines = done.stdout.splitlines()
    assert headings.split() == ["partie", "qui", "lit", "ajoute", "modifie", "supprime"]
    assert len(lines) == len(Part) * len(NAMES)
    tree = lines[list(Part).index(Part.TREE) * len(NAMES) :][: len(NAMES)]
    assert tree[0].startswith("[trees] suffixes")
    assert [line.split()[-4:] for line in tree] == [
        ["-", "-", "-", "-"],
        ["-", "-", "-", "-"],
        ["-", "-", "-", "-"],
        ["oui", "-", "-", "-"],
        ["-", "-", "-", "-"],
        ["oui", "oui", "oui", "oui"],
    ]
    own = lines[list(Part).index(Part.OWN) * len(NAMES) :][: len(NAMES)]
    assert own[0].startswith("sa propre entrée")
    assert "userPassword, userCertificate, telephoneNumber, listeRouge, apicryptInterop" in own[2]


def test_trees_within_each_other_are_a_problem(run, monkeypatch):
    monkeypatch.setenv("ANNUAIRE_TREES_SUFFIXES", '["dc=a,dc=b", "ou=x,dc=a,dc=b"]')
    done = run()
    assert done.exit_code == 78
    assert "one lies within the other" in done.stderr


@pytest.mark.parametrize(
    ("days", "status", "said"),
    [
        ({"first": -20, "last": -10}, 78, "problème : [tls] certificate : {} : a expiré le"),
        ({"first": 5, "last": 40}, 78, "problème : [tls] certificate : {} : n'est valable qu'à partir du"),
        ({"first": -70, "last": 20}, 0, "attention : [tls] certificate : {} : expire le"),
        ({"first": -1, "last": 400}, 0, None),
    ],
)
def test_a_certificate_that_clients_refuse_or_will_soon_is_told(run, tmp_path, days, status, said):
    certificate, key = Authority(tmp_path, "ca").issue("server", "CN=annuaire.exemple", **days)
    (tmp_path / "annuaire.toml").write_text(f'[tls]\ncertificate = "{certificate}"\nkey = "{key}"\n')
    done = run()
    assert done.exit_code == status
    if said is None:
        assert "attention" not in done.output
    else:
        assert said.format(certificate) in done.stderr
        assert "(CN=annuaire.exemple)" in done.stderr
    assert ("aucun problème" in done.stdout) == (status == 0)
    told = json.loads(run("--json").stdout)
    assert len(told["problems"]) == (status == 78)
    assert len(told["warnings"]) == (status == 0 and said is not None)


def test_every_wrong_item_of_a_list_is_told(run, tmp_path):
    (tmp_path / "annuaire.toml").write_text(
        """
        [listen]
        proxies = ["10.0.0.300", "10.0.0.5", "unis"]
        [audience]
        networks = ["10.1.0.0/16 apicrypt", "10.1.0.0/33 apicrypt", "10.2.0.0/16 personne", "10.3.0.0/16"]
        certificates = ["CN=a mssante", "CN=b nobody", "sujet mssante", "CN=d -> compte"]
        [trees]
        suffixes = ["dc=a,dc=fr", "ou=x,dc=a,dc=fr", "ou=y,o=apicrypt,c=FR", "ou=z,ou=x,dc=a,dc=fr", "dc=b"]
        [tls]
        certificate = "absent"
        key = "absent"
        client_ca = "absent"
        """
    )
    done = run("--json")
    assert done.exit_code == 78
    problems = json.loads(done.stdout)["problems"]
    for title, wrong in (
        ("[listen] proxies", ("10.0.0.300", "unis")),
        ("[audience] networks", ("10.1.0.0/33", "10.2.0.0/16", "10.3.0.0/16")),
        ("[audience] certificates", ("nobody", "sujet", "compte")),
    ):
        said = [one for one in problems if one.startswith(title)]
        assert len(said) == len(wrong), said
        assert all(word in one for word, one in zip(wrong, said, strict=True)), said
    within = [one for one in problems if one.startswith("[trees] suffixes")]
    assert [one.partition(": ")[2].partition(" and ")[0] for one in within] == [
        "ou=x,dc=a,dc=fr",
        "ou=y,o=apicrypt,c=FR",
        "ou=z,ou=x,dc=a,dc=fr",
        "ou=z,ou=x,dc=a,dc=fr",
    ]


def test_every_word_that_is_none_is_told(run, tmp_path):
    (tmp_path / "annuaire.toml").write_text(
        '[trees]\nsuffixes = ["rien", "dc=a", "nulle part"]\nreaders = ["apicrypt", "tous", "chacun"]\n'
    )
    said = "\n".join(json.loads(run("--json").stdout)["problems"])
    assert 'must be distinguished names such as "dc=exemple,dc=fr", not rien, nulle part' in said
    assert "[trees] readers: must be a list of" in said
    assert ", not tous, chacun" in said
