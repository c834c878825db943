"""Mail addresses as directories hold them: their form (RFC 5321 without its curiosities), and their domain.

A quoted local part, a domain in brackets and letters beyond ASCII before the @ are refused: no mailbox of either
network has them, and a reader that tolerates them hands them to programs that do not.
"""

from __future__ import annotations

import re
from functools import lru_cache

from annuaire.domain import liste_blanche

# RFC 5321 §4.5.3.1: a path is 256 octets, brackets included.
ADDRESS_MAX = 254
LOCAL_MAX = 64

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")


def parse(text: str) -> tuple[str, str] | None:
    """The local part as written and the domain in its normal form (ASCII, lower case); None when malformed."""
    local, at, domain = text.rpartition("@")
    if not at or len(local) > LOCAL_MAX or not _LOCAL.fullmatch(local):
        return None
    normal = _domain(domain)
    if not normal or len(local) + 1 + len(normal) > ADDRESS_MAX:
        return None
    return local, normal


def domain_of(text: str) -> str:
    """The domain of an address in its normal form, "" when the address is malformed."""
    parts = parse(text)
    return parts[1] if parts else ""


# The national list has about 5,000 domains.
@lru_cache(16_384)
def _domain(text: str) -> str:
    if text.endswith(".") or text != text.strip():
        return ""  # a domain may be written so elsewhere, not in an address
    return liste_blanche.domain_name(text)
