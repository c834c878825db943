"""What must hold when an entry changes from one state to another, beyond the schema: the rules of accounts.

The one place that every writer asks: imports for each new and each changed entry, other actions too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

Attributes = Mapping[str, Sequence[bytes]]


class Verdict(NamedTuple):
    """`refusal`: result code and reason, or None; `warnings`: what was not taken, and why."""

    refusal: tuple[int, str] | None = None
    warnings: tuple[str, ...] = ()


FINE = Verdict()
# RFC 4519 §2.41 lets userPassword be in clear; a store that somebody may copy does not.
_IN_CLEAR = Verdict(
    (
        19,
        "userPassword: a password in clear is not kept, give its hash: {SSHA}, {SSHA512}, {PBKDF2-SHA256}, {SCRYPT}",
    )
)


def judge(old: Attributes | None, new: Attributes) -> Verdict:
    """Judge a new entry (old is None) or a changed one. The rules of apicryptUtilisateur belong here."""
    if any(not value.startswith(b"{") for value in new.get("userPassword", ())):
        return _IN_CLEAR
    return FINE
