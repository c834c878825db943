"""The routing table: what holds whatever is in the envelope and in the directory."""

import itertools
import re
import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from routing_cases import (
    CASES,
    DOMAIN_FACTS,
    NOW,
    OUTSIDE,
    PEOPLE,
    Directory,
    directory,
    settings,
)
from shipped_rules import ELIGIBLE

from annuaire.domain import account, activation, profession, reasons, routing, routing_classes
from annuaire.domain.account import Account
from annuaire.domain.facts import AccountFacts, DomainFacts
from annuaire.domain.routing import Decision, Envelope, Settings
from annuaire.errors import Misconfigured, Unavailable

SETTINGS = settings()
STRICT = settings(require_certificate=True)
EVERYBODY = directory(PEOPLE)
MEMBER = "jeanne.martin@medecin.mssante.fr"
DGS = "alerte@dgs.mssante.fr"
STRANGER = "quelqu.un@example.org"
PASSES = (reasons.DELIVER, reasons.RELAY)

V2 = ELIGIBLE._replace(interop="jeanne.dupont@interop-mssante.apicrypt.org", interop_on=True)
V1 = V2._replace(native="paul.MARTIN@medical62.apicrypt.org", interop="", version=1, interop_on=False)


def decided(envelope: Envelope, known: Directory = EVERYBODY, chosen: Settings = SETTINGS) -> Decision:
    return routing.answer(envelope, known, chosen, NOW)


def from_outside(sender: str, recipient: str, known: Directory = EVERYBODY) -> Decision:
    return decided(Envelope(sender, recipient, client_address=OUTSIDE), known)


def from_us(sender: Account, recipient: str, known: Directory) -> Decision:
    return decided(Envelope(sender.native, recipient, authenticated_user=sender.native), known)


# ---------------------------------------------------------------- the sphere


ANYBODY = st.builds(
    Account,
    native=st.just(""),
    interop=st.sampled_from(["", "yes"]),
    version=st.sampled_from([1, 2]),
    professions=st.sampled_from([(), ("10",), ("93",), ("41", "60")]),
    state=st.just(account.ACTIVE),
    interop_on=st.booleans(),
    liste_rouge=st.booleans(),
    key_end=st.sampled_from(["", "20261024120000Z", "20991231Z", "demain"]),
    national=st.just(""),
    postal_code=st.just(""),
)


def named(one: Account, name: str) -> Account:
    interop = f"{name}@interop-mssante.apicrypt.org" if one.interop else ""
    return one._replace(native=f"{name}@medical59.apicrypt.org", interop=interop)


@given(ANYBODY, ANYBODY)
def test_v1_and_v2_always_reach_each_other(writer: Account, reader: Account) -> None:
    writer, reader = named(writer, "anne"), named(reader, "bruno")
    known = directory([writer, reader])
    for recipient in filter(None, (reader.native, reader.interop)):
        found = from_us(writer, recipient, known)
        assert (found.verdict, found.sender_as, found.recipient_as) == (
            reasons.DELIVER,
            writer.native,
            reader.native,
        )
        assert found.encoding == ("V2" if writer.version == reader.version == 2 else "V1")


def test_keys_once_lost_stay_lost_until_they_are_renewed() -> None:
    reader = V2._replace(key_end="20261123120000Z")
    known = directory([reader, V1])
    envelope = Envelope(V1.native, reader.native, authenticated_user=V1.native)
    verdicts = [
        routing.answer(envelope, known, SETTINGS, NOW + timedelta(days=days)).verdict for days in range(60)
    ]
    assert verdicts == [reasons.DELIVER] * 31 + [reasons.REFUSE] * 29


# ---------------------------------------------------------------- the trust space


@pytest.mark.parametrize("profile", [profession.FAQ_2018, profession.JDV_J71])
def test_the_trust_space_is_open_to_those_to_whom_activation_opened_it(profile: str) -> None:
    chosen = settings(profile)
    verdicts = set()
    for one in PEOPLE:
        missing = activation.missing(one, chosen.rules, NOW)
        out = decided(Envelope(one.native, MEMBER, one.native), chosen=chosen)
        verdicts.add(out.verdict)
        assert (out.verdict == reasons.RELAY) == (not missing)
        if one.interop:
            into = decided(Envelope(MEMBER, one.interop), chosen=chosen)
            can_read = chosen.keys_are_valid(EVERYBODY.accounts[one.native.lower()], NOW)
            assert (into.verdict == reasons.DELIVER) == (not missing and can_read)
    assert verdicts == {reasons.RELAY, reasons.REFUSE, reasons.DEFER}


