"""Addresses as envelopes hold them (RFC 5321 §4.1.2, RFC 6531), and the form under which they are looked up.

What mail reads as one address is one here: quoted local parts, source routes (ignored, as RFC 5321 asks), literals,
domains in any case, with a dot at their end or in letters beyond ASCII. What mail would refuse is no address: text
with a display name, several @ outside quotes, blanks, control or invisible characters, excess length. `address` has
the stricter form that directories keep.

Limit: of domains beyond ASCII only those are read on which IDNA 2003, all that the standard library has, and its
successor agree. One that 2003 rewrites (ß, a final ς, letters of full width) could stand for the domain of somebody
else, so it makes no address.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

# What stands between a mailbox and its extension: Postfix's recipient_delimiter, as every operator has it.
DELIMITER = "+"
# RFC 5321 §4.5.3.1, octets: a path of 256 has its brackets; RFC 1035 §2.3.4 for the parts of a domain.
ADDRESS_MAX, LOCAL_MAX, DOMAIN_MAX, LABEL_MAX = 254, 64, 253, 63
# With a source route a path may be longer than an address; no mail server hands over more.
TEXT_MAX = 1024

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
# Letters, digits and hyphens, and the underscore that some hosts have all the same.
_HOST = r"[A-Za-z0-9_-]+"
# Nearly every address there is; linear, since no atom and no label holds a dot.
_ORDINARY = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_HOST}(?:\.{_HOST})*)")
_LABEL = re.compile(_HOST)
# The same beyond ASCII (RFC 6531), where what is invisible is sorted out by hand.
_WIDE = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_ATOMS = re.compile(rf"{_WIDE}(?:\.{_WIDE})*")
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class Address(NamedTuple):
    """A mailbox somewhere. Two spellings of one address have the same `exact`."""

    local: str  # as written, without its quotes
    domain: str  # lower case and ASCII, without a dot at its end; or a literal in brackets
    exact: str  # lower case, with its extension
    plain: str  # lower case, without extension: what directories are asked

    @property
    def text(self) -> str:
        """As an envelope writes it."""
        local = self.local
        if not _is_atoms(local):
            quoted = local.replace("\\", "\\\\").replace('"', '\\"')
            local = f'"{quoted}"'
        return f"{local}@{self.domain}"


# Two addresses are made for each message: this skips a call.
_new = tuple.__new__


def parse(text: str) -> Address | None:
    """The address that a text is, None for anything else; the brackets of a path may be there or not."""
    ordinary = _ORDINARY.fullmatch(text)
    if ordinary is not None:
        local, domain = ordinary.groups()
        # A domain that is no longer than one label may be needs no look at its labels.
        if len(local) <= LOCAL_MAX and len(domain) <= LABEL_MAX:
            if DELIMITER in local:
                return _made(local, domain.lower())
            exact = text.lower()
            return _new(Address, (local, domain.lower(), exact, exact))
    return _parse_rarely_seen(text)


def is_null(text: str) -> bool:
    """Whether it is the empty path, from which bounces and receipts come."""
    return text in ("", "<>")


def claimed_domain(text: str) -> str:
    """The domain that a text ends with, in lower case, even when it is no address.

    So that what resembles an address of ours is refused as such and not taken for somebody else's.
    """
    return text[-TEXT_MAX:].rpartition("@")[2].strip(" \t<>\"'.;,").lower()


def _made(local: str, domain: str) -> Address:
    folded = local.lower() if local.isascii() else local.translate(_LOWER)
    base, delimiter, _ = folded.partition(DELIMITER)
    exact = f"{folded}@{domain}"
    # Nothing in front of the delimiter: then it is no delimiter.
    return Address(local, domain, exact, f"{base}@{domain}" if delimiter and base else exact)


def _parse_rarely_seen(text: str) -> Address | None:
    if len(text) > TEXT_MAX:
        return None
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    if text.startswith("@"):
        route, colon, text = text.partition(":")
        if not colon or not all(hop.startswith("@") and _domain(hop[1:]) for hop in route.split(",")):
            return None
    if text.startswith('"'):
        local, rest = _quoted(text)
        if not rest.startswith("@"):
            return None
        domain = _domain(rest[1:])
    else:
        local, _, after = text.rpartition("@")
        if not _is_atoms(local):
            return None
        domain = _domain(after)
    if not local or not domain:
        return None
    octets = len(local.encode())
    if octets > LOCAL_MAX or octets + 1 + len(domain) > ADDRESS_MAX:
        return None
    return _made(local, domain)


def _is_atoms(local: str) -> bool:
    """Whether a local part needs no quotes."""
    return bool(_ATOMS.fullmatch(local)) and (local.isascii() or (local.isprintable() and " " not in local))


def _quoted(text: str) -> tuple[str, str]:
    """What the quotes at its beginning hold, and the rest; no rest when it is no Quoted-string."""
    held: list[str] = []
    position = 1
    while position < len(text):
        character = text[position]
        if character == '"':
            return "".join(held), text[position + 1 :]
        if character == "\\":
            position += 1
            character = text[position : position + 1]
            if not character.isascii():
                break
        if not character.isprintable():
            break
        held.append(character)
        position += 1
    return "", ""


def _domain(text: str) -> str:
    """A domain in its normal form, "" for what is none."""
    if text.startswith("["):
        return _literal(text)
    # Ends at the root: the same name.
    text = text.removesuffix(".")
    labels = [_label(label) for label in text.split(".")] if len(text) <= DOMAIN_MAX else [""]
    domain = ".".join(labels)
    return domain if all(labels) and len(domain) <= DOMAIN_MAX else ""


def _label(text: str) -> str:
    if text.isascii():
        return text.lower() if len(text) <= LABEL_MAX and _LABEL.fullmatch(text) else ""
    try:
        ascii_form = text.encode("idna")
        # A label that comes back as it was is itself; one that changed was read as another.
        same = ascii_form.startswith(b"xn--") and ascii_form.decode("idna") == text.lower()
    except UnicodeError:
        return ""
    return ascii_form.decode("ascii") if same else ""


def _literal(text: str) -> str:
    """`[192.0.2.1]` or `[IPv6:2001:db8::1]`."""
    inside = text[1:-1]
    if not text.endswith("]"):
        return ""
    try:
        if inside[:5].lower() == "ipv6:":
            # A zone is a matter of one host.
            return "" if "%" in inside else f"[ipv6:{IPv6Address(inside[5:])}]"
        return f"[{IPv4Address(inside)}]"
    except ValueError:
        return ""
