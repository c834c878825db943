"""What mail servers ask in a day: envelopes of every kind, and what Postfix asks of each, in each of its ways.

People are drawn from the whole directory again for each envelope, so that nothing is asked much more often than in
real life: found or not, of V1 and V2, under native and interop addresses, of the trust space, from outside. The shares
are an assumption: no public trace of such traffic exists.
"""

import random
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from annuaire.domain.envelope import Envelope

from . import shapes

INTEROP = "interop-mssante.apicrypt.org"
OUR_CLIENT, THEIR_CLIENT, STRANGER = "192.0.2.25", "198.51.100.7", "203.0.113.66"
EXTENSION = "+resultats"


@dataclass(frozen=True, slots=True)
class Correspondents:
    """Whom envelopes are about."""

    native: list[str]  # of accounts that are delivered to
    interop: list[str]  # of those whom the trust space reaches
    open: list[str]  # their native addresses
    closed: list[str]  # native addresses of accounts that are not active
    national: list[str]  # mailboxes of the trust space
    certificates: dict[str, str]  # by domain: a CommonName that is listed for it

    def reached(self) -> frozenset[str]:
        """What a look-up for recipients finds."""
        return frozenset(map(str.lower, [*self.native, *self.interop]))


def read_ours(shown: Path) -> tuple[list[str], list[str], list[str]]:
    """Of the LDIF of what mail servers are shown: native addresses, interop ones, and the native ones of the latter."""
    native, interop, opened = [], [], []
    for entry in shown.read_text("utf-8").replace("\n ", "").split("\n\n"):
        addresses = re.findall(r"(?m)^mailLocalAddress: (.*)$", entry)
        own = [one for one in addresses if not one.endswith(INTEROP)]
        native += own
        if len(addresses) > len(own):
            opened += own
            interop += [one for one in addresses if one.endswith(INTEROP)]
    return native, interop, opened


def read_national(extraction: Path, limit: int) -> list[str]:
    """The first mailboxes of a national list."""
    with open(extraction, encoding="utf-8") as rows:
        next(rows)
        return [row.split("|", 2)[1] for row, _ in zip(rows, range(limit), strict=False)]


def read_certificates(liste_blanche: Path) -> dict[str, str]:
    """For each domain the CommonName that is listed first."""
    found: dict[str, str] = {}
    pattern = r"<Nom>([^<]*)</Nom>.*?<DNCertificatOperateur>CN=([^,<]*)"
    for domain, name in re.findall(pattern, liste_blanche.read_text("utf-8")):
        found.setdefault(domain.lower(), name)
    return found


class _Draw:
    """One draw after the other from those who may be written to."""

    def __init__(self, who: Correspondents, source: random.Random) -> None:
        self.who = who
        self.source = source

    def native(self) -> str:
        return self.source.choice(self.who.native)

    def interop(self) -> str:
        return self.source.choice(self.who.interop)

    def nobody(self, address: str) -> str:
        return f"x{self.source.randrange(10**6)}.{address}"

    def extended(self, address: str) -> str:
        local, _, domain = address.partition("@")
        return f"{local}{EXTENSION}@{domain}"

    def ours(self, recipient: str, sender: str = "") -> Envelope:
        """Of somebody who is logged in."""
        sender = sender or self.native()
        return Envelope(sender, recipient, sender, OUR_CLIENT)

    def theirs(self, recipient: str, null: bool = False) -> Envelope:
        """Of a mailbox of the trust space, whose server shows its certificate."""
        sender = self.source.choice(self.who.national)
        certificate = self.who.certificates[sender.rpartition("@")[2].lower()]
        return Envelope("" if null else sender, recipient, "", THEIR_CLIENT, certificate)

    def outsider(self, recipient: str) -> Envelope:
        return Envelope(f"{self.nobody('contact@example.com')}", recipient, "", STRANGER)


# In a hundred messages.
_KINDS: tuple[tuple[int, str, Callable[[_Draw], Envelope]], ...] = (
    (28, "inside", lambda draw: draw.ours(draw.native())),
    (4, "inside, with an extension", lambda draw: draw.ours(draw.extended(draw.native()))),
    (8, "inside, to an interop address", lambda draw: draw.ours(draw.interop())),
    (3, "inside, to nobody", lambda draw: draw.ours(draw.nobody(draw.native()))),
    (2, "inside, to a closed account", lambda draw: draw.ours(draw.source.choice(draw.who.closed))),
    (
        12,
        "leaving",
        lambda draw: draw.ours(draw.source.choice(draw.who.national), draw.source.choice(draw.who.open)),
    ),
    (3, "trying to leave", lambda draw: draw.ours(draw.source.choice(draw.who.national))),
    (2, "leaving, to elsewhere", lambda draw: draw.ours(draw.nobody("contact@example.net"))),
    (20, "entering", lambda draw: draw.theirs(draw.interop())),
    (4, "entering, to nobody", lambda draw: draw.theirs(draw.nobody(draw.interop()))),
    (3, "entering, to a native address", lambda draw: draw.theirs(draw.native())),
    (3, "a bounce", lambda draw: draw.theirs(draw.interop(), null=True)),
    (5, "from outside", lambda draw: draw.outsider(draw.native())),
    (1, "from outside, to nobody", lambda draw: draw.outsider(draw.nobody(draw.interop()))),
    (2, "pretending", lambda draw: Envelope(draw.native(), draw.native(), "", STRANGER)),
)


