from pathlib import Path

import ldap3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.errors import Misconfigured
from annuaire.ldap import dn, schema

STANDARD = schema.standard()


def load(folder: Path, text: str) -> schema.Schema:
    path = folder / "more.schema"
    path.write_text(text)
    return schema.load([*schema.shipped(), path])


def test_what_is_shipped_is_loaded_once() -> None:
    assert schema.standard() is STANDARD


@pytest.mark.parametrize(
    ("description", "canonical"),
    [
        ("cn", "cn"),
        ("CN", "cn"),
        ("commonName", "cn"),
        ("2.5.4.3", "cn"),
        ("GIVENNAME", "givenName"),
        ("gn", "givenName"),
        ("Surname;LANG-FR", "sn;lang-fr"),
        ("cn;x-b;lang-fr;X-A", "cn;lang-fr;x-a;x-b"),
        ("usercertificate;BINARY", "userCertificate;binary"),
        ("identifiantpp", "IdentifiantPP"),
        ("xmozillanickname", "mozillaNickname"),
        ("inconnu;B;A", "inconnu;B;A"),
        ("", ""),
    ],
)
def test_a_description_has_one_canonical_form(description: str, canonical: str) -> None:
    assert STANDARD.canonical(description) == canonical
    assert STANDARD.canonical(canonical) == canonical


def test_an_attribute_type_is_found_by_any_of_its_names() -> None:
    surname = STANDARD.attribute("sn")
    assert surname is not None
    for name in ("SN", "surname", "2.5.4.4", "sn;lang-fr", "sn;binary"):
        assert STANDARD.attribute(name) is surname
    assert STANDARD.attribute("inconnu") is None


def test_what_a_type_does_not_say_comes_from_its_supertype() -> None:
    surname = STANDARD.attribute("sn")
    assert surname is not None
    assert (surname.sup, surname.equality, surname.substrings) == (
        "name",
        "caseIgnoreMatch",
        "caseIgnoreSubstringsMatch",
    )
    assert surname.syntax == "1.3.6.1.4.1.1466.115.121.1.15"
    assert surname.supertypes == {"sn", "name"}
    country = STANDARD.attribute("c")
    assert country is not None
    assert country.syntax == "1.3.6.1.4.1.1466.115.121.1.11"
    assert country.single_value


def test_operational_attributes_are_known_as_such() -> None:
    for name in ("createTimestamp", "entryUUID", "entryDN", "hasSubordinates", "memberOf", "entryCSN"):
        known = STANDARD.attribute(name)
        assert known is not None
        assert known.operational
        assert known.no_user_modification
    for name in ("cn", "userPassword", "objectClass"):
        known = STANDARD.attribute(name)
        assert known is not None
        assert not known.operational


def test_a_class_has_what_its_superclasses_require_and_allow() -> None:
    person = STANDARD.object_class("INETORGPERSON")
    assert person is not None
    assert person.must == {"objectclass", "cn", "sn"}
    assert {"mail", "title", "userpassword", "usercertificate", "x500uniqueidentifier"} <= person.may
    assert person.superclasses == {"inetorgperson", "organizationalperson", "person", "top"}
    subscriber = STANDARD.object_class("apicryptUtilisateur")
    assert subscriber is not None
    assert subscriber.must == {"objectclass", "cn", "sn", "mail", "apicryptversion"}
    assert not subscriber.must & subscriber.may


@pytest.mark.parametrize(
    ("classes", "structural"),
    [
        ([b"top", b"person", b"inetOrgPerson", b"organizationalPerson"], "inetOrgPerson"),
        ([b"inetorgperson", b"apicryptUtilisateur"], "inetOrgPerson"),
        ([b"organizationalUnit"], "organizationalUnit"),
        ([b"top"], None),
        ([b"inconnue"], None),
    ],
)
def test_the_structural_class_is_the_most_derived(classes: list[bytes], structural: str | None) -> None:
    assert STANDARD.structural_class({"OBJECTCLASS": classes}) == structural


def test_an_entry_without_classes_has_no_structural_class() -> None:
    assert STANDARD.structural_class({"cn": [b"a"]}) is None


def test_ldap3_understands_the_published_schema() -> None:
    """What a client with get_info=ALL makes of cn=Subschema."""
    published = STANDARD.subschema()
    raw = {name: list(values) for name, values in published.items()}
    found = ldap3.SchemaInfo("cn=Subschema", raw, raw)
    assert set(found.attribute_types) >= {"cn", "mail", "apicryptVersion", "entryUUID"}
    assert len({id(one) for one in found.attribute_types.values()}) == len(published["attributeTypes"])
    assert len({id(one) for one in found.object_classes.values()}) == len(published["objectClasses"])
    for name in ("cn", "apicryptInterop", "createTimestamp"):
        ours, theirs = STANDARD.attribute(name), found.attribute_types[name]
        assert ours is not None
        assert theirs.oid == ours.oid
        assert bool(theirs.single_value) == ours.single_value
    must = found.object_classes["apicryptUtilisateur"].must_contain
    assert set(must) == {"cn", "sn", "mail", "apicryptVersion"}
    assert (
        found.matching_rules["caseIgnoreMatch"].oid == ["2.5.13.2"] or found.matching_rules["caseIgnoreMatch"]
    )
    assert "1.3.6.1.4.1.1466.115.121.1.15" in found.ldap_syntaxes


