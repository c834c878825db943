"""The schema files as OpenLDAP's own server reads them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from annuaire.ldap import schema, schema_text

SLAPTEST = shutil.which("slaptest", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/libexec")
THEIRS = Path("/etc/ldap/schema")
OURS = schema.shipped()[0].parent
STANDARD_NAMES = ("core", "cosine", "inetorgperson")

needs_slapd = pytest.mark.skipif(SLAPTEST is None, reason="slaptest is not installed (package slapd)")
needs_their_files = pytest.mark.skipif(
    not all((THEIRS / f"{name}.schema").is_file() for name in STANDARD_NAMES),
    reason=f"OpenLDAP's schema files are not in {THEIRS} (package slapd)",
)


def refusal(folder: Path, files: list[Path]) -> str:
    configuration = folder / "slapd.conf"
    configuration.write_text("".join(f"include {path}\n" for path in files))
    assert SLAPTEST is not None
    done = subprocess.run(
        [SLAPTEST, "-u", "-f", str(configuration)], capture_output=True, text=True, timeout=120, check=False
    )
    return "" if done.returncode == 0 else done.stderr


@needs_slapd
@needs_their_files
def test_our_schema_loads_after_openldaps_own(tmp_path: Path) -> None:
    theirs = [THEIRS / f"{name}.schema" for name in STANDARD_NAMES]
    assert refusal(tmp_path, [*theirs, OURS / "annuaire.schema"]) == ""
    assert (
        refusal(tmp_path, [*theirs, *(OURS / f"{name}.schema" for name in ("mail", "mozilla", "annuaire"))])
        == ""
    )


@needs_slapd
def test_every_file_but_the_built_in_one_loads_in_our_order(tmp_path: Path) -> None:
    assert refusal(tmp_path, schema.shipped()[1:]) == ""


@needs_slapd
def test_what_we_publish_is_understood_as_it_is_written(tmp_path: Path) -> None:
    built_in = {one.oid for one in schema_text.read(schema.shipped()[0], {})}
    published = schema.standard().subschema()
    lines = [
        f"{directive} {value.decode()}"
        for directive, name in (("attributetype", "attributeTypes"), ("objectclass", "objectClasses"))
        for value in published[name]
        if value.split()[1].decode() not in built_in
    ]
    assert len(lines) > 150
    file = tmp_path / "published.schema"
    file.write_text("\n\n".join(lines) + "\n")
    assert refusal(tmp_path, [file]) == ""


@needs_their_files
@pytest.mark.parametrize("name", STANDARD_NAMES)
def test_our_standard_files_mean_what_openldaps_mean(name: str) -> None:
    """The same types with the same rules, so that an entry has the same values in both servers."""
    ours = schema.standard()
    for theirs in schema_text.read(THEIRS / f"{name}.schema", {}):
        if theirs.directive == schema_text.ATTRIBUTE_TYPE:
            known = ours.attribute(theirs.oid)
            assert known is not None, theirs.names()
            assert {one.lower() for one in theirs.names()} <= {one.lower() for one in known.names}
            for field, mine in (
                ("EQUALITY", known.equality),
                ("ORDERING", known.ordering),
                ("SUBSTR", known.substrings),
                ("SUP", known.sup),
            ):
                wanted = theirs.one(field)
                assert wanted is None or mine == wanted, (known.name, field)
            syntax = theirs.one("SYNTAX")
            assert syntax is None or syntax.partition("{")[0] == known.syntax, known.name
            assert known.single_value == ("SINGLE-VALUE" in theirs.fields), known.name
        elif theirs.directive == schema_text.OBJECT_CLASS:
            mine = ours.object_class(theirs.oid)
            assert mine is not None, theirs.names()
            kind = next((one for one in ("ABSTRACT", "AUXILIARY") if one in theirs.fields), "STRUCTURAL")
            assert mine.kind == kind
            for field, keys in (("MUST", mine.must), ("MAY", mine.may | mine.must)):
                wanted_types = [ours.attribute(one) for one in theirs.fields.get(field, ())]
                assert {one.key for one in wanted_types if one} <= keys, (mine.name, field)
            assert {one.lower() for one in theirs.fields.get("SUP", ())} <= mine.superclasses
