"""Writes as one connection sees them: who may write where is decided at once, the write itself is done elsewhere."""

import asking
import pytest
from session_client import ADMIN, PERSON, SCHEMA, USER, Client

from annuaire.domain.access import SELF_WRITABLE
from annuaire.domain.audience import Audience
from annuaire.errors import Unavailable
from annuaire.ldap import responses, tree
from annuaire.ldap.controls import Control
from annuaire.ldap.results import ResultCode
from annuaire.ldap.writing import WriteJob, WriteOutcome

SUFFIX = "o=apicrypt,c=FR"
ATTRIBUTES = {"objectClass": [b"person"], "cn": [b"x"], "sn": [b"x"]}
COMPUTED = f"uid=899900010010,ou=personnes,{SUFFIX}"
STRUCTURE = f"uid=boite@hopital.exemple,ou=structures,{SUFFIX}"
WHERE_TO_WRITE = f"ou=apicrypt,{SUFFIX}"


def writes(name: str) -> list[bytes]:
    """Every operation that writes, on one name."""
    return [
        asking.add(2, name, ATTRIBUTES),
        asking.delete(2, name),
        asking.modify(2, name, "telephoneNumber", [b"+33 3 53 01 00 01"]),
        asking.modify_dn(2, name, "cn=y"),
    ]


RESPONSES = (
    responses.ADD_RESPONSE,
    responses.DELETE_RESPONSE,
    responses.MODIFY_RESPONSE,
    responses.MODIFY_DN_RESPONSE,
)
KINDS = ("add", "delete", "modify", "modify dn")


@pytest.fixture
def client() -> Client:
    return Client(tree=tree.plant(SUFFIX, (), SCHEMA))


@pytest.fixture
def administrator(client: Client) -> Client:
    client.log_in()
    return client


@pytest.fixture
def user(client: Client) -> Client:
    client.say(asking.bind(1, USER, "pw"))
    client.session.resume(True, client.now)
    return client


def handed_over(client: Client, request: bytes) -> WriteJob:
    """The write that waits to be done elsewhere; nothing was answered yet."""
    assert client.say(request) == b""
    job = client.session.outside
    assert isinstance(job, WriteJob)
    return job


@pytest.mark.parametrize("name", [PERSON, USER, COMPUTED, SUFFIX, "cn=elsewhere,c=FR"])
@pytest.mark.parametrize("kind", range(4), ids=KINDS)
def test_a_stranger_writes_nowhere_and_is_told_to_bind(client, name, kind):
    refused = client.result(writes(name)[kind])
    assert refused.code == ResultCode.insufficientAccessRights
    assert "bind" in refused.text
    assert client.session.outside is None
    assert client.session.idle


@pytest.mark.parametrize("kind", range(4), ids=KINDS)
def test_a_user_is_refused_at_the_entry_of_another_before_anything_is_looked_up(user, kind):
    absent = "cn=Nobody,ou=apicrypt,o=apicrypt,c=FR"
    answers = [user.result(writes(name)[kind]) for name in (PERSON, absent)]
    assert {(answer.code, answer.text, answer.matched) for answer in answers} == {
        (ResultCode.insufficientAccessRights, "only administrators may write here", b"")
    }


@pytest.mark.parametrize("kind", range(4), ids=KINDS)
def test_a_user_is_told_where_their_own_entry_is_whichever_computed_one_they_write_to(user, kind):
    absent = f"uid=899900000999,ou=personnes,{SUFFIX}"
    answers = [user.result(writes(name)[kind]) for name in (COMPUTED, STRUCTURE, absent)]
    assert {(answer.code, answer.text, answer.matched) for answer in answers} == {
        (
            ResultCode.insufficientAccessRights,
            f"this subtree is computed; of your own entry write to {USER}",
            b"",
        )
    }


@pytest.mark.parametrize("kind", [0, 1, 3], ids=[KINDS[0], KINDS[1], KINDS[3]])
def test_a_user_neither_adds_nor_deletes_nor_renames_their_own_entry(user, kind):
    assert user.result(writes(USER)[kind]).code == ResultCode.insufficientAccessRights


def test_a_user_may_change_the_listed_attributes_of_their_own_entry_and_no_other(user):
    job = handed_over(user, asking.modify(2, USER.upper(), "telephoneNumber", [b"+33 3 53 01 00 01"]))
    assert (job.actor, job.audience, job.peer) == (USER, Audience.APICRYPT, "peer")
    assert job.grant.attributes == {name.lower() for name in SELF_WRITABLE}


