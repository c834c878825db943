"""Addresses as envelopes hold them: what mail reads as one is one, and nothing else is."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from annuaire.domain import mail_address
from annuaire.domain.mail_address import Address

# Written; local part, domain, what directories are asked, as an envelope writes it.
ADDRESSES = [
    ("a@b", "a", "b", "a@b", "a@b"),
    ("j.DUPONT@Medical59.x.fr", "j.DUPONT", "medical59.x.fr", "j.dupont@medical59.x.fr", "j.DUPONT@medical59.x.fr"),
    ("o'brien@x.fr", "o'brien", "x.fr", "o'brien@x.fr", "o'brien@x.fr"),
    ("u+labo@x.fr", "u+labo", "x.fr", "u@x.fr", "u+labo@x.fr"),
    ("u+a+b@x.fr", "u+a+b", "x.fr", "u@x.fr", "u+a+b@x.fr"),
    ("U+@x.fr", "U+", "x.fr", "u@x.fr", "U+@x.fr"),
    ("+u@x.fr", "+u", "x.fr", "+u@x.fr", "+u@x.fr"),
    ("u@x.fr.", "u", "x.fr", "u@x.fr", "u@x.fr"),
    ("<u@x.fr>", "u", "x.fr", "u@x.fr", "u@x.fr"),
    ("@a.fr:u@x.fr", "u", "x.fr", "u@x.fr", "u@x.fr"),
    ("<@a.fr,@b.fr:u@x.fr>", "u", "x.fr", "u@x.fr", "u@x.fr"),
    ('"u"@x.fr', "u", "x.fr", "u@x.fr", "u@x.fr"),
    ('"U.v"@x.fr', "U.v", "x.fr", "u.v@x.fr", "U.v@x.fr"),
    ('"u v"@x.fr', "u v", "x.fr", "u v@x.fr", '"u v"@x.fr'),
    ('"u\\"v\\\\"@x.fr', 'u"v\\', "x.fr", 'u"v\\@x.fr', '"u\\"v\\\\"@x.fr'),
    ('"x@dgs.fr"@evil.org', "x@dgs.fr", "evil.org", "x@dgs.fr@evil.org", '"x@dgs.fr"@evil.org'),
    ('"u..v"@x.fr', "u..v", "x.fr", "u..v@x.fr", '"u..v"@x.fr'),
    ("u%x.fr@y.fr", "u%x.fr", "y.fr", "u%x.fr@y.fr", "u%x.fr@y.fr"),
    ("u@[192.0.2.1]", "u", "[192.0.2.1]", "u@[192.0.2.1]", "u@[192.0.2.1]"),
    ("u@[IPv6:2001:DB8:0::1]", "u", "[ipv6:2001:db8::1]", "u@[ipv6:2001:db8::1]", "u@[ipv6:2001:db8::1]"),
    ("u@hôpital.fr", "u", "xn--hpital-ixa.fr", "u@xn--hpital-ixa.fr", "u@xn--hpital-ixa.fr"),
    ("u@HÔPITAL.fr", "u", "xn--hpital-ixa.fr", "u@xn--hpital-ixa.fr", "u@xn--hpital-ixa.fr"),
    ("u@xn--HPITAL-ixa.fr", "u", "xn--hpital-ixa.fr", "u@xn--hpital-ixa.fr", "u@xn--hpital-ixa.fr"),
    ("Renée@x.fr", "Renée", "x.fr", "renée@x.fr", "Renée@x.fr"),
    ("u_1@host_name.x.fr", "u_1", "host_name.x.fr", "u_1@host_name.x.fr", "u_1@host_name.x.fr"),
    ("x" * 64 + "@x.fr", "x" * 64, "x.fr", "x" * 64 + "@x.fr", "x" * 64 + "@x.fr"),
]  # fmt: skip

LONG_DOMAIN = ".".join(["a" * 63] * 3)  # 191 octets

NO_ADDRESSES = [
    "",
    "<>",
    "u",
    "u@",
    "@x.fr",
    "@",
    "u@@x.fr",
    "u@v@x.fr",
    "u @x.fr",
    " u@x.fr",
    "u@x.fr ",
    "u@x .fr",
    "u@x.fr\n",
    "u\0@x.fr",
    "u\t@x.fr",
    '"u\n"@x.fr',
    '"u\x7f"@x.fr',
    "u..v@x.fr",
    ".u@x.fr",
    "u.@x.fr",
    "u@.x.fr",
    "u@x..fr",
    "u@x.fr..",
    "u@.",
    '""@x.fr',
    '"u@x.fr',
    'u"@x.fr',
    '"u"v@x.fr',
    '"u".v@x.fr',
    '"u\\',
    '"u\\é"@x.fr',
    "u(v)@x.fr",
    "u@x.fr (v)",
    "u,v@x.fr",
    "u@x.fr,v@x.fr",
    "u;v@x.fr",
    "u:v@x.fr",
    "Docteur U <u@x.fr>",
    '"x@dgs.mssante.fr" <a@evil.org>',
    "x@dgs.mssante.fr <a@evil.org>",
    "<u@x.fr",
    "u@x.fr>",
    "<<u@x.fr>>",
    "@a.fr u@x.fr",
    "@a.fr,b.fr:u@x.fr",
    "@a .fr:u@x.fr",
    "@a.fr:@b.fr:u@x.fr",
    "@a.fr:",
    "u@[192.0.2]",
    "u@[192.0.2.256]",
    "u@[x.fr]",
    "u@[192.0.2.1",
    "u@192.0.2.1]",
    "u@[IPv6:zz]",
    "u@[IPv6:fe80::1%eth0]",
    "u@[]",
    # IDNA 2003 would read another name than is written.
    "u@ß.fr",
    "u@ας.fr",
    "u@ｄｇｓ.mssante.fr",
    "u@dgs．mssante．fr",
    "u@dgs。mssante.fr",
    "u@dgs.mssante.fr\u200b",
    "u@dgs\u00ad.mssante.fr",
    "u@\u202efr",
    "u\u200b@x.fr",
    "u\u00a0v@x.fr",
    "u＠x.fr",
    "\ud800@x.fr",
    "u@\ud800.fr",
    "x" * 65 + "@x.fr",
    "é" * 33 + "@x.fr",
    "u@" + "a" * 64 + ".fr",
    "x" * 63 + "@" + LONG_DOMAIN,
    "u@" + LONG_DOMAIN + "." + "a" * 63,
    "x" * 5000 + "@x.fr",
    "u@" + "x." * 5000 + "fr",
]


@pytest.mark.parametrize(("text", "local", "domain", "plain", "written"), ADDRESSES)
def test_what_mail_reads_as_an_address_is_one(
    text: str, local: str, domain: str, plain: str, written: str
) -> None:
    found = mail_address.parse(text)
    assert found is not None
    assert (found.local, found.domain, found.plain, found.text) == (local, domain, plain, written)


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_anything_else_is_no_address(text: str) -> None:
    assert mail_address.parse(text) is None


@pytest.mark.parametrize(("text", "written"), [(row[0], row[4]) for row in ADDRESSES])
def test_an_address_is_read_as_it_is_written(text: str, written: str) -> None:
    assert mail_address.parse(written) == mail_address.parse(text)


def test_an_address_of_254_octets_is_the_longest() -> None:
    assert mail_address.parse("x" * 62 + "@" + LONG_DOMAIN) is not None
    assert mail_address.parse("é" * 31 + "@" + LONG_DOMAIN) is not None
    assert mail_address.parse("é" * 32 + "@" + LONG_DOMAIN) is None


def test_a_letter_that_only_resembles_one_of_ours_stays_itself() -> None:
    kelvin = mail_address.parse("\u212aine@x.fr")
    assert kelvin is not None
    assert kelvin.plain == "\u212aine@x.fr"


def test_the_extension_belongs_to_the_exact_form_alone() -> None:
    found = mail_address.parse("U+Labo@X.fr")
    assert found == Address("U+Labo", "x.fr", "u+labo@x.fr", "u@x.fr")


@pytest.mark.parametrize(
    ("text", "is_null"), [("", True), ("<>", True), ("<", False), ("< >", False), ("@", False)]
)
def test_only_the_empty_path_is_the_null_sender(text: str, is_null: bool) -> None:
    assert mail_address.is_null(text) == is_null


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("a b@Medical59.apicrypt.org", "medical59.apicrypt.org"),
        ("A <a@x.fr>", "x.fr"),
        ('"x@dgs.mssante.fr" <a@evil.org>', "evil.org"),
        ("a@@x.fr.", "x.fr"),
        ("", ""),
        ("x.fr", "x.fr"),
    ],
)
def test_the_domain_that_a_wrong_address_claims_is_behind_its_last_at(text: str, domain: str) -> None:
    assert mail_address.claimed_domain(text) == domain


PIECES = st.sampled_from(
    (
        *("a", "Z", "é", "ß", "１", "@", ".", "..", '"', "\\", "<", ">", "(", ":", ",", " ", "+", "[", "]"),
        *("IPv6:", "::1", "xn--", "\0", "\u200b", "\ud800", "dgs.mssante.fr", "192.0.2.1"),
    )
)


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=12).map("".join)))
@example("\ud800" * 300)
def test_any_text_is_an_address_or_none(text: str) -> None:
    found = mail_address.parse(text)
    mail_address.claimed_domain(text)
    if found is not None:
        assert mail_address.parse(found.text) == found
        assert found.domain.isascii()
        assert found.domain == found.domain.lower()
        assert "@" not in found.domain
        assert found.text.isprintable()
        assert len(found.text.encode()) <= 4 * 254


@given(
    st.text(alphabet="abcdefgh.-+", min_size=1, max_size=12),
    st.sampled_from(["x.fr", "medical59.apicrypt.org"]),
)
def test_case_never_makes_another_mailbox(local: str, domain: str) -> None:
    lower, upper = mail_address.parse(f"{local}@{domain}"), mail_address.parse(f"{local}@{domain}".upper())
    assert (lower is None) == (upper is None)
    if lower is not None and upper is not None:
        assert lower[1:] == upper[1:]


@pytest.mark.parametrize("piece", ["a", "a.", "é", "é.", "\\", '"', "@a.fr,", "<", "[", "xn--", "é@", "."])
def test_no_text_takes_long(piece: str) -> None:
    begun = time.process_time()
    for text in (piece * 200_000, f'"{piece * 500}"@x.fr', f"u@{piece * 500}", f"{piece * 500}@x.fr"):
        mail_address.parse(text)
        mail_address.claimed_domain(text)
    assert time.process_time() - begun < 1
