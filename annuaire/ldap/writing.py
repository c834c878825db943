"""A write as a value: what a session hands to whoever holds the store, and what comes back.

A session decides who may write where before anything is looked up; the rest (does the entry exist, does the schema
agree) is found out beside the reactor, in the order in which writes were handed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from annuaire.domain.access import Grant
from annuaire.domain.audience import Audience
from annuaire.ldap.messages import (
    AddRequest,
    Control,
    DeleteRequest,
    ModifyDnRequest,
    ModifyRequest,
)
from annuaire.ldap.results import ResultCode
from annuaire.ldap.standing import Standing

WriteRequest = AddRequest | ModifyRequest | DeleteRequest | ModifyDnRequest


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """RFC 3062 §2: whose password; the old and the new one, either may be left out."""

    dn: str
    old: bytes | None = field(default=None, repr=False)
    new: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class WriteGroup:
    """The updates of a transaction (RFC 5805), in order, with the ids of their messages: all are done or none is."""

    jobs: tuple[WriteJob, ...]
    numbers: tuple[int, ...]
    dn: str = ""  # it is about no entry of its own


@dataclass(frozen=True, slots=True)
class WriteJob:
    """One write on its way: `actor` is in whose name, `grant` what they may change."""

    request: WriteRequest | PasswordChange | WriteGroup
    controls: tuple[Control, ...]
    actor: str
    audience: Audience
    grant: Grant
    # Where a client came from, and who is bound where that is not the actor, for the log and the journal.
    peer: str = ""
    bound: str = ""
    # The server's own doing, nobody's change: who modified the entry, and when, stay.
    quiet: bool = False
    # What the right to it rests on, to be found as it was when it is done.
    standings: tuple[Standing, ...] = ()


def octets(job: WriteJob) -> int:
    """What a write takes while it waits: its names, its values and those of its controls."""
    request = job.request
    if isinstance(request, WriteGroup):
        return sum(map(octets, request.jobs))
    size = len(request.dn) + sum(len(one.value or b"") for one in job.controls)
    if isinstance(request, PasswordChange):
        return size + len(request.old or b"") + len(request.new or b"")
    if isinstance(request, ModifyDnRequest):
        return size + len(request.new_rdn) + len(request.new_superior or b"")
    if isinstance(request, AddRequest):
        named = request.attributes
    elif isinstance(request, ModifyRequest):
        named = [(name, values) for _, name, values in request.changes]
    else:
        named = []
    return size + sum(len(name) + sum(map(len, values)) for name, values in named)


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """How a write ended."""

    code: ResultCode = ResultCode.success
    text: str = ""
    matched: str = ""
    controls: tuple[Control, ...] = ()
    # Of a group, how each ended, the one that could not be done last.
    parts: tuple[WriteOutcome, ...] = ()
    # The value of the extended response: a generated password (RFC 3062 §2).
    value: bytes | None = field(default=None, repr=False)


class WriteRefusedError(Exception):
    """Why a write cannot be done; nothing of it is."""

    def __init__(self, code: int, text: str = "", matched: str = "") -> None:
        super().__init__(text)
        self.outcome = WriteOutcome(ResultCode(code), text, matched)