@pytest.mark.parametrize("kind", range(4), ids=KINDS)
def test_a_write_of_an_administrator_is_handed_over_whole_and_answered_by_its_outcome(administrator, kind):
    sent = [Control("1.3.6.1.1.13.1", True, b"\x30\x00")] if kind == 2 else []
    request = writes(PERSON)[kind]
    if sent:
        request = asking.message(2, request[5:], sent)
    job = handed_over(administrator, request)
    assert (job.actor, job.audience, job.peer) == (ADMIN, Audience.ADMIN, "peer")
    assert job.grant.attributes is None
    assert job.request.dn == PERSON.encode()
    assert [(control.oid, control.critical) for control in job.controls] == [
        (control.oid, control.critical) for control in sent
    ]
    response = (Control("1.3.6.1.1.13.1", False, b"before"),)
    data = administrator.session.resume(WriteOutcome(controls=response), administrator.now)
    [answer] = asking.read(data)
    assert data[5] == RESPONSES[kind]
    assert (answer.message_id, answer.operation.code) == (2, ResultCode.success)
    assert answer.controls == response
    assert administrator.session.idle


def test_why_a_write_came_to_nothing_is_answered_with_the_nearest_entry_above(administrator):
    handed_over(administrator, asking.delete(2, "cn=a,ou=b,o=apicrypt,c=FR"))
    outcome = WriteOutcome(ResultCode.noSuchObject, "there is none", SUFFIX)
    [answer] = asking.read(administrator.session.resume(outcome, administrator.now))
    refused = answer.operation
    assert (refused.code, refused.text, refused.matched) == (32, "there is none", SUFFIX.encode())


@pytest.mark.parametrize("name", [COMPUTED, STRUCTURE, f"cn=below,{COMPUTED}"])
@pytest.mark.parametrize("kind", range(4), ids=KINDS)
def test_what_is_computed_is_written_by_nobody_and_the_answer_names_where_to_write(administrator, name, kind):
    refused = administrator.result(writes(name)[kind])
    assert refused.code == ResultCode.unwillingToPerform
    assert WHERE_TO_WRITE in refused.text
    assert administrator.session.idle


@pytest.mark.parametrize("kind", range(4), ids=KINDS)
def test_what_is_no_name_is_said_to_be_none(administrator, kind):
    assert administrator.result(writes("no name")[kind]).code == ResultCode.invalidDNSyntax


@pytest.mark.parametrize("kind", range(4), ids=KINDS)
def test_a_server_without_a_store_takes_no_writes_and_says_so(kind):
    client = Client()
    client.log_in()
    refused = client.result(writes(PERSON)[kind])
    assert refused.code == ResultCode.unwillingToPerform
    assert client.session.outside is None


def test_an_unknown_critical_control_keeps_a_write_from_being_done(administrator):
    request = asking.message(2, asking.delete(2, PERSON)[5:], [Control("1.2.3.4", True)])
    assert administrator.result(request).code == ResultCode.unavailableCriticalExtension
    assert administrator.session.outside is None


def test_requests_behind_a_write_wait_for_it_and_see_what_it_did(administrator):
    sent = asking.delete(2, PERSON) + asking.search(3) + asking.delete(4, PERSON)
    assert administrator.say(sent) == b""
    assert administrator.directory.asked == []
    data = administrator.session.resume(WriteOutcome(), administrator.now)
    assert asking.codes(data) == [(2, 0), (3, 0)]
    assert isinstance(administrator.session.outside, WriteJob), "the second write is under way"
    assert asking.codes(administrator.session.resume(WriteOutcome(), administrator.now)) == [(4, 0)]


def test_a_store_that_is_away_is_unavailable_and_a_fault_of_ours_tells_nothing(administrator):
    handed_over(administrator, asking.delete(2, PERSON))
    [answer] = asking.read(administrator.session.resume(Unavailable("the store is away"), 0))
    assert (answer.operation.code, answer.operation.text) == (ResultCode.unavailable, "the store is away")
    handed_over(administrator, asking.delete(3, PERSON))
    [answer] = asking.read(administrator.session.resume(ZeroDivisionError("a secret"), 0))
    assert answer.operation.code == ResultCode.other
    assert "secret" not in answer.operation.text
    assert administrator.watching.bugs == 1


def test_a_write_is_not_abandoned(administrator):
    handed_over(administrator, asking.delete(2, PERSON))
    assert administrator.say(asking.abandon(3, 2)) == b""
    assert asking.codes(administrator.session.resume(WriteOutcome(), administrator.now)) == [(2, 0)]


def test_the_outcome_of_a_write_whose_client_left_is_dropped(administrator):
    handed_over(administrator, asking.delete(2, PERSON))
    administrator.say(asking.unbind(3))
    assert administrator.session.closing
    assert administrator.session.resume(WriteOutcome(), administrator.now) == b""
