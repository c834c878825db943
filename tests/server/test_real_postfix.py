"""A real Postfix, configured by the lines of fixtures/postfix, beside a real annuaire: what passes, under which
addresses, by which way, and what is told to whom. Mail ends in sinks that remember it.

Clients of 127.0.0.2 are machines of the sphere (mynetworks, own_networks), those of 127.0.0.3 are outside; operators
are told by their certificates. Every reply and address is written here by hand.
"""

import contextlib
import itertools
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import certificates_for_mail
import mail_server
import pytest
import serving
from benchmark.servers import free_port
from mail_server import SNIPPETS, Postfix
from mail_sink import Arrived, Sink

FIXTURES = SNIPPETS.parent
pytestmark = pytest.mark.skipif(bool(mail_server.missing()), reason=mail_server.missing())

# Names of certificates as fixtures/liste_blanche lists them.
CH, DGS, CLINIC = "mss1.ch-exemple.example", "mta1.operateur-c.example", "smtp.uc-cmp.example"
NUMBERS = itertools.count(1)
OWN, OUTSIDE = "127.0.0.2", "127.0.0.3"
ELSEWHERE = "127.0.0.4"  # no address of the Postfix, which would say that mail to it loops

JEAN = "jean.DUPONT@medical59.apicrypt.org"
JEAN_INTEROP = "jean.dupont@interop-mssante.apicrypt.org"
ROSE = "rose.LEROUX@medical59.apicrypt.org"  # liste rouge
ROSE_INTEROP = "rose.leroux@interop-mssante.apicrypt.org"
MARIE = "marie.MARTIN@medical59.apicrypt.org"  # interop off
MARIE_INTEROP = "marie.martin@interop-mssante.apicrypt.org"
YVES = "yves.ANCIEN@medical62.apicrypt.org"  # V1
PAUL = "paul.PAUSE@medical59.apicrypt.org"  # suspended
PAUL_INTEROP = "paul.pause@interop-mssante.apicrypt.org"
EVE = "eve.ECHUE@medical59.apicrypt.org"  # keys long past
LEA = "lea.SECRET@medical59.apicrypt.org"  # secretary: no profession
NOBODY, NOBODY_INTEROP = "nobody@medical59.apicrypt.org", "nobody@interop-mssante.apicrypt.org"
DOCTOR, NURSE = "l.durand@ch-exemple.mssante.fr", "s.petit@ch-exemple.mssante.fr"
OTHER_DOCTOR = "a.roche@medecin.mssante.fr"  # of an operator whose certificate our sink does not have
ALERTS = "urgence@dgs.mssante.fr"
STRANGER = "who@example.org"


def account(mail: str, version: int, interop: str, *more: str) -> str:
    uid = mail.split("@")[0].lower()
    return "\n".join(
        [
            f"dn: uid={uid},ou=apicrypt,{serving.SUFFIX}",
            *("objectClass: inetOrgPerson", "objectClass: apicryptUtilisateur"),
            *(f"uid: {uid}", f"cn: {uid}", f"sn: {uid.split('.')[1]}", f"givenName: {uid.split('.')[0]}"),
            *(f"mail: {mail}", f"apicryptVersion: {version}"),
            *([f"apicryptInteropMail: {interop}"] if interop else []),
            *more,
            "",
        ]
    )


ON, OFF, DOCTORS = "apicryptInterop: TRUE", "apicryptInterop: FALSE", "profession: 10"
PEOPLE = "\n".join(
    [
        account(JEAN, 2, JEAN_INTEROP, ON, DOCTORS),
        account(ROSE, 2, ROSE_INTEROP, ON, DOCTORS, "listeRouge: TRUE"),
        account(MARIE, 2, MARIE_INTEROP, OFF, DOCTORS),
        account(YVES, 1, "", OFF, DOCTORS),
        account(PAUL, 2, PAUL_INTEROP, ON, DOCTORS, "apicryptEtat: suspendu"),
        account(EVE, 2, "", OFF, DOCTORS, "apicryptFinValidite: 20190131230000Z"),
        account(LEA, 2, "", OFF),
    ]
)


