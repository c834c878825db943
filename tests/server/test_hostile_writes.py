"""Writes, controls and extended operations that are too large, too many, half sent or broken: refused in one answer.

Everything is tried as administrator, who gets furthest: no traceback, no code 80, no growth, and the others are served.
"""

import contextlib
import random
import socket
import struct
from collections.abc import Iterator

import asking
import costs
import pytest
import serving
from costs import MEBIBYTE

from annuaire.ldap import ber, capabilities, controls, sync
from annuaire.ldap.framing import Framer
from annuaire.ldap.messages import Control
from annuaire.ldap.responses import Response, Result, decode_response

BASE = f"ou=hostile,ou=apicrypt,{serving.SUFFIX}"
PERSON = f"cn=Personne,{BASE}"
FREE = f"cn=Libre,{BASE}"
WHO_AM_I = asking.extended(77_777, capabilities.WHO_AM_I)
LARGE = {"objectClass": [b"inetOrgPerson"], "sn": [b"x"]}


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    with serving.serving(
        tmp_path_factory.mktemp("hostile") / "var", ANNUAIRE_LOG_OPERATIONS="none"
    ) as running:
        with administrator(running) as connection:
            for request in (
                asking.add(1, BASE, {"objectClass": [b"organizationalUnit"]}),
                asking.add(1, PERSON, {**LARGE, "description": [b"x"]}),
            ):
                assert codes(connection, request) == [0]
        yield running
        assert running.annuaire("check", "--deep").returncode == 0
        assert "Traceback" not in running.log.read_text()


@contextlib.contextmanager
def administrator(server: serving.Server) -> Iterator[socket.socket]:
    with server.connect() as connection:
        connection.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD))
        assert asking.codes(serving.receive(connection)) == [(1, 0)]
        yield connection


def codes(connection: socket.socket, *requests: bytes) -> list[int]:
    connection.sendall(b"".join(requests))
    return [code for _, code in asking.codes(serving.receive(connection, len(requests)))]


def several(count: int, name: str = "description") -> dict[str, list[bytes]]:
    return {**LARGE, name: [b"%d" % number for number in range(count)]}


def control(oid: str, value: bytes | None = b"\x30\x84\xff\xff\xff\xff") -> Control:
    return Control(oid, True, value)


def assertion(depth: int) -> Control:
    asserted = b"\xa3\x07\x04\x02sn\x04\x01x"
    for _ in range(depth):
        asserted = ber.tlv(0xA2, asserted)
    return control(controls.ASSERTION, asserted)


def sort_keys(count: int) -> Control:
    return control(controls.SORT_REQUEST, ber.sequence([ber.sequence([ber.octets(b"cn")])] * count))


