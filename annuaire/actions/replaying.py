"""Takes a file of changes step by step, in its order, on entries as they will be: each step sees the last one's.

Nothing is written to the store: the states that result are staged (store/staging.py) and applied later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from heapq import merge

from annuaire.actions import accounts, entry_rules, preparing
from annuaire.actions.accounts import RuleError
from annuaire.actions.import_accounts import ImportAccounts, Item
from annuaire.actions.preparing import Preparation, RefusedError
from annuaire.domain import account
from annuaire.errors import Malformed
from annuaire.importing.records import Change, Delete, Modify, ModifyDn
from annuaire.ldap import dn, modification, renaming
from annuaire.ldap.dn import Dn
from annuaire.ldap.modification import ModificationError
from annuaire.ldap.results import ResultCode
from annuaire.ldap.tree import Place
from annuaire.store.account_staging import NAMED_TWICE
from annuaire.store.engine import Reader
from annuaire.store.entries import EntryRow
from annuaire.store.staging import Staging
from annuaire.store.staging_tables import FIXED, Refused, StagedRow, State

# Line of a record; what it adds, or the text of what it changes.
Step = tuple[int, StagedRow | None, bytes]


class Replay:
    """One pass over the records; the counts are of records, by what they did."""

    def __init__(
        self, staged: Staging, reader: Reader, preparation: Preparation, accounts: ImportAccounts
    ) -> None:
        self._staged = staged
        self._reader = reader
        self._preparation = preparation
        self._accounts = accounts
        self._line = 0
        self._schema = preparation.schema
        self.counts: Counter[str] = Counter()
        self.ignored: Counter[str] = Counter()
        self.warnings = 0

    def run(self) -> None:
        adds: Iterator[Step] = ((row.line, row, b"") for row in _adds(self._staged))
        steps: Iterator[Step] = ((line, None, text) for line, text in _steps(self._staged))
        for line, row, text in merge(adds, steps, key=lambda one: one[0]):
            name = ""
            self._line = line
            try:
                if row is not None:
                    name = row.dn
                    self._add(row)
                else:
                    change = preparing.change_of(text, line)
                    name = change.dn.replace("\0", "\\00")
                    self._step(change)
            except RefusedError as refused:
                self._staged.refuse([Refused(line, name, refused.code, refused.reason, text or None)])
        before = self._staged.count_refused()
        self._staged.refuse_adrift(entry_rules.closed(self._schema))
        self.counts["added"] -= self._staged.count_refused() - before

    def _step(self, change: Change) -> None:
        if isinstance(change, Delete):
            self._delete(change)
        elif isinstance(change, Modify):
            self._modify(change)
        elif isinstance(change, ModifyDn):
            self._rename(change)

    def _add(self, row: StagedRow) -> None:
        if row.kind == FIXED:
            self.counts["unchanged"] += 1
            return
        if self._find(row.key) is not None:
            raise RefusedError(ResultCode.entryAlreadyExists, "the entry exists already")
        attributes = row.attributes
        if row.account is not None:
            wanted = preparing.decode(row.attributes, row.passwords)
            settled = self._settled(None, row.uuid, None, wanted, None)
            attributes, _ = preparing.encode(settled)
        self._staged.change(
            State(
                0, None, row.line, 0, 0, 0, row.dn, row.key, row.parent, None,
                row.uuid, attributes, row.passwords, row.structural, row.person,
                row.account,
            )
        )  # fmt: skip
        self.counts["added"] += 1

    def _delete(self, change: Delete) -> None:
        state = self._existing(change.dn)
        if self._staged.has_children(state.key):
            raise RefusedError(ResultCode.notAllowedOnNonLeaf, "entries lie below it: delete them first")
        if state.account is not None:
            old = preparing.decode(state.attributes, state.passwords)
            self._accounts.gone(self._reader, Item(self._line, self._entry(state), state.uuid, old, {}))
        self._staged.change(state._replace(gone=1))
        self.counts["removed"] += 1

    def _modify(self, change: Modify) -> None:
        state = self._existing(change.dn)
        old = preparing.decode(state.attributes, state.passwords)
        changes = []
        for operation, attribute, values in change.changes:
            description = self._preparation.canonical(attribute)
            if not description:
                self.ignored[attribute] += 1
                continue
            changes.append((operation, attribute, self._preparation.rebased(description, values)))
        if len(changes) < len(change.changes):
            self.warnings += 1
        try:
            new = modification.apply(old, changes, self._schema)
        except ModificationError as error:
            raise RefusedError(error.violation.code, error.violation.text) from None
        if new == old and state.account is None:
            # Of an account it may be remembered that its source says so now.
            self.counts["unchanged"] += 1
            return
        name = dn.parse(state.dn)
        missing = [pair for pair in name.rdn.pairs if not renaming.holds(new, pair, self._schema)]
        if missing and all(renaming.holds(old, pair, self._schema) for pair in missing):
            raise RefusedError(
                ResultCode.notAllowedOnRDN, f"{missing[0][0]} names the entry: rename it (changetype: modrdn)"
            )
        touched = frozenset([self._preparation.canonical(one[1]) for one in changes])
        kept = self._keep(state, name, old, new, touched)
        self.counts["changed" if kept else "unchanged"] += 1

    def _rename(self, change: ModifyDn) -> None:
        state = self._existing(change.dn)
        name = dn.parse(state.dn)
        new_name, new_key = self._new_name(name, change)
        found = self._find(new_key)
        if found is not None and new_key != state.key:
            raise RefusedError(ResultCode.entryAlreadyExists, "an entry of the new name exists already")
        new_parent = dn.parent_key(new_key)
        above = self._find(new_parent)
        if above is None:
            raise RefusedError(ResultCode.noSuchObject, "the new superior does not exist")
        if new_parent != state.parent:
            preparing.obey(entry_rules.below(above.structural, self._schema))
        old = preparing.decode(state.attributes, state.passwords)
        new = renaming.values(old, name.rdn, new_name.rdn, change.delete_old_rdn, self._schema)
        below = self._below(state.key)
        moved = state._replace(dn=dn.format(new_name), key=new_key, parent=new_parent, moved=1)
        named = (*name.rdn.pairs, *new_name.rdn.pairs)
        self._keep(moved, new_name, old, new, frozenset([self._schema.canonical(one[0]) for one in named]))
        for child in below:
            child_name = renaming.moved(dn.parse(child.dn), name, new_name)
            key = self._preparation.key(child_name)
            preparing.obey(entry_rules.placed(child.account is not None, key, self._preparation.tree))
            self._staged.change(
                child._replace(dn=dn.format(child_name), key=key, parent=dn.parent_key(key), moved=1)
            )
        self.counts["changed"] += 1

    def _new_name(self, name: Dn, change: ModifyDn) -> tuple[Dn, bytes]:
        try:
            rdn = dn.parse_rdn(change.new_rdn)
        except Malformed as malformed:
            raise RefusedError(ResultCode.invalidDNSyntax, f"newrdn: {malformed.public}") from None
        superior = name.parent
        if change.new_superior is not None:
            superior, _ = self._preparation.name(change.new_superior)
        new_name = Dn((rdn, *superior.rdns))
        self._preparation.named(new_name)
        new_key = self._preparation.key(new_name)
        fault = renaming.fault(self._preparation.key(name), new_key, self._preparation.tree)
        if fault is not None:
            raise RefusedError(fault.code, fault.text)
        if self._preparation.place(new_key) is Place.FIXED:
            raise RefusedError(ResultCode.entryAlreadyExists, "an entry of the new name exists already")
        return new_name, new_key

    def _keep(
        self,
        state: State,
        name: Dn,
        old: dict[str, list[bytes]],
        new: dict[str, list[bytes]],
        touched: frozenset[str],
    ) -> bool:
        """Check the entry as it will be, and keep it so; whether it is another."""
        self._preparation.agree(name, new, state.key)
        self.warnings += len(preparing.obey(entry_rules.judge(old, new)).warnings)
        structural = self._preparation.structural(new)
        preparing.obey(entry_rules.reclassed(state.structural, structural))
        if state.account is not None or accounts.native(new) is not None:
            new = self._settled(self._entry(state), state.uuid, old, new, touched)
            if new == old and not state.moved:
                return False
        described = account.described(new, state.uuid)
        attributes, passwords = preparing.encode(new)
        self._staged.change(
            state._replace(
                attributes=attributes,
                passwords=passwords,
                structural=structural,
                changed=1,
                **described._asdict(),
            )
        )
        return True

    def _settled(
        self,
        entry: EntryRow | None,
        uuid: bytes,
        old: dict[str, list[bytes]] | None,
        new: dict[str, list[bytes]],
        touched: frozenset[str] | None,
    ) -> dict[str, list[bytes]]:
        """An account as the rules let it be kept."""
        native = accounts.native(new)
        if native is not None and self._is_anothers(native, uuid):
            raise RefusedError(ResultCode.constraintViolation, NAMED_TWICE)
        try:
            return self._accounts.step(self._reader, Item(self._line, entry, uuid, old, new), touched)
        except RuleError as error:
            raise RefusedError(error.code, error.text) from None

    def _is_anothers(self, native: str, uuid: bytes) -> bool:
        """Whether another account has this native address after the steps so far."""
        state = self._staged.state_named(native)
        if state is not None:
            return state.uuid != uuid
        found = self._reader.entries_of_account(native)
        return any(row.uuid != uuid and not self._staged.is_touched(row.id) for row in found)

    def _entry(self, state: State) -> EntryRow | None:
        return None if state.entry is None else self._reader.entry_by_id(state.entry)

    def _existing(self, text: str) -> State:
        """The entry that a step is about, which must be there and may be changed."""
        _, key = self._preparation.name(text)
        if self._preparation.place(key) is Place.FIXED:
            raise RefusedError(ResultCode.unwillingToPerform, "this entry always exists as it is")
        state = self._find(key)
        if state is None:
            raise RefusedError(ResultCode.noSuchObject, "there is no such entry")
        return state

    def _find(self, key: bytes) -> State | None:
        """What lies at a key after the steps so far."""
        state = self._staged.state_at(key)
        if state is not None:
            return state
        entry = self._reader.entry(key)
        if entry is None or self._staged.is_touched(entry.id):
            return None
        return State(
            0, entry.id, None, 0, 0, 0, entry.dn, entry.key, entry.parent, entry.key,
            entry.uuid, entry.attributes, entry.passwords, entry.structural, entry.person,
            entry.account,
        )  # fmt: skip

    def _below(self, key: bytes) -> list[State]:
        """Everything below a key, parents first."""
        below = self._staged.states_below(key)
        for entry in self._reader.subtree(key):
            if not self._staged.is_touched(entry.id):
                found = self._find(entry.key)
                assert found is not None
                below.append(found)
        return sorted(below, key=lambda state: state.key)


def _adds(staged: Staging) -> Iterator[StagedRow]:
    after = 0
    while rows := staged.adds_in_order(after):
        yield from rows
        after = rows[-1].line


def _steps(staged: Staging) -> Iterator[tuple[int, bytes]]:
    after = 0
    while rows := staged.steps_in_order(after):
        yield from rows
        after = rows[-1][0]
