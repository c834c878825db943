"""What each command leaves in the journal: exactly its records, and nothing of what came to nothing."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import states
from told_records import is_well, told

JEAN = "jean.DUPONT@medical59.apicrypt.org"
JEAN_INTEROP = "jean.dupont@interop-mssante.apicrypt.org"
YVES = "yves.ANCIEN@medical62.apicrypt.org"
ADMIN = "cn=admin,o=apicrypt,c=FR"
EXTRACTION = states.FIXTURES / "mssante/Extraction_Correspondance_MSSante_202611230600.txt"
LIST = states.FIXTURES / "liste_blanche/signed.xml"


def account(mail: str, *more: str) -> str:
    uid = mail.partition("@")[0].lower()
    return "\n".join(
        [
            f"dn: uid={uid},ou=apicrypt,o=apicrypt,c=FR",
            "objectClass: inetOrgPerson",
            "objectClass: apicryptUtilisateur",
            *(f"uid: {uid}", f"cn: {uid}", f"givenName: {uid.split('.')[0]}", f"sn: {uid.split('.')[1]}"),
            f"mail: {mail}",
            *more,
            "",
        ]
    )


V1, V2, DOCTOR = "apicryptVersion: 1", "apicryptVersion: 2", "profession: 10"


def run(state: Path, *arguments: object, status: int = 0, **more: str) -> str:
    done = states.run(state, *arguments, **{"ANNUAIRE_JOURNAL_ADDRESSES": "clear", **more})
    assert done.exit_code == status, done.output
    return done.output


def imports(state: Path, ldif: str, *options: object, status: int = 0) -> None:
    path = state.parent / "file.ldif"
    path.write_text(ldif)
    run(state, "import", *options, path, status=status)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With Jean and Yves, and no journal yet."""
    place = tmp_path_factory.mktemp("made") / "var"
    imports(place, account(JEAN, V2, DOCTOR) + "\n" + account(YVES, V1, DOCTOR))
    shutil.rmtree(place / "journal")
    return place


@pytest.fixture
def state(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "var")


def of_import(added: int, changed: int, unchanged: int, removed: int = 0, **more: int) -> dict[str, object]:
    """What an import tells of itself."""
    counts = {"added": added, "changed": changed, "unchanged": unchanged, "removed": removed, "refused": 0}
    return {"kind": "import", "door": "import", **counts, "warnings": 0, **more, "actor": ADMIN}


BY_COMMAND = {"door": "cli", "actor": ADMIN}
BY_FILE = {"door": "import", "actor": ADMIN}
ITS_FILE = ("source", "sha256", "change")


class TestChoices:
    def test_the_first_opening_gives_an_address_which_is_told_too(self, state: Path) -> None:
        run(state, "interop", "on", JEAN)
        changed = {"done": "changed", "attributes": ["apicryptInteropMail"], "interop": JEAN_INTEROP}
        assert told(state) == [
            {"kind": "account", "account": JEAN, **changed, **BY_COMMAND},
            {"kind": "choice", "account": JEAN, "choice": "apicryptInterop", "value": True, **BY_COMMAND},
        ]

    def test_a_choice_is_told_once_and_when_somebody_makes_it_their_own(self, state: Path) -> None:
        off = {"kind": "choice", "account": JEAN, "choice": "apicryptInterop", "value": False, **BY_COMMAND}
        run(state, "interop", "off", JEAN)  # nothing is another, but no import may open them now
        assert told(state) == [off]
        run(state, "interop", "off", JEAN)
        assert told(state) == [off]

    def test_liste_rouge_and_back(self, state: Path) -> None:
        run(state, "interop", "on", JEAN)
        for switch in ("on", "on", "off"):
            run(state, "liste-rouge", switch, JEAN)
        rouge = {"kind": "choice", "account": JEAN, "choice": "listeRouge", **BY_COMMAND}
        assert told(state)[2:] == [{**rouge, "value": True}, {**rouge, "value": False}]

    def test_what_the_rules_refuse_is_told_with_its_reason(self, state: Path) -> None:
        said = run(state, "interop", "on", YVES, status=1)
        (refusal,) = told(state)
        assert refusal["text"] in said
        assert refusal == {
            "kind": "refusal",
            "account": YVES,
            "choice": "apicryptInterop",
            "value": True,
            "text": refusal["text"],
            **BY_COMMAND,
        }

    def test_nobody_is_no_refusal(self, state: Path) -> None:
        run(state, "interop", "on", "nobody@medical59.apicrypt.org", status=1)
        assert told(state) == []


