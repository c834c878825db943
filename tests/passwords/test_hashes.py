"""Hashes that other directories made are taken with their password and no other, and ours are what is kept anew."""

import base64
import hashlib
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuaire.domain import scram
from annuaire.passwords import argon2, hashes, unix_crypt

SECRET = "correct cheval pile agrafe é".encode()


def pbkdf2(algorithm: str, rounds: int = 1000) -> bytes:
    def adapted(raw: bytes) -> bytes:
        return base64.b64encode(raw).rstrip(b"=").replace(b"+", b".")

    digest = hashlib.pbkdf2_hmac(algorithm, SECRET, b"0123456789abcdef", rounds)
    return b"%d$%s$%s" % (rounds, adapted(b"0123456789abcdef"), adapted(digest))


# Made by OpenLDAP's slappasswd with pw-sha2 and argon2, crypt(3) of Debian 12, and libsodium's cost for Argon2id.
FOREIGN = [
    b"{SSHA}RtjOLgPc2XemTWkqIc3OKaE9lt2L6YKK",
    b"{ssha}RtjOLgPc2XemTWkqIc3OKaE9lt2L6YKK",
    b"{SMD5}p2TUDdy6lceA2hdmRQQexKwaaZ0=",
    b"{MD5}RMXFj3x6QgevJnyJC6bGiQ==",
    b"{SHA}jHcrgjBRyZMdfAmSvydmw83vM0o=",
    b"{SSHA256}0E6kV61g1mY4pRw+3onfE6IrfJpAbZypjuzfykTH8JJ9LpnxXZ/3Fw==",
    b"{SSHA384}E/GzG/wQGpIXAF0kLkyeP/Z+trlDZFbBJKPDD3MsXVNVG7gGMTG2MdT7bNc0RWB+oOO2NAEzF3Y=",
    b"{SSHA512}8ZwzM1xo74ss6zNenYvCJxmg2wN1JZvvhv9IG5UAKNARDDM6hN5TDEGp6BYPgId04/tE7c2nUtFpIGymZXtf9JeMPoEcUTte",
    b"{SHA256}s9hU9p/9ZVIOIq9dsd1y6cdoVZBmOx+D56O9wiMsBJY=",
    b"{SHA384}DeZAEUXy77K54l2mI2IhxA6+38GFfEjpwtz0wCbXAhCWkLPHZWrDY+IVPNKJsvg7",
    b"{SHA512}jQKoh9+jP7Glcu2GQDsuUGqJXPxLkFp666B1zB7r9Ut7hRBN7qybgBUuNt7wcGUz31oqHW5zQUqvK0I01BWe1w==",
    b"{ARGON2}$argon2i$v=19$m=4096,t=3,p=1$ZwGMhKYTOdvg/BiSnt8Xag$JGS1kdp+gzw32wTbdBMFU5R+JX9nNXDRKOthfCi+kFQ",
    b"{CRYPT}$1$rZUnRjiB$dUxA.RyYtIJGxKXxhpDba/",
    b"{CRYPT}$5$eyoM8AXUTrMDWwmz$yULGZR9aFfaaJkdPjwAAEgU7mkD4VfgedBJohdJjcfA",
    b"{CRYPT}$6$ra67ZB4l1mNht5p7$W7OVihbHEQjQt/IF67qgk0lL91skv5NplT2AtdgWHvIGJmlmznUXv9N246fRZKrrlbLDzVeIn1ngRcue1ZenC/",
    b"{CRYPT}$2b$05$l./aoFwewm7/tl75FWqTbOPtyQRs0Sg6FusSXERLadGLjEVUqxmlu",
    b"{CRYPT}$y$j9T$lR3bQC6u3.FqxNvGN8.fx0$I9MiEIVvyzDahPVk0MifEv04RuHA5ltnvwUQued4UUA",
    b"{PBKDF2-SHA256}" + pbkdf2("sha256"),
    b"{PBKDF2-SHA512}" + pbkdf2("sha512"),
    b"{SCRYPT}n=4096,r=8,p=1$AAECAwQFBgcICQoLDA0ODw==$re6T3etBJvv3tjsSrPgM3ZRzlXuYfJV7Mn0OTWb1v/0=",
    scram.made(SECRET, iterations=4096),
]


@pytest.mark.parametrize("kept", FOREIGN, ids=lambda kept: kept[:14].decode())
def test_what_others_made_takes_its_password_and_no_other_and_is_to_be_made_anew(kept):
    assert hashes.verify([kept], SECRET)
    assert hashes.matching([kept], SECRET) == (kept,)
    for wrong in (SECRET + b" ", SECRET[:-1], b""):
        assert not hashes.verify([kept], wrong)
        assert hashes.matching([kept], wrong) == ()
    assert hashes.outdated([kept])


