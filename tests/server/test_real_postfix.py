"""A real Postfix, configured by the lines of fixtures/postfix, beside a real annuaire: what passes, under which
addresses, by which way, and what is told to whom. Mail ends in sinks that remember it.

Clients of 127.0.0.2 are machines of the sphere (mynetworks, own_networks), those of 127.0.0.3 are outside; operators
are told by their certificates. Every reply and address is written here by hand.
"""

import contextlib
import itertools
import os
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
from mail_server import SNIPPETS, Postfix, Surroundings
from mail_sink import Arrived, Sink
from waiting import until

FIXTURES = SNIPPETS.parent
# Where it must be there, tests fail without it.
REQUIRED = os.environ.get("ANNUAIRE_TEST_POSTFIX") == "required"
pytestmark = pytest.mark.skipif(bool(mail_server.missing()) and not REQUIRED, reason=mail_server.missing())

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
POSTMASTER = "postmaster@interop-mssante.apicrypt.org"


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
    ports: dict[str, int]
    postfix: Postfix
    v1: Sink
    v2: Sink
    trust: Sink  # the rest of the trust space

    @property
    def tls(self) -> Path:
        return self.postfix.folder / "tls"

    @contextlib.contextmanager
    def connected(self, source: str = OUTSIDE, certificate: str = "") -> Iterator[smtplib.SMTP]:
        with smtplib.SMTP(
            "127.0.0.1", self.postfix.port, "client.example", timeout=120, source_address=(source, 0)
        ) as client:
            if certificate:
                client.starttls(context=certificates_for_mail.client(self.tls, certificate))
            client.ehlo()
            yield client

    @contextlib.contextmanager
    def logged_in(self, login: str) -> Iterator[smtplib.SMTP]:
        with smtplib.SMTP(
            "127.0.0.1", self.ports["submission"], "client.example", timeout=120, source_address=(OUTSIDE, 0)
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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mail")
    certificates_for_mail.make(made / "tls", (CH, DGS, CLINIC))
    (made / "people.ldif").write_text(PEOPLE)
    recipients = (SNIPPETS / "ldap/annuaire-recipients.cf").read_text()
    (made / "tls/annuaire-recipients.cf").write_text(recipients)
    return made


@pytest.fixture(scope="module")
def sinks(folder: Path) -> Iterator[tuple[Sink, Sink, Sink]]:
    made = Sink(), Sink(), Sink(ELSEWHERE, certificates_for_mail.server(folder / "tls", CH))
    yield made
    for sink in made:
        sink.close()


@pytest.fixture(scope="module")
def annuaire(folder: Path, sinks: tuple[Sink, Sink, Sink]) -> Iterator[serving.Server]:
    """At ports of its own choice, which stay its own: it is stopped and started again."""
    ldap, policy, socketmap, again = (free_port() for _ in range(4))
    server = serving.Server(
        folder / "var",
        ANNUAIRE_LISTEN_LDAP=f"tcp:{ldap}:interface=127.0.0.1",
        ANNUAIRE_LISTEN_POLICY=f"tcp:{policy}:interface=127.0.0.1",
        ANNUAIRE_LISTEN_SOCKETMAP=f"tcp:{socketmap}:interface=127.0.0.1",
        ANNUAIRE_ROUTING_OWN_NETWORKS=f'["{OWN}/32"]',
        ANNUAIRE_ROUTING_REQUIRE_CERTIFICATE="true",
        ANNUAIRE_ROUTING_TRANSPORT_MSSANTE=f"mssante:[127.0.0.1]:{again}",
        ANNUAIRE_ROUTING_TRANSPORT_V1=f"apicrypt1:[127.0.0.1]:{sinks[0].port}",
        ANNUAIRE_ROUTING_TRANSPORT_V2=f"apicrypt2:[127.0.0.1]:{sinks[1].port}",
    )
    for command in (
        ("import", str(folder / "people.ldif")),
        ("liste-blanche", "load", str(FIXTURES / "liste_blanche/signed.xml"), "--unsigned"),
        ("account", "add", "postfix", "--audience", "routage", "--password-stdin"),
    ):
        done = server.annuaire(*command, input="un-secret-de-postfix\n")
        assert done.returncode == 0, done.stderr
    server.start()
    yield server
    server.stop()


@contextlib.contextmanager
def system(
    annuaire: serving.Server,
    sinks: tuple[Sink, Sink, Sink],
    main: str,
    master: str,
    folder: Path | None = None,
) -> Iterator[System]:
    """Postfix from these snippets, with our ports and gateways in them."""
    way_out = annuaire.environment["ANNUAIRE_ROUTING_TRANSPORT_MSSANTE"]
    ports = {name: free_port() for name in ("smtp", "submission")}
    listening = annuaire.described()["listening"]
    domains = ("ch-exemple.mssante.fr", "medecin.mssante.fr")
    around = Surroundings(
        f"{OWN}/32", annuaire.state.parent / "tls", dict.fromkeys(domains, ELSEWHERE), sinks[2].port
    )
    changes = {
        "127.0.0.1:10040": listening["policy"],
        "127.0.0.1:10041": listening["socketmap"],
        "127.0.0.1:10026": way_out.removeprefix("mssante:").replace("[", "").replace("]", ""),
        "127.0.0.1:3890": listening["ldap"],
        "submission inet": f"{ports['submission']} inet",
    }
    postfix = Postfix(folder or mail_server.new_folder(), ports["smtp"], around, (main, master), changes)
    try:
        yield System(annuaire, ports, postfix.start(), *sinks)
    finally:
        postfix.stop()


@pytest.fixture(scope="module")
def tables(annuaire: serving.Server, sinks: tuple[Sink, Sink, Sink]) -> Iterator[System]:
    """Postfix with the socketmap tables, and senders rewritten in a queue of their own."""
    with system(annuaire, sinks, snippet("main.cf"), snippet("master.cf")) as running:
        yield running


def snippet(name: str) -> str:
    return (SNIPPETS / name).read_text()


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

    def test_who_writes_under_the_interop_address_is_native_inside(self, tables: System) -> None:
        with tables.connected(OWN) as client:
            subject = sent(client, JEAN_INTEROP, YVES, DOCTOR)
        arrived = tables.v1.took(subject)
        assert (arrived.sender, arrived.header("From")) == (JEAN, JEAN)
        arrived = tables.trust.took(subject)
        assert (arrived.sender, arrived.header("From")) == (JEAN_INTEROP, JEAN_INTEROP)

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

        def refused() -> bool:
            # It is in the log before, too: on its way to the queue that rewrites.
            lines = [line for line in tables.postfix.log().splitlines() if f"to=<{OTHER_DOCTOR}>" in line]
            return any("Server certificate not verified" in line for line in lines)

        until(refused, tables.postfix.log)
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

    def test_anybody_writes_to_a_postmaster_of_ours(self, tables: System) -> None:
        for certificate, sender in (("", STRANGER), (CH, DOCTOR), (CH, "")):
            with tables.connected(OUTSIDE, certificate) as client:
                for recipient in (POSTMASTER, POSTMASTER.upper(), "postmaster"):
                    assert asked(client, sender, recipient).startswith("250 ")
                assert asked(client, sender, f"x{POSTMASTER}").startswith("550 5.")
                assert asked(client, sender, "postmaster@medical59.apicrypt.org").startswith("550 5.")

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


def recovers(client: smtplib.SMTP, sender: str, *recipients: str, reply: str = "250 ") -> None:
    """Ask until that is replied; until then everything comes back later.

    smtpd remembers for 30 s what became of the last address that it resolved: each time another is asked. For as long
    a trivial-rewrite that began without annuaire remembers that it could not ask for `*`: unknown people wait.
    """
    end = time.monotonic() + 150
    for recipient in itertools.cycle(recipients):
        found = asked(client, sender, recipient)
        if found.startswith(reply):
            return
        assert found.startswith("4")
        assert time.monotonic() < end, found
        time.sleep(0.2)


class TestTrouble:
    def test_without_annuaire_everything_comes_back_later_and_does(self, tables: System) -> None:
        """Never refused, never lost; and Postfix is told nothing when annuaire is there again."""
        with tables.connected(OWN) as client:
            tables.v1.away = True
            waiting = sent(client, JEAN, YVES)
            tables.annuaire.stop()
            try:
                for source, certificate, sender, recipients in (
                    (OWN, "", JEAN, (YVES, DOCTOR)),
                    (OUTSIDE, CH, DOCTOR, (JEAN_INTEROP, NOBODY_INTEROP)),
                ):
                    with tables.connected(source, certificate) as other:
                        for recipient in recipients:
                            assert asked(other, sender, recipient).startswith("4"), recipient
                assert asked(client, JEAN, NOBODY).startswith("4")
                time.sleep(1.5)  # in which Postfix tries again what waits in its queue, and has nobody to ask
            finally:
                tables.annuaire.start()
                tables.v1.away = False
            recovers(client, JEAN, YVES, MARIE, JEAN)
            unknown = [f"{number}{NOBODY}" for number in range(2)]
            recovers(client, JEAN, *unknown, reply="550 5.1.1 ")
            tables.v2.took(sent(client, JEAN, MARIE))
            assert envelope(tables.v1.took(waiting)) == (JEAN, [YVES])
        assert "status=bounced" not in tables.postfix.log()


@pytest.mark.skipif(not REQUIRED and not mail_server.knows("ldap"), reason="postfix-ldap is not installed")
class TestOverLdap:
    def test_recipients_are_the_same(self, annuaire: serving.Server, sinks: tuple[Sink, Sink, Sink]) -> None:
        main = snippet("main.cf") + snippet("ldap/main.cf")
        with system(annuaire, sinks, main, snippet("master.cf")) as ldap:
            with ldap.connected(OUTSIDE, CH) as client:
                subject = sent(client, DOCTOR, ROSE_INTEROP, JEAN_INTEROP.replace("@", "+rdv@"))
                native = [
                    JEAN.replace("@", "+rdv@"),
                    ROSE,
                ]  # over LDAP it is Postfix that looks behind extensions
                assert sorted(ldap.v2.took(subject).recipients) == native
                assert asked(client, DOCTOR, NOBODY_INTEROP).startswith("550 5.1.1 ")
            with ldap.connected(OWN) as client:
                subject = sent(client, YVES, ROSE_INTEROP)
                assert envelope(ldap.v2.took(subject)) == (YVES, [ROSE])
                assert asked(client, JEAN, YVES).startswith("250 ")
                assert asked(client, JEAN, PAUL).startswith("550 5.2.1 ")
            assert "warning: dict_ldap" not in ldap.postfix.log()
            annuaire.stop()
            try:
                with ldap.connected(OUTSIDE, CH) as client:
                    for recipient in (ROSE_INTEROP, NOBODY_INTEROP):
                        assert asked(client, DOCTOR, recipient).startswith("4")
            finally:
                annuaire.start()
            with ldap.connected(OUTSIDE, CH) as client:
                recovers(client, DOCTOR, JEAN_INTEROP, ROSE_INTEROP)
                recovers(client, DOCTOR, NOBODY_INTEROP, f"x{NOBODY_INTEROP}", reply="550 5.1.1 ")


class TestLight:
    def test_the_sender_is_rewritten_and_colleagues_in_the_headers_too(
        self, annuaire: serving.Server, sinks: tuple[Sink, Sink, Sink]
    ) -> None:
        """And all of it over unix sockets, which a chrooted Postfix finds in its queue's folder."""
        main = snippet("main.cf").replace("inet:127.0.0.1:10040", "unix:annuaire/policy")
        main = main.replace("inet:127.0.0.1:10041", "unix:annuaire/socketmap")
        master = snippet("master.cf").partition("# Out of the sphere.")[0] + snippet("master-light.cf")
        folder = mail_server.new_folder()
        sockets = folder / "queue/annuaire"
        sockets.mkdir()
        changed = {
            "ANNUAIRE_ROUTING_TRANSPORT_MSSANTE": "mssante:",
            "ANNUAIRE_LISTEN_POLICY": f"unix:{sockets}/policy:mode=666",
            "ANNUAIRE_LISTEN_SOCKETMAP": f"unix:{sockets}/socketmap:mode=666",
        }
        annuaire.stop()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in changed.items():
                patch.setitem(annuaire.environment, name, value)
            annuaire.start()
            with (
                system(annuaire, sinks, main, master, folder) as light,
                light.connected(OWN) as client,
            ):
                headers = f"Cc: Rose <{ROSE}>, {MARIE}\r\n"
                subject = sent(client, JEAN, DOCTOR, YVES, headers=headers)
                outside, inside = light.trust.took(subject), light.v1.took(subject)
                assert asked(client, JEAN, NOBODY).startswith("550 5.1.1 ")
            annuaire.stop()
        annuaire.start()
        assert envelope(inside) == (JEAN, [YVES])
        assert inside.header("Cc") == f"Rose <{ROSE}>, {MARIE}"
        assert envelope(outside) == (JEAN_INTEROP, [DOCTOR])
        assert outside.header("From") == JEAN_INTEROP
        # What the note in master-light.cf says: hers are open, whatever she chose; Marie's are not.
        assert outside.header("Cc") == f"Rose <{ROSE_INTEROP}>, {MARIE}"
