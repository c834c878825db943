"""Bytes of strangers: each ends in a refusal of the right kind, soon, without recursion and in bounded memory."""

import time
import tracemalloc

import costs
import pytest

from annuaire.errors import Malformed
from annuaire.ldap import ber, controls, filters, messages, requests, search_requests
from annuaire.ldap.search_requests import Bounds

PRESENT = b"\x87\x02cn"
PARAMETERS = bytes.fromhex("0a0102 0a0100 020100 020100 010100")


def envelope(operation, message_id=b"\x02\x01\x05", rest=b""):
    return ber.tlv(0x30, message_id + operation + rest)


def search(condition=PRESENT, base=b"\x04\x00", parameters=PARAMETERS, selection=b"\x30\x00", rest=b""):
    return envelope(ber.tlv(0x63, base + parameters + condition + selection), rest=rest)


def nested(depth, tag=0xA2, core=PRESENT):
    """Negations (or sets) around a core, built in time linear in the depth."""
    headers = []
    size = len(core)
    for _ in range(depth):
        header = bytes((tag,)) + ber.length(size)
        headers.append(header)
        size += len(header)
    return b"".join(reversed(headers)) + core


def substrings(*pieces, name=b"cn"):
    return ber.tlv(0xA4, ber.octets(name) + ber.sequence(pieces))


# ---------------------------------------------------------------- the session ends

DISCONNECTED = {
    "nothing": b"",
    "one octet": b"\x30",
    "empty envelope": b"\x30\x00",
    "http": b"GET / HTTP/1.0\r\n\r\n",
    "tls hello": bytes.fromhex("16030100c8010000c40303"),
    "ff": b"\xff" * 100,
    "envelope shorter than its frame": bytes.fromhex("30050201034200ff"),
    "envelope longer than its frame": bytes.fromhex("30060201034200"),
    "indefinite envelope": bytes.fromhex("3080020103420000 00"),
    "no message id": bytes.fromhex("30024200"),
    "message id of no octet": bytes.fromhex("300402004200"),
    "message id of five octets": bytes.fromhex("30090205 0000000003 4200"),
    "negative message id": bytes.fromhex("30050201ff4200"),
    "negative message id in four octets": bytes.fromhex("3008 0204 80000000 4200"),
    "message id longer than the frame": bytes.fromhex("3003020403"),
    "message id only": bytes.fromhex("3003020103"),
    "an operation without length": bytes.fromhex("300402010342"),
    "an unknown operation": bytes.fromhex("30050201037f00"),
    "a response as request": bytes.fromhex("300c02010365070a010004000400"),
    "an operation in application class 31": bytes.fromhex("3006020103 7f1f00"),
    "operation longer than its message": bytes.fromhex("3005020103 4205"),
    "operation of indefinite length": bytes.fromhex("3007020103 63800000"),
    "octets after the operation": search(rest=b"\xff\xff\xff"),
    "zeros after the operation": search(rest=b"\x00\x00"),
    "another request after the operation": search(rest=b"\x42\x00"),
    "two lists of controls": search(rest=b"\xa0\x00\xa0\x00"),
    "controls cut short": search(rest=b"\xa0\x05\x30\x03"),
    "unbind with a content": envelope(b"\x42\x01\x00"),
    "search without anything": envelope(b"\x63\x00"),
    "search with a base only": envelope(b"\x63\x02\x04\x00"),
    "base longer than the search": search(base=b"\x04\x7fx"),
    "base of the wrong tag": search(base=b"\x0c\x00"),
    "parameters cut": search(parameters=PARAMETERS[:-1], condition=b"", selection=b""),
    "parameters in another order": search(parameters=PARAMETERS[6:] + PARAMETERS[:6]),
    "no filter": search(condition=b"", selection=b""),
    "no attribute list": search(selection=b""),
    "attribute list of the wrong tag": search(selection=b"\x31\x00"),
    "attribute list too long": search(selection=b"\x30\x05\x04\x01a"),
    "attribute list with a number": search(selection=b"\x30\x03\x02\x01\x01"),
    "attribute longer than its list": search(selection=b"\x30\x03\x04\x05a"),
    "octets after the attribute list": search(selection=b"\x30\x00\x04\x00"),
    "filter longer than the search": search(condition=b"\x87\x7fcn"),
    "filter of indefinite length": search(condition=b"\xa0\x80\x87\x02cn\x00\x00"),
    "filter of five length octets": search(condition=b"\xa0\x85\x00\x00\x00\x00\x04\x87\x02cn"),
    "part longer than its set": search(condition=b"\xa1\x04\x87\x05cn"),
    "set longer than what encloses it": search(condition=b"\xa0\x06\xa1\x7f\x87\x02cn"),
    "negation of nothing": search(condition=b"\xa2\x00"),
    "negation of two": search(condition=b"\xa2\x08" + PRESENT + PRESENT),
    "equality without value": search(condition=b"\xa3\x04\x04\x02cn"),
    "equality with a value too long": search(condition=b"\xa3\x07\x04\x02cn\x04\x7fx"),
    "equality with a name too long": search(condition=b"\xa3\x07\x04\x7fcn\x04\x01x"),
    "equality of nothing": search(condition=b"\xa3\x00"),
    "equality with octets after it": search(condition=b"\xa3\x09\x04\x02cn\x04\x01x\x04\x00"),
    "substrings without sequence": search(condition=b"\xa4\x04\x04\x02cn"),
    "substrings of the wrong tag": search(condition=b"\xa4\x09\x04\x02cn\x31\x03\x81\x01x"),
    "substring longer than its sequence": search(condition=b"\xa4\x09\x04\x02cn\x30\x03\x81\x02x"),
    "sequence longer than its substrings": search(condition=b"\xa4\x09\x04\x02cn\x30\x04\x81\x01x"),
    "extensible match without value": search(condition=b"\xa9\x04\x82\x02cn"),
    "bind without authentication": envelope(b"\x60\x05\x02\x01\x03\x04\x00"),
    "bind with a sasl mechanism cut": envelope(b"\x60\x09\x02\x01\x03\x04\x00\xa3\x02\x04\x05"),
    "compare without assertion": envelope(b"\x6e\x04\x04\x02cn"),
    "modify without changes": envelope(b"\x66\x04\x04\x02cn"),
    "add with values outside": envelope(b"\x68\x0c\x04\x00\x30\x08\x30\x06\x04\x02cn\x31\x7f"),
    "rename without its boolean": envelope(b"\x6c\x04\x04\x00\x04\x00"),
    "extended without name": envelope(b"\x77\x00"),
}


