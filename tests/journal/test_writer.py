"""Records get to the disk in order, signed, from several processes at once; trouble is told and stops nobody."""

import os
import re
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import made_journals
import pytest
from made_journals import envelope, files, killed, of_kind, opened, process, say, verified

from annuaire import journal
from annuaire.domain import reasons
from annuaire.journal import checkpoints, entries, keys, layout, marks, recovering, writer


@pytest.fixture
def hasty(monkeypatch):
    """No pause is longer than a test has patience for."""
    monkeypatch.setattr(writer, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(writer, "GATHER_SECONDS", 0.005)


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


# ------------------------------------------------------------------ what is written


def test_records_stand_in_the_order_in_which_they_were_made(tmp_path):
    kept, told = opened(tmp_path)
    for number in range(1000):
        kept.record("choice", number=number)
    kept.close()
    assert [record["number"] for record in of_kind(tmp_path, "choice")] == list(range(1000))
    found = verified(tmp_path)
    assert (found.problems, found.unsigned, found.records) == ([], 0, 1002)
    assert told == []


def test_a_journal_that_recorded_nothing_leaves_nothing(tmp_path):
    kept, _ = opened(tmp_path)
    kept.close()
    with journal.opened(config(tmp_path)):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("clear", [False, True])
def test_what_is_on_the_disk_is_this_users_alone(tmp_path, clear):
    old = os.umask(0)
    try:
        kept, _ = opened(tmp_path / "state", clear=clear)
        kept.record("choice", account="a@b.example")
        kept.close()
    finally:
        os.umask(old)
    for path in [tmp_path / "state", *(tmp_path / "state").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    names = {path.name for path in (tmp_path / "state").iterdir()}
    assert names == {"journal", keys.SIGNING} | ({keys.PSEUDONYMS} if not clear else set())


def test_records_of_several_threads_are_all_there(tmp_path):
    kept, told = opened(tmp_path)

    def write(which: int) -> None:
        for number in range(500):
            kept.record("choice", which=which, number=number)

    threads = [threading.Thread(target=write, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.close()
    found = of_kind(tmp_path, "choice")
    for which in range(4):
        assert [record["number"] for record in found if record["which"] == which] == list(range(500))
    assert (verified(tmp_path).problems, told) == ([], [])


def test_files_are_cut_by_size_and_the_chain_goes_on(tmp_path):
    kept, _ = opened(tmp_path, file_size=2000)
    for number in range(60):
        kept.record("choice", number=number)
        if number % 5 == 4:
            assert kept.flush()
    kept.close()
    ((_, numbers),) = layout.chains(tmp_path / "journal").items()
    assert len(numbers) >= 4
    assert [record["number"] for record in of_kind(tmp_path, "choice")] == list(range(60))
    assert verified(tmp_path).problems == []


def test_another_day_begins_another_file_of_records_and_of_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "CHECKPOINT_SECONDS", 0.0)
    kept, _ = opened(tmp_path)
    kept.record("choice", number=1)
    assert kept.flush()
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 86_400 * 10**9)
    kept.record("choice", number=2)
    kept.close()
    assert [len(numbers) for numbers in layout.chains(tmp_path / "journal").values()] == [2]
    assert layout.checkpoint_numbers(tmp_path / "journal") == [1, 2]
    assert verified(tmp_path).problems == []


# ------------------------------------------------------------------ decisions


REFUSED = reasons.DESTINATAIRE_INCONNU.to_us
ACCEPTED = reasons.DE_L_ESPACE.to_us._replace(
    route=reasons.APICRYPT, recipient_as="marie@medical59.apicrypt.org", encoding="V2"
)
LATER = reasons.ANNUAIRE_INDISPONIBLE.to_us


def test_a_decision_is_kept_with_what_an_auditor_asks_and_no_address(tmp_path):
    kept, _ = opened(tmp_path)
    kept.decision(envelope(certificate="CN=chu"), REFUSED, 1_790_000_000.25)
    kept.decision(envelope(sender=""), ACCEPTED)
    kept.decision(envelope(sender="<>"), LATER)
    kept.close()
    refused, accepted, later = of_kind(tmp_path, "refusal", "decision")
    assert refused["kind"] == "refusal"
    assert refused["at"] == "2026-09-21T14:13:20.250000Z"
    assert (refused["verdict"], refused["reason"], refused["status"]) == (
        "refuse",
        "destinataire_inconnu",
        "5.1.1",
    )
    assert (refused["client"], refused["certificate"]) == ("192.0.2.1", "CN=chu")
    assert refused["sender"] == refused["user"]
    assert refused["recipient"].endswith("@chu.mssante.fr")
    assert refused.keys() & {"encoding", "route", "sender_as", "recipient_as"} == set()
    assert accepted["kind"] == "decision"
    assert accepted["sender"] == "<>"
    assert (accepted["route"], accepted["encoding"]) == ("apicrypt", "V2")
    assert accepted["recipient_as"].endswith("@medical59.apicrypt.org")
    assert (later["kind"], later["verdict"], later["sender"]) == ("decision", "defer", "<>")
    assert not any(name in b"".join(files(tmp_path / "journal").values()) for name in (b"jean", b"marie"))


def test_accepted_decisions_can_be_left_out_and_others_cannot(tmp_path):
    kept, _ = opened(tmp_path, decisions=False)
    for decision in (ACCEPTED, REFUSED, LATER, reasons.PAS_DE_NOTRE_RESSORT.to_us):
        kept.decision(envelope(), decision)
    kept.close()
    assert [record["verdict"] for record in of_kind(tmp_path, "refusal", "decision")] == ["refuse", "defer"]


def test_what_cannot_be_made_into_a_record_is_counted_and_raises_nothing(tmp_path):
    kept, told = opened(tmp_path)
    kept.decision(None, None)
    kept.record("choice", value=Unspeakable())
    kept.record("choice", number=1)
    kept.close()
    gaps = of_kind(tmp_path, "gap")
    assert sum(gap["lost"] for gap in gaps) == kept.lost == 2
    assert {gap["why"] for gap in gaps} <= {"AttributeError", "ZeroDivisionError"}
    assert len(of_kind(tmp_path, "choice")) == 1
    assert all("of the journal were lost" in text for text in told.texts)
    assert "secret" not in str(told)


class Unspeakable:
    def __str__(self) -> str:
        raise ZeroDivisionError("secret")


# ------------------------------------------------------------------ checkpoints


def test_a_checkpoint_is_made_while_a_process_writes(tmp_path, monkeypatch, hasty):
    monkeypatch.setattr(writer, "CHECKPOINT_SECONDS", 0.05)
    kept, _ = opened(tmp_path)
    kept.record("choice", number=1)
    kept.flush()
    until(lambda: marks.read(tmp_path / "journal").count >= 3)
    last = marks.read(tmp_path / "journal").entry
    assert last is not None
    ((_, position),) = last.chains.items()
    assert position.length == 2
    # Nothing new, no checkpoint.
    time.sleep(0.15)
    assert marks.read(tmp_path / "journal").count == 3
    kept.close()


def test_every_entry_names_all_chains_that_are_written(tmp_path):
    with_two = [opened(tmp_path)[0] for _ in range(2)]
    for kept in with_two:
        kept.record("choice", number=1)
        assert kept.flush()
    last = marks.read(tmp_path / "journal").entry
    assert last is not None
    assert len(last.chains) == 2
    for kept in with_two:
        kept.close()
    last = marks.read(tmp_path / "journal").entry
    assert last is not None
    assert last.chains == {}
    assert verified(tmp_path).problems == []


def test_a_process_that_was_stopped_with_the_lock_stops_checkpoints_and_not_records(
    tmp_path, hasty, monkeypatch
):
    monkeypatch.setattr(writer, "CHECKPOINT_SECONDS", 0.0)
    kept, told = opened(tmp_path)
    kept.record("choice", number=1)
    assert kept.flush()
    other = checkpoints.Log(tmp_path / "journal", tmp_path, 1 << 20, told)
    with other.locked(1.0):
        before = marks.read(tmp_path / "journal").count
        for number in range(2, 5):
            kept.record("choice", number=number)
            assert kept.flush()
        assert len(of_kind(tmp_path, "choice")) == 4
        assert marks.read(tmp_path / "journal").count == before
    until(lambda: marks.read(tmp_path / "journal").count > before)
    kept.close()
    assert (verified(tmp_path).problems, told) == ([], [])


def test_a_command_that_ends_at_once_waits_for_another_process_to_sign(tmp_path):
    layout.make_folder(tmp_path / "journal")
    kept, told = opened(tmp_path)
    other = checkpoints.Log(tmp_path / "journal", tmp_path, 1 << 20, told)
    with other.locked(1.0):
        kept.record("choice", number=1)
        closing = threading.Thread(target=kept.close)
        closing.start()
        time.sleep(0.2)
        assert closing.is_alive()
    closing.join()
    assert len(of_kind(tmp_path, "choice")) == 1
    assert (verified(tmp_path).problems, told) == ([], [])


# ------------------------------------------------------------------ several processes, and their ends


def test_several_processes_write_and_sign_at_once(tmp_path):
    running = [process(tmp_path, 20_000) for _ in range(4)]
    for _ in range(3):
        for one in running:
            say(one, "record 200", "recorded")
    for one in running[:2]:
        say(one, "close", "closed")
    killed(running[2])
    say(running[3], "flush", "flushed True")
    # It can be read while it is written.
    assert verified(tmp_path).problems == []
    say(running[3], "close", "closed")
    for one in running:
        one.communicate()
    found = verified(tmp_path)
    assert found.problems == []
    assert found.unsigned == 0
    assert len(of_kind(tmp_path, "choice")) >= 3 * 600


def test_what_a_killed_process_had_written_is_signed_by_the_next(tmp_path):
    running = process(tmp_path)
    say(running, "record 50", "recorded")
    say(running, "flush", "flushed True")
    killed(running)
    found = verified(tmp_path)
    assert (found.problems, found.unsigned) == ([], 51)
    kept, told = opened(tmp_path)
    kept.record("choice", number=1)
    kept.close()
    found = verified(tmp_path)
    assert (found.problems, found.unsigned, found.remarks) == ([], 0, [])
    assert len(of_kind(tmp_path, "choice")) == 51
    assert told == []


def test_a_living_process_is_never_taken_for_a_dead_one(tmp_path):
    """Even when it goes on in another file at that very moment."""
    running = process(tmp_path, 500)
    say(running, "record 1", "recorded")
    kept, _ = opened(tmp_path)
    for number in range(20):
        say(running, "record 20", "recorded")
        kept.record("choice", number=number)
        assert kept.flush()
        known = marks.read(tmp_path / "journal")
        assert known.ended == {}
        entry = known.entry
        assert entry is not None
        assert recovering.endings(tmp_path / "journal", entry.chains, "") == {}
    kept.close()
    say(running, "close", "closed")
    running.communicate()
    assert verified(tmp_path).problems == []


COMMAND = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from annuaire import config, journal
loaded = config.load(None, {"ANNUAIRE_STATE": sys.argv[1]})
with journal.opened(loaded) as trace:
    for number in range(100):
        trace("import", number=number)
    print("ready", flush=True)
    time.sleep(60)
"""


def test_sigterm_loses_nothing_in_a_command(tmp_path):
    running = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM
    assert len(of_kind(tmp_path, "import")) == 100
    found = verified(tmp_path)
    assert (found.problems, found.unsigned) == ([], 0)


REACTOR = """
import sys
from pathlib import Path
from twisted.internet import reactor, task
from annuaire import journal
state = Path(sys.argv[1])
kept = journal.open(journal.Settings(state / "journal", state))
recorded = 0
def record():
    global recorded
    for recorded in range(recorded + 1, recorded + 101):
        kept.record("choice", number=recorded)
    if recorded == 500:
        print("ready", flush=True)
task.LoopingCall(record).start(0.001)
reactor.addSystemEventTrigger("before", "shutdown", kept.close)
reactor.run()
print(recorded, kept.lost)
"""


def test_sigterm_loses_nothing_in_a_reactor(tmp_path):
    running = subprocess.Popen(
        [sys.executable, "-c", REACTOR, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=60)
    recorded, lost = map(int, out.split())
    assert lost == 0
    assert [record["number"] for record in of_kind(tmp_path, "choice")] == list(range(1, recorded + 1))
    found = verified(tmp_path)
    assert (found.problems, found.unsigned) == ([], 0)


def test_a_process_that_ends_without_closing_loses_nothing(tmp_path):
    code = (
        "import sys; from pathlib import Path; from annuaire import journal\n"
        "state = Path(sys.argv[1])\n"
        "journal.open(journal.Settings(state / 'journal', state)).record('choice', number=1)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert len(of_kind(tmp_path, "choice")) == 1
    assert verified(tmp_path).unsigned == 0


def config(state: Path):
    from annuaire import config

    return config.load(None, {"ANNUAIRE_STATE": str(state)})


def test_the_configuration_is_respected(tmp_path):
    from annuaire import config

    loaded = config.load(
        None,
        {
            "ANNUAIRE_STATE": str(tmp_path),
            "ANNUAIRE_JOURNAL_ADDRESSES": "clear",
            "ANNUAIRE_JOURNAL_DECISIONS": "false",
            "ANNUAIRE_JOURNAL_FILE_SIZE": "5",
            "ANNUAIRE_JOURNAL_KEEP": "400d",
            "ANNUAIRE_JOURNAL_FOLDER": str(tmp_path / "elsewhere"),
        },
    )
    told = journal.of(loaded)
    assert (told.clear, told.decisions, told.file_size) == (True, False, 5 << 20)
    assert (told.keep, told.folder) == (400 * 86_400.0, tmp_path / "elsewhere")
    assert "*.mssante.fr" in told.clear_domains
    assert "medical*.apicrypt.org" in told.clear_domains
    with journal.opened(loaded) as trace:
        trace("choice", account="a@b.example")
    (path,) = (tmp_path / "elsewhere").glob("2*.jsonl")
    assert b'"account":"a@b.example"' in path.read_bytes()


# ------------------------------------------------------------------ trouble


class FullDisk:
    """os.write for a disk that is full from some moment on, and takes half of what it is given then."""

    def __init__(self, monkeypatch) -> None:
        self._is_full = False
        self._half = False
        self._write = os.write
        monkeypatch.setattr(os, "write", self)

    def fill(self) -> None:
        self._is_full = self._half = True

    def empty(self) -> None:
        self._is_full = False

    def __call__(self, descriptor: int, data) -> int:
        if self._is_full and "/journal" in os.readlink(f"/proc/self/fd/{descriptor}"):
            if not self._half:
                raise OSError(28, "No space left on device")
            self._half = False
            data = data[: len(data) // 2]
        return self._write(descriptor, data)


def test_a_full_disk_stops_nobody_and_what_was_lost_is_counted_and_recorded(tmp_path, monkeypatch, hasty):
    monkeypatch.setattr(writer, "PENDING_MAX", 100)
    disk = FullDisk(monkeypatch)
    kept, told = opened(tmp_path)
    kept.record("choice", number=0)
    assert kept.flush()
    disk.fill()
    kept.record("choice", number=1)
    until(lambda: told.texts)
    assert "No space left" in told.texts[0]
    before = time.monotonic()
    for number in range(2, 302):
        kept.record("choice", number=number)
    assert time.monotonic() - before < 302 * writer.PAUSE_SECONDS
    assert kept.lost == 200
    assert not kept.flush(0.05)
    disk.empty()
    assert kept.flush()
    kept.record("choice", number=302)
    kept.close()
    numbers = [record["number"] for record in of_kind(tmp_path, "choice")]
    assert numbers == [*range(102), 302]
    (gap,) = of_kind(tmp_path, "gap")
    assert gap["lost"] == 200
    assert gap["why"] == "the queue is full"
    assert gap["since"] < gap["at"]
    assert "the journal is written again" in told.texts
    assert "200 records of the journal were lost: the queue is full" in told.texts
    assert verified(tmp_path).problems == []


def test_a_disk_that_is_full_from_the_beginning_stops_nobody(tmp_path, monkeypatch, hasty):
    disk = FullDisk(monkeypatch)
    disk.fill()
    kept, told = opened(tmp_path / "journal-state")
    kept.record("choice", account="a@b.example")
    kept.record("choice", number=1)
    until(lambda: kept.lost >= 1)
    disk.empty()
    time.sleep(0.03)
    kept.record("choice", number=2)
    kept.close()
    assert [record["number"] for record in of_kind(tmp_path / "journal-state", "choice")] == [2]
    assert sum(gap["lost"] for gap in of_kind(tmp_path / "journal-state", "gap")) == 2
    assert verified(tmp_path / "journal-state").problems == []
    assert told.texts


def test_what_a_full_disk_never_took_is_said_at_the_end(tmp_path, monkeypatch, hasty):
    disk = FullDisk(monkeypatch)
    kept, told = opened(tmp_path)
    kept.record("choice", number=0)
    assert kept.flush()
    disk.fill()
    for number in range(10):
        kept.record("choice", number=number + 1)
    kept.close()
    disk.empty()
    found = re.fullmatch(r"(\d+) records were not written: No space left on device", told.texts[-1])
    assert found
    assert int(found[1]) >= 5
    assert [record["number"] for record in of_kind(tmp_path, "choice")] == list(range(11 - int(found[1])))


@pytest.fixture
def small_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "none", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a disk")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_that_is_really_full_is_survived_and_told(small_disk, monkeypatch, hasty):
    monkeypatch.setattr(writer, "PENDING_MAX", 500)
    kept, told = opened(small_disk)
    ballast = small_disk / "ballast"
    kept.record("choice", number=-1)
    assert kept.flush()
    ballast.write_bytes(bytes(150_000))
    recorded = 0
    while not told.texts:
        kept.record("choice", number=recorded)
        recorded += 1
        time.sleep(0.0001)
    for _ in range(1000):
        kept.record("choice", number=recorded)
        recorded += 1
    assert kept.lost
    ballast.unlink()
    assert kept.flush()
    lost = kept.lost
    kept.close()
    numbers = [record["number"] for record in of_kind(small_disk, "choice")]
    assert numbers == list(range(-1, len(numbers) - 1))
    assert len(numbers) == recorded + 1 - lost
    assert sum(gap["lost"] for gap in of_kind(small_disk, "gap")) == lost
    found = verified(small_disk)
    assert (found.problems, found.unsigned) == ([], 0)


def test_a_file_that_may_not_grow_is_trouble_and_no_signal(tmp_path):
    """A limit on the size of files sends SIGXFSZ, which would end a process that does not expect it."""
    running = subprocess.Popen(
        [sys.executable, "-c", made_journals.PROCESS, str(tmp_path), "1000000"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
    )
    assert running.stdin is not None
    running.stdin.write("record 100\nflush\n")
    running.stdin.flush()
    assert running.stdout is not None
    assert running.stdout.readline() == "recorded\n"
    assert "the journal cannot be written" in running.stdout.readline()
    killed(running)


def test_a_file_that_is_removed_while_it_is_written_is_told(tmp_path, monkeypatch, hasty):
    kept, told = opened(tmp_path)
    kept.record("choice", number=1)
    assert kept.flush()
    (path,) = (tmp_path / "journal").glob("2*.jsonl")
    path.unlink()
    monkeypatch.setattr(writer, "CHECKPOINT_SECONDS", 0.0)
    kept.record("choice", number=2)
    until(lambda: told.texts)
    assert told.texts == ["the journal's file was removed while it was written"]
    kept.record("choice", number=3)
    kept.close()
    found = verified(tmp_path)
    assert [(problem.file, problem.code) for problem in found.problems] == [(path.name, "missing-file")]
    assert [record["number"] for record in of_kind(tmp_path, "choice")] == [3]


@pytest.mark.parametrize("left", [2, 0])
def test_checkpoints_that_are_cut_while_a_process_writes_are_told(tmp_path, monkeypatch, hasty, left):
    monkeypatch.setattr(writer, "CHECKPOINT_SECONDS", 0.0)
    kept, told = opened(tmp_path)
    kept.record("choice", number=0)
    assert kept.flush()
    # A file begins, the chain is named, its first records are signed.
    until(lambda: marks.read(tmp_path / "journal").count == 3)
    path = layout.checkpoint_file(tmp_path / "journal", 1)
    cut = tmp_path / "cut"
    cut.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:left]))
    cut.rename(path)
    kept.record("choice", number=1)
    until(lambda: told.texts)
    assert set(told.texts) == {"the log of checkpoints is shorter than it was"}
    kept.close()
    assert verified(tmp_path).problems


def test_half_an_entry_of_the_log_is_cut_by_whoever_comes_next(tmp_path):
    kept, _ = opened(tmp_path)
    kept.record("choice", number=1)
    kept.close()
    path = layout.checkpoint_file(tmp_path / "journal", 1)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:70])
    assert verified(tmp_path).problems == []
    kept, told = opened(tmp_path)
    kept.record("choice", number=2)
    kept.close()
    assert path.read_bytes().startswith(whole)
    assert all(entries.parse(line) for line in path.read_bytes().splitlines(keepends=True))
    assert (verified(tmp_path).problems, told) == ([], [])


def test_a_log_whose_end_is_unreadable_goes_on_and_stays_unwell(tmp_path):
    kept, _ = opened(tmp_path)
    kept.record("choice", number=1)
    kept.close()
    path = layout.checkpoint_file(tmp_path / "journal", 1)
    path.write_bytes(path.read_bytes() + b"this is no entry\n")
    kept, told = opened(tmp_path)
    kept.record("choice", number=2)
    kept.close()
    assert "is no checkpoint" in told.texts[0]
    assert [problem.code for problem in verified(tmp_path).problems] == ["altered"]
    assert verified(tmp_path).unsigned == 0


def test_a_key_that_is_none_is_told_and_stops_nobody(tmp_path, hasty):
    (tmp_path / keys.SIGNING).write_bytes(b"nonsense")
    kept, told = opened(tmp_path)
    kept.record("choice", number=1)
    until(lambda: told.texts)
    assert "this is no Ed25519 key" in told.texts[0]
    (tmp_path / keys.SIGNING).unlink()
    assert kept.flush()
    kept.close()
    assert len(of_kind(tmp_path, "choice")) == 1
    assert verified(tmp_path).problems == []


def test_what_is_recorded_after_the_end_is_counted(tmp_path):
    kept, _ = opened(tmp_path)
    kept.record("choice", number=1)
    kept.close()
    kept.record("choice", number=2)
    kept.close()
    assert kept.lost == 1
    assert verified(tmp_path).problems == []
