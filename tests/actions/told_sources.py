"""What sources say of invented people, put into a store by tests: accounts, mailboxes, activities, a liste blanche.

Accounts are written as they are, past the rules of imports: a test says what they have.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable

import both_directories as both

from annuaire.actions import import_records
from annuaire.actions.source import StoreSource
from annuaire.domain import account as accounts
from annuaire.domain import mailbox
from annuaire.domain.audience import Audience
from annuaire.domain.mailbox import Mailbox
from annuaire.importing import headers
from annuaire.index.entry import IndexEntry
from annuaire.ldap import ber, dn
from annuaire.ldap import schema as schemas
from annuaire.store.domains import DomainRow
from annuaire.store.engine import Store
from annuaire.store.entries import Moved, NewEntry

SCHEMA = schemas.standard()
APICRYPT = f"ou=apicrypt,{both.SUFFIX}"
NATIVE, INTEROP = "medical59.apicrypt.org", "interop-mssante.apicrypt.org"
CERTIFICATE = b"\x30\x03\x02\x01\x05"
UUIDS = uuid.UUID("00000000-0000-4000-8000-000000000000")
COLUMNS = "|".join(column.name for column in headers._columns(headers.EXTRACTION))

Attributes = dict[str, list[bytes]]

# ------------------------------------------------------------------ accounts


def account(uid: str, **others: str | bytes | None) -> Attributes:
    """A physician in version 2 whose exchanges are open; None takes an attribute away."""
    given = {
        "uid": uid,
        "cn": f"{uid.capitalize()} DUPONT",
        "sn": "DUPONT",
        "givenName": uid.capitalize(),
        "mail": f"{uid}@{NATIVE}",
        "title": "Médecin",
        "profession": "10",
        "l": "LILLE",
        "apicryptVersion": "2",
        "apicryptInterop": "TRUE",
        "apicryptInteropMail": f"{uid}@{INTEROP}",
        "listeRouge": "FALSE",
        "apicryptEtat": "actif",
        "TypeIdentifiantPP": "8",
        "userCertificate;binary": CERTIFICATE,
        **others,
    }
    attributes: Attributes = {"objectClass": [b"inetOrgPerson", b"apicryptUtilisateur"]}
    for name, value in given.items():
        if value is not None:
            attributes[name] = [value if isinstance(value, bytes) else value.encode()]
    return attributes


def key(name: str) -> bytes:
    return dn.key(dn.parse(name), SCHEMA)


def identity(uid: str) -> bytes:
    """The entryUUID of an account."""
    return uuid.uuid5(UUIDS, uid).bytes


def write(
    store: Store, uid: str, attributes: Attributes, at: str | None = None, under: str = APICRYPT
) -> None:
    """Add an account, or give it other attributes."""
    name = f"uid={uid},{under}"
    octets = ber.encode_attributes(attributes)
    described = accounts.described(attributes, identity(uid))
    with store.writing("cn=admin", at) as writer:
        row = writer.entry_by_uuid(identity(uid))
        if row is None:
            writer.add(
                NewEntry(
                    key(name), key(under), name, identity(uid), octets, None, "inetOrgPerson", *described
                )
            )
        else:
            writer.replace(row, octets, None, "inetOrgPerson", *described)


def rename(store: Store, uid: str, name: str) -> None:
    """Another name below ou=apicrypt for the entry of an account."""
    with store.writing("cn=admin") as writer:
        row = writer.entry_by_uuid(identity(uid))
        if row is not None and writer.entry(key(f"{name},{APICRYPT}")) is None:
            writer.move(
                [(row, Moved(row.id, key(f"{name},{APICRYPT}"), key(APICRYPT), f"{name},{APICRYPT}"))]
            )


def delete(store: Store, uid: str) -> None:
    with store.writing("cn=admin") as writer:
        row = writer.entry_by_uuid(identity(uid))
        if row is not None:
            writer.delete(row)


# ------------------------------------------------------------------ the national directory


def rpps(number: int) -> str:
    """A national identification."""
    return f"8999000{number:05d}"


def person(national: str, address: str, **others: str) -> str:
    fields = {
        "type_bal": "PER",
        "address": address,
        "type_pp": "8",
        "identifiant_pp": national[1:],
        "national_pp": national,
        "nom": "DUPONT",
        "prenom": "Anne",
        "profession": "10",
        "profession_libelle": "Médecin",
    }
    return _line(fields | others)


def structure(address: str, **others: str) -> str:
    fields = {"type_bal": "ORG", "address": address, "service": "CARDIOLOGIE", "raison_sociale": "CH EXEMPLE"}
    return _line(fields | others)


def _line(fields: dict[str, str]) -> str:
    return mailbox.format(Mailbox._make(fields.get(name, "") for name in Mailbox._fields))


def publish(store: Store, *lines: str) -> None:
    """The national list is these mailboxes and no others."""
    data = "".join(f"{line}\n" for line in (COLUMNS, *lines)).encode()
    import_records.import_mailboxes(
        store, io.BytesIO(data), name="test.txt", is_interop=INTEROP.__eq__, removals_max=100, continue_=True
    )


_NAMES = [f"Autre colonne {place}" for place in range(56)]
for _column in headers._columns(headers.ACTIVITIES):
    _NAMES[_column.position] = _column.name


def activity(national: str, **others: str) -> str:
    """What PS_LibreAcces says of one place where somebody works; the keys are fields of `Activity`."""
    given = {"type_pp": "8", "identifiant_pp": national[1:], "national_pp": national, **others}
    cells = dict.fromkeys(range(56), "")
    for column in headers._columns(headers.ACTIVITIES):
        cells[column.position] = given.get(column.field, "")
    return "|".join(cells.values()) + "|"


def work(store: Store, *lines: str) -> None:
    """The activities of the people who are known are these and no others."""
    data = "".join(f"{line}\n" for line in ("|".join(_NAMES) + "|", *lines)).encode()
    import_records.import_activities(store, io.BytesIO(data), name="activite.txt", removals_max=100)


def list_domains(store: Store, *domains: str) -> None:
    """The liste blanche is these domains."""
    rows = [DomainRow(domain, f"CN=mx.{domain}", "", "", "", "") for domain in sorted(domains)]
    with store.writing("cn=admin") as writer:
        writer.replace_domains(rows, {"loaded_at": writer.at, "rows": len(rows), "domains": len(rows)})


# ------------------------------------------------------------------ what becomes of it


def computed(source: StoreSource) -> list[IndexEntry]:
    """Every entry of ou=personnes and ou=structures, as a build of the index reads them."""
    pieces = [piece for piece in source.partitions() if piece.kind == "holders"]
    everything = [entry for piece in pieces for entry in source.read(piece)]
    return [entry for entry in everything if "creatorsName" not in entry.operational]  # stored ones have it


def shown(source: StoreSource, audience: Audience) -> dict[str, dict[str, list[str]]]:
    """What one audience is shown: attributes of all kinds, by DN. Each name at most once."""
    found: dict[str, dict[str, list[str]]] = {}
    for entry in computed(source):
        if entry.audiences & audience:
            assert entry.dn not in found, "two entries of one name for one audience"
            attributes = ber.decode_attributes(entry.attributes) | entry.operational
            found[entry.dn] = {
                name: [value.decode("utf-8", "backslashreplace") for value in values]
                for name, values in attributes.items()
            }
    return found


def addresses(source: StoreSource, audience: Audience, holder: str) -> list[str] | None:
    """Those by which an audience reaches a person, best first; None when it is not shown that person."""
    found = shown(source, audience).get(f"uid={holder},{both.PERSONNES}")
    return None if found is None else found.get("mail", found.get("mailLocalAddress"))


def seen_by(entries: Iterable[IndexEntry], audiences: Audience) -> list[IndexEntry]:
    """The entries that some audiences see, without a word about the others."""
    return [
        entry._replace(audiences=int(entry.audiences & audiences))
        for entry in sorted(entries, key=lambda entry: entry.key)
        if entry.audiences & audiences
    ]
