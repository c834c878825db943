"""What the tests of the national readers share: the fixtures, variants of a file made of its text, and its rows."""

import io
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from annuaire.importing import extraction
from annuaire.importing.block import Block, Row

FOLDER = Path(__file__).parents[2] / "fixtures" / "mssante"
EDITION = FOLDER / "Extraction_Correspondance_MSSante_202611220600.txt"
NEWER = FOLDER / "Extraction_Correspondance_MSSante_202611230600.txt"
UNREADABLE = FOLDER / "extraction_unreadable_lines.txt"
ACTIVITIES = FOLDER / "PS_LibreAcces_Personne_activite_202611220600.txt"
NATIONAL_LDIF = FOLDER / "national_names.ldif"

LISTED = frozenset(
    f"{name}.mssante.fr"
    for name in ("ch-exemple", "medecin", "infirmier", "pharmacien", "lab-exemple.aura", "uc-cmp")
)

HEADER = EDITION.read_text("utf-8-sig").split("\n")[0].rstrip("|")
LINE = (
    "PER|paul.martin@ch-exemple.mssante.fr|8|99900000029|899900000029|1|990000010|CARDIOLOGIE|DR|MARTIN|Paul|C|Civil"
    "|10|Médecin|SM04|Cardiologie et maladies vasculaires|N|CH EXEMPLE||||1||R|DE LA PAIX||59000 LILLE|59000|59|FRANCE"
)


def archive(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", method) as zipped:
        for name, data in files:
            zipped.writestr(name, data)
    return output.getvalue()


def table(*lines: str, header: str = HEADER, end: str = "\n") -> bytes:
    return "".join(line + end for line in (header, *lines)).encode()


def blocks(data: bytes, name: str = "") -> list[Block]:
    return list(extraction.read(io.BytesIO(data), name))


def rows(read: Iterable[Block]) -> list[Row]:
    return [row for block in read for row in block.rows]


def warned(read: Iterable[Block]) -> Counter[str]:
    return sum((block.warned for block in read), Counter())


def kept(read: Iterable[Block]) -> dict[tuple[str, str], str]:
    """What the store would keep: holder and key, and the line."""
    found = rows(read)
    result = {(holder, key): text for _, holder, key, _, text in found}
    assert len(result) == len(found)
    return result
