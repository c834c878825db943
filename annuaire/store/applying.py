"""Applies what an import has staged and compared, in one transaction, set by set: no row passes through Python.

First what is to be done is planned, without any lock, then it is done under the write lock with numbers that
are given only there.
"""

# The names in statements are our own, never a caller's; values are always bound.
# ruff: noqa: S608

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from annuaire.store.engine import Writer
from annuaire.store.entries import COLUMNS
from annuaire.store.staging import Staging
from annuaire.store.working import WorkingTables


class Totals(NamedTuple):
    """What an import does, in records."""

    added: int
    changed: int
    unchanged: int
    removed: int
    refused: int
    warnings: int


# Where the rows of new entries are, which column of theirs `fresh` names, and what their attributes are.
_CONTENTS = (
    "staged",
    "line",
    "coalesce((SELECT g.attributes FROM {t}given g WHERE g.line = s.line), s.attributes)",
)
_STEPS = ("states", "slot", "s.attributes")


def plan(staging: Staging, steps: bool) -> None:
    """Choose which rows become entries, parents before children, and what is done to those that exist."""
    staging.execute("DELETE FROM {t}fresh")
    if steps:
        staging.execute(
            "INSERT INTO {t}fresh (rank, line) SELECT row_number() OVER (ORDER BY key), slot"
            " FROM {t}states WHERE entry IS NULL AND gone = 0"
        )
    else:
        staging.execute(
            "INSERT INTO {t}fresh (rank, line) SELECT row_number() OVER (ORDER BY s.key), s.line"
            " FROM {t}staged s WHERE s.kind <> 2"
            " AND NOT EXISTS (SELECT 1 FROM {t}refused r WHERE r.line = s.line)"
            " AND NOT EXISTS (SELECT 1 FROM {t}matched m WHERE m.line = s.line)"
        )
    # Deletions first, children before parents, then renamings, parents before children, then the rest.
    staging.execute("DELETE FROM {t}doing")
    staging.execute(
        "INSERT INTO {t}doing (slot, rank, kind) SELECT slot, row_number() OVER (ORDER BY gone DESC, moved DESC,"
        " CASE WHEN gone = 1 THEN -length(old_key) ELSE length(key) END, slot),"
        " CASE WHEN gone = 1 THEN 'delete' WHEN moved = 1 THEN 'rename' ELSE 'modify' END"
        " FROM {t}states WHERE entry IS NOT NULL AND (gone = 1 OR moved = 1 OR changed = 1)"
    )


def count_new(staging: Staging) -> int:
    return staging.number("SELECT count(*) FROM {t}fresh")


def count_changed(staging: Staging) -> int:
    return staging.number("SELECT count(*) FROM {t}doing WHERE kind = 'modify'")


@contextmanager
def applying(staging: WorkingTables, actor: str, at: str) -> Iterator[Writer]:
    """The write lock, and one transaction of the store with the working tables beside it."""
    with (
        staging.store.write_lock(),
        staging.transaction(immediate=True),
        closing(Writer(staging.connection, actor, at, staging.store.state)) as writer,
    ):
        yield writer
        writer.finish()
    staging.settle()


def apply(staging: Staging, writer: Writer, import_id: int, steps: bool) -> None:
    """Do what was planned, each thing with its change."""
    _do(staging, writer, import_id)
    _add(staging, writer, import_id, *(_STEPS if steps else _CONTENTS))


