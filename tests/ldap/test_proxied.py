"""Proxied authorization (RFC 4370): administrators do one operation as somebody else; nobody else does."""

import asking
import pytest
from session_client import ADMIN, PERSON, USER, Client, key

from annuaire.domain.audience import Audience
from annuaire.ldap import ber, capabilities, controls
from annuaire.ldap.directory import Found
from annuaire.ldap.messages import Control
from annuaire.ldap.results import ResultCode
from annuaire.ldap.writing import WriteJob, WriteOutcome

WHO_AM_I = capabilities.WHO_AM_I


def as_(name: str, critical: bool = True) -> Control:
    return Control(controls.PROXIED_AUTHORIZATION, critical, name.encode())


def whoami(client: Client, *sent: Control) -> bytes | None:
    return client.result(asking.extended(5, WHO_AM_I, sent=sent)).value


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.log_in()
    return client


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (f"dn:{USER}", f"dn:{USER}"),
        (f"u:{USER}", f"dn:{USER}"),
        ("", ""),
        ("dn:", ""),
        (f"dn:{ADMIN}", f"dn:{ADMIN}"),
        (f"dn:{ADMIN.upper()}", f"dn:{ADMIN}"),
    ],
)
def test_one_operation_is_done_in_the_name_that_is_given(admin: Client, name: str, told: str) -> None:
    assert whoami(admin, as_(name)) == told.encode()
    assert whoami(admin) == b"dn:" + ADMIN.encode(), "the connection stays the administrator's"


def test_a_search_sees_what_that_audience_sees(admin: Client) -> None:
    for number, name in enumerate(("", f"dn:{USER}", f"dn:{ADMIN}"), 10):
        assert asking.codes(admin.say(asking.search(number, sent=(as_(name),)))) == [(number, 0)]
    admin.say(asking.search(20))
    assert admin.directory.asked == [
        (10, Audience.PUBLIC),
        (11, Audience.APICRYPT),
        (12, Audience.ADMIN),
        (20, Audience.ADMIN),
    ]


def test_a_stream_goes_on_in_that_name_and_what_follows_does_not(admin: Client) -> None:
    admin.directory.answers[7] = [b"", b""]
    admin.say(asking.search(7, sent=(as_(""),)), asking.search(8))
    admin.rest()
    assert admin.directory.asked == [(7, Audience.PUBLIC), (8, Audience.ADMIN)]


def test_a_write_is_refused_as_it_is_to_that_audience(admin: Client) -> None:
    refused = admin.result(asking.delete(5, PERSON, sent=(as_(f"dn:{USER}"),)))
    assert refused.code == ResultCode.insufficientAccessRights
    assert admin.session.outside is None


@pytest.mark.parametrize(
    "name", ["dn:uid=personne,o=apicrypt,c=FR", "u:personne@x.fr", "personne", "dn:pas un nom", "\x00"]
)
def test_somebody_who_is_not_known_is_denied(admin: Client, name: str) -> None:
    for request in (
        asking.search(5, sent=(as_(name),)),
        asking.compare(5, PERSON, "sn", b"x", sent=(as_(name),)),
        asking.delete(5, PERSON, sent=(as_(name),)),
        asking.extended(5, WHO_AM_I, sent=(as_(name),)),
    ):
        assert asking.codes(admin.say(request)) == [(5, ResultCode.authorizationDenied)]


@pytest.mark.parametrize("name", ["", f"dn:{USER}", f"dn:{ADMIN}", "u:personne"])
def test_only_administrators_act_for_others_and_who_exists_is_not_told(name: str) -> None:
    client = Client()
    result = client.result(asking.extended(5, WHO_AM_I, sent=(as_(name),)))
    assert (result.code, result.text) == (
        ResultCode.authorizationDenied,
        "only administrators act for others",
    )


def test_the_control_must_be_critical(admin: Client) -> None:
    result = admin.result(asking.extended(5, WHO_AM_I, sent=(as_("", critical=False),)))
    assert result.code == ResultCode.protocolError


def test_binding_starttls_and_cancel_are_nobodys_by_proxy(admin: Client) -> None:
    for oid in (capabilities.START_TLS, capabilities.CANCEL):
        result = admin.result(asking.extended(5, oid, sent=(as_(""),)))
        assert result.code == ResultCode.unavailableCriticalExtension
    bound = admin.result(asking.bind(6, ADMIN, "secret", sent=(as_(""),)))
    assert bound.code == ResultCode.unavailableCriticalExtension
    assert whoami(admin) == b""