def test_what_relays_leaves_under_the_interop_address_and_what_is_delivered_arrives_under_the_native_one() -> (
    None
):
    for case in CASES:
        found = case.decide(PEOPLE)
        if found.verdict not in PASSES:
            assert (found.sender_as, found.recipient_as, found.encoding, found.route) == (None,) * 4
        elif found.verdict == reasons.RELAY:
            assert (found.encoding, found.route) == (None, reasons.MSSANTE)
            assert found.sender_as is not None
            assert found.sender_as == "" or found.sender_as.endswith("apicrypt.org")
            assert "@medical" not in found.sender_as
        else:
            assert found.route == reasons.APICRYPT
            assert found.recipient_as in {one.native for one in PEOPLE}


# ---------------------------------------------------------------- what outsiders read


@pytest.mark.parametrize("sender", [MEMBER, DGS, "", "x@dgs-capadd.mssante.fr"])
def test_outsiders_cannot_tell_the_hidden_the_suspended_v1_and_nobody_apart(sender: str) -> None:
    told = {
        (found.verdict, found.status, found.reply)
        for one in [*PEOPLE, named(V1, "personne")]
        for address in filter(None, (one.interop, one.native))
        if (found := from_outside(sender, address)).verdict not in PASSES
    }
    assert told == {(reasons.REFUSE, "5.1.1", reasons.NO_SUCH_RECIPIENT)}
    natives = {from_outside(sender, one.native).reply for one in PEOPLE}
    assert natives == {reasons.NO_SUCH_RECIPIENT}


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope(STRANGER, ""),
        Envelope("pas une adresse", ""),
        Envelope("v2@medical59.apicrypt.org", ""),
        Envelope("personne@medical59.apicrypt.org", ""),
        Envelope(MEMBER, "", certificate="faux.example.org"),
    ],
)
def test_who_is_not_admitted_reads_one_text_whomever_they_write_to(envelope: Envelope) -> None:
    replies = {
        decided(envelope._replace(recipient=address)).reply
        for one in [*PEOPLE, named(V1, "personne")]
        for address in filter(None, (one.interop, one.native))
    }
    assert replies == {reasons.NOT_ADMITTED}


def test_an_address_of_ours_is_refused_in_the_same_words_whether_somebody_has_it_or_not() -> None:
    for user, client in itertools.product(("", "v1@medical59.apicrypt.org"), ("", OUTSIDE)):
        replies = {
            decided(Envelope(address, recipient, user, client))._replace(reason="")
            for one in [*PEOPLE, named(V1, "personne")]
            for address in filter(None, (one.native, one.interop))
            for recipient in (MEMBER, STRANGER, V2.native)
            if user not in (one.native, one.interop)
        }
        assert len(replies) == 1


def test_no_reply_tells_an_address() -> None:
    for reason in reasons.REASONS.values():
        for told in (reason.to_us, reason.to_outsiders):
            assert "@" not in told.reply
            assert "apicrypt.org" not in told.reply


# ---------------------------------------------------------------- what may be added


