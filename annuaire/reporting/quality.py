"""How good the national rows are: which reach no view and why, what is doubtful, and how old everything is.

Counts rows one by one as they stream past; keeps a few examples of each kind, and the rows of our own domains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from annuaire.domain import address as addresses
from annuaire.domain import mailbox, reliability
from annuaire.domain.mailbox import Mailbox
from annuaire.domain.reliability import Rules
from annuaire.reporting import subscriptions
from annuaire.store.engine import Reader
from annuaire.store.imports import ImportRow
from annuaire.store.records import ACTIVITIES, MAILBOXES

EXAMPLES = 5
# Domains outside the liste blanche that are named, those of most rows first.
UNLISTED_NAMED = 10
IMPORTS = 5
_LEDGER_AT_ONCE = 10_000

NO_ACCOUNT = "sans-compte"
OTHER_ADDRESS = "autre-adresse"
OTHER_HOLDER = "autre-titulaire"

# Why a national row in one of our domains is not what our accounts say.
UNEXPLAINED: dict[str, str] = {
    NO_ACCOUNT: "personne n'a ici de compte sous cette identification",
    OTHER_ADDRESS: "la personne a un compte, sans cette adresse",
    OTHER_HOLDER: "l'adresse est réservée à quelqu'un d'autre",
}


class Example(NamedTuple):
    """One row of a kind, so that somebody can look it up."""

    address: str
    holder: str
    name: str


class Count(NamedTuple):
    """Rows of one kind."""

    code: str
    says: str
    rows: int
    examples: tuple[Example, ...]


class Source(NamedTuple):
    """What one source has said, and when it last said something new (GeneralizedTime, "" for never)."""

    name: str
    rows: int
    first: str
    last: str


class Accounts(NamedTuple):
    """Our own side, as far as it matters to the national one."""

    total: int
    identified: int
    wrong_digit: int  # an RPPS with a wrong check digit


class Quality(NamedTuple):
    """The whole report."""

    sources: tuple[Source, ...]
    people: int  # holders of personal mailboxes
    structures: int
    reliable: int  # rows
    reasons: tuple[Count, ...]
    warnings: tuple[Count, ...]
    unlisted: tuple[tuple[str, int], ...]
    explained: int  # rows in our domains that an account explains
    unexplained: tuple[Count, ...]
    accounts: Accounts
    ledger: dict[str, int]  # addresses by origin
    liste_blanche: dict[str, Any] | None
    imports: tuple[ImportRow, ...]


class _Counting:
    """Counts of several kinds, with the first examples of each."""

    def __init__(self, kinds: dict[str, str]) -> None:
        self._kinds = kinds
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[Example]] = {}

    def add(self, code: str, address: str, holder: str, name: str) -> None:
        self._counts[code] += 1
        kept = self._examples.setdefault(code, [])
        if len(kept) < EXAMPLES:
            kept.append(Example(address, holder, name))

    def counts(self) -> tuple[Count, ...]:
        """In the order of the kinds, without those that no row has."""
        return tuple(
            Count(code, says, self._counts[code], tuple(self._examples[code]))
            for code, says in self._kinds.items()
            if self._counts[code]
        )


class _Ours(NamedTuple):
    """A national row in one of our domains."""

    address: str
    holder: str
    name: str
    personal: bool


def report(reader: Reader, rules: Rules) -> Quality:
    """Read every record once, every account once."""
    reasons, warnings = _Counting(reliability.REASONS), _Counting(reliability.WARNINGS)
    contested = reader.contested()
    unlisted: Counter[str] = Counter()
    ours: list[_Ours] = []
    spans = {MAILBOXES: _Span(), ACTIVITIES: _Span()}
    reliable = people = structures = 0
    last_person = last_structure = None
    for record in reader.records_between("", None):
        spans[record.source].take(record.first, record.last)
        if record.source != MAILBOXES:
            continue
        row = mailbox.parse(record.line)
        if row.type_bal == mailbox.PERSONAL:
            people += record.holder != last_person
            last_person = record.holder
        else:
            structures += record.holder != last_structure
            last_structure = record.holder
        reason = reliability.judge(row, rules, record.address in contested)
        if reason is None:
            reliable += 1
        else:
            reasons.add(reason, row.address, record.holder, _name(row))
            if reason == reliability.UNLISTED:
                unlisted[addresses.domain_of(row.address)] += 1
            elif reason == reliability.OURS:
                personal = row.type_bal == mailbox.PERSONAL
                ours.append(_Ours(record.address, record.holder, _name(row), personal))
        for warning in reliability.warnings(row):
            warnings.add(warning, row.address, record.holder, _name(row))
    accounts, explained, unexplained = _compared(reader, ours)
    return Quality(
        sources=tuple(
            Source(name, span.rows, span.first, span.last)
            for name, span in (("mssante", spans[MAILBOXES]), ("ps-libreacces", spans[ACTIVITIES]))
        ),
        people=people,
        structures=structures,
        reliable=reliable,
        reasons=reasons.counts(),
        warnings=warnings.counts(),
        unlisted=tuple(sorted(unlisted.items(), key=lambda one: (-one[1], one[0]))[:UNLISTED_NAMED]),
        explained=explained,
        unexplained=unexplained,
        accounts=accounts,
        ledger=_ledger(reader),
        liste_blanche=reader.liste_blanche(),
        imports=tuple(reader.imports(IMPORTS)),
    )


class _Span:
    """How many rows there are of a source, and between which moments they came."""

    def __init__(self) -> None:
        self.rows = 0
        self.first = self.last = ""

    def take(self, first: str, last: str) -> None:
        self.rows += 1
        if not self.first or first < self.first:
            self.first = first
        if last > self.last:
            self.last = last


def _compared(reader: Reader, ours: Iterable[_Ours]) -> tuple[Accounts, int, tuple[Count, ...]]:
    """The national rows in our domains beside the accounts that should be behind them."""
    owners: dict[str, str] = {}
    holders: set[str] = set()
    count = identified = wrong = 0
    for one in subscriptions.every(reader):
        count += 1
        identified += one.identified
        wrong += bool(reliability.wrong_person_digit(one.text("TypeIdentifiantPP"), one.account.national))
        holders.add(one.holder)
        for address in (one.account.native, one.account.interop):
            if address:
                owners[address.lower()] = one.holder
    rows = list(ours)
    taken = reader.taken_among([row.address for row in rows])
    unexplained = _Counting(UNEXPLAINED)
    explained = 0
    for row in rows:
        owner = owners.get(row.address)
        if owner is not None and (owner == row.holder or not row.personal):
            explained += 1
            continue
        reserved = taken.get(row.address)
        if owner is not None or (reserved is not None and reserved.holder != row.holder):
            code = OTHER_HOLDER
        else:
            code = OTHER_ADDRESS if row.holder in holders else NO_ACCOUNT
        unexplained.add(code, row.address, row.holder, row.name)
    return Accounts(count, identified, wrong), explained, unexplained.counts()


def _ledger(reader: Reader) -> dict[str, int]:
    origins: Counter[str] = Counter()
    after = ""
    while rows := reader.ledger_after(after, _LEDGER_AT_ONCE):
        origins.update(row.origin for row in rows)
        after = rows[-1].address
    return dict(sorted(origins.items()))


def _name(row: Mailbox) -> str:
    return f"{row.nom} {row.prenom}".strip() or row.service or row.raison_sociale
