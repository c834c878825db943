"""What policy and the tables answer: the routing table behind them, and keys as mail servers write them."""

import random
from datetime import UTC, datetime
from itertools import product

import pytest

from annuaire.actions import rules
from annuaire.domain import reasons, routing
from annuaire.domain.domains import Domains
from annuaire.domain.facts import AccountFacts, DomainFacts
from annuaire.domain.routing import Decision, Envelope, Settings
from annuaire.errors import Unavailable
from annuaire.postfix import policy, socketmap
from annuaire.postfix.answers import Answers, Ways
from annuaire.postfix.policy import Request
from annuaire.postfix.socketmap import NOT_FOUND, Query

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SETTINGS = Settings(
    Domains(("medical*.apicrypt.org",), ("interop-mssante.apicrypt.org",), ("dgs.mssante.fr",)),
    rules.shipped("faq-2018"),
    ("192.0.2.0/24",),
    require_certificate=True,
)
WAYS = Ways("mssante:", "apicrypt1:[v1]", "apicrypt2:[v2]")
TABLES = ("recipient", "sender", "transport", "domain", "login", "tls")


def account(
    name: str, version: int = 2, state: str = "actif", on: bool = True, codes: str = "10", key_end: str = ""
) -> AccountFacts:
    interop = f"{name.lower()}@interop-mssante.apicrypt.org" if version == 2 else ""
    return AccountFacts(
        f"{name}@medical59.apicrypt.org", interop, version, tuple(codes.split()), state, on, key_end
    )


JEAN = account("jean.DUPONT")
YVES = account("yves.ANCIEN", version=1, on=False)
MARIE = account("marie.MARTIN", on=False)
PAUL = account("paul.PAUSE", state="suspendu")
EVE = account("eve.ECHUE", key_end="20190131230000Z")
ADAM = account("adam.GRACE", key_end="20261101000000Z")  # within its thirty days
LEA = account("lea.SECRET", codes="")
PEOPLE = (JEAN, YVES, MARIE, PAUL, EVE, ADAM, LEA)
LISTED = DomainFacts(
    "ch-exemple.mssante.fr",
    (
        "CN=mss2.ch-exemple.example,O=CH,C=FR",
        "CN=MSS1.CH-Exemple.example,O=CH,C=FR",
        "CN=CH EXEMPLE,C=FR",
        "O=CH",
    ),
)


class Directory:
    def __init__(self) -> None:
        self.is_away = False
        self.asked = 0

    def account(self, address: str) -> AccountFacts | None:
        self._look()
        return next((one for one in PEOPLE if address in (one.native.lower(), one.interop)), None)

    def domain(self, domain: str) -> DomainFacts | None:
        self._look()
        return LISTED if domain == LISTED.domain else None

    def loaded(self) -> bool:
        self._look()
        return True

    def _look(self) -> None:
        self.asked += 1
        if self.is_away:
            raise Unavailable("not ready")


class Kept(list[tuple[Envelope, Decision, float]]):
    def decision(self, envelope: Envelope, decision: Decision, at: float) -> None:
        self.append((envelope, decision, at))


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def answers(directory: Directory, kept: Kept) -> Answers:
    return Answers(directory, SETTINGS, WAYS, kept, NOW.timestamp)


def found(answers: Answers, table: str, key: str) -> str | None:
    answer = answers.result(Query(table, key))
    if answer == NOT_FOUND:
        return None
    _, _, payload = answer.decode().removesuffix(",").partition(":")
    assert payload.startswith("OK ")
    return payload.removeprefix("OK ")


def request(recipient: str, sender: str = JEAN.native, **more: str) -> Request:
    return Request("RCPT", sender, recipient, "", "192.0.2.7", "")._replace(**more)


# ---------------------------------------------------------------- policy


def test_at_rcpt_the_decision_is_told_and_recorded(answers: Answers, kept: Kept) -> None:
    assert answers.action(request(MARIE.native)) == "DUNNO"
    refused = answers.action(request(EVE.native))
    assert refused.startswith("550 5.2.1 ")
    assert policy.encode(refused).startswith(b"action=550 5.2.1 ")
    assert [(envelope.recipient, decision.verdict) for envelope, decision, _ in kept] == [
        (MARIE.native, "deliver"),
        (EVE.native, "refuse"),
    ]
    assert kept[0][2] == NOW.timestamp()


