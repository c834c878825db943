"""`annuaire export`: what comes out goes in again, whole files or none, and only what the audience sees."""

import csv
import io
import os
import signal
import stat
import time

import both_directories as both
import pytest
import states

from annuaire.actions import refresh
from annuaire.actions.source import StoreSource
from annuaire.cli import destination
from annuaire.errors import Malformed, Unavailable
from annuaire.importing import ldif as reading
from annuaire.importing.records import Content
from annuaire.index.folder import IndexFolder

SUFFIX = both.SUFFIX
CONTAINERS = [SUFFIX, both.PERSONNES, both.STRUCTURES]
JEANNE = f"uid=899900010051,{both.PERSONNES}"
OTHERS = ("public", "mssante", "apicrypt", "dgs", "routage")


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    made = tmp_path_factory.mktemp("export") / "var"
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


def exported(state, *arguments) -> bytes:
    done = states.run(state, "export", *arguments)
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    return done.stdout_bytes


def records(data: bytes) -> list[Content]:
    found = list(reading.read(io.BytesIO(data)))
    assert all(isinstance(one, Content) for one in found)
    return found


def values(record: Content, name: str) -> list[str]:
    return [value.decode() for description, value in record.attributes if description == name]


def cards(data: bytes) -> list[dict[str, list[str]]]:
    """The lines of each card by their name, unfolded."""
    found: list[dict[str, list[str]]] = []
    for card in data.decode().replace("\r\n ", "").split("END:VCARD\r\n"):
        lines: dict[str, list[str]] = {}
        for line in card.split("\r\n")[:-1]:
            name, _, value = line.partition(":")
            lines.setdefault(name.partition(";")[0], []).append(value)
        if lines:
            found.append(lines)
    return found


@pytest.mark.parametrize("options", [(), ("--with-passwords",)])
def test_an_export_imported_into_an_empty_state_is_exported_as_the_same_bytes(state, tmp_path, options):
    first = tmp_path / "first.ldif"
    first.write_bytes(exported(state, *options))
    states.imported(tmp_path / "var", first)
    assert exported(tmp_path / "var", *options) == first.read_bytes()


def test_an_export_imported_where_it_comes_from_changes_nothing(state, tmp_path):
    path = tmp_path / "all.ldif"
    path.write_bytes(exported(state))
    assert "rien n'a changé" in states.run(state, "import", path).stdout
    assert exported(state) == path.read_bytes()


def test_parents_come_before_what_lies_below_them(state):
    seen: set[str] = set()
    names = [record.dn for record in records(exported(state))]
    assert names[0] == SUFFIX
    for name in names:
        if name != SUFFIX and "\\" not in name:
            assert name.partition(",")[2] in seen
        seen.add(name)
    assert len(names) == 81


def test_a_further_tree_is_exported_too(tmp_path):
    (tmp_path / "groups.ldif").write_text(
        "dn: o=groupes\nobjectClass: organization\no: groupes\n\n"
        "dn: cn=lille,o=groupes\nobjectClass: device\ncn: lille\n"
    )
    trees = {"ANNUAIRE_TREES_SUFFIXES": '["o=groupes"]'}
    state = tmp_path / "var"
    assert states.run(state, "import", tmp_path / "groups.ldif", **trees).exit_code == 0
    names = [record.dn for record in records(states.run(state, "export", **trees).stdout_bytes)]
    assert names[-2:] == ["o=groupes", "cn=lille,o=groupes"]
    assert names[0] == SUFFIX


def test_passwords_come_only_when_they_are_asked_for(state):
    assert b"userPassword" not in exported(state)
    assert exported(state, "--with-passwords").count(b"\nuserPassword:") == 4
    assert b"userPassword" not in exported(state, "--as", "apicrypt")


@pytest.mark.parametrize("others", [("--as", "dgs"), ("--format", "csv"), ("--format", "vcard")])
def test_passwords_are_for_the_administrators_ldif_alone(state, others):
    done = states.run(state, "export", "--with-passwords", *others)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "--with-passwords" in done.stderr


@pytest.mark.parametrize("audience", OTHERS)
def test_a_view_holds_people_and_structures_behind_what_holds_them(merged, audience):
    found = records(exported(merged, "--as", audience))
    names = [record.dn for record in found]
    assert names[:3] == CONTAINERS
    assert len(set(names)) == len(names) > 40
    assert {name.partition(",")[2] for name in names[3:]} <= {both.PERSONNES, both.STRUCTURES}
    firsts = [values(record, "cn")[0] for record in found[3:]]
    if audience == "public":
        assert firsts.index("Agathe ROUSSEL") < firsts.index("CH EXEMPLE") < firsts.index("Yann KERBRAT")


