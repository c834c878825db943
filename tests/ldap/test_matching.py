import costs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.ldap import matching, schema

STANDARD = schema.standard()


def rule(name: str) -> matching.Rule:
    found = STANDARD.rule(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("caseIgnoreMatch", b"Jean  DUPONT", b" jean dupont "),
        ("caseIgnoreMatch", "HÉLÈNE".encode(), "he\u0301le\u0300ne".encode()),
        ("caseIgnoreMatch", b"  ", b" "),
        ("caseExactMatch", b"Jean  D", b"Jean D "),
        ("caseIgnoreIA5Match", b"A@B.fr", b"a@b.FR"),
        ("caseExactIA5Match", b"a  b", b"a b"),
        ("numericStringMatch", b"1 234", b"12 34"),
        ("telephoneNumberMatch", b"+33 1-23", b"+33123"),
        ("integerMatch", b"-007", b"-7"),
        ("integerMatch", b"0", b"-0"),
        ("booleanMatch", b"TRUE", b"true"),
        ("distinguishedNameMatch", b"CN=A, O=B", b"commonName=a,2.5.4.10=b"),
        ("distinguishedNameMatch", b"telephoneNumber=1-2,o=b", b"telephonenumber=12,o=b"),
        ("uniqueMemberMatch", b"CN=A#'01'B", b"cn=a#'01'B"),
        ("objectIdentifierMatch", b"inetOrgPerson", b"2.16.840.1.113730.3.2.2"),
        ("objectIdentifierMatch", b"PERSON", b"person"),
        ("objectIdentifierMatch", b"commonName", b"2.5.4.3"),
        ("objectIdentifierFirstComponentMatch", b"( 2.5.4.3 NAME 'cn' )", b"CN"),
        ("integerFirstComponentMatch", b"( 1 NAME 'r' )", b"01"),
        ("generalizedTimeMatch", b"20240101120000Z", b"20240101130000+0100"),
        ("generalizedTimeMatch", b"2024010112Z", b"20240101120000.000Z"),
        ("generalizedTimeMatch", b"2024010112.5Z", b"202401011230Z"),
        ("generalizedTimeMatch", b"202401011200,25Z", b"20240101120015Z"),
        ("generalizedTimeMatch", b"20231231235960Z", b"20240101000000Z"),
        ("generalizedTimeMatch", b"20240101000000+0100", b"20231231230000Z"),
        ("octetStringMatch", b"\x00\xff", b"\x00\xff"),
        ("uuidMatch", b"01234567-89AB-cdef-0123-456789abcdef", b"01234567-89ab-cdef-0123-456789abcdef"),
        ("caseIgnoreListMatch", b"1  Rue$ LILLE ", b"1 rue$lille"),
        ("bitStringMatch", b"'01'B", b"'01'B"),
    ],
)
def test_values_that_mean_the_same_match(name: str, left: bytes, right: bytes) -> None:
    normalise = rule(name).normalise
    assert normalise(left) is not None
    assert normalise(left) == normalise(right)


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("caseIgnoreMatch", b"helene", "hélène".encode()),
        ("caseIgnoreMatch", b"jean-pierre", b"jean pierre"),
        ("caseExactMatch", b"a", b"A"),
        ("integerMatch", b"1", b"-1"),
        ("distinguishedNameMatch", b"cn=a,o=b", b"o=b,cn=a"),
        ("uniqueMemberMatch", b"cn=a#'01'B", b"cn=a"),
        ("objectIdentifierMatch", b"person", b"cn"),
        ("caseIgnoreListMatch", b"a$b", b"a\\24b"),
        ("octetStringMatch", b"a", b"A"),
    ],
)
def test_values_that_differ_do_not_match(name: str, left: bytes, right: bytes) -> None:
    normalise = rule(name).normalise
    assert normalise(left) is not None
    assert normalise(left) != normalise(right)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("caseIgnoreMatch", b""),
        ("caseIgnoreMatch", b"\xff"),
        ("caseIgnoreMatch", "\ue000".encode()),
        ("caseIgnoreIA5Match", "é".encode()),
        ("integerMatch", b""),
        ("integerMatch", b"1a"),
        ("integerMatch", b"--1"),
        ("integerMatch", "\u0661".encode()),
        ("booleanMatch", b"yes"),
        ("distinguishedNameMatch", b"nothing"),
        ("distinguishedNameMatch", b"cn=\xff"),
        ("objectIdentifierMatch", b"a b"),
        ("objectIdentifierMatch", b"inconnue"),
        ("generalizedTimeMatch", b"0Z"),
        ("generalizedTimeMatch", b"00000101000000Z"),
        ("generalizedTimeMatch", b"00010101000000+0100"),
        ("generalizedTimeMatch", b"99991231235959-0100"),
        ("uuidMatch", b"0123"),
        ("bitStringMatch", b"01"),
        ("telephoneNumberMatch", b""),
        ("caseIgnoreListMatch", b""),
    ],
)
def test_what_is_not_a_value_has_no_form(name: str, value: bytes) -> None:
    assert rule(name).normalise(value) is None


