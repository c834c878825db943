"""What a session asks of the directory behind it: five questions, always in the name of an audience.

The index answers them in service, a list of entries in tests. `now` is a monotonic clock's seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from annuaire.domain.audience import Audience
from annuaire.ldap import sync
from annuaire.ldap.messages import Message, SearchRequest
from annuaire.ldap.search_controls import Asked

# The whole answer, SearchResultDone included; or the same in chunks, to be sent as the client reads: an empty
# chunk says that a slice of work is over and nothing is to be sent yet, the last one holds SearchResultDone.
Answer = bytes | Iterator[bytes]


class Found(NamedTuple):
    """One entry that the audience sees."""

    dn: str
    attributes: dict[str, list[bytes]]
    operational: dict[str, list[bytes]]


@dataclass(frozen=True, slots=True)
class Account:
    """Who a bind name stands for; without hashes, nobody can log in as it."""

    dn: str
    audience: Audience
    hashes: tuple[bytes, ...] = field(repr=False)
    replicates: bool = False  # made with --replicate-passwords
    uuid: bytes = b""  # of its entry


class Directory(Protocol):
    """The entries, as one audience at a time sees them. Each may raise Unavailable: answered busy(51)."""

    def search(self, message: Message, audience: Audience, now: float) -> Answer:
        """Answer a SearchRequest and its controls; faults of the request are answers, not exceptions."""
        ...

    def synchronize(
        self, number: int, request: SearchRequest, asked: sync.Request, asker: sync.Asker, beside: Asked
    ) -> Iterator[bytes]:
        """The answer to a consumer of RFC 4533; it may yield `sleeping.ASLEEP`, until the index has moved.

        beside: what the other controls of the search ask."""
        ...

    def moved(self) -> bytes:
        """Octets that are others when something has changed that a consumer may wait for."""
        ...

    def entry(self, key: bytes, audience: Audience) -> Found | None:
        """The entry with that `dn.key`; None when it is absent or hidden, which are the same."""
        ...

    def referral(self, key: bytes, audience: Audience) -> Found | None:
        """The referral entry (RFC 3296) that a name is or lies below, if the audience sees it."""
        ...

    def matched(self, key: bytes, audience: Audience) -> str:
        """The DN of the nearest superior that the audience sees (matchedDN, RFC 4511 §4.1.9), or ""."""
        ...

    def account(self, name: str) -> Account | None:
        """Whom a bind name, a DN as typed or an address, stands for."""
        ...

    def is_of(self, key: bytes, name: str) -> bool:
        """Whether a bind name means the entry with that `dn.key`; nobody else's entry is looked at."""
        ...