@effort(max_examples=60)
@given(ANYBODY, st.sampled_from(account.STATES), st.sampled_from(["nouveau", "personne", "v2-bis"]))
def test_a_mailbox_more_never_turns_a_delivery_into_a_refusal(one: Account, state: str, name: str) -> None:
    more = [*PEOPLE, named(one, name)._replace(state=state)]
    for case in CASES[:: len(CASES) // 40]:
        before = case.decide(PEOPLE)
        if before.verdict in PASSES:
            assert case.decide(more) == before, case.text


def test_a_mailbox_more_is_delivered_to() -> None:
    more = directory([*PEOPLE, named(V2, "personne")])
    assert from_outside(MEMBER, "personne@interop-mssante.apicrypt.org").verdict == reasons.REFUSE
    assert from_outside(MEMBER, "personne@interop-mssante.apicrypt.org", more).verdict == reasons.DELIVER


def test_a_domain_or_a_certificate_more_never_turns_a_delivery_into_a_refusal() -> None:
    listed = {f"{name}.mssante.fr": DomainFacts("", ("CN=x",)) for name in ("autre", "sous.medecin")}
    listed |= {"example.org": DomainFacts("example.org", ("CN=x",))}
    listed |= {
        name: one._replace(certificates=("CN=premier", *one.certificates, "CN=dernier"))
        for name, one in DOMAIN_FACTS.items()
    }
    changed = set()
    for case in CASES:
        known = case.directory(PEOPLE)
        before = routing.answer(case.envelope, known, case.settings, case.now)
        known.domains = {**known.domains, **listed} if not case.delisted else known.domains
        after = routing.answer(case.envelope, known, case.settings, case.now)
        if before.verdict in PASSES:
            assert after == before, case.text
        changed.add((before.verdict, after.verdict))
    assert (reasons.REFUSE, reasons.RELAY) in changed


# ---------------------------------------------------------------- trouble


class Failing(Directory):
    """Fails at the nth question."""

    questions = 0
    fails_at = 0

    def _look(self) -> None:
        self.questions += 1
        if self.questions == self.fails_at:
            raise Unavailable("the index is not ready")


def test_trouble_at_any_question_is_told_as_trouble() -> None:
    asked = 0
    for case in CASES[::7]:
        if case.is_away:
            continue
        for fails_at in range(1, 6):
            known = Failing(EVERYBODY.accounts, EVERYBODY.domains, case.is_loaded)
            known.fails_at = fails_at
            found = routing.answer(case.envelope, known, case.settings, case.now)
            if known.questions >= fails_at:
                asked += 1
                assert (found.verdict, found.reply) == (reasons.DEFER, reasons.LATER)
            else:
                assert found.reason != reasons.ANNUAIRE_INDISPONIBLE.code
    assert asked > 100


def test_no_question_is_asked_twice_or_for_nothing() -> None:
    for case in CASES:
        if not case.is_away:
            known = Failing(EVERYBODY.accounts, EVERYBODY.domains, case.is_loaded)
            routing.answer(case.envelope, known, case.settings, case.now)
            # Two ends, each perhaps once more without its extension, and whether there is a list.
            extensions = case.envelope.sender.count("+") + case.envelope.recipient.count("+")
            assert known.questions <= 3 + extensions, case.text


# ---------------------------------------------------------------- any text

WORDS = st.sampled_from(
    (
        *("v2", "v1", "jeanne.martin", "@", "+", ".", " ", '"', "\\", "<", ">", "(", ":", "@x.fr:"),
        *("medical59.apicrypt.org", "interop-mssante.apicrypt.org", "medecin.mssante.fr"),
        *("dgs.mssante.fr", "evil.org", "\0", "\u200b", "\ud800", "é", "ß"),
    )
)
TEXT = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=8).map("".join))


@effort(max_examples=300)
@given(st.builds(Envelope, TEXT, TEXT, TEXT, TEXT, TEXT), st.sampled_from([SETTINGS, STRICT]), st.booleans())
def test_every_text_has_an_answer(envelope: Envelope, chosen: Settings, is_loaded: bool) -> None:
    known = Directory(EVERYBODY.accounts, EVERYBODY.domains, is_loaded)
    found = routing.answer(envelope, known, chosen, NOW, explain=True)
    assert found.verdict in reasons.VERDICTS
    assert reasons.REASONS[found.reason].verdict == found.verdict
    assert found.steps
    assert found._replace(steps=()) == routing.answer(envelope, known, chosen, NOW)
    if found.verdict in PASSES:
        assert found.reply == reasons.NO_OBJECTION
        assert found.sender_as is not None
        assert found.recipient_as


@effort(max_examples=300)
@given(TEXT)
def test_only_the_domain_behind_the_last_at_makes_the_dgs(text: str) -> None:
    envelope = Envelope(text, "v2@interop-mssante.apicrypt.org")
    writer, _ = routing_classes.sender(envelope, routing.collect(envelope, EVERYBODY, SETTINGS), SETTINGS)
    is_the_dgs = re.fullmatch(r"<?(@[^:]+:)?[^<>]+@dgs\.mssante\.fr\.?>?", text, re.IGNORECASE)
    if writer == routing_classes.D:
        assert is_the_dgs


@pytest.mark.parametrize("written", ["%s@dgs.mssante.fr", "<%s@DGS.mssante.FR>", "%s@dgs.mssante.fr."])
def test_the_dgs_is_known_in_any_spelling_of_its_domain(written: str) -> None:
    found = from_outside(written % "alerte", "v2-rouge@interop-mssante.apicrypt.org")
    assert (found.verdict, found.reason) == (reasons.DELIVER, "de_la_dgs")


# ---------------------------------------------------------------- settings, and words


