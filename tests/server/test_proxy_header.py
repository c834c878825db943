"""The PROXY protocol: the examples of its specification, every cut, and bytes of strangers."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.errors import Malformed
from annuaire.server.proxy_header import SIGNATURE, Client, Header

V4 = Client("192.0.2.7", 51234)
V6 = Client("2001:db8::7", 51234)
LINE4 = b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 389\r\n"
LINE6 = b"PROXY TCP6 2001:db8::7 2001:DB8::1 51234 389\r\n"


def second(source: str, port: int = 51234, command: int = 0x21, more: bytes = b"") -> bytes:
    address = ipaddress.ip_address(source)
    family = 0x11 if address.version == 4 else 0x21
    body = address.packed + address.packed + struct.pack("!HH", port, 389) + more
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


HEADERS = [
    (LINE4, V4),
    (LINE6, V6),
    (b"PROXY UNKNOWN\r\n", Client()),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", Client()),
    (second("192.0.2.7"), V4),
    (second("2001:db8::7"), V6),
    (second("192.0.2.7", more=b"\x04\x00\x03abc" + b"\x20" + b"\x00\x05" + bytes(5)), V4),  # TLVs are skipped
    (second("192.0.2.7", command=0x20), Client()),  # LOCAL: a health check
    (SIGNATURE + b"\x20\x00\x00\x00", Client()),
    (SIGNATURE + b"\x21\x00\x00\x00", Client()),
    (SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216), Client()),  # a unix socket of the proxy's machine
]


@pytest.mark.parametrize(("header", "client"), HEADERS)
def test_a_header_is_read_wherever_it_is_cut_and_nothing_behind_it_is_lost(header, client):
    for cut in range(len(header) + 1):
        reading = Header()
        found = reading.feed(header[:cut]) if cut else None
        if cut < len(header):
            assert found is None
            found = reading.feed(header[cut:] + b"data")
            assert reading.rest == b"data"
        assert found == client
    reading = Header()
    told = [reading.feed(bytes([octet])) for octet in header]
    assert told[-1] == client
    assert told[:-1] == [None] * (len(header) - 1)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x30",  # LDAP
        b"\x16\x03\x01",  # TLS
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 389\n\n" + b"x" * 100,
        b"PROXY TCP4 192.0.2.256 198.51.100.1 51234 389\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 51234 389\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 51234 389\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 389\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 51234\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 51234 389\r\n",
        b"PROXY TCP5 192.0.2.7 198.51.100.1 51234 389\r\n",
        b"PROXY \r\n",
        b"PROXY TCP4 " + b"1" * 107,
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),  # version 1 in the form of version 2
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\xff\xff",
        SIGNATURE[:5] + b"x",
    ],
)
def test_what_cannot_become_a_header_is_refused(sent):
    with pytest.raises(Malformed):
        Header().feed(sent)


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=20), st.sampled_from([b"", b"PROXY ", SIGNATURE])
)
def test_any_bytes_are_a_header_or_refused_and_little_is_kept(pieces, first):
    reading = Header()
    kept = 0
    try:
        for piece in [first, *pieces] if first else pieces:
            if reading.feed(piece) is not None:
                break
            kept += len(piece)
            assert kept < 4096 + 16
    except Malformed:
        pass
