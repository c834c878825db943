"""An envelope, and what the directory knows of its two ends: gathered once, before anything is decided.

Nothing here judges. What cannot be known now is Unavailable, raised by whoever is asked: trouble is temporary.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, Protocol

from annuaire.domain import mail_address, moment
from annuaire.domain.activation import Rules
from annuaire.domain.domains import Domains
from annuaire.domain.facts import AccountFacts, DomainFacts
from annuaire.domain.mail_address import Address
from annuaire.errors import Misconfigured

# What an address is before anybody is looked up.
NATIVE = "native"
INTEROP = "interop"
DGS = "dgs"
ELSEWHERE = "elsewhere"
NULL = "null"  # the sender of bounces and receipts
MALFORMED = "malformed"
POSTMASTER = "postmaster"  # the one recipient that every server takes without a domain (RFC 5321 §4.5.1)

# Domains and clients remembered: the national list has 5,000 domains, and clients are mail servers.
KNOWN_MAX = 16_384


class Envelope(NamedTuple):
    """What a mail server says of a message to one recipient, before its content."""

    sender: str  # "" or <> is the null sender
    recipient: str
    authenticated_user: str = ""  # the address that the session logged in with
    client_address: str = ""
    certificate: str = ""  # its subject: a DN, or the CommonName alone; decoded


class Lookups(Protocol):
    """Whoever has the facts; each may raise Unavailable."""

    def account(self, address: str, /) -> AccountFacts | None:
        """Our account with this native or interop address, in lower case."""

    def domain(self, domain: str, /) -> DomainFacts | None:
        """What the liste blanche has for exactly this domain, in lower case and ASCII."""

    def loaded(self) -> bool:
        """Whether there is a liste blanche."""


class Party(NamedTuple):
    """One end of an envelope."""

    kind: str
    address: Address | None = None
    account: AccountFacts | None = None  # of ours; behind a null sender, of the session
    listed: DomainFacts | None = None  # on the liste blanche


class Facts(NamedTuple):
    sender: Party
    recipient: Party
    loaded: bool  # a liste blanche; looked at only when one of the domains was not found on it


class Settings:
    """What the configuration says, made ready."""

    def __init__(
        self,
        domains: Domains,
        rules: Rules,
        own_networks: Sequence[str] = (),
        key_grace_days: int = 30,
        require_certificate: bool = False,
    ) -> None:
        self.domains = domains
        self.rules = rules
        self.key_grace = timedelta(days=key_grace_days)
        self.require_certificate = require_certificate
        self._networks = _networks(own_networks)
        self._kinds: dict[str, str] = {}
        self._clients: dict[str, bool] = {}
        self._last_moments: dict[str, datetime] = {}

    def kind(self, domain: str) -> str:
        known = self._kinds.get(domain)
        if known is None:
            if self.domains.is_interop(domain):
                known = INTEROP
            elif self.domains.is_native(domain):
                known = NATIVE
            else:
                known = DGS if self.domains.is_dgs(domain) else ELSEWHERE
            if len(self._kinds) >= KNOWN_MAX:
                self._kinds.clear()
            self._kinds[domain] = known
        return known

    def is_own_client(self, client_address: str) -> bool:
        """Whether a client is in one of `[routing] own_networks`."""
        if not self._networks or not client_address:
            return False
        known = self._clients.get(client_address)
        if known is None:
            known = self._is_within(client_address)
            if len(self._clients) >= KNOWN_MAX:
                self._clients.clear()
            self._clients[client_address] = known
        return known

    def _is_within(self, client_address: str) -> bool:
        try:
            address = ip_address(client_address.removeprefix("IPv6:"))
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def keys_are_valid(self, account: AccountFacts, now: datetime) -> bool:
        """Whether somebody can still read what is encoded for them, grace included; no readable end is no end."""
        if not account.key_end:
            return True
        try:
            last = self._last_moments[account.key_end]
        except KeyError:
            last = self._last_moment(account.key_end)
        return now <= last

    def _last_moment(self, key_end: str) -> datetime:
        """The end of keys with its grace; accounts have few different ones."""
        try:
            last = (moment.parse(key_end) or _NEVER) + self.key_grace
        except OverflowError:
            last = _NEVER
        if len(self._last_moments) >= KNOWN_MAX:
            self._last_moments.clear()
        self._last_moments[key_end] = last
        return last


_NEVER = datetime.max.replace(tzinfo=UTC)


def _networks(texts: Sequence[str]) -> list[IPv4Network | IPv6Network]:
    found, problems = [], []
    for text in texts:
        try:
            found.append(ip_network(text.strip(), strict=False))
        except ValueError:
            problems.append(
                f"[routing] own_networks: {text} is no network, as 192.0.2.0/24 or 2001:db8::/32 is"
            )
    if problems:
        raise Misconfigured("\n".join(problems))
    return found


# Whose domain is looked up on the liste blanche.
_LISTABLE = frozenset({DGS, ELSEWHERE})
# Three values are made for each message: this skips a call.
_new = tuple.__new__


def collect(envelope: Envelope, lookups: Lookups, settings: Settings) -> Facts:
    """Everything that a decision asks; Unavailable when it cannot be had."""
    if mail_address.is_null(envelope.sender):
        sender = Party(NULL, None, _of_session(envelope.authenticated_user, lookups))
    else:
        sender = _party(envelope.sender, lookups, settings)
    recipient = _party(envelope.recipient, lookups, settings)
    unlisted = (sender.listed is None and sender.kind in _LISTABLE) or (
        recipient.listed is None and recipient.kind in _LISTABLE
    )
    return _new(Facts, (sender, recipient, not unlisted or lookups.loaded()))


def _party(text: str, lookups: Lookups, settings: Settings) -> Party:
    address = mail_address.parse(text)
    if address is None:
        if text.strip("<>").lower() == POSTMASTER:
            return Party(POSTMASTER)
        kind = settings.kind(mail_address.claimed_domain(text))
        return Party(kind if kind in (NATIVE, INTEROP) else MALFORMED)
    kind = settings.kind(address.domain)
    if kind in (NATIVE, INTEROP):
        account = lookups.account(address.exact)
        if account is None and address.plain != address.exact:
            account = lookups.account(address.plain)
        return _new(Party, (kind, address, account, None))
    return _new(Party, (kind, address, None, lookups.domain(address.domain)))


def _of_session(user: str, lookups: Lookups) -> AccountFacts | None:
    address = mail_address.parse(user) if user else None
    return None if address is None else lookups.account(address.exact)
