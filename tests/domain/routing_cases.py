"""The cases of fixtures/routing.in: who writes to whom under which circumstances, and the cast they are played by."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from shipped_rules import CALENDAR, PROFESSIONS

from annuaire.domain import account, facts, profession, reasons, routing
from annuaire.domain.account import Account
from annuaire.domain.activation import Rules
from annuaire.domain.domains import Domains
from annuaire.domain.facts import AccountFacts, DomainFacts
from annuaire.domain.routing import Decision, Envelope, Settings
from annuaire.errors import Unavailable

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
DOMAINS = Domains(
    ("medical*.apicrypt.org",), ("interop-mssante.apicrypt.org", "mssante.apicrypt.org"), ("dgs.mssante.fr",)
)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OWN_NETWORK, OUTSIDE = "10.0.0.0/8", "192.0.2.1"


@dataclass
class Directory:
    """Facts in memory, as the index gives them."""

    accounts: dict[str, AccountFacts]
    domains: dict[str, DomainFacts]
    is_loaded: bool = True
    is_away: bool = False

    def account(self, address: str) -> AccountFacts | None:
        self._look()
        return self.accounts.get(address)

    def domain(self, domain: str) -> DomainFacts | None:
        self._look()
        return self.domains.get(domain) if self.is_loaded else None

    def loaded(self) -> bool:
        self._look()
        return self.is_loaded

    def _look(self) -> None:
        if self.is_away:
            raise Unavailable("the index is not ready")


class Case(NamedTuple):
    """One line: what is asked, and where it stands."""

    section: str
    text: str
    envelope: Envelope
    settings: Settings
    now: datetime
    is_loaded: bool
    is_away: bool
    delisted: str

    def directory(self, people: list[Account]) -> Directory:
        listed = {name: one for name, one in DOMAIN_FACTS.items() if name != self.delisted}
        return replace(directory(people), domains=listed, is_loaded=self.is_loaded, is_away=self.is_away)

    def decide(self, people: list[Account], explain: bool = False) -> Decision:
        return routing.answer(self.envelope, self.directory(people), self.settings, self.now, explain)


def directory(people: list[Account]) -> Directory:
    known = {}
    for one in people:
        for address in filter(None, (one.native, one.interop)):
            known[address.lower()] = facts.of_account(one)
    return Directory(known, DOMAIN_FACTS)


def settings(
    profile: str = profession.FAQ_2018, grace: int = 30, require_certificate: bool = False
) -> Settings:
    rules = Rules(PROFESSIONS, CALENDAR, profile)
    return Settings(DOMAINS, rules, (OWN_NETWORK,), grace, require_certificate)


def _read() -> tuple[list[Account], dict[str, DomainFacts], list[tuple[str, str]]]:
    people, listed, cases = [], {}, []
    section = ""
    for line in (FIXTURES / "routing.in").read_text("utf-8").splitlines():
        kind, *fields = [field.strip() for field in line.split("|")]
        if line.startswith("# ---"):
            section = line
        elif line.startswith("#") or not line:
            continue
        elif kind == "compte":
            people.append(_account(*fields))
        elif kind == "domaine":
            name, certificate = fields
            before = listed.get(name, DomainFacts(name, ()))
            listed[name] = DomainFacts(name, (*before.certificates, certificate))
        else:
            cases.append((section, line))
    return people, listed, cases


def _account(
    native: str, interop: str, version: str, codes: str, state: str, flows: str, rouge: str, key_end: str
) -> Account:
    assert version in ("V1", "V2")
    assert state in account.STATES
    return Account(
        native,
        interop,
        int(version[1]),
        tuple(codes.split()),
        state,
        {"ouverts": True, "fermés": False}[flows],
        {"oui": True, "non": False}[rouge],
        key_end,
        "",
        "",
    )


def _text(written: str) -> str:
    if written == "(vide)":
        return ""
    return re.sub(r"\[U\+([0-9A-F]{4})\]", lambda found: chr(int(found[1], 16)), written)


def _case(section: str, line: str) -> Case:
    ends, *circumstances = [part.strip() for part in line.split(" ; ")]
    sender, recipient = map(_text, ends.split(" -> "))
    envelope = Envelope(sender, recipient, client_address=OUTSIDE)
    profile, grace, require, now = profession.FAQ_2018, 30, False, NOW
    is_loaded, is_away, delisted = True, False, ""
    for one in circumstances:
        word, _, rest = one.partition(" ")
        if one == "session":
            envelope = envelope._replace(authenticated_user=sender)
        elif one.startswith("session de "):
            envelope = envelope._replace(authenticated_user=one.removeprefix("session de "))
        elif one == "certificat exigé":
            require = True
        elif one == "sans liste blanche":
            is_loaded = False
        elif one == "annuaire absent":
            is_away = True
        elif one.startswith("hors liste "):
            delisted = one.removeprefix("hors liste ")
            assert delisted in DOMAIN_FACTS
        elif word == "client":
            envelope = envelope._replace(client_address=rest)
        elif word == "certificat":
            envelope = envelope._replace(certificate=rest)
        elif word == "profil":
            profile = rest
        elif word == "grâce":
            grace = int(rest.removesuffix(" jours"))
        elif word == "le":
            now = datetime.fromisoformat(f"{rest}T12:00:00+00:00")
        else:
            raise AssertionError(f"{line}: {one} is no circumstance")
    chosen = settings(profile, grace, require)
    return Case(section, line, envelope, chosen, now, is_loaded, is_away, delisted)


PEOPLE, DOMAIN_FACTS, _LINES = _read()
CASES = [_case(section, line) for section, line in _LINES]


def told() -> Iterator[str]:
    """The lines of routing.ref: the texts, then headings as they are and each case with its answer."""
    for reason in reasons.REASONS.values():
        if reason.verdict == reasons.REFUSE:
            yield f"texte | {reason.code} | {reason.to_us.reply} | {reason.to_outsiders.reply}"
    section = ""
    for case in CASES:
        if case.section != section:
            section = case.section
            yield section
        yield f"{case.text}  =>  {answer(case.decide(PEOPLE))}"


def answer(decision: Decision) -> str:
    shown = [decision.verdict, decision.reason, decision.status or "-", reading(decision)]
    if decision.sender_as is not None:
        shown.append(f"de {decision.sender_as or '<>'} à {decision.recipient_as}")
        shown.append(f"par {decision.route}")
    return " ; ".join([*shown, *filter(None, [decision.encoding])])


def reading(decision: Decision) -> str:
    """What the mail server is told, in one word where it is one of the few texts."""
    few = {
        reasons.NO_OBJECTION: "DUNNO",
        reasons.NO_SUCH_RECIPIENT: "« inconnu »",
        reasons.NOT_ADMITTED: "« refusé »",
        reasons.LATER: "« plus tard »",
    }
    if decision.reply == reasons.REASONS[decision.reason].to_us.reply:
        return few.get(decision.reply, "le motif")
    return few[decision.reply]
