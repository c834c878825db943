"""One connection as bytes in, bytes out: no reactor, and passwords verified by hand."""

import asking
import pytest
from session_client import ADMIN, FURTHER, HASHES, PERSON, USER, Client

from annuaire.domain import password
from annuaire.domain.audience import NOBODY, Audience
from annuaire.errors import NotFound, Refused, Unavailable
from annuaire.ldap import ber, controls, responses
from annuaire.ldap.directory import Account
from annuaire.ldap.messages import Control
from annuaire.ldap.search_requests import Bounds
from annuaire.ldap.service import WAITING_OCTETS_MAX
from annuaire.ldap.session import TURN_REQUESTS_MAX
from annuaire.ldap.standing import GONE, LOOK_SECONDS


@pytest.fixture
def client() -> Client:
    return Client()


class TestRequestsWithoutLogin:
    def test_a_search_may_be_the_first_message(self, client):
        assert asking.codes(client.say(asking.search(7))) == [(7, 0)]
        assert client.directory.asked == [(7, Audience.PUBLIC)]
        assert client.session.idle

    def test_a_message_is_understood_however_its_bytes_are_cut(self):
        requests = asking.bind(1) + asking.search(2) + asking.compare(3, PERSON, "cn", b"x")
        whole = Client().say(requests)
        assert len(asking.codes(whole)) == 3
        for cut in range(len(requests)):
            client = Client()
            assert client.say(requests[:cut]) + client.say(requests[cut:]) == whole
        client = Client()
        assert b"".join(client.say(requests[i : i + 1]) for i in range(len(requests))) == whole

    def test_requests_in_one_packet_are_answered_in_order(self, client):
        data = client.say(*(asking.search(number) for number in range(1, 6)))
        assert asking.codes(data) == [(number, 0) for number in range(1, 6)]

    def test_a_thousand_requests_in_one_packet_are_answered_over_several_turns(self, client):
        first = client.say(*(asking.search(number) for number in range(1, 1001)))
        assert len(asking.codes(first)) == TURN_REQUESTS_MAX
        assert client.session.full
        assert not client.session.idle
        assert asking.codes(first + client.rest()) == [(number, 0) for number in range(1, 1001)]
        assert client.session.idle
        assert not client.session.full

    def test_large_requests_wait_as_octets_beyond_a_megabyte(self, client):
        # The first search has more to say, so that what follows waits.
        client.directory.answers[1] = [b"", b"", asking.message(1, ber.tlv(0x65, b"\x0a\x01\0\x04\0\x04\0"))]
        requests = [asking.compare(number, PERSON, "sn", b"x" * 300_000) for number in range(2, 32)]
        data = client.say(asking.search(1))
        for request in requests:
            data += client.say(request)
            if client.session.full:
                break
        assert client.session.full
        assert len(client.session._waiting) == WAITING_OCTETS_MAX // 300_000 + 1
        data += client.say(*requests[requests.index(request) + 1 :])
        assert len(client.session._waiting) == WAITING_OCTETS_MAX // 300_000 + 1
        data += client.rest()
        assert [number for number, _ in asking.codes(data)] == list(range(1, 32))
        assert not client.session.full

    def test_unbind_ends_the_connection_without_an_answer(self, client):
        assert client.say(asking.unbind()) == b""
        assert client.session.closing

    def test_what_stands_before_unbind_is_answered_and_nothing_behind_it(self, client):
        data = client.say(asking.search(1), asking.unbind(2), asking.search(3))
        assert asking.codes(data) == [(1, 0)]
        assert client.session.closing
        assert client.say(asking.search(4)) == b""

    @pytest.mark.parametrize(
        ("anonymous", "request_bytes", "code"),
        [
            (NOBODY, asking.bind(1), 48),
            (NOBODY, asking.search(1), 8),
            (NOBODY, asking.compare(1, PERSON, "cn", b"x"), 8),
            (NOBODY, asking.delete(1, PERSON), 8),
            (NOBODY, asking.search(1, base="", scope=0), 0),
            (NOBODY, asking.search(1, base="cn=Subschema", scope=0), 0),
            (Audience.APICRYPT, asking.search(1), 0),
        ],
    )
    def test_an_unknown_client_is_told_clearly_what_it_may_not(self, anonymous, request_bytes, code):
        client = Client(anonymous=anonymous)
        answers = asking.read(client.say(request_bytes))
        assert answers[-1].operation.code == code
        assert code == 0 or answers[-1].operation.text


