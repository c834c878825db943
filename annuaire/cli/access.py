"""Who reads and writes what, as `annuaire check --access` shows it: domain/access.py line by line, in French."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from annuaire.domain import access
from annuaire.domain import audience as audiences
from annuaire.domain.access import Part, Permission
from annuaire.domain.audience import Audience

if TYPE_CHECKING:
    from annuaire.config import Config

_FRENCH = {
    Part.SERVER: "racine (DSE), cn=Subschema",
    Part.SUFFIX: "suffixe",
    Part.OWN: "sa propre entrée",
    Part.PASSWORD: "son mot de passe (Password Modify)",
}
_HEADINGS = ("partie", "qui", "lit", "ajoute", "modifie", "supprime")
_NAMES = ("part", "audience", "reads", "adds", "modifies", "deletes")


def shown(config: Config, as_json: bool) -> str:
    """The table of a configuration, for people or for programs."""
    readers = Audience(0)
    for name in config.trees.readers:
        readers |= audiences.NAMES[name]
    lines = list(access.permissions(readers))
    return json.dumps([_plain(one) for one in lines], ensure_ascii=False) if as_json else _table(lines)


def _plain(line: Permission) -> dict[str, object]:
    """`modifies` is a list where only some attributes are."""
    modifies: object = list(line.attributes) if line.modifies and line.attributes else line.modifies
    values = (line.part.value, audiences.format(line.audience), line.reads, line.adds, modifies, line.deletes)
    return dict(zip(_NAMES, values, strict=True))


def _table(lines: list[Permission]) -> str:
    rows = [_HEADINGS]
    before = None
    for line in lines:
        part = _FRENCH.get(line.part, line.part.value)
        modifies = ", ".join(line.attributes) if line.modifies and line.attributes else _word(line.modifies)
        cells = (_word(line.reads), _word(line.adds), modifies, _word(line.deletes))
        rows.append(("" if part == before else part, audiences.format(line.audience), *cells))
        before = part
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _word(allowed: bool) -> str:
    return "oui" if allowed else "-"