def test_what_is_kept_is_argon2id_and_the_keys_of_scram():
    kept = hashes.made(SECRET)
    assert [hashes.scheme(value) for value in kept] == [b"ARGON2", scram.SCHEME]
    assert kept[0].startswith(b"{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$")
    assert hashes.verify(kept, SECRET)
    assert not hashes.verify(kept, SECRET + b"x")
    assert hashes.matching(kept, SECRET) == kept
    assert not hashes.outdated(kept)
    assert hashes.made(SECRET) != kept
    assert SECRET not in b"".join(kept)


@pytest.mark.parametrize(
    "kept",
    [
        [],
        hashes.made(SECRET)[:1],
        hashes.made(SECRET)[1:] and [*hashes.made(SECRET)[1:], FOREIGN[0]],
        [
            b"{ARGON2}$argon2id$v=19$m=4096,t=3,p=1$ZwGMhKYTOdvg/BiSnt8Xag$JGS1kdp+gzw32wTbdBMFU5R",
            *hashes.made(b"x"),
        ],
    ],
    ids=["nothing", "no keys of SCRAM", "another scheme", "another price"],
)
def test_what_lacks_something_of_ours_is_to_be_made_anew(kept):
    assert hashes.outdated(kept)


def test_without_argon2_new_hashes_are_scrypt(monkeypatch):
    monkeypatch.setattr(argon2, "available", lambda: False)
    hashes._nobodys.cache_clear()
    try:
        kept = hashes.made(SECRET)
        assert kept[0].startswith(b"{SCRYPT}n=16384,r=8,p=1$")
        assert hashes.verify(kept, SECRET)
        assert not hashes.verify(kept, b"x")
        assert not hashes.outdated(kept)
        assert not hashes.verify([FOREIGN[11]], SECRET)
    finally:
        hashes._nobodys.cache_clear()


def test_one_right_hash_among_several_is_enough_and_only_its_own_are_named():
    first, second = hashes.made(SECRET), hashes.made(b"autre")
    every = [b"{SSHA}rubbish", *second, FOREIGN[0], *first, b""]
    assert hashes.verify(every, SECRET)
    assert hashes.matching(every, SECRET) == (FOREIGN[0], *first)
    assert hashes.matching(every, b"autre") == second


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        SECRET,
        b"{}" + SECRET,
        b"{CLEARTEXT}" + SECRET,
        b"{UNKNOWN}" + SECRET,
        b"{CRYPT}" + SECRET,
        b"{CRYPT}$6$x$y",
        # DES reads eight characters of a password.
        b"{CRYPT}ZrxFm9b9sh2Vw",
        b"{CRYPT}$6$rounds=999999999$abcdefgh$" + b"a" * 86,
        b"{CRYPT}$5$rounds=1000001$abcdefgh$" + b"a" * 43,
        b"{CRYPT}$2b$31$" + b"a" * 53,
        b"{CRYPT}$2b$15$" + b"a" * 53,
        b"{CRYPT}$y$jFT$abcdefgh$" + b"a" * 43,
        b"{CRYPT}$y$jzzzzz$abcdefgh$" + b"a" * 43,
        b"{CRYPT}$7$CU..../....abcdefgh$" + b"a" * 43,
        b"{CRYPT}$gy$j9T$abcdefgh$" + b"a" * 43,
        b"{CRYPT}\0$6$abc$" + b"a" * 86,
        b"{ARGON2}",
        b"{ARGON2}$argon2id$v=19$m=9999999,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAA",
        b"{ARGON2}$argon2id$v=19$m=131072,t=9999,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAA",
        b"{ARGON2}$argon2id$v=19$m=8,t=1,p=255$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAA",
        b"{ARGON2}$argon2id$v=19$m=0,t=0,p=0$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAA",
        b"{ARGON2}$argon2id$v=16$m=4096,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAA",
        b"{SCRAM-SHA-256}9999999:AAAA$" + b"A" * 43 + b"=:" + b"A" * 43 + b"=",
        b"{SSHA}",
        b"{SSHA}" + base64.b64encode(hashlib.sha1(SECRET).digest()),  # noqa: S324 no salt behind it
        b"{SSHA}!!!!",
        b"{SHA}" + base64.b64encode(b""),
        b"{SCRYPT}",
        b"{SCRYPT}n=16384,r=8,p=1$$",
        b"{SCRYPT}n=1073741824,r=8,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA==",
        b"{SCRYPT}n=16384,r=8,p=100000$AAAA$AAAAAAAAAAAAAAAAAAAAAA==",
        b"{SCRYPT}n=-2,r=8,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA==",
        b"{SCRYPT}n=" + b"9" * 900 + b",r=8,p=1$AAAA$AAAA",
        b"{PBKDF2-SHA256}999999999999$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
        b"{PBKDF2-SHA256}0$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
        b"{PBKDF2-SHA256}1000$AAAA$",
        b"{PBKDF2-SHA256}\xff$AAAA$AAAA",
        b"{" + b"A" * 100_000,
    ],
    ids=lambda kept: repr(kept[:40]),
)
def test_what_is_no_hash_or_costs_too_much_matches_nothing_quickly(kept):
    started = time.process_time()
    assert not hashes.verify([kept], SECRET)
    assert time.process_time() - started < 0.5


