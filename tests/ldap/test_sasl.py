"""SASL binds and StartTLS as bytes in, bytes out: steps, order, names, and what strangers may learn."""

import base64
from dataclasses import replace

import asking
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scram_client import Scram
from session_client import ADMIN, PERSON, SCHEMA, USER, Client, key

from annuaire.domain import scram
from annuaire.domain.audience import NOBODY, Audience
from annuaire.ldap import capabilities, tree
from annuaire.ldap.channel import Channel
from annuaire.ldap.directory import Account
from annuaire.ldap.external import PROCESSES, External, process_name

SECRET = b"un-mot-de-passe"
SERVER_SECRET = b"of the server"
KEPT = (b"{SSHA}kept", scram.made(SECRET, scram.salt(key(USER), SERVER_SECRET)))
MAIL = "luc@medical59.apicrypt.org"
CLEAR = Channel()
TLS = Channel(encrypted=True, binding={"tls-exporter": b"this channel"}.get)
ROOT = Channel(local=True, process=process_name(0, 0))
SHOWN = replace(TLS, certificate="CN=relais.exemple,O=Exemple,C=FR")
LINES = (
    "CN=relais.exemple mssante",
    f"CN=compte.exemple -> {USER}",
    f"CN=chef.exemple -> {ADMIN}",
    "CN=fort admin",
    f"uidNumber=0,{PROCESSES} -> {ADMIN}",
    f"gidNumber=33,{PROCESSES} mssante",
)


def client_on(channel: Channel, **settings) -> Client:
    client = Client(
        tree=tree.plant("o=apicrypt,c=FR", (), SCHEMA),
        secret=SERVER_SECRET,
        start_tls=True,
        external=External(LINES, SCHEMA),
        **settings,
    )
    known = Account(USER, Audience.APICRYPT, KEPT)
    client.directory.account = lambda name: known if name.lower() in (USER.lower(), MAIL) else None
    client.directory.is_of = lambda wanted, name: (wanted, name.lower()) == (key(USER), MAIL)
    client.session.secured(channel)
    return client


def plain(name: str, secret: bytes | str = SECRET, authzid: str = "") -> bytes:
    secret = secret.encode() if isinstance(secret, str) else secret
    return asking.sasl(1, "PLAIN", b"\0".join((authzid.encode(), name.encode(), secret)))


def verified(client: Client, request: bytes) -> int:
    """The code that ends a bind, its password verified as the server would."""
    data = client.say(request)
    work = client.session.outside
    if work is not None:
        assert data == b""
        data = client.session.resume(work.password == SECRET and work.account is not None, client.now)
    [(_, code)] = asking.codes(data)
    return code


def last(client: Client, request: bytes):
    return asking.read(client.say(request))[-1].operation