class TestBind:
    def test_anonymous_binds_of_both_versions_succeed(self, client):
        assert client.result(asking.bind(1)).code == 0
        assert client.result(asking.bind(2, version=2)).code == 0
        assert client.session.identity.anonymous

    @pytest.mark.parametrize(
        ("request_bytes", "code"),
        [
            (asking.bind(1, version=1), 2),
            (asking.bind(1, version=4), 2),
            (asking.bind(1, USER, ""), 53),
            (asking.bind(1, "", "something"), 49),
            (asking.sasl(1, "EXTERNAL"), 7),
            (asking.sasl(1, "GSS-SPNEGO", b"NTLMSSP"), 7),
            (asking.message(1, ber.tlv(0x60, ber.integer(3) + ber.octets(b"") + ber.octets(b"x", 0x8A))), 7),
            (asking.message(1, ber.tlv(0x60, ber.integer(200) + ber.octets(b"") + ber.octets(b"", 0x80))), 2),
            (asking.bind(1, sent=[Control("1.2.3.4", True)]), 12),
        ],
    )
    def test_a_bind_that_cannot_be_is_refused_and_leaves_the_connection_anonymous(
        self, client, request_bytes, code
    ):
        client.log_in()
        assert client.session.audience == Audience.ADMIN
        assert client.result(request_bytes).code == code
        assert client.session.identity.anonymous
        assert client.session.audience == Audience.PUBLIC
        assert not client.session.closing

    @pytest.mark.parametrize("name", [ADMIN, "CN=Admin, O=APICRYPT, C=fr"])
    def test_the_first_administrator_needs_no_entry(self, client, name):
        client.log_in(name)
        client.say(asking.search(2))
        assert client.directory.asked == [(2, Audience.ADMIN)]

    def test_a_password_is_verified_outside_and_what_follows_waits(self, client):
        assert client.say(asking.bind(1, USER, "pw"), asking.search(2)) == b""
        check = client.session.outside
        assert (check.hashes, check.password) == (HASHES, b"pw")
        assert not client.session.pending
        assert client.say(asking.search(3)) == b""
        data = client.session.resume(True, client.now)
        assert asking.codes(data) == [(1, 0), (2, 0), (3, 0)]
        assert client.directory.asked == [(2, Audience.APICRYPT), (3, Audience.APICRYPT)]
        assert client.session.idle

    @pytest.mark.parametrize(
        ("name", "secret", "hashes"),
        [
            (USER, "wrong", HASHES),
            ("uid=nobody,o=apicrypt,c=FR", "pw", ()),
            (ADMIN, "wrong", ()),
            ("no DN at all", "pw", ()),
            ("x" * 100_000, "pw", ()),
        ],
    )
    def test_a_wrong_password_an_unknown_name_and_no_name_are_one_answer_at_one_price(
        self, client, name, secret, hashes
    ):
        client.log_in()
        assert client.say(asking.bind(2, name, secret)) == b""
        assert client.session.outside.hashes == hashes
        assert client.session.identity.anonymous
        data = client.session.resume(False, client.now)
        assert data == responses.bind_response(2, 49)
        assert client.session.audience == Audience.PUBLIC

    def test_a_password_that_answers_an_unknown_name_lets_nobody_in(self, client):
        client.say(asking.bind(2, "uid=nobody,o=apicrypt,c=FR", "pw"))
        assert asking.codes(client.session.resume(True, client.now)) == [(2, 49)]

    def test_a_verified_password_is_remembered_and_a_wrong_one_is_not(self):
        client = Client(remembered=password.Remembered(300))
        client.say(asking.bind(1, USER, "pw"))
        client.session.resume(True, client.now)
        assert client.result(asking.bind(2, USER, "pw")).code == 0
        assert client.session.identity.dn == USER
        assert client.say(asking.bind(3, USER, "wrong")) == b""
        client.session.resume(False, client.now)
        client.now += 301
        assert client.say(asking.bind(4, USER, "pw")) == b""

    def test_too_many_logins_at_once_are_busy(self, client):
        client.say(asking.bind(1, USER, "pw"))
        data = client.session.resume(Unavailable("too many logins"), client.now)
        assert asking.codes(data) == [(1, 51)]
        assert client.session.identity.anonymous

    def test_a_failed_login_is_told_with_the_account_and_never_with_what_was_typed(self, client):
        for name in (USER, "my password typed here"):
            client.say(asking.bind(1, name, "pw"))
            client.session.resume(False, client.now)
        assert client.watching.failed == [(49, USER), (49, None)]

    def test_an_outcome_after_the_end_is_dropped(self, client):
        client.say(asking.bind(1, USER, "pw"))
        client.session.close()
        assert client.session.resume(True, client.now) == b""
        assert client.session.identity.anonymous

    def test_who_am_i_answers_the_name(self, client):
        assert client.result(asking.extended(1, "1.3.6.1.4.1.4203.1.11.3")).value == b""
        client.log_in()
        assert client.result(asking.extended(2, "1.3.6.1.4.1.4203.1.11.3")).value == b"dn:" + ADMIN.encode()