def test_every_attribute_that_counts_is_handed_on(answers: Answers, kept: Kept) -> None:
    outside = {"client_address": "198.51.100.1"}
    assert answers.action(request(YVES.native, **outside)).startswith("550 5.7.1 ")
    assert answers.action(request(YVES.native, sasl_username=JEAN.native, **outside)) == "DUNNO"
    doctor = "x@ch-exemple.mssante.fr"
    assert answers.action(request(JEAN.interop, doctor, **outside)).startswith("550 5.7.1 ")
    shown = {"ccert_subject": "mss1.ch-exemple.example", **outside}
    assert answers.action(request(JEAN.interop, doctor, **shown)) == "DUNNO"
    assert kept[-1][0] == Envelope(doctor, JEAN.interop, "", "198.51.100.1", "mss1.ch-exemple.example")


@pytest.mark.parametrize(
    "state", ["CONNECT", "EHLO", "HELO", "MAIL", "DATA", "END-OF-MESSAGE", "VRFY", "ETRN", "BDAT", "rcpt"]
)
def test_elsewhere_nothing_is_said_and_nobody_is_looked_up(
    answers: Answers, directory: Directory, kept: Kept, state: str
) -> None:
    for recipient in ("", EVE.native):
        assert answers.action(request(recipient, state=state)) == "DUNNO"
    assert directory.asked == 0
    assert kept == []


def test_a_recipient_without_a_state_is_decided_about(answers: Answers) -> None:
    assert answers.action(request(EVE.native, state="")).startswith("550 ")
    assert answers.action(request("", state="")) == "DUNNO"


def test_trouble_is_no_answer_and_no_record(answers: Answers, directory: Directory, kept: Kept) -> None:
    directory.is_away = True
    with pytest.raises(Unavailable):
        answers.action(request(MARIE.native))
    assert kept == []


def test_every_reply_can_stand_in_an_answer() -> None:
    for reason in reasons.REASONS.values():
        for decision in (reason.to_us, reason.to_outsiders):
            assert policy.encode(decision.reply) == f"action={decision.reply}\n\n".encode()
            assert decision.reply.split()[0] in ("DUNNO", "550", "553", "451")


# ---------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("key", "native"),
    [
        (JEAN.native, JEAN.native),
        (JEAN.interop, JEAN.native),
        ("JEAN.dupont@Medical59.Apicrypt.ORG", JEAN.native),
        ("Jean.Dupont+rdv@interop-mssante.apicrypt.org", JEAN.native),
        ("jean.dupont@medical59.apicrypt.org.", JEAN.native),
        (YVES.native, YVES.native),
        (MARIE.interop, MARIE.native),  # closed to the trust space, not to colleagues
        (ADAM.native, ADAM.native),
        (PAUL.native, None),
        (PAUL.interop, None),
        (EVE.native, None),
        ("nobody@medical59.apicrypt.org", None),
        ("jean.dupont@medical62.apicrypt.org", None),
        ("x@ch-exemple.mssante.fr", None),
        ("x@example.org", None),
    ],
)
def test_recipient_is_the_native_address_of_who_can_be_delivered_to(
    answers: Answers, key: str, native: str | None
) -> None:
    assert found(answers, "recipient", key) == native


def test_recipient_agrees_with_the_routing_table(answers: Answers, directory: Directory) -> None:
    """Whoever the table would deliver to for one of our own, and nobody else."""
    for one in PEOPLE:
        for address in filter(None, (one.native, one.interop)):
            envelope = Envelope(JEAN.native, address, client_address="192.0.2.7")
            decision = routing.answer(envelope, directory, SETTINGS, NOW)
            assert found(answers, "recipient", address) == decision.recipient_as
            way = {None: None, 1: WAYS.v1, 2: WAYS.v2}[one.version if decision.recipient_as else None]
            assert found(answers, "transport", address) == way


def test_sender_agrees_with_the_routing_table(answers: Answers, directory: Directory) -> None:
    """Rewritten when and as the table would for a message to the trust space."""
    for one in PEOPLE:
        envelope = Envelope(one.native, "x@ch-exemple.mssante.fr", client_address="192.0.2.7")
        decision = routing.answer(envelope, directory, SETTINGS, NOW)
        assert found(answers, "sender", one.native) == decision.sender_as
        assert found(answers, "sender", one.interop) is None  # it is that already
    assert found(answers, "sender", "jean.dupont+x@medical59.apicrypt.org") == JEAN.interop
    assert found(answers, "sender", "x@ch-exemple.mssante.fr") is None