class TestWhatIsOffered:
    @pytest.mark.parametrize(
        ("channel", "mechanisms"),
        [
            (CLEAR, ("SCRAM-SHA-256",)),
            (Channel(local=True), ("SCRAM-SHA-256", "PLAIN")),
            (TLS, ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN")),
            (SHOWN, ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN", "EXTERNAL")),
            (replace(TLS, certificate="CN=autre"), ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN")),
            (ROOT, ("SCRAM-SHA-256", "PLAIN", "EXTERNAL")),
            (Channel(local=True, process=process_name(1, 1)), ("SCRAM-SHA-256", "PLAIN")),
        ],
    )
    def test_the_root_dse_tells_what_works_on_this_connection(self, channel, mechanisms):
        client = client_on(channel)
        told = asking.read(client.say(asking.search(1, base="", scope=0, attributes=["+"])))[0].operation
        offered = [one.decode() for one in told.attributes["supportedSASLMechanisms"]]
        assert tuple(offered) == mechanisms
        for mechanism in (
            "SCRAM-SHA-256",
            "SCRAM-SHA-256-PLUS",
            "PLAIN",
            "EXTERNAL",
            "GSSAPI",
            "",
            "scram-sha-256",
        ):
            code = last(client, asking.sasl(2, mechanism)).code
            assert (code in (0, 14)) == (mechanism in offered), mechanism
        for mechanism in ("PLAIN", "EXTERNAL"):
            asked = asking.compare(3, "", "supportedSASLMechanisms", mechanism.encode())
            assert last(client, asked).code == (6 if mechanism in offered else 5)
        extensions = {one.decode() for one in told.attributes["supportedExtension"]}
        assert (capabilities.START_TLS in extensions) == (not channel.encrypted)

    @pytest.mark.parametrize(
        ("channel", "mechanism", "code"),
        [
            (CLEAR, "PLAIN", 13),
            (CLEAR, "EXTERNAL", 7),
            (CLEAR, "SCRAM-SHA-256-PLUS", 7),
            (TLS, "EXTERNAL", 48),
            (TLS, "CRAM-MD5", 7),
        ],
    )
    def test_what_does_not_work_is_told_why(self, channel, mechanism, code):
        assert last(client_on(channel), asking.sasl(1, mechanism, b"")).code == code

    def test_ldap_version_2_knows_no_sasl(self):
        from annuaire.ldap import ber

        method = ber.tlv(0xA3, ber.octets(b"PLAIN"))
        request = asking.message(1, ber.tlv(0x60, ber.integer(2) + ber.octets(b"") + method))
        assert last(client_on(TLS), request).code == 2


class TestPlain:
    @pytest.mark.parametrize("name", [USER, MAIL, f"dn:{USER}", f"u:{MAIL}", "luc", "u:luc"])
    def test_every_name_of_an_account_logs_in(self, name):
        client = client_on(TLS)
        assert verified(client, plain(name)) == 0
        assert client.session.identity.key == key(USER)
        assert client.session.audience == Audience.APICRYPT

    @pytest.mark.parametrize(
        ("credentials", "code"),
        [
            (b"", 49),
            (b"\0\0", 49),
            (b"name", 49),
            (b"\0name", 49),
            (b"\0name\0a\0b", 49),
            (b"\0\0secret", 49),
            (b"\0" + USER.encode() + b"\0", 53),
            (b"\0" + USER.encode() + b"\0wrong", 49),
            (b"\0nobody\0" + SECRET, 49),
            (b"\0\xff\xfe\0" + SECRET, 49),
            (b"\0" + b"a" * 3000 + b"\0" + SECRET, 49),
            (b"\0a\0" + b"s" * 20_000, 49),
        ],
    )
    def test_what_is_no_name_and_password_leaves_a_stranger(self, credentials, code):
        client = client_on(TLS)
        assert verified(client, asking.sasl(1, "PLAIN", credentials)) == code
        assert client.session.identity.anonymous
        assert not client.session.closing

    def test_the_credentials_may_come_in_a_step_of_their_own(self):
        client = client_on(TLS)
        assert last(client, asking.sasl(1, "PLAIN")).code == 14
        assert verified(client, plain(USER)) == 0

    @pytest.mark.parametrize(
        ("name", "authzid", "code", "becomes"),
        [
            (USER, f"dn:{USER.upper()}", 0, USER),
            (USER, f"u:{MAIL}", 0, USER),
            (USER, f"dn:{ADMIN}", 49, ""),
            (USER, "dn:", 49, ""),
            (USER, "luc", 49, ""),  # RFC 4513 §5.2.1.8: dn: or u:
            (USER, "u:nobody", 49, ""),
            (ADMIN, f"u:{MAIL}", 0, USER),
            (ADMIN, f"dn:{ADMIN}", 0, ADMIN),
            (ADMIN, "u:nobody", 49, ""),
        ],
    )
    def test_people_act_for_themselves_and_administrators_for_anybody(self, name, authzid, code, becomes):
        client = client_on(TLS)
        secret = b"secret" if name == ADMIN else SECRET
        assert verified(client, plain(name, secret, authzid)) == code
        assert client.session.identity.dn == becomes
        # The journal has both.
        assert client.session.identity.bound == (ADMIN if (name, becomes) == (ADMIN, USER) else "")


class TestExternal:
    def external(self, subject: str, credentials: bytes | None = b"") -> Client:
        client = client_on(replace(TLS, certificate=subject))
        self.code = last(client, asking.sasl(1, "EXTERNAL", credentials)).code
        return client

    def test_a_certificate_stands_for_an_audience(self):
        client = self.external("CN=relais.exemple,C=FR")
        assert self.code == 0
        assert client.session.audience == Audience.MSSANTE
        assert client.session.identity.dn == "CN=relais.exemple,C=FR"
        answer = last(client, asking.extended(2, capabilities.WHO_AM_I))
        assert answer.value == b"dn:CN=relais.exemple,C=FR"

    def test_a_certificate_stands_for_an_account(self):
        assert self.external("CN=compte.exemple").session.identity.key == key(USER)
        assert self.external("CN=chef.exemple").session.audience == Audience.ADMIN

    @pytest.mark.parametrize("subject", ["CN=autre", USER, ADMIN])
    def test_any_other_certificate_stands_for_nobody(self, subject):
        client = self.external(subject)
        assert self.code == 49
        assert client.session.identity.anonymous
        assert client.session.audience == Audience.PUBLIC

    def test_who_is_acted_for_is_looked_at(self):
        self.external("CN=compte.exemple", f"dn:{USER}".encode())
        assert self.code == 0
        self.external("CN=relais.exemple,C=FR", b"dn:cn=RELAIS.exemple,c=fr")
        assert self.code == 0
        self.external("CN=relais.exemple", f"dn:{USER}".encode())
        assert self.code == 49
        assert self.external("CN=chef.exemple", f"dn:{USER}".encode()).session.identity.key == key(USER)

    def test_a_certificate_for_an_audience_counts_before_any_bind_but_not_for_administrators(self):
        for subject, audience in (
            ("CN=relais.exemple", Audience.MSSANTE),
            ("CN=compte.exemple", Audience.PUBLIC),
            ("CN=fort", Audience.PUBLIC),
            ("CN=autre", Audience.PUBLIC),
        ):
            client = client_on(replace(TLS, certificate=subject), anonymous=Audience.PUBLIC)
            assert client.session.audience == audience
            assert client.session.identity.anonymous
            assert client.result(asking.bind(1)).code == 0
            assert client.session.audience == audience
        assert last(client_on(replace(TLS, certificate="CN=fort")), asking.sasl(1, "EXTERNAL", b"")).code == 0


class TestLocalProcess:
    def test_a_process_stands_for_an_account_under_that_name(self):
        client = client_on(ROOT)
        assert client.session.identity.anonymous
        assert last(client, asking.sasl(1, "EXTERNAL")).code == 0
        assert client.session.audience == Audience.ADMIN
        assert last(client, asking.extended(2, capabilities.WHO_AM_I)).value == f"dn:{ADMIN}".encode()

    def test_a_process_stands_for_an_audience_under_its_own_name_with_and_without_a_bind(self):
        client = client_on(Channel(Audience.PUBLIC, local=True, process=process_name(7, 33)))
        assert client.session.audience == Audience.MSSANTE
        assert last(client, asking.sasl(1, "EXTERNAL", b"")).code == 0
        answer = last(client, asking.extended(2, capabilities.WHO_AM_I))
        assert answer.value == f"dn:{process_name(7, 33)}".encode()

    def test_any_other_stands_for_nobody_and_is_told_its_name(self):
        client = client_on(Channel(Audience.PUBLIC, local=True, process=process_name(1, 1)))
        assert verified(client, plain(USER)) == 0
        refused = last(client, asking.sasl(2, "EXTERNAL", f"dn:{ADMIN}".encode()))
        assert (refused.code, process_name(1, 1) in refused.text) == (49, True)
        assert client.session.identity.anonymous

    def test_who_is_acted_for_is_looked_at(self):
        client = client_on(ROOT)
        assert last(client, asking.sasl(1, "EXTERNAL", f"u:{MAIL}".encode())).code == 0
        assert client.session.identity.key == key(USER)
        client = client_on(Channel(local=True, process=process_name(7, 33)))
        assert last(client, asking.sasl(1, "EXTERNAL", f"u:{MAIL}".encode())).code == 49
        own = "cn=peercred , UIDNUMBER=7+gidnumber=33,cn=external,cn=auth"
        assert last(client, asking.sasl(1, "EXTERNAL", f"dn:{own}".encode())).code == 49
        own = f"dn:UIDNUMBER=7+gidnumber=33, {PROCESSES}"
        assert last(client, asking.sasl(1, "EXTERNAL", own.encode())).code == 0

    def test_it_stays_who_it_is_when_tls_begins(self):
        client = client_on(ROOT)
        client.session.secured(replace(client.session.channel, encrypted=True))
        assert last(client, asking.sasl(1, "EXTERNAL")).code == 0
        client.session.secured(replace(client.session.channel, certificate="CN=relais.exemple"))
        assert last(client, asking.sasl(2, "EXTERNAL")).code == 0
        assert client.session.audience == Audience.MSSANTE


class TestScram:
    @pytest.mark.parametrize("name", [USER, USER.upper(), f"dn:{USER}", "luc", "u:luc"])
    @pytest.mark.parametrize("channel", [CLEAR, TLS])
    def test_who_knows_the_password_logs_in_without_sending_it(self, channel, name):
        client = client_on(channel)
        theirs = Scram(client, name, SECRET)
        assert theirs.run() == 0
        assert theirs.server_is_known()
        assert client.session.identity.key == key(USER)

    def test_the_first_administrator_logs_in_too(self):
        client = client_on(CLEAR)
        assert Scram(client, ADMIN, b"secret").run() == 0
        assert client.session.audience == Audience.ADMIN

    def test_the_channel_may_be_bound(self):
        assert Scram(client_on(TLS), USER, SECRET, binding="tls-exporter", data=b"this channel").run() == 0
        assert Scram(client_on(TLS), USER, SECRET, binding="tls-exporter", data=b"another").run() == 49
        assert Scram(client_on(TLS), USER, SECRET, binding="tls-unique", data=b"").run() == 49
        # libsasl2 binds under the plain name as well.
        theirs = Scram(client_on(TLS), USER, SECRET, binding="tls-exporter", data=b"this channel")
        assert theirs.run("SCRAM-SHA-256") == 0

    def test_a_client_that_was_told_of_no_binding_is_warned(self):
        client = client_on(TLS)
        assert last(client, asking.sasl(1, "SCRAM-SHA-256", b"y,,n=luc,r=abc")).code == 49
        assert last(client_on(CLEAR), asking.sasl(1, "SCRAM-SHA-256", b"y,,n=luc,r=abc")).code == 14
        assert last(client, asking.sasl(1, "SCRAM-SHA-256-PLUS", b"n,,n=luc,r=abc")).code == 49

    @pytest.mark.parametrize("name", [USER, ADMIN, "nobody", "uid=nobody,o=x", "nobody@nowhere.example", "é"])
    def test_wrong_passwords_and_unknown_names_look_alike(self, name):
        first, again = Scram(client_on(CLEAR), name, b"wrong"), Scram(client_on(CLEAR), name, b"wrong")
        assert first.run() == again.run() == 49
        assert first.failure == again.failure == (49, "")
        assert first.said[b"s"] == again.said[b"s"]  # one name has one salt, whenever it is asked
        assert len(base64.b64decode(first.said[b"s"])) == 16
        assert Scram(client_on(CLEAR), f"{name}x", b"wrong").started().said[b"s"] != first.said[b"s"]

    @pytest.mark.parametrize(
        "kept",
        [
            None,
            (b"{SSHA}x",),
            KEPT,
            (scram.made(b"another", scram.salt(key(USER), SERVER_SECRET)),),
            (scram.made(SECRET, b"salt of elsewhere"),),
            (scram.made(SECRET, scram.salt(key(USER), SERVER_SECRET), 4096),),
        ],
    )
    def test_a_name_has_one_salt_whether_an_account_has_it_or_not_and_whatever_its_password(self, kept):
        """Note [A salt tells nothing]."""
        client = client_on(CLEAR)
        known = None if kept is None else Account(USER, Audience.APICRYPT, kept)
        client.directory.account = lambda name: known
        theirs = Scram(client, USER, SECRET)
        assert theirs.run() == (0 if kept == KEPT else 49)
        assert base64.b64decode(theirs.said[b"s"]) == scram.salt(key(USER), SERVER_SECRET)
        assert theirs.said[b"i"] == b"%d" % scram.ITERATIONS

    def test_two_names_of_one_account_have_two_salts_and_only_its_dn_logs_in(self):
        client = client_on(CLEAR)
        by_address, by_name = Scram(client, MAIL, SECRET), Scram(client, USER, SECRET)
        assert (by_address.run(), by_name.run()) == (49, 0)
        assert by_address.said[b"s"] != by_name.said[b"s"]
        spelled = Scram(client, MAIL.upper(), SECRET)
        spelled.run()
        assert spelled.said[b"s"] == by_address.said[b"s"]

    def test_wrong_proofs_are_counted_and_who_waits_is_not_let_in(self):
        client, counted = client_on(CLEAR), Counting()
        client.service.guesses = counted
        assert Scram(client, USER, b"wrong").run() == 49
        assert Scram(client, USER, b"wrong").run() == 49
        assert Scram(client, "nobody", b"wrong").run() == 49
        assert [what for what, _, _ in counted.told] == ["failed"] * 3
        assert Scram(client, USER, SECRET).run() == 0
        assert counted.told[-1][0] == "succeeded"
        counted.waiting = True
        assert Scram(client, USER, SECRET).run() == 49
        assert client.session.identity.anonymous

    def test_a_step_that_does_not_come_next_ends_the_exchange(self):
        for request in (asking.bind(5), asking.sasl(5, "?"), asking.sasl(5, "EXTERNAL", b"")):
            client = client_on(TLS)
            theirs = Scram(client, USER, SECRET).started()
            assert last(client, request).code != 14
            assert theirs.finish() == 49
            assert client.session.identity.anonymous

    def test_between_two_steps_only_a_bind_is_in_order(self):
        client = client_on(CLEAR, anonymous=Audience.APICRYPT)
        client.session.audience = Audience.APICRYPT
        theirs = Scram(client, USER, SECRET).started()
        for request in (
            asking.search(5),
            asking.compare(5, USER, "cn", b"x"),
            asking.delete(5, USER),
            asking.extended(5, capabilities.START_TLS),
        ):
            assert last(client, request).code == 1
        assert client.directory.asked == []
        assert last(client, asking.search(5, base="", scope=0)).code == 0
        assert theirs.finish() == 0
        assert client.session.audience == Audience.APICRYPT

    def test_a_proof_is_good_once(self):
        client = client_on(CLEAR)
        theirs = Scram(client, USER, SECRET)
        assert theirs.run() == 0
        assert theirs.finish() == 49

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN", "EXTERNAL", "?"]),
                st.one_of(
                    st.none(),
                    st.binary(max_size=60),
                    st.sampled_from(
                        [b"n,,n=luc,r=abc", b"p=tls-exporter,,n=luc,r=a", b"c=biws,r=abc,p=AAAA"]
                    ),
                ),
            ),
            max_size=6,
        )
    )
    def test_any_steps_are_answered_and_let_nobody_in(self, steps):
        client = client_on(TLS)
        for mechanism, credentials in steps:
            data = client.say(asking.sasl(1, mechanism, credentials))
            if client.session.outside is not None:
                data = client.session.resume(False, client.now)
            [(_, code)] = asking.codes(data)
            assert code in (7, 14, 48, 49, 53)
            assert client.session.identity.anonymous
            assert not client.session.closing


