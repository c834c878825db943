"""`annuaire journal`: what an operator and an auditor type."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import states

from annuaire import config, journal
from annuaire.domain import reasons
from annuaire.domain.routing import Envelope

DECIDED = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
NATIVE = "jean.dupont@medical59.apicrypt.org"


@pytest.fixture
def state(tmp_path) -> Path:
    """A state whose journal has three records."""
    place = tmp_path / "var"
    told = journal.of(config.load(None, {"ANNUAIRE_STATE": str(place)}))
    kept = journal.open(told, pytest.fail)
    kept.decision(
        Envelope("x@hopital.example", NATIVE, client_address="192.0.2.9"),
        reasons.DESTINATAIRE_INCONNU.to_outsiders,
        DECIDED.timestamp(),
    )
    kept.record(
        "choice", account=NATIVE, choice="interop", value=True, origin="ldap\x1b[31m", of="Jean Dupont"
    )
    kept.record("import", source="essai.ldif", added=2)
    kept.close()
    return place


def the_file(state: Path) -> Path:
    (path,) = (state / "journal").glob("2*.jsonl")
    return path


def test_a_journal_that_nobody_touched_is_said_to_be_well(state):
    done = states.run(state, "journal", "verify")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "5 enregistrements de 1 processus" in done.stdout
    assert "rien à signaler" in done.stdout


def test_a_change_is_said_with_its_file_and_line(state):
    path = the_file(state)
    path.write_bytes(path.read_bytes().replace(b"destinataire_inconnu", b"destinataire_resilie"))
    done = states.run(state, "journal", "verify")
    assert done.exit_code == 1
    assert f"{path.name}:2 : l'enregistrement 2, ou le précédent, a été modifié" in done.stdout
    read = states.run(state, "journal", "verify", "--json")
    assert read.exit_code == 1
    told = json.loads(read.stdout)
    assert told["ok"] is False
    assert [(one["file"], one["line"], one["code"]) for one in told["problems"]] == [
        (path.name, 2, "altered")
    ]


def test_a_journal_that_is_wrong_everywhere_is_told_in_a_screenful(state):
    for number in range(200):
        (state / "journal" / f"foreign{number}").touch()
    done = states.run(state, "journal", "verify")
    assert done.exit_code == 1
    assert "… et 100 autres" in done.stdout
    assert len(json.loads(states.run(state, "journal", "verify", "--json").stdout)["problems"]) == 200


def test_an_auditor_verifies_a_copy_with_the_key_and_the_anchor_that_were_noted(state, tmp_path):
    key = tmp_path / "journal.pem"
    key.write_text(states.run(state, "journal", "public-key").stdout)
    assert key.read_text().startswith("-----BEGIN PUBLIC KEY-----")
    last = json.loads(states.run(state, "journal", "verify", "--json").stdout)["last"]
    anchor = f"{last['number']}:{last['hash']}"
    assert anchor in states.run(state, "journal", "verify").stdout
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in (state / "journal").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    elsewhere = tmp_path / "nowhere"
    asked = ["journal", "verify", "--folder", copy, "--public-key", key]
    assert states.run(elsewhere, *asked, "--anchor", anchor).exit_code == 0
    assert not elsewhere.exists()
    # Without any key the journal's own is believed, which is said.
    without = states.run(elsewhere, "journal", "verify", "--folder", copy)
    assert (without.exit_code, "est crue" in without.stderr) == (0, True)
    log = copy / "checkpoints.00001.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    cut = states.run(elsewhere, *asked, "--anchor", anchor)
    assert (cut.exit_code, "n'est pas celle qui a été notée" in cut.stdout) == (1, True)


def test_another_journal_is_not_verified_by_a_key_that_was_noted(state, tmp_path):
    other = tmp_path / "other"
    with journal.opened(config.load(None, {"ANNUAIRE_STATE": str(other)})) as trace:
        trace("choice", choice="interop")
    key = tmp_path / "journal.pem"
    key.write_text(states.run(state, "journal", "public-key").stdout)
    done = states.run(other, "journal", "verify", "--public-key", key)
    assert done.exit_code == 1
    assert "la clé attendue" in done.stdout


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (["verify", "--public-key", "{key}"], 2, "n'est pas une clé publique"),
        (["verify", "--anchor", "12"], 2, "--anchor"),
        (["verify", "--folder", "/nonexistent"], 2, "n'existe pas"),
        (["show", "--since", "hier"], 2, "ni une date ni une durée"),
        (["show", "--until", "99999999999999d"], 2, "ni une date ni une durée"),
        (["show", "--limit", "0"], 2, "n'est pas dans"),
        (["nope"], 2, "Commande inconnue"),
    ],
)
def test_what_cannot_be_understood_is_bad_input(state, tmp_path, given, status, said):
    key = tmp_path / "key"
    key.write_text("nonsense")
    done = states.run(state, "journal", *[one.format(key=key) for one in given])
    assert (done.exit_code, done.stdout) == (status, "")
    assert said in done.stderr


@pytest.mark.parametrize("command", ["verify", "show", "public-key"])
def test_a_state_without_a_journal_is_not_found_and_stays_without(tmp_path, command):
    done = states.run(tmp_path / "var", "journal", command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert str(tmp_path / "var") in done.stderr
    assert not (tmp_path / "var").exists()


def test_records_are_shown_oldest_first_and_nothing_in_them_moves_the_cursor(state):
    done = states.run(state, "journal", "show")
    assert done.exit_code == 0
    refusal, choice, imported = done.stdout.splitlines()
    assert refusal.startswith(
        f"{DECIDED:%Y-%m-%dT%H:%M:%S}.000000Z refusal verdict=refuse reason=destinataire_inconnu"
    )
    assert "client=192.0.2.9" in refusal
    assert 'of="Jean Dupont"' in choice
    assert "value=true" in choice
    assert "\x1b" not in done.stdout
    assert "source=essai.ldif added=2" in imported
    assert "hash=" not in done.stdout


def kinds(state: Path, *given: object) -> list[str]:
    done = states.run(state, "journal", "show", "--json", *given)
    read = json.loads(done.stdout)
    assert done.exit_code == (0 if read else 1)
    return [record["kind"] for record in read]


def test_records_are_chosen_by_address_reason_kind_time_and_number(state):
    assert kinds(state) == ["refusal", "choice", "import"]
    assert kinds(state, "--address", NATIVE) == ["refusal", "choice"]
    assert kinds(state, "--address", NATIVE.upper()) == ["refusal", "choice"]
    assert kinds(state, "--address", "x@hopital.example") == ["refusal"]
    assert kinds(state, "--address", "y@hopital.example") == []
    assert kinds(state, "--address", "y@hopital.example", "--address", "x@hopital.example") == ["refusal"]
    assert kinds(state, "--reason", "destinataire_inconnu") == ["refusal"]
    assert kinds(state, "--kind", "choice", "--kind", "import") == ["choice", "import"]
    assert kinds(state, "--limit", 2) == ["choice", "import"]
    just_after = DECIDED + timedelta(microseconds=1)
    assert kinds(state, "--until", just_after.replace(tzinfo=None).isoformat()) == ["refusal"]
    assert kinds(state, "--until", just_after.astimezone(timezone(timedelta(hours=2))).isoformat()) == [
        "refusal"
    ]
    assert kinds(state, "--until", DECIDED.isoformat()) == []
    assert kinds(state, "--since", just_after.isoformat()) == ["choice", "import"]
    assert kinds(state, "--since", "15m", "--until", "2100-01-01") == ["choice", "import"]
    assert kinds(state, "--since", "1h") == ["refusal", "choice", "import"]


def test_addresses_are_found_in_a_journal_that_has_them_in_clear(tmp_path):
    loaded = config.load(None, {"ANNUAIRE_STATE": str(tmp_path), "ANNUAIRE_JOURNAL_ADDRESSES": "clear"})
    with journal.opened(loaded) as trace:
        trace("choice", account=NATIVE)
        trace("choice", account="other@medical59.apicrypt.org")
    assert kinds(tmp_path, "--address", NATIVE) == ["choice"]


def test_whoever_lacks_the_key_of_pseudonyms_finds_nobody(state):
    (state / "pseudonyms.key").unlink()
    assert kinds(state, "--address", NATIVE) == []
    assert not (state / "pseudonyms.key").exists()


def test_a_key_is_replaced_and_the_journal_says_so(state, tmp_path):
    key = tmp_path / "journal.pem"
    key.write_text(states.run(state, "journal", "public-key").stdout)
    done = states.run(state, "journal", "rotate-key")
    assert (done.exit_code, done.stderr) == (0, "")
    assert states.run(state, "journal", "public-key").stdout != key.read_text()
    assert states.run(state, "journal", "verify", "--public-key", key).exit_code == 0
    assert states.run(state, "journal", "verify").exit_code == 0
    (shown,) = states.run(state, "journal", "show", "--kind", "key").stdout.splitlines()
    before, now = (part.partition("=")[2] for part in shown.split()[2:])
    assert f"la clé {now} remplace la clé {before}" in done.stdout


def test_a_key_can_be_replaced_before_anything_was_recorded(tmp_path):
    assert states.run(tmp_path / "var", "journal", "rotate-key").exit_code == 0
    assert states.run(tmp_path / "var", "journal", "verify").exit_code == 0


@pytest.mark.parametrize("command", ["verify", "show", "public-key", "rotate-key"])
def test_the_help_has_examples(command):
    done = states.run("unused", "journal", command, "--help")
    assert done.exit_code == 0
    assert f"annuaire journal {command}" in done.stdout.partition("Exemple")[2]


def test_a_reader_that_has_enough_is_no_trouble(state):
    import subprocess

    loaded = config.load(None, {"ANNUAIRE_STATE": str(state)})
    with journal.opened(loaded) as trace:
        for number in range(5000):
            trace("import", number=number)
    process = states.start(state, "journal", "show", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
