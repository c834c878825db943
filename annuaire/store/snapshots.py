"""What a source says as a whole, beside the store: its rows, how they differ from those of before, and applying that.

A file of rows is a snapshot: what it does not hold has gone. Comparing goes by sets in SQL and without any lock;
under the write lock only what differs is written, in the order of its primary keys.
"""

# The names in statements are our own, never a caller's; values are always bound.
# ruff: noqa: S608

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from sqlalchemy import Connection

from annuaire.store import changes, ledger, working
from annuaire.store.engine import Store, Writer
from annuaire.store.ledger import LedgerRow
from annuaire.store.records import ACTIVITIES, MAILBOXES
from annuaire.store.staging_tables import REFUSED
from annuaire.store.working import WorkingTables

# line (unused here), holder, key, address in lower case, text
Row = tuple[int, str, str, str, str]
# line, dn, code, reason, the line's text
Refusal = tuple[int, str, int, str, bytes]

TABLES = (
    # One row of the file, numbered as it comes. No two have the same holder and key.
    (
        "CREATE {temporary} TABLE {s}given (line {serial} PRIMARY KEY, holder {text} NOT NULL, key {text} NOT NULL,"
        " address {text} NOT NULL, text TEXT NOT NULL)"
    ),
    REFUSED,
    # What lines that cannot be read are about, as far as they still tell: an address, or a holder.
    "CREATE {temporary} TABLE {s}spared (name {text} PRIMARY KEY)",
    # Addresses of our own domains that the file says are somebody's.
    "CREATE {temporary} TABLE {s}own (address {text} NOT NULL, holder {text} NOT NULL)",
    # Rows of the file that are new (altered 0) or say otherwise (1), in the order of records' primary key.
    (
        "CREATE {temporary} TABLE {s}differing (rank {number} PRIMARY KEY, line {number} NOT NULL,"
        " altered INTEGER NOT NULL)"
    ),
    # Records that the file does not hold; known: the person is still somebody to us.
    (
        "CREATE {temporary} TABLE {s}gone (holder {text} NOT NULL, key {text} NOT NULL, address {text} NOT NULL,"
        " known INTEGER NOT NULL)"
    ),
    # The holders of whom something else will be true.
    "CREATE {temporary} TABLE {s}touched (holder {text} PRIMARY KEY)",
)
# All that comparing asks is in it but the texts. On SQLite an index names the schema of its table.
INDEX = "CREATE UNIQUE INDEX {s}given_key ON given (holder, key, line)"

_KNOWN = (
    f"CASE WHEN EXISTS (SELECT 1 FROM records m WHERE m.holder = r.holder AND m.source = {MAILBOXES})"
    " OR EXISTS (SELECT 1 FROM entries e WHERE e.person = r.holder) THEN 1 ELSE 0 END"
)
# What differs from one source to the other: by what an unreadable line tells what it is about; whether somebody may
# have become unknown (activities are only kept of people whom a mailbox or an account makes known).
_SOURCES = {
    MAILBOXES: {"source": str(MAILBOXES), "about": "address", "known": "1"},
    ACTIVITIES: {"source": str(ACTIVITIES), "about": "holder", "known": _KNOWN},
}


class Difference(NamedTuple):
    """What a file would change, in rows."""

    there: int  # in the store before
    added: int
    changed: int
    unchanged: int
    removed: int
    removed_known: int  # of those removed, the rows of people who are still known


