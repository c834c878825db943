"""Log lines about LDAP operations: who asked what in which shape, what was answered, how long it took.

    op client=127.0.0.1:4711 msg=3 search base="o=apicrypt,c=FR" scope=sub filter="(cn=*?*)" … result=0
    login client=127.0.0.1:4711 result=49 account="uid=…"

Security: what people type is not written unless `[log] values` says so, passwords never, and a failed login's
name only when it names an account: the rest may be a password typed in the wrong field. Control characters
are escaped and lengths cut, so that no value can pass for a line. A failing log fails no request.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from time import monotonic

from annuaire.errors import AnnuaireError
from annuaire.ldap import ber, filters, responses
from annuaire.ldap.messages import (
    AddRequest,
    BindRequest,
    CompareRequest,
    DeleteRequest,
    ExtendedRequest,
    Message,
    ModifyDnRequest,
    ModifyRequest,
    SearchRequest,
)
from annuaire.ldap.results import ResultCode
from annuaire.server import figures

log = logging.getLogger("annuaire.ldap")

# A name or filter longer than this is cut: a log line stays a line.
SHOWN_MAX = 300
# Not errors: success, the two answers of compare, entries cut by the client's or the server's limit, a SASL bind
# between two steps, and what a client asked to be told instead of done: not as it asserts, only tried.
EXPECTED = frozenset(
    {
        ResultCode.success,
        ResultCode.compareFalse,
        ResultCode.compareTrue,
        ResultCode.sizeLimitExceeded,
        ResultCode.saslBindInProgress,
        ResultCode.assertionFailed,
        ResultCode.noOperation,
    }
)
# What nearly every answer ends with: SearchResultDone with success, no name, no text, no control.
_SUCCESS = b"\x65\x07\x0a\x01\x00\x04\x00\x04\x00"
_SCOPES = ("base", "one", "sub", "children")
_WITHOUT_RESULT = (responses.SEARCH_ENTRY, responses.SEARCH_REFERENCE, responses.INTERMEDIATE_RESPONSE)
# Entries and result of streams under way; more than there are connections would be a fault of ours.
_UNDER_WAY_MAX = 100_000


class OperationLog:
    """The observer of `ldap.service`; `every` operation, or only those that end in an error."""

    def __init__(
        self, every: bool, values: bool, counts: memoryview | None = None, silent: bool = False
    ) -> None:
        self._every = every
        self._values = values
        # Where operations are counted (figures.py); `silent`: counted and not logged.
        self._counts = counts
        self._silent = silent
        self._under_way: dict[tuple[str, int], tuple[int, int | None]] = {}

    def answered(self, peer: str, message: Message, answer: bytes, last: bool, started: float) -> None:
        if last and self._counts is not None and (place := figures.PLACES.get(type(message.operation))):
            self._counts[place] += 1
        if self._silent:
            return
        if last and not self._every and answer.endswith(_SUCCESS) and not self._under_way:
            return
        try:
            self._answered(peer, message, answer, last, started)
        except Exception:
            log.exception("an operation could not be logged")

    def _answered(self, peer: str, message: Message, answer: bytes, last: bool, started: float) -> None:
        key = (peer, message.message_id)
        entries, code = self._under_way.pop(key, (0, None))
        for tag, found in _operations(answer):
            if tag == responses.SEARCH_ENTRY:
                entries += 1
            elif tag not in _WITHOUT_RESULT:
                code = found
        if not last:
            if len(self._under_way) < _UNDER_WAY_MAX:
                self._under_way[key] = (entries, code)
            return
        if not self._every and code in EXPECTED:
            return
        parts = [f"op client={peer} msg={message.message_id}", *_described(message, self._values)]
        if isinstance(message.operation, SearchRequest):
            parts.append(f"entries={entries}")
        parts.append(f"result={code}" if code is not None else "abandoned")
        parts.append(f"ms={(monotonic() - started) * 1000:.1f}")
        log.info(" ".join(parts))

    def login_failed(self, peer: str, code: int, dn: str | None) -> None:
        log.warning("login client=%s result=%d account=%s", peer, code, quoted(dn) if dn else "-")

    def bug(self, peer: str, message: Message | None) -> None:
        shown = " ".join(_described(message, False)) if message is not None else "-"
        log.exception("bug client=%s %s", peer, shown)


def quoted(text: str | bytes) -> str:
    """A text as it may stand in a log line."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return json.dumps(text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…")


def _described(message: Message, values: bool) -> Iterator[str]:
    operation = message.operation
    if isinstance(operation, SearchRequest):
        shown = filters.format(operation.filter) if values else filters.shape(operation.filter)
        yield f"search base={quoted(operation.base)} scope={_SCOPES[operation.scope]} filter={quoted(shown)}"
        if operation.attributes:
            yield f"attributes={quoted(b' '.join(operation.attributes[:50]))}"
        if operation.size_limit:
            yield f"limit={operation.size_limit}"
    elif isinstance(operation, BindRequest):
        yield f"bind v{operation.version}"
    elif isinstance(operation, ExtendedRequest):
        yield f"extended oid={quoted(operation.oid)}"
    elif isinstance(operation, CompareRequest):
        yield f"compare dn={quoted(operation.dn)} attribute={quoted(operation.attribute)}"
    elif isinstance(operation, AddRequest | DeleteRequest | ModifyRequest | ModifyDnRequest):
        name = type(operation).__name__.removesuffix("Request").lower()
        yield f"{name} dn={quoted(operation.dn)}"
    for control in message.controls:
        yield f"control={quoted(control.oid)}{'!' if control.critical else ''}"


def _operations(answer: bytes) -> Iterator[tuple[int, int | None]]:
    """Tag and result code of each message in an answer; what comes before its end has no code."""
    position, size = 0, len(answer)
    while position < size:
        _, start, end = ber.read(answer, position, size)
        _, _, after_id = ber.read(answer, start, end)
        tag, body, limit = ber.read(answer, after_id, end)
        code = None
        if tag not in _WITHOUT_RESULT:
            _, code_start, code_end = ber.read(answer, body, limit)
            code = int.from_bytes(answer[code_start:code_end], "big")
        yield tag, code
        position = end


def trouble(error: AnnuaireError) -> str:
    """An error of ours in one line: what was said, and the reason behind it."""
    return error.public if error.reason == error.public else f"{error.public} ({error.reason})"
