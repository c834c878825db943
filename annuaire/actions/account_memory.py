"""What the store remembers of accounts beside their entries: brought to the rules, and kept as they say.

The rules themselves are in accounts.py. Everything is kept by native address in lower case, so that it outlives the
entry; the ledger is kept by holder, so that it outlives the native address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

from annuaire.domain import account as accounts
from annuaire.domain import identifiers
from annuaire.domain.account import Account
from annuaire.ldap import ber
from annuaire.store.choices import ChoiceRow
from annuaire.store.engine import Reader, Writer
from annuaire.store.entries import EntryRow
from annuaire.store.ledger import LedgerRow


class Remembered(Protocol):
    """What is remembered of one account, part by part: most changes are judged without most of it."""

    @property
    def choices(self) -> Mapping[str, ChoiceRow]: ...
    @property
    def said(self) -> Mapping[str, bytes]: ...
    @property
    def versions(self) -> Sequence[tuple[str, int]]: ...
    @property
    def ledger(self) -> Sequence[LedgerRow]: ...


class Memory(NamedTuple):
    """All of it, known beforehand."""

    choices: Mapping[str, ChoiceRow] = {}
    said: Mapping[str, bytes] = {}  # ber.encode_attributes
    versions: Sequence[tuple[str, int]] = ()
    ledger: Sequence[LedgerRow] = ()  # of its holder


NOTHING = Memory()


class Notes(NamedTuple):
    """What to keep in the transaction of the entry. None as a value: what was remembered is forgotten."""

    ledger: tuple[LedgerRow, ...] = ()
    choices: tuple[tuple[str, str, ChoiceRow | None], ...] = ()  # account, choice
    said: tuple[tuple[str, str, bytes | None], ...] = ()  # account, attribute
    versions: tuple[tuple[str, str, int | None], ...] = ()  # account, since
    # Addresses of an account without identification follow its native address: from, to.
    moved: tuple[str, str] | None = None

    @property
    def empty(self) -> bool:
        return not (self.ledger or self.choices or self.said or self.versions or self.moved)


class Addresses(Protocol):
    """Whose an address is, asked in the name of one account."""

    def row(self, address: str) -> LedgerRow | None:
        """What the ledger says of it, what this transaction will add included."""
        ...

    def taken(self, address: str) -> bool:
        """Whether the ledger has it or it is a mailbox of either directory."""
        ...

    def used(self, row: LedgerRow) -> bool:
        """Whether another account of the same holder has it now."""
        ...


def holders(account: Account) -> list[str]:
    """Under which names the ledger may know an account; the first is the one that new rows take."""
    identified = [account.national] if identifiers.is_well_formed("", account.national) else []
    return [*identified, account.native.lower()]


class StoreMemory:
    """As the store has it, each part read when it is first asked for: before anything of the change is written.

    `holder`: whose addresses they are, when the account describes another person now.
    """

    def __init__(self, reader: Reader, account: Account, holder: Account | None = None) -> None:
        self._reader = reader
        self._key = account.native.lower()
        self._holder = holder or account

    @cached_property
    def choices(self) -> Mapping[str, ChoiceRow]:
        return {row.choice: row for row in self._reader.choices_of(self._key)}

    @cached_property
    def said(self) -> Mapping[str, bytes]:
        return self._reader.said(self._key)

    @cached_property
    def versions(self) -> Sequence[tuple[str, int]]:
        return self._reader.versions_of(self._key)

    @cached_property
    def ledger(self) -> Sequence[LedgerRow]:
        return [row for holder in holders(self._holder) for row in self._reader.ledger_of(holder)]


def keep(writer: Writer, notes: Notes) -> None:
    """Write what the rules want to be remembered."""
    if notes.moved is not None:
        writer.move_holder(*notes.moved)
    for row in notes.ledger:
        writer.allocate(row)
    # First what goes: what is kept may be the same row, of an account that takes the place of another.
    for account, choice, decided in notes.choices:
        if decided is None:
            writer.forget_choice(account, choice)
    for account, attribute, said in notes.said:
        if said is None:
            writer.forget_said(account, attribute)
    for account, since, version in notes.versions:
        if version is None:
            writer.forget_version(account, since)
    for _, _, decided in notes.choices:
        if decided is not None:
            writer.keep_choice(decided)
    for account, attribute, said in notes.said:
        if said is not None:
            writer.keep_said(account, attribute, said)
    for account, since, version in notes.versions:
        if version is not None:
            writer.keep_version(account, since, version)


class StoreAddresses:
    """Addresses as the store has them, asked for the entry with this id (0: a new one)."""

    def __init__(self, reader: Reader, entry: int) -> None:
        self._reader = reader
        self._entry = entry

    def row(self, address: str) -> LedgerRow | None:
        return self._reader.ledger_row(address)

    def taken(self, address: str) -> bool:
        return self._reader.ledger_row(address) is not None or is_mailbox(self._reader, address)

    def used(self, row: LedgerRow) -> bool:
        return uses(of_holder(self._reader, row.holder), row.address, self._entry)


def is_mailbox(reader: Reader, address: str) -> bool:
    """Whether an address is a native one, or a mailbox that somebody has elsewhere."""
    return bool(reader.entries_of_account(address) or reader.holders_of_address(address))


def of_holder(reader: Reader, holder: str) -> list[EntryRow]:
    """The accounts that a row of the ledger may belong to."""
    return reader.entries_of_account(holder) if "@" in holder else reader.accounts_of(holder)


def uses(rows: Iterable[EntryRow], address: str, but: int) -> bool:
    for row in rows:
        if row.id == but:
            continue
        account = accounts.of(ber.decode_attributes(row.attributes))
        if account is not None and account.interop.lower() == address:
            return True
    return False