def test_the_published_schema_agrees_with_itself() -> None:
    published = STANDARD.subschema()
    assert STANDARD.structural_class(published) == "subentry"
    for name, values in published.items():
        known = STANDARD.attribute(name)
        assert known is not None
        assert all(known.valid(value) for value in values)
        assert len(set(values)) == len(values)
    uses = b"".join(published["matchingRuleUse"])
    assert b"2.5.13.2 NAME 'caseIgnoreMatch' APPLIES ( " in uses


def test_files_may_be_added_in_any_order_of_definition(tmp_path: Path) -> None:
    more = load(
        tmp_path,
        "objectclass ( 1.1.3 NAME 'c' SUP b AUXILIARY MAY below )\n"
        "objectclass ( 1.1.4 NAME 'b' AUXILIARY MUST above )\n"
        "attributetype ( 1.1.1 NAME 'below' SUP above )\nattributetype ( 1.1.2 NAME 'above' SUP name SINGLE-VALUE )\n",
    )
    found = more.object_class("c")
    assert found is not None
    assert (found.must, found.may) == ({"above"}, {"below"})
    below = more.attribute("below")
    assert below is not None
    assert below.supertypes == {"below", "above", "name"}
    assert not below.single_value  # RFC 4512 §2.5.1: not among what is inherited


def test_a_definition_repeated_as_openldap_ships_it_is_no_fault(tmp_path: Path) -> None:
    more = load(tmp_path, "attributetype ( 2.5.4.4 NAME 'sn' DESC 'again' SUP name )\n")
    known = more.attribute("sn")
    assert known is not None
    assert known.description == "Family name"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("attributetype ( 1.1 NAME 'a' )", "neither SYNTAX nor a SUP"),
        ("attributetype ( 1.1 NAME 'a' SUP absent )", "SUP absent of a is not defined"),
        ("attributetype ( 1.1 NAME 'a' SUP a )", "its own supertype"),
        ("attributetype ( 1.1 NAME 'a' SUP b )\nattributetype ( 1.2 NAME 'b' SUP a )", "its own supertype"),
        ("attributetype ( 1.1 NAME 'sn' SUP name )", "the name sn is already"),
        ("attributetype ( 2.5.4.4 NAME 'other' SUP name )", "2.5.4.4 is already sn"),
        ("attributetype ( 1.1 NAME 'a' SUP name USAGE often )", "USAGE"),
        ("objectclass ( 1.1 NAME 'a' SUP absent )", "SUP absent of a is not defined"),
        ("objectclass ( 1.1 NAME 'a' MUST absent )", "MUST absent of class a is not defined"),
        ("objectclass ( 1.1 NAME 'a' MAY ( cn $ absent ) )", "MAY absent of class a"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused_with_its_place(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(Misconfigured, match=complaint) as raised:
        load(tmp_path, text)
    assert "more.schema:" in str(raised.value)


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as raised:
        load(tmp_path, "attributetype ( 1.1 NAME 'a' )\nobjectclass ( 1.2 NAME 'b' MUST absent MAY missing )")
    assert len(str(raised.value).splitlines()) == 3


def test_a_long_chain_of_superclasses_needs_no_stack(tmp_path: Path) -> None:
    lines = [f"objectclass ( 1.1.{n} NAME 'c{n}' {f'SUP c{n + 1}' if n < 999 else ''} )" for n in range(1000)]
    found = load(tmp_path, "\n".join(lines)).object_class("c0")
    assert found is not None
    assert len(found.superclasses) == 1000


def test_what_strangers_ask_is_remembered_within_bounds() -> None:
    fresh = schema.load(schema.shipped())
    for number in range(10_000):
        fresh.canonical(f"cn;x-{number}")
        fresh.naming(f"unknown{number}")
        fresh.structural_class({"objectClass": [b"person", b"%d" % number]})
    assert len(fresh._described) <= 5000
    assert len(fresh._namings) <= 5000
    assert len(fresh._check._class_sets) <= 5000


@given(st.text(max_size=20))
def test_any_text_may_be_asked_for_as_a_name(text: str) -> None:
    assert STANDARD.canonical(STANDARD.canonical(text)) == STANDARD.canonical(text)
    STANDARD.attribute(text)
    STANDARD.object_class(text)
    STANDARD.rule(text)
    STANDARD.identifier(text)


def test_two_loads_of_a_schema_give_the_same_keys() -> None:
    again = schema.load(schema.shipped())
    assert dn.key(dn.parse("cn=A"), again) == dn.key(dn.parse("cn=A"), STANDARD)
