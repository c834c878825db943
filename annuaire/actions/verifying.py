"""Looks for what must not be: rows of the store that contradict each other, the schema, or their own names.

Reads only. Each finding is a sentence; none means that everything agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from annuaire.actions import preparing
from annuaire.domain import account
from annuaire.errors import Malformed
from annuaire.ldap import dn
from annuaire.ldap.schema import Schema
from annuaire.ldap.tree import Place, Tree
from annuaire.store.engine import Reader, Store
from annuaire.store.entries import EntryRow


def verify(
    store: Store, tree: Tree, schema: Schema, progress: Callable[[int, int], None] | None = None
) -> Iterator[str]:
    """Every contradiction found, one sentence each."""
    yield from (f"the database file: {finding}" for finding in store.damage())
    with store.reading() as reader:
        yield from (f"{row.dn}: the entry above it does not exist" for row in reader.lost())
        yield from _numbers(reader)
        total = reader.count()
        done = 0
        after = 0
        while rows := reader.entries(after):
            for row in rows:
                yield from _entry(row, tree, schema)
            done += len(rows)
            after = rows[-1].id
            if progress is not None:
                progress(done, total)


def _numbers(reader: Reader) -> Iterator[str]:
    """Numbers follow each other without a gap up to the head."""
    number, head = 0, reader.head()
    while changes := reader.changes_since(number, 10_000):
        if changes[-1].number - number != len(changes):
            yield f"changes: numbers are missing after {number}"
        number = changes[-1].number
    if number != head:
        yield f"changes: the last is {number}, the head says {head}"


def _entry(row: EntryRow, tree: Tree, schema: Schema) -> Iterator[str]:
    try:
        name = dn.parse(row.dn)
        attributes = preparing.decode(row.attributes, row.passwords)
    except Malformed as malformed:
        yield f"{row.dn}: {malformed.public}"
        return
    if dn.key(name, schema) != row.key:
        yield f"{row.dn}: is not kept under its own name: run `annuaire rebuild` after correcting the schema"
    expected = b"" if tree.is_root(row.key) else dn.parent_key(row.key)
    if row.parent != expected:
        yield f"{row.dn}: is not kept below its own parent"
    if tree.place(row.key) not in (Place.WRITABLE, Place.FIXED):
        yield f"{row.dn}: lies outside what [trees] and suffix say"
    if account.described(attributes, row.uuid) != (row.person, row.account):
        yield f"{row.dn}: is kept as the account of somebody else"
    for violation in schema.check(name, attributes):
        yield f"{row.dn}: {violation.text}"
