"""Password Modify (RFC 3062) as a session decides it: whose, by whom, and on which connection."""

import contextlib

import asking
import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_client import ADMIN, SCHEMA, USER, Client, key

from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import ber, tree
from annuaire.ldap.capabilities import CONTROLS, EXTENSIONS, PASSWORD_MODIFY
from annuaire.ldap.channel import Channel
from annuaire.ldap.controls import PASSWORD_POLICY
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import BindRequest, Control, ExtendedRequest, ModifyRequest
from annuaire.ldap.operations import password_modify
from annuaire.ldap.results import ResultCode
from annuaire.ldap.session import Session
from annuaire.ldap.writing import PasswordChange, WriteJob, WriteOutcome

SUFFIX = "o=apicrypt,c=FR"
OTHER = f"uid=autre,ou=apicrypt,{SUFFIX}"
POLICY = [Control(PASSWORD_POLICY, False, None)]


def value(whose: str | None = None, old: bytes | None = None, new: bytes | None = None) -> bytes:
    parts = [
        ber.octets(part, tag)
        for tag, part in ((0x80, None if whose is None else whose.encode()), (0x81, old), (0x82, new))
        if part is not None
    ]
    return ber.sequence(parts)


@pytest.fixture
def client() -> Client:
    return Client(tree=tree.plant(SUFFIX, (), SCHEMA))


def become(client: Client, name: str, audience: Audience, proved: bool = True) -> None:
    client.session._become(Identity(name, audience, key(name), proved))


def asked(client: Client, content: bytes | None, sent=()) -> WriteJob | tuple[int, tuple[Control, ...]]:
    """The change that the session hands over, or its refusal."""
    answers = asking.read(client.say(asking.extended(7, PASSWORD_MODIFY, content, sent)))
    if not answers:
        assert isinstance(client.session.outside, WriteJob)
        return client.session.outside
    [answer] = answers
    assert client.session.outside is None
    return answer.operation.code, tuple(answer.controls)


def test_it_is_advertised_and_takes_the_policy_control():
    assert PASSWORD_MODIFY in EXTENSIONS
    assert {BindRequest, ModifyRequest, ExtendedRequest} <= CONTROLS[PASSWORD_POLICY]


@pytest.mark.parametrize(
    "content", [None, value(), value(USER), value(f"dn:{USER}"), value("UID=Luc, OU=comptes,o=apicrypt,c=fr")]
)
def test_ones_own_password_is_meant_unless_another_is_named(client, content):
    become(client, USER, Audience.ROUTAGE)
    job = asked(client, content)
    assert (key(job.request.dn), job.request.old, job.request.new) == (key(USER), None, None)
    assert (job.actor, job.grant.attributes) == (USER, frozenset({"userpassword"}))


@pytest.mark.parametrize(
    "whose", [OTHER, "nobody@nowhere.example", "x", "=", f"uid=luc,ou=personnes,{SUFFIX}", ADMIN]
)
def test_who_is_no_administrator_changes_nobody_elses(client, whose):
    become(client, USER, Audience.APICRYPT)
    assert asked(client, value(whose, b"old", b"new")) == (ResultCode.insufficientAccessRights, ())


def test_administrators_change_anybodys_without_the_old_one(client):
    become(client, "uid=chef,ou=comptes,o=apicrypt,c=FR", Audience.ADMIN)
    assert asked(client, value(OTHER, None, b"neuf")).request == PasswordChange(OTHER, None, b"neuf")


def test_nobody_and_what_lies_nowhere_has_no_password(client):
    become(client, "uid=chef,ou=comptes,o=apicrypt,c=FR", Audience.ADMIN)
    for whose in ("nobody@nowhere.example", "cn=x,dc=elsewhere", SUFFIX, f"uid=1,ou=personnes,{SUFFIX}"):
        assert asked(client, value(whose)) == (ResultCode.noSuchObject, ()), whose


def test_the_administrator_of_the_configuration_is_sent_there(client):
    client.log_in()
    assert asked(client, None) == (ResultCode.unwillingToPerform, ())
    assert asked(client, value(ADMIN)) == (ResultCode.unwillingToPerform, ())


def test_a_stranger_is_refused_before_anything_is_looked_up(client):
    assert asked(client, value(USER, b"kept", b"new")) == (ResultCode.insufficientAccessRights, ())


def test_who_showed_a_certificate_gives_the_old_one(client):
    become(client, USER, Audience.APICRYPT, proved=False)
    [told] = asked(client, value(None, None, b"neuf"), POLICY)[1]
    assert told == Control(PASSWORD_POLICY, False, b"\x30\x03\x81\x01\x04")  # mustSupplyOldPassword
    assert asked(client, value(None, None, b"neuf")) == (ResultCode.insufficientAccessRights, ())
    assert asked(client, value(None, b"vieux", b"neuf")).request.old == b"vieux"


@pytest.mark.parametrize(("encrypted", "allowed"), [(False, False), (True, True)])
def test_where_passwords_need_tls_this_does_too(client, encrypted, allowed):
    client.service.require_tls = True
    client.session = Session(client.service, "peer", Channel(encrypted=encrypted))
    become(client, USER, Audience.APICRYPT)
    found = asked(client, value(None, b"a", b"b"))
    assert isinstance(found, WriteJob) if allowed else found == (ResultCode.confidentialityRequired, ())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x30",
        b"\x30\x00\x00",
        b"\x31\x00",
        b"\x30\x02\x83\x00",
        ber.sequence([ber.octets(b"n", 0x82), ber.octets(b"o", 0x81)]),
    ],
    ids=["nothing", "cut", "more behind", "no sequence", "unknown part", "other order"],
)
def test_what_is_no_such_request_is_a_protocol_error(client, content):
    become(client, USER, Audience.APICRYPT)
    assert asked(client, content) == (ResultCode.protocolError, ())


@given(st.binary(max_size=80))
def test_any_octets_are_a_request_or_malformed(content):
    with contextlib.suppress(Malformed):
        password_modify.decode(content)


def test_a_password_that_was_chosen_comes_back_and_one_that_was_given_does_not(client):
    become(client, USER, Audience.APICRYPT)
    for outcome, told in ((WriteOutcome(value=b"abcd"), b"\x30\x06\x80\x04abcd"), (WriteOutcome(), None)):
        asked(client, None)
        [answer] = asking.read(client.session.resume(outcome, client.now))
        assert (answer.operation.code, answer.operation.value) == (0, told)
        assert answer.operation.tag == 0x78


def test_no_repr_shows_a_password(client):
    become(client, USER, Audience.APICRYPT)
    job = asked(client, value(None, b"vieux secret", b"neuf secret"))
    shown = repr(
        (job, WriteOutcome(value=b"secret"), ModifyRequest(b"x", [(2, "userPassword", [b"secret"])]))
    )
    assert "secret" not in shown
