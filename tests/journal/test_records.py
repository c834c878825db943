"""Lines of a chain: what follows what, and that no octet of one can be another."""

import json

import pytest

from annuaire.journal import layout, records

CHAIN = "20261123T101500Z-4711-9f3ab2c1"
TEXT = b'"at":"2026-11-23T10:15:00.000001Z","kind":"refusal","reason":"unknown-recipient"'


def test_a_line_is_json_and_follows_the_one_before():
    first, head = records.compose(1, TEXT, records.genesis(CHAIN))
    second, _ = records.compose(2, TEXT, head)
    assert json.loads(first)["n"] == 1
    assert json.loads(first)["hash"] == head.hex()
    assert records.follow(first, records.genesis(CHAIN)) == head
    assert records.follow(second, head) is not None
    assert records.follow(second, records.genesis(CHAIN)) is None
    assert records.follow(first, records.genesis("20261123T101500Z-4711-9f3ab2c2")) is None


def test_no_octet_of_a_line_can_be_another():
    head = records.genesis(CHAIN)
    line, _ = records.compose(12, TEXT, head)
    for place in range(len(line)):
        for mask in (0x01, 0x20, 0x80, 0xFF):
            altered = bytearray(line)
            altered[place] ^= mask
            assert records.follow(bytes(altered), head) is None, (place, mask)


@pytest.mark.parametrize(
    "altered",
    [
        lambda line: line[:-1],
        lambda line: line + b"\n",
        lambda line: b" " + line,
        lambda line: b"",
        lambda line: line * 2,
    ],
)
def test_a_line_that_is_longer_or_shorter_does_not_follow(altered):
    head = records.genesis(CHAIN)
    line, _ = records.compose(12, TEXT, head)
    assert records.follow(altered(line), head) is None


def test_one_can_go_on_behind_a_line_that_still_says_its_hash():
    line, head = records.compose(12, TEXT, records.genesis(CHAIN))
    assert records.claimed_head(line.replace(b"unknown", b"another")) == head
    assert records.claimed_head(line[:-1]) is None
    assert records.claimed_head(line.upper()) is None
    assert records.number(line) == 12
    assert records.number(b'{"kind":') is None


def test_moments_are_in_utc_to_the_microsecond_and_in_order_as_texts():
    moments = [0, 999, 1000, 1_790_000_000_123_456_789, 1_790_000_001_000_000_000]
    texts = [records.stamp(at) for at in moments]
    assert texts[3] == "2026-09-21T14:13:20.123456Z"
    assert texts == sorted(texts)
    assert records.stamp(moments[3]) == texts[3]


def test_names_of_files_are_read_as_they_are_made(tmp_path):
    chain = layout.new_chain()
    assert layout.parse_chain(layout.chain_file(tmp_path, chain, 7).name) == (chain, 7)
    assert layout.parse_chain(layout.chain_file(tmp_path, chain, 123_456).name) == (chain, 123_456)
    assert layout.parse_checkpoints(layout.checkpoint_file(tmp_path, 3).name) == 3
    for name in ("lock", "checkpoints.jsonl", f"{chain}.00001.jsonl.part", f"{chain}.jsonl", "x.00001.jsonl"):
        assert layout.parse_chain(name) is None
        assert layout.parse_checkpoints(name) is None
    assert layout.begun(CHAIN) == "2026-11-23T10:15:00"
