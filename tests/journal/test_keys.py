"""One key signs after another, each acknowledged by the one before; whoever trusts one of them trusts the journal."""

import os

import pytest
from made_journals import opened, process, say, settings, verified

from annuaire.errors import Misconfigured
from annuaire.journal import checkpoints, entries, keys, marks, problems, verify


def recorded(state, number: int = 0) -> None:
    kept, told = opened(state)
    kept.record("choice", number=number)
    kept.close()
    assert told == []


def log(state) -> checkpoints.Log:
    return checkpoints.Log(state / "journal", state, settings(state).file_size, pytest.fail)


def test_a_key_is_replaced_and_every_key_vouches_for_the_whole_journal(tmp_path):
    recorded(tmp_path)
    publics = [keys.signing(tmp_path).public]
    for number in range(2):
        before, fresh = log(tmp_path).rotate(1.0)
        publics.append(keys.signing(tmp_path).public)
        assert (before, fresh) == tuple(keys.name_of(public) for public in publics[-2:])
        recorded(tmp_path, number)
    assert len(set(publics)) == 3
    for public in publics:
        found = verify.verify(tmp_path / "journal", public)
        assert found.problems == []
        assert found.keys == publics
    # Nobody has the ones before any more.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal", keys.SIGNING, keys.PSEUDONYMS]


def test_a_process_that_writes_takes_the_new_key_at_its_next_checkpoint(tmp_path):
    running = process(tmp_path)
    say(running, "record 1", "recorded")
    say(running, "flush", "flushed True")
    _, fresh = log(tmp_path).rotate(1.0)
    say(running, "record 1", "recorded")
    say(running, "close", "closed")
    running.communicate()
    last = marks.read(tmp_path / "journal").entry
    assert last is not None
    assert last.key == fresh
    assert verified(tmp_path).problems == []


def test_the_first_key_of_all_can_be_replaced(tmp_path):
    (tmp_path / "journal").mkdir()
    log(tmp_path).rotate(1.0)
    recorded(tmp_path)
    found = verified(tmp_path)
    assert found.problems == []
    assert len(found.keys) == 2


def test_a_key_that_the_log_took_and_the_state_did_not_is_taken_by_whoever_comes_next(tmp_path, monkeypatch):
    recorded(tmp_path)

    def die(state) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keys, "take_next", die)
        with pytest.raises(KeyboardInterrupt):
            log(tmp_path).rotate(1.0)
    assert (tmp_path / keys.NEXT).exists()
    assert verified(tmp_path).problems == []
    recorded(tmp_path)
    assert not (tmp_path / keys.NEXT).exists()
    assert verified(tmp_path).problems == []


def test_a_key_that_the_log_never_took_changes_nothing(tmp_path):
    recorded(tmp_path)
    keys.prepare_next(tmp_path)
    recorded(tmp_path)
    log(tmp_path).rotate(1.0)
    recorded(tmp_path)
    assert verified(tmp_path).problems == []


def test_a_journal_whose_key_was_lost_goes_on_and_that_is_found(tmp_path):
    recorded(tmp_path)
    (tmp_path / keys.SIGNING).unlink()
    kept, told = opened(tmp_path)
    kept.record("choice", number=2)
    kept.close()
    assert "is not the one that signed" in told.texts[0]
    found = verified(tmp_path)
    assert [problem.code for problem in found.problems] == [problems.KEY]
    assert found.unsigned == 0
    assert len(found.keys) == 2


def test_a_key_that_was_replaced_signs_no_more(tmp_path):
    recorded(tmp_path)
    old = keys.signing(tmp_path)
    log(tmp_path).rotate(1.0)
    recorded(tmp_path)
    path = tmp_path / "journal" / "checkpoints.00001.jsonl"
    last = entries.parse(path.read_bytes().splitlines(keepends=True)[-1])
    assert last is not None
    members = {"n": last.number + 1, "at": last.at, "kind": "checkpoint", "key": old.name, "chains": {}}
    path.write_bytes(path.read_bytes() + entries.compose(members, last.hash, old))
    assert [problem.code for problem in verified(tmp_path).problems] == [problems.KEY]


def test_processes_that_need_the_first_key_at_once_make_one(tmp_path):
    running = [process(tmp_path) for _ in range(4)]
    for one in running:
        say(one, "record 1", "recorded")
    for one in running:
        say(one, "close", "closed")
        one.communicate()
    found = verified(tmp_path)
    assert found.problems == []
    assert len(found.keys) == 1
    assert found.records == 4 * 3


def test_public_keys_are_written_as_they_are_read(tmp_path):
    key = keys.signing(tmp_path)
    assert keys.parse_public(keys.format_public(key.public).encode()) == key.public
    assert keys.parse_public(b"nonsense") is None
    assert keys.parse_public(key.pem()) is None
    signature = key.sign(b"text")
    assert keys.is_signed(key.public, signature, b"text")
    assert not keys.is_signed(key.public, signature, b"texT")
    assert not keys.is_signed(bytes(32), signature, b"text")


def test_a_damaged_key_of_pseudonyms_is_refused_and_never_replaced(tmp_path):
    path = tmp_path / keys.PSEUDONYMS
    path.write_bytes(b"short")
    with pytest.raises(Misconfigured):
        keys.pseudonym_key(tmp_path)
    assert path.read_bytes() == b"short"
    path.unlink()
    assert keys.pseudonym_key(tmp_path) == keys.pseudonym_key(tmp_path)
    assert os.listdir(tmp_path) == [keys.PSEUDONYMS]
