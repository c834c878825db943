"""Postfix policy delegation (SMTPD_POLICY_README): what a mail server asks at each step of a conversation.

    -> name=value lines and an empty line; the next request may follow at once
    <- action=… and an empty line

Unknown attributes and states are no error, an absent one is empty, of a repeated one the last holds. There is no
answer that means trouble: who cannot decide says nothing and closes, and Postfix tells its client to come back later.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from annuaire.errors import Malformed

KIND = b"smtpd_access_policy"
RCPT = "RCPT"
# Postfix cuts lines at 2,048 octets; a certificate's name in xtext may take four times that.
LINE_MAX = 16_384
# Postfix sends some thirty attributes, a kilobyte in all.
ATTRIBUTES_MAX = 500
REQUEST_MAX = 65_536
# An SMTP reply is at most 512 octets (RFC 5321 §4.5.3.1.5), of which Postfix puts some of its own before the text.
ACTION_MAX = 400

_END = b"\n\n"
_ESCAPED = re.compile(rb"\+([0-9A-F]{2})")
_NOT_SHOWN = re.compile(r"[^\x20-\x7e]")


class Request(NamedTuple):
    """The attributes that a decision looks at, as text; octets that are not UTF-8 become U+FFFD."""

    state: str
    sender: str
    recipient: str
    sasl_username: str
    client_address: str
    ccert_subject: str


class Decoder:
    """The requests of one connection, however its bytes are cut."""

    __slots__ = ("_begun", "_searched")

    def __init__(self) -> None:
        self._begun = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> list[Request]:
        """Requests that are now whole; raises Malformed for what can never become one."""
        if not self._begun and data.endswith(_END) and data.find(_END) == len(data) - 2:
            return [decode(data[:-2])]  # one packet, one request: what Postfix does
        begun = self._begun
        begun += data
        found = []
        start = 0
        while (end := begun.find(_END, max(start, self._searched))) >= 0:
            found.append(decode(bytes(begun[start:end])))
            start = end + 2
            self._searched = start
        del begun[:start]
        # The first of two line ends may be the last octet so far.
        self._searched = max(0, len(begun) - 1)
        if len(begun) > REQUEST_MAX:
            raise Malformed("policy: a request without an end")
        return found


def decode(block: bytes) -> Request:
    """One request without its empty line."""
    if len(block) > LINE_MAX:
        _refuse_long(block)
    try:
        given = dict([line.split(b"=", 1) for line in block.split(b"\n")])
    except ValueError:
        raise Malformed("policy: a line without =") from None
    if len(given) > ATTRIBUTES_MAX:
        raise Malformed("policy: too many attributes")
    if given.get(b"request") != KIND:
        raise Malformed("policy: request=smtpd_access_policy expected")
    subject = given.get(b"ccert_subject", b"")
    return Request(
        given.get(b"protocol_state", b"").decode("utf-8", "replace"),
        given.get(b"sender", b"").decode("utf-8", "replace"),
        given.get(b"recipient", b"").decode("utf-8", "replace"),
        given.get(b"sasl_username", b"").decode("utf-8", "replace"),
        given.get(b"client_address", b"").decode("utf-8", "replace"),
        decode_xtext(subject).decode("utf-8", "replace") if subject else "",
    )


def encode(action: str) -> bytes:
    """An answer. Whatever stands in the action, it stays one line of ASCII."""
    return b"action=" + _NOT_SHOWN.sub("?", action[:ACTION_MAX]).encode() + _END


def decode_xtext(text: bytes) -> bytes:
    """RFC 3461 §4, in which Postfix writes names of certificates."""
    if b"+" not in text:
        return text
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), text)


def _refuse_long(block: bytes) -> None:
    if len(block) > REQUEST_MAX:
        raise Malformed("policy: a request that is too long")
    if max(map(len, block.split(b"\n"))) > LINE_MAX:
        raise Malformed("policy: a line that is too long")
