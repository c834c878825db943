import costs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.ldap import syntaxes

P = syntaxes.PREFIX


@pytest.mark.parametrize(
    ("syntax", "good", "bad"),
    [
        (syntaxes.BOOLEAN, [b"TRUE", b"FALSE"], [b"true", b"1", b"", b"TRUE "]),
        (syntaxes.INTEGER, [b"0", b"-1", b"12345678901234567890"],
         [b"", b"-", b"-0", b"01", b"1.0", b"+1", "\u0661".encode()]),
        (syntaxes.DIRECTORY_STRING, [b"a", "é".encode(), b" "], [b"", b"\xff", b"\xc3"]),
        (syntaxes.IA5_STRING, [b"", b"a@b"], ["é".encode(), b"\x80"]),
        (syntaxes.PRINTABLE_STRING, [b"Abc 1'()+,-./:=?"], [b"", b"a@b", b"a_b", "é".encode()]),
        (syntaxes.TELEPHONE_NUMBER, [b"+33 1 23 45 67 89", b"01.23"], [b"", b"01_23", "né".encode()]),
        (syntaxes.NUMERIC_STRING, [b"12 34"], [b"", b"12a"]),
        (P + "11", [b"FR"], [b"F", b"FRA", b"", b"France"]),
        (syntaxes.OID, [b"2.5.4.3", b"cn", b"x-a1"], [b"", b"2", b"2.", b"02.5", b"2..5", b"1a", b"a_b", b"a b"]),
        (syntaxes.DISTINGUISHED_NAME, [b"", b"cn=a,o=b", "cn=é".encode()], [b"a", b"cn=a,", b"cn=\xff", b"x" * 99]),
        (syntaxes.NAME_AND_OPTIONAL_UID, [b"cn=a", b"cn=a#'0101'B"], [b"a", b"cn=a#'01'B,"[:-1] + b"x<"]),
        (syntaxes.BIT_STRING, [b"''B", b"'0101'B"], [b"0101", b"'2'B", b"'01'"]),
        (syntaxes.POSTAL_ADDRESS, [b"1 rue$Lille", b"a\\24b"], [b"", b"a\\b", b"\xff"]),
        (syntaxes.UUID, [b"01234567-89ab-CDEF-0123-456789abcdef"],
         [b"", b"0123456789abcdef0123456789abcdef", b"g" * 36]),
        (
            syntaxes.GENERALIZED_TIME,
            [b"20240229120000Z", b"2024022912Z", b"202402291200+0100", b"20240229120000.5Z", b"20240229120000,5-05",
             b"20241231235960Z"],
            [b"", b"0Z", b"20240229120000", b"20230229120000Z", b"20241301000000Z", b"20240132000000Z",
             b"20240101240000Z", b"20240101006000Z", b"20240101000000.Z",
             b"20240101000000+2400", b"20240101000000z", b"20240431000000Z",
             b"20240101000000." + b"1" * 40 + b"Z", b"19000229000000Z"],
        ),
        (syntaxes.CERTIFICATE, [b"\x30\x00", b"\x30\x81\x80" + bytes(128)],
         [b"", b"\x30", b"\x30\x80", b"\x31\x00",
         b"\x30\x05\x00", b"\x30\x00\x00", b"\x30\x85\x00\x00\x00\x00\x00", b"\x30\x84\x7f\xff\xff\xff"]),
        (syntaxes.JPEG, [b"", b"\xff\xd8\xff"], []),
        (P + "14", [b"mhs $ telephone", b"any"], [b"", b"$", b"a $"]),
        (P + "22", [b"+33 1", b"+33 1$fineResolution"], [b"", b"$a"]),
        (P + "53", [b"240229120000Z", b"2402291200+0100"], [b"", b"2024"]),
        (syntaxes.CSN, [b"20240229120000.000001Z#000000#001#000000"], [b"", b"20240229120000Z#000000#001#000000"]),
        ("1.2.3.4.5", [b"", b"\xff anything"], []),
    ],
)  # fmt: skip
def test_what_is_a_value(syntax: str, good: list[bytes], bad: list[bytes]) -> None:
    assert [value for value in good if not syntaxes.valid(syntax, value)] == []
    assert [value for value in bad if syntaxes.valid(syntax, value)] == []
    assert [value for value in good if not syntaxes.validator(syntax)(value)] == []


@given(st.binary(max_size=60))
def test_no_bytes_make_a_check_fail_otherwise(value: bytes) -> None:
    for syntax in syntaxes.KNOWN.values():
        assert syntax.valid(value) in (True, False)


@pytest.mark.parametrize(
    "piece", [b"a", b"0", b"$", b" ", b"\\", b"a$", b" $ ", b"(", b"#'0", b"1.", b"\xc3\xa9", b"\x30\x84"]
)
def test_every_check_is_linear(piece: bytes) -> None:
    value = piece * (200_000 // len(piece))
    with costs.at_most(5):
        for syntax in syntaxes.KNOWN.values():
            syntax.valid(value)
