from pathlib import Path

import costs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldaptor import schema as ldaptor_schema

from annuaire.errors import Misconfigured
from annuaire.ldap import schema, schema_text


def definitions(folder: Path, text: str | bytes) -> list[schema_text.Definition]:
    path = folder / "try.schema"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(schema_text.read(path, {}))


def test_an_attribute_type_is_read_with_every_field(tmp_path: Path) -> None:
    (found,) = definitions(
        tmp_path,
        "attributetype ( 1.2.3 NAME ( 'a' 'b' ) DESC 'It\\27s \\5C' OBSOLETE SUP name EQUALITY caseIgnoreMatch\n"
        "\tORDERING caseIgnoreOrderingMatch SUBSTR caseIgnoreSubstringsMatch\n"
        "  SYNTAX 1.3.6.1{64} SINGLE-VALUE COLLECTIVE NO-USER-MODIFICATION USAGE dSAOperation X-ORIGIN 'us' )\n",
    )
    assert (found.oid, found.names(), found.where.rpartition(":")[2]) == ("1.2.3", ("a", "b"), "1")
    assert found.one("DESC") == "It's \\"
    assert found.one("SYNTAX") == "1.3.6.1{64}"
    assert {"OBSOLETE", "SINGLE-VALUE", "COLLECTIVE", "NO-USER-MODIFICATION"} <= found.fields.keys()
    assert found.fields["X-ORIGIN"] == ("us",)


def test_macros_stand_for_the_beginning_of_an_identifier(tmp_path: Path) -> None:
    found = definitions(
        tmp_path,
        "objectidentifier root 1.2\nObjectIdentifier Mine root:3\nattributetype ( mine:4 NAME 'a' SYNTAX Mine:5{9} )\n"
        "objectclass ( MINE NAME 'c' )",
    )
    assert [one.oid for one in found] == ["1.2.3.4", "1.2.3"]
    assert found[0].one("SYNTAX") == "1.2.3.5{9}"


def test_a_comment_hides_its_continuation_and_lines_may_end_in_any_way(tmp_path: Path) -> None:
    found = definitions(
        tmp_path,
        b"\xef\xbb\xbf# one\r\n  two\r\n\r\n#attributetype ( 1\r\n  nonsense\r\nobjectclass ( 1.1\r\n\tNAME 'a'\r\n  )",
    )
    assert [(one.oid, one.where.rpartition(":")[2]) for one in found] == [("1.1", "6")]


def test_words_need_no_blanks_around_signs(tmp_path: Path) -> None:
    (found,) = definitions(tmp_path, "objectclass (1.1 NAME('a' 'b')MUST(x$y)MAY z)")
    assert found.names() == ("a", "b")
    assert found.fields["MUST"] == ("x", "y")
    assert found.fields["MAY"] == ("z",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nonsense", "directive 'nonsense' not understood"),
        ("attributetype", "parentheses"),
        ("attributetype 1.2", "parentheses"),
        ("attributetype ( 1.2 NAME 'a'", "parentheses"),
        ("attributetype ( 1.2 NAME 'a )", "quotation mark"),
        ("attributetype ( nothing NAME 'a' )", "neither digits nor a macro"),
        ("attributetype ( nothing:1 NAME 'a' )", "neither digits nor a macro"),
        ("attributetype ( 1.2 NAME 'a' NAME 'b' )", "given twice"),
        ("attributetype ( 1.2 WHAT 'a' )", "'WHAT' not understood"),
        ("attributetype ( 1.2 'NAME' 'a' )", "not understood"),
        ("attributetype ( 1.2 MUST a )", "does not belong"),
        ("attributetype ( 1.2 SUP )", "takes"),
        ("attributetype ( 1.2 SUP ( a )", "takes"),
        ("attributetype ( 1.2 EQUALITY ( a b ) )", "takes one value"),
        ("attributetype ( 1.2 SYNTAX other )", "neither digits"),
        ("objectclass ( 1.2 ABSTRACT AUXILIARY )", "is one of"),
        ("objectidentifier a", "takes a name"),
        ("objectidentifier a b:c", "neither digits"),
        (b"# \xff", "UTF-8"),
    ],
)
def test_a_fault_is_said_with_file_and_line(tmp_path: Path, text: str | bytes, complaint: str) -> None:
    before = b"\n\n" if isinstance(text, bytes) else "\n\n"
    with pytest.raises(Misconfigured, match=complaint) as raised:
        definitions(tmp_path, before + text)  # type: ignore[operator]
    assert "try.schema:3" in str(raised.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        list(schema_text.read(tmp_path / "absent.schema", {}))


@pytest.mark.parametrize("piece", ["(", ")", "'", "$", "( ", "a ", "NAME ", "X-A 'b' ", "( 'a' "])
def test_a_hostile_definition_is_refused_in_linear_time(piece: str) -> None:
    with costs.at_most(10), pytest.raises(Misconfigured):
        schema_text.parse("( 1.2 " + piece * 200_000, schema_text.ATTRIBUTE_TYPE, "here", {})


@given(st.text(alphabet="()'$ \\ABNMESUPXQLITY-123.{}\n", max_size=60))
def test_any_text_is_a_definition_or_misconfigured(text: str) -> None:
    for directive in (schema_text.ATTRIBUTE_TYPE, schema_text.OBJECT_CLASS, schema_text.SYNTAX):
        try:
            found = schema_text.parse(f"( 1.2 {text} )", directive, "here", {})
        except Misconfigured:
            continue
        assert schema_text.parse(schema_text.format(found), directive, "here", {}).fields == found.fields


def shipped() -> list[schema_text.Definition]:
    macros: dict[str, str] = {}
    return [one for path in schema.shipped() for one in schema_text.read(path, macros)]


def test_what_is_written_reads_back_the_same_for_all_that_we_ship() -> None:
    for one in shipped():
        assert schema_text.parse(schema_text.format(one), one.directive, one.where, {}) == one


def test_ldaptor_reads_the_same_in_all_that_we_ship() -> None:
    """An independent reader of RFC 4512."""
    for one in shipped():
        text = schema_text.format(one).encode()
        if one.directive == schema_text.ATTRIBUTE_TYPE:
            theirs = ldaptor_schema.AttributeTypeDescription(text)
            assert theirs.syntax == (one.one("SYNTAX") or "").encode() or theirs.syntax is None
            assert bool(theirs.single_value) == ("SINGLE-VALUE" in one.fields)
        else:
            theirs = ldaptor_schema.ObjectClassDescription(text)
            assert {name.decode() for name in theirs.must} == set(one.fields.get("MUST", ()))
            assert {name.decode() for name in theirs.may} == set(one.fields.get("MAY", ()))
        assert theirs.oid == one.oid.encode()
        assert tuple(name.decode() for name in theirs.name) == one.names()
