"""What happens to an index folder from outside: damage, another version, a reboot, kill -9, two at once."""

import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import invented_directory as invented
import pytest
from invented_directory import APICRYPT, SUFFIX, Client, Thing

from annuaire.actions import initialise, refresh
from annuaire.actions import source as sources
from annuaire.actions.source import StoreSource
from annuaire.domain.audience import Audience
from annuaire.errors import Unavailable
from annuaire.index import folder as folders
from annuaire.index import layout, pages
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Reader
from annuaire.ldap import ber, tree
from annuaire.store.entries import NewEntry

PEOPLE = 250
PROGRAM = Path(__file__).with_name("slow_rebuild.py")


def add(source: StoreSource, names: list[str]) -> None:
    with source.store().writing() as writer:
        for name in names:
            attributes = {"objectClass": [b"person"], "cn": [name.encode()], "sn": [b"x"]}
            thing = Thing(f"uid={name},{APICRYPT}", attributes)
            octets = ber.encode_attributes(attributes)
            parent = thing.key.rpartition(b"\0")[0]
            passwords = ber.encode_attributes({"userPassword": [b"{SSHA}" + b"x" * 500]})
            writer.add(NewEntry(thing.key, parent, thing.dn, thing.uuid.bytes, octets, passwords, "person"))


@pytest.fixture
def source(tmp_path: Path) -> Iterator[StoreSource]:
    source = StoreSource("", tmp_path / "var", SUFFIX)
    initialise.initialise(source.store(), tree.plant(SUFFIX, (), invented.SCHEMA), invented.SCHEMA)
    add(source, [f"p{number:03d}" for number in range(20)])
    yield source
    source.store().close()


@pytest.fixture
def folder(source: StoreSource) -> IndexFolder:
    """A base, and something written since."""
    folder = IndexFolder(source.state / "index")
    refresh.refresh(source, folder)
    add(source, ["later"])
    refresh.refresh(source, folder)
    return folder


def count(folder: IndexFolder) -> int:
    client = Client(folder)
    found = client.ask("(sn=x)").names
    client.close()
    return len(found)


def data(folder: IndexFolder) -> Path:
    number = folder.current()
    assert number is not None
    return folder.build(number) / "base" / "data.mdb"


def truncate(folder: IndexFolder) -> None:
    os.truncate(data(folder), data(folder).stat().st_size - 4096)


def empty(folder: IndexFolder) -> None:
    os.truncate(data(folder), 0)


def lengthen(folder: IndexFolder) -> None:
    with data(folder).open("ab") as file:
        file.write(bytes(4096))


def scribble(folder: IndexFolder) -> None:
    """Of the right length, and no LMDB at all."""
    size = data(folder).stat().st_size
    data(folder).write_bytes(random.Random(1).randbytes(size))


def remove_base(folder: IndexFolder) -> None:
    data(folder).unlink()


def manifest(folder: IndexFolder) -> Path:
    return data(folder).parents[1] / "manifest.json"


def garbage_manifest(folder: IndexFolder) -> None:
    manifest(folder).write_bytes(b"\xff{]")


def odd_manifest(folder: IndexFolder) -> None:
    manifest(folder).write_text('["format", 1]')


def other_manifest(folder: IndexFolder) -> None:
    known = json.loads(manifest(folder).read_text())
    manifest(folder).write_text(json.dumps({**known, "later": 1}))


def other_format(folder: IndexFolder) -> None:
    known = json.loads(manifest(folder).read_text())
    assert known["format"] == layout.FORMAT
    manifest(folder).write_text(json.dumps({**known, "format": layout.FORMAT + 1}))


def no_manifest(folder: IndexFolder) -> None:
    manifest(folder).unlink()


def no_current(folder: IndexFolder) -> None:
    (folder.path / "current").unlink()


def garbage_current(folder: IndexFolder) -> None:
    (folder.path / "current").write_bytes(b"\0\xffone")


def wrong_current(folder: IndexFolder) -> None:
    (folder.path / "current").write_text("77")


def no_build(folder: IndexFolder) -> None:
    shutil.rmtree(data(folder).parents[1])


