import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.ldap import dn, schema

STANDARD = schema.standard()
PERSON = {
    "objectClass": [b"top", b"person", b"organizationalPerson", b"inetOrgPerson", b"apicryptUtilisateur"],
    "uid": [b"hdupont"],
    "cn": ["Hélène DUPONT".encode(), "DUPONT Hélène".encode()],
    "sn": [b"DUPONT"],
    "givenName": ["Hélène".encode()],
    "mail": [b"helene.dupont@medical.example"],
    "apicryptVersion": [b"2"],
    "apicryptInterop": [b"TRUE"],
    "apicryptFinValidite": [b"20301231235959Z"],
}
NAME = "uid=hdupont,ou=apicrypt,o=apicrypt,c=FR"


def check(changes: dict[str, list[bytes] | None], name: str = NAME) -> list[schema.Violation]:
    entry = {key: values for key, values in {**PERSON, **changes}.items() if values is not None}
    return STANDARD.check(dn.parse(name), entry)


def test_an_ordinary_person_agrees_with_the_schema() -> None:
    assert check({}) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"objectClass": [b"INETORGPERSON", b"2.5.6.0", b"ApicryptUtilisateur"]},
        {"objectClass": [b"inetOrgPerson", b"apicryptUtilisateur", b"mozillaAbPersonAlpha"], "mozillaNickname": [b"x"]},
        {"objectClass": [b"inetOrgPerson", b"apicryptUtilisateur", b"extensibleObject"], "dc": [b"x"]},
        {"cn": None, "CommonName": [b"DUPONT"]},
        {"cn": None, "cn;lang-fr": [b"DUPONT"]},
        {"cn": [b"DUPONT"], "cn;lang-fr": [b"DUPONT"]},
        {"userCertificate;binary": [b"\x30\x00"]},
        {"title;lang-fr": [b"x"], "telephoneNumber;lang-fr": [b"1"], "postalAddress;lang-en": [b"x"]},
        {"userCertificate": [b"\x30\x00"]},
        {"jpegPhoto": [b"\xff\xd8"], "userPassword": [b"{X}\xff"]},
        {"entryUUID": [b"01234567-89ab-cdef-0123-456789abcdef"], "createTimestamp": [b"20240101000000Z"]},
        {"structuralObjectClass": [b"inetOrgPerson"], "creatorsName": [b"cn=admin,o=x"]},
        {"seeAlso": [b"cn=a,o=b", b"cn=c,o=b"]},
    ],
)  # fmt: skip
def test_an_entry_that_the_schema_allows_passes(changes: dict[str, list[bytes] | None]) -> None:
    assert check(changes) == []