def test_a_view_has_of_somebody_what_its_audience_may_see(merged):
    native, hospital = "jeanne.DUPONT@medical59.apicrypt.org", "jeanne.dupont@ch-exemple.mssante.fr"
    shown = {}
    for audience in OTHERS:
        (shown[audience],) = [
            record for record in records(exported(merged, "--as", audience)) if record.dn == JEANNE
        ] or [None]
    assert shown["routage"] is None, "mail servers are told of each account by itself"
    assert values(shown["apicrypt"], "mail") == [native, hospital]
    for audience in ("public", "mssante"):  # she is on liste rouge
        assert values(shown[audience], "mail") == [hospital]
        assert "telephoneNumber" not in dict(shown[audience].attributes)
    for audience in OTHERS:
        if shown[audience] is not None:
            assert not {"apicryptVersion", "listeRouge", "annuaireSource"} & set(
                dict(shown[audience].attributes)
            )


def test_what_is_written_here_is_for_administrators_alone(merged):
    assert f"ou=comptes,{SUFFIX}" in {record.dn for record in records(exported(merged))}
    for audience in OTHERS:
        assert f"ou=apicrypt,{SUFFIX}".encode() not in exported(merged, "--as", audience)


def test_nothing_that_each_state_makes_for_itself_is_in_a_file(state):
    for audience in ("admin", "public"):
        data = exported(state, "--as", audience).lower()
        for name in (
            b"entryuuid",
            b"createtimestamp",
            b"modifiersname",
            b"structuralobjectclass",
            b"entrydn",
        ):
            assert b"\n" + name not in data


def rows(state, *arguments) -> list[dict[str, str]]:
    text = exported(state, "--format", "csv", *arguments).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_table_of_what_is_written_has_a_row_for_each_account(state):
    found = rows(state)
    (dupont,) = [row for row in found if row["uid"] == "jean.dupont"]
    assert dupont["mail"] == "jean.DUPONT@medical59.apicrypt.org"
    assert all(row["sn"] or row["mail"] for row in found)
    assert len(found) == 75


@pytest.mark.parametrize("audience", OTHERS)
def test_a_table_of_a_view_has_a_row_for_each_person_and_structure_and_none_for_what_holds_them(
    merged, audience
):
    found = rows(merged, "--as", audience)
    assert [row["dn"] for row in found] == [
        record.dn for record in records(exported(merged, "--as", audience)) if record.dn not in CONTAINERS
    ]
    assert all(row["mail"] or row["mailLocalAddress"] for row in found)


def test_a_table_keeps_every_address_of_a_person_the_best_first(merged):
    (jeanne,) = [row for row in rows(merged, "--as", "apicrypt") if row["dn"] == JEANNE]
    assert jeanne["mail"] == "jeanne.DUPONT@medical59.apicrypt.org | jeanne.dupont@ch-exemple.mssante.fr"
    assert jeanne["cn"] == "Jeanne DUPONT | DUPONT Jeanne | DUPONT Jeanne (Médecin, LILLE)"


@pytest.mark.parametrize("audience", OTHERS)
def test_a_view_has_a_card_for_each_person_and_structure_and_none_for_what_holds_them(merged, audience):
    found = cards(exported(merged, "--as", audience, "--format", "vcard"))
    assert len(found) == len(records(exported(merged, "--as", audience))) - len(CONTAINERS)
    assert all(card["BEGIN"] == ["VCARD"] and card["VERSION"] == ["4.0"] for card in found)
    assert len({card["UID"][0] for card in found}) == len(found)


def test_people_and_structures_have_cards_of_their_kind(merged):
    found = {card["FN"][0]: card for card in cards(exported(merged, "--as", "public", "--format", "vcard"))}
    jeanne = found["Jeanne DUPONT"]
    assert (jeanne["KIND"], jeanne["N"]) == (["individual"], ["DUPONT;Jeanne;;;"])
    assert (jeanne["ORG"], jeanne["EMAIL"]) == (
        ["CH EXEMPLE;GYNÉCOLOGIE"],
        ["jeanne.dupont@ch-exemple.mssante.fr"],
    )
    imaging = found["RADIOLOGIE\\, CH EXEMPLE"]
    assert (imaging["KIND"], imaging["N"]) == (["org"], [";;;;"])
    assert imaging["ORG"] == ["CH EXEMPLE;RADIOLOGIE;SCANNER ET IRM"]
    assert imaging["EMAIL"] == ["imagerie@ch-exemple.mssante.fr"]
    assert "NOTE" not in imaging, "its services stand in its organization"