class TestStreams:
    ONE = responses.search_entry(5, b"cn=x", b"")
    DONE = responses.result(5, responses.SEARCH_DONE, 0)

    def test_an_answer_in_chunks_is_sent_as_it_is_asked_for(self, client):
        client.directory.answers[5] = [self.ONE, b"", self.ONE + self.DONE]
        assert client.say(asking.search(5)) == self.ONE
        assert client.session.pending
        assert client.session.advance(0) == b""
        assert client.session.advance(0) == self.ONE + self.DONE
        assert client.rest() == b""
        assert client.session.idle
        assert client.directory.closed == [5]

    def test_requests_behind_a_stream_wait_for_its_end(self, client):
        client.directory.answers[5] = [self.ONE, self.DONE]
        data = client.say(asking.search(5), asking.search(6))
        assert data == self.ONE
        assert client.say(asking.search(7)) == b""
        assert asking.codes(data + client.rest()) == [(5, 0), (6, 0), (7, 0)]

    def test_abandon_stops_the_work_and_nothing_more_is_sent_for_it(self, client):
        client.directory.answers[5] = [self.ONE] * 50 + [self.DONE]
        client.say(asking.search(5))
        assert client.say(asking.abandon(6, 5), asking.search(7)) == responses.result(
            7, responses.SEARCH_DONE, 0
        )
        assert client.directory.closed == [5]
        assert client.session.idle

    def test_abandon_of_a_request_that_waits_removes_it(self, client):
        client.directory.answers[5] = [self.ONE, self.DONE]
        client.say(asking.search(5), asking.search(6), asking.search(7))
        assert client.say(asking.abandon(8, 6)) == b""
        assert asking.codes(client.rest()) == [(5, 0), (7, 0)]

    def test_abandon_of_what_is_unknown_is_silent(self, client):
        assert client.say(asking.abandon(2, 1)) == b""
        assert client.session.idle
        client.directory.answers[5] = [self.ONE, self.DONE]
        client.say(asking.search(5))
        assert client.say(asking.abandon(6, 77)) == b""
        assert client.rest() == self.DONE

    def test_a_bind_is_not_abandoned(self, client):
        client.say(asking.bind(1, USER, "pw"))
        client.say(asking.abandon(2, 1))
        assert asking.codes(client.session.resume(True, 0)) == [(1, 0)]

    def test_unbind_during_a_stream_ends_both(self, client):
        client.directory.answers[5] = [self.ONE] * 50
        client.say(asking.search(5))
        assert client.say(asking.unbind()) == b""
        assert client.session.closing
        assert client.directory.closed == [5]

    def test_losing_the_connection_closes_the_stream(self, client):
        client.directory.answers[5] = [self.ONE] * 50
        client.say(asking.search(5))
        client.session.close()
        assert client.directory.closed == [5]
        assert not client.session.pending

    def test_trouble_in_the_middle_of_a_stream_ends_it_with_its_code(self, client):
        client.directory.answers[5] = [self.ONE, Unavailable("the index moved")]
        client.say(asking.search(5), asking.search(6))
        assert asking.codes(client.rest()) == [(5, 51), (6, 0)]

    def test_many_streams_that_fail_at_once_need_no_stack(self, client):
        for number in range(1, 3001):
            client.directory.answers[number] = [Unavailable("no")]
        data = client.say(*(asking.search(number) for number in range(1, 3001)))
        assert len(asking.codes(data + client.rest())) == 3000

    def test_a_stream_is_observed_to_its_end_and_so_is_an_abandoned_one(self):
        client = Client(observe_operations=True)
        client.directory.answers[5] = [self.ONE, self.DONE]
        client.say(asking.search(5))
        client.rest()
        assert client.watching.seen == [(5, self.ONE, False), (5, self.DONE, False), (5, b"", True)]
        client.watching.seen.clear()
        client.directory.answers[6] = [self.ONE] * 3
        client.say(asking.search(6))
        client.say(asking.abandon(7, 6))
        assert client.watching.seen[-1] == (6, b"", True)


