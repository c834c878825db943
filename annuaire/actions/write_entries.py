"""LDAP writes on the store: each job done or refused by itself, all of a batch durable in one commit.

What a job finds is what the jobs before it left, in this batch or in another process's: the store's write lock is
held throughout. What the schema says is asked once, of the entry as it will be (RFC 4511 §4.6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from annuaire.actions import (
    entry_rules,
    preparing,
    recording,
    references,
    relaxing,
    standing,
    views,
    write_telling,
)
from annuaire.actions.entry_rules import Verdict
from annuaire.actions.recording import Recording
from annuaire.actions.source import StoreSource
from annuaire.domain import account
from annuaire.domain.account import Account
from annuaire.errors import AnnuaireError, Malformed, Unavailable
from annuaire.index.folder import IndexFolder
from annuaire.ldap import dn, modification, renaming, tree, write_controls, written_values
from annuaire.ldap.dn import Dn
from annuaire.ldap.messages import (
    ADD_VALUES,
    DELETE_VALUES,
    INCREMENT,
    REPLACE_VALUES,
    AddRequest,
    Control,
    DeleteRequest,
    ModifyDnRequest,
    ModifyRequest,
)
from annuaire.ldap.modification import Attributes, ModificationError
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema
from annuaire.ldap.tree import Place, Tree
from annuaire.ldap.write_controls import Asked, NoOperation
from annuaire.ldap.writing import PasswordChange, WriteGroup, WriteJob, WriteOutcome, WriteRefusedError
from annuaire.store import engine
from annuaire.store.engine import Writer
from annuaire.store.entries import EntryRow, Moved, NewEntry

_OPERATIONS = {
    ADD_VALUES: modification.ADD,
    DELETE_VALUES: modification.DELETE,
    REPLACE_VALUES: modification.REPLACE,
    INCREMENT: modification.INCREMENT,
}


class Kept(NamedTuple):
    """An entry as the rules let it be kept: what a write wanted, and what the rules make of it."""

    attributes: Attributes
    hides: bool = False  # strangers lose sight of somebody by it
    account: Account | None = None  # that it is


_NOTHING = Asked()

# Judges an entry that is to be (old is None: new; new is None: gone) and records in the transaction what it implies.
# Raises WriteRefusedError.
Rules = Callable[[Writer, WriteJob, EntryRow | None, Attributes | None, Attributes | None, bytes], Kept]


class Writes:
    """Performs jobs for one process."""

    def __init__(
        self, source: StoreSource, folder: IndexFolder, further: Sequence[str], rules: Rules, placeholder: str
    ) -> None:
        self._source = source
        self._folder = folder
        self._schema: Schema = source.schema()
        self._tree: Tree = tree.plant(source.suffix, further, self._schema)
        self._rules = rules
        self._references = references.References(source, folder, placeholder)

    def perform(self, jobs: Sequence[WriteJob]) -> list[WriteOutcome | AnnuaireError]:
        """All of them, in order; an outcome each. Durable, and shown by this machine's searches, on return."""
        outcomes: list[WriteOutcome | AnnuaireError] = []
        refusals: list[tuple[WriteJob, WriteOutcome]] = []
        try:
            with recording.recording(self._source, self._folder, jobs[0].actor) as begun:
                for job in jobs:
                    group = job.request if isinstance(job.request, WriteGroup) else None
                    parts = self._all_or_none(begun, (job,) if group is None else group.jobs, refusals)
                    if isinstance(parts, AnnuaireError):
                        outcomes.append(parts)
                    elif group is not None:
                        outcomes.append(replace(parts[-1], controls=(), parts=tuple(parts)))
                    else:
                        outcomes += parts
            if refusals:
                # Whoever was refused for what another one has just written is to find it.
                self._references.reach(begun.writer.committed_head)
        except Unavailable as error:
            # Nothing was committed, or it was and is not visible yet: the text says which.
            return [error] * len(jobs)
        for refusal in refusals:
            write_telling.refused(self._source.told, *refusal)
        return outcomes

    def _all_or_none(
        self, begun: Recording, jobs: Sequence[WriteJob], refusals: list[tuple[WriteJob, WriteOutcome]]
    ) -> list[WriteOutcome] | AnnuaireError:
        """One job, or those of a transaction: done or undone by themselves. How each ended that was begun."""
        parts: list[WriteOutcome] = []
        hidden = False
        try:
            with engine.translated(), begun.savepoint():
                for job in jobs:
                    begun.by(write_telling.by(job))
                    begun.writer.actor = job.actor
                    standing.hold(begun.writer, job)
                    outcome, hides = _One(self, begun.writer, job).run()
                    hidden = hidden or hides
                    parts.append(outcome)
        except WriteRefusedError as refused:
            refusals.append((job, refused.outcome))
            parts.append(refused.outcome)
        except NoOperation as nothing:
            parts.append(nothing.outcome)
        except AnnuaireError:
            raise  # nobody's write can be done now
        except Exception as bug:
            # The others are not to blame for it.
            unforeseen = AnnuaireError("internal error")
            unforeseen.__cause__ = bug
            return unforeseen
        else:
            begun.hides = begun.hides or hidden
        return parts

    # What one job asks.

    @property
    def schema(self) -> Schema:
        return self._schema

    @property
    def tree(self) -> Tree:
        return self._tree

    @property
    def rules(self) -> Rules:
        return self._rules

    @property
    def references(self) -> references.References:
        return self._references