@pytest.mark.parametrize("frame", DISCONNECTED.values(), ids=DISCONNECTED)
def test_wrong_structure_is_malformed_and_cannot_be_answered(frame):
    with pytest.raises(Malformed) as refused:
        requests.decode(frame)
    assert not isinstance(refused.value, requests.BadRequest)


# ---------------------------------------------------------------- the request is answered with protocolError

LONG = b"x" * 200
ANSWERED = {
    "scope 4": (search(parameters=b"\x0a\x01\x04" + PARAMETERS[3:]), 0x65),
    "scope of no octet": (search(parameters=b"\x0a\x00" + PARAMETERS[3:]), 0x65),
    "deref 4": (search(parameters=PARAMETERS[:3] + b"\x0a\x01\x04" + PARAMETERS[6:]), 0x65),
    "negative size limit": (search(parameters=PARAMETERS[:6] + b"\x02\x01\xff" + PARAMETERS[9:]), 0x65),
    "size limit of 2^31": (
        search(parameters=PARAMETERS[:6] + b"\x02\x05\x00\x80\0\0\0" + PARAMETERS[9:]),
        0x65,
    ),
    "boolean of two octets": (search(parameters=PARAMETERS[:-3] + b"\x01\x02\x00\x00"), 0x65),
    "present not UTF-8": (search(condition=b"\x87\x02c\xff"), 0x65),
    "equality not UTF-8": (search(condition=b"\xa3\x06\x04\x01\xe9\x04\x01x"), 0x65),
    "substrings not UTF-8": (search(condition=substrings(b"\x81\x01x", name=b"\xe9")), 0x65),
    "rule not UTF-8": (search(condition=b"\xa9\x06\x81\x01\xe9\x83\x01x"), 0x65),
    "no substring": (search(condition=substrings()), 0x65),
    "substring of unknown kind": (search(condition=substrings(b"\x83\x01x")), 0x65),
    "initial substring twice": (search(condition=substrings(b"\x80\x01x", b"\x80\x01x")), 0x65),
    "initial substring after another": (search(condition=substrings(b"\x81\x01x", b"\x80\x01x")), 0x65),
    "final substring before another": (search(condition=substrings(b"\x82\x01x", b"\x81\x01x")), 0x65),
    "unknown kind of filter": (search(condition=b"\xaa\x00"), 0x65),
    "extensible match of nothing": (search(condition=b"\xa9\x03\x83\x01x"), 0x65),
    "extensible match out of order": (search(condition=b"\xa9\x07\x83\x01x\x82\x02cn"), 0x65),
    "control oid not UTF-8": (search(rest=b"\xa0\x05\x30\x03\x04\x01\xff"), 0x65),
    "criticality of two octets": (search(rest=b"\xa0\x09\x30\x07\x04\x01x\x01\x02\x00\x00"), 0x65),
    "version 0": (envelope(b"\x60\x07\x02\x01\x00\x04\x00\x80\x00"), 0x61),
    "version 128": (envelope(b"\x60\x08\x02\x02\x00\x80\x04\x00\x80\x00"), 0x61),
    "mechanism not UTF-8": (envelope(b"\x60\x0a\x02\x01\x03\x04\x00\xa3\x03\x04\x01\xff"), 0x61),
    "compare not UTF-8": (envelope(b"\x6e\x0a\x04\x00\x30\x06\x04\x01\xff\x04\x01x"), 0x6F),
    "change of kind 4": (
        envelope(ber.tlv(0x66, bytes.fromhex("0400 300d 300b 0a0104 3006 04026362 3100"))),
        0x67,
    ),
    "added name not UTF-8": (envelope(ber.tlv(0x68, bytes.fromhex("0400 3007 3005 0401ff 3100"))), 0x69),
    "extended oid not UTF-8": (envelope(b"\x77\x03\x80\x01\xff"), 0x78),
    "abandon of a negative id": (envelope(b"\x50\x01\xff"), None),
    "abandon of nothing": (envelope(b"\x50\x00"), None),
}


