"""What an import makes of accounts beside what its file says: addresses given, things to remember, refused doubles.

Filled while comparing, without any lock; applied with the entries in their transaction (store/applying.py). A row
belongs to the line of the file that it follows from, and goes when that line is refused.
"""

# The names in statements are our own, never a caller's; values are always bound.
# ruff: noqa: S608

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from annuaire.store.direct import Direct, Statement
from annuaire.store.engine import Writer
from annuaire.store.ledger import LedgerRow
from annuaire.store.staging import Staging
from annuaire.store.staging_tables import STAGED, StagedRow
from annuaire.store.working import ROWS_AT_ONCE

# What a note is about.
CHOICE, SAID, VERSION = "choice", "said", "version"
NAMED_TWICE = "mail: another account has this native address"

TABLES = (
    # New accounts for which the rules must be asked; ahead: those that say which interop address they have.
    "CREATE {temporary} TABLE {s}concerned (line {number} PRIMARY KEY, ahead INTEGER NOT NULL)",
    # Lines for which they have been asked.
    "CREATE {temporary} TABLE {s}judged (line {number} PRIMARY KEY)",
    # Interop addresses of accounts of the file. fresh: a new row of the ledger. owner: the entryUUID of who has it,
    # NULL when that entry goes.
    (
        "CREATE {temporary} TABLE {s}addresses (address {text} PRIMARY KEY, holder {text} NOT NULL,"
        " since TEXT NOT NULL, origin TEXT NOT NULL, line {number} NOT NULL, owner {bytes}, fresh INTEGER NOT NULL)"
    ),
    # What to remember of accounts (kept 1) or to forget (0), one row after the other; name is the choice, the
    # attribute or the moment. Of several about one thing the one of the highest rank counts.
    (
        "CREATE {temporary} TABLE {s}notes (line {number} NOT NULL, rank {number} NOT NULL, kind TEXT NOT NULL,"
        " account {text} NOT NULL, name TEXT NOT NULL, kept INTEGER NOT NULL, number INTEGER, value {bytes},"
        " since TEXT, origin TEXT)"
    ),
    # Native addresses that become others, whose holder is in the ledger under them.
    "CREATE {temporary} TABLE {s}moves (line {number} NOT NULL, old {text} NOT NULL, new {text} NOT NULL)",
    # What the file asked for and the rules did not give.
    "CREATE {temporary} TABLE {s}untaken (line {number} NOT NULL, account TEXT NOT NULL, reason TEXT NOT NULL)",
)
INDEXES = (
    "CREATE INDEX {s}staged_account ON staged (account, asks) WHERE account IS NOT NULL",
    "CREATE INDEX {s}states_account ON states (account) WHERE account IS NOT NULL",
    "CREATE INDEX {s}addresses_line ON addresses (line)",
    "CREATE INDEX {s}addresses_holder ON addresses (holder)",
    "CREATE INDEX {s}notes_line ON notes (line)",
    "CREATE INDEX {s}untaken_line ON untaken (line)",
    "CREATE INDEX {s}notes_account ON notes (account, kind, name)",
)
# Asked of nearly every account that opens exchanges.
_TAKEN = (
    "SELECT 1 FROM ledger WHERE address = ?"
    " UNION ALL SELECT 1 FROM {t}addresses WHERE address = ?"
    " UNION ALL SELECT 1 FROM records WHERE address = ? AND address <> ''"
    " UNION ALL SELECT 1 FROM entries WHERE account = ?"
    " UNION ALL SELECT 1 FROM {t}staged WHERE account = ? LIMIT 1"
)
_ALL = ("concerned", "judged", "given", "addresses", "notes", "moves", "untaken")
_NOT_REFUSED = "NOT EXISTS (SELECT 1 FROM {t}refused r WHERE r.line = %s.line)"

# Ranks of notes in a file of entries, where each account is told once: what is kept counts more than what another
# account leaves behind at the same address.
FORGOTTEN, KEPT = 0, 1


class Note(NamedTuple):
    line: int
    rank: int
    kind: str
    account: str
    name: str
    kept: int
    number: int | None = None
    value: bytes | None = None
    since: str | None = None
    origin: str | None = None


class AddressRow(NamedTuple):
    address: str
    holder: str
    since: str
    origin: str
    line: int
    owner: bytes | None
    fresh: int


