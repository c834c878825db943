import pytest

from annuaire.ldap import schema as schemas
from annuaire.ldap.selection import Selection

SCHEMA = schemas.standard()


def select(*attributes: str) -> Selection:
    return Selection.of(tuple(attribute.encode() for attribute in attributes), SCHEMA)


@pytest.mark.parametrize("attributes", [(), ("*",), ("*", "*")])
def test_the_empty_list_and_the_star_are_every_user_attribute_and_nothing_else(attributes):
    selection = select(*attributes)
    assert selection.user_only_all
    assert not selection.wants_operational
    assert selection.wanted("cn") == "cn"
    assert selection.wanted("createTimestamp", operational=True) is None


def test_plus_is_every_operational_attribute_alone():
    selection = select("+")
    assert not selection.user_only_all
    assert selection.wants_operational
    assert selection.wanted("entryUUID", operational=True) == "entryUUID"
    assert selection.wanted("cn") is None


def test_star_and_plus_repeated_are_everything():
    selection = select("*", "+", "+")
    assert selection.wanted("entryUUID", operational=True) == "entryUUID"
    assert selection.wanted("sn") == "sn"


def test_an_operational_attribute_is_answered_when_it_is_named():
    selection = select("cn", "CREATETIMESTAMP")
    assert selection.wants_operational
    assert selection.wanted("createTimestamp", operational=True) == "createTimestamp"
    assert selection.wanted("modifyTimestamp", operational=True) is None


def test_one_dot_one_is_nothing_and_means_nothing_beside_a_name():
    assert select("1.1").empty
    assert select("1.1").wanted("cn") is None
    assert select("1.1", "cn").wanted("cn") == "cn"
    assert select("1.1", "*").wanted("cn") == "cn"


@pytest.mark.parametrize("asked", ["cn", "CN", "commonName", "2.5.4.3"])
def test_a_name_is_known_in_any_case_by_its_alias_and_by_its_oid(asked):
    assert select(asked).wanted("cn") == "cn"
    assert select(asked).wanted("sn") is None


def test_unknown_names_and_undecodable_ones_are_ignored():
    selection = Selection.of((b"display-name", b"\xff\xfe", b"", b"mail"), SCHEMA)
    assert selection.wanted("mail") == "mail"
    assert selection.wanted("cn") is None


def test_only_unknown_names_select_nothing_rather_than_everything():
    selection = select("roleOccupantX")
    assert not selection.user_only_all
    assert selection.wanted("cn") is None


def test_asking_a_type_asks_its_options_and_its_subtypes():
    assert select("cn").wanted("cn;lang-fr") == "cn;lang-fr"
    assert select("name").wanted("sn") == "sn"
    assert select("name").wanted("givenName;lang-fr") == "givenName;lang-fr"
    assert select("sn").wanted("cn") is None


def test_asking_an_option_asks_only_what_carries_it():
    selection = select("cn;LANG-fr")
    assert selection.wanted("cn;lang-fr") == "cn;lang-fr"
    assert selection.wanted("cn;lang-fr;x-other") == "cn;lang-fr;x-other"
    assert selection.wanted("cn") is None
    assert select("name;lang-fr").wanted("cn;lang-fr") == "cn;lang-fr"


@pytest.mark.parametrize("stored", ["userCertificate;binary", "userCertificate"])
def test_a_certificate_is_answered_under_the_description_that_was_asked(stored):
    assert select("usercertificate;binary").wanted(stored) == "userCertificate;binary"
    assert select("userCertificate").wanted(stored) == "userCertificate"
    assert select("userCertificate", "userCertificate;binary").wanted(stored) == "userCertificate;binary"
    assert select("*", "userCertificate").wanted(stored) == "userCertificate"
    assert select().wanted(stored) == "userCertificate;binary"
    assert select("*").wanted(stored) == "userCertificate;binary"


def test_binary_of_a_type_that_does_not_travel_so_selects_nothing():
    assert select("cn;binary").wanted("cn") is None


def test_a_class_asks_all_its_attributes_inherited_ones_too():
    selection = select("@person")
    assert selection.wanted("sn") == "sn"
    assert selection.wanted("objectClass") == "objectClass"
    assert selection.wanted("mail") is None
    assert select("@inetOrgPerson").wanted("sn") == "sn"
    assert select("@noSuchClass").empty


def test_the_same_list_gives_the_same_selection_and_equal_ones_hash_alike():
    assert select("cn", "sn") is select("cn", "sn")
    assert select("cn", "sn") == select("SN", "commonName")
    assert hash(select("cn", "sn")) == hash(select("SN", "commonName"))
    assert select("cn") != select("sn")


def test_a_very_long_list_is_answered_and_not_remembered():
    names = tuple(f"x-{number}" for number in range(1000))
    selection = select(*names, "cn")
    assert selection.wanted("cn") == "cn"
    assert selection is not select(*names, "cn")
