"""The entries of ou=personnes and ou=structures: what each audience is shown of a person or of a structure.

One name may have several entries, one for each distinct content, each for its audiences: whoever asks finds exactly
one of them or none (domain/visibility.py). They are made from the store's rows when the index is built or refreshed,
by the same function, so a refreshed index and a rebuilt one cannot differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from annuaire.domain import account as accounts
from annuaire.domain import activation, consolidation, facts, mailbox, reliability, visibility
from annuaire.domain.account import Account, Attributes
from annuaire.domain.audience import EVERYBODY, NOBODY, Audience
from annuaire.domain.consolidation import Said, View
from annuaire.domain.domains import Domains
from annuaire.domain.facts import DomainFacts
from annuaire.domain.mailbox import Mailbox
from annuaire.domain.visibility import READERS, STRANGERS, Face
from annuaire.index.entry import IndexEntry
from annuaire.ldap import ber, dn
from annuaire.ldap.dn import Dn, Rdn
from annuaire.ldap.schema import Schema
from annuaire.store.domains import DomainRow
from annuaire.store.entries import EntryRow
from annuaire.store.records import ACTIVITIES, RecordRow

SUBSCHEMA = b"cn=Subschema"
_STRUCTURAL = [b"inetOrgPerson"]
# What readers of LDAP are not shown, and what is kept for routing alone.
_LISTE_BLANCHE = "cn=liste blanche"
# LMDB takes no longer key than 511 octets.
_FACT_NAME_MAX = 500


class ViewSettings(NamedTuple):
    """What the operator chooses about views; pickled into the processes of a build."""

    native: tuple[str, ...] = ("medical*.apicrypt.org",)
    interop: tuple[str, ...] = ("interop-mssante.apicrypt.org", "mssante.apicrypt.org")
    dgs: tuple[str, ...] = ("dgs.mssante.fr",)
    profile: str = "faq-2018"
    cn_detail: bool = True
    dgs_sees_liste_rouge: bool = True


class _Known(NamedTuple):
    """One account behind a person."""

    account: Account
    attributes: Attributes
    row: EntryRow
    faces: dict[Face, Audience]
    reachable: bool


class Views:
    """Makes the entries of holders, given their rows; `listed` are the domains of the liste blanche, if any."""

    def __init__(
        self,
        schema: Schema,
        suffix: str,
        settings: ViewSettings,
        rules: activation.Rules,
        listed: frozenset[str] | None,
        now: datetime,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._now = now
        self._schema = schema
        domains = Domains(settings.native, settings.interop, settings.dgs)
        self._reliable = reliability.Rules(listed, domains.is_ours)
        self._people = _Branch("personnes", suffix, schema)
        self._structures = _Branch("structures", suffix, schema)

    def containers(self, created_at: str) -> Iterator[IndexEntry]:
        """The entries above the computed ones, the same for everybody."""
        for branch in (self._people, self._structures):
            attributes = {"objectClass": [b"top", b"organizationalUnit"], "ou": [branch.name.encode()]}
            yield _entry(branch.dn, branch.key, attributes, b"organizationalUnit", created_at, created_at, ())

    def keys(self, holder: str) -> list[bytes]:
        """The DN keys of every entry that a holder may have."""
        return [self._people.name_of(holder)[1], self._structures.name_of(holder)[1]]

    def routing_key(self, uuid: bytes) -> bytes:
        """The DN key of what mail servers are told of the account that has this entryUUID."""
        return self._people.name_of(accounts.UNIDENTIFIED + uuid.hex())[1]

    def of_holder(
        self, holder: str, stored: Iterable[EntryRow], records: Sequence[RecordRow], contested: frozenset[str]
    ) -> Iterator[IndexEntry]:
        """Every entry of one holder, of its accounts and of the records that sources give of it."""
        rows: list[tuple[Mailbox, RecordRow]] = []
        structures: list[tuple[Mailbox, RecordRow]] = []
        activities: list[RecordRow] = []
        for record in records:
            if record.source == ACTIVITIES:
                activities.append(record)
                continue
            row = mailbox.parse(record.line)
            if reliability.judge(row, self._reliable, record.address in contested) is None:
                (rows if row.type_bal == mailbox.PERSONAL else structures).append((row, record))
        if structures:
            yield self._structure(holder, structures)
        known = [one for one in map(self._account, stored) if one is not None]
        known.sort(key=lambda one: (one.account.native.lower(), one.row.uuid))
        if rows or known:
            yield from self._person(holder, known, rows, activities)

    def _structure(self, address: str, rows: list[tuple[Mailbox, RecordRow]]) -> IndexEntry:
        rows.sort(key=lambda pair: pair[1].key)
        view = consolidation.structure(
            address, [(row, record.first, record.last) for row, record in rows], self._settings.cn_detail
        )
        name, key = self._structures.name_of(address)
        return self._indexed(name, key, view, READERS)

    def _person(
        self,
        holder: str,
        known: list[_Known],
        rows: list[tuple[Mailbox, RecordRow]],
        activities: list[RecordRow],
    ) -> Iterator[IndexEntry]:
        rows.sort(key=lambda pair: (consolidation.preference(pair[0]), pair[1].key))
        national = [consolidation.of_mailbox(row, record.first, record.last) for row, record in rows]
        # Not when it arrived first: it may have been kept for an account alone before.
        kept = [
            consolidation.of_activity(mailbox.parse_activity(one.line), one.last, one.last)
            for one in activities
        ]
        # Note [What is kept for an account is for those who see it].
        added = [
            said
            for said, one in zip(kept, activities, strict=True)
            if not one.line.startswith(mailbox.OF_ACCOUNT)
        ]
        name, key = self._people.name_of(holder)
        if not known:
            yield self._indexed(
                name,
                key,
                consolidation.person(holder, [*national, *added], self._settings.cn_detail),
                READERS,
            )
            return
        made: dict[tuple[bytes, tuple[tuple[str, tuple[bytes, ...]], ...]], IndexEntry] = {}
        for seers, face, those in self._seen(known):
            shown = [self._said(one, face) for one in those]
            # Inside the sphere its own address comes first, outside the mailboxes of the trust space.
            said = [*national, *shown] if face == Face.INTEROP else [*shown, *national]
            if not said:
                continue
            said += kept if shown else added
            view = consolidation.person(holder, said, self._settings.cn_detail)
            entry = self._indexed(name, key, view, seers)
            same = (entry.attributes, tuple((n, tuple(v)) for n, v in entry.operational.items()))
            if same in made:
                entry = entry._replace(audiences=made[same].audiences | entry.audiences)
            made[same] = entry
        yield from made.values()
        for one in known:
            if Face.ROUTING in one.faces:
                yield self._routing(one)

    @staticmethod
    def _seen(known: list[_Known]) -> Iterator[tuple[Audience, Face, list[_Known]]]:
        """Who sees which accounts of a person with which face; who sees the same, together."""
        strangers, dgs = (
            [one for one in known if seers & ~one.faces.get(Face.INTEROP, NOBODY) == 0]
            for seers in (STRANGERS, Audience.DGS)
        )
        if strangers == dgs:
            yield STRANGERS | Audience.DGS, Face.INTEROP, strangers
        else:
            yield STRANGERS, Face.INTEROP, strangers
            yield Audience.DGS, Face.INTEROP, dgs
        colleagues, administrators = (
            [one for one in known if audience in one.faces.get(face, NOBODY)]
            for audience, face in ((Audience.APICRYPT, Face.NATIVE), (Audience.ADMIN, Face.WHOLE))
        )
        if colleagues == administrators and not any(one.account.interop for one in known):
            yield Audience.APICRYPT | Audience.ADMIN, Face.WHOLE, administrators
        else:
            yield Audience.APICRYPT, Face.NATIVE, colleagues
            yield Audience.ADMIN, Face.WHOLE, administrators

    def _said(self, known: _Known, face: Face) -> Said:
        labels = [self._rules.professions.label(code) for code in known.account.professions]
        return consolidation.of_account(
            known.account,
            known.attributes,
            face,
            [label for label in labels if label],
            known.row.created_at,
            known.row.modified_at,
        )

    def _routing(self, known: _Known) -> IndexEntry:
        identity = accounts.UNIDENTIFIED + known.row.uuid.hex()
        surname = known.attributes.get("cn", (known.account.native.encode(),))[0].decode("utf-8", "replace")
        view = consolidation.routing(identity, known.account, known.reachable, surname, known.row.created_at)
        name, key = self._people.name_of(identity)
        return self._indexed(name, key, view, Audience.ROUTAGE)

    def _account(self, row: EntryRow) -> _Known | None:
        attributes, _ = decoded(row.attributes)
        account = accounts.of(attributes)
        if account is None:
            return None
        reachable = activation.is_reachable_from_trust_space(account, self._rules, self._now)
        faces = visibility.of_account(account, reachable, self._settings.dgs_sees_liste_rouge)
        return _Known(account, attributes, row, faces, reachable)

    def _indexed(self, name: str, key: bytes, view: View, seers: Audience) -> IndexEntry:
        attributes = {
            description: [v.encode() for v in values] for description, values in view.values.items()
        }
        if view.certificates:
            attributes[consolidation.CERTIFICATE] = list(view.certificates)
        return _entry(
            name, key, attributes, b"inetOrgPerson", view.first, view.last, view.sources, audiences=seers
        )


# Entries whose attributes are remembered decoded: those of one commit, without their photos.
_DECODED_MAX, _DECODED_SIZE_MAX = 256, 16_384


def decoded(attributes: bytes) -> tuple[Attributes, list[int]]:
    """`ber.decode_places`, asked several times about an entry that is written; nobody changes what it gives."""
    return _decoded(attributes) if len(attributes) <= _DECODED_SIZE_MAX else ber.decode_places(attributes)


_decoded = lru_cache(_DECODED_MAX)(ber.decode_places)


def facts_of(row: EntryRow, attributes: Attributes) -> tuple[tuple[bytes, bytes], ...]:
    """What routing is told of a stored entry, under both of its addresses; nothing when it is no account."""
    account = accounts.of(attributes)
    if account is None:
        return ()
    packed = facts.pack_account(facts.of_account(account))
    names = [facts.address_name(one) for one in (account.native, account.interop) if one]
    return tuple([(name, packed) for name in names if len(name) <= _FACT_NAME_MAX])


def of_domain(domain: str, rows: Sequence[DomainRow], schema: Schema) -> IndexEntry:
    """A domain of the liste blanche: an entry that nobody sees, for what routing knows of it."""
    packed = facts.pack_domain(DomainFacts(domain, tuple([row.certificate for row in rows])))
    name, key = domain_name(domain, schema)
    return IndexEntry(
        name, key, b"", {}, _uuid(key), int(NOBODY), None, ((facts.domain_name(domain), packed),)
    )


def of_liste_blanche(schema: Schema) -> IndexEntry:
    """That there is a liste blanche, likewise. Not since when: loading the same list again is no change."""
    name, key = domain_name("", schema)
    return IndexEntry(name, key, b"", {}, _uuid(key), int(NOBODY), None, ((facts.LOADED, b"1"),))


def domain_name(domain: str, schema: Schema) -> tuple[str, bytes]:
    parsed = dn.parse(_LISTE_BLANCHE)
    if domain:
        parsed = Dn((Rdn((("cn", domain),)), *parsed.rdns))
    return dn.format(parsed), dn.key(parsed, schema)


class _Branch:
    """One computed subtree."""

    def __init__(self, name: str, suffix: str, schema: Schema) -> None:
        self.name = name
        self._schema = schema
        self._above = (Rdn((("ou", name),)), *dn.parse(suffix).rdns)
        self.dn = dn.format(Dn(self._above))
        self.key = dn.key(Dn(self._above), schema)

    def name_of(self, identity: str) -> tuple[str, bytes]:
        """DN and key of an entry right below."""
        # Nearly all: nothing to escape, nothing to fold but case.
        if identity.isascii() and identity.replace("-", "").isalnum():
            return f"uid={identity},{self.dn}", b"%b\x00uid=%b" % (self.key, identity.lower().encode())
        name = Dn((Rdn((("uid", identity),)), *self._above))
        return dn.format(name), dn.key(name, self._schema)


def _entry(
    name: str,
    key: bytes,
    attributes: dict[str, list[bytes]],
    structural: bytes,
    first: str,
    last: str,
    sources: Sequence[str],
    audiences: Audience = EVERYBODY,
) -> IndexEntry:
    uuid = _uuid(key)
    operational = {
        "structuralObjectClass": [structural],
        "entryUUID": [uuid_text(uuid)],
        "createTimestamp": [first.encode()],
        "modifyTimestamp": [last.encode()],
        "entryDN": [name.encode()],
        "subschemaSubentry": [SUBSCHEMA],
    }
    if sources:
        operational["annuaireSource"] = [source.encode() for source in sources]
    encoded, places = ber.encode_places(attributes)
    return IndexEntry(
        name, key, encoded, operational, uuid, int(audiences), None, decoded=(attributes, places)
    )


def operational_of(row: EntryRow) -> dict[str, list[bytes]]:
    """What the server keeps of a stored entry."""
    return {
        "structuralObjectClass": [row.structural.encode()],
        "entryUUID": [uuid_text(row.uuid)],
        "createTimestamp": [row.created_at.encode()],
        "creatorsName": [row.created_by.encode()],
        "modifyTimestamp": [row.modified_at.encode()],
        "modifiersName": [row.modified_by.encode()],
        "entryCSN": [change_number(row.modified_at, row.dn, row.attributes, row.passwords)],
        "entryDN": [row.dn.encode()],
        "subschemaSubentry": [SUBSCHEMA],
    }


def change_number(at: str, name: str, attributes: bytes, passwords: bytes | None) -> bytes:
    """When an entry last changed, and what it then was, in OpenLDAP's form: another content has another number.

    Not the number of the change in the store: two readings of that would tell how much others have written meanwhile.
    """
    mark = hashlib.blake2b(
        b"\0".join((name.encode(), attributes, passwords or b"")), digest_size=3
    ).hexdigest()
    return f"{at[:14]}.000000Z#{mark}#000#000000".encode()


def numbered(entry: IndexEntry, at: str) -> IndexEntry:
    """An entry with the number of what its readers are shown of it (mentions.py)."""
    number = change_number(at, entry.dn, entry.attributes, None)
    return entry._replace(operational={**entry.operational, "entryCSN": [number]})


def uuid_text(uuid: bytes) -> bytes:
    hexadecimal = uuid.hex()
    return (
        f"{hexadecimal[:8]}-{hexadecimal[8:12]}-{hexadecimal[12:16]}-{hexadecimal[16:20]}-{hexadecimal[20:]}"
    ).encode()


def _uuid(key: bytes) -> bytes:
    """An entryUUID that is a function of the name alone (RFC 9562 version 8): it tells nothing of how it was made."""
    digest = bytearray(hashlib.blake2b(key, digest_size=16).digest())
    digest[6] = 0x80 | digest[6] & 0x0F
    digest[8] = 0x80 | digest[8] & 0x3F
    return bytes(digest)
