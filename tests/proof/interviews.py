"""Two directories are asked the same, octet for octet, and their answers are laid side by side.

What may differ is left out here and nowhere else (DESIGN §10 (3)): the octets of a page cookie or of a window's
context, which are sealed; their length and what they lead to may not. Beside the answers, what the log says of them
and how many passwords were hashed are compared: neither may tell more than the answer.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import NamedTuple

import asking
import pytest
from operations import Operation
from two_directories import MEMBERS, SECRET, Client, Pair, Place

from annuaire.domain.audience import Audience
from annuaire.ldap import ber, controls
from annuaire.ldap.responses import Result
from annuaire.passwords import argon2
from annuaire.server.observe import OperationLog

_OTHERS = (Audience.ADMIN, Audience.APICRYPT, Audience.DGS, Audience.ROUTAGE)
# More pages than any search here has: a cookie that leads nowhere is a fault too.
PAGES_MAX = 400
# Of a log line: how long it took; whose account a refused login named, which only the operator reads.
_NOT_COMPARED = re.compile(r" ms=[0-9.]+| account=.*")


class Said(NamedTuple):
    """What is compared of one request."""

    octets: bytes
    cookie: int  # its length
    closed: bool
    hashed: int
    log: tuple[str, ...]


class Hashing:
    """Counts the passwords that are hashed as our own scheme does, and spares the time."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        assert argon2.available()
        self.count = 0
        patch.setattr(argon2, "_derive", self._derive)

    def _derive(self, kind: bytes, secret: bytes, salt: bytes, length: int, *costs: int) -> bytes:
        self.count += 1
        return b"\xff" * length


class Lines(logging.Handler):
    """What was logged, until it is taken."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self.log = logging.getLogger("annuaire.ldap")
        self.log.addHandler(self)
        self.log.setLevel(logging.INFO)
        self.log.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(_NOT_COMPARED.sub("", record.getMessage()))

    def take(self) -> tuple[str, ...]:
        taken = tuple(self.lines)
        self.lines.clear()
        return taken

    def close(self) -> None:
        self.log.removeHandler(self)
        self.log.propagate = True
        super().close()


class Side:
    """One of the two: its connection, and what it said."""

    def __init__(self, place: Place, audience: Audience, hashing: Hashing, lines: Lines) -> None:
        self._audience = audience
        self._service = place.service(observer=OperationLog(True, False))
        self._hashing = hashing
        self._lines = lines
        self.number = 0
        self.cookie = b""
        self.windows = 0
        self.client = self.connect()
        # Whoever else asks the same directory: what it remembers of their answers is not for strangers.
        self._others = [Client(replace(self._service, anonymous=seer)) for seer in _OTHERS]

    def connect(self) -> Client:
        """A connection of the audience: strangers do not bind, members of the trust space do."""
        self.number = 1
        self.client = Client(self._service)
        if self._audience != Audience.PUBLIC:
            answer = self.client.say(asking.bind(1, MEMBERS[self._audience], SECRET))
            assert asking.codes(answer) == [(1, 0)]
        self._lines.take()
        return self.client

    def say(self, operation: Operation) -> Said:
        self.number += 1
        if operation.reads and not self.cookie:
            self._others[self.number % len(_OTHERS)].say(operation.octets(self.number, b""))
            self._lines.take()
        before = self._hashing.count
        answer = self.client.say(operation.octets(self.number, self.cookie))
        given = cookies_in(answer)
        windows = contexts_in(answer)
        self.windows += len(windows)
        for cookie in [*given, *windows]:
            answer = answer.replace(cookie, bytes(len(cookie)))
        self.cookie = given[0] if operation.paged and given else b""
        said = Said(
            answer, len(self.cookie), self.client.closed, self._hashing.count - before, self._lines.take()
        )
        if operation.reconnects or self.client.closed:
            self.connect()
        return said


def cookie_in(answer: bytes) -> bytes:
    return next(iter(cookies_in(answer)), b"")


def contexts_in(answer: bytes) -> list[bytes]:
    """What windows of a list are bound together by: sealed, like a page cookie."""
    if _WINDOW not in answer:
        return []
    given = []
    for one in asking.read(answer):
        for control in one.controls:
            if control.oid == controls.VLV_RESPONSE and control.value is not None:
                # SEQUENCE { position, contentCount, result, context OPTIONAL }
                start, end = ber.expect(control.value, 0, len(control.value), ber.SEQUENCE)
                for _ in range(3):
                    _, _, start = ber.read(control.value, start, end)
                context, _ = ber.read_optional(control.value, start, end, ber.OCTET_STRING)
                given.append(context or b"")
    return [context for context in given if context]


def cookies_in(answer: bytes) -> list[bytes]:
    """The page cookies that lead on."""
    if _PAGED not in answer:
        return []
    given = [
        controls.decode_paged_results(control.value).cookie
        for one in asking.read(answer)
        for control in one.controls
        if control.oid == controls.PAGED_RESULTS
    ]
    return [cookie for cookie in given if cookie]


_PAGED = controls.PAGED_RESULTS.encode()
_WINDOW = controls.VLV_RESPONSE.encode()


class Interview:
    """Asks both, and keeps where they differ."""

    def __init__(self, pair: Pair, audience: Audience, hashing: Hashing) -> None:
        self.lines = Lines()
        self.sides = [Side(place, audience, hashing, self.lines) for place in pair]
        self.entries = 0
        self.codes: set[int] = set()
        self.pages = 0

    def ask(self, operation: Operation) -> tuple[Said, Said] | None:
        """Both answers where they differ; to the last page, and None, where they do not."""
        for _ in range(PAGES_MAX):
            first, second = [side.say(operation) for side in self.sides]
            if first != second:
                return first, second
            self._count(first)
            if not first.cookie:
                return None
            self.pages += 1
        raise AssertionError(f"pages without end: {operation.told}")

    def _count(self, said: Said) -> None:
        """What was answered at all: agreement about nothing would prove nothing."""
        if said.closed or not said.octets:
            return
        for answer in asking.read(said.octets):
            if isinstance(answer.operation, Result):
                self.codes.add(answer.operation.code)
            else:
                self.entries += 1

    def close(self) -> None:
        self.lines.close()


def shown(difference: tuple[Said, Said]) -> str:
    """Where two answers part."""
    first, second = difference
    parts = [f"{said[1:]}, {len(said.octets)} octets" for said in difference]
    at = next((i for i, (a, b) in enumerate(zip(first.octets, second.octets, strict=False)) if a != b), None)
    if at is not None:
        parts += [repr(said.octets[max(0, at - 300) : at + 300]) for said in difference]
    return "\n".join(parts)