class System(NamedTuple):
    """All that a test talks to."""

    annuaire: serving.Server
    postfix: Postfix
    submission: int
    v1: Sink
    v2: Sink
    trust: Sink  # the rest of the trust space

    @property
    def tls(self) -> Path:
        return self.postfix.folder / "tls"

    @contextlib.contextmanager
    def connected(self, source: str = OUTSIDE, certificate: str = "") -> Iterator[smtplib.SMTP]:
        with smtplib.SMTP(
            "127.0.0.1", self.postfix.port, "client.example", timeout=20, source_address=(source, 0)
        ) as client:
            if certificate:
                client.starttls(context=certificates_for_mail.client(self.tls, certificate))
            client.ehlo()
            yield client

    @contextlib.contextmanager
    def logged_in(self, login: str) -> Iterator[smtplib.SMTP]:
        with smtplib.SMTP(
            "127.0.0.1", self.submission, "client.example", timeout=20, source_address=(OUTSIDE, 0)
        ) as client:
            client.starttls(context=certificates_for_mail.client(self.tls, ""))
            client.login(login, "secret")
            yield client


def asked(client: smtplib.SMTP, sender: str, recipient: str) -> str:
    """What is replied to one recipient, without sending anything."""
    client.rset()
    code, text = client.docmd("MAIL", f"FROM:<{sender}>")
    if code == 250:
        code, text = client.docmd("RCPT", f"TO:<{recipient}>")
    return f"{code} {text.decode()}"


def sent(client: smtplib.SMTP, sender: str, *recipients: str, headers: str = "") -> str:
    """Send a message that must be taken for all of them; its subject."""
    subject = f"essai {next(NUMBERS)}"
    client.rset()
    assert client.mail(sender)[0] == 250
    for recipient in recipients:
        code, text = client.rcpt(recipient)
        assert code == 250, (recipient, text)
    shown = f"From: {sender}\r\nTo: {', '.join(recipients)}\r\nSubject: {subject}\r\n{headers}\r\nBonjour\r\n"
    assert client.data(shown)[0] == 250
    return subject