def _do(staging: Staging, writer: Writer, import_id: int) -> None:
    count = staging.number("SELECT count(*) FROM {t}doing")
    if not count:
        return
    base = writer.head()
    staging.execute(
        'INSERT INTO changes (number, at, kind, entry, uuid, key, "import", holder)'
        " SELECT :base + d.rank, :at, d.kind, t.entry, t.uuid, t.old_key, :import_id,"
        " (SELECT e.person FROM entries e WHERE e.id = t.entry)"
        " FROM {t}doing d CROSS JOIN {t}states t WHERE t.slot = d.slot ORDER BY d.rank",
        base=base,
        at=writer.at,
        import_id=import_id,
    )
    staging.execute("DELETE FROM entries WHERE id IN (SELECT entry FROM {t}states WHERE gone = 1)")
    # Keys are unique at every moment: what moves first leaves its place. Apart from the other columns, because
    # SQLite rewrites the index entries of every column that is named here.
    for columns in ("key = t.uuid", "dn = t.dn, key = t.key, parent = t.parent"):
        _update(staging, columns, "moved = 1")
    _update(
        staging,
        "attributes = t.attributes, passwords = t.passwords, structural = t.structural, person = t.person,"
        " account = t.account,"
        " modified_at = :at, modified_by = :actor, change = :base + d.rank",
        "(moved = 1 OR changed = 1)",
        base=base,
        at=writer.at,
        actor=writer.actor,
    )
    writer.take_numbers(count, 0)


def _update(staging: Staging, columns: str, which: str, **values: object) -> None:
    """Give entries columns of their states (t) and ranks (d).

    In this form because it leaves no choice of plan: ids first, then each entry by its id. As UPDATE … FROM,
    SQLite read all entries for each state, and 5,000 changes among 500,000 entries took four minutes.
    """
    names = [part.split(" = ") for part in columns.split(", ")]
    staging.execute(
        f"UPDATE entries SET ({', '.join(name for name, _ in names)}) ="
        f" (SELECT {', '.join(value for _, value in names)} FROM {{t}}states t CROSS JOIN {{t}}doing d"
        "  WHERE t.entry = entries.id AND t.gone = 0 AND d.slot = t.slot)"
        f" WHERE id IN (SELECT entry FROM {{t}}states WHERE entry IS NOT NULL AND gone = 0 AND {which})",
        **values,
    )


def _add(staging: Staging, writer: Writer, import_id: int, table: str, column: str, attributes: str) -> None:
    count = count_new(staging)
    if not count:
        return
    last = writer.last_entry
    # CROSS JOIN keeps SQLite from sorting the wide rows: it walks `fresh`, which has the order already.
    staging.execute(
        f"INSERT INTO entries ({COLUMNS}) SELECT :entry + f.rank, s.key, s.parent, s.dn, s.uuid,"
        f" {attributes}, s.passwords, s.structural, s.person, s.account, :at, :actor, :at, :actor, :change + f.rank"
        f" FROM {{t}}fresh f CROSS JOIN {{t}}{table} s WHERE s.{column} = f.line ORDER BY f.rank",
        entry=last,
        change=writer.head(),
        at=writer.at,
        actor=writer.actor,
    )
    staging.execute(
        'INSERT INTO changes (number, at, kind, entry, uuid, key, "import")'
        " SELECT change, created_at, 'add', id, uuid, key, :import_id FROM entries WHERE id > :entry ORDER BY id",
        entry=last,
        import_id=import_id,
    )
    writer.take_numbers(count, count)


def record(
    staging: WorkingTables,
    writer: Writer,
    import_id: int,
    source: str,
    sha256: bytes,
    applied: bool,
    totals: Totals,
) -> None:
    """Keep that this import was made, with all that it refused."""
    staging.execute(
        "INSERT INTO imports (id, at, source, sha256, actor, applied, added, changed, unchanged, removed,"
        " refused, warnings, change) VALUES (:id, :at, :source, :sha256, :actor, :applied, :added, :changed,"
        " :unchanged, :removed, :refused, :warnings, :change)",
        id=import_id,
        at=writer.at,
        source=source,
        sha256=sha256,
        actor=writer.actor,
        applied=applied,
        change=writer.head(),
        **totals._asdict(),
    )
    staging.execute(
        'INSERT INTO refusals ("import", line, dn, code, reason) SELECT :id, line, dn, code, reason FROM {t}refused',
        id=import_id,
    )
