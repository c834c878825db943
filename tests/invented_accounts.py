"""Accounts for tests: invented entries as LDIF, and what a state that holds them answers."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

from annuaire.actions import import_source, initialise
from annuaire.actions.account_memory import Memory
from annuaire.actions.import_report import Report
from annuaire.actions.import_source import Scope
from annuaire.actions.source import StoreSource
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.query import SizeLimits
from annuaire.index.reader import Reader
from annuaire.index.search import Directory, Settings
from annuaire.ldap import ber, dn, tree
from annuaire.ldap import schema as schemas
from annuaire.ldap.directory import Account
from annuaire.passwords import hashes
from annuaire.store.engine import Store
from annuaire.store.entries import EntryRow

SUFFIX = "o=apicrypt,c=FR"
APICRYPT = f"ou=apicrypt,{SUFFIX}"


def directory(state: Path) -> Directory:
    """The index of a state, as a server asks it."""
    numbering = Numbering(schemas.standard())
    reader = Reader(IndexFolder(state / "index"), numbering)
    return Directory(reader, numbering, Settings(SUFFIX, SizeLimits({}, {}), 0.0), bytes(32))


def account(state: Path, name: str) -> Account | None:
    return directory(state).account(name)


def bound(state: Path, name: str, secret: str) -> Account | None:
    """Who a bind with this name and password is, None when it is refused."""
    found = account(state, name)
    if found is None or not hashes.verify(found.hashes, secret.encode()):
        return None
    return found


NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
LATER = datetime(2026, 12, 24, 10, tzinfo=UTC)
AT, AT_LATER = "20261123100000Z", "20261224100000Z"
STANDARD = schemas.standard()
SCOPE = Scope(tuple(schemas.shipped()), SUFFIX)
INTEROP = "interop-mssante.apicrypt.org"


def ldif(uid: str = "jeanne", **changes: object) -> str:
    """A physician of Lille in version 2; each change is a value, several, or None for none."""
    attributes: dict[str, object] = {
        "objectClass": ["inetOrgPerson", "apicryptUtilisateur"],
        "uid": uid,
        "cn": f"{uid} DUPONT",
        "sn": "DUPONT",
        "givenName": "Jeanne",
        "mail": f"{uid}@medical59.apicrypt.org",
        "profession": "10",
        "postalCode": "59000",
        "apicryptVersion": "2",
        **changes,
    }
    lines = [f"dn: uid={uid},{APICRYPT}"]
    for name, values in attributes.items():
        if values is not None:
            lines += [f"{name}: {value}" for value in (values if isinstance(values, list) else [values])]
    return "\n".join([*lines, "", ""])


def rpps(number: int) -> dict[str, str]:
    """The identification of an invented person: 8 and this is the national one."""
    return {"IdentifiantPP": f"9990000{number:04d}", "TypeIdentifiantPP": "8"}


def modify(uid: str, *changes: str) -> str:
    """A record of changes: `replace: sn`, its values, and so on."""
    return "\n".join([f"dn: uid={uid},{APICRYPT}", "changetype: modify", *changes, "-", "", ""])


def delete(uid: str) -> str:
    return f"dn: uid={uid},{APICRYPT}\nchangetype: delete\n\n"


class State:
    """A store with the entries that always exist, and what accounts in it are."""

    def __init__(self, store: Store) -> None:
        self.store = store
        initialise.initialise(store, tree.plant(SUFFIX, (), STANDARD), STANDARD)

    @property
    def source(self) -> StoreSource:
        found = StoreSource("", self.store.state, SUFFIX)
        found._kept["store"] = self.store
        return found

    @property
    def folder(self) -> IndexFolder:
        return IndexFolder(self.store.state / "index")

    def load(self, *texts: str, now: datetime = NOW, **options: object) -> Report:
        data = io.BytesIO("".join(texts).encode())
        given = {"name": "test.ldif", "processes": 0, "now": now, **options}
        return import_source.import_ldif(self.store, SCOPE, data, **given)  # type: ignore[arg-type]

    def taken(self, *texts: str, **options: object) -> Report:
        """The same of a file of which nothing may be refused."""
        report = self.load(*texts, **options)  # type: ignore[arg-type]
        assert report.refusals == []
        return report

    def row(self, uid: str = "jeanne") -> EntryRow | None:
        with self.store.reading() as reader:
            return reader.entry(dn.key(dn.parse(f"uid={uid},{APICRYPT}"), STANDARD))

    def attributes(self, uid: str = "jeanne") -> dict[str, list[str]]:
        row = self.row(uid)
        assert row is not None
        whole = ber.decode_attributes(row.attributes)
        return {name: [value.decode() for value in values] for name, values in whole.items()}

    def one(self, name: str, uid: str = "jeanne") -> str | None:
        values = self.attributes(uid).get(name)
        return values[0] if values else None

    def address(self, uid: str = "jeanne") -> str | None:
        found = self.one("apicryptInteropMail", uid)
        return None if found is None else found.removesuffix(f"@{INTEROP}")

    def ledger(self) -> dict[str, str]:
        """Holder by local part."""
        with self.store.reading() as reader:
            return {row.address.partition("@")[0]: row.holder for row in reader.ledger_after("", 10_000)}

    def memory(self, native: str = "jeanne@medical59.apicrypt.org") -> Memory:
        with self.store.reading() as reader:
            return Memory(
                {row.choice: row for row in reader.choices_of(native)},
                reader.said(native),
                reader.versions_of(native),
            )

    def everything(self) -> object:
        """All that is kept of accounts, to be compared."""
        with self.store.reading() as reader:
            kept = [
                reader._connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1, 2").all()  # noqa: S608
                for table in ("choices", "said", "ledger", "versions", "changes")
            ]
            return [*kept, reader.head(), [(row.dn, row.attributes) for row in reader.entries()]]


def totals(report: Report) -> tuple[int, int, int, int, int]:
    """Added, changed, unchanged, refused, warnings."""
    return report.added, report.changed, report.unchanged, report.refused, report.warnings