@pytest.mark.parametrize(
    ("client", "is_own"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("192.168.1.77", True),
        ("192.168.1.78", False),
        ("2001:db8::77", True),
        ("IPv6:2001:DB8::77", True),
        ("2001:db9::77", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("", False),
        ("unknown", False),
        ("10.1.2.3/8", False),
        ("10.1.2.3\n", False),
        ("fe80::1%eth0", False),
    ],
)
def test_our_own_clients_are_those_of_our_networks(client: str, is_own: bool) -> None:
    chosen = Settings(
        SETTINGS.domains, SETTINGS.rules, ("10.0.0.0/8", " 192.168.1.77", "2001:db8::/32", "10.1.2.3/16")
    )
    assert chosen.is_own_client(client) == is_own


def test_every_wrong_network_is_named() -> None:
    with pytest.raises(Misconfigured) as told:
        Settings(SETTINGS.domains, SETTINGS.rules, ("10.0.0.0/8", "lan", "10.0.0.0/99"))
    assert "lan" in str(told.value)
    assert "10.0.0.0/99" in str(told.value)
    assert "10.0.0.0/8 " not in str(told.value)


def test_who_has_no_readable_end_of_keys_has_valid_ones() -> None:
    for key_end, days in (("", 30), ("bientôt", 30), ("99991231235959Z", 30), ("99991231235959Z", 400_000)):
        chosen = Settings(SETTINGS.domains, SETTINGS.rules, key_grace_days=days)
        facts = EVERYBODY.accounts["v2@medical59.apicrypt.org"]._replace(key_end=key_end)
        assert chosen.keys_are_valid(facts, NOW)


def test_what_is_remembered_of_domains_and_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from annuaire.domain import envelope

    monkeypatch.setattr(envelope, "KNOWN_MAX", 3)
    chosen = settings()
    for number in range(10):
        chosen.kind(f"d{number}.fr")
        chosen.is_own_client(f"10.0.0.{number}")
        chosen.keys_are_valid(AccountFacts("", "", 2, (), "actif", True, f"20{number:02}0101000000Z"), NOW)
        assert max(len(chosen._kinds), len(chosen._clients), len(chosen._last_moments)) <= 3
    assert chosen.kind("medical59.apicrypt.org") == "native"


@pytest.mark.parametrize("reason", reasons.REASONS.values(), ids=lambda reason: reason.code)
def test_every_reason_says_the_same_in_all_its_forms(reason: reasons.Reason) -> None:
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", reason.code)
    assert reason.sentence.endswith(".")
    assert reasons.REASONS[reason.code] is reason
    for told in (reason.to_us, reason.to_outsiders):
        assert (told.verdict, told.reason) == (reason.verdict, reason.code)
        if reason.verdict == reasons.REFUSE:
            assert re.match(rf"55\d {re.escape(told.status)} \S", told.reply)
        if reason.verdict == reasons.DEFER:
            assert told.reply.startswith("451 4.3.0 ")
        assert told.reply.isascii()
        assert told.reply.isprintable()
        assert len(told.reply) <= reasons.REPLY_MAX
    if reason.verdict == reasons.REFUSE:
        assert reason.to_outsiders.reply in (reasons.NO_SUCH_RECIPIENT, reasons.NOT_ADMITTED)
        assert reason.to_us.reply.endswith(reasons.ascii_text(reason.sentence))
        assert not reason.is_public or reason.status == reason.to_outsiders.status


def test_the_reasons_of_the_trust_space_are_those_of_activation() -> None:
    from annuaire.domain import routing_conditions

    codes = [
        activation.VERSION,
        activation.PROFESSION,
        activation.STATE,
        activation.INTEROP_OFF,
        activation.NO_ADDRESS,
    ]
    for condition in (routing_conditions.SENDER_OPEN, routing_conditions.RECIPIENT_OPEN):
        assert [*condition.texts] == [code for code in codes if code != activation.STATE]
        assert list(condition.otherwise) == codes


def test_the_steps_tell_the_way_to_the_answer() -> None:
    envelope = Envelope("ferme@medical59.apicrypt.org", MEMBER, "ferme@medical59.apicrypt.org")
    steps = routing.answer(envelope, EVERYBODY, SETTINGS, NOW, explain=True).steps
    assert [f"{'oui' if step.held else 'non'} {step.condition}" for step in steps] == [
        "oui l'expéditeur est d'un de nos domaines",
        "oui il est un de nos comptes",
        "oui la session est la sienne",
        "non le client est dans nos réseaux",
        "non le destinataire a une adresse native",
        "non le destinataire a une adresse interop",
        "oui le domaine du destinataire est sur la liste blanche",
        "oui l'abonnement de l'expéditeur est actif",
        "oui l'expéditeur est en version 2",
        "oui la profession de l'expéditeur est admise dans l'espace de confiance",
        "non l'expéditeur a ouvert ses échanges MSSanté",
    ]


def test_a_decision_is_cheap() -> None:
    """A tenth of the speed that is asked for, so that only a mistake fails here; `scripts/bench` measures."""
    envelope = Envelope(MEMBER, "v2@interop-mssante.apicrypt.org", certificate="smtp.mailiz.mssante.fr")
    begun = time.process_time()
    for _ in range(2_000):
        routing.decide(envelope, routing.collect(envelope, EVERYBODY, SETTINGS), SETTINGS, NOW)
    assert time.process_time() - begun < 0.2
