"""`{CRYPT}`: what crypt(3) made, verified by the machine's own libxcrypt, as slapd does.

Python has no crypt module since 3.13. libxcrypt is the libcrypt of Debian, Fedora, SUSE, Arch and their kin; where
there is none, `{CRYPT}` matches nothing. Its loop is C, and ctypes releases the interpreter's lock around it.
Accepted: $1$ (MD5), $5$ and $6$ (SHA-2), $2a$ $2b$ $2y$ (bcrypt), $y$ (yescrypt), each up to a price. Not the DES of
old: it reads eight characters of a password, so what it takes is no proof of the rest, and the rest would be kept.
Security: the settings of a hash choose how long crypt(3) works, up to days: each form is checked here before it.
"""

from __future__ import annotations

import ctypes
import functools
import hmac
import re
from typing import Any

# 5,000 is usual; a million rounds of SHA-512 are about a second.
_ROUNDS_MAX = 1_000_000
# 2^10 to 2^12 are usual; 2^14 is about a second.
_BCRYPT_COST_MAX = 14
# yescrypt's cost as libxcrypt writes it for `rounds` 1 to 7: up to 64 MiB. Five (j9T) is usual.
_YESCRYPT_COSTS = b"j75|j85|j7T|j8T|j9T|jAT|jBT"
# bcrypt reads so many bytes; what is behind them would be taken unseen.
_BCRYPT_READS = 72
# crypt_rn refuses a larger one than its structure, and needs no smaller: `struct crypt_data` is 32 KiB.
_WORKING_SIZE = 32768
# CRYPT_MAX_PASSPHRASE_SIZE of <crypt.h>.
_PASSPHRASE_MAX = 511

_SALT = rb"[./A-Za-z0-9]"
_FORMS = re.compile(
    rb"\$1\$%b{1,8}\$%b{22}"
    rb"|\$[56]\$(?:rounds=(?P<rounds>[0-9]{1,9})\$)?%b{1,16}\$(?:%b{43}|%b{86})"
    rb"|(?P<bcrypt>\$2[aby]\$)(?P<cost>[0-9]{2})\$%b{53}"
    rb"|\$y\$(?:%b)\$%b{1,86}\$%b{43}"
    % (_SALT, _SALT, _SALT, _SALT, _SALT, _SALT, _YESCRYPT_COSTS, _SALT, _SALT)
)


def matches(body: bytes, password: bytes) -> bool:
    found = _FORMS.fullmatch(body)
    if found is None or int(found["rounds"] or 0) > _ROUNDS_MAX or int(found["cost"] or 0) > _BCRYPT_COST_MAX:
        return False
    # A C string ends at its first NUL: what is behind it would be taken unseen.
    if b"\0" in password or len(password) > (_BCRYPT_READS if found["bcrypt"] else _PASSPHRASE_MAX):
        return False
    computed = _crypt(password, body)
    return computed is not None and hmac.compare_digest(computed, body)


def available() -> bool:
    return _library() is not None


def _crypt(password: bytes, setting: bytes) -> bytes | None:
    """What crypt(3) makes of a password with the settings of a hash; None when it does not know them."""
    library = _library()
    if library is None:
        return None
    working = ctypes.create_string_buffer(_WORKING_SIZE)
    made: bytes | None = library.crypt_rn(password, setting, working, _WORKING_SIZE)
    return made


@functools.cache
def _library() -> Any:
    # The names of its two ABIs: Debian's, which is compatible with glibc's old one, and Fedora's and Arch's.
    for name in ("libcrypt.so.1", "libcrypt.so.2"):
        try:
            library = ctypes.CDLL(name)
            library.crypt_rn.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
            library.crypt_rn.restype = ctypes.c_char_p
        except (OSError, AttributeError):  # not there, or glibc's old one, which has no crypt_rn
            continue
        return library
    return None
