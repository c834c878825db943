"""The list of controls, and the values of paged results and server-side sort."""

import pytest

from annuaire.errors import Malformed
from annuaire.ldap import ber, controls
from annuaire.ldap.controls import PagedResults, SortKey
from annuaire.ldap.messages import Control

# As OpenLDAP's ldapsearch sends them: -E pr=100, -E '!sss=sn:2.5.13.3/-cn'
PAGED = bytes.fromhex("30050201640400")
SORT = bytes.fromhex("3019300e0402736e8008322e352e31332e3330070402636e8101ff")

LISTS = [
    ((), ""),
    ((Control("1.1"),), "a007300504 03312e31"),
    ((Control("1.1", True),), "a00a30080403312e310101ff"),
    ((Control("1.1", False, b""),), "a00930070403312e310400"),
    ((Control("1.1", True, b"x"), Control("2")), "a01230 0b0403312e310101ff040178 3003040132"),
]

REFUSED_VALUES = [
    None,
    b"",
    b"\x30",
    b"\x30\x00",
    b"\x31" + PAGED[1:],
    PAGED[:-1],
    PAGED + b"\x00",
    bytes.fromhex("30050201ff0400"),  # a negative size
    bytes.fromhex("3009020500800000000400"),
    bytes.fromhex("300602010a81017800"),
    b"\xff" * 20,
]


@pytest.mark.parametrize(("listed", "encoded"), LISTS)
def test_a_list_of_controls_comes_back_as_encoded(listed, encoded):
    data = bytes.fromhex(encoded)
    assert controls.encode_controls(listed) == data
    assert controls.decode_controls(data, 0, len(data)) == listed


def test_an_empty_list_and_a_criticality_said_false_are_read():
    assert controls.decode_controls(b"\xa0\x00", 0, 2) == ()
    data = bytes.fromhex("a00a30080403312e31010100")
    assert controls.decode_controls(data, 0, len(data)) == (Control("1.1"),)


def test_a_page_is_read_as_openldap_asks_for_it():
    assert controls.decode_paged_results(PAGED) == PagedResults(100, b"")


@pytest.mark.parametrize(("size", "cookie"), [(0, b""), (100, b"\x00\xff"), (2**31 - 1, b"c" * 300)])
def test_a_page_comes_back_as_encoded(size, cookie):
    control = controls.paged_results(size, cookie)
    assert (control.oid, control.critical) == (controls.PAGED_RESULTS, False)
    assert controls.decode_paged_results(control.value) == (size, cookie)


def test_sort_keys_are_read_as_openldap_sends_them():
    keys = (SortKey("sn", "2.5.13.3"), SortKey("cn", None, True))
    assert controls.decode_sort_request(SORT) == keys
    assert controls.sort_request(keys, critical=True) == Control(controls.SORT_REQUEST, True, SORT)


def test_a_sort_response_names_the_key_that_failed():
    assert controls.sort_response(0) == Control(controls.SORT_RESPONSE, False, bytes.fromhex("30030a0100"))
    told = controls.sort_response(16, "nom")
    assert told.value == bytes.fromhex("30080a0110") + b"\x80\x03nom"


@pytest.mark.parametrize("decode", [controls.decode_paged_results, controls.decode_sort_request])
@pytest.mark.parametrize("value", REFUSED_VALUES)
def test_a_value_that_is_not_the_controls_own_is_refused(decode, value):
    with pytest.raises(Malformed):
        decode(value)


@pytest.mark.parametrize(
    ("decode", "value"), [(controls.decode_paged_results, PAGED), (controls.decode_sort_request, SORT)]
)
def test_every_damaged_octet_is_refused_or_read_as_something_else(decode, value):
    for position in range(len(value)):
        for octet in (0, 1, 0x30, 0x80, 0x81, 0xFF):
            damaged = value[:position] + bytes((octet,)) + value[position + 1 :]
            try:
                decode(damaged)
            except Malformed:
                continue
    for cut in range(len(value)):
        with pytest.raises(Malformed):
            decode(value[:cut])


def test_as_many_sort_keys_as_allowed_are_read_and_one_more_is_refused():
    keys = [SortKey(f"a{number}") for number in range(controls.SORT_KEYS_MAX + 1)]
    assert len(controls.decode_sort_request(controls.sort_request(keys[:-1]).value)) == controls.SORT_KEYS_MAX
    with pytest.raises(Malformed, match="more than"):
        controls.decode_sort_request(controls.sort_request(keys).value)


def test_a_sort_key_that_is_not_text_is_refused():
    with pytest.raises(Malformed, match="UTF-8"):
        controls.decode_sort_request(ber.sequence([ber.sequence([b"\x04\x01\xff"])]))
