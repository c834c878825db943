import base64
import hashlib
import random
import time

import pytest

from annuaire.domain import password

SECRET = "correct cheval pile agrafe é".encode()


def salted(algorithm: str, salt: bytes = b"grain") -> bytes:
    return base64.b64encode(hashlib.new(algorithm, SECRET + salt).digest() + salt)


def pbkdf2(algorithm: str, rounds: int = 1000) -> bytes:
    def adapted(raw: bytes) -> bytes:
        return base64.b64encode(raw).rstrip(b"=").replace(b"+", b".")

    digest = hashlib.pbkdf2_hmac(algorithm, SECRET, b"0123456789abcdef", rounds)
    return b"%d$%s$%s" % (rounds, adapted(b"0123456789abcdef"), adapted(digest))


GOOD = [
    b"{SSHA}" + salted("sha1"),
    b"{ssha}" + salted("sha1", b"8 octets"),
    b"{SSHA256}" + salted("sha256"),
    b"{SSHA512}" + salted("sha512"),
    b"{SHA}" + base64.b64encode(hashlib.sha1(SECRET).digest()),  # noqa: S324 the scheme's own
    b"{SHA256}" + base64.b64encode(hashlib.sha256(SECRET).digest()),
    b"{PBKDF2-SHA256}" + pbkdf2("sha256"),
    b"{PBKDF2-SHA512}" + pbkdf2("sha512"),
    b"{CLEARTEXT}" + SECRET,
    password.hash(SECRET),
]


@pytest.mark.parametrize("kept", GOOD, ids=lambda kept: kept.split(b"}")[0].decode() + "}")
def test_each_scheme_takes_its_password_and_no_other(kept):
    assert password.verify([kept], SECRET)
    assert not password.verify([kept], SECRET + b" ")
    assert not password.verify([kept], b"")


def test_one_right_hash_among_several_is_enough():
    assert password.verify([b"{SSHA}rubbish", GOOD[0], b""], SECRET)


def test_a_hash_made_here_is_scrypt_and_never_twice_the_same():
    assert password.hash(b"x").startswith(b"{SCRYPT}n=16384,r=8,p=1$")
    assert password.hash(b"x") != password.hash(b"x")


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        SECRET,
        b"{}" + SECRET,
        b"{CRYPT}$6$x$y",
        b"{UNKNOWN}" + SECRET,
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
        b"{CLEARTEXT}",
        b"{" + b"A" * 100_000,
    ],
    ids=lambda kept: repr(kept[:40]),
)
def test_what_is_no_hash_or_costs_too_much_matches_nothing_quickly(kept):
    started = time.perf_counter()
    assert not password.verify([kept], SECRET)
    assert time.perf_counter() - started < 0.5


def test_random_bytes_kept_as_a_hash_never_raise():
    generator = random.Random(7)
    schemes = [b"{SSHA}", b"{SCRYPT}", b"{PBKDF2-SHA512}", b"{SHA512}", b"{CLEARTEXT}", b"{", b""]
    for _ in range(2000):
        kept = generator.choice(schemes) + generator.randbytes(generator.randrange(60))
        assert password._matches(kept, b"never this") is False  # without the hash that every refusal costs
    for good in GOOD[:9]:
        for cut in range(len(good)):
            password._matches(good[:cut], b"x")


def test_no_hash_a_quick_one_and_rubbish_cost_as_much_as_a_wrong_password():
    kept = password.hash(SECRET)

    def seconds(hashes: list[bytes]) -> float:
        times = []
        for _ in range(3):
            started = time.process_time()
            assert not password.verify(hashes, b"wrong")
            times.append(time.process_time() - started)
        return min(times)

    known = seconds([kept])
    for hashes in ([], [b"{SSHA}" + salted("sha1")], [b"rubbish"]):
        assert known / 3 < seconds(hashes) < known * 3


def test_a_password_of_a_megabyte_is_refused():
    assert not password.verify([b"{CLEARTEXT}" + b"a" * 1000], b"a" * 1_000_000)


class TestRemembered:
    def test_a_success_is_remembered_for_its_time(self):
        remembered = password.Remembered(300)
        hashes = (GOOD[0],)
        assert not remembered.knows(hashes, SECRET, 0)
        remembered.remember(hashes, SECRET, 0)
        assert remembered.knows(hashes, SECRET, 299)
        assert not remembered.knows(hashes, SECRET, 301)

    def test_another_password_or_another_hash_is_not_known(self):
        remembered = password.Remembered(300)
        remembered.remember((GOOD[0],), SECRET, 0)
        assert not remembered.knows((GOOD[0],), b"other", 1)
        assert not remembered.knows((GOOD[1],), SECRET, 1)
        assert not remembered.knows((), SECRET, 1)

    def test_only_so_many_are_kept(self):
        remembered = password.Remembered(300, size=2)
        for name in (b"a", b"b", b"c"):
            remembered.remember((name,), SECRET, 0)
        assert not remembered.knows((b"a",), SECRET, 1)
        assert remembered.knows((b"c",), SECRET, 1)

    def test_no_seconds_is_no_memory(self):
        remembered = password.Remembered(0)
        remembered.remember((GOOD[0],), SECRET, 0)
        assert not remembered.knows((GOOD[0],), SECRET, 0)