@pytest.mark.parametrize(
    ("name", "ascending"),
    [
        ("caseIgnoreOrderingMatch", [b"A", b"ab", b"B", "É".encode()]),
        ("numericStringOrderingMatch", [b"10", b"1 1", b"9"]),
        (
            "integerOrderingMatch",
            [b"-100", b"-99", b"-10", b"-9", b"-1", b"0", b"1", b"9", b"10", b"99", b"100"],
        ),
        (
            "generalizedTimeOrderingMatch",
            [
                b"20231231235959Z",
                b"20240101000000Z",
                b"20240101000000.25Z",
                b"20240101000000.5Z",
                b"20240101000001Z",
                b"20240101000000-0100",
            ],
        ),
    ],
)
def test_forms_of_an_ordering_rule_sort_as_the_values_do(name: str, ascending: list[bytes]) -> None:
    forms = [rule(name).normalise(value) for value in ascending]
    assert None not in forms
    assert forms == sorted(form for form in forms if form is not None)
    assert len(set(forms)) == len(forms)


@given(st.lists(st.integers(), max_size=6))
def test_integers_sort_by_value_whatever_their_size(numbers: list[int]) -> None:
    normalise = rule("integerOrderingMatch").normalise
    by_form = sorted(numbers, key=lambda number: normalise(b"%d" % number) or b"")
    assert by_form == sorted(numbers)


@given(st.binary(max_size=20) | st.text(max_size=20).map(str.encode))
def test_a_form_is_its_own_form(value: bytes) -> None:
    for one in STANDARD.rules.all:
        # A name's form is its key, which is no name.
        if one.kind is matching.Kind.EQUALITY and one.name not in (
            "distinguishedNameMatch",
            "uniqueMemberMatch",
        ):
            once = one.normalise(value)
            assert once is None or one.normalise(once) == once, one.name


@given(st.binary(max_size=40))
def test_no_bytes_make_a_rule_fail(value: bytes) -> None:
    for one in STANDARD.rules.all:
        form = one.normalise(value)
        assert form is None or isinstance(form, bytes)
        if one.normalise_part is not None:
            for initial in (True, False):
                one.normalise_part(value, initial, not initial)


@pytest.mark.parametrize(
    "piece", [b"a", b" ", b"0", b"$", b"\\", b"a=b,", "é".encode(), "e\u0301".encode(), b"\xff", b"'"]
)
def test_every_rule_is_linear(piece: bytes) -> None:
    value = piece * (100_000 // len(piece))
    with costs.at_most(15):
        for one in STANDARD.rules.all:
            one.normalise(value)


def test_rules_are_known_by_name_in_any_case_and_by_oid() -> None:
    for one in STANDARD.rules.all:
        assert STANDARD.rule(one.name.upper()) is one
        assert STANDARD.rule(one.oid) is one
    assert STANDARD.rule("certificateExactMatch") is None


def test_a_rule_without_a_schema_compares_names_as_written() -> None:
    name = matching.rule("distinguishedNameMatch")
    assert name is not None
    assert name.normalise(b"CN=A,o=B") == name.normalise(b"cn=a,O=b")
    assert name.normalise(b"cn=a") != name.normalise(b"commonName=a")
    identifier = matching.rule("2.5.13.0")
    assert identifier is not None
    assert identifier.normalise(b"Person") == b"person"


def test_an_attribute_type_has_the_rules_of_its_supertype() -> None:
    surname = STANDARD.attribute("sn")
    assert surname is not None
    equality, substrings = matching.equality(surname), matching.substrings(surname)
    assert equality is rule("caseIgnoreMatch")
    assert substrings is rule("caseIgnoreSubstringsMatch")
    assert matching.ordering(surname) is None


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ("cn", "caseIgnoreOrderingMatch"),
        ("mail", "caseIgnoreOrderingMatch"),
        ("createTimestamp", "generalizedTimeOrderingMatch"),
        ("apicryptVersion", "integerOrderingMatch"),
        ("dnQualifier", "caseIgnoreOrderingMatch"),
        ("telephoneNumber", "telephoneNumberMatch"),
        ("entryUUID", "uuidOrderingMatch"),
        ("jpegPhoto", None),
        ("userCertificate", None),
    ],
)
def test_an_attribute_without_an_ordering_rule_sorts_by_the_one_that_goes_with_its_equality(
    attribute: str, name: str | None
) -> None:
    known = STANDARD.attribute(attribute)
    assert known is not None
    found = STANDARD.rules.sorting(known)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"a*", (b"a", (), None)),
        (b"*a*b*c", (None, (b"a", b"b"), b"c")),
        (b"*a\\2Ab\\5c*", (None, (b"a*b\\",), None)),
        (b"a", None),
        (b"*", None),
        (b"", None),
    ],
)
def test_a_substring_assertion_is_read(text: bytes, parts: object) -> None:
    assert matching.substring_assertion(text) == parts
