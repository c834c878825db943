"""The assertion control (RFC 4528) where a session answers by itself: compare, and the server's own entries."""

import asking
import pytest
from session_client import PERSON, Client

from annuaire.domain.audience import Audience
from annuaire.ldap import controls
from annuaire.ldap.messages import Control
from annuaire.ldap.results import ResultCode

FALSE, TRUE = ResultCode.compareFalse, ResultCode.compareTrue
FAILED = ResultCode.assertionFailed


@pytest.fixture
def client() -> Client:
    return Client(anonymous=Audience.PUBLIC)


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(
    ("asserted", "value", "code"),
    [
        ("(cn=hélène durand)", b"Durand", TRUE),
        ("(cn=hélène durand)", b"x", FALSE),
        ("(cn=Zoé)", b"Durand", FAILED),
        ("(cn=Zoé)", b"x", FAILED),
        ("(couleur=rouge)", b"Durand", FAILED),
        ("(!(couleur=rouge))", b"Durand", FAILED),
    ],
)
def test_a_comparison_is_made_if_the_entry_is_as_asserted(client, asserted, value, code, critical):
    request = asking.compare(1, PERSON, "sn", value, [asking.asserting(asserted, critical)])
    assert client.result(request).code == code


def test_the_entry_that_is_not_there_comes_first(client):
    name = "cn=absent,o=apicrypt,c=FR"
    for sent in ([], [asking.asserting("(|)")], [asking.asserting("(&)")]):
        refused = client.result(asking.compare(1, name, "cn", b"x", sent))
        assert (refused.code, refused.matched) == (ResultCode.noSuchObject, b"o=apicrypt,c=FR")


@pytest.mark.parametrize(
    "sent",
    [
        [Control(controls.ASSERTION, True, b"\x87")],
        [Control(controls.ASSERTION)],
        [asking.asserting("(&)"), asking.asserting("(&)")],
        [asking.asserting(f"(|{'(cn=a)' * 256})")],
    ],
    ids=["no filter", "no value", "twice", "too many parts"],
)
@pytest.mark.parametrize(
    "request_", [lambda sent: asking.compare(1, PERSON, "sn", b"x", sent), lambda sent: dse(sent)]
)
def test_what_cannot_be_read_is_said_so(client, request_, sent):
    assert client.result(request_(sent)).code == ResultCode.protocolError


def dse(sent, base=""):
    return asking.search(1, base=base, scope=0, sent=sent)


@pytest.mark.parametrize(
    ("base", "true", "false"),
    [
        ("", "(supportedLDAPVersion=3)", "(supportedControl=1.2.3)"),
        ("cn=Subschema", "(objectClass=subschema)", "(cn=autre)"),
    ],
)
def test_the_servers_own_entries_are_asserted_like_others(client, base, true, false):
    assert len(asking.read(client.say(dse([asking.asserting(true)], base)))) == 2
    assert client.result(dse([asking.asserting(false)], base)).code == FAILED
    compared = [
        client.result(asking.compare(1, base, "objectClass", b"top", [asking.asserting(one)])).code
        for one in (true, false)
    ]
    assert compared == [TRUE, FAILED]


def test_on_other_operations_it_is_refused_if_it_is_critical(client):
    refused = client.result(asking.extended(1, "1.3.6.1.4.1.4203.1.11.3", sent=[asking.asserting("(&)")]))
    assert refused.code == ResultCode.unavailableCriticalExtension
    taken = asking.extended(1, "1.3.6.1.4.1.4203.1.11.3", sent=[asking.asserting("(|)", False)])
    assert client.result(taken).code == ResultCode.success
