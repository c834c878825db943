"""Messages cut out of a byte stream: any split, any lie about a length, bounded memory, linear time."""

import time
import tracemalloc

import pytest

from annuaire.errors import Malformed
from annuaire.ldap.framing import MESSAGE_MAX, Framer, FramingError

UNBIND = bytes.fromhex("30050201034200")
BIND = bytes.fromhex("300c020101600702010304008000")
LONG_FORM = bytes.fromhex("308400000005" + "0201034200")
MIDDLE = b"\x30\x81\x80" + bytes(128)
LARGE = b"\x30\x82\x01\x00" + bytes(256)
EMPTY = b"\x30\x00"
ALL = [BIND, UNBIND, LONG_FORM, EMPTY, MIDDLE, LARGE, UNBIND]

REFUSED = [
    ("http", b"GET / HTTP/1.0\r\n\r\n", "not an LDAP message"),
    ("tls hello", bytes.fromhex("16030100c8010000c40303"), "not an LDAP message"),
    ("ff", b"\xff" * 100, "not an LDAP message"),
    ("zero", bytes(100), "not an LDAP message"),
    ("a lone wrong octet", b"\x31", "not an LDAP message"),
    ("indefinite", bytes.fromhex("3080020101420000 00"), "indefinite length"),
    ("two gigabytes", bytes.fromhex("30847fffffff"), "too large"),
    ("four gigabytes", bytes.fromhex("3084ffffffff"), "too large"),
    ("five length octets", bytes.fromhex("30850000000005"), "too many octets"),
    ("reserved length", b"\x30\xff", "too many octets"),
]


def collect(framer, pieces):
    return [frame for piece in pieces for frame in framer.feed(piece)]


def test_one_whole_message_is_handed_on_without_a_copy():
    for message in (BIND, LARGE, LONG_FORM):
        (frame,) = Framer().feed(message)
        assert frame is message


def test_many_messages_in_one_piece_come_out_in_order():
    assert Framer().feed(b"".join(ALL)) == ALL


def test_every_split_in_two_gives_the_same_messages():
    data = b"".join(ALL)
    for cut in range(len(data) + 1):
        framer = Framer()
        assert collect(framer, (data[:cut], data[cut:])) == ALL
        assert framer.pending == 0


def test_every_split_in_three_gives_the_same_messages():
    data = BIND + LONG_FORM + UNBIND
    for first in range(len(data) + 1):
        for second in range(first, len(data) + 1):
            pieces = (data[:first], data[first:second], data[second:])
            assert collect(Framer(), pieces) == [BIND, LONG_FORM, UNBIND]


def test_byte_by_byte_gives_the_same_messages():
    data = b"".join(ALL)
    assert collect(Framer(), (data[i : i + 1] for i in range(len(data)))) == ALL


def test_what_is_pending_can_be_asked():
    framer = Framer()
    assert framer.feed(BIND + UNBIND[:3]) == [BIND]
    assert framer.pending == 3
    assert framer.feed(UNBIND[3:]) == [UNBIND]
    assert framer.pending == 0


@pytest.mark.parametrize(("data", "why"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_a_message_is_refused_whole_and_byte_by_byte(data, why):
    with pytest.raises(Malformed, match=why):
        Framer().feed(data)
    with pytest.raises(Malformed, match=why):
        collect(Framer(), (data[i : i + 1] for i in range(len(data))))


@pytest.mark.parametrize("data", [case[1] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_the_messages_before_a_refusal_are_not_lost(data):
    with pytest.raises(FramingError) as refused:
        Framer().feed(BIND + UNBIND + data)
    assert refused.value.frames == [BIND, UNBIND]


def test_after_a_refusal_nothing_is_taken_any_more():
    framer = Framer()
    with pytest.raises(FramingError):
        framer.feed(b"\xff")
    for more in (BIND, b"\x30", BIND + UNBIND):
        with pytest.raises(FramingError):
            framer.feed(more)
    assert framer.pending == 0


def test_a_message_at_the_limit_is_taken_and_one_octet_more_is_refused():
    message = b"\x30\x82\x01\x00" + bytes(256)
    assert Framer(limit=len(message)).feed(message) == [message]
    with pytest.raises(FramingError, match="too large"):
        Framer(limit=len(message) - 1).feed(message[:4])
    with pytest.raises(FramingError, match="too large"):
        Framer(limit=len(UNBIND) - 1).feed(UNBIND)


def test_the_limit_may_be_raised_when_the_client_is_known():
    framer = Framer(limit=100)
    assert framer.feed(BIND) == [BIND]
    framer.limit = 1000
    assert framer.feed(LARGE) == [LARGE]


def test_an_announced_length_takes_no_memory_before_its_octets_come():
    tracemalloc.start()
    try:
        framers = [Framer() for _ in range(100)]
        for framer in framers:
            framer.feed(b"\x30\x83" + (MESSAGE_MAX - 5).to_bytes(3, "big") + bytes(100))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000


def test_a_stream_never_keeps_more_than_one_message():
    message = b"\x30\x82\xff\xff" + bytes(0xFFFF)
    stream = message * 40
    tracemalloc.start()
    try:
        framer = Framer()
        seen = 0
        for start in range(0, len(stream), 5000):
            seen += len(framer.feed(stream[start : start + 5000]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == 40
    assert peak < 5 * len(message)


def test_the_time_for_a_dribbled_message_is_linear():
    def seconds(size):
        message = b"\x30\x83" + size.to_bytes(3, "big") + bytes(size)
        framer = Framer()
        pieces = [message[i : i + 16] for i in range(0, len(message), 16)]
        started = time.process_time()
        assert collect(framer, pieces) == [message]
        return time.process_time() - started

    small = min(seconds(100_000) for _ in range(3))
    assert min(seconds(1_600_000) for _ in range(2)) < 16 * small * 4 + 0.05