class Counting:
    """Notes what is told of each attempt."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bytes, bytes]] = []
        self.waiting = False

    def waits(self, name, client, now):
        return self.waiting

    def barred(self, name, client, now):
        return self.waiting

    def failed(self, name, client, password, now):
        self.told.append(("failed", name, password))

    def succeeded(self, name, client, now):
        self.told.append(("succeeded", name, b""))


class TestStartTls:
    def start(self, number: int = 1) -> bytes:
        return asking.extended(number, capabilities.START_TLS)

    def test_tls_begins_behind_its_answer_and_whoever_was_bound_is_forgotten(self):
        client = client_on(CLEAR)
        client.log_in()
        assert client.result(self.start(2)).code == 0
        assert client.session.starting_tls
        assert not client.session.idle
        client.session.secured(TLS)
        assert client.session.idle
        assert client.session.secure
        assert client.session.identity.anonymous
        assert client.result(self.start(3)).code == 1  # it is there already
        assert not client.session.starting_tls

    def test_where_it_is_not_set_up_the_connection_lives_on(self):
        client = Client()
        assert client.result(self.start()).code == 2
        assert client.result(asking.search(2)).code == 0

    def test_what_stands_behind_it_is_never_done(self):
        behind = asking.search(2) + asking.bind(3, ADMIN, "secret")
        for cut in (len(behind), 1, 7, len(asking.search(2))):
            client = client_on(CLEAR)
            data = client.say(self.start() + behind[:cut])
            answers = asking.read(data)
            assert [(one.message_id, one.operation.code) for one in answers] == [(1, 1), (0, 2)]
            assert client.session.closing
            assert not client.session.starting_tls
            assert client.say(behind[cut:]) == b""
            assert client.directory.asked == []

    def test_an_operation_outstanding_refuses_it(self):
        client = client_on(CLEAR)
        assert dict(asking.codes(client.say(asking.search(1), self.start(2)))) == {1: 0, 2: 1}
        client.say(asking.bind(3, USER, "x"))
        assert asking.codes(client.say(self.start(4))) == [(4, 1)]
        assert asking.codes(client.session.resume(True, client.now)) == [(3, 0)]
        assert not client.session.starting_tls
        assert client.result(self.start(5)).code == 0

    def test_a_value_or_a_critical_control_refuses_it(self):
        client = client_on(CLEAR)
        assert client.result(asking.extended(1, capabilities.START_TLS, b"x")).code == 2
        assert not client.session.starting_tls


class TestPasswordsInClear:
    def test_where_tls_is_required_no_password_is_looked_at_without_it(self):
        client = client_on(CLEAR, require_tls=True)
        name = "cn=x,ou=apicrypt,o=apicrypt,c=FR"
        assert client.result(asking.bind(1, ADMIN, "secret")).code == 13
        assert client.result(asking.bind(1, USER, "wrong")).code == 13
        assert client.session.outside is None
        assert client.result(asking.bind(1)).code == 0
        assert client.result(asking.search(1)).code == 0
        for described in ("userPassword", "USERPASSWORD;x-a", "2.5.4.35"):
            assert client.result(asking.modify(1, name, described, [b"x"])).code == 13
            assert client.result(asking.add(1, name, {described: [b"x"]})).code == 13
            assert client.result(asking.compare(1, name, described, b"x")).code == 13
            assert client.result(asking.compare(1, PERSON, described, b"x")).code == 13
        assert client.result(asking.modify(1, name, "cn", [b"x"])).code == 50
        assert client.result(asking.compare(1, PERSON, "sn", b"x")).code == 5
        # Who binds without sending it may do the rest.
        assert Scram(client, ADMIN, b"secret").run() == 0

    @pytest.mark.parametrize("channel", [TLS, Channel(local=True)])
    def test_tls_and_unix_sockets_are_safe(self, channel):
        client = client_on(channel, require_tls=True)
        assert client.result(asking.bind(1, ADMIN, "secret")).code == 0
        assert client.result(asking.compare(1, PERSON, "userPassword", b"x")).code == 16

    def test_a_stranger_is_whoever_the_channel_says(self):
        client = client_on(Channel(unbound=NOBODY))
        client.session._unbind()
        assert client.result(asking.bind(1)).code == 48
        assert client.result(asking.search(1)).code == 8
