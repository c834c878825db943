"""Imports what a national source says as a whole: its rows beside the store, their difference, one transaction.

Note [Absence from the extraction means unpublished, never undeliverable]: a mailbox that a newer file lacks leaves
the directory, and nothing else. Its holder may have chosen liste rouge, so routing never asks these records.

A file is the whole of its source, so what it does not hold is removed; a file that has lost its end would remove
half a country. More than a share of removals is refused, and a line that cannot be read removes nothing where it
still tells what it is about.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from annuaire.actions import import_report, import_telling, telling
from annuaire.actions.import_report import Progress, Report
from annuaire.actions.telling import By
from annuaire.domain import identifiers, trace
from annuaire.domain.mailbox import OF_ACCOUNT, SEPARATOR
from annuaire.domain.trace import Trace
from annuaire.errors import Refused
from annuaire.importing import activities, extraction, national_ldif
from annuaire.importing.block import Block, Unreadable
from annuaire.ldap.results import ResultCode
from annuaire.store import applying, engine, snapshots
from annuaire.store.applying import Totals
from annuaire.store.engine import Store, Writer
from annuaire.store.imports import RefusalRow
from annuaire.store.records import ACTIVITIES, MAILBOXES
from annuaire.store.snapshots import Difference, Row, Snapshot

# What a file can be.
EXTRACTION, LDIF, ACTIVITY_LIST = extraction.EXTRACTION, extraction.LDIF, extraction.ACTIVITIES

# Per cent of the rows of a source that a file may remove, unless the configuration says otherwise.
REMOVALS_MAX = 10
# How often a comparison that others have overtaken is made again before they have to wait for it.
TRIES = 3
# Octets of a holder and a key together: PostgreSQL refuses index rows above 2,704.
INDEXED_MAX = 2600
# Characters below which a holder and a key cannot have so many.
LONG = INDEXED_MAX // 4
# Digest computed so many octets at a time.
_PIECE = 1 << 20

TOO_LONG = "l'identifiant et l'adresse sont trop longs pour être gardés"
NOTHING = {
    MAILBOXES: "ce fichier ne contient aucune boîte : rien n'a été écrit",
    ACTIVITIES: "ce fichier ne dit rien de personnes connues : rien n'a été écrit",
}

_UNREADABLE = int(ResultCode.protocolError)
_ADDRESS = re.compile(rb"[^\s|:;,<>\"]+@[^\s|:;,<>\"]+")


class Guard(NamedTuple):
    """What a file may do to what is there."""

    removals_max: int = REMOVALS_MAX  # per cent
    accept_removals: bool = False


def import_mailboxes(
    store: Store,
    stream: BinaryIO,
    *,
    name: str,
    form: str = EXTRACTION,
    is_interop: Callable[[str], bool] = lambda domain: False,
    dry_run: bool = False,
    continue_: bool = False,
    rejects: BinaryIO | None = None,
    accept_removals: bool = False,
    removals_max: int = REMOVALS_MAX,
    progress: Callable[[Progress], None] | None = None,
    actor: str = "",
    told: Trace = trace.silent,
) -> Report:
    """Import a list of mailboxes: everything or nothing, or with `continue_` everything that can be read.

    `is_interop` says which domains are ours in the trust space: their rows that name a person seed the ledger.
    Refused: nothing can be read, or more than `removals_max` per cent of what is there would go.
    """
    owners = _Owners(is_interop)
    with _opened(store, MAILBOXES, stream) as (staged, source, digest):
        blocks = (national_ldif.read if form == LDIF else extraction.read)(source, name)
        work = _Import(staged, Guard(removals_max, accept_removals), progress or (lambda _: None))
        work.read(blocks, import_report.size_of(source), _addresses_of, owners)
        with telling.refusals(trace.silent if dry_run else told, By(actor), source=name):
            report = work.finish(name, digest, actor, dry_run, continue_)
        if not dry_run:
            import_telling.imported(told, name, digest, report, By(actor))
        if rejects is not None:
            _write_rejects(staged, rejects)
        return report


def import_activities(
    store: Store,
    stream: BinaryIO,
    *,
    name: str,
    is_ours: Callable[[str], bool] = lambda domain: False,
    dry_run: bool = False,
    continue_: bool = False,
    rejects: BinaryIO | None = None,
    accept_removals: bool = False,
    removals_max: int = REMOVALS_MAX,
    progress: Callable[[Progress], None] | None = None,
    actor: str = "",
    told: Trace = trace.silent,
) -> Report:
    """Import the activities of people whom a mailbox or an account makes known; all others are passed over.

    `is_ours` says which domains are ours: a mailbox there tells of an account, and is published to nobody.
    """
    known = _known_people(store, is_ours)

    def people_of(text: bytes) -> set[str]:
        fields = text.decode("utf-8", "replace").split(SEPARATOR)
        return {identifiers.one_spelling(field.strip()) for field in fields} & known.keys()

    def marked(found: Block) -> Block:
        """Note [What is kept for an account is for those who see it]."""
        rows = [row if known[row[1]] else (*row[:4], OF_ACCOUNT + row[4]) for row in found.rows]
        return found._replace(rows=rows)

    with _opened(store, ACTIVITIES, stream) as (staged, source, digest):
        blocks = map(marked, activities.read(source, known.__contains__, name))
        work = _Import(staged, Guard(removals_max, accept_removals), progress or (lambda _: None))
        work.read(blocks, import_report.size_of(source), people_of)
        with telling.refusals(trace.silent if dry_run else told, By(actor), source=name):
            report = work.finish(name, digest, actor, dry_run, continue_)
        if not dry_run:
            import_telling.imported(told, name, digest, report, By(actor))
        if rejects is not None:
            _write_rejects(staged, rejects)
        return report


class _Import:
    """One import on its way."""

    def __init__(self, staged: Snapshot, guard: Guard, progress: Callable[[Progress], None]) -> None:
        self.staged = staged
        self.guard = guard
        self.progress = progress
        self.rows = 0
        self.refused = 0
        self.warned: Counter[str] = Counter()
        self.head = 0

    def read(
        self,
        blocks: Iterable[Block],
        total: int,
        told_by: Callable[[bytes], Iterable[str]],
        owners: _Owners | None = None,
    ) -> None:
        """Stage everything; `told_by` says what an unreadable line is about, by address or by holder."""
        done = 0
        spared: set[str] = set()
        for block in blocks:
            rows, unreadable = _storable(block)
            for one in unreadable:
                # A line that does not even tell this (cut off before it, or too long to be held) spares nothing:
                # what it said before counts as removed, and only the share of removals guards against that.
                spared.update(told_by(one.text))
            refused = [(one.line, "", _UNREADABLE, one.reason, one.text) for one in unreadable]
            self.staged.stage(rows, refused, owners.among(rows) if owners is not None else ())
            self.rows += len(rows)
            self.refused += len(refused)
            self.warned += block.warned
            done += block.size
            self.progress(Progress("read", done, total, self.rows + self.refused))
        self.staged.spare(spared)
        self.staged.index()

    def finish(self, name: str, digest: bytes, actor: str, dry_run: bool, continue_: bool) -> Report:
        for attempt in range(TRIES):
            self.progress(Progress("compare", 0, 0, self.rows + self.refused))
            difference = self.compare()
            totals = self.totals(difference)
            stopped = bool(totals.refused) and not continue_
            complaint = "" if stopped else self.complaint(difference)
            if dry_run:
                if complaint:
                    raise Refused(complaint)
                return self.report(totals, self.head, applied=False)
            self.progress(Progress("apply", 0, 0, self.rows + self.refused))
            with applying.applying(self.staged, actor, engine.now()) as writer:
                if writer.records_moved(self.head):
                    if attempt + 1 < TRIES:
                        continue
                    difference = self.compare_again(writer)
                    totals = self.totals(difference)
                    complaint = "" if stopped else self.complaint(difference)
                applied = not stopped and not complaint
                import_id = writer.next_import()
                if applied:
                    self.staged.apply(writer, import_id)
                applying.record(self.staged, writer, import_id, name, digest, applied, totals)
                number = writer.head()
            if complaint:
                raise Refused(complaint)
            return self.report(totals, number, applied)
        raise AssertionError("the last attempt always ends")

    def compare(self) -> Difference:
        """Compare everything with one moment of the store, from the beginning."""
        with self.staged.comparing() as reader:
            self.head = reader.head()
            return self.staged.compare()

    def compare_again(self, writer: Writer) -> Difference:
        """The same under the lock: others wait, but nothing moves any more."""
        self.head = writer.head()
        return self.staged.compare()

    def complaint(self, difference: Difference) -> str:
        """Why a file as a whole is not taken; "" when it is."""
        if not self.rows:
            return NOTHING[self.staged.source]
        there, removed = difference.there, difference.removed_known
        if self.guard.accept_removals or removed * 100 <= self.guard.removals_max * there:
            return ""
        share = f"{removed * 100 / there:.1f}".replace(".", ",")
        return (
            f"ce fichier retirerait {removed} lignes sur {there} ({share} %, plus que les"
            f" {self.guard.removals_max} % de [limits] removals) : rien n'a été écrit ;"
            " avec --accept-removals si c'est voulu"
        )

    def totals(self, difference: Difference) -> Totals:
        return Totals(
            difference.added,
            difference.changed,
            difference.unchanged,
            difference.removed,
            self.refused,
            self.warned.total(),
        )

    def report(self, totals: Totals, change_number: int, applied: bool) -> Report:
        refusals = [
            RefusalRow(one.line, one.dn, one.code, one.reason)
            for one in self.staged.refusals(0, import_report.REFUSALS_REPORTED)
        ]
        return Report(*totals, refusals, change_number, applied, {}, dict(self.warned.most_common()))


def _known_people(store: Store, is_ours: Callable[[str], bool]) -> dict[str, bool]:
    """Everybody, and whether a mailbox of another operator tells of them, or accounts of ours alone."""
    ours = lru_cache(16_384)(is_ours)
    known: dict[str, bool] = {}
    with store.reading() as reader:
        for holder, address in reader.people():
            published = bool(address) and not ours(address[address.rfind("@") + 1 :])
            known[holder] = published or known.get(holder, False)
    return known


class _Owners:
    """Whose the addresses of our own domains are, by what the national list says."""

    def __init__(self, is_interop: Callable[[str], bool]) -> None:
        self._is_interop = lru_cache(16_384)(is_interop)

    def among(self, rows: Iterable[Row]) -> list[tuple[str, str]]:
        ours = self._is_interop
        return [
            (address, holder)
            for _, holder, _, address, _ in rows
            if ours(address[address.rfind("@") + 1 :]) and holder != address
        ]


@contextmanager
def _opened(store: Store, source: int, stream: BinaryIO) -> Iterator[tuple[Snapshot, BinaryIO, bytes]]:
    """Working tables, the file as one that can be read twice, and its digest."""
    with (
        import_report.seekable(stream, store.state, needed=True) as file,
        snapshots.snapshot(store, source) as staged,
    ):
        file.seek(0)
        digest = hashlib.sha256()
        while piece := file.read(_PIECE):
            digest.update(piece)
        file.seek(0)
        yield staged, file, digest.digest()


def _storable(block: Block) -> tuple[list[Row], list[Unreadable]]:
    """The rows that both databases can keep, and the rest with what could not be read."""
    rows, unreadable = block.rows, block.unreadable
    long = [row for row in rows if len(row[1]) + len(row[2]) > LONG and _indexed(row) > INDEXED_MAX]
    if not long:
        return rows, unreadable
    kept = [row for row in rows if row not in long]
    return kept, [*unreadable, *[Unreadable(row[0], TOO_LONG, row[4].encode()) for row in long]]


def _indexed(row: Row) -> int:
    return len(row[1].encode()) + len(row[2].encode())


def _addresses_of(text: bytes) -> set[str]:
    """The addresses that a line tells, as the store has them, whatever else is wrong with it."""
    return {found.decode("utf-8", "replace").lower() for found in _ADDRESS.findall(text)}


def _write_rejects(staged: Snapshot, rejects: BinaryIO) -> None:
    """Each line that was refused, as it stands in the file, under a comment that says which one it is and why."""
    after = 0
    while refusals := staged.refusals(after):
        for refusal in refusals:
            rejects.write(f"# ligne {refusal.line} : {' '.join(refusal.reason.split())}\n".encode())
            if refusal.record:
                rejects.write(refusal.record.rstrip(b"\r\n") + b"\n")
        after = refusals[-1].line
