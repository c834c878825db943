"""What a mail server is told: the routing table behind both protocols, from facts that are asked for as they come.

Policy says whether a message may pass. The tables say where to, and under which address: each is asked with one address
and knows neither who writes nor what else is in the envelope.

    recipient   native or interop address -> the native one, of who can be delivered to
    sender      native address -> the interop one, of who may write to the trust space
    transport   address -> the way to our users by their version, or to the trust space
    domain      domain -> `native` or `interop`, of ours
    login       sender address -> the names under which its owner logs in
    tls         domain -> which certificates its mail servers may show (smtp_tls_policy_maps)

Keys are read as addresses are in envelopes, with extensions; partial ones (`@domain`, a bare name, `*`) find nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from annuaire.domain import account as accounts
from annuaire.domain import activation, liste_blanche, reasons, routing
from annuaire.domain.envelope import INTEROP, NATIVE, POSTMASTER, Party
from annuaire.domain.facts import AccountFacts
from annuaire.domain.routing import Decision, Envelope, Lookups, Settings
from annuaire.postfix import policy, socketmap

# A CommonName that is a host's: what stands in a policy of Postfix's without breaking it.
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")

NO_SUCH_TABLE = socketmap.misconfigured("no such table")


class Recorder(Protocol):
    """Takes every decision; never raises and never waits."""

    def decision(self, envelope: Envelope, decision: Decision, at: float) -> None:
        """at: seconds since 1970."""


class Silent:
    """Records nothing."""

    def decision(self, envelope: Envelope, decision: Decision, at: float) -> None:
        pass


class Ways(NamedTuple):
    """What the table `transport` answers, as Postfix writes a transport; nothing is answered for an empty one."""

    mssante: str
    v1: str
    v2: str


class Answers:
    """Answers both protocols. Whatever cannot be known now is raised as Unavailable."""

    def __init__(
        self,
        lookups: Lookups,
        settings: Settings,
        ways: Ways,
        recorder: Recorder | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lookups = lookups
        self._settings = settings
        self._ways = ways
        self._recorder = Silent() if recorder is None else recorder
        self._clock = clock
        self._tables: dict[str, Callable[[str], str | None]] = {
            "recipient": self._recipient,
            "sender": self._sender,
            "transport": self._transport,
            "domain": self._domain,
            "login": self._login,
            "tls": self._tls,
        }

    # ------------------------------------------------------------ policy

    def action(self, request: policy.Request) -> str:
        """What Postfix is to do now; only at RCPT is there anything to say."""
        if request.state != policy.RCPT and (request.state or not request.recipient):
            return reasons.NO_OBJECTION
        envelope = Envelope(
            request.sender,
            request.recipient,
            request.sasl_username,
            request.client_address,
            request.ccert_subject,
        )
        at = self._clock()
        facts = routing.collect(envelope, self._lookups, self._settings)
        decision = routing.decide(envelope, facts, self._settings, datetime.fromtimestamp(at, UTC))
        self._recorder.decision(envelope, decision, at)
        return decision.reply

    # ------------------------------------------------------------ tables

    def result(self, query: socketmap.Query) -> bytes:
        table = self._tables.get(query.table)
        if table is None:
            return NO_SUCH_TABLE
        found = table(query.key)
        return socketmap.ok(found) if found else socketmap.NOT_FOUND

    def _recipient(self, key: str) -> str | None:
        account = self._deliverable(self._party(key))
        return account.native if account is not None else None

    def _sender(self, key: str) -> str | None:
        party = self._party(key)
        if party.kind != NATIVE or party.account is None:
            return None
        missing = activation.missing(party.account, self._settings.rules, self._now())
        return None if missing else party.account.interop

    def _transport(self, key: str) -> str | None:
        party = self._party(key)
        if party.kind in (NATIVE, INTEROP):
            account = self._deliverable(party)
            if account is None:
                return None
            return self._ways.v2 if account.version == 2 else self._ways.v1
        return self._ways.mssante if party.listed is not None else None

    def _domain(self, key: str) -> str | None:
        party = self._party_of(key)
        # What only claims to be a domain of ours is none.
        return party.kind if party.address is not None and party.kind in (NATIVE, INTEROP) else None

    def _login(self, key: str) -> str | None:
        account = self._party(key).account
        if account is None:
            return None
        return f"{account.native},{account.interop}" if account.interop else account.native

    def _tls(self, key: str) -> str | None:
        """The other half of what `certificate` is for whoever comes to us: the names that are listed."""
        listed = self._party_of(key).listed
        names = [liste_blanche.certificate_name(one) for one in listed.certificates] if listed else []
        hosts = sorted({name.common for name in names if name is not None and _HOST.fullmatch(name.common)})
        return f"secure match={':'.join(hosts)}" if hosts else None

    # ------------------------------------------------------------ what they have in common

    def _party(self, address: str) -> Party:
        # The null sender costs nothing to collect.
        return routing.collect(Envelope("", address), self._lookups, self._settings).recipient

    def _party_of(self, domain: str) -> Party:
        return self._party(f"{POSTMASTER}@{domain}")

    def _deliverable(self, party: Party) -> AccountFacts | None:
        """The account, when one of our own people would be allowed to write to it."""
        found = party.account
        if found is None or found.state != accounts.ACTIVE:
            return None
        return found if self._settings.keys_are_valid(found, self._now()) else None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
