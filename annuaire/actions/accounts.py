"""What every writer of an APICRYPT entry obeys: choices, interop address, versions, and what the store remembers.

Imports, commands and LDAP writes all go through `settle`: given an entry as it is and as somebody wants it, the
entry as it will be kept, and the notes to keep beside it in the same transaction. It reads no store and writes
none; who calls it brings the memory of the account (account_memory.py) and asks about addresses.

Who writes decides what a refused choice means. A file may be right about everything else, so its record is taken
without the choice, and a warning says so; an administrator or the person asked for that very thing and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple

from annuaire.actions import rules
from annuaire.actions.account_memory import NOTHING, Addresses, Notes, Remembered, holders
from annuaire.actions.views import ViewSettings
from annuaire.domain import account as accounts
from annuaire.domain import activation, choices, interop, moment, visibility
from annuaire.domain.account import Account
from annuaire.domain.activation import Refusal
from annuaire.domain.domains import Domains
from annuaire.domain.forfait import CLOSED, history
from annuaire.ldap import ber
from annuaire.ldap.results import ResultCode
from annuaire.store.choices import ChoiceRow
from annuaire.store.ledger import LedgerRow

Attributes = dict[str, list[bytes]]

INTEROP, LISTE_ROUGE = choices.CHOICES
SINCE = {INTEROP: "apicryptInteropDepuis", LISTE_ROUGE: "listeRougeDepuis"}
ADDRESS = "apicryptInteropMail"
VERSION, VERSION_SINCE = "apicryptVersion", "apicryptVersionDepuis"
PASSWORD = "userPassword"  # noqa: S105 (an attribute's name)

TRUE, FALSE = b"TRUE", b"FALSE"


class Writing(Enum):
    """Who writes."""

    IMPORT = "import"
    ADMINISTRATOR = "administrator"
    PERSON = "person"


class Order(NamedTuple):
    """Under which rules, when, and in whose name."""

    rules: activation.Rules
    domains: Domains
    now: datetime
    writing: Writing = Writing.IMPORT
    actor: str = choices.IMPORT  # kept as the origin of a choice
    reset: bool = False  # `--reset-choices`
    # The attributes that the writer speaks of; None: all that the entry is to have.
    touched: frozenset[str] | None = None


def order_of(settings: ViewSettings, now: datetime, **more: Any) -> Order:
    """The rules that a configuration asks for."""
    domains = Domains(settings.native, settings.interop, settings.dgs)
    return Order(rules.shipped(settings.profile), domains, now, **more)


class Settled(NamedTuple):
    """The entry as it will be kept."""

    attributes: Attributes
    warnings: tuple[str, ...]  # French: what was not taken, and why
    notes: Notes
    address: str  # the interop address that it has, "" for none
    hides: bool  # strangers lose sight of somebody
    account: Account | None = None  # what is kept, read


class RuleError(Exception):
    """Why an entry is not taken: result code, the protocol's English text, and a sentence for people."""

    def __init__(self, code: int, text: str, french: str) -> None:
        super().__init__(text)
        self.code = int(code)
        self.text = text
        self.french = french


def native(attributes: Mapping[str, Sequence[bytes]]) -> str | None:
    """The key under which an account is remembered; None for an entry that is no account."""
    found = accounts.of(attributes)
    return None if found is None else found.native.lower()


def address_of(attributes: Mapping[str, Sequence[bytes]]) -> str:
    """The interop address of an entry, "" for none."""
    return _text(attributes, ADDRESS).lower()


def asks(attributes: Mapping[str, Sequence[bytes]]) -> int:
    """What a new account wants of the rules: 1 the interop address that it says, 2 a choice, 0 nothing."""
    if attributes.get(ADDRESS):
        return 1
    return 2 if _is_true(attributes, INTEROP) or _is_true(attributes, LISTE_ROUGE) else 0


