"""Schema files of operators: OpenLDAP's own as they are, in both forms, and what is said of those that cannot be."""

from pathlib import Path

import pytest

from annuaire.errors import Misconfigured
from annuaire.ldap import dn, schema
from annuaire.ldap.schema import Schema

THEIRS = Path("/etc/ldap/schema")
OURS = schema.shipped()
# Whose text slapd does not read either: it misspells a directive.
MISSPELLED = "dsee.schema"
# Microsoft's names some of NIS.
WITH_NIS = ("msuser.schema", "msuser.ldif")
FILES = sorted(path.name for path in THEIRS.glob("*") if path.suffix in (".schema", ".ldif"))

needs_their_files = pytest.mark.skipif(not FILES, reason=f"no schema files in {THEIRS} (package slapd)")


@pytest.fixture
def wrong(tmp_path: Path):
    """What is said of a file with this text."""

    def said(text: str, name: str = "own.schema", beside: tuple[Path, ...] = ()) -> str:
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(Misconfigured) as caught:
            schema.load([*OURS, *beside, path])
        return caught.value.public

    return said


def names(one: Schema) -> tuple[set[str], set[str]]:
    return (
        {name for known in one.attribute_types for name in known.names},
        {name for known in one.object_classes for name in known.names},
    )


@needs_their_files
@pytest.mark.parametrize("name", [name for name in FILES if name != MISSPELLED])
def test_each_of_openldaps_files_loads_beside_ours(name: str) -> None:
    nis = [THEIRS / "nis.schema"] if name in WITH_NIS else []
    assert schema.load([*OURS, *nis, THEIRS / name]).attribute("cn")


@needs_their_files
def test_all_of_them_load_together_in_any_order_and_are_published() -> None:
    every = [THEIRS / name for name in FILES if name.endswith(".schema") and name != MISSPELLED]
    together = schema.load([*OURS, *every])
    assert names(schema.load([*OURS, *reversed(every)])) == names(together)
    published = together.subschema()
    for attribute in ("javaClassName", "memberUid", "olcLastChanged", "c-l", "attributeCertificateAttribute"):
        assert (together.attribute(attribute) is not None) == any(
            f"'{attribute}'".encode() in text for text in published["attributeTypes"]
        )
    assert any(b"'posixAccount'" in text for text in published["objectClasses"])
    assert any(b"'javaObject'" in text for text in published["objectClasses"])


@needs_their_files
@pytest.mark.parametrize(
    "name", [name[:-5] for name in FILES if name.endswith(".ldif") and name != "dsee.ldif"]
)
def test_both_forms_of_a_file_mean_the_same(name: str) -> None:
    nis = [THEIRS / "nis.schema"] if name == "msuser" else []
    both = [schema.load([*OURS, *nis, THEIRS / f"{name}.{form}"]) for form in ("schema", "ldif")]
    assert names(both[0]) == names(both[1])
    assert sorted(both[0].subschema()["objectClasses"]) == sorted(both[1].subschema()["objectClasses"])


@needs_their_files
def test_a_directive_that_is_misspelled_is_shown_with_its_line() -> None:
    with pytest.raises(Misconfigured, match=r"dsee\.schema:96: directive 'attributeype' not understood"):
        schema.load([*OURS, THEIRS / MISSPELLED])


def test_an_auxiliary_group_is_checked_as_its_file_says(fixtures: Path) -> None:
    known = schema.load([*OURS, fixtures / "schema" / "posix_auxiliary.schema"])
    home = known.attribute("homeDirectory")
    assert home is not None
    assert (home.oid, home.syntax) == ("1.3.6.1.1.1.1.3", "1.3.6.1.4.1.1466.115.121.1.26")
    group = {
        "objectClass": [b"groupOfNames", b"posixGroup"],
        "cn": [b"x"],
        "member": [b"cn=y"],
        "gidNumber": [b"100"],
    }
    name = dn.parse("cn=x,o=groupes")
    assert known.check(name, group) == []
    [alone] = known.check(name, {"objectClass": [b"posixGroup"], "gidNumber": [b"100"], "cn": [b"x"]})
    assert "auxiliary" in alone.text
    [wrong_number] = known.check(name, {**group, "gidNumber": [b"cent"]})
    assert wrong_number.attribute == "gidNumber"


@needs_their_files
def test_two_files_that_contradict_each_other_are_told_apart(fixtures: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        schema.load([*OURS, THEIRS / "nis.schema", fixtures / "schema" / "posix_auxiliary.schema"])
    said = caught.value.public
    assert "posixGroup is already defined otherwise" in said
    assert "nis.schema:" in said
    assert "AUXILIARY" in said


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("attributetype ( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name SINGLE-VALUE )", "SINGLE-VALUE"),
        (
            "attributetype ( 2.5.4.13 NAME 'description' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.6 )",
            "EQUALITY, SYNTAX",
        ),
        ("objectclass ( 2.5.6.6 NAME 'person' SUP top STRUCTURAL MUST cn )", "MUST"),
        ("objectclass ( 2.5.6.6 NAME 'person' SUP top STRUCTURAL MUST ( sn $ cn ) MAY mail )", "MAY"),
    ],
)
def test_a_shipped_definition_that_is_repeated_otherwise_is_told(wrong, text: str, fields: str) -> None:
    said = wrong(f"# mine\n{text}\n")
    assert "own.schema:2: " in said
    assert "is already defined otherwise (" in said
    assert said.endswith(f": {fields}")


def test_every_problem_of_a_file_is_told_at_once_with_its_line(wrong) -> None:
    said = wrong(
        "attributetype ( 1.3.6.1.4.1.99999.1 NAME 'a' SUP nowhere )\n\n"
        "objectclass ( 1.3.6.1.4.1.99999.2 NAME 'b' MUST nothing )\n"
        "attributetype ( 1.3.6.1.4.1.99999.3 NAME 'cn' SUP name )\n"
    )
    for line in (1, 3, 4):
        assert f"own.schema:{line}: " in said


def test_a_macro_must_stand_before_it_is_used(wrong) -> None:
    said = wrong("attributetype ( later:1 NAME 'a' SUP name )\nobjectidentifier later 1.3.6.1.4.1.99999\n")
    assert "own.schema:1: object identifier 'later:1' is neither digits nor a macro" in said


def test_the_line_of_a_problem_in_ldif_is_that_of_its_value(wrong) -> None:
    text = (
        "# mine\n\ndn: cn=own,cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: own\n"
        "olcAttributeTypes: {0}( 1.3.6.1.4.1.99999.1 NAME 'a'\n  SUP name )\n"
        "olcObjectClasses: {0}( 1.3.6.1.4.1.99999.2 NAME 'b'\n  AUXILIARY MAY nothing )\n"
    )
    assert "own.ldif:8: MAY nothing of class b is not defined" in wrong(text, "own.ldif")


def test_values_in_base64_are_read(tmp_path: Path) -> None:
    path = tmp_path / "own.ldif"
    encoded = "KCAxLjMuNi4xLjQuMS45OTk5OS4xIE5BTUUgJ2ltYWdlJyBERVNDICfDqScgU1VQIG5hbWUgKQ=="
    path.write_text(f"dn: cn=own\nolcAttributeTypes:: {encoded}\n")
    found = schema.load([*OURS, path]).attribute("image")
    assert found is not None
    assert found.description == "é"
