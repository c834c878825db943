"""What is old goes with a signed word; what goes without one was removed by somebody else."""

import os
import time

import pytest
from made_journals import files, killed, of_kind, opened, process, say, verified

from annuaire.journal import layout, marks, problems, writer

DAY = 86_400.0
AGED = 100 * DAY


@pytest.fixture
def passing(monkeypatch):
    """Lets days pass: for the clock, and for the files that are there."""

    class Passing:
        days = 0

        def __call__(self, state, days: int) -> None:
            self.days += days
            for path in (state / "journal").iterdir():
                at = path.stat().st_mtime - days * DAY
                os.utime(path, (at, at))

    passed = Passing()
    now, seconds = time.time_ns, time.time
    monkeypatch.setattr(time, "time_ns", lambda: now() + passed.days * 86_400 * 10**9)
    # Files are aged instead.
    monkeypatch.setattr(time, "time", seconds)
    monkeypatch.setattr(writer, "CHECKPOINT_SECONDS", 0.0)
    return passed


def recorded(state, number: int, **changes) -> None:
    kept, told = opened(state, **changes)
    kept.record("choice", number=number)
    kept.close()
    assert told == []


def numbers(state) -> list[int]:
    return sorted(record["number"] for record in of_kind(state, "choice"))


def test_nothing_goes_unless_that_is_configured(tmp_path, passing):
    recorded(tmp_path, 1)
    passing(tmp_path, 4000)
    recorded(tmp_path, 2)
    assert numbers(tmp_path) == [1, 2]


def test_what_is_old_goes_and_the_rest_is_well(tmp_path, passing):
    for number in range(4):
        recorded(tmp_path, number, keep=AGED)
        passing(tmp_path, 40)
    recorded(tmp_path, 4, keep=AGED)
    assert numbers(tmp_path) == [2, 3, 4]
    assert layout.checkpoint_numbers(tmp_path / "journal") == [3, 4, 5]
    found = verified(tmp_path)
    assert (found.problems, found.unsigned) == ([], 0)


def test_a_process_that_writes_for_long_loses_its_first_files(tmp_path, passing):
    kept, told = opened(tmp_path, keep=AGED)
    for number in range(5):
        kept.record("choice", number=number)
        assert kept.flush()
        passing(tmp_path, 40)
    # A process that is quiet keeps its last file, however old.
    for number in range(5, 8):
        recorded(tmp_path, number, keep=AGED)
        passing(tmp_path, 40)
    assert numbers(tmp_path) == [4, 5, 6, 7]
    assert verified(tmp_path).problems == []
    kept.record("choice", number=8)
    kept.close()
    assert told == []
    # It went on in another file, so the one before was as old as others.
    assert numbers(tmp_path) == [6, 7, 8]
    found = verified(tmp_path)
    assert (found.problems, found.unsigned) == ([], 0)


def test_a_chain_whose_beginning_went_long_ago_is_still_known_to_begin_later(tmp_path, passing):
    """The entry that said so is gone itself: it was said again."""
    kept, _ = opened(tmp_path, keep=AGED)
    for number in range(2):
        kept.record("choice", number=number)
        assert kept.flush()
        passing(tmp_path, 40)
    for number in range(2, 12):
        recorded(tmp_path, number, keep=AGED)
        passing(tmp_path, 40)
        assert verified(tmp_path).problems == [], number
    assert marks.read(tmp_path / "journal").first_file > 4
    kept.close()
    assert verified(tmp_path).problems == []


@pytest.mark.parametrize("which", ["chain", "checkpoints"])
def test_a_file_that_goes_without_a_word_is_missed(tmp_path, passing, which):
    for number in range(4):
        recorded(tmp_path, number, keep=AGED)
        passing(tmp_path, 40)
    recorded(tmp_path, 4, keep=AGED)
    name = min(
        name
        for name in files(tmp_path / "journal")
        if name.startswith("checkpoints") == (which == "checkpoints")
    )
    (tmp_path / "journal" / name).unlink()
    found = verified(tmp_path)
    assert (name, problems.MISSING_FILE) in [(problem.file, problem.code) for problem in found.problems]


def test_a_file_that_was_changed_behind_a_beginning_that_went_is_found(tmp_path, passing):
    kept, _ = opened(tmp_path, keep=AGED)
    for number in range(5):
        kept.record("choice", number=number)
        assert kept.flush()
        passing(tmp_path, 40)
    kept.close()
    ((chain, left),) = layout.chains(tmp_path / "journal").items()
    assert left[0] > 1
    path = layout.chain_file(tmp_path / "journal", chain, left[0])
    whole = path.read_bytes()
    for place in (10, len(whole) // 2, len(whole) - 10):
        altered = bytearray(whole)
        altered[place] ^= 1
        path.write_bytes(altered)
        assert verified(tmp_path).problems, place
    path.write_bytes(whole)
    assert verified(tmp_path).problems == []


def test_a_killed_process_is_ended_before_its_files_grow_old(tmp_path, passing):
    running = process(tmp_path)
    say(running, "record 3", "recorded")
    say(running, "flush", "flushed True")
    killed(running)
    passing(tmp_path, 150)
    recorded(tmp_path, 1, keep=AGED)
    assert len(of_kind(tmp_path, "choice")) == 1
    assert verified(tmp_path).problems == []
