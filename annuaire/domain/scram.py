"""SCRAM-SHA-256 (RFC 5802, RFC 7677): the keys kept for an account, and the server's side of one exchange.

Kept is one value beside the password's hash, `{SCRAM-SHA-256}iterations:salt$stored:server` (RFC 5803). From it
the password cannot be read and nobody can log in, only guesses can be tried: hence many iterations. Whatever bytes
are kept or sent, the answer is keys, a refusal or Malformed; a kept value cannot choose how long it is worked on,
for the work is the client's.

# Note [A salt tells nothing]
Anybody is told the salt of any name, before any proof. So that it tells nothing of who exists, it is made of the name
by a key of the state, for names that nobody has as for those of accounts: it is the same before an account is made,
while it has no keys, and after each change of its password. Keys with another salt, of another state or from before a
renaming, are not used until the password is typed again. An account is known by one name here, its DN: were there two,
one salt for both would tell that they are one person's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import stringprep
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from annuaire.errors import Malformed

SCHEME = b"SCRAM-SHA-256"
# RFC 7677 §4 asks 4096 at least; libsasl2's client refuses more than 65536.
ITERATIONS = 65_536
ITERATIONS_MAX = 10_000_000
SALT_LENGTH = 16
_DIGEST = 32
_NONCE = 18
# A message holds a name, a nonce, a proof and the binding of a channel: some hundreds of bytes.
MESSAGE_MAX = 4096
# More values of userPassword than anybody has are not all looked at (as in domain/password.py).
_VALUES_MAX = 8

_KEPT = re.compile(
    rb"\{SCRAM-SHA-256\}([0-9]{1,8}):([A-Za-z0-9+/=]{1,400})\$([A-Za-z0-9+/=]{44}):([A-Za-z0-9+/=]{44})"
)
# From the name of an account, as dn.key, to the salt of its keys.
Salts = Callable[[bytes], bytes]

# RFC 5802 §7: printable ASCII without the comma.
_NONCE_TEXT = re.compile(rb"[!-+\--~]{1,1024}")
# RFC 5801 §4, RFC 5802 §7: gs2-header, then client-first-message-bare.
_CLIENT_FIRST = re.compile(
    rb"((?:(n)|(y)|p=([A-Za-z0-9.-]{1,64})),(?:a=([^,\0]+))?,)((m=)?n=([^,\0]*),r=([^,]*)(?:,.*)?)", re.DOTALL
)
_CLIENT_FINAL = re.compile(rb"(c=([A-Za-z0-9+/=]*),r=([^,]*)(?:,.*)?),p=([A-Za-z0-9+/=]{44})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What the server knows of a password (RFC 5802 §3)."""

    iterations: int
    salt: bytes
    stored: bytes = field(repr=False)
    server: bytes = field(repr=False)


def made(password: bytes, salt: bytes | None = None, iterations: int = ITERATIONS) -> bytes:
    """The value to keep for a password: some 20 ms of work."""
    salt = os.urandom(SALT_LENGTH) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), salt, iterations, _DIGEST)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    coded = tuple(base64.b64encode(part) for part in (salt, stored, server))
    return b"{%b}%d:" % (SCHEME, iterations) + b"%b$%b:%b" % coded


def keys(hashes: Iterable[bytes]) -> ScramKeys | None:
    """The keys among the values kept as an account's password, if they are there and in order."""
    for kept in tuple(hashes)[:_VALUES_MAX]:
        found = _KEPT.fullmatch(kept) if len(kept) < 1024 else None
        if found is None or not 0 < int(found[1]) <= ITERATIONS_MAX:
            continue
        try:
            salt, stored, server = (base64.b64decode(part, validate=True) for part in found.groups()[1:])
        except binascii.Error:
            continue
        if salt and len(stored) == len(server) == _DIGEST:
            return ScramKeys(int(found[1]), salt, stored, server)
    return None


def salt(name: bytes, secret: bytes) -> bytes:
    """The salt of a name, whether an account has it or not: see Note [A salt tells nothing].

    secret: known to all the workers, the same after each start, told to nobody.
    """
    return hmac.digest(secret, b"salt " + name, "sha256")[:SALT_LENGTH]


def usable(known: ScramKeys | None, made_with: bytes) -> bool:
    """Whether keys are there and look as all do: see Note [A salt tells nothing]."""
    return known is not None and (known.salt, known.iterations) == (made_with, ITERATIONS)


def nobodys(name: bytes, secret: bytes) -> ScramKeys:
    """Keys for whoever has none: the exchange looks like anybody's and fails."""
    stored, server = (hmac.digest(secret, part + name, "sha256") for part in (b"stored ", b"server "))
    return ScramKeys(ITERATIONS, salt(name, secret), stored, server)


