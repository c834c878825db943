"""The socketmap codec: netstrings from any bytes, and the words that mail servers know."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuaire.errors import Malformed
from annuaire.postfix import socketmap
from annuaire.postfix.socketmap import Decoder, Query


def netstring(payload: bytes) -> bytes:
    return b"%d:%s," % (len(payload), payload)


def fed_octet_by_octet(data: bytes) -> list[Query]:
    decoder = Decoder()
    return [query for octet in data for query in decoder.feed(bytes((octet,)))]


ASKED = b"30:virtual john.smith@example.org,"  # as Postfix sends it
READ = Query("virtual", "john.smith@example.org")


def test_what_postfix_sends_is_read() -> None:
    assert Decoder().feed(ASKED) == [READ]


def test_every_two_way_split_and_octet_by_octet_give_the_same_queries() -> None:
    stream = ASKED + netstring("sender hélène@x".encode()) + netstring(b"transport *")
    queries = [READ, Query("sender", "hélène@x"), Query("transport", "*")]
    for place in range(len(stream) + 1):
        decoder = Decoder()
        assert decoder.feed(stream[:place]) + decoder.feed(stream[place:]) == queries
    assert fed_octet_by_octet(stream) == queries


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 300), max_size=8))
@settings(max_examples=150)
def test_any_payloads_cut_anywhere_come_in_order(payloads: list[bytes], places: list[int]) -> None:
    stream = b"".join(map(netstring, payloads))
    cuts = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    decoder = Decoder()
    found = [query for a, b in itertools.pairwise(cuts) for query in decoder.feed(stream[a:b])]
    meant = [payload.decode("utf-8", "replace").partition(" ") for payload in payloads]
    assert found == [Query(table, key) for table, _, key in meant]


@pytest.mark.parametrize(
    ("payload", "table", "key"),
    [
        (b"", "", ""),
        (b"recipient", "recipient", ""),
        (b"recipient ", "recipient", ""),
        (b"recipient a b@x", "recipient", "a b@x"),
        (b'recipient "a, b"@x', "recipient", '"a, b"@x'),
        (b"recipient \xff@x", "recipient", "\ufffd@x"),
        (b"recipient 3:a,b@x", "recipient", "3:a,b@x"),
    ],
)
def test_the_first_space_ends_the_name_of_the_table(payload: bytes, table: str, key: str) -> None:
    assert Decoder().feed(netstring(payload)) == [Query(table, key)]


@pytest.mark.parametrize(
    "data",
    [
        b"a",
        b":",
        b":,",
        b"-1:a,",
        b"+1:a,",
        b" 1:a,",
        b"01:a,",
        b"1;a,",
        b"1:ab",
        b"2:ab;",
        b"123456",
        b"10001:",
        b"99999:" + b"a" * 100,
        b"get jean@x\n",
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/1.0\r\n\r\n",
        ASKED + b"x",
    ],
)
def test_what_is_no_netstring_is_malformed_whole_or_in_pieces(data: bytes) -> None:
    with pytest.raises(Malformed):
        Decoder().feed(data)
    with pytest.raises(Malformed):
        fed_octet_by_octet(data)


def test_the_longest_query_that_postfix_sends_is_read_and_no_longer_one() -> None:
    key = "a" * (socketmap.QUERY_MAX - 10)
    assert Decoder().feed(netstring(b"recipient " + key.encode())) == [Query("recipient", key)]
    with pytest.raises(Malformed):
        Decoder().feed(netstring(b"recipient a" + key.encode()))


def test_noise_gives_queries_or_malformed_and_nothing_else() -> None:
    chance = random.Random(4)
    for _ in range(3000):
        data = bytearray(ASKED * 3)
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.choice(b"019:,\x00\xff a")
        decoder = Decoder()
        try:
            decoder.feed(bytes(data))
        except Malformed:
            continue


def test_answers_are_what_postfix_reads() -> None:
    assert socketmap.ok("john.smith@example.org") == b"25:OK john.smith@example.org,"
    assert socketmap.NOT_FOUND == b"9:NOTFOUND ,"
    assert socketmap.temporary("database unavailable") == b"25:TEMP database unavailable,"
    assert socketmap.misconfigured("no such map") == b"16:PERM no such map,"


@given(st.text())
def test_an_answer_is_one_netstring_whatever_it_says(value: str) -> None:
    encoded = socketmap.ok(value)
    length, _, rest = encoded.partition(b":")
    assert len(rest) == int(length) + 1
    assert rest.endswith(b",")