@pytest.mark.parametrize(("frame", "tag"), ANSWERED.values(), ids=ANSWERED)
def test_impossible_content_says_which_message_and_which_response(frame, tag):
    with pytest.raises(requests.BadRequest) as refused:
        requests.decode(frame)
    assert (refused.value.message_id, refused.value.response_tag) == (5, tag)
    assert "0x" not in refused.value.public


# ---------------------------------------------------------------- depth, number, size


def depth_of(condition):
    depth = 0
    while isinstance(condition, filters.Not):
        condition = condition.part
        depth += 1
    return depth


def test_the_deepest_filter_allowed_is_read():
    message = requests.decode(search(condition=nested(filters.DEPTH_MAX)))
    assert depth_of(message.operation.filter) == filters.DEPTH_MAX
    message = requests.decode(search(condition=nested(3)), Bounds(depth=3))
    assert depth_of(message.operation.filter) == 3


@pytest.mark.parametrize("tag", [0xA0, 0xA1, 0xA2])
@pytest.mark.parametrize("depth", [filters.DEPTH_MAX + 1, 100_000])
def test_a_deeper_filter_is_refused_at_once(tag, depth):
    frame = search(condition=nested(depth, tag))
    with costs.at_most(0.5), pytest.raises(requests.BadRequest, match="deep"):
        requests.decode(frame)


def test_four_times_the_depth_of_the_stack_is_read_without_recursion_when_allowed():
    message = requests.decode(search(condition=nested(4000)), Bounds(depth=4000))
    assert depth_of(message.operation.filter) == 4000


