"""`annuaire stats`: how much there is, and whether the index follows the base. For the operator alone: it counts
what each audience sees, hidden entries included, so nothing here is ever served.

Nothing is read through: the base counts rows in its indexes, the index the members of its sets.
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
    from annuaire.index.reader import Snapshot
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
    """Compter ce que contient l'annuaire : base, liste nationale, liste blanche, index, imports.

    « audiences » dit combien d'entrées voit chacun, « people » et « structures » combien de personnes et
    de structures. Les tailles sont en octets et les moments en UTC avec --json. « index » et ce qu'il
    compte sont null quand il n'y en a pas, « liste_blanche » tant qu'aucune n'a été chargée.

    \b
    Exemples :
      annuaire stats
      annuaire stats --json | jq .people
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
    from annuaire.store.records import ACTIVITIES, MAILBOXES

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
            "national": {
                "mailboxes": reader.count_records(MAILBOXES),
                "activities": reader.count_records(ACTIVITIES),
            },
            "liste_blanche": _liste_blanche(reader),
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


def _liste_blanche(reader: Reader) -> dict[str, Any] | None:
    """What was kept of the list that was loaded last."""
    loaded = reader.liste_blanche()
    if loaded is None:
        return None
    moments = {name: _iso(str(loaded[name])) for name in ("generated", "loaded_at")}
    return {**loaded, **moments, "signer": loaded["signer"] or None}


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
    from annuaire.index import layout
    from annuaire.index.prepare import Numbering
    from annuaire.index.reader import Reader
    from annuaire.ldap import tree

    folder = local.folder(config)
    schema = local.schema(config)
    reader = Reader(folder, Numbering(schema))
    try:
        snapshot = reader.snapshot()
    except Unavailable:
        return {"index": None, "audiences": None, "people": None, "structures": None}
    try:
        below = tree.plant(config.suffix, config.trees.suffixes, schema).computed
        counted = {
            "audiences": _seen(snapshot, b"", layout.AUDIENCE),
            "people": _seen(snapshot, below["personnes"], layout.CHILDREN),
            "structures": _seen(snapshot, below["structures"], layout.CHILDREN),
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
    return {"index": index, **counted}


def _seen(snapshot: Snapshot, below: bytes, kind: int) -> dict[str, int]:
    """How many entries each audience sees, everywhere or right below a DN key."""
    from annuaire.domain import audience as audiences
    from annuaire.index import layout

    digest = layout.digest(layout.DN_KEY, below) if below else b""
    return {
        name: sum(
            len(chunk)
            for sight in snapshot.sights
            for chunk in sight.universe(audience, digest, kind).values()
        )
        for name, audience in audiences.NAMES.items()
    }


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
    lines += _sources_said(counted["national"], counted["liste_blanche"])
    lines += _index_said(counted["index"])
    for words, name in (
        ("entrées vues", "audiences"),
        ("personnes vues", "people"),
        ("structures vues", "structures"),
    ):
        if counted[name] is not None:
            seen = [f"{audience} {figures.number(count)}" for audience, count in counted[name].items()]
            lines.append(f"  {words} par {', '.join(seen)}")
    lines.append("imports :" if counted["imports"] else "imports : aucun")
    for one in counted["imports"]:
        totals = (
            f"ajoutées {one['added']}, modifiées {one['changed']}, inchangées {one['unchanged']},"
            f" retirées {one['removed']}, refusées {one['refused']}"
        )
        applied = "" if one["applied"] else " (non appliqué)"
        lines.append(f"  {one['id']}  {_ago(one['at'])}  {one['source']}{applied} : {totals}")
    return lines


def _sources_said(national: dict[str, int], liste_blanche: dict[str, Any] | None) -> list[str]:
    mailboxes, activities = (figures.number(national[name]) for name in ("mailboxes", "activities"))
    lines = [f"liste nationale : {mailboxes} boîtes, {activities} activités"]
    if liste_blanche is None:
        return [*lines, "liste blanche : aucune, tout domaine est tenu pour listé"]
    rows, domains = (figures.number(liste_blanche[name]) for name in ("rows", "domains"))
    loaded = _ago(liste_blanche["loaded_at"])
    return [*lines, f"liste blanche : {domains} domaines, {rows} lignes, chargée {loaded}"]


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
