"""`annuaire export`: what comes out goes in again, whole files or none, and only what the audience sees."""

import csv
import io
import os
import signal
import stat
import time

import pytest
import states

from annuaire.cli import destination
from annuaire.errors import Malformed, Unavailable
from annuaire.importing import ldif as reading
from annuaire.importing.records import Content

SUFFIX = "o=apicrypt,c=FR"


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    made = tmp_path_factory.mktemp("export") / "var"
    states.imported(made, states.PEOPLE)
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


def test_an_ordinary_audience_gets_what_it_sees_in_the_order_of_names(state):
    found = records(exported(state, "--as", "apicrypt"))
    names = [record.dn for record in found]
    assert len(names) == 80
    assert f"ou=comptes,{SUFFIX}" not in names
    dupont = f"uid=jean.dupont,ou=apicrypt,{SUFFIX}"
    assert names.index(f"uid=alice.fontaine,ou=apicrypt,{SUFFIX}") < names.index(dupont)
    stored = {record.dn: record.attributes for record in records(exported(state))}
    assert dict(zip(names, [record.attributes for record in found], strict=True))[dupont] == stored[dupont]


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


@pytest.mark.parametrize("audience", ["admin", "apicrypt"])
def test_a_table_has_a_row_for_each_person(state, audience):
    text = exported(state, "--as", audience, "--format", "csv").decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    (dupont,) = [row for row in rows if row["uid"] == "jean.dupont"]
    assert dupont["mail"] == "jean.DUPONT@medical59.apicrypt.org"
    assert all(row["sn"] or row["mail"] for row in rows)
    assert len(rows) == 75


@pytest.mark.parametrize("audience", ["admin", "apicrypt"])
def test_cards_of_one_person_are_known_again_whoever_asks(state, audience):
    text = exported(state, "--as", audience, "--format", "vcard").decode()
    assert text.count("BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:") == text.count("END:VCARD\r\n") == 75
    (card,) = [one for one in text.split("END:VCARD") if "EMAIL;TYPE=work:alice.FONTAINE" in one]
    (uid,) = [line for line in card.split("\r\n") if line.startswith("UID:")]
    admin = exported(state, "--format", "vcard").decode()
    assert uid in admin


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
        assert process.wait(20) == 75
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
        f"dn: uid=p{i},ou=apicrypt,{SUFFIX}\nobjectClass: account\nuid: p{i}\ndescription: {filler}\n\n"
        for i in range(200)
    )
    (tmp_path / "many.ldif").write_text(people)
    states.imported(state, tmp_path / "many.ldif")
    for options in ((), ("--as", "public")):
        process = states.start(state, "export", *options)
        assert process.stdout is not None
        assert process.stdout.readline() == b"dn: o=apicrypt,c=FR\n"
        process.stdout.close()
        assert process.wait(20) == 0
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
