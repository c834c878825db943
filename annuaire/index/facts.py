"""Facts of routing decisions, read from the index: no database on the way.

The values are those of `domain.facts`; what was asked lately is kept decoded until the index moves.
"""

from __future__ import annotations

from annuaire.domain import facts
from annuaire.domain.facts import AccountFacts, DomainFacts
from annuaire.index.reader import Reader, Snapshot

# Answers kept, "nobody" included: both addresses of 80,000 accounts, and as many of others.
KNOWN_MAX = 300_000


class FactsReader:
    """Answers `account`, `domain` and `loaded`. Each raises Unavailable when there is no index."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._snapshot: Snapshot | None = None
        self._accounts: dict[str, AccountFacts | None] = {}
        self._domains: dict[str, DomainFacts | None] = {}
        self._loaded: bool | None = None  # not asked since the index moved

    def account(self, address: str) -> AccountFacts | None:
        """Our account that has this native or interop address, in lower case and without extension."""
        if self._reader.is_at(self._snapshot) and address in self._accounts:
            return self._accounts[address]
        snapshot = self._look()
        try:
            raw = self._fact(snapshot, facts.address_name(address))
        finally:
            snapshot.end()
        found = None if raw is None else facts.unpack_account(raw)
        if len(self._accounts) >= KNOWN_MAX:
            self._accounts.clear()
        self._accounts[address] = found
        return found

    def domain(self, domain: str) -> DomainFacts | None:
        """The liste blanche's rows of exactly this domain, in lower case and ASCII."""
        if self._reader.is_at(self._snapshot) and domain in self._domains:
            return self._domains[domain]
        snapshot = self._look()
        try:
            raw = self._fact(snapshot, facts.domain_name(domain))
        finally:
            snapshot.end()
        found = None if raw is None else facts.unpack_domain(raw)
        if len(self._domains) >= KNOWN_MAX:
            self._domains.clear()
        self._domains[domain] = found
        return found

    def loaded(self) -> bool:
        """Whether a liste blanche was ever loaded."""
        if not self._reader.is_at(self._snapshot) or self._loaded is None:
            snapshot = self._look()
            try:
                self._loaded = self._fact(snapshot, facts.LOADED) is not None
            finally:
                snapshot.end()
        return self._loaded

    def _look(self) -> Snapshot:
        snapshot = self._reader.snapshot()
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._accounts.clear()
            self._domains.clear()
            self._loaded = None
        return snapshot

    def _fact(self, snapshot: Snapshot, name: bytes) -> bytes | None:
        # LMDB takes no longer key, and no address or domain is one.
        return snapshot.fact(name) if len(name) <= NAME_MAX else None


NAME_MAX = 500
