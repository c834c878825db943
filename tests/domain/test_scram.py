"""SCRAM-SHA-256 against the example of RFC 7677, a client written by hand, and hostile bytes."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.domain import scram
from annuaire.errors import Malformed

# RFC 7677 §3.
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def known() -> scram.ScramKeys:
    found = scram.keys([scram.made(b"pencil", SALT, 4096)])
    assert found is not None
    return found


def proof(password: bytes, first: scram.ClientFirst, server_first: bytes, binding: bytes = b"") -> bytes:
    """What a client answers, by the formulas of RFC 5802 §3."""
    said = dict(part.split(b"=", 1) for part in server_first.split(b","))
    salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(said[b"s"]), int(said[b"i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    channel = base64.b64encode(first.header + binding)
    without = b"c=%b,r=%b" % (channel, said[b"r"])
    stored = hashlib.sha256(key).digest()
    signature = hmac.digest(stored, b",".join((first.bare, server_first, without)), "sha256")
    sent = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True)))
    return without + b",p=" + sent


def test_the_example_of_rfc_7677_goes_as_it_is_printed() -> None:
    first = scram.client_first(CLIENT_FIRST)
    exchange = scram.Exchange(first, known(), SERVER_NONCE)
    assert exchange.server_first == SERVER_FIRST
    assert exchange.finish(CLIENT_FINAL) == SERVER_FINAL
    assert proof(b"pencil", first, SERVER_FIRST) == CLIENT_FINAL


def test_the_kept_value_has_the_form_of_rfc_5803_and_a_salt_of_its_own() -> None:
    kept, other = scram.made(b"pencil"), scram.made(b"pencil")
    assert kept.startswith(b"{SCRAM-SHA-256}65536:")
    assert kept != other
    assert b"pencil" not in kept
    assert scram.keys([b"{SSHA}x", kept]) == scram.keys([kept])
    assert "stored" not in repr(scram.keys([kept]))


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"{SCRAM-SHA-256}",
        b"{SCRAM-SHA-256}0:AAAA$" + b"A" * 44 + b":" + b"A" * 44,
        b"{SCRAM-SHA-256}99999999:AAAA$" + b"A" * 43 + b"=:" + b"A" * 43 + b"=",
        b"{SCRAM-SHA-256}4096:AAAA$" + b"A" * 44 + b":" + b"A" * 44,  # 33 octets
        b"{SCRAM-SHA-256}4096:A===$" + b"A" * 43 + b"=:" + b"A" * 43 + b"=",
        scram.made(b"pencil", SALT, 1) + b" ",
    ],
)
def test_a_value_that_is_no_key_is_none(kept: bytes) -> None:
    assert scram.keys([kept]) is None


def test_a_wrong_password_nonce_or_channel_is_refused() -> None:
    first = scram.client_first(CLIENT_FIRST)
    exchange = scram.Exchange(first, known(), SERVER_NONCE)
    assert exchange.finish(proof(b"crayon", first, SERVER_FIRST)) is None
    assert exchange.finish(CLIENT_FINAL.replace(b"%hv", b"%hw")) is None
    assert exchange.finish(CLIENT_FINAL.replace(b"c=biws", b"c=eSws")) is None
    assert exchange.finish(CLIENT_FINAL, b"a channel that the client did not bind") is None


def test_the_channel_that_the_client_bound_must_be_this_one() -> None:
    first = scram.client_first(b"p=tls-exporter,,n=user,r=abc")
    assert first.binding == "tls-exporter"
    exchange = scram.Exchange(first, known())
    sent = proof(b"pencil", first, exchange.server_first, b"this channel")
    assert exchange.finish(sent, b"another") is None
    assert exchange.finish(sent, b"this channel") is not None


@pytest.mark.parametrize(
    ("message", "binding", "authzid", "name"),
    [
        (b"n,,n=user,r=a", None, b"", b"user"),
        (b"y,,n=a=2Cb=3Dc,r=a,x=later", "", b"", b"a,b=c"),
        (b"n,a=dn:cn=3Dx,n=cn=3Dx=2Co=3Dy,r=a", None, b"dn:cn=x", b"cn=x,o=y"),
        (b"n,,n=" + "jos\u00e9".encode() + b",r=a", None, b"", "jos\u00e9".encode()),
    ],
)
def test_the_first_message_is_read(message: bytes, binding: str | None, authzid: bytes, name: bytes) -> None:
    first = scram.client_first(message)
    assert (first.binding, first.authzid, first.name) == (binding, authzid, name)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n,",
        b"n,,n=user",
        b"n,,n=user,r=",
        b"n,,n=user,r=a\x00b",
        b"n,,n=us=er,r=a",
        b"n,,m=must,n=user,r=a",
        b"n,,m=n=user,r=a",
        b"p=,,n=user,r=a",
        b"x,,n=user,r=a",
        b"n,,n=user,r=" + b"a" * 5000,
    ],
)
def test_a_first_message_out_of_form_is_malformed(message: bytes) -> None:
    with pytest.raises(Malformed):
        scram.client_first(message)


@given(st.binary(max_size=200))
def test_any_last_message_is_refused_or_malformed(message: bytes) -> None:
    exchange = scram.Exchange(scram.client_first(CLIENT_FIRST), known(), SERVER_NONCE)
    for sent in (message, b"c=biws," + message, CLIENT_FINAL[:-20] + message):
        try:
            assert exchange.finish(sent) is None
        except Malformed:
            continue


@given(st.binary(max_size=200))
def test_any_first_message_is_read_or_malformed(message: bytes) -> None:
    for sent in (message, b"n,," + message, b"n,a=" + message + b",n=x,r=y"):
        try:
            first = scram.client_first(sent)
        except Malformed:
            continue
        assert first.header + first.bare == sent


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("I\u00adX", "IX"),  # RFC 4013 §3
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", "\u0007"),  # prohibited: as it is
        ("\u0627\u0031", "\u0627\u0031"),  # bidirectional: as it is
        ("mot\u00a0de passe", "mot de passe"),
        ("\u00e9", "\u00e9"),
        ("e\u0301", "\u00e9"),
    ],
)
def test_passwords_are_prepared_by_saslprep(typed: str, means: str) -> None:
    assert scram.prepared(typed.encode()) == means.encode()


def test_bytes_that_are_no_text_make_keys_too() -> None:
    assert scram.keys([scram.made(b"\xff\xfe", SALT, 4096)]) is not None


def test_nobodys_keys_are_the_same_at_each_time_for_one_name_and_one_secret() -> None:
    one = scram.nobodys(b"inconnu", b"secret")
    again, elsewhere = scram.nobodys(b"inconnu", b"secret"), scram.nobodys(b"inconnu", b"other")
    assert (one.salt, one.iterations) == (again.salt, again.iterations)
    assert one.salt != elsewhere.salt
    assert one.salt != scram.nobodys(b"autre", b"secret").salt
    real = scram.keys([scram.made(b"x")])
    assert real is not None
    assert (len(real.salt), real.iterations) == (len(one.salt), one.iterations)
