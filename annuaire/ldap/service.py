"""What the sessions of one listener share: the directory, who may come in, and the limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from annuaire.domain.audience import Audience
from annuaire.domain.password import Remembered
from annuaire.ldap.directory import Directory
from annuaire.ldap.external import External
from annuaire.ldap.framing import MESSAGE_MAX
from annuaire.ldap.guessing import Guesses, Uncounted
from annuaire.ldap.identity import Administrator
from annuaire.ldap.messages import Message
from annuaire.ldap.root_dse import OwnEntries
from annuaire.ldap.schema import Schema
from annuaire.ldap.search_requests import USUAL, Bounds
from annuaire.ldap.sleeping import Followers
from annuaire.ldap.tree import Tree

# Requests of one connection that wait behind one that is under way; Dovecot pipelines 8.
WAITING_MAX = 100
# Their octets, the last one's aside: a hundred of the largest messages, of a few connections, would be gigabytes.
WAITING_OCTETS_MAX = 1024 * 1024


class Observer(Protocol):
    """Whoever keeps a log or counts. It may be slow to no session, and its failure is not theirs."""

    def answered(self, peer: str, message: Message, answer: bytes, last: bool, started: float) -> None:
        """Bytes that answer a request; `last` when they end it. An abandoned search ends with b""."""
        ...

    def login_failed(self, peer: str, code: int, dn: str | None) -> None:
        """A bind that failed; the DN only when it names an account, for what was typed may be a password."""
        ...

    def bug(self, peer: str, message: Message | None) -> None:
        """Called while handling an exception that nobody foresaw."""
        ...


@dataclass(slots=True)
class Service:
    directory: Directory
    schema: Schema
    own_entries: OwnEntries
    # Where writing is possible; None: nowhere.
    tree: Tree | None = None
    anonymous: Audience = Audience.PUBLIC  # NOBODY: who has not said who they are is told so
    administrator: Administrator | None = None
    external: External | None = None  # whom certificates and local processes stand for
    start_tls: bool = False  # whether StartTLS can be had
    require_tls: bool = False  # whether passwords in clear are refused
    # Known to all workers and nobody else, the same after each start: what unknown names answer SCRAM with.
    secret: bytes = field(default=b"", repr=False)
    remembered: Remembered = field(default_factory=lambda: Remembered(0))
    guesses: Guesses = field(default_factory=Uncounted)
    message_max: int = MESSAGE_MAX
    message_max_anonymous: int = MESSAGE_MAX
    followers: Followers = field(default_factory=Followers)
    waiting_max: int = WAITING_MAX
    bounds: Bounds = USUAL
    observer: Observer | None = None
    observe_operations: bool = False