class TestControls:
    def test_an_unknown_critical_control_is_refused_and_another_ignored(self, client):
        refused = client.result(asking.search(1, sent=[Control("1.2.3.4", True)]))
        assert refused.code == 12
        assert "1.2.3.4" in refused.text
        assert client.directory.asked == []
        assert client.result(asking.search(2, sent=[Control("1.2.3.4")])).code == 0

    def test_known_ones_are_the_directory_s_business(self, client):
        sent = [Control(controls.MANAGE_DSA_IT, True), controls.paged_results(10, b"", True)]
        assert client.result(asking.search(1, sent=sent)).code == 0

    def test_paging_is_known_to_searches_alone(self, client):
        client.log_in()
        request = asking.message(2, ber.octets(b"cn=x", 0x4A), [controls.paged_results(10, b"", True)])
        assert client.result(request).code == 12

    def test_an_empty_list_of_controls_is_none(self, client):
        request = asking.search(1)
        whole = ber.sequence([request[2:], b"\xa0\x00"])
        assert client.result(whole).code == 0


class TestOtherOperations:
    @pytest.mark.parametrize("oid", ["1.2.3", "1.3.6.1.4.1.4203.1.11.99"])
    def test_an_unknown_extended_operation_is_named_in_the_refusal(self, client, oid):
        refused = client.result(asking.extended(1, oid, b"\x30\x00"))
        assert refused.code == 2
        assert oid in refused.text

    def test_start_tls_that_is_not_set_up_is_refused_and_the_connection_lives(self, client):
        assert client.result(asking.extended(1, "1.3.6.1.4.1.1466.20037")).code == 2
        assert client.result(asking.search(2)).code == 0

    @pytest.mark.parametrize(
        ("dn", "attribute", "value", "code"),
        [
            (PERSON, "cn", "HÉLÈNE  durand", 6),
            (PERSON, "2.5.4.3", "Hélène Durand", 6),
            (PERSON, "name", "Durand", 6),
            (PERSON, "cn", "Durand", 5),
            (PERSON, "mail", "x@y.fr", 16),
            (PERSON, "userPassword", "x", 16),
            (PERSON, "noSuchType", "x", 17),
            (PERSON, "*", "x", 17),
            ("cn=nobody,o=apicrypt,c=FR", "cn", "x", 32),
            ("cn=nobody,o=apicrypt,c=FR", "noSuchType", "x", 17),
            ("not a name", "cn", "x", 34),
            ("", "vendorName", "annuaire", 6),
            ("CN=subschema", "cn", "Subschema", 6),
        ],
    )
    def test_compare(self, client, dn, attribute, value, code):
        assert client.result(asking.compare(1, dn, attribute, value.encode())).code == code

    def test_compare_with_an_absent_entry_names_the_nearest_one(self, client):
        refused = client.result(asking.compare(1, "cn=a,ou=b,o=apicrypt,c=FR", "cn", b"x"))
        assert (refused.code, refused.matched) == (32, b"o=apicrypt,c=FR")