def settle(
    old: Attributes | None,
    new: Attributes,
    memory: Remembered,
    order: Order,
    addresses: Addresses,
    *,
    created_at: str = "",
    leftover: Remembered = NOTHING,
    read: tuple[Account | None, Account] | None = None,
) -> Settled:
    """Judge an account; RuleError when it is not taken.

    memory: of the account under its native address until now. leftover: what is remembered under a native address
    that it takes only now. created_at: of the entry, when there is one. `old` is an account too, or None. read: both,
    by who has read them already.
    """
    before, wanted = read or (accounts.of(old or {}), accounts.of(new))
    assert wanted is not None
    return _Settling(old, new, before, wanted, memory, leftover, order, addresses, created_at).settled()


def forsaken(old: Attributes, memory: Remembered, order: Order, created_at: str) -> Notes:
    """What to remember of an account whose entry goes, or is an account no more: everything that only it told."""
    account = accounts.of(old)
    assert account is not None
    key = account.native.lower()
    kept = []
    for choice in choices.CHOICES:
        if choice not in memory.choices and old.get(choice):
            since = _text(old, SINCE[choice]) or created_at
            kept.append((key, choice, ChoiceRow(key, choice, _is_true(old, choice), since, choices.IMPORT)))
    versions = {} if memory.versions else dict(history(old, (), created_at))
    if _status(account) != CLOSED:
        versions[moment.format(order.now)] = CLOSED
    return Notes(choices=tuple(kept), versions=tuple((key, *one) for one in versions.items()))


def hides(old: Attributes | None, new: Attributes | None, order: Order) -> bool:
    """Whether strangers see less of an account after a change: Note [Secrecy before availability]."""
    before, after = (None if attributes is None else accounts.of(attributes) for attributes in (old, new))
    return visibility.hides_account(before, after, order.rules, order.now)