def test_transport_leads_to_our_gateways_by_version_and_to_the_trust_space(answers: Answers) -> None:
    assert found(answers, "transport", JEAN.native) == WAYS.v2
    assert found(answers, "transport", YVES.native) == WAYS.v1
    assert found(answers, "transport", "Who+x@CH-exemple.mssante.FR") == WAYS.mssante
    assert found(answers, "transport", "x@sub.ch-exemple.mssante.fr") is None
    assert found(answers, "transport", "x@example.org") is None


def test_an_empty_way_is_no_answer(directory: Directory) -> None:
    answers = Answers(directory, SETTINGS, Ways("", "", ""))
    for key in (JEAN.native, YVES.native, "x@ch-exemple.mssante.fr"):
        assert found(answers, "transport", key) is None


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("medical59.apicrypt.org", "native"),
        ("MEDICAL.apicrypt.org.", "native"),
        ("interop-mssante.apicrypt.org", "interop"),
        ("x.interop-mssante.apicrypt.org", None),
        ("ch-exemple.mssante.fr", None),  # else we would relay for everybody
        ("dgs.mssante.fr", None),
        ("example.org", None),
        ("jean.dupont@medical59.apicrypt.org", None),
    ],
)
def test_domain_names_what_is_ours(answers: Answers, key: str, kind: str | None) -> None:
    assert found(answers, "domain", key) == kind


def test_login_is_whoever_owns_the_sender_whatever_their_state(answers: Answers) -> None:
    for one in (JEAN, PAUL):
        for key in (one.native, one.interop, one.native.replace("@", "+x@")):
            assert found(answers, "login", key) == f"{one.native},{one.interop}"
    assert found(answers, "login", YVES.native) == YVES.native
    assert found(answers, "login", "nobody@medical59.apicrypt.org") is None
    assert found(answers, "login", "x@ch-exemple.mssante.fr") is None


def test_tls_names_the_hosts_whose_certificates_are_listed(answers: Answers) -> None:
    names = "secure match=mss1.ch-exemple.example:mss2.ch-exemple.example"
    assert found(answers, "tls", "CH-exemple.mssante.fr") == names
    for key in ("example.org", "[192.0.2.1]:25", "medical59.apicrypt.org"):
        assert found(answers, "tls", key) is None


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "key",
    [
        "",
        "*",
        "@",
        "jean.dupont",
        "jean.dupont@",
        "@medical59.apicrypt.org",
        ".medical59.apicrypt.org",
        '"a b"@medical59.apicrypt.org',
        "a b@medical59.apicrypt.org",
        "jean.dupont@medical59.apicrypt.org@example.org",
        "jean.dupont@[192.0.2.1]",
        "\ufffd@medical59.apicrypt.org",
        "jean\x00@medical59.apicrypt.org",
        "a" * 9_000,
        "a@" + "b." * 4_000,
        "<>",
    ],
)
def test_partial_and_impossible_keys_find_nothing(answers: Answers, table: str, key: str) -> None:
    assert answers.result(Query(table, key)) == NOT_FOUND


def test_a_table_that_is_none_is_the_fault_of_the_configuration(answers: Answers) -> None:
    for table in ("", "recipients", "RECIPIENT", "get"):
        assert answers.result(Query(table, JEAN.native)) == socketmap.misconfigured("no such table")


@pytest.mark.parametrize("table", TABLES)
def test_trouble_of_a_table_is_raised(answers: Answers, directory: Directory, table: str) -> None:
    directory.is_away = True
    key = {"domain": "example.org", "tls": "example.org"}.get(table, JEAN.native)
    with pytest.raises(Unavailable):
        answers.result(Query(table, key))


def test_nothing_that_is_asked_is_kept_without_bound(answers: Answers) -> None:
    """Hostile keys find nothing and fill no memory: what is no address is not remembered."""
    chance = random.Random(1)
    before = len(SETTINGS._kinds)
    for table, _ in product(TABLES, range(300)):
        answers.result(Query(table, "x@" + "y" * chance.randint(300, 5000)))
    assert len(SETTINGS._kinds) - before <= 300 * 3
    assert all(len(domain) <= 1024 for domain in SETTINGS._kinds)
