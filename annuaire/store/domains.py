"""The liste blanche: which domains are in the trust space, and which certificates speak for each."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import text

from annuaire.store.changes import MANY, ChangeWriter
from annuaire.store.direct import Statement
from annuaire.store.imports import ImportReader, ImportWriter


class DomainRow(NamedTuple):
    """One domain and one certificate of its operator; the columns are explained in tables.py."""

    domain: str
    certificate: str
    description: str
    responsible: str
    support: str
    updated: str


# Where settings keep when the list was made and loaded, and who signed it.
SETTING = "liste-blanche"
# And where they keep the change with which it was loaded: two lists of one second are not the same.
CHANGE = "liste-blanche-change"
ROWS_AT_ONCE = 1000

_COLUMNS = ", ".join(DomainRow._fields)
# The names in statements are our own, never a caller's; values are always bound.
# ruff: noqa: S608
_OF = Statement(f"SELECT {_COLUMNS} FROM domains WHERE domain = ? ORDER BY certificate")
_ALL = text(f"SELECT {_COLUMNS} FROM domains ORDER BY domain, certificate")
_CLEAR = text("DELETE FROM domains")
_ADD = text(
    f"INSERT INTO domains ({_COLUMNS})"
    " VALUES (:domain, :certificate, :description, :responsible, :support, :updated)"
)


class DomainReader(ImportReader):
    """The list as it was last loaded."""

    def domain(self, domain: str) -> list[DomainRow]:
        """The rows of a domain, in lower case; none when it is not on the list."""
        return list(map(DomainRow._make, self._direct.rows(_OF, (domain,))))

    def domains(self) -> Iterator[DomainRow]:
        """Every row, by domain."""
        rows = self._connection.execute(_ALL, execution_options={"yield_per": ROWS_AT_ONCE})
        return map(DomainRow._make, rows)

    def liste_blanche(self) -> dict[str, Any] | None:
        """When the list was made and loaded, who signed it, how much is in it; None before the first one."""
        kept = self.setting(SETTING)
        return None if kept is None else dict(json.loads(kept))

    def liste_blanche_change(self) -> int | None:
        """The change with which the list was loaded last."""
        kept = self.setting(CHANGE)
        return None if kept is None else int(kept)


class DomainWriter(ImportWriter, ChangeWriter, DomainReader):
    """Replaces the list whole, as it comes."""

    def replace_domains(self, rows: Iterable[DomainRow], info: Mapping[str, Any]) -> set[str]:
        """Put a list in the place of the one before; the domains that are new, gone, or spoken for by others.

        Each is one change. Words about a domain (its description, its contacts) are kept and are no change.
        """
        first = self.liste_blanche() is None
        before = _certificates(self.domains())
        given = list(rows)
        after = _certificates(given)
        changed = {
            domain for domain in before.keys() | after.keys() if before.get(domain) != after.get(domain)
        }
        self._connection.execute(_CLEAR)
        for start in range(0, len(given), ROWS_AT_ONCE):
            some = given[start : start + ROWS_AT_ONCE]
            self._connection.execute(_ADD, [row._asdict() for row in some])
        self.set_setting(SETTING, json.dumps(dict(info)).encode())
        # Before the first list every domain is as good as listed: what is not on it changes, too.
        if first or len(changed) > MANY:
            self.record_everything()
        else:
            for domain in sorted(changed):
                self.record_domain(domain)
        self.set_setting(CHANGE, str(self.head()).encode())
        return changed


def _certificates(rows: Iterable[DomainRow]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.domain, set()).add(row.certificate)
    return found
