"""What sources say of people and structures, holder by holder: mailboxes and activities as text, and our accounts.

Knows of a line only the type that a mailbox begins with. Everything is in the order of holders, by octets on both
databases, so that readers who share the work of an index build can each take a range of them.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import TextClause, bindparam, text

from annuaire.domain.mailbox import PERSONAL, SEPARATOR
from annuaire.store.direct import Asking, Statement
from annuaire.store.entries import COLUMNS as ENTRY_COLUMNS
from annuaire.store.entries import EntryRow

# Sources of records.
MAILBOXES, ACTIVITIES = 1, 2

# Rows fetched at once by the readers that walk.
ROWS_AT_ONCE = 2000
# Values that one statement is asked about.
ASKED_AT_ONCE = 500


class RecordRow(NamedTuple):
    """One thing that a source says; the columns are explained in tables.py."""

    source: int
    holder: str
    key: str
    address: str
    line: str
    first: str
    last: str


_COLUMNS = ", ".join(RecordRow._fields)
# The names in statements are our own, never a caller's; values are always bound.
# ruff: noqa: S608
_OF_HOLDER = Statement(f"SELECT {_COLUMNS} FROM records WHERE holder = ? ORDER BY source, key")
_BETWEEN = f"SELECT {_COLUMNS} FROM records WHERE holder >= :low{{high}} ORDER BY holder, source, key"
_ACCOUNTS_OF = Statement(f"SELECT {ENTRY_COLUMNS} FROM entries WHERE person = ? ORDER BY id")
_ACCOUNTS_BETWEEN = f"SELECT {ENTRY_COLUMNS} FROM entries WHERE person >= :low{{high}} ORDER BY person, id"
_COUNT = text("SELECT count(*) FROM records WHERE source = :source")
# An index of addresses holds only those that there are, and a statement must say so to be answered from it.
_COUNT_ADDRESSED = text("SELECT count(*) FROM records WHERE address <> '' AND source = :source")
# The holder that is `size` rows further, and the first one beyond a holder.
_STEPS = {
    "records": (
        text("SELECT holder FROM records WHERE holder >= :low ORDER BY holder LIMIT 1 OFFSET :size"),
        text("SELECT holder FROM records WHERE holder > :low ORDER BY holder LIMIT 1"),
    ),
    "entries": (
        text("SELECT person FROM entries WHERE person >= :low ORDER BY person LIMIT 1 OFFSET :size"),
        text("SELECT person FROM entries WHERE person > :low ORDER BY person LIMIT 1"),
    ),
}
# Addresses that several claim, whatever they are, are few and found in the index alone; their rows are then read.
_CLAIMED_TWICE = (
    "SELECT r.address FROM ({candidates}) c JOIN records r ON r.address = c.address AND r.address <> ''"
    f" WHERE r.source = {MAILBOXES} AND substr(r.line, 1, {len(PERSONAL) + 1}) = '{PERSONAL}{SEPARATOR}'"
    " GROUP BY r.address HAVING min(r.holder) <> max(r.holder)"
)
_SEVERAL = "SELECT address FROM records WHERE address <> ''{which} GROUP BY address HAVING min(holder) <> max(holder)"
_CONTESTED = text(_CLAIMED_TWICE.format(candidates=_SEVERAL.format(which="")))
_CONTESTED_AMONG = text(
    _CLAIMED_TWICE.format(candidates=_SEVERAL.format(which=" AND address IN :addresses"))
).bindparams(bindparam("addresses", expanding=True))
_OF_ADDRESS = Statement(
    "SELECT DISTINCT holder FROM records WHERE address = ? AND address <> '' ORDER BY holder"
)
_OF_DOMAIN = text(
    "SELECT DISTINCT holder FROM records WHERE address <> '' AND address LIKE :ending ESCAPE '\\' ORDER BY holder"
)
_ADDRESSES = text("SELECT DISTINCT address, holder FROM records WHERE address <> ''")

_PEOPLE = text(
    f"SELECT holder, address FROM records WHERE address <> '' AND source = {MAILBOXES} AND holder <> address"
    " UNION ALL SELECT person, '' FROM entries WHERE person IS NOT NULL"
)


class RecordReader(Asking):
    """What can be asked about records and accounts inside one transaction."""

    def records_of(self, holder: str) -> list[RecordRow]:
        """Everything that is said of a holder, by source and key."""
        return list(map(RecordRow._make, self._direct.rows(_OF_HOLDER, (holder,))))

    def records_between(self, low: str, high: str | None) -> Iterator[RecordRow]:
        """What is said of the holders from `low` on and before `high`, if there is one: holder by holder."""
        return map(RecordRow._make, self._walk(_BETWEEN, "holder", low, high))

    def accounts_of(self, holder: str) -> list[EntryRow]:
        """The accounts of a holder; more than one is rare and possible."""
        return list(map(EntryRow._make, self._direct.rows(_ACCOUNTS_OF, (holder,))))

    def accounts_between(self, low: str, high: str | None) -> Iterator[EntryRow]:
        """The accounts of the same range of holders, in the same order."""
        return map(EntryRow._make, self._walk(_ACCOUNTS_BETWEEN, "person", low, high))

    def holder_ranges(self, size: int) -> list[tuple[str, str | None]]:
        """Adjoining ranges of all holders, the first from "" and the last without end, of `size` rows or fewer.

        Of each kind of row, that is; a holder is never in two.
        """
        bounds = sorted({"", *self._bounds("records", size), *self._bounds("entries", size)})
        return list(zip(bounds, [*bounds[1:], None], strict=True))

    def contested(self) -> frozenset[str]:
        """The addresses of people that records of two different holders claim."""
        return frozenset(self._connection.execute(_CONTESTED).scalars())

    def contested_among(self, addresses: Collection[str]) -> frozenset[str]:
        """Those of some addresses."""
        found: set[str] = set()
        for some in portions(addresses):
            found.update(self._connection.execute(_CONTESTED_AMONG, {"addresses": some}).scalars())
        return frozenset(found)

    def holders_of_address(self, address: str) -> list[str]:
        """Whoever has a record with an address, in lower case."""
        return [holder for (holder,) in self._direct.rows(_OF_ADDRESS, (address,))]

    def holders_of_domain(self, domain: str) -> list[str]:
        """Whoever has a record with an address in a domain; every address is looked at."""
        literal = domain.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return list(self._connection.execute(_OF_DOMAIN, {"ending": f"%@{literal}"}).scalars())

    def holders_of_domains(self, domains: Collection[str]) -> list[str]:
        """The same of many domains at once, for the price of one or two."""
        endings = frozenset(f"@{domain}" for domain in domains)
        addressed = self._stream(_ADDRESSES, {})
        found = {holder for address, holder in addressed if address[address.rfind("@") :] in endings}
        return sorted(found)

    def count_records(self, source: int) -> int:
        counted = _COUNT_ADDRESSED if source == MAILBOXES else _COUNT
        return int(self._connection.execute(counted, {"source": source}).scalar_one())

    def people(self) -> Iterator[tuple[str, str]]:
        """Every holder that is a person whom a mailbox tells, with its address, or an account, with "": all of them."""
        yield from self._stream(_PEOPLE, {})

    def _bounds(self, table: str, size: int) -> Iterator[str]:
        further, beyond = _STEPS[table]
        low = ""
        while (found := self._connection.execute(further, {"low": low, "size": size}).scalar()) is not None:
            if found == low:  # more than `size` rows of one holder
                found = self._connection.execute(beyond, {"low": low}).scalar()
                if found is None:
                    return
            yield found
            low = found

    def _walk(self, statement: str, column: str, low: str, high: str | None) -> Iterator[Any]:
        limit = "" if high is None else f" AND {column} < :high"
        bounds = {"low": low} if high is None else {"low": low, "high": high}
        return self._stream(text(statement.format(high=limit)), bounds)

    def _stream(self, statement: TextClause, values: dict[str, Any]) -> Iterator[Any]:
        return iter(
            self._connection.execute(statement, values, execution_options={"yield_per": ROWS_AT_ONCE})
        )


def portions(values: Iterable[str]) -> Iterator[list[str]]:
    """Values in lists that one statement can be asked about, each value once."""
    whole = sorted(set(values))
    for start in range(0, len(whole), ASKED_AT_ONCE):
        yield whole[start : start + ASKED_AT_ONCE]