def prepared(password: bytes) -> bytes:
    """SASLprep (RFC 4013); what it refuses is taken as it is, as PostgreSQL does, so that any password works."""
    if password.isascii() and password.decode("ascii").isprintable():
        return password
    try:
        text = password.decode()
    except UnicodeDecodeError:
        return password
    mapped = "".join(
        " " if stringprep.in_table_c12(one) else one for one in text if not stringprep.in_table_b1(one)
    )
    # Unicode 3.2, as stringprep is written for: a later one composes some characters otherwise.
    text = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    return text.encode() if text and _is_allowed(text) else password


def _is_allowed(text: str) -> bool:
    prohibited = (
        stringprep.in_table_a1,
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
    )
    if any(table(one) for one in text for table in prohibited):
        return False
    # RFC 3454 §6: what is written from right to left is so from end to end.
    if any(stringprep.in_table_d1(one) for one in text):
        return (
            stringprep.in_table_d1(text[0])
            and stringprep.in_table_d1(text[-1])
            and not any(stringprep.in_table_d2(one) for one in text)
        )
    return True


# --- The exchange: client-first, server-first, client-final, server-final (RFC 5802 §5) ---------------------


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """What a client says first."""

    header: bytes  # gs2-header: repeated in what it says last, so that nobody changes it on the way
    # The channel binding that it uses; "" for one who could but believes that the server cannot; None: none.
    binding: str | None
    authzid: bytes
    name: bytes
    bare: bytes
    nonce: bytes


def client_first(message: bytes) -> ClientFirst:
    found = _CLIENT_FIRST.fullmatch(message) if len(message) <= MESSAGE_MAX else None
    if found is None:
        raise Malformed("not a client-first-message of SCRAM")
    if found[7]:  # RFC 5802 §5.1: m= says that an extension must be understood, and there is none
        raise Malformed("an extension of SCRAM that is not known here")
    if not _NONCE_TEXT.fullmatch(found[9]):
        raise Malformed("not a nonce of SCRAM")
    binding = found[4].decode() if found[4] is not None else "" if found[3] else None
    return ClientFirst(found[1], binding, _name(found[5] or b""), _name(found[8]), found[6], found[9])


def _name(text: bytes) -> bytes:
    """RFC 5802 §5.1: =2C and =3D stand for a comma and an equals sign, and no other = is allowed."""
    if re.search(rb"=(?!2C|3D)", text):
        raise Malformed("a name of SCRAM that is not well escaped")
    return text.replace(b"=2C", b",").replace(b"=3D", b"=")


class Exchange:
    """The server's side, from the client's first message to its last."""

    __slots__ = ("_first", "_keys", "_nonce", "server_first")

    def __init__(self, first: ClientFirst, known: ScramKeys, nonce: bytes | None = None) -> None:
        """nonce: the server's part of it, a new one but in tests."""
        self._first = first
        self._keys = known
        self._nonce = first.nonce + (base64.b64encode(os.urandom(_NONCE)) if nonce is None else nonce)
        self.server_first = b"r=%b,s=%b,i=%d" % (self._nonce, base64.b64encode(known.salt), known.iterations)

    def finish(
        self, message: bytes, binding_data: bytes = b"", keys: Callable[[], ScramKeys | None] = lambda: None
    ) -> bytes | None:
        """The server's last message when the proof holds; None when it does not.

        binding_data: the data of the channel binding that the client named, of this very connection.
        keys: of whoever has the name, asked for once there is a proof, in place of those that were offered.
        """
        found = _CLIENT_FINAL.fullmatch(message) if len(message) <= MESSAGE_MAX else None
        if found is None:
            raise Malformed("not a client-final-message of SCRAM")
        try:
            binding = base64.b64decode(found[2], validate=True)
            proof = base64.b64decode(found[4], validate=True)
        except binascii.Error:
            raise Malformed("not base64 in a message of SCRAM") from None
        if len(proof) != _DIGEST:
            raise Malformed("not a proof of SCRAM")
        said = b",".join((self._first.bare, self.server_first, found[1]))
        known = keys() or self._keys
        signature = hmac.digest(known.stored, said, "sha256")
        client_key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
        # All three are compared, so that the time does not tell which one failed.
        same_nonce = hmac.compare_digest(found[3], self._nonce)
        same_binding = hmac.compare_digest(binding, self._first.header + binding_data)
        same_key = hmac.compare_digest(hashlib.sha256(client_key).digest(), known.stored)
        if not (same_nonce and same_binding and same_key):
            return None
        return b"v=" + base64.b64encode(hmac.digest(known.server, said, "sha256"))