DAMAGES = [
    *(truncate, empty, lengthen, scribble, remove_base, garbage_manifest, odd_manifest, other_manifest),
    *(other_format, no_manifest, no_current, garbage_current, wrong_current, no_build),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_index_answers_nothing_and_is_built_anew(
    source: StoreSource, folder: IndexFolder, damage: Callable[[IndexFolder], None]
) -> None:
    client = Client(folder)
    damage(folder)
    for _ in range(2):
        with pytest.raises(Unavailable):
            client.ask("(sn=x)")
    refresh.refresh(source, folder)
    assert len(client.ask("(sn=x)").names) == 21, "the same reader goes on with the new build"
    assert count(folder) == 21
    client.close()


def test_there_is_nothing_to_read_before_the_first_build(source: StoreSource) -> None:
    folder = IndexFolder(source.state / "index")
    client = Client(folder)
    for _ in range(2):
        with pytest.raises(Unavailable):
            client.ask("(sn=x)")
    refresh.refresh(source, folder)
    assert len(client.ask("(sn=x)").names) == 20
    client.close()


def test_a_recent_part_that_cannot_be_read_is_left_behind(source: StoreSource, folder: IndexFolder) -> None:
    recent = folder.recent(1) / "data.mdb"
    recent.write_bytes(b"\xff" * recent.stat().st_size)
    client = Client(folder)
    with pytest.raises(Unavailable):
        client.ask("(sn=x)")
    refresh.refresh(source, folder)
    assert len(client.ask("(sn=x)").names) == 21
    client.close()


def test_octets_that_changed_are_found_and_mended(source: StoreSource, folder: IndexFolder) -> None:
    assert refresh.mend(source, folder) is False
    with data(folder).open("r+b") as file:
        file.seek(data(folder).stat().st_size // 2)
        octet = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([octet[0] ^ 1]))
    assert refresh.mend(source, folder) is True
    assert folder.current() == 2
    assert count(folder) == 21


def test_after_another_boot_what_was_not_synced_is_applied_again(
    source: StoreSource, folder: IndexFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "boot_identifier", lambda: "another-boot")
    assert count(folder) == 20, "the base alone, until a refresh"
    refresh.refresh(source, folder)
    assert count(folder) == 21
    assert folder.current() == 1


def test_an_index_of_another_schema_is_built_anew(
    source: StoreSource, folder: IndexFolder, tmp_path: Path
) -> None:
    extra = tmp_path / "more.schema"
    for number, rule in enumerate(("caseIgnoreMatch", "caseExactMatch")):
        extra.write_text(
            f"attributetype ( 2.25.1.99 NAME 'couleur' EQUALITY {rule} SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n"
        )
        other = StoreSource("", source.state, SUFFIX, (extra,))
        numbering = Numbering(other.schema())
        reader = Reader(folder, numbering)
        with pytest.raises(Unavailable):
            reader.snapshot()
        refresh.refresh(other, folder)
        reader.snapshot().end()
        assert folder.current() == 2 + number
        reader.close()
        other.store().close()
    with pytest.raises(Unavailable):
        count(folder)


def test_an_index_ahead_of_its_store_is_built_anew(
    source: StoreSource, folder: IndexFolder, tmp_path: Path
) -> None:
    """As after a restore."""
    earlier = StoreSource("", tmp_path / "restored", SUFFIX)
    initialise.initialise(earlier.store(), tree.plant(SUFFIX, (), invented.SCHEMA), invented.SCHEMA)
    add(earlier, ["only"])
    refresh.refresh(earlier, folder)
    assert count(folder) == 1
    earlier.store().close()


def test_an_index_folder_begun_anew_at_the_same_place_is_another(
    source: StoreSource, folder: IndexFolder
) -> None:
    client = Client(folder)  # holds the former files open
    assert len(client.ask("(sn=x)").names) == 21
    shutil.rmtree(folder.path)
    refresh.refresh(source, folder)
    add(source, ["again"])
    refresh.refresh(source, folder)
    assert count(folder) == 22
    client.close()


# ------------------------------------------------------------------ processes


def refresh_alone(state: Path) -> None:
    refresh.refresh(StoreSource("", state, SUFFIX), IndexFolder(state / "index"))


def test_two_processes_may_refresh_at_once(source: StoreSource) -> None:
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=refresh_alone, args=(source.state,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    folder = IndexFolder(source.state / "index")
    assert folder.current() == 1, "the second one found what the first had built"
    assert count(folder) == 20


def children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(word) for word in text.split()]


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_a_build_killed_in_its_second_pass_leaves_the_old_index_and_no_processes(source: StoreSource) -> None:
    add(source, [f"q{number:03d}" for number in range(PEOPLE)])
    folder = IndexFolder(source.state / "index")
    refresh.refresh(source, folder)
    client = Client(folder)
    assert len(client.ask("(sn=x)").names) == PEOPLE + 20
    program = subprocess.Popen([sys.executable, str(PROGRAM), str(source.state)])
    try:
        wait_until(lambda: any(folder.path.glob("2/base/digests-2.npy")))
        helpers = children(program.pid)
        assert len(helpers) >= 2
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait()
    wait_until(lambda: not any(map(alive, helpers)))
    assert folder.current() == 1
    add(source, ["later"])
    refresh.refresh(source, folder)
    assert len(client.ask("(sn=x)").names) == PEOPLE + 21
    refresh.rebuild(source, folder)
    assert len(client.ask("(sn=x)").names) == PEOPLE + 21
    assert [path.name for path in folder.path.iterdir() if path.name.isdigit()] == [str(folder.current())]
    client.close()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_a_build_that_loses_one_of_its_processes_fails_and_leaves_the_old_index(source: StoreSource) -> None:
    add(source, [f"q{number:03d}" for number in range(PEOPLE)])
    folder = IndexFolder(source.state / "index")
    refresh.refresh(source, folder)
    program = subprocess.Popen([sys.executable, str(PROGRAM), str(source.state)], stderr=subprocess.PIPE)
    try:
        wait_until(lambda: any(folder.path.glob("2/base/digests-1.npy")))
        helpers = children(program.pid)
        os.kill(helpers[-1], signal.SIGKILL)
        _, error = program.communicate(timeout=120)
    finally:
        program.kill()
    assert program.returncode != 0
    assert b"a process of the index build ended with -9" in error
    wait_until(lambda: not any(map(alive, helpers)))
    assert count(folder) == PEOPLE + 20


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.02)