def test_a_longer_password_than_bcrypt_reads_is_not_taken_for_its_beginning():
    library = unix_crypt._library()
    kept = b"{CRYPT}" + library.crypt_rn(b"a" * 72, b"$2b$05$" + b"a" * 22, bytes(32768), 32768)
    assert hashes.verify([kept], b"a" * 72)
    assert not hashes.verify([kept], b"a" * 73)


@pytest.mark.parametrize(
    "kept", [kept for kept in FOREIGN if b"CRYPT}$" in kept], ids=lambda kept: kept[:10].decode()
)
def test_a_password_does_not_end_at_its_first_nul(kept):
    assert not hashes.verify([kept], SECRET + b"\0 and more")


def test_without_libxcrypt_no_such_hash_matches(monkeypatch):
    monkeypatch.setattr(unix_crypt, "_library", lambda: None)
    assert not unix_crypt.available()
    assert not hashes.verify([FOREIGN[14]], SECRET)


# Milliseconds; a hash that names its own costs could make somebody wait for years.
COSTS_MAX = 60_000
SCHEMES = st.sampled_from([b"{%b}" % scheme for scheme in sorted(hashes.SCHEMES)] + [b"{", b""])


@settings(max_examples=1500, deadline=COSTS_MAX)
@given(SCHEMES, st.binary(max_size=120))
def test_any_bytes_kept_as_a_hash_match_nothing_and_raise_nothing(scheme, rest):
    assert hashes._matches(scheme + rest, b"never this") is False
    hashes.scheme(scheme + rest)
    hashes.outdated([scheme + rest])


@pytest.mark.parametrize(
    "costs", [b"n=4096,r=8", b"n=4096,r=8,=1", b"n=4096,r=8,p=", b"", b"n=4096,r=8,p=-1"]
)
def test_costs_of_scrypt_that_are_missing_are_no_hash(costs):
    salt, digest = b"AAECAwQFBgcICQoLDA0ODw==", b"re6T3etBJvv3tjsSrPgM3ZRzlXuYfJV7Mn0OTWb1v/0="
    assert hashes.verify((b"{SCRYPT}%b$%b$%b" % (costs, salt, digest),), b"anything") is False


@settings(max_examples=300, deadline=COSTS_MAX)
@given(st.sampled_from(FOREIGN), st.data())
def test_a_hash_that_is_damaged_anywhere_is_no_hash_of_the_password_or_the_same(kept, data):
    at = data.draw(st.integers(0, len(kept) - 1))
    damaged = data.draw(
        st.sampled_from([kept[:at], kept[:at] + kept[at + 1 :]])
        | st.binary(min_size=1, max_size=2).map(lambda piece: kept[:at] + piece + kept[at + 1 :])
    )
    assert hashes._matches(damaged, b"never this") is False


def test_random_bytes_behind_a_scheme_never_raise():
    generator = random.Random(7)
    for good in FOREIGN:
        for _ in range(20):
            at = generator.randrange(len(good))
            assert not hashes._matches(good[:at] + generator.randbytes(generator.randrange(4)), b"never this")


def test_no_hash_a_quick_one_and_rubbish_cost_as_much_as_a_wrong_password():
    kept = hashes.made(SECRET)

    def seconds(known) -> float:
        started = time.process_time()
        assert not hashes.verify(known, b"wrong")
        return time.process_time() - started

    for known in ([], [FOREIGN[0]], [b"rubbish"], [b"{ARGON2}rubbish"], [FOREIGN[14]]):
        # In turns: what else the machine does slows both.
        times = [(seconds(kept), seconds(known)) for _ in range(5)]
        price, paid = map(min, zip(*times, strict=True))
        assert price / 3 < paid < price * 3, known


def test_a_password_of_a_megabyte_is_refused():
    assert not hashes.verify([FOREIGN[0]], b"a" * 1_000_000)
    assert hashes.matching([FOREIGN[0]], b"a" * 1_000_000) == ()
