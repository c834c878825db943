"""Imports an LDIF file: read and judged beside the store, compared with it, applied in one transaction.

No lock is held while reading and comparing. What other writers changed meanwhile is compared again under the
write lock, so they wait for the applying alone. A file that is imported twice changes nothing the second time.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from annuaire.actions import (
    accounts,
    entry_rules,
    import_report,
    import_telling,
    preparing,
    rebasing,
    recording,
    workers,
)
from annuaire.actions.accounts import Attributes, RuleError
from annuaire.actions.import_accounts import ImportAccounts, Item
from annuaire.actions.import_report import Hashed, Progress, Report, seekable, size_of
from annuaire.actions.import_telling import ImportTelling
from annuaire.actions.preparing import Order, Preparation
from annuaire.actions.replaying import Replay
from annuaire.actions.telling import By
from annuaire.actions.views import ViewSettings
from annuaire.domain import account, trace
from annuaire.domain.trace import Trace
from annuaire.errors import Malformed, NotFound, Refused
from annuaire.importing import ldif
from annuaire.index.folder import IndexFolder
from annuaire.ldap import dn, modification
from annuaire.ldap.tree import Place
from annuaire.publishing import ldif as writing
from annuaire.store import applying, engine, staging
from annuaire.store.applying import Totals
from annuaire.store.engine import Reader, Store, Writer
from annuaire.store.entries import EntryRow
from annuaire.store.imports import RefusalRow
from annuaire.store.staging import Staging
from annuaire.store.staging_tables import ADD, StagedRow, State
from annuaire.store.staging_tables import Refused as RefusedRow

# Changes made by others while a file was compared: more are compared again without the lock.
MOVED_MAX = 1000
# How often that is tried before others have to wait.
TRIES = 3

# Staged records below which comparing all again under the lock takes no time worth avoiding.
FEW = 2000


Pair = tuple[StagedRow, EntryRow]


class Scope(NamedTuple):
    """Which names and which schema: from the configuration."""

    schema_files: tuple[Path, ...]
    suffix: str
    further: tuple[str, ...] = ()


def import_ldif(
    store: Store,
    scope: Scope,
    stream: BinaryIO,
    *,
    name: str,
    under: str | None = None,
    dry_run: bool = False,
    continue_: bool = False,
    rejects: BinaryIO | None = None,
    progress: Callable[[Progress], None] | None = None,
    actor: str = "",
    processes: int | None = None,
    settings: ViewSettings | None = None,
    reset_choices: bool = False,
    folder: IndexFolder | None = None,
    now: datetime | None = None,
    told: Trace = trace.silent,
) -> Report:
    """Import one file: everything or nothing, or with `continue_` everything that is not refused.

    settings, now: what the rules of accounts depend on. reset_choices: the file may overrule what people chose.
    folder: the index to be told before strangers lose sight of somebody. told: of what it did.
    """
    rules = accounts.order_of(settings or ViewSettings(), now or datetime.now(UTC), reset=reset_choices)
    with seekable(stream, store.state, needed=under is not None) as source:
        order = _order(store, scope, source, under)
        with staging.staging(store) as staged:
            work = _Import(staged, order, progress or (lambda _: None), ImportAccounts(staged, rules))
            work.read(source, processes)
            with recording.hiding(store, folder) as announce:
                report = work.finish(name, actor, dry_run, continue_, announce)
            if not dry_run:
                work.tell(told, By(actor), name, report)
            if rejects is not None:
                _write_rejects(staged, rejects)
            return report


class _Import:
    """One import on its way."""

    def __init__(
        self,
        staged: Staging,
        order: Order,
        progress: Callable[[Progress], None],
        asking: ImportAccounts,
    ) -> None:
        self.staged = staged
        self.order = order
        self.preparation = Preparation(order)
        self.closed = entry_rules.closed(self.preparation.schema)
        self.accounts = asking
        self.telling = ImportTelling(staged, asking.kept)
        self.progress = progress
        self.records = 0
        self.refused_reading = 0
        self.warnings_reading = 0
        self.warnings = 0
        self.ignored: Counter[str] = Counter()
        self.sha256 = b""
        self.replay: Replay | None = None
        self.head = 0
        self.has_steps = False

    # --- Reading ---

    def read(self, stream: BinaryIO, processes: int | None) -> None:
        hashed = Hashed(stream)
        total = size_of(stream)
        done = 0
        for size, prepared in workers.prepare(ldif.split(cast(BinaryIO, hashed)), self.order, processes):
            self.staged.stage(prepared.rows, prepared.steps, prepared.refusals)
            self.records += len(prepared.rows) + len(prepared.steps) + len(prepared.refusals)
            self.ignored += prepared.ignored
            self.warnings_reading += prepared.warnings
            done += size
            self.progress(Progress("read", done, total, self.records))
        self.sha256 = hashed.digest()
        self.staged.index()
        self.accounts.kept.index()

    # --- Comparing and applying ---

    def finish(
        self,
        name: str,
        actor: str,
        dry_run: bool,
        continue_: bool,
        announce: recording.Announce,
    ) -> Report:
        for attempt in range(TRIES):
            self.progress(Progress("compare", 0, 0, self.records))
            with self.staged.comparing() as reader:
                self.compare(reader)
                totals = self.totals()
            if dry_run:
                return self.report(totals, self.head, applied=False)
            self.progress(Progress("apply", 0, 0, self.records))
            with applying.applying(self.staged, actor, engine.now()) as writer:
                if not self.catch_up(writer, patient=attempt + 1 < TRIES):
                    continue
                totals = self.totals()
                applied = continue_ or not totals.refused
                import_id = writer.next_import()
                if applied:
                    applying.apply(self.staged, writer, import_id, self.has_steps)
                    self.accounts.apply(writer, self.has_steps)
                    if self.accounts.hides:
                        announce(writer.head())
                applying.record(self.staged, writer, import_id, name, self.sha256, applied, totals)
                return self.report(totals, writer.head(), applied)
        raise AssertionError("the last attempt always ends")

    def compare(self, reader: Reader) -> None:
        """Compare everything with one moment of the store, from the beginning."""
        self.head = reader.head()
        self.warnings = 0
        self.staged.forget_comparison()
        self.accounts.begin()
        self.telling.begin()
        self.has_steps = self.staged.steps() > 0
        if self.has_steps:
            self.replay = Replay(self.staged, reader, self.preparation, self.accounts)
            self.replay.run()
            applying.plan(self.staged, steps=True)
            self.telling.compare()
            return
        self.staged.match()
        self.staged.refuse_duplicates()
        self.staged.refuse_existing_adds()
        self.judge(reader)
        self.staged.refuse_misplaced(self.closed)
        applying.plan(self.staged, steps=False)
        self.accounts.finish_comparison()
        self.telling.compare()

    def judge(self, reader: Reader) -> None:
        """Ask the rules about what is new, and about what differs from its entry; the latter becomes a change.

        First of those that say their interop address, so that it is given to nobody else.
        """
        self.accounts.kept.refuse_doubles()
        self.accounts.kept.find_concerned()
        self.accounts.kept.find_remembered()
        for ahead in (True, False):
            self.accounts.new(reader, ahead)
            self.merge(reader, ahead)

    def catch_up(self, writer: Writer, patient: bool) -> bool:
        """Under the lock: take in what others committed since. False: so much that it is done without it."""
        moved = writer.changes_since(self.head, MOVED_MAX + 1)
        overtaken = self.accounts.kept.overtaken()
        if not moved and not overtaken:
            return True
        if self.records <= FEW or (len(moved) > MOVED_MAX and not patient):
            self.compare(writer)
            return True
        if len(moved) > MOVED_MAX:
            return False
        if self.has_steps:
            # A step may have failed for want of an entry that is there now: only all together is right.
            if patient:
                return False
            self.compare(writer)
            return True
        keys = {change.key for change in moved}
        named = set()
        for change in moved:
            entry = writer.entry_by_id(change.entry) if change.entry else None
            if entry is not None:
                keys.add(entry.key)
                named.add(entry.account)
        concerned = {key for key in keys if self.staged.describes(key)}
        concerned.update(self.accounts.kept.keys_of(overtaken))
        # Something may lie above what has gone, or have the native address of what has come.
        uprooted = any(change.kind in ("delete", "rename") for change in moved)
        if concerned or self.accounts.kept.is_named(one for one in named if one):
            self.accounts.forget(sorted(concerned))
            self.staged.match(sorted(concerned))
            self.staged.refuse_existing_adds()
            self.judge(writer)
            self.telling.compare()
            uprooted = True
        if uprooted:
            self.staged.refuse_misplaced(self.closed)
            applying.plan(self.staged, steps=False)
        return True

    def tell(self, told: Trace, by: By, name: str, report: Report) -> None:
        """After the commit, before anything else: what follows may fail."""
        if report.applied:
            self.telling.tell(told, by, self.has_steps)
        import_telling.imported(told, name, self.sha256, report, by)

    def merge(self, reader: Reader, ahead: bool) -> None:
        """Turn each content record that differs from its entry into the fewest changes of it."""
        after = 0
        while pairs := self.staged.differing(ahead, after):
            states = []
            refused = []
            for (row, entry), old, wanted in self.wanted(reader, pairs):
                if isinstance(wanted, RuleError):
                    refused.append(RefusedRow(row.line, row.dn, wanted.code, wanted.text, None))
                    continue
                merged = self.fewest(old, wanted, row.account)
                if merged is None:
                    continue
                structural = self.preparation.structural(merged)
                verdict = entry_rules.judge(old, merged)
                refusal = verdict.refusal or entry_rules.reclassed(entry.structural, structural).refusal
                if refusal:
                    refused.append(RefusedRow(row.line, row.dn, *refusal, None))
                    continue
                self.warnings += len(verdict.warnings)
                described = account.described(merged, entry.uuid)
                attributes, passwords = preparing.encode(merged)
                states.append(
                    State(
                        0, entry.id, row.line, 0, 0, 1, entry.dn, entry.key, entry.parent, entry.key,
                        entry.uuid, attributes, passwords, structural, *described,
                    )
                )  # fmt: skip
            self.staged.change_all(states)
            self.staged.refuse(refused)
            after = pairs[-1][0].line

    def wanted(
        self, reader: Reader, pairs: Sequence[Pair]
    ) -> Iterator[tuple[Pair, Attributes, Attributes | RuleError]]:
        """Each pair, with the attributes as they are and as they are to be; the rules of accounts have their say."""
        found: list[tuple[Pair, Attributes, Attributes]] = []
        items = []
        for row, entry in pairs:
            old = preparing.decode(entry.attributes, entry.passwords)
            new = preparing.decode(row.attributes, row.passwords)
            if row.account is None and entry.account is None:
                # An export without passwords must not take them away when it comes back.
                if preparing.PASSWORD in old:
                    new.setdefault(preparing.PASSWORD, old[preparing.PASSWORD])
            else:
                items.append(Item(row.line, entry, entry.uuid, old, new))
            found.append(((row, entry), old, new))
        settled = dict(zip([item.line for item in items], self.accounts.settle(reader, items), strict=True))
        for pair, old, new in found:
            yield pair, old, settled.get(pair[0].line, new)

    def fewest(self, old: Attributes, wanted: Attributes, native: str | None) -> Attributes | None:
        """The entry after the fewest changes; of an account the native address stays the first of its addresses."""
        merged = modification.difference(old, wanted, self.preparation.schema)
        if native is not None and accounts.native(old if merged is None else merged) != native:
            merged = {**(merged or old), "mail": wanted["mail"]}
        return merged

    def totals(self) -> Totals:
        refused = self.staged.count_refused()
        warnings = self.warnings_reading + self.warnings + self.accounts.warnings.total()
        if self.has_steps and self.replay is not None:
            counts = self.replay.counts
            return Totals(
                counts["added"],
                counts["changed"],
                counts["unchanged"],
                counts["removed"],
                refused,
                warnings + self.replay.warnings,
            )
        added, changed = applying.count_new(self.staged), applying.count_changed(self.staged)
        unchanged = self.records - added - changed - refused
        return Totals(added, changed, unchanged, 0, refused, warnings)

    def report(self, totals: Totals, change_number: int, applied: bool) -> Report:
        refusals = [
            RefusalRow(one.line, one.dn, one.code, one.reason)
            for one in self.staged.refusals(0, import_report.REFUSALS_REPORTED)
        ]
        ignored = self.ignored + (self.replay.ignored if self.has_steps and self.replay else Counter())
        return Report(
            *totals,
            refusals,
            change_number,
            applied,
            dict(sorted(ignored.items(), key=lambda kept: (-kept[1], kept[0].lower()))),
            dict(self.accounts.warnings.most_common()),
        )


def _order(store: Store, scope: Scope, source: BinaryIO, under: str | None) -> Order:
    prefix = _uuid_prefix()
    order = Order(scope.schema_files, scope.suffix, scope.further, prefix)
    if under is None:
        return order
    preparation = Preparation(order)
    try:
        target = dn.parse(under)
    except Malformed as malformed:
        raise Malformed(f"--under: {malformed.public}") from None
    key = dn.key(target, preparation.schema)
    place = preparation.tree.place(key)
    if place not in (Place.WRITABLE, Place.FIXED) or key in preparation.tree.computed.values():
        raise Refused(f"--under: nothing is written there; write below {preparation.tree.where_to_write}")
    with store.reading() as reader:
        entry = reader.entry(key)
    if entry is None:
        raise NotFound(f"--under: {under} does not exist")
    base = rebasing.base_of(source, preparation.schema)
    source.seek(0)
    return order._replace(base=base, under=dn.parse(entry.dn))


def _uuid_prefix() -> bytes:
    """The first 11 bytes of the entryUUIDs of one import: RFC 9562 version 7, the line number fills the rest.

    Increasing numbers keep the index of UUIDs compact, and two imports never share a prefix.
    """
    random = bytearray(secrets.token_bytes(5))
    random[0] = 0x70 | random[0] & 0x0F
    random[2] = 0x80 | random[2] & 0x3F
    return int(time.time() * 1000).to_bytes(6) + bytes(random)


def _write_rejects(staged: Staging, rejects: BinaryIO) -> None:
    after = 0
    while refusals := staged.refusals(after):
        for refusal in refusals:
            text = refusal.record if refusal.record is not None else _text_of(staged, refusal.line)
            rejects.write(writing.format_refusal(text, refusal.code, refusal.reason, refusal.line))
        after = refusals[-1].line


def _text_of(staged: Staging, line: int) -> bytes:
    """A staged record as LDIF again."""
    row = staged.staged(line)
    if row is None:
        return b""
    attributes = [
        (description, value)
        for description, values in preparing.decode(row.attributes, row.passwords).items()
        for value in values
    ]
    if row.kind == ADD:
        attributes.insert(0, ("changetype", b"add"))
    return writing.format_entry(row.dn, attributes)
