"""Who is asking, after anything that clients send in any order: a model of RFC 4513 §4 beside the session.

Nothing that one bind gave (a name, an audience, a transaction, a challenge) is there after another, or after TLS began.
"""

from dataclasses import replace

import asking
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from session_client import ADMIN, SCHEMA, USER, Client

from annuaire.domain.audience import NOBODY, Audience
from annuaire.ldap import ber, capabilities, tree
from annuaire.ldap.channel import Channel
from annuaire.ldap.controls import PROXIED_AUTHORIZATION, TRANSACTION
from annuaire.ldap.directory import Account
from annuaire.ldap.external import PROCESSES, External, process_name
from annuaire.ldap.messages import Control
from annuaire.ldap.sleeping import ASLEEP

PROCESS = process_name(7, 33)
SUBJECT = "CN=relais"
LINES = (f"gidNumber=33,{PROCESSES} apicrypt", f"{SUBJECT} -> {ADMIN}")
UNKNOWN = Control("1.2.3.4", True)
WRITE = asking.delete(5, "cn=x,ou=apicrypt,o=apicrypt,c=FR", [Control(TRANSACTION, True, b"1")])


class Connection:
    """A session, what is sent to it, and what it should think."""

    def __init__(self) -> None:
        self.client = Client(
            tree=tree.plant("o=apicrypt,c=FR", (), SCHEMA), start_tls=True, external=External(LINES, SCHEMA)
        )
        known = Account(USER, Audience.APICRYPT, (b"{SSHA}kept",))
        self.client.directory.account = lambda name: known if name == USER else None
        self.channel = Channel(Audience.PUBLIC, local=True, process=PROCESS)
        self.session.secured(self.channel)
        self.encrypted = False
        self.name = ""
        self.audience = Audience.APICRYPT  # the process's, without a bind
        self.transaction = False

    @property
    def session(self):
        return self.client.session

    def say(self, request: bytes) -> list:
        data = self.client.say(request)
        work = self.session.outside
        if work is not None:
            data += self.session.resume(work.password == b"right" and work.account is not None, 100.0)
        return asking.read(data + self.client.rest())

    def becomes(self, name: str, audience: Audience | None = None) -> None:
        self.name, self.transaction = name, False
        stranger = Audience.APICRYPT
        self.audience = stranger if audience is None else audience

    # ------------------------------------------------------------ what may be sent

    def administrator(self) -> None:
        self.say(asking.bind(1, ADMIN, "secret"))
        self.becomes(ADMIN, Audience.ADMIN)

    def user(self) -> None:
        self.say(asking.bind(1, USER, "right"))
        self.becomes(USER, Audience.APICRYPT)

    def stranger(self) -> None:
        self.say(asking.bind(1))
        self.becomes("")

    def external(self) -> None:
        self.say(asking.sasl(1, "EXTERNAL", b""))
        self.becomes(*((ADMIN, Audience.ADMIN) if self.channel.certificate else (PROCESS, Audience.APICRYPT)))

    def plain(self) -> None:
        self.say(asking.sasl(1, "PLAIN", b"\0%b\0right" % USER.encode()))
        self.becomes(USER, Audience.APICRYPT)

    def challenged(self) -> None:
        again = self.audience == NOBODY  # the first message once more is no last one
        code = self.say(asking.sasl(1, "SCRAM-SHA-256", b"n,,n=luc,r=abcdef"))[-1].operation.code
        assert code == (49 if again else 14)
        self.becomes("", None if again else NOBODY)

    @staticmethod
    def refused(request: bytes):
        def refuse(self: "Connection") -> None:
            assert self.say(request)[-1].operation.code not in (0, 14)
            self.becomes("")

        return refuse

    def tls(self) -> None:
        code = self.say(asking.extended(1, capabilities.START_TLS))[-1].operation.code
        if self.encrypted or self.audience == NOBODY:
            assert code == 1
            return
        assert code == 0
        self.encrypted = True
        self.session.secured(replace(self.session.channel, encrypted=True))
        self.becomes("")

    def certified(self) -> None:
        before = self.encrypted
        self.channel = self.channel if before else replace(self.channel, certificate=SUBJECT)
        if before or self.audience == NOBODY:
            self.tls()
            return
        assert self.say(asking.extended(1, capabilities.START_TLS))[-1].operation.code == 0
        self.encrypted = True
        self.session.secured(replace(self.session.channel, encrypted=True, certificate=SUBJECT))
        self.becomes("")

    def starts(self) -> None:
        code = self.say(asking.extended(1, capabilities.TRANSACTION_START))[-1].operation.code
        if code == 0:
            assert self.name
            self.transaction = True

    def writes(self) -> None:
        self.say(WRITE)

    def ends(self) -> None:
        """Given up, so that nothing is handed over."""
        value = ber.sequence([ber.boolean(False), ber.octets(b"1")])
        self.say(asking.extended(1, capabilities.TRANSACTION_END, value))
        self.transaction = bool(self.session.transactions._open)

    def waits(self) -> None:
        self.client.directory.answers[9] = [b"", ASLEEP, b""]
        self.client.say(asking.search(9))
        self.client.rest()
        self.say(asking.abandon(10, 9))

    # ------------------------------------------------------------ what must hold

    def check(self) -> None:
        session = self.session
        assert not session.closing
        assert (session.identity.dn, session.audience) == (self.name, self.audience)
        assert bool(session.transactions._open) == self.transaction
        assert session.transactions._octets == 0 or self.transaction
        assert (session._challenge is not None) == (self.audience == NOBODY)
        [answer] = self.say(asking.extended(8, capabilities.WHO_AM_I))
        assert answer.operation.value == (f"dn:{self.name}".encode() if self.name else b"")
        self.client.directory.asked.clear()
        self.say(asking.search(7))
        assert self.client.directory.asked == ([] if self.audience == NOBODY else [(7, self.audience)])
        assert self.client.watching.bugs == 0


