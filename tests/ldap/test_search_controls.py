"""The controls of a search: read back as they were written, and nothing but Malformed when they are bent."""

import random

import asking
import pytest

from annuaire.errors import Malformed
from annuaire.ldap import ber, controls, filters, search_controls, virtual_list
from annuaire.ldap.controls import SortKey
from annuaire.ldap.messages import Control
from annuaire.ldap.search_controls import Scene
from annuaire.ldap.virtual_list import View

ITEMS = ("(mail=*@x.fr)", "(cn=a)", "(sn>=b)", "(uid=*)", "(cn:caseExactMatch:=x)", "(l~=lille)")
VALUES = ber.sequence([asking.encoded(filters.parse(item)) for item in ITEMS])
VIEWS = [
    View(0, 9, 1),
    View(3, 2**31 - 1, 2**31 - 1, 2**31 - 1),
    View(1, 2, value=b""),
    View(1, 2, value="é".encode() * 100, context=b"c" * 300),
    View(1, 2, 5, 9, context=b"x"),
]
SENT = (
    controls.paged_results(5, b"cookie"),
    controls.sort_request([SortKey("cn", "2.5.13.3", True), SortKey("sn")], True),
    virtual_list.request(VIEWS[3], True),
    Control(controls.MATCHED_VALUES, True, VALUES),
    Control(controls.SUBENTRIES, False, ber.boolean(False)),
    Control(controls.MANAGE_DSA_IT),
    Control("1.2.3"),
)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_read_as_it_was_written(view: View) -> None:
    assert virtual_list.decode(virtual_list.request(view).value) == view


def test_outlooks_first_window_is_read_from_its_octets() -> None:
    # 389 Directory Server's and Outlook's form: before 0, after 9, offset 1, no idea of the length.
    assert virtual_list.decode(bytes.fromhex("300e 020100 020109 a006 020101 020100")) == View(0, 9, 1)


def test_all_are_read_at_once() -> None:
    asked = search_controls.read(SENT)
    assert asked.page == controls.PagedResults(5, b"cookie")
    assert asked.keys == (SortKey("cn", "2.5.13.3", True), SortKey("sn"))
    assert asked.sort_critical
    assert asked.view == VIEWS[3]
    assert asked.values == tuple(map(filters.parse, ITEMS))
    assert asked.scene == Scene(True, False)
    assert search_controls.read(()) is search_controls.NOTHING


def test_a_control_given_twice_is_malformed() -> None:
    for control in SENT:
        with pytest.raises(Malformed, match="twice"):
            search_controls.read((*SENT, control))


def test_bent_octets_are_malformed_and_nothing_worse() -> None:
    chance = random.Random(5)
    refused = 0
    for _ in range(6000):
        control = chance.choice(SENT[:5])
        assert control.value is not None
        octets = bytearray(control.value)
        for _ in range(chance.choice((1, 1, 2, 5))):
            kind = chance.random()
            at = chance.randrange(len(octets) or 1)
            if kind < 0.5 and octets:
                octets[at] = chance.randrange(256)
            elif kind < 0.7:
                del octets[at : at + chance.randrange(1, 4)]
            elif kind < 0.9:
                octets[at:at] = bytes([chance.randrange(256)])
            else:
                octets = octets[:at]
        try:
            search_controls.read((Control(control.oid, True, bytes(octets)),))
        except Malformed:
            refused += 1
    assert refused > 3000