def test_what_is_refused_is_logged(admin: Client) -> None:
    watching = Client(observe_operations=True)
    watching.say(asking.search(9, sent=(as_(""),)))
    assert [number for number, _, _ in watching.watching.seen] == [9]


# ------------------------------------------------------------------ what is held elsewhere (RFC 3296)

FAR = "ou=loin,ou=apicrypt,o=apicrypt,c=FR"
MANAGE = Control(controls.MANAGE_DSA_IT, True)


@pytest.fixture
def writer() -> Client:
    from annuaire.ldap import tree

    client = Client()
    client.service.tree = tree.plant("o=apicrypt,c=FR", [], client.service.schema)
    found = Found(FAR, {"objectClass": [b"referral"], "ref": [b"ldap://la/ou=bas,dc=x"]}, {})
    for name in (FAR, f"cn=x,{FAR}"):
        client.directory.referrals[key(name)] = found
    client.log_in()
    return client


@pytest.mark.parametrize("name", [FAR, f"cn=x,{FAR}"])
def test_compare_and_writes_there_are_referred(writer: Client, name: str) -> None:
    below = "cn=x," if name != FAR else ""
    for request in (
        asking.compare(5, name, "ou", b"loin"),
        asking.modify(5, name, "ou", [b"x"]),
        asking.delete(5, name),
        asking.modify_dn(5, name, "ou=autre"),
        asking.add(5, f"cn=y,{name}", {"objectClass": [b"person"]}),
    ):
        result = writer.result(request)
        assert (result.code, result.matched.decode()) == (ResultCode.referral, FAR)
        assert result.referrals[0].decode().endswith(f"{below}ou=bas,dc=x")
        assert writer.session.outside is None


def test_adding_the_referral_itself_again_is_not_referred(writer: Client) -> None:
    writer.say(asking.add(5, FAR, {"objectClass": [b"referral"]}))
    assert writer.session.outside is not None


def test_nothing_is_moved_there(writer: Client) -> None:
    result = writer.result(asking.modify_dn(5, "cn=a,ou=apicrypt,o=apicrypt,c=FR", "cn=a", FAR))
    assert result.code == ResultCode.affectsMultipleDSAs


def test_with_manage_dsa_it_a_referral_is_written_as_any_entry(writer: Client) -> None:
    writer.say(asking.delete(5, FAR, sent=(MANAGE,)))
    assert writer.session.outside is not None


def test_nothing_lies_below_a_referral_not_even_with_manage_dsa_it(writer: Client) -> None:
    """As with slapd: what the referral leads to lies elsewhere, and the referral could not be deleted."""
    result = writer.result(asking.add(5, f"cn=x,{FAR}", {"objectClass": [b"person"]}, sent=(MANAGE,)))
    assert (result.code, result.matched.decode()) == (ResultCode.referral, FAR)
    assert result.referrals == [b"ldap://la/cn=x,ou=bas,dc=x"]
    moved = asking.modify_dn(5, "cn=a,ou=apicrypt,o=apicrypt,c=FR", "cn=a", FAR, sent=(MANAGE,))
    assert writer.result(moved).code == ResultCode.affectsMultipleDSAs
    # What a file put there before is taken away.
    writer.say(asking.delete(5, f"cn=x,{FAR}", sent=(MANAGE,)))
    assert writer.session.outside is not None


def test_who_may_not_write_is_told_so_and_not_where() -> None:
    client = Client()
    client.directory.referrals[key(FAR)] = Found(FAR, {"ref": [b"ldap://la"]}, {})
    assert client.result(asking.delete(5, FAR)).code == ResultCode.insufficientAccessRights


@pytest.mark.parametrize(("name", "bound"), [(USER, ADMIN), (ADMIN, "")])
def test_a_write_says_who_is_bound_beside_whose_name_it_has(writer: Client, name: str, bound: str) -> None:
    for request in (
        asking.modify(5, USER, "telephoneNumber", [b"+33 3 53 01 00 01"], sent=(as_(f"dn:{name}"),)),
        asking.extended(
            5,
            capabilities.PASSWORD_MODIFY,
            ber.sequence([ber.octets(USER.encode(), 0x80), ber.octets(b"vieux", 0x81)]),
            (as_(f"dn:{name}"),),
        ),
    ):
        assert writer.say(request) == b""
        work = writer.session.outside
        assert isinstance(work, WriteJob)
        assert (work.actor, work.bound) == (name, bound)
        writer.session.resume(WriteOutcome(), 0.0)
    # What follows has the name of whoever is bound.
    writer.say(asking.delete(6, PERSON))
    assert isinstance(writer.session.outside, WriteJob)
    assert (writer.session.outside.actor, writer.session.outside.bound) == (ADMIN, "")