REFUSED = (
    asking.bind(1, ADMIN, "wrong"),
    asking.bind(1, USER, "wrong"),
    asking.bind(1, USER, ""),
    asking.bind(1, "", "x"),
    asking.bind(1, "cn=nobody", "right"),
    asking.bind(1, USER, "right", version=4),
    asking.bind(1, ADMIN, "secret", sent=[UNKNOWN]),
    asking.bind(1, ADMIN, "secret", version=200),
    asking.message(1, ber.tlv(0x60, ber.integer(3) + ber.octets(b"") + ber.tlv(0xA3, ber.octets(b"\xff")))),
    asking.sasl(1, "GSSAPI", b"x"),
    asking.sasl(1, "", b""),
    asking.sasl(1, "PLAIN", b"\0a\0b\0c"),
    asking.sasl(1, "EXTERNAL", b"dn:cn=nobody"),
    asking.sasl(1, "SCRAM-SHA-256", b"p=tls-exporter,,n=luc,r=abcdef"),
    asking.sasl(1, "SCRAM-SHA-256", b"c=biws,r=abcdef,p=AAAA"),
)
STEPS = [
    *[Connection.administrator, Connection.user, Connection.stranger, Connection.external, Connection.plain],
    *[Connection.challenged, Connection.tls, Connection.certified, Connection.starts, Connection.writes],
    *[Connection.ends, Connection.waits],
    *[Connection.refused(request) for request in REFUSED],
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=12))
def test_a_connection_is_whom_its_last_bind_made_it(steps):
    connection = Connection()
    connection.check()
    for step in steps:
        if connection.audience == NOBODY and step in (Connection.starts, Connection.writes, Connection.ends):
            continue  # out of order between two steps of a bind, and refused
        step(connection)
        connection.check()


@pytest.mark.parametrize(
    "over",
    [
        asking.bind(3, ADMIN, "wrong"),
        asking.bind(3, ADMIN, "secret", sent=[UNKNOWN]),
        asking.bind(3, ADMIN, "secret", version=200),
        asking.extended(3, capabilities.START_TLS),
    ],
)
def test_what_an_administrator_began_is_ended_by_nobody_else(over):
    connection = Connection()
    connection.administrator()
    connection.starts()
    assert connection.say(WRITE)[-1].operation.code == 0
    notice, _ = connection.say(over)
    assert (notice.message_id, notice.operation.oid) == (0, capabilities.TRANSACTION_ABORTED)
    if connection.session.starting_tls:
        connection.session.secured(replace(connection.session.channel, encrypted=True))
    value = ber.sequence([ber.octets(b"1")])
    ended = connection.say(asking.extended(4, capabilities.TRANSACTION_END, value))[-1].operation
    assert (ended.code, ended.text) == (53, "there is no such transaction")
    assert connection.session.outside is None


@pytest.mark.parametrize(
    ("before", "request_", "known"),
    [
        (None, asking.sasl(1, "EXTERNAL", b"u:autre@exemple.fr"), []),
        (None, asking.sasl(1, "EXTERNAL", b"dn:uid=autre,ou=comptes,o=apicrypt,c=FR"), []),
        (None, asking.sasl(1, "PLAIN", b"u:autre\0%b\0right" % USER.encode()), [USER]),
        (None, asking.sasl(1, "SCRAM-SHA-256", b"n,,n=uid=3Dautre=2Cou=3Dcomptes,r=abcdef"), []),
        (Connection.challenged, asking.sasl(1, "SCRAM-SHA-256", b"c=biws,r=abcdef,p=AAAA"), []),
        (
            Connection.user,
            asking.extended(
                1, capabilities.PASSWORD_MODIFY, ber.sequence([ber.octets(b"u:autre@exemple.fr", 0x80)])
            ),
            [],
        ),
        (
            Connection.user,
            asking.search(1, sent=[Control(PROXIED_AUTHORIZATION, True, b"u:autre@exemple.fr")]),
            [],
        ),
    ],
)
def test_nobody_looks_others_up_as_often_as_they_like(before, request_, known):
    """How long it takes to find somebody tells that there is somebody, whatever is answered."""
    connection = Connection()
    if before is not None:
        before(connection)
    found: list[str] = []
    answers = connection.client.directory.account
    connection.client.directory.account = lambda name: found.append(name) or answers(name)
    connection.say(request_)
    assert found == known
    assert connection.client.directory.asked == []