class Snapshot(WorkingTables):
    """One file of one source."""

    def __init__(self, store: Store, connection: Connection, source: int) -> None:
        super().__init__(store, connection)
        self.words |= _SOURCES[source]
        self.source = source
        self._fills = False  # the file brings more than there is

    # --- Filling ---

    def stage(
        self,
        rows: Sequence[Row],
        refused: Sequence[Refusal] = (),
        owners: Sequence[tuple[str, str]] = (),
    ) -> None:
        """A part of the file; `owners`: addresses of our own domains and whose they are said to be."""
        with self.transaction():
            self.insert("given", "holder, key, address, text", [row[1:] for row in rows])
            self.insert("refused", "line, dn, code, reason, record, late", [(*row, 0) for row in refused])
            self.insert("own", "address, holder", owners)

    def spare(self, names: set[str]) -> None:
        """Addresses, or holders, of lines that could not be read: their records have not gone."""
        with self.transaction():
            self.insert("spared", "name", [(name,) for name in sorted(names)])

    def index(self) -> None:
        """After the last row: sorting at the end is faster than keeping order all along."""
        with self.transaction():
            self.execute(INDEX)
            if not self.store.embedded:
                self.execute("ANALYZE {t}given")

    # --- Comparing ---

    def compare(self) -> Difference:
        """Find what differs at one moment of the store, from the beginning."""
        for table in ("differing", "gone", "touched"):
            self.execute("DELETE FROM {t}" + table)
        there = self.number("SELECT count(*) FROM records WHERE source = {source}")
        given = self.number("SELECT count(*) FROM {t}given")
        self._find_differing(there)
        if there:
            self._find_gone()
        self._find_touched()
        added = self.number("SELECT count(*) FROM {t}differing WHERE altered = 0")
        changed = self.number("SELECT count(*) FROM {t}differing WHERE altered = 1")
        self._fills = added > there
        return Difference(
            there,
            added,
            changed,
            given - added - changed,
            self.number("SELECT count(*) FROM {t}gone"),
            self.number("SELECT count(*) FROM {t}gone WHERE known = 1"),
        )

    def _find_differing(self, there: int) -> None:
        if not there:
            self.execute(
                "INSERT INTO {t}differing (rank, line, altered)"
                " SELECT row_number() OVER (ORDER BY holder, key), line, 0 FROM {t}given"
            )
            return
        # A key begins with its address, so what keeps its key keeps its address.
        self.execute(
            "INSERT INTO {t}differing (rank, line, altered) SELECT row_number() OVER (ORDER BY g.holder, g.key),"
            " g.line, CASE WHEN r.line IS NULL THEN 0 ELSE 1 END FROM {t}given g LEFT JOIN records r"
            " ON r.holder = g.holder AND r.source = {source} AND r.key = g.key"
            " WHERE r.line IS NULL OR r.line <> g.text"
        )

    def _find_gone(self) -> None:
        self.execute(
            "INSERT INTO {t}gone (holder, key, address, known) SELECT r.holder, r.key, r.address, {known}"
            " FROM records r WHERE r.source = {source}"
            " AND NOT EXISTS (SELECT 1 FROM {t}given g WHERE g.holder = r.holder AND g.key = r.key)"
            " AND NOT EXISTS (SELECT 1 FROM {t}spared s WHERE s.name = r.{about})"
        )

    def _find_touched(self) -> None:
        """Those of rows that differ or have gone; and whoever shares an address with them, because an address
        that two claim is neither's, and whether it is depends on the rows of both."""
        self.execute(
            "INSERT INTO {t}touched (holder) SELECT g.holder FROM {t}differing d CROSS JOIN {t}given g"
            " WHERE g.line = d.line UNION SELECT holder FROM {t}gone"
        )
        if self.source != MAILBOXES or self._is_everything():
            return
        self.execute(
            "INSERT INTO {t}touched (holder) SELECT DISTINCT r.holder FROM"
            " (SELECT g.address FROM {t}differing d CROSS JOIN {t}given g WHERE g.line = d.line"
            "  UNION SELECT address FROM {t}gone) a"
            " CROSS JOIN records r WHERE r.address = a.address AND r.address <> ''"
            " AND NOT EXISTS (SELECT 1 FROM {t}touched t WHERE t.holder = r.holder)"
        )

    def _is_everything(self) -> bool:
        return self.number("SELECT count(*) FROM {t}touched") > changes.MANY

    # --- Applying ---

    def apply(self, writer: Writer, import_id: int) -> None:
        """Write what was found to differ, with its changes; call it where nothing has moved since."""
        # Given as they are, lists of keys leave no choice of plan: each record is found by its key.
        self.execute(
            "DELETE FROM records WHERE (holder, source, key) IN (SELECT holder, {source}, key FROM {t}gone)"
        )
        self.execute(
            "UPDATE records SET (line, last) = (SELECT g.text, :at FROM {t}given g"
            " WHERE g.holder = records.holder AND g.key = records.key)"
            " WHERE (holder, source, key) IN (SELECT g.holder, {source}, g.key FROM {t}differing d"
            " CROSS JOIN {t}given g WHERE d.altered = 1 AND g.line = d.line)",
            at=writer.at,
        )
        with self.filling("records", ["records_address"]) if self._fills else nullcontext():
            # CROSS JOIN keeps SQLite from sorting the wide rows: it walks `differing`, which has the order already.
            self.execute(
                "INSERT INTO records (holder, source, key, address, line, first, last)"
                " SELECT g.holder, {source}, g.key, g.address, g.text, :at, :at FROM {t}differing d"
                " CROSS JOIN {t}given g WHERE d.altered = 0 AND g.line = d.line ORDER BY d.rank",
                at=writer.at,
            )
        # What two people claim is given to neither.
        for address, holder in self.execute(
            "SELECT o.address, min(o.holder) FROM {t}own o"
            " WHERE NOT EXISTS (SELECT 1 FROM ledger l WHERE l.address = o.address)"
            " GROUP BY o.address HAVING min(o.holder) = max(o.holder) ORDER BY o.address"
        ).all():
            writer.allocate(LedgerRow(address, holder, writer.at, ledger.SEEN))
        self._tell(writer, import_id)

    def _tell(self, writer: Writer, import_id: int) -> None:
        count = self.number("SELECT count(*) FROM {t}touched")
        if count > changes.MANY:
            writer.record_everything()
            return
        self.execute(
            'INSERT INTO changes (number, at, kind, entry, uuid, key, "import", holder)'
            " SELECT :base + row_number() OVER (ORDER BY holder), :at, 'holder', 0, {empty}, {empty}, :import_id,"
            " holder FROM {t}touched",
            base=writer.head(),
            at=writer.at,
            import_id=import_id,
        )
        writer.take_numbers(count, 0)


@contextmanager
def snapshot(store: Store, source: int) -> Iterator[Snapshot]:
    """Working tables for one file of a source."""
    with working.beside(store) as connection:
        created = Snapshot(store, connection, source)
        created.create(TABLES)
        yield created
