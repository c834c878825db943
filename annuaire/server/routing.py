"""What answers mail servers in one worker: the routing table, facts from the index, and a line in the log.

    route client=192.0.2.7 from="@ch-exemple.mssante.fr" to="@medical59.apicrypt.org" verdict=refuse reason=…

Security: addresses are cut to their domains unless `[log] values`; the journal keeps who, in its own way.
"""

from __future__ import annotations

import logging

from annuaire.actions import rules
from annuaire.config import Config
from annuaire.domain import reasons
from annuaire.domain.domains import Domains
from annuaire.domain.routing import Decision, Envelope, Lookups, Settings
from annuaire.postfix.answers import Answers, Recorder, Ways
from annuaire.server.observe import quoted

log = logging.getLogger("annuaire.routing")


def settings(config: Config) -> Settings:
    """What the configuration says about routing."""
    asked, domains = config.routing, config.domains
    return Settings(
        Domains(domains.native, domains.interop, domains.dgs),
        rules.shipped(asked.professions),
        asked.own_networks,
        asked.key_grace_days,
        asked.require_certificate,
    )


def answers(config: Config, lookups: Lookups, journal: Recorder | None = None) -> Answers:
    """One for each worker: both protocols, all connections."""
    asked = config.routing
    ways = Ways(asked.transport_mssante, asked.transport_v1, asked.transport_v2)
    if config.log.operations != "none":
        journal = DecisionLog(config.log.operations == "all", config.log.values, journal)
    return Answers(lookups, settings(config), ways, journal)


class DecisionLog:
    """Writes refusals and delays, or `every` decision, and hands all of them on."""

    def __init__(self, every: bool, values: bool, then: Recorder | None = None) -> None:
        self._every = every
        self._values = values
        self._then = then

    def decision(self, envelope: Envelope, decision: Decision, at: float) -> None:
        if self._then is not None:
            self._then.decision(envelope, decision, at)
        if self._every or decision.verdict in (reasons.REFUSE, reasons.DEFER):
            log.info(
                "route client=%s from=%s to=%s verdict=%s reason=%s status=%s",
                envelope.client_address or "-",
                self._shown(envelope.sender),
                self._shown(envelope.recipient),
                decision.verdict,
                decision.reason,
                decision.status or "-",
            )

    def _shown(self, address: str) -> str:
        if self._values:
            return quoted(address)
        _, at, domain = address.rpartition("@")
        return quoted(f"@{domain}") if at else '""'
