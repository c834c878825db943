"""The accounts of one import: the rules asked page by page, while comparing, with no lock held.

What they say is staged beside the entries (store/account_staging.py): addresses given, things to remember. Under the
write lock only that is asked again which others have overtaken since.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from annuaire.actions import account_memory, accounts, native_addresses, preparing
from annuaire.actions.account_memory import Memory, Notes
from annuaire.actions.accounts import Attributes, Order, RuleError, Settled
from annuaire.domain import account as subscriptions
from annuaire.store import account_staging
from annuaire.store.account_staging import AccountStaging, AddressRow, Note
from annuaire.store.choices import ChoiceRow
from annuaire.store.engine import Reader, Writer
from annuaire.store.entries import EntryRow
from annuaire.store.ledger import LedgerRow
from annuaire.store.staging import Staging
from annuaire.store.staging_tables import Refused

# Addresses known to be taken that are kept at hand: homonyms try the same ones again and again.
TAKEN_MAX = 200_000
NAMESAKE = "La partie locale de l'adresse native est aussi celle d'un autre compte, dans un autre domaine."


class Item(NamedTuple):
    """An entry that is an account, was one, or will be."""

    line: int
    entry: EntryRow | None
    owner: bytes  # its entryUUID
    old: Attributes | None
    new: Attributes


class ImportAccounts:
    """What an import asks about accounts, and what it learnt."""

    def __init__(self, staged: Staging, order: Order) -> None:
        self.order = order
        self.kept = AccountStaging(staged)
        self.hides = False
        self.warnings: Counter[str] = Counter()
        self._staged = staged
        self._taken: OrderedDict[str, None] = OrderedDict()

    def begin(self) -> None:
        """Before everything is compared, again perhaps."""
        self.kept.forget_comparison()
        self.hides = False
        self.warnings.clear()
        self._taken.clear()

    def new(self, reader: Reader, ahead: bool) -> None:
        """Ask about new accounts: ahead, those that say their interop address, so that nobody else gets it."""
        after = 0
        while rows := self.kept.concerned(ahead, after):
            items = [
                Item(row.line, None, row.uuid, None, preparing.decode(row.attributes, row.passwords))
                for row in rows
            ]
            given: list[tuple[int, bytes]] = []
            refused = []
            for row, settled in zip(rows, self.settle(reader, items), strict=True):
                if isinstance(settled, RuleError):
                    refused.append(Refused(row.line, row.dn, settled.code, settled.text, None))
                    continue
                attributes, _ = preparing.encode(settled)
                if attributes != row.attributes:
                    given.append((row.line, attributes))
            self.kept.give(given)
            self._staged.refuse(refused)
            after = rows[-1].line

    def settle(self, reader: Reader, items: Sequence[Item]) -> list[Attributes | RuleError]:
        """Each entry as it will be kept, or why it is not; what follows from them is staged."""
        recalled = _Recalled(reader, items)
        page = _Page(self, reader, recalled)
        answers: list[Attributes | RuleError] = []
        for item in items:
            try:
                answers.append(page.settle(item))
            except RuleError as error:
                answers.append(error)
        page.stage()
        self.kept.judged(item.line for item in items)
        return answers

    def step(self, reader: Reader, item: Item, touched: frozenset[str] | None) -> Attributes:
        """The same of one account in a file of changes, which speaks of some attributes only."""
        page = _Page(self, reader, _Recalled(reader, [item], self.kept), rank=item.line, touched=touched)
        settled = page.settle(item)
        page.stage()
        return settled

    def gone(self, reader: Reader, item: Item) -> None:
        """An account is deleted by a file of changes; what is remembered of it is not."""
        assert item.old is not None
        page = _Page(self, reader, _Recalled(reader, [item], self.kept), rank=item.line)
        page.forsake(item)
        page.stage()
        self.kept.disown(item.owner)

    def finish_comparison(self) -> None:
        namesakes = self.kept.count_namesakes()
        if namesakes:
            self.warnings[NAMESAKE] += namesakes
        for domain, count in self.kept.domains_of_new():
            if not self.order.domains.is_native(domain):
                self.warnings[native_addresses.NOT_NATIVE] += count

    def forget(self, keys: Iterable[bytes]) -> None:
        """What the rules said about some entries, which others have changed since."""
        self.kept.forget(self.kept.lines_of(keys))
        self._taken.clear()

    def apply(self, writer: Writer, steps: bool) -> None:
        self.kept.apply(writer, steps)

    def after(self, row: EntryRow) -> EntryRow | None:
        """An entry as the steps so far leave it, None when it goes."""
        state = self._staged.state_of(row.id)
        if state is None:
            return row
        return None if state.gone else row._replace(attributes=state.attributes)

    def is_taken(self, address: str) -> bool:
        if address in self._taken:
            return True
        if not self.kept.is_taken(address):
            return False
        self.take(address)
        return True

    def take(self, address: str) -> None:
        self._taken[address] = None
        if len(self._taken) > TAKEN_MAX:
            self._taken.popitem(last=False)


class _Recalled:
    """What the store remembers of the accounts of a page, fetched together; and what earlier steps have noted."""

    def __init__(self, reader: Reader, items: Iterable[Item], kept: AccountStaging | None = None) -> None:
        described = [found for item in items for found in _described(item)]
        keys = {account.native.lower() for account in described}
        self._choices: dict[str, dict[str, ChoiceRow]] = defaultdict(dict)
        for choice in reader.choices_among(keys):
            self._choices[choice.account][choice.choice] = choice
        self._said: dict[str, dict[str, bytes]] = defaultdict(dict)
        for account, attribute, value in reader.said_among(keys):
            self._said[account][attribute] = value
        self._versions: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for account, since, version in reader.versions_among(keys):
            self._versions[account].append((since, version))
        holders = {holder for account in described for holder in account_memory.holders(account)}
        self._ledger: dict[str, list[LedgerRow]] = defaultdict(list)
        for row in reader.ledger_among(holders):
            self._ledger[row.holder].append(row)
        if kept is not None:
            self._overlay(kept, keys, holders)
        interop = {account.interop.lower() for account in described if account.interop}
        self.ledger = reader.taken_among(interop)

    def _overlay(self, kept: AccountStaging, keys: Iterable[str], holders: Iterable[str]) -> None:
        for note in (note for key in keys for note in kept.notes_of(key)):
            if note.kind == account_staging.CHOICE:
                self._choices[note.account].pop(note.name, None)
                if note.kept:
                    decided = (bool(note.number), note.since or "", note.origin or "")
                    self._choices[note.account][note.name] = ChoiceRow(note.account, note.name, *decided)
            elif note.kind == account_staging.SAID:
                self._said[note.account].pop(note.name, None)
                if note.kept:
                    self._said[note.account][note.name] = bytes(note.value or b"")
            else:
                known = dict(self._versions[note.account])
                known.pop(note.name, None)
                if note.number is not None:
                    known[note.name] = note.number
                self._versions[note.account] = sorted(known.items())
        for holder in holders:
            known_rows = {row.address for row in self._ledger[holder]}
            given = [
                LedgerRow(*row[:4]) for row in kept.addresses_of(holder) if row.address not in known_rows
            ]
            self._ledger[holder] += given

    def memory(self, key: str, holders: Sequence[str]) -> Memory:
        return Memory(
            self._choices.get(key, {}),
            self._said.get(key, {}),
            self._versions.get(key, []),
            [row for holder in holders for row in self._ledger.get(holder, ())],
        )


def _described(item: Item) -> list[subscriptions.Account]:
    both = (None if item.old is None else subscriptions.of(item.old), subscriptions.of(item.new))
    return [found for found in both if found is not None]


class _Page:
    """Some accounts, one after the other: each sees what those before it were given."""

    def __init__(
        self,
        asking: ImportAccounts,
        reader: Reader,
        recalled: _Recalled,
        rank: int | None = None,
        touched: frozenset[str] | None = None,
    ) -> None:
        self._asking = asking
        self._order = asking.order._replace(touched=touched)
        self._rank = rank
        self._reader = reader
        self._recalled = recalled
        self._assigned: dict[str, AddressRow] = {}
        self._notes: list[Note] = []
        self._untaken: list[tuple[int, str, str]] = []

    def settle(self, item: Item) -> Attributes:
        reader = self._reader
        before = None if item.old is None else subscriptions.of(item.old)
        wanted = subscriptions.of(item.new)
        created_at = "" if item.entry is None else item.entry.created_at
        if wanted is None:
            self.forsake(item)
            return item.new
        # The ledger knows them under their names of now, everything else under the address until now.
        memory = self._memory(before or wanted)._replace(ledger=self._memory(wanted).ledger)
        settled = accounts.settle(
            item.old,
            item.new,
            memory,
            self._order,
            _Addresses(self, item),
            created_at=created_at,
            leftover=self._memory(wanted),
        )
        self.keep(item, settled.notes, settled)
        self._asking.warnings.update(settled.warnings)
        if settled.warnings:
            self._untaken.append((item.line, wanted.native, " ".join(settled.warnings)))
        self._asking.hides |= settled.hides
        if settled.notes.moved is not None and reader.namesake(settled.notes.moved[1]) is not None:
            self._asking.warnings[NAMESAKE] += 1
        if settled.notes.moved is not None and not native_addresses.fits(
            settled.notes.moved[1], self._order.domains
        ):
            self._asking.warnings[native_addresses.NOT_NATIVE] += 1
        return settled.attributes

    def forsake(self, item: Item) -> None:
        """The entry goes, or is an account no more."""
        assert item.old is not None
        before = subscriptions.of(item.old)
        assert before is not None
        created_at = "" if item.entry is None else item.entry.created_at
        notes = accounts.forsaken(item.old, self._memory(before), self._order, created_at)
        self.keep(item, notes, None)
        self._asking.hides |= accounts.hides(item.old, None, self._order)

    def keep(self, item: Item, notes: Notes, settled: Settled | None) -> None:
        if not notes.empty:
            self._notes += noted(item.line, notes, self._rank)
            if notes.moved is not None:
                self._asking.kept.move(item.line, *notes.moved)
        rows = {row.address: row for row in notes.ledger}
        held = "" if item.old is None else accounts.address_of(item.old)
        if settled is not None and settled.address and settled.address != held:
            rows.setdefault(settled.address, LedgerRow(settled.address, "", "", ""))
        for row in rows.values():
            fresh = int(bool(row.holder))
            self._assigned[row.address] = AddressRow(*row, item.line, item.owner, fresh)
            self._asking.take(row.address)

    def stage(self) -> None:
        self._asking.kept.note(self._notes)
        self._asking.kept.leave(self._untaken)
        fresh = []
        for row in self._assigned.values():
            # An address that an earlier step gave to an entry that has gone since.
            if self._rank is not None and self._asking.kept.address(row.address) is not None:
                self._asking.kept.own(row.address, row.line, row.owner)
            else:
                fresh.append(row)
        self._asking.kept.assign(fresh)

    def _memory(self, account: subscriptions.Account) -> Memory:
        return self._recalled.memory(account.native.lower(), account_memory.holders(account))

    def assigned(self, address: str) -> AddressRow | None:
        return self._assigned.get(address) or self._asking.kept.address(address)

    def ledger_row(self, address: str) -> LedgerRow | None:
        known = self._recalled.ledger.get(address)
        return known if known is not None else self._reader.ledger_row(address)

    def is_taken(self, address: str) -> bool:
        return address in self._assigned or self._asking.is_taken(address)

    def is_used(self, row: LedgerRow, item: Item) -> bool:
        found = account_memory.of_holder(self._reader, row.holder)
        if self._rank is not None:
            found = [after for one in found if (after := self._asking.after(one)) is not None]
        return account_memory.uses(found, row.address, 0 if item.entry is None else item.entry.id)


class _Addresses:
    """Addresses as one account of a page asks for them."""

    def __init__(self, page: _Page, item: Item) -> None:
        self._page = page
        self._item = item

    def row(self, address: str) -> LedgerRow | None:
        known = self._page.ledger_row(address)
        if known is not None:
            return known
        assigned = self._page.assigned(address)
        return None if assigned is None else LedgerRow(*assigned[:4])

    def taken(self, address: str) -> bool:
        return self._page.is_taken(address)

    def used(self, row: LedgerRow) -> bool:
        assigned = self._page.assigned(row.address)
        if assigned is not None and assigned.owner not in (None, self._item.owner):
            return True
        return self._page.is_used(row, self._item)


def noted(line: int, notes: Notes, rank: int | None = None) -> list[Note]:
    """Notes as they are staged; without a rank, what is kept counts more than what another leaves behind."""
    kept, gone = account_staging.KEPT, account_staging.FORGOTTEN

    def note(kind: str, account: str, name: str, value: object) -> Note:
        present = value is not None
        return Note(
            line, (kept if present else gone) if rank is None else rank, kind, account, name, int(present)
        )

    found = []
    for account, choice, decided in notes.choices:
        one = note(account_staging.CHOICE, account, choice, decided)
        if decided is not None:
            one = one._replace(number=int(decided.value), since=decided.since, origin=decided.origin)
        found.append(one)
    for account, attribute, said in notes.said:
        found.append(note(account_staging.SAID, account, attribute, said)._replace(value=said))
    for account, since, version in notes.versions:
        found.append(note(account_staging.VERSION, account, since, version)._replace(number=version))
    return found