class _One:
    """One job in its transaction."""

    def __init__(self, writes: Writes, writer: Writer, job: WriteJob) -> None:
        self._writes = writes
        self._schema = writes.schema
        self._tree = writes.tree
        self._writer = writer
        self._job = job
        self._hides = False

    def run(self) -> tuple[WriteOutcome, bool]:
        job = self._job
        request = job.request
        assert not isinstance(request, PasswordChange | WriteGroup)
        try:
            asked = write_controls.read(job.controls, self._schema) if job.controls else _NOTHING
            name = dn.parse(request.dn.decode())
        except (Malformed, UnicodeDecodeError) as error:
            text = error.public if isinstance(error, Malformed) else "not UTF-8"
            raise WriteRefusedError(ResultCode.protocolError, text) from None
        if isinstance(request, AddRequest):
            response = self._add(request, name, asked)
        elif isinstance(request, ModifyRequest):
            response = self._modify(request, name, asked)
        elif isinstance(request, DeleteRequest):
            response = self._delete(name, asked)
        else:
            response = self._rename(request, name, asked)
        outcome = WriteOutcome(controls=tuple(response))
        if asked.no_operation:
            raise NoOperation(outcome)
        return outcome, self._hides

    # ------------------------------------------------------------ the four operations

    def _add(self, request: AddRequest, name: Dn, asked: Asked) -> list[Control]:
        key = self._key(name)
        place = self._tree.place(key)
        if place is Place.FIXED:
            raise WriteRefusedError(ResultCode.entryAlreadyExists)
        self._writable(place, key)
        written_values.of_name(name, self._schema)
        written_values.of_add(request, self._schema, asked.relax)
        attributes = written_values.described(request.attributes, self._schema)
        stamps, identity = relaxing.taken(attributes)
        renaming.complete(attributes, name.rdn, self._schema)
        self._agree(name, attributes)
        write_controls.hold(asked, dn.format(name), attributes, self._schema)
        if self._writer.entry(key) is not None:
            raise WriteRefusedError(ResultCode.entryAlreadyExists)
        parent = b"" if self._tree.is_root(key) else dn.parent_key(key)
        if parent:
            above = self._writer.entry(parent)
            if above is None:
                raise WriteRefusedError(
                    ResultCode.noSuchObject, "its parent does not exist", self._matched(key)
                )
            _obey(entry_rules.below(above.structural, self._schema))
        if self._writer.entry_by_uuid(identity) is not None:
            raise WriteRefusedError(ResultCode.constraintViolation, "entryUUID: it is another entry's")
        kept = self._kept(name, key, None, None, attributes, identity)
        row = self._writer.add(
            NewEntry(
                key, parent, dn.format(name), identity, *preparing.encode(dict(kept.attributes)),
                self._structural(kept.attributes), *account.described_as(kept.account, identity),
            ),
            stamps,
        )  # fmt: skip
        return _after(asked, row, kept.attributes)

    def _modify(self, request: ModifyRequest, name: Dn, asked: Asked) -> list[Control]:
        self._permitted(request)
        written_values.of_modify(request, self._schema)
        row = self._existing(name)
        old = preparing.decode(row.attributes, row.passwords)
        self._hold(asked, row, old)
        changes = [
            (_OPERATIONS[operation], attribute, values) for operation, attribute, values in request.changes
        ]
        try:
            new = modification.apply(old, changes, self._schema)
        except ModificationError as error:
            raise WriteRefusedError(error.violation.code, error.violation.text) from None
        own = name if row.dn.encode() == request.dn else dn.parse(row.dn)
        missing = [
            pair
            for pair in own.rdn.pairs
            if self._differs(pair[0], old, new) and not renaming.holds(new, pair, self._schema)
        ]
        if missing and all(renaming.holds(old, pair, self._schema) for pair in missing):
            raise WriteRefusedError(ResultCode.notAllowedOnRDN, f"{missing[0][0]} names the entry: rename it")
        response = _before(asked, row, old)
        if new != old:
            # Without one that holds, the schema says what is wrong.
            structural = self._structural(new) or row.structural
            if not asked.relax:
                _obey(entry_rules.reclassed(row.structural, structural))
            elif self._writer.has_children(row.key):
                _obey(entry_rules.below(structural, self._schema))
            kept = self._kept(own, row.key, row, old, new, row.uuid)
            row = self._writer.replace(
                row,
                *preparing.encode(dict(kept.attributes)),
                structural,
                *account.described_as(kept.account, row.uuid),
                stamped=not self._job.quiet,
            )
            new = kept.attributes
        return [*response, *_after(asked, row, new)]

    def _delete(self, name: Dn, asked: Asked) -> list[Control]:
        row = self._existing(name)
        old = preparing.decode(row.attributes, row.passwords)
        self._hold(asked, row, old)
        response = _before(asked, row, old)
        below = list(self._writer.subtree(row.key)) if asked.tree_delete else []
        if not below and self._writer.has_children(row.key):
            raise WriteRefusedError(ResultCode.notAllowedOnNonLeaf, "entries lie below it")
        for one in (*reversed(below), row):
            attributes = preparing.decode(one.attributes, one.passwords)
            self._kept(dn.parse(one.dn), one.key, one, attributes, None, one.uuid)
            self._writer.delete(one)
        gone = {one.key: None for one in (row, *below)}
        self._writes.references.follow(self._writer, gone)
        return response

    def _rename(self, request: ModifyDnRequest, name: Dn, asked: Asked) -> list[Control]:
        try:
            rdn = dn.parse_rdn(request.new_rdn.decode())
            superior = (
                name.parent if request.new_superior is None else dn.parse(request.new_superior.decode())
            )
        except (Malformed, UnicodeDecodeError):
            raise WriteRefusedError(ResultCode.invalidDNSyntax, "not a distinguished name") from None
        written_values.of_name(Dn((rdn,)), self._schema)
        fault = renaming.fault(self._key(name), self._key(Dn((rdn, *superior.rdns))), self._tree)
        if fault is not None:
            raise WriteRefusedError(fault.code, fault.text)
        row = self._existing(name)
        old = preparing.decode(row.attributes, row.passwords)
        self._hold(asked, row, old)
        old_name = dn.parse(row.dn)
        new_name = Dn((rdn, *(old_name.parent if request.new_superior is None else superior).rdns))
        key = self._key(new_name)
        place = self._tree.place(key)
        if place is Place.FIXED or (key != row.key and self._writer.entry(key) is not None):
            raise WriteRefusedError(ResultCode.entryAlreadyExists)
        self._writable(place, key)
        parent = dn.parent_key(key)
        above = self._writer.entry(parent)
        if above is None:
            raise WriteRefusedError(
                ResultCode.noSuchObject, "the new superior does not exist", self._matched(key)
            )
        if parent != row.parent:
            _obey(entry_rules.below(above.structural, self._schema))
        response = _before(asked, row, old)
        new = renaming.values(old, old_name.rdn, rdn, request.delete_old_rdn, self._schema)
        kept = self._kept(new_name, key, row, old, new, row.uuid)
        below = list(self._writer.subtree(row.key))
        moves = [(row, Moved(row.id, key, parent, dn.format(new_name)))]
        gone: dict[bytes, Dn | None] = {row.key: new_name}
        for child in below:
            child_name = renaming.moved(dn.parse(child.dn), old_name, new_name)
            child_key = self._key(child_name)
            self._placed(child.account is not None, child_key)
            moves.append((child, Moved(child.id, child_key, dn.parent_key(child_key), dn.format(child_name))))
            gone[child.key] = child_name
        self._writer.move(moves)
        moved = self._writer.entry_by_id(row.id)
        assert moved is not None
        if kept.attributes != old:
            encoded = preparing.encode(dict(kept.attributes))
            described = account.described_as(kept.account, row.uuid)
            moved = self._writer.replace(moved, *encoded, row.structural, *described)
        self._writes.references.follow(self._writer, gone)
        return [*response, *_after(asked, moved, kept.attributes)]

    # ------------------------------------------------------------ what they share

    def _key(self, name: Dn) -> bytes:
        key = dn.key(name, self._schema)
        if len(key) > preparing.KEY_MAX:
            raise WriteRefusedError(
                ResultCode.adminLimitExceeded, f"the name is longer than {preparing.KEY_MAX} bytes"
            )
        return key

    def _existing(self, name: Dn) -> EntryRow:
        key = self._key(name)
        if self._tree.place(key) is Place.FIXED:
            raise WriteRefusedError(ResultCode.unwillingToPerform, "this entry always exists as it is")
        row = self._writer.entry(key)
        if row is None:
            raise WriteRefusedError(ResultCode.noSuchObject, "", self._matched(key))
        return row

    def _hold(self, asked: Asked, row: EntryRow, attributes: Attributes) -> None:
        if asked.assertion is None:
            return
        everything = attributes | views.operational_of(row)
        write_controls.hold(asked, row.dn, everything, self._schema)

    def _matched(self, key: bytes) -> str:
        """The nearest entry above: for administrators, who see every one, and of the own entry of whoever had one."""
        while b"\0" in key:
            key = dn.parent_key(key)
            row = self._writer.entry(key)
            if row is not None:
                return row.dn
        return ""

    def _writable(self, place: Place, key: bytes) -> None:
        if place is Place.WRITABLE:
            return
        if place is Place.OUTSIDE:
            raise WriteRefusedError(
                ResultCode.noSuchObject, "outside the trees of this directory", self._matched(key)
            )
        if place is Place.COMPUTED:
            raise WriteRefusedError(
                ResultCode.unwillingToPerform,
                f"this subtree is computed; write below {self._tree.where_to_write}",
            )
        raise WriteRefusedError(
            ResultCode.unwillingToPerform, f"nothing lies here; write below {self._tree.where_to_write}"
        )

    def _permitted(self, request: ModifyRequest) -> None:
        allowed = self._job.grant.attributes
        if allowed is None:
            return
        for _, written, _ in request.changes:
            if self._schema.canonical(written).partition(";")[0].lower() not in allowed:
                raise WriteRefusedError(
                    ResultCode.insufficientAccessRights, f"{written} is not yours to change"
                )

    def _differs(self, attribute: str, old: Attributes, new: Attributes) -> bool:
        description = self._schema.canonical(attribute)
        return old.get(description) != new.get(description)

    def _kept(
        self,
        name: Dn,
        key: bytes,
        row: EntryRow | None,
        old: Attributes | None,
        new: Attributes | None,
        identity: bytes,
    ) -> Kept:
        """Ask the rules of accounts and the schema about the entry as it will be."""
        kept = self._writes.rules(self._writer, self._job, row, old, new, identity)
        self._hides = self._hides or kept.hides
        if new is not None:
            self._agree(name, kept.attributes)
            self._placed(kept.account is not None, key)
        return kept

    def _placed(self, is_account: bool, key: bytes) -> None:
        _obey(entry_rules.placed(is_account, key, self._tree))

    def _agree(self, name: Dn, attributes: Attributes) -> None:
        violations = self._schema.check(name, attributes)
        if violations:
            raise WriteRefusedError(violations[0].code, "; ".join(one.text for one in violations))

    def _structural(self, attributes: Attributes) -> str:
        return self._schema.structural_class(attributes) or ""


def _obey(verdict: Verdict) -> None:
    if verdict.refusal:
        raise WriteRefusedError(*verdict.refusal)


def _before(asked: Asked, row: EntryRow, attributes: Attributes) -> list[Control]:
    if asked.before is None:
        return []
    return write_controls.before(asked, row.dn, attributes, views.operational_of(row))


def _after(asked: Asked, row: EntryRow, attributes: Attributes) -> list[Control]:
    if asked.after is None:
        return []
    return write_controls.after(asked, row.dn, attributes, views.operational_of(row))
