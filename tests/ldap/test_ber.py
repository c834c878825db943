"""The encoding rules, and the one form in which an entry's attributes are kept."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuaire.errors import Malformed
from annuaire.ldap import ber

LENGTHS = [
    (0, "00"),
    (1, "01"),
    (127, "7f"),
    (128, "8180"),
    (255, "81ff"),
    (256, "820100"),
    (4095, "820fff"),
    (4096, "821000"),
    (65535, "82ffff"),
    (65536, "83010000"),
    (2**24, "8401000000"),
]

INTEGERS = [
    (0, "020100"),
    (1, "020101"),
    (127, "02017f"),
    (128, "02020080"),
    (255, "020200ff"),
    (256, "02020100"),
    (32768, "0203008000"),
    (2**31 - 1, "02047fffffff"),
    (-1, "0201ff"),
    (-128, "020180"),
    (-129, "0202ff7f"),
]

REFUSED_HEADERS = [
    ("30", "truncated"),
    ("3001", "longer"),
    ("3080", "indefinite"),
    ("3085000000000100", "too many octets"),
    ("308400000000ff", "unexpected"),
    ("3084000000", "truncated length"),
    ("30847fffffff", "longer"),
    ("3f0100", "more than one octet"),
]

PERSON = {
    "objectClass": [b"top", b"person", b"organizationalPerson", b"inetOrgPerson"],
    "cn": ["Hélène DUPONT".encode(), b"DUPONT Helene"],
    "cn;lang-fr": [b""],
    "mail": [b"helene.dupont@medical59.apicrypt.org"],
    "userCertificate;binary": [b"\x30\x82" + bytes(range(256)) * 4],
    "jpegPhoto": [b"\xff" * 130, b"\x00" * 70000],
    "description": [],
}

names = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["cn", "mail", "x" * 64, "x" * 200]
)
values = st.binary(max_size=6) | st.integers(110, 300).map(bytes)
attributes = st.dictionaries(names, st.lists(values, max_size=4), max_size=6)


@pytest.mark.parametrize(("size", "encoded"), LENGTHS)
def test_a_length_takes_the_fewest_octets(size, encoded):
    assert ber.length(size).hex() == encoded


@pytest.mark.parametrize(("number", "encoded"), INTEGERS)
def test_an_integer_takes_the_fewest_octets_and_comes_back(number, encoded):
    assert ber.integer(number).hex() == encoded
    data = bytes.fromhex(encoded)
    assert ber.number(data, 2, len(data), -(2**31), ber.INTEGER_MAX, "number") == number


@pytest.mark.parametrize(("data", "why"), REFUSED_HEADERS)
def test_a_header_that_does_not_fit_is_refused(data, why):
    raw = bytes.fromhex(data)
    with pytest.raises(Malformed, match=why):
        ber.expect(raw, 0, len(raw), ber.OCTET_STRING)


@pytest.mark.parametrize("data", ["300104", "30810104", "3082000104", "308400000001 04"])
def test_a_length_may_be_longer_than_needed(data):
    raw = bytes.fromhex(data)
    start, end = ber.expect(raw, 0, len(raw), ber.SEQUENCE)
    assert raw[start:end] == b"\x04"


def test_a_person_comes_back_as_encoded():
    data = ber.encode_attributes(PERSON)
    assert ber.decode_attributes(data) == PERSON
    assert list(ber.decode_attributes(data)) == list(PERSON), "the order is kept"


def test_one_attribute_is_encoded_as_the_standard_says():
    assert ber.encode_attributes({"cn": [b"a", b"bc"]}).hex() == "300d0402636e3107040161" + "04026263"


def test_each_attribute_can_be_cut_out_of_the_whole():
    data = ber.encode_attributes(PERSON)
    cut = {name: data[start:end] for name, start, end in ber.iterate_attributes(data)}
    assert cut == {name: ber.encode_attributes({name: values}) for name, values in PERSON.items()}
    assert b"".join(cut.values()) == data


@given(attributes)
@settings(max_examples=200)
def test_any_attributes_come_back_as_encoded(wanted):
    data = ber.encode_attributes(wanted)
    assert ber.decode_attributes(data) == wanted
    assert [name for name, _, _ in ber.iterate_attributes(data)] == list(wanted)


def plainly(data):
    """Attributes read in the slowest and most obvious way."""

    def elements(body, tag):
        while body:
            found, start, end = ber.read(body, 0, len(body))
            if found != tag:
                raise Malformed("tag")
            yield body[start:end]
            body = body[end:]

    read = {}
    for attribute in elements(data, 0x30):
        _, start, end = ber.read(attribute, 0, len(attribute))
        if attribute[0] != 0x04:
            raise Malformed("tag")
        (value_set,) = elements(attribute[end:], 0x31) if attribute[end:] else (None,)
        if value_set is None:
            raise Malformed("no values")
        try:
            name = attribute[start:end].decode()
        except UnicodeDecodeError:
            raise Malformed("name") from None
        if name in read:
            raise Malformed("twice")
        read[name] = list(elements(value_set, 0x04))
    return read


def outcome(decode, data):
    try:
        return decode(data)
    except (Malformed, ValueError) as error:
        return Malformed if isinstance(error, Malformed) or "unpack" in str(error) else error


@given(attributes, st.data())
@settings(max_examples=400)
def test_damaged_attributes_are_read_as_the_obvious_decoder_reads_them(wanted, draw):
    data = bytearray(ber.encode_attributes(wanted))
    for _ in range(draw.draw(st.integers(1, 3))):
        if data:
            position = draw.draw(st.integers(0, len(data) - 1))
            octet = draw.draw(
                st.sampled_from([0, 1, 2, 4, 0x30, 0x31, 0x80, 0x81, 0x84, 0xFF]) | st.integers(0, 255)
            )
            if draw.draw(st.booleans()):
                data[position] = octet
            elif draw.draw(st.booleans()):
                del data[position]
            else:
                data.insert(position, octet)
    damaged = bytes(data)
    read = outcome(ber.decode_attributes, damaged)
    assert read == outcome(plainly, damaged)
    if read is not Malformed:
        assert [name for name, _, _ in ber.iterate_attributes(damaged)] == list(read)


def test_every_truncation_of_a_person_is_refused_or_ends_between_attributes():
    person = {name: values for name, values in PERSON.items() if name != "jpegPhoto"}
    data = ber.encode_attributes(person)
    ends = {0} | {end for _, _, end in ber.iterate_attributes(data)}
    for cut in range(len(data)):
        if cut in ends:
            ber.decode_attributes(data[:cut])
        else:
            with pytest.raises(Malformed):
                ber.decode_attributes(data[:cut])
            with pytest.raises(Malformed):
                list(ber.iterate_attributes(data[:cut]))


def test_an_attribute_present_twice_is_refused():
    data = ber.encode_attributes({"cn": [b"a"]})
    with pytest.raises(Malformed, match="twice"):
        ber.decode_attributes(data + data)


def test_descriptions_of_strangers_do_not_fill_the_memory():
    for number in range(3 * ber.NAMES_MAX):
        assert ber.names[b"stranger-%d" % number] == f"stranger-{number}"
        assert ber.names[b"y" * (ber.NAME_REMEMBERED_MAX + number)].startswith("y")
    assert len(ber.names) <= ber.NAMES_MAX
    assert max(len(raw) for raw in ber.names) <= ber.NAME_REMEMBERED_MAX


def test_a_usual_description_is_the_same_object_each_time():
    assert ber.names[b"givenName"] is ber.names[bytes(bytearray(b"givenName"))]
