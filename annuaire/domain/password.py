"""Password hashes as LDAP keeps them (`{SCHEME}base64`, RFC 2307 §5.3): verification, and a hash of our own.

Whatever bytes are kept as a hash, the answer is yes or no, never an exception; a hash may not choose how long
it is worked on beyond the limits here. Text without a scheme is no hash and matches nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections import OrderedDict
from collections.abc import Iterable

# scrypt's cost for new hashes: 16 MiB and about 40 ms, the interactive setting of its paper (RFC 7914 §2).
SCRYPT_N, SCRYPT_R, SCRYPT_P = 16384, 8, 1
# What an imported hash may ask at most: 64 MiB, and four times the usual work.
SCRYPT_MEMORY_MAX = 64 * 1024 * 1024
SCRYPT_P_MAX = 4
# OWASP asked 600,000 rounds of SHA-256 in 2023; beyond ten million a bind would hold a thread for seconds.
PBKDF2_ROUNDS_MAX = 10_000_000
SALT_LENGTH = 16
DIGEST_LENGTH = 32
# Longer than any scheme's text: larger values are refused before they are looked at.
HASH_TEXT_MAX = 1024
# More values of userPassword than anybody has are not all tried.
HASHES_MAX = 8
# scrypt and PBKDF2 hash a long password first, so length costs little; a megabyte is no password.
PASSWORD_MAX = 4096

_SCHEME = re.compile(rb"\{([A-Za-z0-9_/-]{1,32})\}(.*)", re.DOTALL)
_SALTED = {b"SSHA": "sha1", b"SSHA256": "sha256", b"SSHA384": "sha384", b"SSHA512": "sha512"}
_PLAIN = {b"SHA": "sha1", b"SHA256": "sha256", b"SHA384": "sha384", b"SHA512": "sha512"}
_PBKDF2 = {
    b"PBKDF2": "sha1",
    b"PBKDF2-SHA1": "sha1",
    b"PBKDF2-SHA256": "sha256",
    b"PBKDF2-SHA512": "sha512",
}

# A hash of a password that nobody knows: what an unknown name is verified against, so that it costs the same.
NOBODY = b"{SCRYPT}n=16384,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA==$" + base64.b64encode(bytes(DIGEST_LENGTH))


def hash(password: bytes) -> bytes:  # noqa: A001 read as password.hash(…)
    """A new `{SCRYPT}` hash with a salt of its own."""
    salt = os.urandom(SALT_LENGTH)
    digest = _scrypt(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P, DIGEST_LENGTH)
    costs = b"n=%d,r=%d,p=%d" % (SCRYPT_N, SCRYPT_R, SCRYPT_P)
    return b"{SCRYPT}%s$%s$%s" % (costs, base64.b64encode(salt), base64.b64encode(digest))


def verify(hashes: Iterable[bytes], password: bytes) -> bool:
    """Whether the password answers one of the hashes; a refusal costs a full hash, whatever was kept."""
    known = tuple(hashes)[:HASHES_MAX]
    if len(password) > PASSWORD_MAX:
        password = b""
    # The empty password is nobody's: a bind with it never reaches this place.
    if any(_matches(kept, password) for kept in known) and password:
        return True
    if not any(kept[:8].upper() == b"{SCRYPT}" for kept in known):
        _matches(NOBODY, password)
    return False


def _matches(kept: bytes, password: bytes) -> bool:
    try:
        if len(kept) > HASH_TEXT_MAX:
            return False
        found = _SCHEME.fullmatch(kept)
        if found is None:
            return False
        scheme, body = found[1].upper(), found[2]
        if scheme == b"SCRYPT":
            return _matches_scrypt(body, password)
        if scheme in _SALTED:
            return _matches_salted(_SALTED[scheme], body, password)
        if scheme in _PLAIN:
            digest = hashlib.new(_PLAIN[scheme], password).digest()
            return hmac.compare_digest(digest, _decoded(body))
        if scheme in _PBKDF2:
            return _matches_pbkdf2(_PBKDF2[scheme], body, password)
        if scheme == b"CLEARTEXT":
            return hmac.compare_digest(body, password)
        return False
    except (ValueError, binascii.Error, OverflowError, MemoryError, TypeError):
        return False


def _matches_salted(algorithm: str, body: bytes, password: bytes) -> bool:
    raw = _decoded(body)
    size = hashlib.new(algorithm).digest_size
    if len(raw) <= size:  # no salt: the bytes are not what the scheme says
        return False
    return hmac.compare_digest(hashlib.new(algorithm, password + raw[size:]).digest(), raw[:size])


def _matches_scrypt(body: bytes, password: bytes) -> bool:
    costs, salt, digest = body.split(b"$")
    named = dict(part.split(b"=", 1) for part in costs.split(b","))
    n, r, p = int(named[b"n"]), int(named[b"r"]), int(named[b"p"])
    expected = _decoded(digest)
    if not (16 <= len(expected) <= 64 and 1 <= p <= SCRYPT_P_MAX and 1 <= r <= 64 and n > 1):
        return False
    if 128 * n * r > SCRYPT_MEMORY_MAX:
        return False
    return hmac.compare_digest(_scrypt(password, _decoded(salt), n, r, p, len(expected)), expected)


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    # OpenSSL counts a little more than 128·n·r of memory: one block for each of the parallel lanes.
    memory = 128 * r * (n + p + 2) + 4096
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=length, maxmem=memory)


def _matches_pbkdf2(algorithm: str, body: bytes, password: bytes) -> bool:
    """OpenLDAP's and passlib's form: `rounds$salt$digest`, both in base64 with `.` for `+` and no padding."""
    rounds, salt, digest = body.split(b"$")
    count = int(rounds)
    expected = _decoded(digest)
    if not (1 <= count <= PBKDF2_ROUNDS_MAX and 16 <= len(expected) <= 64):
        return False
    derived = hashlib.pbkdf2_hmac(algorithm, password, _decoded(salt), count, len(expected))
    return hmac.compare_digest(derived, expected)


def _decoded(text: bytes) -> bytes:
    padded = text.replace(b".", b"+").rstrip(b"=")
    return base64.b64decode(padded + b"=" * (-len(padded) % 4), validate=True)


class Remembered:
    """The passwords that answered lately: a client that binds for each search costs one hash, not many.

    Keeps keyed digests of (hashes, password), never a password, in the memory of one process: another hash of
    the account, or none, is another digest. Failures are never remembered: each costs a full hash.
    """

    __slots__ = ("_key", "_size", "_until", "seconds")

    def __init__(self, seconds: float, size: int = 10_000) -> None:
        self.seconds = seconds
        self._size = size
        self._key = os.urandom(32)
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def knows(self, hashes: tuple[bytes, ...], password: bytes, now: float) -> bool:
        if not hashes or not self._until:
            return False
        return self._until.get(self._digest(hashes, password), 0.0) > now

    def remember(self, hashes: tuple[bytes, ...], password: bytes, now: float) -> None:
        if self.seconds <= 0 or not hashes:
            return
        digest = self._digest(hashes, password)
        self._until[digest] = now + self.seconds
        self._until.move_to_end(digest)
        if len(self._until) > self._size:
            self._until.popitem(last=False)

    def _digest(self, hashes: tuple[bytes, ...], password: bytes) -> bytes:
        content = b"".join(b"%d:%b" % (len(part), part) for part in (*hashes, password))
        return hmac.digest(self._key, content, "sha256")
