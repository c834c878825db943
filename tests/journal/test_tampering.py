"""Whoever touches a journal is found, and where: any octet, any line, any file, up to the last checkpoint."""

import json
import shutil
from pathlib import Path

import made_journals
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from made_journals import all_records, files, killed, opened, process, say, verified

from annuaire import journal
from annuaire.journal import checkpoints, entries, keys, layout, problems, records, verify, writer

EXAMPLES = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Made:
    """A journal of several processes, over several files, with a key that was replaced."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.folder = state / "journal"
        self.files = files(self.folder)
        kept = keys.existing(state)
        assert kept is not None
        self.public = kept.public
        found = verify.verify(self.folder, self.public)
        assert found.problems == []
        assert found.unsigned == 0
        assert found.last is not None
        self.anchor = (found.last.number, found.last.hash)
        self.lines = [
            (name, index)
            for name, data in self.files.items()
            for index in range(len(data.splitlines(keepends=True)))
        ]
        self.last_log = max(name for name in self.files if name.startswith("checkpoints"))

    def verified(self, changed: dict[str, bytes], folder: Path, anchored: bool = True) -> verify.Verified:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, data in changed.items():
            (folder / name).write_bytes(data)
        return verify.verify(folder, self.public, self.anchor if anchored else None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    state = tmp_path_factory.mktemp("journal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "CHECKPOINT_SECONDS", 0.0)
        first, told = opened(state, file_size=1500)
        for number in range(6):
            for sender in ("jean@medical59.apicrypt.org", "a@x.example"):
                first.record("refusal", reason="unknown-recipient", sender=sender, number=number)
            assert first.flush()
        with_killed = process(state)
        say(with_killed, "record 5", "recorded")
        say(with_killed, "flush", "flushed True")
        killed(with_killed)
        # What a machine that lost its power leaves behind the last whole line.
        torn = max((state / "journal").glob(f"*-{with_killed.pid}-*"))
        with torn.open("ab") as file:
            file.write(b'{"n":7,"at":"2026')
        log = checkpoints.Log(state / "journal", state, 1500, told)
        log.rotate(1.0)
        first.record("choice", account="jean@medical59.apicrypt.org")
        assert first.flush()
        second = journal.open(made_journals.settings(state, file_size=1500), told)
        second.record("import", source="rass", added=5)
        second.close()
        first.close()
        assert told == []
    return Made(state)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return tmp_path_factory.mktemp("copy") / "journal"


def test_the_journal_of_these_tests_has_everything_that_can_be_touched(made):
    chains = layout.chains(made.folder)
    assert len(chains) == 3
    assert max(len(numbers) for numbers in chains.values()) >= 3
    assert len(layout.checkpoint_numbers(made.folder)) >= 2
    read = [
        entries.parse(line)
        for name in made.files
        if "check" in name
        for line in made.files[name].splitlines(True)
    ]
    assert {entry.kind for entry in read} == {entries.FILE, entries.CHECKPOINT, entries.KEY}
    assert any(ending.rest for entry in read for ending in entry.ended.values())
    assert len(all_records(made.state)) > 20
    remarks = verified(made.state).remarks
    assert [remark.code for remark in remarks] == [problems.ALTERED]


def test_a_copy_that_nobody_touched_is_well(made, copy):
    found = made.verified(made.files, copy)
    assert found.problems == []
    assert found.records == len([record for record in all_records(made.state) if record])


# ------------------------------------------------------------------ any change at all


@EXAMPLES
@given(data=st.data())
def test_any_octet_that_is_another_is_found(made, copy, data):
    name = data.draw(st.sampled_from(sorted(made.files)))
    place = data.draw(st.integers(0, len(made.files[name]) - 1))
    altered = bytearray(made.files[name])
    altered[place] ^= data.draw(st.integers(1, 255))
    found = made.verified({**made.files, name: bytes(altered)}, copy, anchored=False)
    assert [problem for problem in found.problems if problem.file == name]


@EXAMPLES
@given(data=st.data())
def test_any_octet_that_is_removed_or_inserted_is_found(made, copy, data):
    name = data.draw(st.sampled_from(sorted(made.files)))
    whole = made.files[name]
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        altered = whole[:place] + whole[place + 1 :]
        # Half of the last entry is what a process leaves that was killed in it.
        assume(name != made.last_log or place < whole[:-1].rindex(b"\n"))
    else:
        altered = whole[:place] + data.draw(st.binary(min_size=1, max_size=5)) + whole[place:]
    assume(altered != whole)
    assert made.verified({**made.files, name: altered}, copy, anchored=False).problems


@EXAMPLES
@given(data=st.data())
def test_any_line_that_is_removed_is_found(made, copy, data):
    name, index = data.draw(st.sampled_from(made.lines))
    lines = made.files[name].splitlines(keepends=True)
    del lines[index]
    found = made.verified({**made.files, name: b"".join(lines)}, copy)
    assert found.problems


@EXAMPLES
@given(data=st.data())
def test_any_line_that_is_moved_or_repeated_is_found_even_in_another_file(made, copy, data):
    changed = {name: whole.splitlines(keepends=True) for name, whole in made.files.items()}
    (name, index), (other, place) = data.draw(st.tuples(*[st.sampled_from(made.lines)] * 2))
    how = data.draw(st.sampled_from(["repeat", "move", "exchange"]))
    line = changed[name][index]
    if how == "exchange":
        changed[name][index], changed[other][place] = changed[other][place], line
    else:
        changed[other].insert(place + data.draw(st.integers(0, 1)), line)
        if how == "move":
            changed[name].remove(line)
    altered = {name: b"".join(lines) for name, lines in changed.items()}
    assume(altered != made.files)
    # Half a line at the end of the log is what a process leaves that was killed while it signed.
    assume(altered[made.last_log].endswith(b"\n"))
    assert made.verified(altered, copy).problems


@EXAMPLES
@given(data=st.data())
def test_any_file_that_is_cut_removed_or_renamed_is_found(made, copy, data):
    name = data.draw(st.sampled_from(sorted(made.files)))
    whole = made.files[name]
    how = data.draw(st.sampled_from(["cut", "remove", "exchange", "empty"]))
    changed = dict(made.files)
    if how == "cut":
        changed[name] = whole[: data.draw(st.integers(0, len(whole) - 1))]
    elif how == "remove":
        del changed[name]
    elif how == "empty":
        changed[name] = b""
    else:
        other = data.draw(st.sampled_from(sorted(made.files)).filter(lambda one: one != name))
        changed[name], changed[other] = changed[other], whole
    assert made.verified(changed, copy).problems


@EXAMPLES
@given(data=st.data())
def test_any_file_but_the_last_of_the_log_is_missed_without_an_anchor(made, copy, data):
    name = data.draw(st.sampled_from(sorted(set(made.files) - {made.last_log})))
    changed = {one: whole for one, whole in made.files.items() if one != name}
    found = made.verified(changed, copy, anchored=False)
    assert (name, problems.MISSING_FILE) in [(problem.file, problem.code) for problem in found.problems]


# ------------------------------------------------------------------ and where


def chain_file(made: Made) -> str:
    """A file in the middle of a chain of several."""
    chain = max(layout.chains(made.folder).items(), key=lambda one: len(one[1]))[0]
    return layout.chain_file(made.folder, chain, 2).name


def changed_lines(made: Made, change) -> tuple[str, dict[str, bytes]]:
    name = chain_file(made)
    lines = made.files[name].splitlines(keepends=True)
    return name, {**made.files, name: b"".join(change(lines))}


def one(found: verify.Verified) -> problems.Problem:
    assert len(found.problems) == 1, found.problems
    return found.problems[0]


def test_an_altered_record_is_named_by_its_file_and_line(made, copy):
    name, changed = changed_lines(
        made, lambda lines: [*lines[:2], lines[2].replace(b"unknown", b"another"), *lines[3:]]
    )
    problem = one(made.verified(changed, copy))
    assert problem[:3] == (name, 3, problems.ALTERED)
    assert "modifié" in str(problem)
    assert str(problem).startswith(f"{name}:3 : ")


def test_a_removed_record_is_named_by_its_number(made, copy):
    name, changed = changed_lines(made, lambda lines: [*lines[:1], *lines[2:]])
    number = records.number(made.files[name].splitlines()[1])
    problem = one(made.verified(changed, copy))
    assert problem[:3] == (name, 2, problems.REMOVED)
    assert f"l'enregistrement {number} est absent" in problem.text


def test_exchanged_records_are_both_named(made, copy):
    name, changed = changed_lines(made, lambda lines: [lines[0], lines[2], lines[1], *lines[3:]])
    found = made.verified(changed, copy)
    assert [problem[:3] for problem in found.problems] == [
        (name, 2, problems.REMOVED),
        (name, 3, problems.MOVED),
    ]


def test_a_repeated_record_is_named(made, copy):
    name, changed = changed_lines(made, lambda lines: [*lines[:2], lines[1], *lines[2:]])
    assert one(made.verified(changed, copy))[:3] == (name, 3, problems.MOVED)


def test_records_behind_the_end_of_a_chain_are_named(made, copy):
    chain, numbers = max(layout.chains(made.folder).items(), key=lambda one: len(one[1]))
    name = layout.chain_file(made.folder, chain, numbers[-1]).name
    lines = made.files[name].splitlines(keepends=True)
    head = records.claimed_head(lines[-1])
    number = records.number(lines[-1])
    assert head is not None
    assert number is not None
    line, _ = records.compose(number + 1, b'"at":"2026-11-23T10:15:00Z","kind":"choice"', head)
    problem = one(made.verified({**made.files, name: made.files[name] + line}, copy))
    assert problem[:3] == (name, len(lines) + 1, problems.INSERTED)


def test_a_chain_that_no_checkpoint_names_is_foreign(made, copy):
    chain = layout.new_chain()
    line, _ = records.compose(1, b'"at":"2026-11-23T10:15:00Z","kind":"file"', records.genesis(chain))
    name = layout.chain_file(copy, chain, 1).name
    assert one(made.verified({**made.files, name: line}, copy))[:3] == (name, 0, problems.INSERTED)
    # A process that was killed before its first record leaves this.
    assert made.verified({**made.files, name: b""}, copy).problems == []


def test_a_file_that_is_none_of_a_journals_is_named(made, copy):
    found = made.verified({**made.files, "notes.txt": b""}, copy)
    assert one(found)[:3] == ("notes.txt", 0, problems.INSERTED)


def test_a_chain_written_anew_is_told_from_its_first_other_record(made, copy):
    """All hashes agree among themselves: only the checkpoints know."""
    chain, numbers = max(layout.chains(made.folder).items(), key=lambda one: len(one[1]))
    changed, head, count, place = dict(made.files), records.genesis(chain), 0, ("", 0)
    for number in numbers:
        name = layout.chain_file(made.folder, chain, number).name
        lines = []
        for line in made.files[name].splitlines(keepends=True):
            count += 1
            text = line[line.index(b",") + 1 : line.rindex(b',"hash":"')]
            if not place[0] and b'"number":3' in text:
                text = text.replace(b"unknown-recipient", b"sender-not-allowed")
                place = (name, len(lines) + 1)
            altered, head = records.compose(count, text, head)
            lines.append(altered)
        changed[name] = b"".join(lines)
    problem = one(made.verified(changed, copy, anchored=False))
    assert problem.code == problems.REWRITTEN
    # A checkpoint was made after every second record, and in the middle some files began.
    assert problem.file == place[0]
    assert 0 <= place[1] - problem.line <= 2
    assert "point de contrôle" in problem.text


# ------------------------------------------------------------------ checkpoints


def relined(made: Made, change) -> dict[str, bytes]:
    """The files with the first of the log changed."""
    name = min(name for name in made.files if name.startswith("checkpoints"))
    return {**made.files, name: b"".join(change(made.files[name].splitlines(keepends=True)))}


def signed_anew(line: bytes, signer: keys.SigningKey, **members: object) -> bytes:
    found = json.loads(line) | members
    found.pop("signature")
    previous = found.pop("previous")
    return entries.compose(found, previous, signer)


def test_an_entry_signed_by_a_key_that_nobody_acknowledged_is_named(made, copy, tmp_path):
    foreign = keys.signing(tmp_path)
    changed = relined(made, lambda lines: [lines[0], signed_anew(lines[1], foreign), *lines[2:]])
    assert (2, problems.SIGNATURE) in [(one.line, one.code) for one in made.verified(changed, copy).problems]
    changed = relined(
        made, lambda lines: [lines[0], signed_anew(lines[1], foreign, key=foreign.name), *lines[2:]]
    )
    assert (2, problems.KEY) in [(one.line, one.code) for one in made.verified(changed, copy).problems]


def test_another_key_that_shows_itself_is_not_believed(made, copy, tmp_path):
    """An intruder who cannot sign begins a file of the log, or the whole log, with a key of his own."""
    foreign = keys.signing(tmp_path)
    shown = {"key": foreign.name, "public": foreign.public.hex()}
    changed = relined(made, lambda lines: [signed_anew(lines[0], foreign, **shown), *lines[1:]])
    found = made.verified(changed, copy, anchored=False)
    assert problems.KEY in [problem.code for problem in found.problems]


def test_a_whole_journal_by_another_key_is_not_believed(made, tmp_path):
    other, _ = opened(tmp_path)
    other.record("choice", choice="interop")
    other.close()
    assert verified(tmp_path).problems == []
    assert verify.verify(tmp_path / "journal", made.public).problems[0].code == problems.KEY
    # Without any key nothing can be said against it.
    assert verify.verify(tmp_path / "journal", None).problems == []


def test_a_removed_checkpoint_is_named_by_its_number(made, copy):
    changed = relined(made, lambda lines: [*lines[:2], *lines[3:]])
    problem = one(made.verified(changed, copy, anchored=False))
    assert problem[1:3] == (3, problems.REMOVED)
    assert "3 à 3" in problem.text


def test_the_end_cut_from_records_and_checkpoints_alike_is_found_by_an_anchor_alone(made, copy):
    """The limit that the README states."""
    changed = {name: whole for name, whole in made.files.items() if name != made.last_log}
    for name in list(changed):
        parsed = layout.parse_chain(name)
        known = [line for line in changed.values() if parsed and parsed[0].encode() in line]
        if parsed and not any(name.startswith("checkpoints") for name in changed) and not known:
            del changed[name]
    kept = {name: whole for name, whole in changed.items() if name.startswith("checkpoints")}
    last = entries.parse(kept[max(kept)].splitlines(keepends=True)[-1])
    assert last is not None
    for name in list(changed):
        parsed = layout.parse_chain(name)
        if parsed is None:
            continue
        ends = [
            entry.ended[parsed[0]].position
            for whole in kept.values()
            for entry in map(entries.parse, whole.splitlines(keepends=True))
            if entry is not None and parsed[0] in entry.ended
        ]
        position = last.chains.get(parsed[0]) or (ends[0] if ends else None)
        if position is None or parsed[1] > position.file:
            del changed[name]
        elif not ends:
            lines = changed[name].splitlines(keepends=True)
            changed[name] = b"".join(line for line in lines if (records.number(line) or 0) <= position.length)
    assert made.verified(changed, copy, anchored=False).problems == []
    assert one(made.verified(changed, copy)).code == problems.REMOVED


def test_records_long_after_the_last_checkpoint_show_that_checkpoints_are_missing(made, copy):
    changed = {name: whole for name, whole in made.files.items() if name != made.last_log}
    last = entries.parse(changed[max(name for name in changed if "check" in name)].splitlines(True)[-1])
    assert last is not None
    chain, position = next(iter(last.chains.items()))
    name = layout.chain_file(copy, chain, position.file).name
    lines = [
        line for line in made.files[name].splitlines(True) if (records.number(line) or 0) <= position.length
    ]
    head = bytes.fromhex(position.head)
    late, _ = records.compose(
        position.length + 1, b'"at":"2100-01-01T00:00:00.000000Z","kind":"choice"', head
    )
    for other in [one for one in changed if (layout.parse_chain(one) or ("", 0))[0] == chain and one > name]:
        del changed[other]
    found = made.verified({**changed, name: b"".join([*lines, late])}, copy, anchored=False)
    assert (name, problems.UNSIGNED) in [(problem.file, problem.code) for problem in found.problems]