def test_several_processes_build_the_same_octets_as_one(source: StoreSource) -> None:
    add(source, [f"q{number:03d}" for number in range(PEOPLE)])
    folder = IndexFolder(source.state / "index")
    refresh.refresh(source, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annuaire.index.build.ALONE_MAX", 10)
        patch.setattr(sources, "PARTITION", 50)
        other = IndexFolder(source.state / "other")
        refresh.refresh(source, other)
    clients = [Client(folder), Client(other)]
    for text in ("(sn=x)", "(cn=*q1*)", "(|(cn=*9*)(mail=*9*)(givenName=*9*)(sn=*9*))"):
        answers = [one.chunks(text, Audience.PUBLIC, size=7) for one in clients]
        assert answers[0] == answers[1]
        assert data(folder).stat().st_size == data(other).stat().st_size
    for one in clients:
        one.close()


def test_a_reader_that_looks_just_while_a_build_is_replaced_finds_the_new_one(
    source: StoreSource, folder: IndexFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh.rebuild(source, folder)
    assert not folder.build(1).exists()
    seen = iter([1])
    current = IndexFolder.current
    monkeypatch.setattr(IndexFolder, "current", lambda self: next(seen, None) or current(self))
    assert count(folder) == 21


def test_a_disk_that_fills_during_a_build_leaves_the_index_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = IndexFolder(tmp_path / "index")
    source = StoreSource("", tmp_path / "var", SUFFIX)
    (tmp_path / "var").mkdir(mode=0o700)
    refresh.refresh(source, folder)
    number = folder.current()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pages, "write_pages", full)
        with pytest.raises(Unavailable, match="cannot be written"):
            refresh.rebuild(source, folder)
    assert folder.current() == number
    assert [path.name for path in folder.path.iterdir() if path.name.isdigit()] == [str(number)]
    refresh.rebuild(source, folder)
    assert folder.current() != number
