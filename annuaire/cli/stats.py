"""`annuaire stats`: how much there is, and whether the index follows the base. For the operator alone: it counts
what each audience sees, hidden entries included, so nothing here is ever served.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annuaire.cli import figures, options
from annuaire.config import Config
from annuaire.errors import Unavailable

if TYPE_CHECKING:
    from annuaire.store.engine import Reader
    from annuaire.store.imports import ImportRow

# The imports that are shown, the last ones.
IMPORTS = 5
# st_blocks counts these, whatever the blocks of the file system are.
BLOCK = 512


@click.command("stats")
@options.with_json
@options.with_config
def stats_command(config: Config, as_json: bool) -> int:
    """Compter ce que contient l'annuaire : base, index, imports.

    Les tailles sont en octets et les moments en UTC avec --json. « index » est null quand il n'y en a
    pas.

    \b
    Exemples :
      annuaire stats
      annuaire stats --json | jq .audiences
    """
    counted = _store(config)
    head = counted["store"]["change"]
    counted |= _index(config, head)
    if as_json:
        click.echo(json.dumps(counted, ensure_ascii=False))
    else:
        click.echo("\n".join(_said(counted)))
    return 0


# ------------------------------------------------------------------ counting


def _store(config: Config) -> dict[str, Any]:
    from annuaire.cli import local

    with local.store(config) as store, store.reading() as reader:
        head = reader.head()
        last = reader.changes_since(head - 1, 1)
        subtrees = _subtrees(config, reader)
        return {
            "store": {
                "entries": sum(part["entries"] for part in subtrees),
                "change": head,
                "changed": _iso(last[0].at) if last else None,
                "size": store.size(),
                "subtrees": subtrees,
            },
            "imports": [_import(row) for row in reader.imports(IMPORTS)],
        }


def _subtrees(config: Config, reader: Reader) -> list[dict[str, Any]]:
    """Entries by subtree and structural class; the suffix stands for what is in none of the others."""
    from annuaire.cli import local
    from annuaire.ldap import dn, tree

    known = local.schema(config)
    planted = tree.plant(config.suffix, config.trees.suffixes, known)
    names = [planted.branch(name) for name in tree.MANAGED]
    names += [*planted.further.values(), planted.suffix]
    # A further tree may lie below another part: the deepest counts its own.
    names.sort(key=lambda name: -len(name.rdns))
    counts = reader.count_kinds([dn.key(name, known) for name in names])
    found = []
    for place, name in [*enumerate(map(dn.format, names)), (-1, "")]:
        kinds = {kind: count for (at, kind), count in counts.items() if at == place}
        if kinds or name:
            ordered = dict(sorted(kinds.items(), key=lambda one: (-one[1], one[0])))
            found.append({"dn": name, "entries": sum(kinds.values()), "kinds": ordered})
    return found


def _import(row: ImportRow) -> dict[str, Any]:
    totals = ("added", "changed", "unchanged", "removed", "refused", "warnings")
    return {
        "id": row.id,
        "at": _iso(row.at),
        "source": row.source,
        "actor": row.actor,
        "applied": row.applied,
        **{name: getattr(row, name) for name in totals},
    }


def _index(config: Config, head: int) -> dict[str, Any]:
    from annuaire.cli import local
    from annuaire.domain import audience as audiences
    from annuaire.index import layout
    from annuaire.index.prepare import Numbering
    from annuaire.index.reader import Reader

    folder = local.folder(config)
    reader = Reader(folder, Numbering(local.schema(config)))
    try:
        snapshot = reader.snapshot()
    except Unavailable:
        return {"index": None, "audiences": None}
    try:
        seen = {
            name: sum(
                len(chunk)
                for sight in snapshot.sights
                for chunk in sight.universe(audience, b"", layout.AUDIENCE).values()
            )
            for name, audience in audiences.NAMES.items()
        }
        written = 0 if snapshot.recent is None else snapshot.recent.part.count
        entries = sum(sight.part.count - len(sight.gone) for sight in snapshot.sights)
        path = folder.build(snapshot.number)
        index = {
            "number": snapshot.number,
            "change": snapshot.change,
            "behind": max(0, head - snapshot.change),
            "entries": entries,
            "recent": written,
            "size": _on_disk(path),
            "built": datetime.fromtimestamp((path / "manifest.json").stat().st_mtime, UTC).isoformat(
                timespec="seconds"
            ),
        }
    finally:
        snapshot.end()
        reader.close()
    return {"index": index, "audiences": seen}


def _on_disk(path: Path) -> int:
    """What the files take: LMDB's are sparse, so their length says little."""
    return sum(file.stat().st_blocks * BLOCK for file in path.rglob("*") if file.is_file())


def _iso(at: str) -> str:
    moment = figures.moment(at)
    return at if moment is None else moment.isoformat()


# ------------------------------------------------------------------ telling


def _said(counted: dict[str, Any]) -> list[str]:
    store = counted["store"]
    changed = f" ({_ago(store['changed'])})" if store["changed"] else ""
    base = f"base : {figures.number(store['entries'])} entrées, {figures.size(store['size'])}"
    lines = [f"{base}, changement {store['change']}{changed}"]
    for part in store["subtrees"]:
        kinds = ", ".join(f"{kind} {figures.number(count)}" for kind, count in part["kinds"].items())
        name = part["dn"] or "hors de l'arbre configuré"
        lines.append(f"  {name} : {figures.number(part['entries'])}" + (f" ({kinds})" if kinds else ""))
    lines += _index_said(counted["index"])
    if counted["audiences"] is not None:
        seen = [f"{name} {figures.number(count)}" for name, count in counted["audiences"].items()]
        lines.append(f"  vues par {', '.join(seen)}")
    lines.append("imports :" if counted["imports"] else "imports : aucun")
    for one in counted["imports"]:
        totals = (
            f"ajoutées {one['added']}, modifiées {one['changed']}, inchangées {one['unchanged']},"
            f" retirées {one['removed']}, refusées {one['refused']}"
        )
        applied = "" if one["applied"] else " (non appliqué)"
        lines.append(f"  {one['id']}  {_ago(one['at'])}  {one['source']}{applied} : {totals}")
    return lines


def _index_said(index: dict[str, Any] | None) -> list[str]:
    if index is None:
        return ["index : pas prêt, « annuaire rebuild » le construit, « annuaire serve » aussi"]
    named = f"index {index['number']} : {figures.number(index['entries'])} entrées"
    behind = f", en retard de {figures.number(index['behind'])} changements" if index["behind"] else ""
    share = figures.share(index["recent"], index["entries"])
    return [
        f"{named}, {figures.size(index['size'])}, changement {index['change']}{behind}",
        f"  construit {_ago(index['built'])}, écrites depuis : {figures.number(index['recent'])} ({share})",
    ]


def _ago(at: str) -> str:
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
    except ValueError:
        return at
    return f"il y a {figures.duration(max(0.0, seconds))}"
