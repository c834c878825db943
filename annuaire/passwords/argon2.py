"""`{ARGON2}`: the form of OpenLDAP's pw-argon2, the PHC string `$argon2id$v=19$m=…,t=…,p=…$salt$digest` (RFC 9106).

What is made here is Argon2id. cryptography has it where it is built on OpenSSL 3.2 or later, as its own wheels are;
where it is not, `available` says so and such hashes match nothing.
"""

from __future__ import annotations

import base64
import functools
import hmac
import os
import re

# What OWASP's password storage cheat sheet asks at least: 19 MiB and two passes. About 35 ms.
MEMORY, PASSES, LANES = 19_456, 2, 1
SALT_LENGTH = 16
DIGEST_LENGTH = 32
# What an imported hash may ask: libsodium's "moderate" would be 256 MiB for each login at once, and is not accepted.
_MEMORY_MAX = 128 * 1024
_WORK_MAX = 1024 * 1024  # memory × passes, in KiB: about two seconds
_LANES_MAX = 16

_FORM = re.compile(
    rb"\$argon2(id|i|d)\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,4}),p=([0-9]{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})"
)
_OWN = b"$argon2id$v=19$m=%d,t=%d,p=%d$" % (MEMORY, PASSES, LANES)


@functools.cache
def available() -> bool:
    """Whether this machine's cryptography can do it."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        _derive(b"id", b"", bytes(SALT_LENGTH), 4, 8, 1, 1)
    except (UnsupportedAlgorithm, ImportError):
        # From an older OpenSSL, from an older cryptography: the same to us. Anything else is a fault and must be seen.
        return False
    return True


def made(password: bytes) -> bytes:
    """A new hash, with a salt of its own."""
    salt = os.urandom(SALT_LENGTH)
    digest = _derive(b"id", password, salt, DIGEST_LENGTH, MEMORY, PASSES, LANES)
    return _OWN + _encoded(salt) + b"$" + _encoded(digest)


def nobodys() -> bytes:
    """The hash of a password that nobody knows, at the price of anybody's."""
    return _OWN + _encoded(bytes(SALT_LENGTH)) + b"$" + _encoded(bytes(DIGEST_LENGTH))


def matches(body: bytes, password: bytes) -> bool:
    """ValueError: it is no hash that is accepted here."""
    found = _FORM.fullmatch(body)
    if found is None or not available():
        return False
    memory, passes, lanes = int(found[2]), int(found[3]), int(found[4])
    salt, expected = _decoded(found[5]), _decoded(found[6])
    if not (1 <= lanes <= _LANES_MAX and 8 * lanes <= memory <= _MEMORY_MAX and passes >= 1):
        return False
    if memory * passes > _WORK_MAX:
        return False
    return hmac.compare_digest(
        _derive(found[1], password, salt, len(expected), memory, passes, lanes), expected
    )


def is_own(body: bytes) -> bool:
    """Whether it costs what ours cost."""
    return body.startswith(_OWN) and _FORM.fullmatch(body) is not None


def _derive(
    kind: bytes, password: bytes, salt: bytes, length: int, memory: int, passes: int, lanes: int
) -> bytes:
    # Imported late: most commands hash nothing.
    from cryptography.hazmat.primitives.kdf import argon2

    # Argon2i and Argon2d came to cryptography later than Argon2id.
    variant = getattr(argon2, {b"id": "Argon2id", b"i": "Argon2i", b"d": "Argon2d"}[kind], None)
    if variant is None:
        raise ValueError("a variant of Argon2 that is not known here")
    made: bytes = variant(
        salt=salt, length=length, iterations=passes, lanes=lanes, memory_cost=memory
    ).derive(password)
    return made


def _encoded(raw: bytes) -> bytes:
    return base64.b64encode(raw).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