@pytest.mark.parametrize(
    ("changes", "code", "attribute", "words"),
    [
        ({"inconnu": [b"x"]}, 17, "inconnu", "not an attribute of the schema"),
        ({"cn;": [b"x"]}, 17, "cn;", "not an attribute"),
        ({"title;binary": [b"x"]}, 17, "title;binary", "leave it out"),
        ({"title;lang-fr-": [b"x"]}, 17, "title;lang-fr-", "name one"),
        ({"title;x-a": [b"x"]}, 17, "title;x-a", "no option that is known"),
        ({"title;lang-fr;x-a": [b"x"]}, 17, "title;lang-fr;x-a", "no option that is known"),
        ({"listeRouge;lang-fr": [b"TRUE"]}, 17, "listeRouge;lang-fr", "of no language"),
        ({"jpegPhoto;lang-fr": [b"\xff\xd8"]}, 17, "jpegPhoto;lang-fr", "of no language"),
        ({"userCertificate;binary;lang-fr": [b"\x30\x00"]}, 17, "userCertificate;binary;lang-fr", "of no language"),
        ({"seeAlso;lang-fr": [b"cn=a"]}, 17, "seeAlso;lang-fr", "of no language"),
        ({"userPassword;lang-fr": [b"x"]}, 17, "userPassword;lang-fr", "no options"),
        ({"userPassword;binary": [b"x"]}, 17, "userPassword;binary", "no options"),
        ({"mail": None}, 65, "mail", "mail is missing: class apicryptUtilisateur requires it"),
        ({"sn": None}, 65, "sn", "sn is missing: class person requires it"),
        ({"drink": [b"x"]}, 65, "drink", "drink is not allowed by the classes of the entry"),
        ({"mozillaNickname": [b"x"]}, 65, "mozillaNickname", "or add a class that has it: mozillaAbPersonAlpha"),
        ({"apicryptVersion": [b"1", b"2"]}, 19, "apicryptVersion", "takes one value, 2 are given"),
        ({"mail": ["é@x".encode()]}, 21, "mail", "'é@x' is not an IA5 String"),
        ({"apicryptVersion": [b"deux"]}, 21, "apicryptVersion", "'deux' is not an Integer"),
        ({"apicryptInterop": [b"oui"]}, 21, "apicryptInterop", "'oui' is not a Boolean"),
        ({"apicryptFinValidite": [b"0Z"]}, 21, "apicryptFinValidite", "'0Z' is not a Generalized Time"),
        ({"sn": [b"DUPONT", b""]}, 21, "sn", "'' is not a Directory String"),
        ({"sn": [b"\xff\xfe"]}, 21, "sn", "is not a Directory String"),
        ({"seeAlso": [b"nobody"]}, 21, "seeAlso", "'nobody' is not a DN"),
        ({"givenName": []}, 21, "givenName", "has no value"),
        ({"cn": [b"Jean", b"JEAN "]}, 20, "cn", "'JEAN ' is the same value as another one"),
        ({"telephoneNumber": [b"01 02", b"0102"]}, 20, "telephoneNumber", "the same value"),
        ({"jpegPhoto": [b"a", b"a"]}, 20, "jpegPhoto", "the same value"),
        ({"surname": [b"DURAND"]}, 20, "surname", "sn and surname are the same attribute"),
        ({"userCertificate": [b"\x30\x00"], "userCertificate;binary": [b"\x30\x00"]}, 20, "userCertificate;binary",
         "are the same attribute"),
        ({"uid": [b"other"]}, 64, "uid", "the name says uid='hdupont'"),
        ({"objectClass": [b"person", b"inconnue"]}, 65, "objectClass", "'inconnue' is not in the schema"),
        ({"objectClass": [b"inetOrgPerson", b"INETORGPERSON", b"apicryptUtilisateur"]}, 20, "objectClass",
         "inetOrgPerson is given twice"),
        ({"objectClass": [b"top", b"apicryptUtilisateur"]}, 65, "objectClass", "only auxiliary classes"),
        ({"objectClass": [b"top"]}, 65, "objectClass", "only abstract classes"),
        ({"objectClass": None}, 65, "objectClass", "has no objectClass"),
        ({"objectClass": []}, 65, "objectClass", "has no objectClass"),
        ({"objectClass": [b"inetOrgPerson", b"device", b"apicryptUtilisateur"]}, 65, "objectClass",
         "device and inetOrgPerson are both structural"),
        ({"objectClass": [b"\xff"]}, 21, "objectClass", "is not an OID"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_code_and_what_to_do(
    changes: dict[str, list[bytes] | None], code: int, attribute: str, words: str
) -> None:
    violations = check(changes)
    assert [(one.code, one.attribute) for one in violations] == [(code, attribute)], violations
    assert words in violations[0].text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ou=x,o=a", "the entry must have this value, add it"),
        ("inconnu=x,o=a", "not in the schema"),
        ("uid=hdupont+cn=Jean,o=a", "not among the entry's values of cn"),
        ("uid=hdupont+sn=x+givenName=y,o=a", "sn='x'"),
    ],
)
def test_the_attributes_of_the_name_are_in_the_entry(name: str, words: str) -> None:
    violations = check({}, name)
    assert {one.code for one in violations} == {64}
    assert words in violations[0].text


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("entryUUID=00000000-0000-0000-0000-000000000000,o=a", 64, "entryUUID names no entry"),
        ("uid=hdupont+createTimestamp=20260101000000Z,o=a", 64, "createTimestamp names no entry"),
        ("userPassword={SSHA}x,o=a", 64, "secret"),
        ("uid=hdupont+userid=hdupont,o=a", 34, "uid twice"),
    ],
)
def test_what_the_server_keeps_and_what_is_secret_names_no_entry(name: str, code: int, words: str) -> None:
    attribute, _, value = name.partition(",")[0].rpartition("+")[2].partition("=")
    violations = check({attribute: [value.encode()]} if code == 64 else {}, name)
    assert [one.code for one in violations] == [code]
    assert words in violations[0].text


@pytest.mark.parametrize(
    "name",
    [
        "UID=HDUPONT,o=a",
        "userid= hdupont ,o=a",
        "0.9.2342.19200300.100.1.1=hdupont",
        "cn=hÉLÈNE  dupont+uid=hdupont",
    ],
)
def test_the_value_of_the_name_is_compared_by_the_rule_of_its_type(name: str) -> None:
    assert check({}, name) == []


def test_the_root_has_no_naming_attribute() -> None:
    assert check({}, "") == []


def test_everything_wrong_is_said_at_once() -> None:
    changes: dict[str, list[bytes] | None] = {
        "inconnu": [b"x"],
        "sn": None,
        "apicryptVersion": [b"1", b"x"],
        "drink": [b"beer"],
    }
    codes = [one.code for one in check(changes, "uid=other,o=a")]
    assert sorted(codes) == [17, 19, 21, 64, 65, 65]


def test_a_message_is_one_short_line_whatever_the_value() -> None:
    violations = check({"mail": ["é\n\x00".encode() * 10_000], "x\ny" * 1000: [b"x"]})
    assert len(violations) == 2
    for one in violations:
        assert "\n" not in one.text
        assert len(one.text) < 300


names = st.sampled_from(
    [*PERSON, "drink", "jpegPhoto", "userCertificate;binary", "cn;lang-fr", "seeAlso", "CN", "x"]
)
values = st.lists(
    st.binary(max_size=8) | st.sampled_from([b"person", b"top", b"A", b"a", b"TRUE"]), max_size=3
)


@given(st.dictionaries(names, values, max_size=8))
def test_any_entry_is_judged(entry: dict[str, list[bytes]]) -> None:
    for one in STANDARD.check(dn.parse("cn=a+uid=b,o=c"), entry):
        assert one.code in (17, 19, 20, 21, 64, 65)
        assert one.text