class TestServiceAccounts:
    def test_they_come_and_go(self, state: Path) -> None:
        arguments = ("--audience", "routage", "--password-stdin")
        done = states.run(state, "account", "add", "relais", *arguments, input="un secret de relais\n")
        assert done.exit_code == 0
        run(state, "account", "list")
        arguments = ("account", "password", "relais", "--password-stdin")
        assert states.run(state, *arguments, input="un autre secret\n").exit_code == 0
        run(state, "account", "remove", "relais")
        run(state, "account", "remove", "relais", status=1)
        relais = {"kind": "account", "service": "relais", "audience": "routage", **BY_COMMAND}
        assert told(state) == [
            {**relais, "done": "added"},
            {**relais, "done": "changed", "attributes": ["userPassword"]},
            {**relais, "done": "removed"},
        ]
        everything = b"".join(path.read_bytes() for path in (state / "journal").iterdir())
        for secret in (b"un secret", b"un autre", b"argon2", b"ARGON2", b"SCRAM"):
            assert secret not in everything


class TestListeBlanche:
    def test_a_load_is_told_a_trial_and_a_mistake_are_not(self, state: Path) -> None:
        run(state, "liste-blanche", "load", LIST, "--unsigned", "--dry-run")
        run(state, "liste-blanche", "load", state.parent / "file.ldif", "--unsigned", status=2)
        assert told(state) == []
        run(state, "liste-blanche", "load", LIST, "--unsigned")
        (loaded,) = told(state)
        assert (loaded["kind"], loaded["actor"], loaded["door"]) == ("liste-blanche", ADMIN, "cli")
        assert (loaded["added"], loaded["removed"]) == (loaded["domains"], 0)

    def test_a_list_that_is_refused_is_told(self, state: Path) -> None:
        run(state, "liste-blanche", "load", LIST, "--unsigned")
        short, (first, *_, last) = state.parent / "short.xml", LIST.read_text().split("</Domaine>")
        short.write_text(f"{first}</Domaine>{last}")
        said = run(state, "liste-blanche", "load", short, "--unsigned", status=1)
        refusal = told(state)[-1]
        assert (refusal["kind"], refusal["source"]) == ("refusal", str(short))
        assert refusal["text"] in said


