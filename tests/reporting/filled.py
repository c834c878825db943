"""Stores filled for reports: rows of the national list and accounts, put there without any import."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import store_places

from annuaire.domain import account as accounts
from annuaire.domain import mailbox
from annuaire.domain.mailbox import Mailbox
from annuaire.ldap import ber
from annuaire.store import tables
from annuaire.store.engine import Reader, Store, Writer
from annuaire.store.entries import NewEntry
from annuaire.store.records import MAILBOXES

AT = "20261101060000Z"
BEFORE = "20260901060000Z"


@contextmanager
def store(folder: Path) -> Iterator[Store]:
    with store_places.opened("sqlite", folder) as opened:
        yield opened


def row(address: str, **fields: str) -> Mailbox:
    """A row that is reliable unless a field says otherwise: PER with an RPPS, ORG without."""
    personal = fields.get("type_bal", "PER") == "PER"
    given = dict.fromkeys(Mailbox._fields, "") | {"type_bal": "PER", "address": address}
    if personal:
        given |= {"type_pp": "8", "identifiant_pp": "99900000011", "national_pp": "899900000011"}
        given |= {
            "nom": "DUPONT",
            "prenom": "Jeanne",
            "profession": "10",
            "l6": "59000 LILLE",
            "code_postal": "59000",
        }
    return Mailbox(**(given | fields))


def put(writer: Writer, rows: Iterable[Mailbox], source: int = MAILBOXES) -> None:
    values = [
        {
            "source": source,
            "holder": mailbox.holder(one),
            "key": f"{one.address.lower()} {place}",
            "address": one.address.lower(),
            "line": mailbox.format(one),
            "first": BEFORE,
            "last": AT,
        }
        for place, one in enumerate(rows)
    ]
    writer._connection.execute(tables.records.insert(), values)


def account(writer: Writer, native: str, **attributes: str) -> None:
    """An account under its native address; what is not said is a physician of Lille on version 2."""
    said = {
        "objectClass": "apicryptUtilisateur",
        "cn": "Jeanne DUPONT",
        "sn": "DUPONT",
        "givenName": "Jeanne",
        "mail": native,
        "apicryptVersion": "2",
        "profession": "10",
        "l": "LILLE",
        "postalCode": "59000",
    } | attributes
    encoded = {name: [value.encode()] for name, value in said.items() if value}
    uuid = native.encode()[:16].ljust(16, b"\0")
    entry = NewEntry(
        key=b"cn=" + native.encode(),
        parent=b"",
        dn=f"uid={native}",
        uuid=uuid,
        attributes=ber.encode_attributes(encoded),
        passwords=None,
        structural="inetOrgPerson",
        **_described(encoded, uuid),
    )
    writer.add(entry)


def _described(attributes: dict[str, list[bytes]], uuid: bytes) -> dict[str, str | None]:
    """What the store keeps of an account beside its entry."""
    known = {"person": accounts.holder(attributes, uuid)}
    if "account" in NewEntry._fields:
        known["account"] = attributes["mail"][0].decode().lower()
    return known


@contextmanager
def read(opened: Store) -> Iterator[Reader]:
    with opened.reading() as reader:
        yield reader
