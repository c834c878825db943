"""The store as the index reads it: every entry, in pieces for a build or one by one, as each audience is shown it."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from annuaire.actions import rules, views
from annuaire.actions.mentions import Mentions
from annuaire.actions.views import Views, ViewSettings
from annuaire.domain import audience, trace, visibility
from annuaire.domain.activation import Rules
from annuaire.domain.audience import Audience
from annuaire.domain.trace import Trace
from annuaire.index import layout
from annuaire.index.entry import IndexEntry
from annuaire.index.prepare import Numbering
from annuaire.ldap import ber, dn, schema
from annuaire.ldap.schema import Schema
from annuaire.store import engine
from annuaire.store.domains import DomainRow
from annuaire.store.engine import Reader, Store
from annuaire.store.entries import EntryRow
from annuaire.store.records import MAILBOXES, RecordRow

# Entries, or people, of one piece of a build's reading.
PARTITION = 1_000


class Piece(NamedTuple):
    """One piece of a build's reading: entries by id, holders by name, or the liste blanche."""

    kind: str  # entries, holders, liste-blanche
    low: int | str
    high: int | str | None


@dataclass(frozen=True)
class StoreSource:
    """The store as the index reads it; pickled into the processes of a build, where it opens its own store."""

    url: str
    state: Path
    suffix: str
    schema_files: tuple[Path, ...] = ()
    settings: ViewSettings = field(default_factory=ViewSettings)
    trees: tuple[str, ...] = ()  # `[trees] suffixes`
    readers: tuple[str, ...] = tuple(audience.NAMES)  # `[trees] readers`
    # Told of what is written through this source; processes of a build only read.
    told: Trace = field(default=trace.silent, repr=False, compare=False)
    _kept: dict[str, object] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "told": trace.silent, "_kept": {}}

    def schema(self) -> Schema:
        found = self._kept.get("schema")
        if not isinstance(found, Schema):
            extra = self.schema_files
            found = schema.load([*schema.shipped(), *extra]) if extra else schema.standard()
            self._kept["schema"] = found
        return found

    def numbering(self) -> Numbering:
        """With all that it remembers of values from one write to the next."""
        found = self._kept.get("numbering")
        if not isinstance(found, Numbering):
            found = self._kept["numbering"] = Numbering(self.schema())
        return found

    def store(self) -> Store:
        found = self._kept.get("store")
        if not isinstance(found, Store):
            found = self._kept["store"] = engine.open(self.url, self.state)
        return found

    # -------------------------------------------------------------- what a build reads

    def _reading(self, moment: Reader | None) -> AbstractContextManager[Reader]:
        return self.store().reading() if moment is None else nullcontext(moment)

    def partitions(self, moment: Reader | None = None) -> list[Piece]:
        with self._reading(moment) as reader:
            parts = reader.id_ranges(max(1, reader.count() // PARTITION))
            pieces = [Piece("entries", low, high) for low, high in parts]
            pieces += [Piece("holders", low, high) for low, high in reader.holder_ranges(PARTITION)]
            return [*pieces, Piece("liste-blanche", 0, None)]

    def read(self, piece: Piece, moment: Reader | None = None) -> Iterator[IndexEntry]:
        """moment: the store as it was then, instead of now."""
        with self._reading(moment) as reader:
            if piece.kind == "entries":
                assert isinstance(piece.low, int)
                assert isinstance(piece.high, int)
                known = self.mentions(reader)
                for row in reader.range(piece.low, piece.high):
                    if (
                        row.person is None
                    ):  # accounts come with whom they describe, most values of whom are theirs
                        yield from self.entries(row, known)
            elif piece.kind == "holders":
                assert isinstance(piece.low, str)
                assert not isinstance(piece.high, int)
                yield from self.people(reader, piece.low, piece.high)
            else:
                loaded = reader.liste_blanche()
                yield from self.listed(() if loaded is None else reader.domains(), loaded)

    def people(self, reader: Reader, low: str, high: str | None) -> Iterator[IndexEntry]:
        """The accounts of the holders of a range, and what is computed of both directories."""
        made, contested, known = self.views(reader), self._contested(reader), self.mentions(reader)
        for holder, stored, records in _together(
            reader.accounts_between(low, high), reader.records_between(low, high)
        ):
            for row in stored:
                yield from self.entries(row, known)
            yield from made.of_holder(holder, stored, records, contested)

    @staticmethod
    def of_holder(
        reader: Reader, made: Views, holder: str, accounts: list[EntryRow] | None = None
    ) -> Iterator[IndexEntry]:
        """What is computed of one of them, whose accounts may be at hand."""
        records = reader.records_of(holder)
        addresses = {record.address for record in records if record.source == MAILBOXES}
        contested = reader.contested_among(addresses) if addresses else frozenset()
        stored = reader.accounts_of(holder) if accounts is None else accounts
        yield from made.of_holder(holder, stored, records, contested)

    def entries(self, row: EntryRow, known: Mentions) -> Iterator[IndexEntry]:
        """A stored entry as the index takes it; with the suffix come the subtrees that are computed."""
        if self._readers(row.key) is None:
            yield self.entry(row)
        else:
            for shown in known.of(self.entry(row)):
                yield views.numbered(shown, row.modified_at)
        if row.key == self._key(self.suffix):
            made = Views(self.schema(), self.suffix, self.settings, self.rules(), None, datetime.now(UTC))
            yield from made.containers(row.created_at)

    def entry(self, row: EntryRow) -> IndexEntry:
        """A stored entry by itself."""
        operational = views.operational_of(row)
        seers = visibility.of_stored(row.key == self._key(self.suffix), self._readers(row.key))
        decoded, attributes = views.decoded(row.attributes), row.attributes
        if not self._written_operational.isdisjoint(decoded[0]):
            user = dict(decoded[0])
            operational |= {name: list(user.pop(name)) for name in self._written_operational & user.keys()}
            attributes = ber.encode_attributes(user)
            decoded = ber.decode_places(attributes)
        facts = () if row.person is None else views.facts_of(row, decoded[0])
        return IndexEntry(
            row.dn, row.key, attributes, operational, row.uuid, int(seers), row.passwords, facts, decoded
        )

    @property
    def _written_operational(self) -> frozenset[str]:
        """What clients write and no search shows to whom it is not named (RFC 4512 §3.4): `ref` of a referral."""
        found = self._kept.get("operational")
        if not isinstance(found, frozenset):
            types = self.schema().attribute_types
            found = frozenset([t.name for t in types if t.operational and not t.no_user_modification])
            self._kept["operational"] = found
        return found

    def listed(self, rows: Iterable[DomainRow], loaded: dict[str, object] | None) -> Iterator[IndexEntry]:
        """The liste blanche, as routing asks for it."""
        if loaded is None:
            return
        yield views.of_liste_blanche(self.schema())
        domain: list[DomainRow] = []
        for row in rows:
            if domain and domain[0].domain != row.domain:
                yield views.of_domain(domain[0].domain, domain, self.schema())
                domain = []
            domain.append(row)
        if domain:
            yield views.of_domain(domain[0].domain, domain, self.schema())

    # -------------------------------------------------------------- what the rules need

    def digest(self) -> str:
        """What views depend on beside the store: an index made under other settings is built anew."""
        found = self._kept.get("digest")
        if not isinstance(found, str):
            chosen = repr((self.suffix, self.settings, self.trees, self.readers, rules.digest()))
            found = self._kept["digest"] = layout.digest(0, chosen.encode()).hex()
        return found

    def rules(self) -> Rules:
        return rules.shipped(self.settings.profile)

    def views(self, reader: Reader) -> Views:
        """The views under the liste blanche of now, on the day that it is: regions open by date."""
        now = datetime.now(UTC)
        loaded = (reader.liste_blanche(), reader.liste_blanche_change(), now.date())
        known = self._kept.get("views")
        if isinstance(known, tuple) and known[0] == loaded and isinstance(known[1], Views):
            return known[1]
        listed = None if loaded[0] is None else frozenset([row.domain for row in reader.domains()])
        made = Views(self.schema(), self.suffix, self.settings, self.rules(), listed, now)
        self._kept["views"] = (loaded, made)
        return made

    def mentions(self, reader: Reader) -> Mentions:
        """What entries of further trees may say of people and structures at this moment of the store."""

        made = self.views(reader)

        def seers(holder: str) -> dict[bytes, Audience]:
            found: dict[bytes, Audience] = {}
            for entry in self.of_holder(reader, made, holder):
                found[entry.key] = found.get(entry.key, Audience(0)) | Audience(entry.audiences)
            return found

        return Mentions(self.schema(), self.suffix, seers)

    def _contested(self, reader: Reader) -> frozenset[str]:
        """Addresses that two people claim, read once for each state of the store."""
        head = reader.head()
        known = self._kept.get("contested")
        if isinstance(known, tuple) and known[0] == head:
            return known[1]  # type: ignore[no-any-return]
        found = reader.contested()
        self._kept["contested"] = (head, found)
        return found

    def _readers(self, key: bytes) -> Audience | None:
        """Who reads the further tree that a name lies in; None when it lies in none."""
        for tree in self.trees:
            if dn.is_within(key, self._key(tree)):
                seers = Audience(0)
                for name in self.readers:
                    seers |= audience.NAMES[name]
                return seers
        return None

    def _key(self, text: str) -> bytes:
        found = self._kept.get(text)
        if not isinstance(found, bytes):
            found = self._kept[text] = dn.key(dn.parse(text), self.schema())
        return found


def _together(
    stored: Iterator[EntryRow], records: Iterator[RecordRow]
) -> Iterator[tuple[str, list[EntryRow], list[RecordRow]]]:
    """Accounts and records of each holder, both given in the order of holders."""
    account, record = next(stored, None), next(records, None)
    while account is not None or record is not None:
        if account is None or account.person is None:
            assert record is not None
            holder = record.holder
        else:
            holder = account.person if record is None else min(account.person, record.holder)
        accounts: list[EntryRow] = []
        while account is not None and account.person == holder:
            accounts.append(account)
            account = next(stored, None)
        found: list[RecordRow] = []
        while record is not None and record.holder == holder:
            found.append(record)
            record = next(records, None)
        yield holder, accounts, found