class TestImports:
    def test_the_same_file_again_tells_only_that_it_came(self, state: Path) -> None:
        imports(state, account(JEAN, V2, DOCTOR) + "\n" + account(YVES, V1, DOCTOR))
        (only,) = told(state)
        assert {name: only[name] for name in only if name not in ITS_FILE} == of_import(0, 0, 2)
        assert only["source"].endswith("file.ldif")
        assert len(only["sha256"]) == 64

    def test_each_account_and_choice_that_a_file_changes_is_told(self, state: Path) -> None:
        lea, eve = "lea.NEUVE@medical59.apicrypt.org", "eve.NEUVE@medical59.apicrypt.org"
        imports(
            state,
            "\n".join(
                [
                    account(JEAN, V2, DOCTOR, "telephoneNumber: +33 3 53 01 00 01", "apicryptInterop: TRUE"),
                    account(YVES, V1, DOCTOR),
                    account(lea, V2, DOCTOR, "apicryptInterop: TRUE", "listeRouge: TRUE"),
                    account(eve, V1),
                    "dn: ou=equipe,ou=apicrypt,o=apicrypt,c=FR\nobjectClass: organizationalUnit\nou: equipe\n",
                ]
            ),
        )
        changed = ["apicryptInteropMail", "telephoneNumber"]
        choice = {"kind": "choice", "value": True, **BY_FILE}
        lea_interop = "lea.neuve@interop-mssante.apicrypt.org"
        assert sorted(told(state, *ITS_FILE), key=json.dumps) == sorted(
            [
                of_import(3, 1, 1),
                {"kind": "account", "account": eve.lower(), "done": "added", **BY_FILE},
                {"kind": "account", "account": lea, "done": "added", "interop": lea_interop, **BY_FILE},
                {**choice, "account": lea, "choice": "apicryptInterop"},
                {**choice, "account": lea, "choice": "listeRouge"},
                {
                    "kind": "account",
                    "account": JEAN,
                    "done": "changed",
                    "attributes": changed,
                    "interop": JEAN_INTEROP,
                    **BY_FILE,
                },
                {**choice, "account": JEAN, "choice": "apicryptInterop"},
            ],
            key=json.dumps,
        )

    def test_what_a_file_asks_and_does_not_get_is_told_once(self, state: Path) -> None:
        asking = account(YVES, V1, DOCTOR, "apicryptInterop: TRUE")
        imports(state, asking)
        refusal, summary = told(state, *ITS_FILE, "text")
        assert refusal == {"kind": "refusal", "account": YVES, "reason": "not-taken", **BY_FILE}
        assert summary == of_import(0, 0, 1, warnings=1)
        imports(state, asking)
        assert [one["kind"] for one in told(state)] == ["refusal", "import", "import"]

    def test_a_file_that_speaks_against_a_choice_is_told_in_vain(self, state: Path) -> None:
        run(state, "interop", "off", JEAN)
        imports(state, account(JEAN, V2, DOCTOR, "apicryptInterop: TRUE"))
        assert [(one["kind"], one.get("account")) for one in told(state)[1:]] == [
            ("refusal", JEAN),
            ("import", None),
        ]

    def test_each_account_that_steps_change_is_told_as_it_ends(self, state: Path) -> None:
        new = "ines.NEUVE@medical59.apicrypt.org"
        base = "ou=apicrypt,o=apicrypt,c=FR"
        steps = "\n".join(
            [
                account(new, V2, DOCTOR).replace("objectClass", "changetype: add\nobjectClass", 1),
                (
                    f"dn: uid=jean.dupont,{base}\nchangetype: modify\nreplace: telephoneNumber\n"
                    "telephoneNumber: +33 3 53 01 00 02\n-\nreplace: userPassword\nuserPassword: {SSHA}AAAA\n-\n"
                ),
                f"dn: uid=jean.dupont,{base}\nchangetype: modrdn\nnewrdn: uid=jean\ndeleteoldrdn: 1\n",
                f"dn: uid=yves.ancien,{base}\nchangetype: delete\n",
                f"dn: uid=nobody,{base}\nchangetype: delete\n",
            ]
        )
        imports(state, steps, "--continue", status=1)
        changed = ["telephoneNumber", "uid", "userPassword"]
        assert sorted(told(state, *ITS_FILE), key=json.dumps) == sorted(
            [
                {"kind": "account", "account": new, "done": "added", **BY_FILE},
                {"kind": "account", "account": JEAN, "done": "renamed", "attributes": changed, **BY_FILE},
                {"kind": "account", "account": YVES, "done": "removed", **BY_FILE},
                of_import(1, 2, 0, 1, refused=1),
            ],
            key=json.dumps,
        )

    def test_a_trial_tells_nothing_and_a_refused_file_that_it_was(self, state: Path) -> None:
        broken = account(JEAN, V2, "apicryptInterop: peut-être")
        imports(state, broken, "--dry-run", status=1)
        assert told(state) == []
        imports(state, broken, status=1)
        (refusal,) = told(state)
        assert (refusal["kind"], refusal["refused"], refusal["door"]) == ("refusal", 1, "import")

    def test_a_national_file_is_told_as_one(self, state: Path) -> None:
        run(state, "import", "--into", "mssante", EXTRACTION)
        (summary,) = told(state)
        assert (summary["kind"], summary["door"]) == ("import", "import")
        assert summary["added"] > 0
        empty = state.parent / "empty.txt"
        empty.write_text(EXTRACTION.read_text().splitlines()[0] + "\n")
        run(state, "import", "--into", "mssante", empty, status=1)
        assert told(state)[-1]["kind"] == "refusal"


def test_addresses_stand_under_pseudonyms_and_are_found_by_who_has_the_key(state: Path) -> None:
    run(state, "interop", "on", JEAN, ANNUAIRE_JOURNAL_ADDRESSES="hash")
    everything = b"".join(path.read_bytes() for path in (state / "journal").iterdir())
    assert b"dupont" not in everything.lower()
    shown = run(state, "journal", "show", "--address", JEAN, "--json")
    assert [one["kind"] for one in json.loads(shown)] == ["account", "choice"]
    # It is the interop address that the account was given: whoever asks for that one finds it too.
    shown = run(state, "journal", "show", "--address", JEAN_INTEROP, "--json")
    assert [one["kind"] for one in json.loads(shown)] == ["account"]


def test_a_journal_that_cannot_be_written_is_reported_and_stops_nothing(state: Path) -> None:
    (state / "journal").write_text("no folder")
    said = run(state, "interop", "on", JEAN)
    assert "échanges ouverts" in said
    assert "journal" in said
    assert "échanges ouverts" in run(state, "interop", "on", JEAN)
    assert "rien n’a changé" in run(state, "interop", "on", JEAN)


def test_commands_at_once_leave_every_record_and_a_journal_that_is_well(state: Path) -> None:
    running = [
        states.start(state, "interop", switch, who, stdout=subprocess.DEVNULL)
        for who, switch in ((JEAN, "on"), (YVES, "off"), (JEAN, "off"), (JEAN, "on"))
    ]
    for process in running:
        _, trouble = process.communicate(timeout=120)
        assert process.returncode == 0, trouble
    assert is_well(state)
    kinds = [one["kind"] for one in told(state)]
    assert kinds.count("account") == 1  # one address, given once
    assert 3 <= kinds.count("choice") <= 4  # who comes second with the same choice changes nothing
