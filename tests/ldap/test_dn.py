import costs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.errors import Malformed
from annuaire.ldap import dn, schema

STANDARD = schema.standard()


def key(text: str) -> bytes:
    return dn.key(dn.parse(text), STANDARD)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("cn=Jean", [[("cn", "Jean")]]),
        ("cn=Jean,o=A", [[("cn", "Jean")], [("o", "A")]]),
        ("CN = Jean  ,  o = A ", [[("CN", "Jean")], [("o", "A")]]),
        ("cn=Jean;o=A", [[("cn", "Jean")], [("o", "A")]]),
        ("cn=Jean+uid=j,o=A", [[("cn", "Jean"), ("uid", "j")], [("o", "A")]]),
        ("OID.2.5.4.3=Jean", [[("2.5.4.3", "Jean")]]),
        ('cn="Dupont, Jean"', [[("cn", "Dupont, Jean")]]),
        ('cn="a\\"b" ,o=A', [[("cn", 'a"b')], [("o", "A")]]),
        ("cn=Dupont\\, Jean", [[("cn", "Dupont, Jean")]]),
        ("cn=H\\c3\\a9l\\C3\\A8ne", [[("cn", "Hélène")]]),
        ("cn=Hélène", [[("cn", "Hélène")]]),
        ("cn=\\ a\\ ", [[("cn", " a ")]]),
        ("cn=a\\  ", [[("cn", "a ")]]),
        ("cn=a=b", [[("cn", "a=b")]]),
        ("cn=", [[("cn", "")]]),
        ("cn=,o=A", [[("cn", "")], [("o", "A")]]),
        ("cn=\\00", [[("cn", "\0")]]),
        ("cn=#04024869", [[("cn", "Hi")]]),
        ("cn=#0C8102C3A9", [[("cn", "é")]]),
        ("cn=#0401FF", [[("cn", "#0401ff")]]),
        ("cn=#3000", [[("cn", "#3000")]]),
        ("cn=\\#a", [[("cn", "#a")]]),
        ("cn=a#b", [[("cn", "a#b")]]),
    ],
)
def test_a_name_is_read(text: str, pairs: list[list[tuple[str, str]]]) -> None:
    assert [list(rdn.pairs) for rdn in dn.parse(text).rdns] == pairs


@pytest.mark.parametrize(
    "text",
    [
        " ",
        ",",
        "cn",
        "=a",
        "cn=a,",
        "cn=a,,o=b",
        "cn=a+",
        "cn=a\\",
        "cn=a\\g",
        "cn=a\\4",
        "cn=a\\4g",
        "cn=\\ff",
        "cn=\\c3",
        "cn=a\0b",
        'cn="a',
        'cn="a"b',
        'cn=a"b',
        "cn=a<b",
        "cn=a>b",
        "cn=#",
        "cn=#0",
        "cn=#0g",
        "cn=#04024869x",
        "c n=a",
        "é=a",
        "cn=\ud800",
    ],
)
def test_a_name_that_breaks_the_grammar_is_refused_with_its_offset(text: str) -> None:
    with pytest.raises(Malformed, match="offset"):
        dn.parse(text)


def test_the_offset_of_a_fault_is_in_the_whole_name() -> None:
    for _ in range(2):  # the end of a name may be remembered: the second time must say the same
        with pytest.raises(Malformed, match="offset 7"):
            dn.parse("cn=a,o=\\zz")


def test_the_empty_name_is_the_root() -> None:
    assert dn.parse("") == dn.Dn(())
    assert dn.format(dn.Dn(())) == ""
    assert key("") == b""


def test_a_name_knows_its_parent_and_its_first_rdn() -> None:
    name = dn.parse("uid=j,ou=a,o=b")
    assert dn.format(name.parent) == "ou=a,o=b"
    assert dn.format_rdn(name.rdn) == "uid=j"
    assert str(name) == "uid=j,ou=a,o=b"


def test_a_new_rdn_is_exactly_one() -> None:
    assert dn.parse_rdn("cn=a+uid=b").pairs == (("cn", "a"), ("uid", "b"))
    for text in ("", "cn=a,o=b"):
        with pytest.raises(Malformed):
            dn.parse_rdn(text)


def test_a_written_name_is_one_line_with_special_characters_escaped() -> None:
    name = dn.Dn((dn.Rdn((("cn", ' #a,b+c"d\\e<f>g;h\n\0 '),)),))
    text = dn.format(name)
    assert "\n" not in text
    assert text == 'cn=\\ #a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h\\0A\\00\\ '
    assert dn.parse(text) == name


