"""`annuaire account`: accounts of audiences, from the command line to a bind."""

import json
import os
import pty
import select
import sys

import pytest
import states
from invented_accounts import bound

from annuaire.domain import audience
from annuaire.store import engine

BRANCH = "ou=comptes,o=apicrypt,c=FR"


def add(state, name, seer="routage", secret="un secret de relais", *more):
    return states.run(
        state, "account", "add", name, "--audience", seer, "--password-stdin", *more, input=f"{secret}\n"
    )


def listed(state):
    done = states.run(state, "account", "list", "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("seer", list(audience.NAMES))
def test_an_account_binds_as_its_audience_as_soon_as_it_is_made(tmp_path, seer):
    state = tmp_path / "var"
    done = add(state, "relais-1", seer)
    assert (done.exit_code, done.stdout) == (0, f"compte créé : uid=relais-1,{BRANCH} ({seer})\n")
    who = bound(state, f"uid=relais-1,{BRANCH}", "un secret de relais")
    assert who is not None
    assert (who.dn, who.audience) == (f"uid=relais-1,{BRANCH}", audience.NAMES[seer])
    assert bound(state, f"uid=relais-1,{BRANCH}", "un autre secret") is None


def test_the_line_end_of_standard_input_is_no_part_of_the_password(tmp_path):
    state = tmp_path / "var"
    assert add(state, "a", "dgs", "deux mots assez longs ").exit_code == 0
    assert (
        states.run(
            state,
            "account",
            "add",
            "b",
            "--audience",
            "dgs",
            "--password-stdin",
            input="sans fin de ligne\r\n",
        ).exit_code
        == 0
    )
    assert bound(state, f"uid=a,{BRANCH}", "deux mots assez longs ") is not None
    assert bound(state, f"uid=b,{BRANCH}", "sans fin de ligne") is not None


def test_the_password_is_kept_as_a_hash_and_apart(tmp_path):
    state = tmp_path / "var"
    add(state, "relais", "routage", "tres-secret-ici")
    store = engine.open("", state)
    with store.reading() as reader:
        [row] = [row for row in reader.entries() if row.dn.startswith("uid=relais")]
    store.close()
    assert row.passwords is not None
    assert b"{ARGON2}$argon2id$" in row.passwords
    assert b"tres-secret-ici" not in row.passwords + row.attributes
    assert b"userPassword" not in row.attributes


def test_an_account_is_given_another_password(tmp_path):
    state = tmp_path / "var"
    add(state, "relais", "routage")
    done = states.run(
        state, "account", "password", "relais", "--password-stdin", input="un tout autre secret\n"
    )
    assert (done.exit_code, done.stdout) == (0, f"mot de passe changé : uid=relais,{BRANCH}\n")
    assert bound(state, f"uid=relais,{BRANCH}", "un secret de relais") is None
    assert bound(state, f"uid=relais,{BRANCH}", "un tout autre secret") is not None
    assert [one["audience"] for one in listed(state)] == ["routage"]
    for name, secret, status in (
        ("autre", "un tout autre secret", 1),
        ("relais", "court", 2),
        ("relais", "", 2),
    ):
        done = states.run(state, "account", "password", name, "--password-stdin", input=f"{secret}\n")
        assert (done.exit_code, done.stdout) == (status, "")
    assert bound(state, f"uid=relais,{BRANCH}", "un tout autre secret") is not None


def test_accounts_are_listed_by_name_with_what_they_see(tmp_path):
    state = tmp_path / "var"
    add(state, "relais", "routage")
    add(state, "Copie", "apicrypt", "copie-de-tout", "--replicate-passwords")
    found = {one["name"]: one for one in listed(state)}
    assert list(found) == ["Copie", "relais"]
    assert found["relais"]["audience"] == "routage"
    assert found["relais"]["dn"] == f"uid=relais,{BRANCH}"
    assert [one["replicates_passwords"] for one in found.values()] == [True, False]
    shown = states.run(state, "account", "list")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["Copie", "relais"]


def test_a_removed_account_is_nobody_and_its_name_is_free(tmp_path):
    state = tmp_path / "var"
    add(state, "relais")
    done = states.run(state, "account", "remove", "relais")
    assert (done.exit_code, done.stdout) == (0, f"compte supprimé : uid=relais,{BRANCH}\n")
    assert listed(state) == []
    assert bound(state, f"uid=relais,{BRANCH}", "un secret de relais") is None
    assert add(state, "relais", "dgs").exit_code == 0


def test_a_name_is_taken_once_whatever_its_case(tmp_path):
    state = tmp_path / "var"
    add(state, "relais")
    again = add(state, "RELAIS", "admin", "un autre secret")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "existe déjà" in again.stderr
    assert [one["audience"] for one in listed(state)] == ["routage"]


@pytest.mark.parametrize("name", ["", " ", "é", "-a", "a b", "a,b", "a=b", "x" * 65, "../x", "a\n"])
def test_a_name_that_would_need_quoting_is_refused(tmp_path, name):
    done = states.run(
        tmp_path / "var", "account", "add", "--audience", "dgs", "--password-stdin", "--", name, input="x\n"
    )
    assert done.exit_code == 2
    assert "nom de compte" in done.stderr


def test_an_empty_short_poor_or_endless_password_is_refused(tmp_path):
    state = tmp_path / "var"
    for secret in ("", "x" * 5000):
        assert add(state, "relais", "dgs", secret).exit_code == 2
    for secret, why in (("onze lettre", "moins de 12 caractères"), ("aaaaaaaaaaaa", "qu'on devine")):
        done = add(state, "relais", "dgs", secret)
        assert done.exit_code == 2
        assert why in done.stderr
        assert secret not in done.stderr + done.stdout
    assert listed(state) == []


def test_without_a_terminal_the_password_is_not_waited_for(tmp_path):
    done = states.run(tmp_path / "var", "account", "add", "relais", "--audience", "dgs", input="x\nx\n")
    assert done.exit_code == 2
    assert "--password-stdin" in done.stderr
    assert not (tmp_path / "var").exists()


def test_what_is_not_there_is_not_removed(tmp_path):
    state = tmp_path / "var"
    add(state, "relais")
    done = states.run(state, "account", "remove", "autre")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "autre" in done.stderr
    assert states.run(tmp_path / "empty", "account", "remove", "relais").exit_code == 1
    assert states.run(tmp_path / "empty", "account", "list").exit_code == 1


def test_only_accounts_of_audiences_are_listed_and_removed(tmp_path):
    state, ldif = tmp_path / "var", tmp_path / "folder.ldif"
    ldif.write_text(f"dn: uid=plain,{BRANCH}\nobjectClass: account\nuid: plain\n")
    states.imported(state, ldif)
    assert listed(state) == []
    assert states.run(state, "account", "remove", "plain").exit_code == 1


def test_an_audience_that_does_not_exist_is_told_with_those_that_do(tmp_path):
    done = add(tmp_path / "var", "relais", "everybody")
    assert done.exit_code == 2
    assert "routage" in done.stderr


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        (["un secret de dgs", "un secret de dgs"], 0),
        (["un long secret", "autre", "un secret long", "un secret long"], 0),
    ],
)
def test_on_a_terminal_the_password_is_asked_twice_and_never_shown(tmp_path, typed, status):
    process, terminal = pty.fork()
    if process == 0:
        command = ["-m", "annuaire", "account", "add", "relais", "--audience", "dgs"]
        os.execve(sys.executable, [sys.executable, *command], states.environment(tmp_path / "var"))  # noqa: S606
    shown = b""
    for word in typed:
        asked = shown.count(b" :") + shown.count(b": ")
        while shown.count(b" :") + shown.count(b": ") == asked:
            assert select.select([terminal], [], [], 20)[0], shown
            shown += os.read(terminal, 1000)
        os.write(terminal, word.encode() + b"\n")
    try:
        while piece := os.read(terminal, 1000):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == status, shown
    assert not any(word.encode() in shown for word in typed if len(word) > 1)
    assert bound(tmp_path / "var", f"uid=relais,{BRANCH}", typed[-1]) is not None