class TestFaults:
    @pytest.mark.parametrize(
        "noise",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET / HTTP/1.0\r\n\r\n",
            b"\xff" * 100,
            b"\x30\x80\x02\x01\x01",
            b"\x30\x84\x7f\xff\xff\xff",
            b"\x30\x05\x02\x01\x01\x63\x7f",
            asking.message(0, ber.tlv(0x60, b"\x02\x01\x03\x04\x00\x80\x00")),
            asking.search(0),
            responses.result(1, responses.SEARCH_DONE, 0),
        ],
        ids=lambda noise: noise[:12].hex(),
    )
    def test_what_is_no_request_gets_a_notice_and_the_end(self, client, noise):
        [answer] = asking.read(client.say(noise))
        assert answer.message_id == 0
        assert answer.operation.oid == "1.3.6.1.4.1.1466.20036"
        assert answer.operation.code == 2
        assert client.session.closing
        assert client.say(b"more") == b""
        assert client.say(asking.search(1)) == b""

    def test_what_came_whole_before_the_noise_is_answered(self, client):
        answers = asking.read(client.say(asking.search(1), b"GET / HTTP/1.0"))
        assert [answer.message_id for answer in answers] == [1, 0]

    def test_a_sound_structure_with_impossible_contents_is_answered_and_the_connection_lives(self, client):
        request = asking.search(1, scope=7)
        assert client.result(request).code == 2
        assert client.result(asking.search(2)).code == 0

    def test_a_filter_too_deep_is_refused_and_the_connection_lives(self):
        client = Client(bounds=Bounds(depth=10))
        deep = "(&" * 10 + "(cn=x)" + ")" * 10
        assert client.result(asking.search(1, deep)).code == 0
        deeper = "(&" * 11 + "(cn=x)" + ")" * 11
        assert client.result(asking.search(2, deeper)).code == 2
        assert not client.session.closing

    def test_a_message_above_the_limit_is_refused_by_its_length_alone(self):
        client = Client(message_max_anonymous=1000, message_max=100_000)
        client.log_in()
        assert client.result(asking.compare(2, PERSON, "cn", b"x" * 5000)).code == 5
        client.result(asking.bind(3))
        [answer] = asking.read(client.say(asking.compare(4, PERSON, "cn", b"x" * 5000)[:10]))
        assert answer.operation.oid == "1.3.6.1.4.1.1466.20036"

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (Unavailable("the index is being built"), 51),
            (NotFound("no"), 32),
            (Refused("no"), 50),
            (ZeroDivisionError("a secret"), 80),
        ],
    )
    def test_each_kind_of_trouble_has_its_code(self, client, error, code):
        client.directory.answers[1] = error
        result = client.result(asking.search(1))
        assert result.code == code
        assert "a secret" not in result.text
        assert client.watching.bugs == (code == 80)
        assert client.result(asking.search(2)).code == 0

    def test_a_disconnection_says_why(self, client):
        [answer] = asking.read(client.session.disconnect(52, "stopping"))
        assert (answer.operation.code, answer.operation.text) == (52, "stopping")
        assert client.session.closing


def test_the_root_dse_names_the_further_trees_to_who_reads_them_and_from_their_bind_on() -> None:
    client = Client()

    def contexts() -> list[bytes]:
        [entry, _] = asking.read(
            client.say(asking.search(7, base="", scope=0, attributes=("namingContexts",)))
        )
        return entry.operation.attributes["namingContexts"]

    assert contexts() == [b"o=apicrypt,c=FR"]
    client.say(asking.bind(1, USER, "pw"))
    client.session.resume(True, client.now)
    assert contexts() == [b"o=apicrypt,c=FR", FURTHER.encode()]
    client.say(asking.bind(2, USER, "wrong"))
    client.session.resume(False, client.now)
    assert contexts() == [b"o=apicrypt,c=FR"]


def test_who_acts_for_another_reads_the_root_dse_of_that_one() -> None:
    client = Client()
    client.log_in()
    for name, told in ((USER, 2), ("", 1)):
        control = Control(controls.PROXIED_AUTHORIZATION, True, f"dn:{name}".encode())
        request = asking.search(7, base="", scope=0, attributes=("namingContexts",), sent=(control,))
        [entry, _] = asking.read(client.say(request))
        assert len(entry.operation.attributes["namingContexts"]) == told


@pytest.mark.parametrize(
    "now",
    [
        None,
        Account(USER, Audience.APICRYPT, HASHES, uuid=b"another"),
        Account(USER, Audience.MSSANTE, HASHES),
        Account(USER, Audience.APICRYPT, HASHES, replicates=True),
    ],
    ids=["gone", "another of that name", "another audience", "other rights"],
)
def test_who_is_not_there_as_before_reads_no_more_until_they_bind(now: Account | None) -> None:
    client = Client()
    client.say(asking.bind(1, USER, "pw"))
    client.session.resume(True, client.now)
    found = client.directory.account
    client.directory.account = lambda name: now
    assert client.result(asking.search(2)).code == 0  # not looked at each time
    client.now += LOOK_SECONDS
    for request in (asking.search(3), asking.compare(4, PERSON, "cn", b"x"), asking.search(5)):
        refused = client.result(request)
        assert (refused.code, refused.text) == (50, GONE)
    client.directory.account = found
    assert client.result(asking.search(6)).code == 0
    client.directory.account = lambda name: now
    assert client.result(asking.bind(7, "", "")).code == 0
    assert client.result(asking.search(8)).code == 0


def test_nobody_is_gone_while_there_is_no_index() -> None:
    client = Client()
    client.say(asking.bind(1, USER, "pw"))
    client.session.resume(True, client.now)

    def away(name: str) -> None:
        raise Unavailable("busy", "no index")

    client.directory.account = away
    client.now += LOOK_SECONDS
    assert client.result(asking.search(2)).code == 0