values = st.text(max_size=20) | st.from_regex(r"#[0-9a-fA-F]{0,8}", fullmatch=True)
types = st.sampled_from(
    ["cn", "CN", "commonName", "2.5.4.3", "ou", "l", "uid", "telephoneNumber", "inconnu", "dc"]
)
rdns = st.lists(st.tuples(types, values), min_size=1, max_size=3).map(lambda pairs: dn.Rdn(tuple(pairs)))
names = st.lists(rdns, max_size=4).map(lambda parts: dn.Dn(tuple(parts)))


@given(names)
def test_a_written_name_reads_back_as_the_same(name: dn.Dn) -> None:
    assert dn.parse(dn.format(name)) == name


@given(names)
def test_the_key_survives_writing_and_reading(name: dn.Dn) -> None:
    assert dn.key(dn.parse(dn.format(name)), STANDARD) == dn.key(name, STANDARD)


@given(names, names)
def test_a_key_places_each_entry_in_the_subtree_of_its_parents_only(name: dn.Dn, other: dn.Dn) -> None:
    below, above = dn.key(name, STANDARD), dn.key(other, STANDARD)
    joined = dn.key(dn.Dn(name.rdns + other.rdns), STANDARD)
    assert dn.is_within(joined, above)
    if name.rdns and other.rdns:
        assert above + b"\x00" <= joined < above + b"\x01"
        assert joined == above + b"\x00" + below
    if name.rdns:
        assert dn.parent_key(below) == dn.key(name.parent, STANDARD)


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_malformed(text: str) -> None:
    try:
        name = dn.parse(text)
    except Malformed:
        return
    dn.key(name, STANDARD)
    dn.parse(dn.format(name))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("cn=Jean,o=A", "CN=jean , O=a"),
        ("commonName=Jean", "cn=JEAN"),
        ("2.5.4.3=Jean", "cn=jean"),
        ("cn=Jean  Pierre", "cn= jean pierre "),
        ("cn=HÉLÈNE", "cn=hélène"),
        ("cn=He\u0301le\u0300ne", "cn=hélène"),
        ("cn=a+uid=b,o=c", "UID=B+CN=A,O=C"),
        ("telephoneNumber=01 02-03", "telephoneNumber=010203"),
        ("cn=\\4a", "cn=j"),
        ("cn=#04014A", "cn=j"),
        ("inconnu=A", "INCONNU=a"),
        ("cn=a;o=b", "cn=a,o=b"),
    ],
)
def test_two_spellings_of_one_name_have_one_key(left: str, right: str) -> None:
    assert key(left) == key(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("cn=a,o=b", "cn=a\\,o=b"),
        ("cn=a+uid=b", "cn=a\\+uid\\=b"),
        ("cn=a,o=b", "o=b,cn=a"),
        ("vendorName=a", "vendorName=A"),
        ("cn=helene", "cn=hélène"),
        ("vendorName=\\00", "vendorName=\\\\00"),
        ("vendorName=\\01", "vendorName=\\5c01"),
    ],
)
def test_two_names_that_differ_have_two_keys(left: str, right: str) -> None:
    assert key(left) != key(right)


def test_a_key_is_a_path_from_the_root() -> None:
    assert key("UID=J+CN=É,OU=B,O=A") == "o=a\0ou=b\0cn=é\x01uid=j".encode()
    assert key("userPassword=\\01\\02\\5c,o=a") == b"o=a\x00userpassword=\\01\\02\\\\"


def test_a_value_cannot_forge_a_path() -> None:
    forged = dn.Dn((dn.Rdn((("userPassword", "x\0o=b\x01y"),)),))
    assert dn.key(forged, STANDARD).count(b"\x00") == 0
    assert dn.key(forged, STANDARD).count(b"\x01") == 0


@pytest.mark.parametrize(
    "text",
    [
        "cn=" + "a" * 1_000_000,
        "cn=" + "\\" * 1_000_000,
        "cn=a," * 200_000,
        "+" * 1_000_000,
        'cn="' + "\\41" * 300_000,
        "cn=#" + "41" * 500_000,
    ],
)
def test_a_huge_name_is_refused_at_once(text: str) -> None:
    with costs.at_most(0.5), pytest.raises(Malformed, match="longer than"):
        dn.parse(text)


@pytest.mark.parametrize("piece", ["a", "\\41", "\\,", " ", "+cn=a", ",cn=a", "é"])
def test_reading_is_linear_up_to_the_limit(piece: str) -> None:
    text = "cn=a" + piece * ((dn.LENGTH_MAX - 4) // len(piece))
    with costs.at_most(0.5):
        dn.key(dn.parse(text), STANDARD)
