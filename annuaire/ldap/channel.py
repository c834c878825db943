"""What is known of a connection before anybody binds on it: who a stranger is there, and what protects its bytes.

It changes once at most, when TLS is there: at its start (LDAPS) or after StartTLS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from annuaire.domain.audience import Audience


def unbindable(_name: str) -> bytes | None:
    """A channel without TLS has nothing that SCRAM could be bound to."""
    return None


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a certificate or a process stands for: an audience, or the account of that DN."""

    audience: Audience | None = None
    account: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """One connection's; the session never looks behind it."""

    # Who a client is until it binds: by the listener, its network, or what stands for it.
    unbound: Audience = Audience.PUBLIC
    encrypted: bool = False  # TLS is there
    local: bool = False  # a unix socket: what is written there leaves no machine
    # The subject of the client's certificate (RFC 4514), its chain verified; empty: none was shown.
    certificate: str = ""
    # The process at the other end of a unix socket (external.process_name); empty: it is not known.
    process: str = ""
    # Which of the two stands for somebody here, and for whom: what SASL EXTERNAL proves.
    external: str = ""
    target: Target | None = None
    # The data of a channel binding by its name (RFC 5929, RFC 9266); None: not on this channel.
    binding: Callable[[str], bytes | None] = unbindable

    @property
    def confidential(self) -> bool:
        """Whether a password may be sent here in clear."""
        return self.encrypted or self.local