ONE = ber.sequence([ber.octets(b"sn")])
# What is sent, and with which of these codes it is answered.
REFUSED = [
    ("ten thousand values", lambda: asking.add(2, FREE, several(10_000)), {0}),
    (
        "ten thousand equal values",
        lambda: asking.add(2, f"cn=Libre 2,{BASE}", {**LARGE, "title": [b"x"] * 10_000}),
        {20},
    ),
    (
        "ten thousand attributes",
        lambda: asking.add(2, f"cn=Libre 3,{BASE}", LARGE | {f"a{n}": [b"x"] for n in range(10_000)}),
        {2, 17},
    ),
    (
        "ten thousand classes",
        lambda: asking.add(
            2, f"cn=Libre 4,{BASE}", {**LARGE, "objectClass": [b"c%d" % n for n in range(10_000)]}
        ),
        {65},
    ),
    (
        "ten thousand changes",
        lambda: asking.changes(2, PERSON, [(2, "title", [b"%d" % n]) for n in range(10_000)]),
        {0, 2},
    ),
    (
        "changes that double",
        lambda: asking.changes(2, PERSON, [(0, "title", [b"%d" % (n % 50)]) for n in range(5_000)]),
        {2, 20},
    ),
    (
        "a value of three megabytes",
        lambda: asking.modify(2, PERSON, "description", [b"x" * 3 * MEBIBYTE]),
        {0, 11, 19},
    ),
    ("a name of a hundred kilobytes", lambda: asking.delete(2, f"cn={'x' * 100_000},{BASE}"), {11, 34}),
    ("a name of ten thousand parts", lambda: asking.delete(2, "cn=a," * 10_000 + BASE), {11, 34}),
    (
        "a name of five thousand pairs",
        lambda: asking.delete(2, "+".join(f"cn=a{n}" for n in range(5_000)) + f",{BASE}"),
        {11, 34},
    ),
    (
        "a new name of five thousand pairs",
        lambda: asking.modify_dn(2, PERSON, "+".join(f"cn=a{n}" for n in range(5_000))),
        {11, 34, 64},
    ),
    (
        "a new superior of a megabyte",
        lambda: asking.modify_dn(2, PERSON, "cn=x", "ou=x," * (MEBIBYTE // 5) + BASE),
        {11, 34},
    ),
    (
        "a description of half a megabyte",
        lambda: asking.modify(2, PERSON, "x" * (MEBIBYTE // 2), [b"x"]),
        {2, 17},
    ),
    (
        "a description with ten thousand options",
        lambda: asking.modify(2, PERSON, "cn" + "".join(f";x-{n}" for n in range(10_000)), [b"x"]),
        {17},
    ),
    (
        "an increment beyond all numbers",
        lambda: asking.modify(2, PERSON, "mailPreferenceOption", [b"9" * 5_000], operation=3),
        {16, 19, 21},
    ),
    ("a deep assertion", lambda: asking.modify(2, PERSON, "sn", [b"x"], sent=[assertion(5_000)]), {2}),
    (
        "a broken assertion",
        lambda: asking.modify(2, PERSON, "sn", [b"x"], sent=[control(controls.ASSERTION)]),
        {2},
    ),
    (
        "ten thousand attributes to read",
        lambda: asking.modify(
            2,
            PERSON,
            "sn",
            [b"x"],
            sent=[control(controls.PRE_READ, ber.sequence([ber.octets(b"sn")] * 10_000))],
        ),
        {2},
    ),
    (
        "a control twice",
        lambda: asking.modify(2, PERSON, "sn", [b"x"], sent=[control(controls.PRE_READ, ONE)] * 2),
        {2},
    ),
    ("a broken pre-read", lambda: asking.delete(2, PERSON, sent=[control(controls.PRE_READ)]), {2}),
    (
        "ten thousand controls",
        lambda: asking.delete(2, PERSON, sent=[Control(f"1.2.{n}", False) for n in range(10_000)]),
        {2},
    ),
    (
        "an OID of a megabyte",
        lambda: asking.delete(2, PERSON, sent=[Control("1." * (MEBIBYTE // 2) + "1", True)]),
        {2, 12},
    ),
    ("a thousand sort keys", lambda: asking.search(2, base=BASE, sent=[sort_keys(1_000)]), {2, 53, 18}),
    (
        "a broken virtual list",
        lambda: asking.search(2, base=BASE, sent=[control(controls.VLV_REQUEST), sort_keys(1)]),
        {2},
    ),
    ("broken pages", lambda: asking.search(2, base=BASE, sent=[control(controls.PAGED_RESULTS)]), {2}),
    (
        "a foreign cookie of pages",
        lambda: asking.search(
            2,
            base=BASE,
            sent=[control(controls.PAGED_RESULTS, ber.sequence([ber.integer(5), ber.octets(b"x" * 10_000)]))],
        ),
        {2, 53},
    ),
    (
        "broken matched values",
        lambda: asking.search(2, base=BASE, sent=[control(controls.MATCHED_VALUES)]),
        {2},
    ),
    (
        "a broken synchronization",
        lambda: asking.search(2, base=BASE, sent=[control(controls.SYNC_REQUEST)]),
        {2},
    ),
    (
        "a foreign cookie of synchronization",
        lambda: asking.search(2, base=BASE, sent=[sync.request(False, b"\xff" * 100_000)]),
        {2},
    ),
    ("broken subentries", lambda: asking.search(2, base=BASE, sent=[control(controls.SUBENTRIES)]), {2}),
    (
        "nobody's proxy",
        lambda: asking.search(2, base=BASE, sent=[control(controls.PROXIED_AUTHORIZATION)]),
        {2, 123},
    ),
    (
        "a proxy of a megabyte",
        lambda: asking.search(
            2, base=BASE, sent=[control(controls.PROXIED_AUTHORIZATION, b"dn:" + b"cn=x," * (MEBIBYTE // 5))]
        ),
        {2, 123},
    ),
    ("a broken cancel", lambda: asking.extended(2, capabilities.CANCEL, b"\x30\x84\xff"), {2}),
    ("a cancel of nothing", lambda: asking.extended(2, capabilities.CANCEL), {2}),
    (
        "a broken password modify",
        lambda: asking.extended(2, capabilities.PASSWORD_MODIFY, b"\x30\x84\xff\xff"),
        {2},
    ),
    (
        "nobody's password",
        lambda: asking.extended(
            2, capabilities.PASSWORD_MODIFY, ber.sequence([ber.octets(b"cn=x," * 100_000, 0x80)])
        ),
        {2, 11, 32, 34, 53},
    ),
    ("who am I with a value", lambda: asking.extended(2, capabilities.WHO_AM_I, b"x" * MEBIBYTE), {2}),
    ("StartTLS with a value", lambda: asking.extended(2, capabilities.START_TLS, b"x"), {1, 2, 52}),
    ("an operation of a megabyte", lambda: asking.extended(2, "1." * (MEBIBYTE // 2) + "1", b"x"), {2}),
    ("SCRAM that is none", lambda: asking.sasl(2, "SCRAM-SHA-256", b"\xff" * 100_000), {2, 49}),
    ("PLAIN in clear that is none", lambda: asking.sasl(2, "PLAIN", b"\0" * 100_000), {2, 7, 13, 49}),
    ("a mechanism of a megabyte", lambda: asking.sasl(2, "X" * MEBIBYTE), {2, 7}),
    ("a password of a megabyte", lambda: asking.bind(2, PERSON, b"x" * MEBIBYTE), {49}),
    ("a bind name of a megabyte", lambda: asking.bind(2, "cn=x," * (MEBIBYTE // 5), b"x"), {49}),
    ("an assertion of a megabyte", lambda: asking.compare(2, PERSON, "sn", b"x" * MEBIBYTE), {5}),
]


@pytest.mark.parametrize(("made", "allowed"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_too_much_or_broken_is_answered_at_once_and_the_connection_lives(lone, made, allowed):
    request = made()
    with administrator(lone) as connection:
        # In time: a client's patience is a minute, and what is quadratic in these takes several.
        [code] = codes(connection, request)
        assert code in allowed
        assert codes(connection, WHO_AM_I) == [0]


@pytest.mark.parametrize("number", [2**31, 2**63, 2**4000, -1, 0])
def test_a_message_id_that_cannot_be_ends_the_connection(lone, number):
    with administrator(lone) as connection:
        octets = number.to_bytes(max(1, number.bit_length() // 8 + 1), "big", signed=True)
        connection.sendall(ber.tlv(0x30, ber.tlv(0x02, octets) + ber.octets(PERSON.encode(), 0x4A)))
        [answer] = asking.read(serving.receive(connection, 2))
    assert (answer.message_id, answer.operation.code) == (0, 2)


def test_the_largest_id_is_answered(lone):
    with administrator(lone) as connection:
        connection.sendall(asking.delete(2**31 - 1, FREE + "absent"))
        assert asking.codes(serving.receive(connection)) == [(2**31 - 1, 32)]


def test_large_writes_leave_nothing_behind(lone):
    photo = asking.modify(2, PERSON, "jpegPhoto", [b"\xff\xd8" + bytes(4 * MEBIBYTE - 1000)])
    empty = asking.modify(3, PERSON, "jpegPhoto", [])
    with administrator(lone) as connection:

        def written(times: int) -> None:
            for _ in range(times):
                assert codes(connection, photo, empty) == [0, 0]

        written(3)
        # A photo of each pair that stayed would be 64 MiB; the allocator keeps some for the next one.
        costs.leaves(lambda: written(16), lone.worker_pids(), 32 * MEBIBYTE)
    with administrator(lone) as connection:
        connection.sendall(ber.tlv(0x30, bytes(5 * MEBIBYTE))[:100])
        [answer] = asking.read(serving.receive(connection, 2))
        assert (answer.message_id, answer.operation.code) == (0, 2)


def test_strangers_send_no_large_writes(lone):
    with lone.connect() as connection:
        connection.sendall(asking.modify(2, PERSON, "jpegPhoto", [bytes(MEBIBYTE)])[:1000])
        [answer] = asking.read(serving.receive(connection, 2))
        assert (answer.message_id, answer.operation.code) == (0, 2)


def test_writes_of_who_leaves_before_the_answer_leave_nothing_behind(lone):
    def volley(times: int) -> None:
        for number in range(times):
            with administrator(lone) as connection:
                value = b"%d" % number
                whole = b"".join(asking.modify(i, PERSON, "title", [value]) for i in range(2, 32))
                connection.sendall(whole if number % 2 else whole[: len(whole) // 2])
                # Reset, not closed: what the server still has to say has nowhere to go.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with administrator(lone) as connection:
        assert codes(connection, asking.modify(2, PERSON, "description", [])) == [0]

    def come_and_gone(times: int) -> None:
        volley(times)
        with administrator(lone) as connection:
            # Done behind all of theirs.
            assert codes(connection, asking.modify(2, PERSON, "title", [b"fin"])) == [0]

    come_and_gone(10)
    costs.leaves(lambda: come_and_gone(40), lone.worker_pids(), 4 * MEBIBYTE)


def test_half_binds_leave_nothing_behind(lone):
    """SCRAM has steps: somebody begins many and ends none."""
    begun = asking.sasl(2, "SCRAM-SHA-256", b"n,,n=admin,r=abcdefghijkl")

    def volley(times: int) -> None:
        with lone.connect() as connection:
            for _ in range(times):
                # Who begins too often waits, like who guesses: it is then refused at once.
                assert codes(connection, begun) in ([14], [49])
                assert codes(connection, asking.search(3, base="", scope=0)) == [0]

    volley(20)
    costs.leaves(lambda: volley(100), lone.worker_pids(), 2 * MEBIBYTE)


def test_a_write_dribbled_octet_by_octet_disturbs_nobody(lone):
    with administrator(lone) as slow:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = asking.modify(2, PERSON, "title", [b"lent"])
        for octet in request[:-1]:
            slow.sendall(bytes((octet,)))
        with administrator(lone) as other:
            assert codes(other, asking.modify(2, PERSON, "title", [b"vite"])) == [0]
        assert codes(slow, request[-1:]) == [0]


SEEDS = [
    asking.add(5, f"cn=Graine,{BASE}", {**LARGE, "mail": [b"a@exemple.fr", b"b@exemple.fr"]}),
    asking.changes(5, PERSON, [(0, "title", [b"a"]), (1, "title", []), (2, "sn", [b"x"])]),
    asking.modify(
        5, PERSON, "sn", [b"x"], sent=[control(controls.PRE_READ, ONE), control(controls.POST_READ, ONE)]
    ),
    asking.modify(
        5, PERSON, "sn", [b"x"], sent=[control(controls.ASSERTION, b"\xa3\x07\x04\x02sn\x04\x01x")]
    ),
    asking.modify_dn(5, PERSON, "cn=Personne", BASE),
    asking.delete(5, f"cn=Graine,{BASE}", sent=[Control(controls.TREE_DELETE, True)]),
    asking.compare(5, PERSON, "sn", b"x"),
    asking.search(5, "(&(|(sn=x)(cn=P*e))(!(mail>=a))(cn:dn:caseIgnoreMatch:=x))", BASE, sent=[sort_keys(2)]),
    asking.search(
        5, base=BASE, sent=[control(controls.PAGED_RESULTS, ber.sequence([ber.integer(2), ber.octets(b"")]))]
    ),
    asking.search(5, base=BASE, sent=[sync.request(False, b"rid=001")]),
    asking.extended(5, capabilities.CANCEL, ber.sequence([ber.integer(4)])),
    asking.extended(
        5,
        capabilities.PASSWORD_MODIFY,
        ber.sequence([ber.octets(FREE.encode(), 0x80), ber.octets(b"x", 0x82)]),
    ),
    asking.abandon(5, 4),
]


def test_requests_with_octets_altered_are_answered_or_end_the_connection(lone):
    """What is neither too large nor cut, but wrong somewhere: never a fault of ours, and never silence."""
    chance = random.Random(4511)
    seen: set[int] = set()
    costs.leaves(lambda: altered_volley(lone, chance, seen), lone.worker_pids(), 16 * MEBIBYTE)
    assert 80 not in seen
    assert {0, 2} < seen


def altered_volley(server: serving.Server, chance: random.Random, seen: set[int]) -> None:
    rounds = 600
    while rounds:
        with administrator(server) as connection:
            while rounds:
                rounds -= 1
                altered = bytearray(chance.choice(SEEDS))
                for _ in range(chance.choice((1, 1, 2, 5))):
                    # The length of the whole stays, so that what follows is understood.
                    place = chance.randrange(4, len(altered))
                    altered[place] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
                connection.sendall(bytes(altered) + WHO_AM_I)
                answers = until_who_am_i(connection)
                seen |= {one.operation.code for one in answers if isinstance(one.operation, Result)}
                if answers[-1].message_id == 0:
                    break


def until_who_am_i(connection: socket.socket) -> list[Response]:
    """The answers up to that of our last request, or to the notice that ends the connection."""
    framer = Framer(1 << 30)
    answers: list[Response] = []
    while not any(one.message_id in (0, 77_777) for one in answers):
        piece = connection.recv(65536)
        assert piece, "closed without a word"
        answers += map(decode_response, framer.feed(piece))
    return answers