def envelope(arrived: Arrived) -> tuple[str, list[str]]:
    return arrived.sender, arrived.recipients


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Postfix with the socketmap tables, and senders rewritten in a queue of their own."""
    with system(tmp_path_factory.mktemp("mail"), "main.cf", "master.cf") as running:
        yield running


@contextlib.contextmanager
def system(folder: Path, main: str, master: str, **variables: str) -> Iterator[System]:
    with contextlib.ExitStack() as stack:
        port, submission = free_port(), free_port()
        again, policy, socketmap, ldap = (free_port() for _ in range(4))
        folder_of_tls = folder / "tls"
        certificates_for_mail.make(folder_of_tls, (CH, DGS, CLINIC))
        v1, v2, trust = Sink(), Sink(), Sink(ELSEWHERE, certificates_for_mail.server(folder_of_tls, CH))
        for sink in (v1, v2, trust):
            stack.callback(sink.close)
        way_out = f"mssante:[127.0.0.1]:{again}" if master == "master.cf" else "mssante:"
        annuaire = serving.Server(
            folder / "var",
            ANNUAIRE_LISTEN_LDAP=f"tcp:{ldap}:interface=127.0.0.1",
            ANNUAIRE_LISTEN_POLICY=f"tcp:{policy}:interface=127.0.0.1",
            ANNUAIRE_LISTEN_SOCKETMAP=f"tcp:{socketmap}:interface=127.0.0.1",
            ANNUAIRE_ROUTING_OWN_NETWORKS=f'["{OWN}/32"]',
            ANNUAIRE_ROUTING_REQUIRE_CERTIFICATE="true",
            ANNUAIRE_ROUTING_TRANSPORT_MSSANTE=way_out,
            ANNUAIRE_ROUTING_TRANSPORT_V1=f"apicrypt1:[127.0.0.1]:{v1.port}",
            ANNUAIRE_ROUTING_TRANSPORT_V2=f"apicrypt2:[127.0.0.1]:{v2.port}",
            **variables,
        )
        (folder / "people.ldif").write_text(PEOPLE)
        for command in (
            ("import", str(folder / "people.ldif")),
            ("liste-blanche", "load", str(FIXTURES / "liste_blanche/signed.xml"), "--unsigned"),
            ("account", "add", "postfix", "--audience", "routage", "--password-stdin"),
        ):
            done = annuaire.annuaire(*command, input="secret\n")
            assert done.returncode == 0, done.stderr
        postfix = Postfix(
            port,
            f"{OWN}/32",
            (SNIPPETS / main).read_text(),
            (SNIPPETS / master).read_text(),
            folder_of_tls,
            ELSEWHERE,
            ("ch-exemple.mssante.fr", "medecin.mssante.fr"),
            trust.port,
            {
                "127.0.0.1:10040": f"127.0.0.1:{policy}",
                "127.0.0.1:10041": f"127.0.0.1:{socketmap}",
                "127.0.0.1:10026": f"127.0.0.1:{again}",
                "submission inet": f"{submission} inet",
            },
        )
        annuaire.start()
        stack.callback(annuaire.stop)
        stack.callback(postfix.stop)
        postfix.start()
        yield System(annuaire, postfix, submission, v1, v2, trust)


class TestInsideTheSphere:
    @pytest.mark.parametrize(
        ("sender", "recipient", "delivered", "version"),
        [
            (JEAN, MARIE, MARIE, 2),
            (JEAN, YVES, YVES, 1),
            (YVES, JEAN, JEAN, 2),
            (LEA, ROSE, ROSE, 2),
            (MARIE, JEAN_INTEROP, JEAN, 2),
            (YVES, ROSE_INTEROP, ROSE, 2),
            (JEAN, MARIE_INTEROP, MARIE, 2),  # her flows are closed to others only
            (JEAN, "Marie.Martin+rdv@MEDICAL59.apicrypt.org", MARIE, 2),
            (JEAN, JEAN, JEAN, 2),
        ],
    )
    def test_colleagues_reach_each_other_by_native_addresses(
        self, tables: System, sender: str, recipient: str, delivered: str, version: int
    ) -> None:
        with tables.connected(OWN) as client:
            subject = sent(client, sender, recipient)
        arrived = (tables.v1 if version == 1 else tables.v2).took(subject)
        assert envelope(arrived) == (sender, [delivered])
        assert arrived.header("From") == sender

    @pytest.mark.parametrize(
        ("sender", "recipient", "reply"),
        [
            (JEAN, NOBODY, "550 5.1.1 "),
            (JEAN, NOBODY_INTEROP, "550 5.1.1 "),
            (JEAN, EVE, "550 5.2.1 "),
            (JEAN, PAUL, "550 5."),
            (PAUL, JEAN, "550 5."),
            (JEAN, STRANGER, "550 5.7.1 "),
        ],
    )
    def test_what_cannot_be_is_refused_with_its_reason(
        self, tables: System, sender: str, recipient: str, reply: str
    ) -> None:
        with tables.connected(OWN) as client:
            assert asked(client, sender, recipient).startswith(reply)

    def test_who_logs_in_writes_as_themselves_and_as_nobody_else(self, tables: System) -> None:
        with tables.logged_in(JEAN) as client:
            subject = sent(client, JEAN, YVES)
            assert envelope(tables.v1.took(subject)) == (JEAN, [YVES])
            assert asked(client, MARIE, YVES).startswith("553 5.7.1 ")
            assert asked(client, STRANGER, YVES).startswith("553 5.7.1 ")
        with tables.logged_in(JEAN_INTEROP) as client:
            assert asked(client, JEAN, YVES).startswith("250 ")


class TestToTheTrustSpace:
    def test_the_sender_gets_the_interop_address_and_nobody_else_does(self, tables: System) -> None:
        headers = f"Cc: Rose <{ROSE}>, {MARIE}\r\nReply-To: {JEAN}\r\nDisposition-Notification-To: {JEAN}\r\n"
        with tables.connected(OWN) as client:
            subject = sent(client, JEAN, DOCTOR, headers=headers)
        arrived = tables.trust.took(subject)
        assert envelope(arrived) == (JEAN_INTEROP, [DOCTOR])
        for name in ("From", "Reply-To", "Disposition-Notification-To"):
            assert arrived.header(name) == JEAN_INTEROP
        assert arrived.header("Cc") == f"Rose <{ROSE}>, {MARIE}"
        assert ROSE_INTEROP not in arrived.message.as_string()
        assert arrived.certificate == "mailin.interop-mssante.apicrypt.org"

    def test_one_message_to_both_sides_leaves_under_two_addresses(self, tables: System) -> None:
        with tables.connected(OWN) as client:
            subject = sent(client, JEAN, YVES, DOCTOR, ROSE_INTEROP, NURSE)
        assert envelope(tables.v1.took(subject)) == (JEAN, [YVES])
        inside = tables.v2.took(subject)
        assert (inside.sender, inside.header("From"), inside.recipients) == (JEAN, JEAN, [ROSE])
        assert envelope(tables.trust.took(subject)) == (JEAN_INTEROP, [DOCTOR, NURSE])

    def test_a_server_whose_certificate_is_not_listed_for_the_domain_gets_nothing(
        self, tables: System
    ) -> None:
        with tables.connected(OWN) as client:
            subject = sent(client, JEAN, OTHER_DOCTOR)
        until = time.monotonic() + 10
        while f"to=<{OTHER_DOCTOR}>" not in tables.postfix.log():
            assert time.monotonic() < until
            time.sleep(0.1)
        assert "Server certificate not verified" in tables.postfix.log()
        assert not tables.trust.has(subject)

    @pytest.mark.parametrize("sender", [MARIE, YVES, LEA, PAUL])
    def test_who_has_not_opened_the_flows_is_told_why(self, tables: System, sender: str) -> None:
        with tables.connected(OWN) as client:
            reply = asked(client, sender, DOCTOR)
        assert reply.startswith("550 5.7.13 " if sender == PAUL else "550 5.7.1 ")


class TestFromTheTrustSpace:
    @pytest.mark.parametrize(
        ("certificate", "sender"), [(CH, DOCTOR), (DGS, ALERTS), (CLINIC, "x@uc-cmp.mssante.fr"), (CH, "")]
    )
    @pytest.mark.parametrize(("recipient", "delivered"), [(JEAN_INTEROP, JEAN), (ROSE_INTEROP, ROSE)])
    def test_interop_addresses_are_reached_on_liste_rouge_or_not(
        self, tables: System, certificate: str, sender: str, recipient: str, delivered: str
    ) -> None:
        with tables.connected(OUTSIDE, certificate) as client:
            local, _, domain = recipient.partition("@")
            subject = sent(client, sender, f"{local.title()}+rdv@{domain.upper()}")
        arrived = tables.v2.took(subject)
        assert envelope(arrived) == (sender, [delivered])

    def test_everybody_else_does_not_exist_and_all_in_the_same_words(self, tables: System) -> None:
        """Native addresses, closed flows, suspended, unknown: one reply."""
        with tables.connected(OUTSIDE, CH) as client:
            replies = {
                asked(client, sender, recipient).replace(recipient, "…")
                for sender in (DOCTOR, "")
                for recipient in (JEAN, ROSE, YVES, NOBODY, MARIE_INTEROP, PAUL_INTEROP, NOBODY_INTEROP, EVE)
            }
        assert len(replies) == 1
        assert replies.pop().startswith("550 5.1.1 ")

    @pytest.mark.parametrize(
        ("certificate", "sender"),
        [
            ("", STRANGER),
            ("", ""),
            ("", DOCTOR),  # says so, without a certificate
            ("stranger", DOCTOR),  # the right name, signed by nobody that we know
            (CLINIC, DOCTOR),  # of another operator
            (CH, ALERTS),
            (DGS, "urgence@dgs.mssante.fr.evil.example"),
            (CH, "x@sub.ch-exemple.mssante.fr"),
        ],
    )
    def test_who_is_not_of_the_trust_space_is_told_only_that(
        self, tables: System, certificate: str, sender: str
    ) -> None:
        with tables.connected(OUTSIDE, certificate) as client:
            replies = {
                asked(client, sender, recipient).replace(recipient, "…")
                for recipient in (JEAN, JEAN_INTEROP, ROSE_INTEROP, NOBODY, NOBODY_INTEROP)
            }
        assert len(replies) == 1
        assert replies.pop().startswith("550 5.7.1 ")

    def test_our_addresses_are_not_for_others_to_write_from(self, tables: System) -> None:
        for sender in (JEAN, JEAN_INTEROP, NOBODY):
            with tables.connected(OUTSIDE) as client:
                assert asked(client, sender, YVES).startswith("550 5.7.1 ")
                assert asked(client, sender, DOCTOR).startswith("554 5.7.1 ")

    @pytest.mark.parametrize(
        "recipient", [STRANGER, DOCTOR, OTHER_DOCTOR, "x@sub.interop-mssante.apicrypt.org"]
    )
    def test_nobody_outside_is_relayed_for(self, tables: System, recipient: str) -> None:
        for certificate, sender in (("", STRANGER), (CH, DOCTOR)):
            with tables.connected(OUTSIDE, certificate) as client:
                assert asked(client, sender, recipient).startswith("554 5.7.1 ")

    @pytest.mark.parametrize(
        "path",
        [
            f"{JEAN}.",
            "jean.dupont%medical59.apicrypt.org@mailin.interop-mssante.apicrypt.org",
            "jean.dupont%medical59.apicrypt.org",
            "medical59.apicrypt.org!jean.dupont",
            '"jean.dupont@medical59.apicrypt.org"@mailin.interop-mssante.apicrypt.org',
            '"jean.dupont@medical59.apicrypt.org"',
            '"jean.dupont%medical59.apicrypt.org"@[127.0.0.1]',
            f"{JEAN}@",
            f"{JEAN}@mailin.interop-mssante.apicrypt.org",
            "jean.dupont@ medical59.apicrypt.org",
            "jean.dupont(x)@medical59.apicrypt.org",
            '"jean.dupont"@medical59.apicrypt.org',
            "jean.dupont@medical59\\.apicrypt.org",
            f"@ch-exemple.mssante.fr:{JEAN}",
            f"Jean <{JEAN}>",
            "jean.dupont+x@medical59.apicrypt.org",
        ],
    )
    def test_no_spelling_of_a_native_address_passes(self, tables: System, path: str) -> None:
        for certificate, sender in ((CH, DOCTOR), ("", STRANGER)):
            with tables.connected(OUTSIDE, certificate) as client:
                assert asked(client, sender, path)[0] == "5"


class TestTrouble:
    def test_without_annuaire_everything_comes_back_later_and_does(self, tables: System) -> None:
        """Never refused, never lost; and Postfix is told nothing when annuaire is there again."""
        with tables.connected(OWN) as client:
            assert asked(client, JEAN, YVES).startswith("250 ")
            tables.annuaire.stop()
            try:
                for source, certificate, sender, recipients in (
                    (OWN, "", JEAN, (YVES, DOCTOR, NOBODY, STRANGER)),
                    (OUTSIDE, CH, DOCTOR, (JEAN_INTEROP, NOBODY_INTEROP)),
                ):
                    with tables.connected(source, certificate) as other:
                        for recipient in recipients[:2]:
                            assert asked(other, sender, recipient).startswith("4"), recipient
                assert asked(client, JEAN, NOBODY).startswith("4")
            finally:
                tables.annuaire.start()
            until = time.monotonic() + 10
            while not (reply := asked(client, JEAN, YVES)).startswith("250 "):
                assert reply.startswith("4")
                assert time.monotonic() < until
                time.sleep(0.2)
            assert asked(client, JEAN, NOBODY).startswith("550 5.1.1 ")
