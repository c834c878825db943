"""Cancel (RFC 3909), and who is told what."""

import asking
import pytest
from session_client import ADMIN, USER, Client

from annuaire.ldap import ber, capabilities, responses
from annuaire.ldap.messages import Control


def cancel(number: int, cancelled: int, **options) -> bytes:
    value = ber.sequence([ber.integer(cancelled)])
    return asking.extended(number, capabilities.CANCEL, value, **options)


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_search_under_way_is_stopped_and_both_are_answered(client):
    entry = responses.search_entry(1, b"o=x", b"")
    client.directory.answers[1] = [entry, entry, responses.result(1, responses.SEARCH_DONE, 0)]
    assert client.say(asking.search(1)) == entry
    data = client.say(cancel(2, 1))
    assert asking.codes(data) == [(1, 118), (2, 0)]
    assert client.directory.closed == [1]
    client.rest()
    assert client.session.idle
    assert asking.codes(client.say(asking.search(3))) == [(3, 0)]


def test_a_search_that_waits_is_never_begun(client):
    client.directory.answers[1] = [b"", responses.result(1, responses.SEARCH_DONE, 0)]
    client.say(asking.search(1), asking.search(2), asking.search(3))
    assert asking.codes(client.say(cancel(4, 2))) == [(2, 118), (4, 0)]
    assert asking.codes(client.rest()) == [(1, 0), (3, 0)]
    assert [number for number, _ in client.directory.asked] == [1, 3]


@pytest.mark.parametrize("number", [1, 7, 2**31 - 1])
def test_what_is_over_or_never_was_is_no_operation(client, number):
    client.say(asking.search(1))
    assert client.result(cancel(2, number)).code == 119


def test_binds_starttls_and_cancels_cannot_be_cancelled(client):
    client.say(asking.bind(1, USER, "pw"))
    assert asking.codes(client.say(cancel(2, 1))) == [(2, 121)]
    client.say(asking.bind(3, USER, "pw"))
    assert asking.codes(client.say(cancel(4, 3))) == [(4, 121)]
    assert asking.codes(client.session.resume(True, client.now)) == [(1, 0)]
    # Its own message id is under way nowhere.
    assert asking.codes(client.session.resume(True, client.now)) == [(3, 0)]
    assert client.result(cancel(5, 5)).code == 119


def test_a_write_that_was_handed_over_is_too_late_and_one_that_waits_is_not():
    client = Client(tree=asking_tree())
    client.log_in(ADMIN)
    name = "cn=x,ou=apicrypt,o=apicrypt,c=FR"
    client.say(asking.delete(2, name), asking.delete(3, name))
    assert asking.codes(client.say(cancel(4, 2))) == [(4, 120)]
    assert asking.codes(client.say(cancel(5, 3))) == [(3, 118), (5, 0)]


def asking_tree():
    from session_client import SCHEMA

    from annuaire.ldap import tree

    return tree.plant("o=apicrypt,c=FR", (), SCHEMA)


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\x30\x00", b"\x30\x03\x02\x01", b"\x30\x03\x04\x01\x01", b"\x30\x80", b"\x02\x01\x01"],
)
def test_a_value_that_names_no_operation_is_a_protocol_error(client, value):
    assert client.result(asking.extended(1, capabilities.CANCEL, value)).code == 2
    assert not client.session.closing


def test_a_critical_control_is_refused_and_nothing_is_cancelled(client):
    client.directory.answers[1] = [b"", responses.result(1, responses.SEARCH_DONE, 0)]
    client.say(asking.search(1))
    assert asking.codes(client.say(cancel(2, 1, sent=[Control("1.2.3", True)]))) == [(2, 12)]
    assert asking.codes(client.rest()) == [(1, 0)]


def test_a_cancel_in_the_packet_of_its_search_spares_the_work(client):
    data = client.say(asking.search(1), cancel(2, 1))
    assert sorted(asking.codes(data)) == [(1, 118), (2, 0)]
    assert client.directory.asked == []