class AccountStaging:
    """The working tables of accounts, beside those of entries."""

    def __init__(self, staged: Staging) -> None:
        self.staged = staged
        self._direct = Direct(staged.connection)
        self._taken = Statement(_TAKEN.format(**staged.words))
        staged.create(TABLES)

    def index(self) -> None:
        with self.staged.transaction():
            for statement in INDEXES:
                self.staged.execute(statement)

    def forget_comparison(self) -> None:
        for table in _ALL:
            self.staged.execute("DELETE FROM {t}" + table)

    def forget(self, lines: Iterable[int]) -> None:
        """What was made of some lines, which are to be judged again: `find_concerned` finds those that are new."""
        for line in lines:
            for table in _ALL:
                self.staged.execute(f"DELETE FROM {{t}}{table} WHERE line = :line", line=line)

    # --- Native addresses: no two accounts have the same ---

    def refuse_doubles(self) -> None:
        """Each account whose native address another one has, in the file or among those that the file leaves alone.

        Of several in the file the one that has it already stays, else the first.
        """
        refuse = "INSERT INTO {t}refused (line, dn, code, reason) "
        free = _NOT_REFUSED % "s"
        while True:  # what is refused leaves its entry as it is, with the address that this has
            before = self.staged.count_refused()
            self.staged.execute(
                refuse
                + "SELECT d.line, s.dn, 19, :reason FROM (SELECT s.line, row_number() OVER (PARTITION BY s.account"
                "  ORDER BY CASE WHEN e.account = s.account THEN 0 ELSE 1 END, s.line) AS place FROM"
                " (SELECT account FROM {t}staged WHERE account IS NOT NULL GROUP BY account HAVING count(*) > 1) t"
                " JOIN {t}staged s ON s.account = t.account"
                " LEFT JOIN {t}matched m ON m.line = s.line LEFT JOIN entries e ON e.id = m.entry"
                f" WHERE {free}) d JOIN {{t}}staged s ON s.line = d.line WHERE d.place > 1",
                reason=NAMED_TWICE,
            )
            self.staged.execute(
                refuse + "SELECT DISTINCT d.line, p.dn, 19, :reason FROM (SELECT s.line FROM {t}staged s"
                " CROSS JOIN entries e LEFT JOIN {t}matched m ON m.line = s.line"
                " WHERE s.account IS NOT NULL AND e.account = s.account AND e.account IS NOT NULL"
                f" AND (m.entry IS NULL OR m.entry <> e.id) AND {free} AND NOT EXISTS ("
                "  SELECT 1 FROM {t}matched o JOIN {t}staged p ON p.line = o.line WHERE o.entry = e.id"
                f"   AND (p.account IS NULL OR p.account <> e.account) AND {_NOT_REFUSED % 'p'})) d"
                " JOIN {t}staged p ON p.line = d.line",
                reason=NAMED_TWICE,
            )
            if self.staged.count_refused() == before:
                break
        self.staged.execute("DELETE FROM {t}states WHERE line IN (SELECT line FROM {t}refused)")

    def is_named(self, accounts: Iterable[str]) -> bool:
        """Whether a line of the file has one of these native addresses."""
        statement = "SELECT 1 FROM {t}staged WHERE account = :account LIMIT 1"
        return any(self.staged.execute(statement, account=one).first() is not None for one in accounts)

    def count_namesakes(self) -> int:
        """New accounts whose native address differs from another one by its domain alone."""
        local = "substr(s.account, 1, {position}(s.account, '@'))"
        # No character of a domain comes between @ and A.
        # An address without @ has no namesake: what is compared with NULL is not true.
        before = "substr(s.account, 1, nullif({position}(s.account, '@'), 0) - 1)"
        bounds = f"o.account >= {local} AND o.account < {before} || 'A'"
        return self.staged.number(
            "SELECT count(*) FROM {t}staged s WHERE s.account IS NOT NULL"
            f" AND {_NOT_REFUSED % 's'} AND NOT EXISTS (SELECT 1 FROM {{t}}matched m WHERE m.line = s.line) AND ("
            f"EXISTS (SELECT 1 FROM entries o WHERE o.account IS NOT NULL AND {bounds} AND o.account <> s.account)"
            f" OR EXISTS (SELECT 1 FROM {{t}}staged o WHERE o.account IS NOT NULL AND {bounds}"
            f"   AND o.account <> s.account AND o.line < s.line AND {_NOT_REFUSED % 'o'}))"
        )

    def domains_of_new(self) -> list[tuple[str, int]]:
        """The domains of the native addresses of new accounts, each with how many there are."""
        rows = self.staged.execute(
            "SELECT substr(s.account, {position}(s.account, '@') + 1), count(*) FROM {t}staged s"
            f" WHERE s.account IS NOT NULL AND {_NOT_REFUSED % 's'}"
            " AND NOT EXISTS (SELECT 1 FROM {t}matched m WHERE m.line = s.line) GROUP BY 1"
        )
        return [(str(domain), int(count)) for domain, count in rows]

    # --- Whom to ask the rules about ---

    def find_remembered(self) -> None:
        """Accounts of whose source something is remembered are asked about even when the file says what they hold."""
        self.staged.execute(
            "UPDATE {t}matched SET same = 0 WHERE same = 1 AND line IN"
            " (SELECT s.line FROM said k CROSS JOIN {t}staged s WHERE s.account = k.account)"
        )

    def find_concerned(self) -> None:
        """New accounts that make a choice, say their interop address, or were here once."""
        new = (
            " AND s.account IS NOT NULL AND NOT EXISTS"
            f" (SELECT 1 FROM {{t}}matched m WHERE m.line = s.line) AND {_NOT_REFUSED % 's'}"
            " ON CONFLICT DO NOTHING"
        )
        insert = "INSERT INTO {t}concerned (line, ahead) SELECT s.line, CASE WHEN s.asks = 1 THEN 1 ELSE 0 END FROM "
        self.staged.execute(insert + "{t}staged s WHERE s.asks > 0" + new)
        for table in ("choices", "said", "versions"):
            self.staged.execute(
                insert + f"{table} k CROSS JOIN {{t}}staged s WHERE s.account = k.account" + new
            )

    def concerned(self, ahead: bool, after: int, limit: int = ROWS_AT_ONCE) -> list[StagedRow]:
        columns = ", ".join(f"s.{name}" for name in STAGED.split(", "))
        rows = self.staged.execute(
            f"SELECT {columns} FROM {{t}}concerned c CROSS JOIN {{t}}staged s WHERE s.line = c.line"
            " AND c.ahead = :ahead AND c.line > :after"
            f" AND {_NOT_REFUSED % 'c'} AND NOT EXISTS (SELECT 1 FROM {{t}}judged j WHERE j.line = c.line)"
            " ORDER BY c.line LIMIT :limit",
            ahead=int(ahead),
            after=after,
            limit=limit,
        )
        return list(map(StagedRow._make, rows))

    def judged(self, lines: Iterable[int]) -> None:
        self.staged.insert("judged", "line", [(line,) for line in lines])

    # --- What the rules said ---

    def give(self, rows: Sequence[tuple[int, bytes]]) -> None:
        self.staged.insert("given", "line, attributes", rows)

    def note(self, notes: Sequence[Note]) -> None:
        self.staged.insert("notes", ", ".join(Note._fields), notes)

    def move(self, line: int, old: str, new: str) -> None:
        self.staged.insert("moves", "line, old, new", [(line, old, new)])

    def assign(self, rows: Sequence[AddressRow]) -> None:
        self.staged.insert("addresses", ", ".join(AddressRow._fields), rows)

    def address(self, address: str) -> AddressRow | None:
        row = self.staged.execute(
            f"SELECT {', '.join(AddressRow._fields)} FROM {{t}}addresses WHERE address = :address",
            address=address,
        ).first()
        return None if row is None else AddressRow._make(row)

    def addresses_of(self, holder: str) -> list[AddressRow]:
        rows = self.staged.execute(
            f"SELECT {', '.join(AddressRow._fields)} FROM {{t}}addresses WHERE holder = :holder ORDER BY address",
            holder=holder,
        )
        return list(map(AddressRow._make, rows))

    def own(self, address: str, line: int, owner: bytes | None) -> None:
        """An address that was assigned before is this entry's now."""
        self.staged.execute(
            "UPDATE {t}addresses SET line = :line, owner = :owner WHERE address = :address",
            address=address,
            line=line,
            owner=owner,
        )

    def disown(self, owner: bytes) -> None:
        self.staged.execute("UPDATE {t}addresses SET owner = NULL WHERE owner = :owner", owner=owner)

    def is_taken(self, address: str) -> bool:
        """Whether the ledger has an address, this import gives it, or it is a mailbox somewhere."""
        return self._direct.row(self._taken, (address,) * 5) is not None

    def notes_of(self, account: str) -> Iterator[Note]:
        """What was noted of an account so far, the last word on each thing."""
        rows = self.staged.execute(
            f"SELECT {', '.join(Note._fields)} FROM {{t}}notes WHERE account = :account ORDER BY rank",
            account=account,
        )
        last = {(note.kind, note.name): note for note in map(Note._make, rows)}
        return iter(last.values())

    def leave(self, rows: Sequence[tuple[int, str, str]]) -> None:
        """What was not taken: line, account, why."""
        self.staged.insert("untaken", "line, account, reason", rows)

    def untaken(self) -> Iterator[tuple[str, str]]:
        """Account and why, after the commit."""
        after = -1
        with self.staged.transaction():
            while rows := self.staged.execute(
                f"SELECT line, account, reason FROM {{t}}untaken u WHERE line > :after AND {_NOT_REFUSED % 'u'}"
                " ORDER BY line LIMIT :limit",
                after=after,
                limit=ROWS_AT_ONCE,
            ).all():
                yield from [(account, reason) for _, account, reason in rows]
                after = rows[-1][0]

    # --- Applying ---

    def overtaken(self) -> list[int]:
        """Lines whose new address somebody has got since, or whose holder has got another one."""
        rows = self.staged.execute(
            f"SELECT DISTINCT a.line FROM {{t}}addresses a WHERE a.fresh = 1 AND {_NOT_REFUSED % 'a'} AND ("
            "EXISTS (SELECT 1 FROM ledger l WHERE l.address = a.address)"
            " OR EXISTS (SELECT 1 FROM records r WHERE r.address = a.address AND r.address <> '')"
            " OR EXISTS (SELECT 1 FROM entries e WHERE e.account = a.address)"
            " OR (a.origin = 'allocated' AND EXISTS (SELECT 1 FROM ledger l WHERE l.holder = a.holder)))"
        )
        return [row[0] for row in rows]

    def lines_of(self, keys: Iterable[bytes]) -> list[int]:
        statement = "SELECT line FROM {t}staged WHERE key = :key"
        return [row[0] for key in keys for row in self.staged.execute(statement, key=key)]

    def keys_of(self, lines: Iterable[int]) -> list[bytes]:
        statement = "SELECT key FROM {t}staged WHERE line = :line"
        return [bytes(row[0]) for line in lines for row in self.staged.execute(statement, line=line)]

    def apply(self, writer: Writer, steps: bool) -> None:
        """Keep what is to be remembered. The entries are applied apart."""
        found = self.staged.execute(
            f"SELECT old, new FROM {{t}}moves v WHERE {_NOT_REFUSED % 'v'} ORDER BY line"
        )
        moves = [(old, new) for old, new in found]
        if steps:  # one after the other, as everything in a file of changes
            for old, new in moves:
                writer.move_holder(old, new)
        else:
            writer.move_holders(moves)
        writer.note_allocated(self._fresh())
        self.staged.execute(
            "INSERT INTO ledger (address, holder, since, origin) SELECT address, holder, since, origin"
            f" FROM {{t}}addresses a WHERE fresh = 1 AND {_NOT_REFUSED % 'a'}"
        )
        self._apply_notes(
            "choices", "choice", CHOICE, "value, since, origin", "n.number = 1, n.since, n.origin"
        )
        self._apply_notes("said", "attribute", SAID, "value", "n.value")
        self._apply_notes("versions", "since", VERSION, "version", "n.number")

    def _fresh(self) -> Iterator[LedgerRow]:
        after = ""
        while True:
            rows = self.staged.execute(
                "SELECT address, holder, since, origin FROM {t}addresses a WHERE fresh = 1 AND address > :after"
                f" AND {_NOT_REFUSED % 'a'} ORDER BY address LIMIT :limit",
                after=after,
                limit=ROWS_AT_ONCE,
            ).all()
            if not rows:
                return
            yield from map(LedgerRow._make, rows)
            after = rows[-1][0]

    def _apply_notes(self, table: str, name: str, kind: str, columns: str, values: str) -> None:
        last = (
            f"n.kind = '{kind}' AND {_NOT_REFUSED % 'n'} AND NOT EXISTS (SELECT 1 FROM {{t}}notes o WHERE"
            " o.account = n.account AND o.kind = n.kind AND o.name = n.name AND o.rank > n.rank"
            f" AND {_NOT_REFUSED % 'o'})"
        )
        self.staged.execute(
            f"DELETE FROM {table} WHERE EXISTS (SELECT 1 FROM {{t}}notes n WHERE n.account = {table}.account"
            f" AND n.kind = '{kind}' AND n.name = {table}.{name} AND {_NOT_REFUSED % 'n'})"
        )
        self.staged.execute(
            f"INSERT INTO {table} (account, {name}, {columns}) SELECT n.account, n.name, {values}"
            f" FROM {{t}}notes n WHERE n.kept = 1 AND {last}"
        )
