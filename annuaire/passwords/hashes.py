"""Password hashes as LDAP keeps them (`{SCHEME}…`, RFC 2307 §5.3): verification, and a hash of our own.

A password is kept as two values: Argon2id, which a bind is verified against, and the keys of SCRAM (domain/scram.py),
with which somebody logs in without sending it. Schemes of other directories are verified, and are `outdated`.
Whatever bytes are kept as a hash, the answer is yes or no, never an exception; a hash may not choose how long
it is worked on beyond the limits here. Text without a scheme is no hash and matches nothing.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import os
import re
from collections.abc import Iterable

from annuaire.domain import scram
from annuaire.domain.password import PASSWORD_MAX
from annuaire.passwords import argon2, unix_crypt

# Where Argon2id cannot be had, new hashes are scrypt: 16 MiB and about 40 ms (RFC 7914 §2, interactive).
SCRYPT_N, SCRYPT_R, SCRYPT_P = 16384, 8, 1
# What an imported hash may ask at most: 64 MiB, and four times the usual work.
SCRYPT_MEMORY_MAX = 64 * 1024 * 1024
SCRYPT_P_MAX = 4
# OWASP asked 600,000 rounds of SHA-256 in 2023; two million of SHA-512 are two seconds.
PBKDF2_ROUNDS_MAX = 2_000_000
SALT_LENGTH = 16
DIGEST_LENGTH = 32
# Longer than any scheme's text: larger values are refused before they are looked at.
HASH_TEXT_MAX = 1024
# More values of userPassword than anybody has are not all tried.
HASHES_MAX = 8

_SCHEME = re.compile(rb"\{([A-Za-z0-9_/-]{1,32})\}(.*)", re.DOTALL)
# MD5 and SHA-1 are what OpenLDAP and its clients made for twenty years; they are here to be upgraded.
_SALTED = {b"SMD5": "md5", b"SSHA": "sha1", b"SSHA256": "sha256", b"SSHA384": "sha384", b"SSHA512": "sha512"}
_PLAIN = {b"MD5": "md5", b"SHA": "sha1", b"SHA256": "sha256", b"SHA384": "sha384", b"SHA512": "sha512"}
_PBKDF2 = {
    b"PBKDF2": "sha1",
    b"PBKDF2-SHA1": "sha1",
    b"PBKDF2-SHA256": "sha256",
    b"PBKDF2-SHA512": "sha512",
}
SCHEMES = frozenset([*_SALTED, *_PLAIN, *_PBKDF2, b"SCRYPT", b"ARGON2", b"CRYPT", scram.SCHEME])


def made(password: bytes, salt: bytes | None = None) -> tuple[bytes, ...]:
    """The values to keep for a new password: about 55 ms of work, for a thread. salt: that of SCRAM."""
    return own(password), scram.made(password, salt)


def own(password: bytes) -> bytes:
    """A hash of our own scheme, with a salt of its own."""
    if argon2.available():
        return b"{ARGON2}" + argon2.made(password)
    salt = os.urandom(SALT_LENGTH)
    digest = _scrypt(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P, DIGEST_LENGTH)
    return _OWN_SCRYPT + b"%b$%b" % (base64.b64encode(salt), base64.b64encode(digest))


def scheme(value: bytes) -> bytes | None:
    """The scheme that a value names, in capitals; None: it is no hash, but may be a password in clear."""
    found = _SCHEME.fullmatch(value)
    return None if found is None else found[1].upper()


def verify(hashes: Iterable[bytes], password: bytes) -> bool:
    """Whether the password answers one of the hashes; a refusal costs a full hash, whatever was kept.

    The keys of SCRAM are only looked at where there is nothing else: they stand for the same password.
    """
    known = tuple(hashes)
    tried = [kept for kept in known if scheme(kept) != scram.SCHEME] or known
    tried = tried[:HASHES_MAX]
    if len(password) > PASSWORD_MAX:
        password = b""
    # The empty password is nobody's: a bind with it never reaches this place.
    if any(_matches(kept, password) for kept in tried) and password:
        return True
    if not any(_is_own(kept) for kept in tried):
        _matches(_nobodys(), password)
    return False


def matching(hashes: Iterable[bytes], password: bytes) -> tuple[bytes, ...]:
    """All values that stand for a password: they go together when it does."""
    if not 0 < len(password) <= PASSWORD_MAX:
        return ()
    return tuple(kept for kept in tuple(hashes)[: 2 * HASHES_MAX] if _matches(kept, password))


def outdated(hashes: Iterable[bytes], salt: bytes | None = None) -> bool:
    """Whether a password that is kept so should be kept anew, now that somebody has typed it; salt: that of SCRAM."""
    known = tuple(hashes)
    verified = [kept for kept in known if scheme(kept) != scram.SCHEME]
    keys = scram.keys(known)
    if not verified or not all(map(_is_own, verified)) or keys is None:
        return True
    return salt is not None and not scram.usable(keys, salt)


def _is_own(kept: bytes) -> bool:
    if argon2.available():
        return kept.startswith(b"{ARGON2}") and argon2.is_own(kept[len(b"{ARGON2}") :])
    return kept.startswith(_OWN_SCRYPT)


@functools.cache
def _nobodys() -> bytes:
    """A hash of a password that nobody knows: what an unknown name is verified against, so that it costs the same."""
    if argon2.available():
        return b"{ARGON2}" + argon2.nobodys()
    return _OWN_SCRYPT + b"%b$%b" % (
        base64.b64encode(bytes(SALT_LENGTH)),
        base64.b64encode(bytes(DIGEST_LENGTH)),
    )


_OWN_SCRYPT = b"{SCRYPT}n=%d,r=%d,p=%d$" % (SCRYPT_N, SCRYPT_R, SCRYPT_P)


def _matches(kept: bytes, password: bytes) -> bool:
    try:
        if len(kept) > HASH_TEXT_MAX:
            return False
        found = _SCHEME.fullmatch(kept)
        if found is None:
            return False
        named, body = found[1].upper(), found[2]
        if named == b"ARGON2":
            return argon2.matches(body, password)
        if named == b"SCRYPT":
            return _matches_scrypt(body, password)
        if named == b"CRYPT":
            return unix_crypt.matches(body, password)
        if named == scram.SCHEME:
            return _matches_scram(kept, password)
        if named in _SALTED:
            return _matches_salted(_SALTED[named], body, password)
        if named in _PLAIN:
            return hmac.compare_digest(_digest(_PLAIN[named], password), _decoded(body))
        if named in _PBKDF2:
            return _matches_pbkdf2(_PBKDF2[named], body, password)
        return False
    except (ValueError, KeyError, binascii.Error, OverflowError, MemoryError, TypeError):
        return False


def _digest(algorithm: str, content: bytes) -> bytes:
    return hashlib.new(algorithm, content, usedforsecurity=False).digest()


def _matches_salted(algorithm: str, body: bytes, password: bytes) -> bool:
    raw = _decoded(body)
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    if len(raw) <= size:  # no salt: the bytes are not what the scheme says
        return False
    return hmac.compare_digest(_digest(algorithm, password + raw[size:]), raw[:size])


def _matches_scram(kept: bytes, password: bytes) -> bool:
    known = scram.keys((kept,))
    if known is None or known.iterations > PBKDF2_ROUNDS_MAX:
        return False
    again = scram.keys((scram.made(password, known.salt, known.iterations),))
    return again is not None and hmac.compare_digest(again.stored, known.stored)


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
