"""Records of all chains in the order of time, and only those asked for."""

import json

import pytest
from made_journals import opened

from annuaire.journal import layout, reading, records
from annuaire.journal.reading import Wanted

SECOND = 10**9
START = 1_790_000_000 * SECOND


def chain_of(folder, pid: int, moments: list[list[int]], **fields: object) -> None:
    """A chain with files of records made at these seconds after START."""
    folder.mkdir(exist_ok=True)
    chain = f"20260921T141320Z-{pid}-{pid:08x}"
    head, count = records.genesis(chain), 0
    for number, seconds in enumerate(moments, 1):
        lines = b""
        for second in seconds:
            count += 1
            members = {
                "at": records.stamp(START + second * SECOND),
                "kind": "choice",
                "pid": pid,
                "s": second,
                **fields,
            }
            line, head = records.compose(count, json.dumps(members)[1:-1].encode(), head)
            lines += line
        layout.chain_file(folder, chain, number).write_bytes(lines)


def seconds(folder, **wanted) -> list[int]:
    return [record["s"] for record in reading.read(folder, Wanted(**wanted))]


def at(second: int) -> str:
    return records.stamp(START + second * SECOND)


def test_chains_are_merged_in_the_order_of_time(tmp_path):
    chain_of(tmp_path, 1, [[0, 3], [6, 9]])
    chain_of(tmp_path, 2, [[1, 4, 7]])
    chain_of(tmp_path, 3, [[], [2], [5, 8]])
    assert seconds(tmp_path) == list(range(10))


def test_a_span_of_time_is_cut_exactly_and_files_before_and_after_are_not_read(tmp_path, monkeypatch):
    chain_of(tmp_path, 1, [[0, 10], [1000, 1010], [2000, 2010, 2020, 3000], [4000]])
    opened_files = []
    lines = reading.recovering.lines
    monkeypatch.setattr(
        reading.recovering, "lines", lambda path: opened_files.append(path.name[-11:-6]) or lines(path)
    )
    assert seconds(tmp_path, since=at(1010), until=at(2010)) == [1010, 2000]
    assert opened_files == ["00002", "00003"]


def test_a_torn_or_altered_line_is_passed_over(tmp_path):
    chain_of(tmp_path, 1, [[0, 1, 2]])
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes().replace(b'"s": 1', b'"s": "', 1)
    path.write_bytes(whole[:-20])
    assert seconds(tmp_path) == [0]


def test_what_chains_say_of_themselves_is_shown_when_it_is_asked_for(tmp_path):
    kept, _ = opened(tmp_path)
    kept.record("refusal", reason="destinataire_inconnu")
    kept.record("choice", choice="interop")
    kept.close()

    def kinds(**wanted) -> list[str]:
        return [record["kind"] for record in reading.read(tmp_path / "journal", Wanted(**wanted))]

    assert kinds() == ["refusal", "choice"]
    assert kinds(kinds=("file", "end")) == ["file", "end"]
    assert kinds(kinds=("choice",)) == ["choice"]
    assert kinds(reasons=("destinataire_inconnu",)) == ["refusal"]
    assert kinds(reasons=("other",)) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("~abc@x.example", True),
        ("~abc", True),
        (["nothing", {"deep": "~abc@~def"}], True),
        ("a@x.example", True),
        ("A@X.example", True),
        ("to a@x.example", True),
        ("~abd", False),
        ("b@x.example", False),
        (7, False),
    ],
)
def test_an_address_is_found_wherever_it_stands(tmp_path, value, found):
    chain_of(tmp_path, 1, [[0]], value=value)
    assert bool(seconds(tmp_path, names=frozenset({"a@x.example", "~abc"}))) is found