def test_depth_that_lies_about_its_lengths_is_refused():
    with pytest.raises(Malformed):
        requests.decode(search(condition=b"\xa0\x7f" * 100_000))


def test_as_many_clauses_as_allowed_are_read_and_one_more_is_refused():
    most = search_requests.FILTER_NODES_MAX - 1
    message = requests.decode(search(condition=ber.tlv(0xA1, PRESENT * most)))
    assert len(message.operation.filter.parts) == most
    with pytest.raises(requests.BadRequest, match="parts"):
        requests.decode(search(condition=ber.tlv(0xA1, PRESENT * (most + 1))))
    with pytest.raises(requests.BadRequest, match="parts"):
        requests.decode(search(condition=ber.tlv(0xA1, b"\xa0\x00" * 200_000)))


def test_an_operator_may_allow_less():
    small = Bounds(parts=3, attributes=2, controls=1)
    allowed = (
        search(condition=ber.tlv(0xA1, PRESENT * 2)),
        search(selection=ber.sequence([b"\x04\x03car"] * 2)),
        search(rest=ber.tlv(0xA0, b"\x30\x03\x04\x011")),
    )
    refused = (
        search(condition=ber.tlv(0xA1, PRESENT * 3)),
        search(selection=ber.sequence([b"\x04\x03car"] * 3)),
        search(rest=ber.tlv(0xA0, b"\x30\x03\x04\x011" * 2)),
    )
    for frame in allowed:
        requests.decode(frame, small)
    for frame, said in zip(refused, ("parts", "attributes", "controls"), strict=True):
        with pytest.raises(requests.BadRequest, match=said):
            requests.decode(frame, small)


