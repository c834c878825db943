"""What a Modify does to an entry's attributes, and what two states of an entry differ by."""

import pytest

from annuaire.ldap import modification, schema
from annuaire.ldap.modification import ModificationError


@pytest.fixture(scope="module")
def standard():
    return schema.standard()


def test_equal_states_do_not_differ(standard):
    old = {"cn": [b"Jean Dupont"], "mail": [b"a@b.fr", b"c@d.fr"]}
    assert (
        modification.difference(old, {name: list(values) for name, values in old.items()}, standard) is None
    )


def test_the_order_of_attributes_and_of_values_is_no_difference(standard):
    old = {"cn": [b"Jean Dupont"], "mail": [b"a@b.fr", b"c@d.fr"]}
    assert (
        modification.difference(old, {"mail": [b"c@d.fr", b"a@b.fr"], "cn": [b"Jean Dupont"]}, standard)
        is None
    )


def test_values_equal_under_their_rule_are_no_difference(standard):
    old = {
        "cn": [b"Jean  Dupont"],
        "telephoneNumber": [b"+33 1 99 00 00 00"],
        "objectClass": [b"inetOrgPerson"],
    }
    new = {"cn": [b"JEAN DUPONT"], "telephoneNumber": [b"+33199000000"], "objectClass": [b"inetorgperson"]}
    assert modification.difference(old, new, standard) is None


def test_bytes_without_a_rule_differ_by_one_bit(standard):
    assert modification.difference({"jpegPhoto": [b"a"]}, {"jpegPhoto": [b"A"]}, standard) == {
        "jpegPhoto": [b"A"]
    }


def test_a_difference_keeps_the_values_that_match_as_they_were(standard):
    old = {"cn": [b"Jean Dupont", b"JD"], "sn": [b"Dupont"], "title": [b"Dr"]}
    new = {"sn": [b"DUPONT"], "cn": [b"jean dupont", b"Jeannot"], "l": [b"Lille"]}
    assert modification.difference(old, new, standard) == {
        "cn": [b"Jean Dupont", b"Jeannot"],
        "sn": [b"Dupont"],
        "l": [b"Lille"],
    }


def test_changes_are_made_in_order(standard):
    changes = [
        ("add", "CN", [b"second"]),
        ("delete", "cn", [b"FIRST"]),
        ("replace", "title", [b"Dr"]),
        ("delete", "mail", []),
        ("replace", "description", []),
        ("add", "commonName", [b"third"]),
    ]
    old = {"cn": [b"first"], "mail": [b"a@b.fr"]}
    assert modification.apply(old, changes, standard) == {"cn": [b"second", b"third"], "title": [b"Dr"]}
    assert old == {"cn": [b"first"], "mail": [b"a@b.fr"]}


def test_a_number_is_incremented(standard):
    old = {"gidNumber": [b"7"], "uidNumber": [b"-3", b"4"]}
    changes = [("increment", "uidNumber", [b"5"])]
    assert modification.apply(old, changes, standard)["uidNumber"] == [b"2", b"9"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("add", "cn", [b"JEAN"]), 20),
        (("add", "title", [b"a", b"A"]), 20),
        (("delete", "title", []), 16),
        (("delete", "cn", [b"other"]), 16),
        (("add", "noSuchThing", [b"x"]), 17),
        (("replace", "entryUUID", [b"x"]), 19),
        (("increment", "cn", [b"1"]), 19),
        (("increment", "title", [b"1"]), 19),
        (("increment", "gidNumber", [b"1"]), 16),
        (("increment", "uidNumber", [b"1_0"]), 19),
        (("increment", "uidNumber", [b"1", b"2"]), 2),
        (("invent", "cn", []), 2),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_code(change, code, standard):
    with pytest.raises(ModificationError) as caught:
        modification.apply({"cn": [b"Jean"], "uidNumber": [b"1"]}, [change], standard)
    assert caught.value.violation.code == code
