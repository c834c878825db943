"""The octets of content synchronization (RFC 4533), and the cookies that OpenLDAP's consumers keep."""

import contextlib
import random

import pytest

from annuaire.errors import Malformed
from annuaire.ldap import ber, controls, responses, sync
from annuaire.ldap.messages import Control
from annuaire.ldap.sync import Cookie, Request, State

UUID = bytes(range(16))
COOKIE = b"rid=001,csn=20261123101500.000042Z#000000#000#000000"


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("cookie", [None, b"", COOKIE])
@pytest.mark.parametrize("hint", [False, True])
def test_a_request_is_read_as_it_was_written(persist: bool, cookie: bytes | None, hint: bool) -> None:
    control = sync.request(persist, cookie, hint)
    assert control.critical
    assert control.oid == "1.3.6.1.4.1.4203.1.9.1.1"
    assert sync.decode_request(control.value) == Request(persist, cookie, hint)


def test_what_slapds_consumer_sends_is_understood() -> None:
    # SEQUENCE { ENUMERATED 3, OCTET STRING "rid=001", BOOLEAN TRUE }
    value = bytes.fromhex("300f0a010304077269643d3030310101ff")
    assert sync.decode_request(value) == Request(True, b"rid=001", True)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\x30\x00",
        bytes.fromhex("30030a0100"),
        bytes.fromhex("30030a0102"),
        bytes.fromhex("30030a0104"),
        bytes.fromhex("30030201"),
        bytes.fromhex("3003020103"),
        bytes.fromhex("30030a010300"),
        bytes.fromhex("30050a01030405"),
        ber.sequence((ber.integer(3, ber.ENUMERATED), ber.octets(bytes(5000)))),
    ],
)
def test_what_is_no_request_is_malformed(value: bytes | None) -> None:
    with pytest.raises(Malformed):
        sync.decode_request(value)


@pytest.mark.parametrize(
    ("sent", "replica", "moment"),
    [
        (None, "000", None),
        (b"", "000", None),
        (b"rid=7", "007", None),
        (b"rid=001", "001", None),
        (COOKIE, "001", 1795428900_000042),
        (b"rid=001,sid=002,csn=20261123101500.000042Z#000000#000#000000", "001", 1795428900_000042),
        # Of several servers, ours is server 000.
        (
            b"rid=001,csn=20261123101500.000001Z#000000#001#000000;20261123101500.000042Z#000000#000#000000",
            "001",
            1795428900_000042,
        ),
        (b"rid=001,csn=20261123101500.000042Z#000000#001#000000", "001", None),
        (b"rid=001,csn=20261123101500.000042Z#000001#000#000000", "001", None),
        (b"rid=001,csn=20261399101500.000042Z#000000#000#000000", "001", None),
        (b"rid=abc,csn=\xff\x00", "000", None),
        (b"\x00" * 100, "000", None),
    ],
)
def test_a_cookie_says_whose_it_is_and_of_which_moment(
    sent: bytes | None, replica: str, moment: int | None
) -> None:
    assert sync.read_cookie(sent) == Cookie(replica, moment)


def test_a_cookie_is_read_as_it_was_made_and_later_ones_compare_greater() -> None:
    replica = sync.read_cookie(COOKIE)
    assert replica.moment is not None
    assert replica.at(replica.moment) == COOKIE
    moments = [0, 1, 999_999, 1_000_000, replica.moment, replica.moment + 1, replica.moment + 10**6]
    cookies = [replica.at(moment) for moment in moments]
    assert cookies == sorted(cookies)
    assert [sync.read_cookie(cookie).moment for cookie in cookies] == moments


@pytest.mark.parametrize("state", State)
def test_an_entry_says_its_state_and_its_entryuuid(state: State) -> None:
    operation = responses.entry(b"cn=x", ber.encode_attributes({"cn": [b"x"]}))
    response = responses.decode_response(sync.entry(7, operation, state, UUID))
    assert response.message_id == 7
    value = bytes.fromhex("30150a010" + str(int(state)) + "0410") + UUID
    assert response.controls == (Control(controls.SYNC_STATE, False, value),)


def test_messages_are_those_of_the_standard() -> None:
    def value(message: bytes) -> bytes:
        operation = responses.decode_response(message).operation
        assert isinstance(operation, responses.Intermediate)
        assert operation.oid == "1.3.6.1.4.1.4203.1.9.1.4"
        assert operation.value is not None
        return operation.value

    assert value(sync.new_cookie(1, b"abc")) == b"\x80\x03abc"
    assert value(sync.refreshed(1, b"abc", True)) == b"\xa1\x05\x04\x03abc"
    assert value(sync.refreshed(1, b"abc", False)) == b"\xa2\x05\x04\x03abc"


def test_the_end_carries_the_cookie() -> None:
    for deletes, value in ((True, b"\x30\x08\x04\x03abc\x01\x01\xff"), (False, b"\x30\x05\x04\x03abc")):
        done = responses.result(1, responses.SEARCH_DONE, 0, controls=sync.done(b"abc", deletes))
        assert responses.decode_response(done).controls == (Control(controls.SYNC_DONE, False, value),)


def test_any_octets_are_a_request_or_malformed() -> None:
    chance = random.Random(4533)
    whole = sync.request(True, COOKIE, True).value
    assert whole is not None
    for _ in range(3000):
        value = bytearray(whole[: chance.randrange(len(whole) + 1)])
        for _ in range(chance.randrange(4)):
            if value:
                value[chance.randrange(len(value))] = chance.randrange(256)
        with contextlib.suppress(Malformed):
            asked = sync.decode_request(bytes(value))
            sync.read_cookie(asked.cookie)
