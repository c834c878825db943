"""The policy codec: whole requests from any bytes, and answers that stay one line."""

import itertools
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from annuaire.errors import Malformed
from annuaire.postfix import policy
from annuaire.postfix.policy import Decoder, Request

# What Postfix 3.7 sent, down to its empty attributes; invented people.
CAPTURED = (
    b"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.7\n"
    b"client_name=unknown\nclient_port=39559\nreverse_client_name=unknown\nserver_address=192.0.2.1\nserver_port=25\n"
    b"helo_name=mail.ch-exemple.mssante.fr\nsender=j.d@ch-exemple.mssante.fr\nrecipient=paul+x@medical59.apicrypt.org\n"
    b"recipient_count=0\nqueue_id=\ninstance=71cc.6b04042f.b40bc.0\nsize=0\netrn_domain=\nstress=\nsasl_method=PLAIN\n"
    b"sasl_username=paul\nsasl_sender=\nccert_subject=CH+20d'Exempl+C3+A9+2B1\nccert_issuer=AC+20TEST\n"
    b"ccert_fingerprint=AA:BB\nccert_pubkey_fingerprint=CC:DD\nencryption_protocol=TLSv1.3\n"
    b"encryption_cipher=TLS_AES_256_GCM_SHA384\nencryption_keysize=256\npolicy_context=\n\n"
)
READ = Request(
    state="RCPT",
    sender="j.d@ch-exemple.mssante.fr",
    recipient="paul+x@medical59.apicrypt.org",
    sasl_username="paul",
    client_address="192.0.2.7",
    ccert_subject="CH d'Exemplé+1",
)


def asked(**attributes: str) -> bytes:
    lines = {"request": "smtpd_access_policy", "protocol_state": "RCPT", **attributes}
    return "".join(f"{name}={value}\n" for name, value in lines.items()).encode() + b"\n"


def fed_in_pieces(data: bytes) -> list[Request]:
    decoder = Decoder()
    return [request for at in range(0, len(data), 997) for request in decoder.feed(data[at : at + 997])]


def test_what_postfix_sends_is_read() -> None:
    assert Decoder().feed(CAPTURED) == [READ]


def test_every_two_way_split_gives_the_same_request() -> None:
    for place in range(len(CAPTURED) + 1):
        decoder = Decoder()
        assert decoder.feed(CAPTURED[:place]) + decoder.feed(CAPTURED[place:]) == [READ]


def test_octet_by_octet_gives_the_same_requests() -> None:
    decoder = Decoder()
    found = [request for octet in CAPTURED * 2 for request in decoder.feed(bytes((octet,)))]
    assert found == [READ, READ]


@given(st.lists(st.integers(0, 5 * len(CAPTURED)), max_size=12))
@example([len(CAPTURED) - 1, len(CAPTURED), len(CAPTURED) + 1])
@settings(max_examples=80)
def test_requests_behind_one_another_are_read_wherever_they_are_cut(places: list[int]) -> None:
    stream = b"".join(asked(recipient=f"{number}@x") for number in range(5)) + CAPTURED
    cuts = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    decoder = Decoder()
    found = [request for a, b in itertools.pairwise(cuts) if a < b for request in decoder.feed(stream[a:b])]
    assert [request.recipient for request in found] == [*[f"{n}@x" for n in range(5)], READ.recipient]


def test_of_a_repeated_attribute_the_last_holds_and_unknown_ones_mean_nothing() -> None:
    data = b"request=smtpd_access_policy\nsender=a@x\nnew_in_9=1=2\nsender=b@x\nprotocol_state=MAIL\n\n"
    [request] = Decoder().feed(data)
    assert (request.state, request.sender, request.recipient) == ("MAIL", "b@x", "")


def test_an_equals_sign_may_stand_in_a_value() -> None:
    [request] = Decoder().feed(asked(sender="srs0=ab=x@y"))
    assert request.sender == "srs0=ab=x@y"


def test_octets_that_are_no_text_are_an_address_of_nobody() -> None:
    [request] = Decoder().feed(b"request=smtpd_access_policy\nsender=\xff\xfe@x\n\n")
    assert request.sender == "\ufffd\ufffd@x"


@pytest.mark.parametrize(
    "data",
    [
        b"\n\n",
        b"\n" + CAPTURED,
        b"sender=a@b\n\n",
        b"request=junk\n\n",
        b"request=smtpd_access_policy\nnonsense\n\n",
        b"request=smtpd_access_policy\nsender=" + b"a" * (policy.LINE_MAX + 1) + b"\n\n",
        b"request=smtpd_access_policy\n"
        + b"".join(b"a%d=\n" % n for n in range(policy.ATTRIBUTES_MAX))
        + b"\n",
        b"request=smtpd_access_policy\n" + b"sender=a\n" * (policy.REQUEST_MAX // 9) + b"\n",
        b"a" * (policy.REQUEST_MAX + 1),
        b"request=smtpd_access_policy\r\nsender=a@b\r\n\r\n" + b"x" * policy.REQUEST_MAX,
        b"\x16\x03\x01\x02\x00\x01\x00\n\n",
        b"EHLO x\r\n\n\n",
    ],
)
def test_what_is_no_request_is_malformed_whole_or_in_pieces(data: bytes) -> None:
    with pytest.raises(Malformed):
        Decoder().feed(data)
    with pytest.raises(Malformed):
        fed_in_pieces(data)


def test_noise_gives_requests_or_malformed_and_nothing_else() -> None:
    chance = random.Random(4)
    for _ in range(2000):
        data = bytearray(CAPTURED)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.choice(b"\n=\x00\xff:a")
        decoder = Decoder()
        try:
            decoder.feed(bytes(data))
        except Malformed:
            continue


def test_what_waits_for_its_end_is_not_searched_again_and_again() -> None:
    decoder = Decoder()
    decoder.feed(b"request=smtpd_access_policy\n")
    for _ in range(policy.REQUEST_MAX - 100):
        decoder.feed(b"a")  # a second of work if each octet meant a look at all of them
    with pytest.raises(Malformed):
        decoder.feed(b"a" * 200)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (b"", b""),
        (b"mailin.example", b"mailin.example"),
        (b"CH+20d'EXEMPLE", b"CH d'EXEMPLE"),
        (b"a+2Bb+3Dc", b"a+b=c"),
        (b"+C3+89", "É".encode()),
        (b"a+2", b"a+2"),
        (b"a+zz+", b"a+zz+"),
        (b"a+2bc", b"a+2bc"),  # lower case is no xtext
    ],
)
def test_xtext_is_read_and_what_is_none_is_left(text: bytes, meant: bytes) -> None:
    assert policy.decode_xtext(text) == meant


@given(st.text())
def test_an_answer_is_one_line_of_ascii_whatever_it_says(action: str) -> None:
    encoded = policy.encode(action)
    assert encoded.startswith(b"action=")
    assert encoded.index(b"\n") == len(encoded) - 2
    assert encoded.isascii()
    assert len(encoded) <= policy.ACTION_MAX + 9


def test_answers_are_what_postfix_reads() -> None:
    assert policy.encode("DUNNO") == b"action=DUNNO\n\n"
    assert policy.encode("550 5.1.1 nobody") == b"action=550 5.1.1 nobody\n\n"