class _Settling:
    """One account on its way. The steps stand in their order: each needs what those before it have decided."""

    def __init__(
        self,
        old: Attributes | None,
        new: Attributes,
        before: Account | None,
        wanted: Account,
        memory: Remembered,
        leftover: Remembered,
        order: Order,
        addresses: Addresses,
        created_at: str,
    ) -> None:
        self.old: Attributes = old or {}
        self.before = before
        self.attributes = {name: list(values) for name, values in new.items()}
        self.wanted = wanted
        self.memory = memory
        self.order = order
        self.addresses = addresses
        self.created_at = created_at
        self.imported = order.writing is Writing.IMPORT
        self.key = wanted.native.lower()
        self.warnings: list[str] = []
        self.ledger: list[LedgerRow] = []
        self.kept_choices: dict[tuple[str, str], ChoiceRow | None] = {}
        self.kept_said: dict[tuple[str, str], bytes | None] = {}
        self.kept_versions: dict[tuple[str, str], int | None] = {}
        self.moved: tuple[str, str] | None = None
        if self.before is not None and self.before.native.lower() != self.key:
            self._move(self.before.native.lower(), leftover)

    @cached_property
    def now(self) -> str:
        return moment.format(self.order.now)

    def settled(self) -> Settled:
        self._explicit_address()
        for choice in choices.CHOICES:
            self._choice(choice)
        self._address()
        self._personal()
        self._version()
        # An attribute that the file has and that is empty now would be one without values.
        attributes = {name: values for name, values in self.attributes.items() if values}
        notes = Notes(
            tuple(self.ledger),
            tuple((*place, row) for place, row in self.kept_choices.items()),
            tuple((*place, value) for place, value in self.kept_said.items()),
            tuple((*place, version) for place, version in self.kept_versions.items()),
            self.moved,
        )
        account = accounts.of_changed(attributes, self.old, self.before)
        hidden = self.before is not None and visibility.hides_account(
            self.before, account, self.order.rules, self.order.now
        )
        return Settled(attributes, tuple(self.warnings), notes, _text(attributes, ADDRESS), hidden, account)

    def _move(self, former: str, leftover: Remembered) -> None:
        """The native address is another one: what is remembered of the account goes along.

        What somebody left behind who once had the new address is not theirs, and goes.
        """
        self.moved = (former, self.key)
        for row in leftover.choices.values():
            self.kept_choices[self.key, row.choice] = None
        for attribute in leftover.said:
            self.kept_said[self.key, attribute] = None
        for since, _ in leftover.versions:
            self.kept_versions[self.key, since] = None
        for row in self.memory.choices.values():
            self.kept_choices[former, row.choice] = None
            self.kept_choices[self.key, row.choice] = row._replace(account=self.key)
        for attribute, value in self.memory.said.items():
            self.kept_said[former, attribute] = None
            self.kept_said[self.key, attribute] = value
        for since, version in self.memory.versions:
            self.kept_versions[former, since] = None
            self.kept_versions[self.key, since] = version

    # --- Addresses: Note [An interop address is never given twice] ---

    def _explicit_address(self) -> None:
        held, given = _text(self.old, ADDRESS).lower(), _text(self.attributes, ADDRESS).lower()
        mentioned = self._mentions(ADDRESS)
        if held and not given:
            if not self.imported:
                raise RuleError(
                    ResultCode.unwillingToPerform,
                    f"{ADDRESS}: an address is kept for good, also while exchanges are closed",
                    "L'adresse d'interopérabilité est conservée, même quand les échanges sont fermés.",
                )
            given = held
        elif given and mentioned and held and self.imported and not self.order.reset:
            said = self._said(ADDRESS)
            if said is not None and said == (given.encode(),):
                given = held  # what an administrator gave since
            else:
                self._remember_said(ADDRESS, None)
        if given:
            self.attributes[ADDRESS] = [given.encode()]
        if not given or (given == held and not mentioned):
            return
        if given == held and self._is_theirs(self.addresses.row(given)):
            return
        if self.order.writing is Writing.PERSON:
            raise RuleError(
                ResultCode.insufficientAccessRights,
                f"{ADDRESS}: an administrator gives it",
                "L'adresse d'interopérabilité est attribuée par l'administrateur.",
            )
        if not interop.valid_explicit(given, self.order.domains.interop):
            domains = ", ".join(self.order.domains.interop)
            raise RuleError(
                ResultCode.constraintViolation,
                f"{ADDRESS}: not an address that can be given: letters, digits and single dots, hyphens or"
                f" underscores, at one of {domains}",
                "Cette adresse ne peut pas être donnée : lettres, chiffres, points, tirets et soulignés isolés,"
                f" dans l'un des domaines {domains}.",
            )
        row = self.addresses.row(given)
        if (
            self.addresses.used(row)
            if row is not None and self._is_theirs(row)
            else self.addresses.taken(given)
        ):
            raise RuleError(
                ResultCode.constraintViolation,
                f"{ADDRESS}: {given} is somebody else's, or was once",
                f"L'adresse {given} est, ou a été, celle de quelqu'un d'autre.",
            )
        if row is None:
            self.ledger.append(LedgerRow(given, holders(self.wanted)[0], self.now, interop.GIVEN))
        if not self.imported:
            self._remember_source(ADDRESS, [held.encode()] if held else [], [given.encode()])

    def _is_theirs(self, row: LedgerRow | None) -> bool:
        """Whether an address is this account's for the ledger, under its names of now or the native one until now."""
        former = [] if self.before is None else [self.before.native.lower()]
        return row is not None and row.holder in [*holders(self.wanted), *former]

    def _mentions(self, attribute: str) -> bool:
        """Whether the writer speaks of an attribute."""
        touched = self.order.touched
        return attribute in self.attributes if touched is None else attribute in touched

    def _address(self) -> None:
        """What exchanges that are open need. An entry that describes somebody else now has not their address."""
        present = _text(self.attributes, ADDRESS)
        if present and present == _text(self.old, ADDRESS).lower():
            row = self.addresses.row(present)
            if row is None:
                self.ledger.append(LedgerRow(present, holders(self.wanted)[0], self.now, interop.GIVEN))
            elif not self._is_theirs(row):
                self.warnings.append(
                    f"{self.wanted.native} décrit une autre personne : l'adresse {present} reste à la première."
                )
                del self.attributes[ADDRESS]
                present = ""
        if present or not _is_true(self.attributes, INTEROP):
            return
        held = interop.in_order([row for row in self.memory.ledger if not self.addresses.used(row)])
        address = interop.allocate(
            self.wanted._replace(interop=""),
            _text(self.attributes, "givenName"),
            _text(self.attributes, "sn"),
            self.order.domains.interop[0],
            self.addresses.taken,
            held,
        )
        if address not in held:
            self.ledger.append(LedgerRow(address, holders(self.wanted)[0], self.now, interop.ALLOCATED))
        self.attributes[ADDRESS] = [address.encode()]

    # --- Choices: Note [A person's choice outlives every import] ---

    def _choice(self, choice: str) -> None:
        mentioned = self._mentions(choice)
        # Of an account that there was, the entry itself tells it.
        remembered = self.memory.choices.get(choice) if mentioned or self.before is None else None
        held, since = list(self.old.get(choice, ())), _text(self.old, SINCE[choice])
        if self.before is None and remembered is not None:
            held, since = [TRUE if remembered.value else FALSE], remembered.since
        asked, given = self.attributes.get(choice, []), _text(self.attributes, SINCE[choice])
        if not mentioned:
            values = held
            if self.before is None and remembered is not None and remembered.origin == choices.IMPORT:
                self.kept_choices[self.key, choice] = None  # the entry tells it again
        elif self.imported:
            values = self._choice_of_file(choice, held, asked or [FALSE], remembered)
        else:
            values = self._choice_of_person(choice, held, asked)
        self.attributes[choice] = values
        changed = (values == [TRUE]) != (held == [TRUE])
        if changed or not (since or held):
            usable = self.imported and given != since and moment.parse(given) is not None
            since = given if usable else self.now if changed else ""
        self.attributes[SINCE[choice]] = [since.encode()] if since else []
        mine = remembered is not None and remembered.origin != choices.IMPORT
        if not self.imported and mentioned and (changed or not mine):
            row = ChoiceRow(self.key, choice, values == [TRUE], since or self.now, self.order.actor)
            self.kept_choices[self.key, choice] = row

    def _choice_of_file(
        self, choice: str, held: list[bytes], asked: list[bytes], remembered: ChoiceRow | None
    ) -> list[bytes]:
        said = self._said(choice)
        chosen = remembered is not None and remembered.origin != choices.IMPORT
        outcome = choices.choice(held, said, asked, chosen, self.order.reset)
        taken = not chosen or (self.order.reset and outcome.said is None)
        if list(outcome.values) == [TRUE] and held != [TRUE]:
            refusal = self._refusal(choice)
            if refusal is not None:
                outcome, taken = choices.not_taken(held, asked), not chosen
                if said is None or list(said) != asked or self.order.reset:
                    self.warnings.append(refusal.text)
        elif outcome.warning:
            self.warnings.append("Un choix de la personne passe avant celui du fichier (--reset-choices).")
        self._remember_said(choice, outcome.said)
        if remembered is not None and taken:
            self.kept_choices[self.key, choice] = None  # the entry tells it again
        return list(outcome.values)

    def _choice_of_person(self, choice: str, held: list[bytes], asked: list[bytes]) -> list[bytes]:
        if asked == [TRUE] and held != [TRUE]:
            refusal = self._refusal(choice)
            if refusal is not None:
                raise RuleError(ResultCode.unwillingToPerform, _ENGLISH[refusal.code], refusal.text)
        self._remember_source(choice, held, asked)
        return asked

    def _refusal(self, choice: str) -> Refusal | None:
        """Why this account may not make that choice, given what was decided of those before it."""
        account = accounts.of(self.attributes)
        assert account is not None
        if choice == INTEROP:
            return activation.refusal(account, self.order.rules, self.order.now)
        return activation.liste_rouge_refusal(account._replace(liste_rouge=False))

    # --- What the source said ---

    def _said(self, attribute: str) -> tuple[bytes, ...] | None:
        encoded = self.memory.said.get(attribute)
        return None if encoded is None else tuple(ber.decode_attributes(encoded).get(attribute, ()))

    def _remember_said(self, attribute: str, said: Sequence[bytes] | None) -> None:
        encoded = None
        if said is not None:
            encoded = ber.encode_attributes({attribute: list(said)} if said else {})
        if encoded != self.memory.said.get(attribute) or (self.key, attribute) in self.kept_said:
            self.kept_said[self.key, attribute] = encoded

    def _remember_source(self, attribute: str, held: Sequence[bytes], now: Sequence[bytes]) -> None:
        """Somebody else than the source gives an attribute another value: keep what the source said of it."""
        if self.before is None or sorted(held) == sorted(now):
            return
        said = self._said(attribute)
        source = tuple(held) if said is None else said
        self._remember_said(attribute, None if sorted(source) == sorted(now) else source)

    def _personal(self) -> None:
        """Attributes that the person may change. A file that has no password takes none away."""
        old, new = self.old, self.attributes
        if not self.imported:
            other = [name for name in {*old, *new} if old.get(name) != new.get(name)]
            for attribute in filter(choices.is_personal, other):
                self._remember_source(attribute, old.get(attribute, []), new.get(attribute, []))
            return
        touched = self.order.touched
        for attribute in sorted(filter(choices.is_personal, {*old, *new, *self.memory.said})):
            held, asked = old.get(attribute, []), new.get(attribute, [])
            if touched is not None and attribute not in touched:
                continue
            said = None if self.before is None else self._said(attribute)
            if asked:
                outcome = choices.personal(held, said, asked, self.order.reset)
                values, said = list(outcome.values), outcome.said
            elif touched is None and attribute == PASSWORD:
                values = held
            elif touched is None and said is not None:
                values, said = held, ()  # what is there now never was the source's
            else:
                values, said = [], None
            self.attributes[attribute] = values
            self._remember_said(attribute, said if said is None or sorted(said) != sorted(values) else None)

    # --- Versions, for the yearly statement ---

    def _version(self) -> None:
        before, given, held = (
            self.before,
            _text(self.attributes, VERSION_SINCE),
            _text(self.old, VERSION_SINCE),
        )
        if before is None:
            known = sorted(self.memory.versions)
            if known and known[-1][1] != _status(self.wanted):
                self._keep_version(given if moment.parse(given) else self.now, _status(self.wanted))
            return
        if before.version != self.wanted.version:
            since = given if moment.parse(given) and given != held else self.now
            self.attributes[VERSION_SINCE] = [since.encode()]
        elif not given and held and self.order.touched is None and self.imported:
            since = held
            self.attributes[VERSION_SINCE] = [held.encode()]
        else:
            since = given
        now = _status(self.wanted)
        if _status(before) != now:
            if not self.memory.versions:
                for at, version in history(self.old, (), self.created_at or self.now):
                    self._keep_version(at, version)
            # A closed or opened subscription changes today, whatever version it had since when.
            self._keep_version(since if before.version != self.wanted.version and now else self.now, now)
        elif since and since != held and self.memory.versions:
            self._keep_version(since, now)

    def _keep_version(self, since: str, version: int) -> None:
        self.kept_versions[self.key, since] = version


_ENGLISH = {
    activation.VERSION: "apicryptInterop: only version 2 of APICRYPT exchanges with the trust space",
    activation.PROFESSION: "apicryptInterop: the trust space is not open to this profession",
    activation.STATE: "apicryptInterop: the subscription is not active",
    activation.CALENDAR: "apicryptInterop: exchanges with the trust space are not open yet in this region",
    activation.INTEROP_OFF: "listeRouge: possible once exchanges with the trust space are open",
}


def _status(account: Account) -> int:
    """The version that counts: none of a closed subscription."""
    return CLOSED if account.state == accounts.CLOSED else account.version


def _text(attributes: Mapping[str, Sequence[bytes]], name: str) -> str:
    values = attributes.get(name)
    return values[0].decode("utf-8", "replace") if values else ""


def _is_true(attributes: Mapping[str, Sequence[bytes]], name: str) -> bool:
    return _text(attributes, name).upper() == "TRUE"
