"""The files of fixtures/ldif against what must be read from them."""

from pathlib import Path

import pytest

from annuaire.importing import ldif, records

FIXTURES = Path(__file__).parents[2] / "fixtures"
FILES = sorted((FIXTURES / "ldif").glob("*.ldif"))


def shown(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    return text if text.isprintable() and "\ufffd" not in text else f"0x{value.hex()}"


def paragraph(record: records.Record) -> list[str]:
    """Write a record as the .ref files do."""
    kind = "moddn" if isinstance(record, records.ModifyDn) else type(record).__name__.lower()
    lines = [f"{record.line} {kind} {record.dn if record.dn is not None else '-'}"]
    match record:
        case records.Unreadable():
            lines.append(f"  because {record.reason}")
        case records.Content() | records.Add():
            lines += [f"  {name}: {shown(value)}".rstrip() for name, value in record.attributes]
        case records.Modify():
            for operation, name, values in record.changes:
                lines.append(f"  {operation} {name}: {' | '.join(map(shown, values))}".rstrip())
        case records.ModifyDn():
            kept = "delete" if record.delete_old_rdn else "keep"
            lines.append(
                f"  to {record.new_rdn}, {kept} the old name, under {record.new_superior or 'the same'}"
            )
    for control in getattr(record, "controls", ()):
        lines.append(f"  control {control.oid}{' critical' if control.critical else ''}")
    return lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_read_as_its_reference_says(path):
    with path.open("rb") as stream:
        read = [paragraph(record) for record in ldif.read(stream)]
    expected = [text.split("\n") for text in path.with_suffix(".ref").read_text().strip("\n").split("\n\n")]
    assert [lines[0] for lines in read] == [lines[0] for lines in expected]
    for got, wanted in zip(read, expected, strict=True):
        if got[1:] and got[1].startswith("  because "):
            assert wanted[1].removeprefix("  because ") in got[1]
        else:
            assert got == wanted


def test_there_are_files():
    assert len(FILES) >= 16