def draw(who: Correspondents, count: int, seed: int) -> list[Envelope]:
    source = random.Random(f"envelopes {seed}")
    one = _Draw(who, source)
    weights = [share for share, _, _ in _KINDS]
    makers = [maker for _, _, maker in _KINDS]
    return [maker(one) for maker in source.choices(makers, weights, k=count)]


# ---------------------------------------------------------------- as Postfix asks


def policy_request(envelope: Envelope, number: int) -> bytes:
    """All that smtpd says at RCPT (SMTPD_POLICY_README), as a server with TLS and SASL says it."""
    secured = bool(envelope.certificate)
    client = "mail.operateur.example.org" if secured else "client.example.org"
    given = {
        "request": "smtpd_access_policy",
        "protocol_state": "RCPT",
        "protocol_name": "ESMTP",
        "client_address": envelope.client_address,
        "client_name": client,
        "client_port": str(32_768 + number % 28_000),
        "reverse_client_name": client,
        "server_address": "192.0.2.1",
        "server_port": "25" if secured else "587",
        "helo_name": client,
        "sender": envelope.sender,
        "recipient": envelope.recipient,
        "recipient_count": "0",
        "queue_id": "",
        "instance": f"{number % 97:x}.{number + 1_764_000_000:x}.{number * 31 % 999_983:x}.0",
        "size": str(20_000 + number * 7919 % 900_000),
        "etrn_domain": "",
        "stress": "",
        "sasl_method": "PLAIN" if envelope.authenticated_user else "",
        "sasl_username": envelope.authenticated_user,
        "sasl_sender": "",
        "ccert_subject": envelope.certificate.replace("+", "+2B"),
        "ccert_issuer": "AC+20IGC-SANTE+20ELEMENTAIRE+20ORGANISATIONS" if secured else "",
        "ccert_fingerprint": f"{number * 2_654_435_761 % 2**128:032X}" if secured else "",
        "ccert_pubkey_fingerprint": f"{number * 40_503 % 2**128:032X}" if secured else "",
        "encryption_protocol": "TLSv1.3",
        "encryption_cipher": "TLS_AES_256_GCM_SHA384",
        "encryption_keysize": "256",
        "policy_context": "",
    }
    return "".join(f"{name}={value}\n" for name, value in given.items()).encode() + b"\n"


def partial_keys(address: str, found: bool) -> list[str]:
    """What a table is asked of one address: less and less of it until something is found (virtual(5))."""
    if found and EXTENSION not in address:
        return [address]
    local, _, domain = address.rpartition("@")
    plain = f"{local.removesuffix(EXTENSION)}@{domain}"
    return [*dict.fromkeys((address, plain)), *([] if found else [f"@{domain}"])]


def is_found(address: str, reached: frozenset[str]) -> bool:
    return address.lower().replace(EXTENSION, "") in reached


def table_queries(envelope: Envelope, reached: frozenset[str]) -> list[tuple[str, str]]:
    """Tables and keys, as the lines of fixtures/postfix/main.cf have one message ask them."""
    recipient, sender = envelope.recipient, envelope.sender
    found = [("domain", recipient.rpartition("@")[2])]
    if envelope.authenticated_user:
        found.append(("login", sender))
    asked = recipient, sender
    for address in (one for one in asked if one):
        # The table itself strips extensions, so that one answer ends the search.
        keys = [address] if is_found(address, reached) else partial_keys(address, False)
        found += [("recipient", key) for key in keys]
    return [*found, ("transport", recipient)]


def socketmap_request(table: str, key: str) -> bytes:
    payload = f"{table} {key}".encode()
    return b"%d:%b," % (len(payload), payload)


def ldap_request(key: str) -> bytes:
    """As fixtures/postfix/ldap/annuaire-recipients.cf has postfix-ldap ask."""
    return shapes.search(f"(mailLocalAddress={key})", "mailRoutingAddress", size=0, time=5)


def ldap_keys(envelope: Envelope, reached: frozenset[str]) -> list[str]:
    return partial_keys(envelope.recipient, is_found(envelope.recipient, reached))


def write_requests(path: Path, requests: Iterable[bytes]) -> None:
    """The file that mailload.c reads."""
    with open(path, "wb") as output:
        for request in requests:
            output.write(struct.pack("<I", len(request)) + request)


def read_requests(path: Path) -> Iterator[bytes]:
    data, at = path.read_bytes(), 0
    while at < len(data):
        size = struct.unpack_from("<I", data, at)[0]
        yield data[at + 4 : at + 4 + size]
        at += 4 + size