def test_cards_of_one_person_are_known_again_whoever_asks_and_in_another_state(merged, state):
    def known(where, audience: str) -> dict[str, str]:
        """The UID of the card of each address."""
        found = cards(exported(where, "--as", audience, "--format", "vcard"))
        return {address: card["UID"][0] for card in found for address in card["EMAIL"]}

    sphere, strangers = known(merged, "apicrypt"), known(merged, "public")
    native, interop = "jean.DUPONT@medical59.apicrypt.org", "jean.dupont@interop-mssante.apicrypt.org"
    assert sphere[native] == strangers[interop] == known(state, "apicrypt")[native]
    both_see = sphere.keys() & strangers.keys()
    assert len(both_see) > 40
    assert all(sphere[address] == strangers[address] for address in both_see)


def test_a_file_is_private_and_replaces_the_one_before(state, tmp_path):
    path = tmp_path / "all.ldif"
    path.write_text("before")
    path.chmod(0o644)
    done = states.run(state, "export", "--output", path)
    assert done.exit_code == 0
    assert done.stdout == ""
    assert "81 entrées" in done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == exported(state)
    assert list(tmp_path.iterdir()) == [path]


def test_a_symbolic_link_stays_one(state, tmp_path):
    (tmp_path / "real").write_text("before")
    (tmp_path / "link").symlink_to("real")
    assert states.run(state, "export", "--output", tmp_path / "link").exit_code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == exported(state)


def test_a_dash_is_standard_output(state):
    assert states.run(state, "export", "--output", "-").stdout_bytes == exported(state)


def test_a_file_that_cannot_be_written_is_bad_input(state, tmp_path):
    for path in (tmp_path / "absent" / "x", tmp_path):
        done = states.run(state, "export", "--output", path)
        assert done.exit_code == 2
        assert "impossible d'écrire" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_temporary(state):
    done = states.run(state, "export", "--output", "/dev/full")
    assert done.exit_code == 75
    with open("/dev/full", "wb") as full:
        process = states.start(state, "export", stdout=full)
        assert process.wait(60) == 75
    assert b"Traceback" not in process.communicate()[1]


def test_without_a_base_or_an_index_it_says_how_to_make_one(tmp_path):
    done = states.run(tmp_path / "var", "export", "--output", tmp_path / "x")
    assert done.exit_code == 1
    assert "annuaire import" in done.stderr
    done = states.run(tmp_path / "var", "export", "--as", "public", "--output", tmp_path / "x")
    assert done.exit_code == 75
    assert "annuaire rebuild" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_whoever_has_read_enough_hears_no_complaint(tmp_path):
    state = tmp_path / "var"
    filler = "x" * 2000
    people = "".join(
        f"dn: uid=p{i},ou=apicrypt,{SUFFIX}\nobjectClass: inetOrgPerson\nobjectClass: apicryptUtilisateur\n"
        f"uid: p{i}\ncn: p{i}\nsn: p{i}\nmail: p{i}@medical59.apicrypt.org\napicryptVersion: 1\no: {filler}\n\n"
        for i in range(200)
    )
    (tmp_path / "many.ldif").write_text(people)
    states.imported(state, tmp_path / "many.ldif")
    for options in ((), ("--as", "apicrypt")):
        process = states.start(state, "export", *options)
        assert process.stdout is not None
        assert process.stdout.readline() == b"dn: o=apicrypt,c=FR\n"
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stderr.close()


# ------------------------------------------------------------------ the destination alone


def write_half(path, interrupt) -> None:
    with destination.opened(path) as stream:
        stream.write(b"half")
        interrupt()
        time.sleep(1)  # a signal is taken between two steps of the interpreter


def test_an_export_that_ends_early_leaves_the_file_before_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(KeyError):
        write_half(path, lambda: {}["absent"])
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_being_told_to_end_leaves_nothing_half_written(tmp_path, number):
    handler = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "file", lambda: os.kill(os.getpid(), number))
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) is handler


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with destination.opened(tmp_path / "pipe") as stream:
        stream.write(b"whole")
    assert os.read(reader, 100) == b"whole"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_a_folder_is_no_destination(tmp_path):
    with pytest.raises(Malformed), destination.opened(tmp_path):
        pass


def test_no_space_is_told_as_temporary(tmp_path):
    with pytest.raises(Unavailable), destination.opened(tmp_path / "x"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