LISTS = {
    "pieces of a substring": (
        lambda n: search(condition=substrings(*[b"\x81\x01x"] * n)),
        search_requests.FILTER_NODES_MAX,
    ),
    "attributes asked for": (
        lambda n: search(selection=ber.sequence([b"\x04\x02cn"] * n)),
        search_requests.SELECTION_MAX,
    ),
    "controls": (
        lambda n: search(rest=ber.tlv(0xA0, b"\x30\x03\x04\x011" * n)),
        controls.CONTROLS_MAX,
    ),
    "attributes of an entry": (
        lambda n: envelope(
            ber.tlv(0x68, b"\x04\x00" + ber.sequence([bytes.fromhex("3006 0402636e 3100")] * n))
        ),
        requests.ATTRIBUTES_MAX,
    ),
    "changes": (
        lambda n: envelope(
            ber.tlv(0x66, b"\x04\x00" + ber.sequence([bytes.fromhex("300b 0a0101 3006 0402636e 3100")] * n))
        ),
        requests.CHANGES_MAX,
    ),
    "values of an entry": (
        lambda n: envelope(
            ber.tlv(
                0x68,
                b"\x04\x00"
                + ber.sequence(
                    [
                        ber.sequence([b"\x04\x02cn", ber.tlv(0x31, b"\x04\x00" * part)])
                        for part in (n // 2, n - n // 2)
                    ]
                ),
            )
        ),
        requests.VALUES_MAX,
    ),
}


@pytest.mark.parametrize(("made", "most"), LISTS.values(), ids=LISTS)
def test_a_list_at_its_limit_is_read_and_one_more_is_refused(made, most):
    requests.decode(made(most))
    with pytest.raises(requests.BadRequest, match="more than"):
        requests.decode(made(most + 1))


def test_refusing_a_large_request_keeps_nothing_of_it():
    for name in range(2000):
        odd = b"%04d" % name * 10
        requests.decode(
            search(
                condition=b"\x87" + ber.length(len(odd)) + odd, selection=ber.sequence([b"\x04\x01x"] * 100)
            )
        )
    frames = [
        search(condition=ber.tlv(0xA1, b"\x87" + ber.length(4000) + b"%04d" % number * 1000))
        for number in range(200)
    ] + [search(selection=ber.sequence([b"\x04\x04%04d" % number] * 90)) for number in range(2000)]
    tracemalloc.start()
    try:
        for frame in frames:
            requests.decode(frame)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 5_000_000


def test_the_time_is_linear_in_the_octets():
    def seconds(clauses):
        frame = search(condition=ber.tlv(0xA1, b"\xa4\x0b\x04\x02cn\x30\x05\x81\x03dup" * clauses))
        started = time.process_time()
        requests.decode(frame)
        return time.process_time() - started

    small = min(seconds(250) for _ in range(5))
    assert min(seconds(4000) for _ in range(3)) < 16 * small * 4 + 0.01


# ---------------------------------------------------------------- what is liberal on purpose


def test_what_a_later_revision_adds_is_passed_over():
    later = b"\x8f\x01x"
    message = requests.decode(search(selection=b"\x30\x03\x04\x01a" + later, rest=later))
    assert message.operation.attributes == (b"a",)
    assert message.controls == ()
    message = requests.decode(search(rest=b"\xa0\x08\x30\x06\x04\x011" + later + later))
    assert message.controls == (messages.Control("1"),)
    message = requests.decode(envelope(b"\x60\x0a\x02\x01\x03\x04\x00\x80\x00" + later))
    assert message.operation == messages.BindRequest(3, b"", messages.Simple(b""))


@pytest.mark.parametrize("octet", [0x01, 0x80, 0xFF])
def test_any_octet_but_zero_is_true(octet):
    message = requests.decode(search(parameters=PARAMETERS[:-1] + bytes((octet,))))
    assert message.operation.types_only is True


def test_an_empty_substring_asks_nothing():
    def read(*pieces):
        return requests.decode(search(condition=substrings(*pieces))).operation.filter

    assert read(b"\x81\x00") == filters.Present("cn")
    assert read(b"\x80\x00", b"\x81\x01x", b"\x81\x00", b"\x82\x00") == filters.Substrings(
        "cn", None, (b"x",), None
    )


def test_authentication_of_another_kind_is_a_value():
    for tag in (0x81, 0x82, 0x89, 0x8A, 0x8B):
        message = requests.decode(envelope(b"\x60\x08\x02\x01\x03\x04\x00" + bytes((tag,)) + b"\x01x"))
        assert message.operation.method == messages.OtherMethod(tag)


def test_empty_and_absent_sasl_credentials_differ():
    empty = requests.decode(envelope(ber.tlv(0x60, bytes.fromhex("020103 0400 a305 040158 0400"))))
    absent = requests.decode(envelope(ber.tlv(0x60, bytes.fromhex("020103 0400 a303 040158"))))
    assert empty.operation.method == messages.Sasl("X", b"")
    assert absent.operation.method == messages.Sasl("X", None)


def test_what_is_remembered_of_one_search_is_not_told_of_another():
    first = requests.decode(search(selection=b"\x30\x03\x04\x01a"))
    second = requests.decode(search(parameters=bytes.fromhex("0a0100 0a0103 020105 02022710 0101ff")))
    assert (first.operation.attributes, second.operation.attributes) == ((b"a",), ())
    assert (second.operation.scope, second.operation.deref) == (0, 3)
    assert (second.operation.size_limit, second.operation.time_limit) == (5, 10_000)
    assert second.operation.types_only
    assert requests.decode(search(selection=b"\x30\x03\x04\x01a")) == first


def test_a_password_is_in_no_repr():
    bind = requests.decode(envelope(b"\x60\x0d\x02\x01\x03\x04\x00\x80\x06secret"))
    sasl = requests.decode(envelope(ber.tlv(0x60, bytes.fromhex("020103 0400 a30b 040158 0406") + b"secret")))
    compare = requests.decode(envelope(ber.tlv(0x6E, b"\x04\x00\x30\x0c\x04\x02cn\x04\x06secret")))
    extended = requests.decode(envelope(ber.tlv(0x77, b"\x80\x011\x81\x06secret")))
    for message in (bind, sasl, compare, extended):
        assert "secret" not in repr(message)
