"""Writes to the recent part: entries written since the base, and which entries no longer count.

An entry written again takes a new id and its former one joins the *gone* set of its part: postings only grow, ids
are never reused, and a new base is built before there are many.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb
from pyroaring import BitMap

from annuaire.domain.audience import Audience
from annuaire.index import entry as entries
from annuaire.index import environments, layout, postings, view_log
from annuaire.index.entry import IndexEntry
from annuaire.index.growing import Growth
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering, Prepared, prepare
from annuaire.index.view_log import LogWriter, Moved

# Pages of the recent part: few rows each, since every write copies one per value.
BUCKET_BITS = 12


class RecentWriter:
    """One transaction on the recent part of a build; the caller holds the index's lock."""

    def __init__(self, base: Part, folder: Path, numbering: Numbering) -> None:
        self._base = base
        self._folder = folder
        self._numbering = numbering
        self._opened = environments.open_shared(folder)
        self._environment, self._databases = self._opened.environment, self._opened.databases
        self._environment.reader_check()  # a reader that was killed would keep freed pages for ever

    def change(self) -> int | None:
        """The last change that this part contains."""
        with self._environment.begin() as transaction:
            raw = transaction.get(b"change", db=self._databases["meta"])
            return None if raw is None else int.from_bytes(raw, "little")

    def count(self) -> int:
        """How many entries were written to it."""
        with self._environment.begin() as transaction:
            return int.from_bytes(transaction.get(b"count", db=self._databases["meta"]) or b"", "little")

    def begin_log(self) -> None:
        """See that the view of every audience has a log, so that replicas can be told where they are."""
        with self._environment.begin() as transaction:
            if LogWriter(transaction, self._databases["views"]).head(Audience.ADMIN) is not None:
                return
        with environments.writable(), self._environment.begin(write=True) as transaction:
            _begin_log(self._base, LogWriter(transaction, self._databases["views"]))

    def go_on_from(self, former: "RecentWriter") -> None:
        """Take over the logs of the build before, whose index has reached the same change."""
        with (
            former.parts() as parts,
            environments.writable(),
            self._environment.begin(write=True) as transaction,
        ):
            log = LogWriter(transaction, self._databases["views"])
            log.go_on(parts[1].view_log(), view_log.now())

    @contextmanager
    def parts(self) -> Iterator[list[Part]]:
        """Both parts as they are, to be read before they are written to; what has gone is still in them."""
        recent = Part(self._folder, frozen=False)
        recent.load()
        try:
            yield [self._base, recent]
        finally:
            recent.end()

    def apply(self, gone: Iterable[bytes], written: Iterable[IndexEntry], change: int) -> None:
        """Forget the entries of these DN keys, take these instead, and say up to which change that goes.

        All keys are forgotten before anything is taken: an entry may now be where another was.
        """
        with environments.writable(), self._environment.begin(write=True) as transaction:
            _Writing(self._base, self._numbering, transaction, self._databases).run(
                gone, [prepare(entry, self._numbering) for entry in written], change
            )


def _begin_log(base: Part, log: LogWriter) -> None:
    log.begin(view_log.marks_of(base.meta, base.chunks), view_log.now())


class _Writing:
    """The work of one transaction."""

    def __init__(
        self,
        base: Part,
        numbering: Numbering,
        transaction: lmdb.Transaction,
        databases: dict[str, Any],
    ) -> None:
        self._base = base
        self._moved = Moved()
        self._shown: dict[tuple[bool, bytes], BitMap] = {}
        self._numbering = numbering
        self._transaction = transaction
        self._databases = databases
        self._count = int.from_bytes(self._get("meta", b"count") or b"", "little")
        self._gone_base = self._set(b"gone-base")
        self._gone_recent = self._set(b"gone-recent")
        self._growth = Growth()
        self._rows: dict[bytes, bytearray] = {}

    def run(self, gone: Iterable[bytes], written: list[Prepared], change: int) -> None:
        fresh: list[Prepared] = []
        # One name may have several entries, each for its audiences: all go before any comes.
        named: dict[bytes, list[Prepared]] = {key: [] for key in gone}
        for prepared in written:
            named.setdefault(prepared.key, []).append(prepared)
        for key, entries_of_name in named.items():
            if not self._has_already(key, entries_of_name):
                self._forget(key)
                fresh += entries_of_name
        for prepared in fresh:
            self._add(prepared)
        log = LogWriter(self._transaction, self._databases["views"])
        _begin_log(self._base, log)
        self._moved.write(log, view_log.now())
        with self._transaction.cursor(self._databases["postings"]) as cursor:
            self._growth.write(cursor)
        for bucket, page in self._rows.items():
            self._put("equal", bucket, bytes(page))
        self._put("meta", b"count", self._count.to_bytes(4, "little"))
        self._put("meta", b"bits", bytes([BUCKET_BITS]))
        self._put("meta", b"gone-base", postings.serialize(self._gone_base))
        self._put("meta", b"gone-recent", postings.serialize(self._gone_recent))
        self._put("meta", b"change", change.to_bytes(8, "little"))

    def _forget(self, key: bytes) -> None:
        digest = layout.digest(layout.DN_KEY, key)
        base, recent = self._present(digest)
        for frozen, ids in ((True, base), (False, recent)):
            for identifier in ids:
                self._note_gone(digest, frozen, identifier)
        self._gone_base.update(base)
        self._gone_recent.update(recent)
        self._transaction.delete(digest, db=self._databases["passwords"])
        names = self._get("facts", digest)
        if names is None:
            names = self._base.fact(digest)
        if names:
            for name in (digest, *names.split(b"\n")):
                self._put("facts", name, b"")  # what the base says of it counts no more

    def _present(self, digest: bytes) -> tuple[list[int], list[int]]:
        """The ids of the entries of a name that still count, in the base and in the recent part."""
        base = [i for i in self._base.equal(digest) or () if i not in self._gone_base]
        return base, [i for i in self._listed(digest) if i not in self._gone_recent]

    def _note_gone(self, digest: bytes, frozen: bool, identifier: int) -> None:
        seers = self._seers(frozen, identifier)
        if seers:
            record = self._record(frozen, identifier)
            details, answer = entries.details_of(record), entries.answer_of(record)
            passwords = self._base.passwords(digest) if frozen else self._get("passwords", digest)
            self._moved.gone(entries.uuid_of(details), seers, details, answer, passwords)

    def _record(self, frozen: bool, identifier: int) -> bytes:
        return (
            self._base.record(identifier)
            if frozen
            else self._get("entries", layout.ID.pack(identifier)) or b""
        )

    def _listed(self, digest: bytes) -> list[int]:
        page = self._page(digest)
        size = layout.ROW_SIZE
        rows = (page[i : i + size] for i in range(0, len(page), size))
        return [int.from_bytes(row[-4:], "little") for row in rows if row.startswith(digest)]

    def _add(self, prepared: Prepared) -> None:
        identifier = self._count
        self._count += 1
        key = layout.ID.pack(identifier)
        details = entries.with_shape(prepared.details, self._shape(prepared.shape))
        self._put("entries", key, entries.record(details, prepared.answer))
        if prepared.audiences:
            uuid = entries.uuid_of(details)
            self._moved.come(uuid, prepared.audiences, details, prepared.answer, prepared.passwords)
        self._put("texts", key, prepared.text.encode("utf-8", "surrogatepass"))
        size = layout.DIGEST_SIZE
        for at in range(0, len(prepared.digests), size):
            digest = prepared.digests[at : at + size]
            self._page(digest).extend(digest + identifier.to_bytes(4, "little"))
        if prepared.passwords is not None:
            self._put("passwords", prepared.digests[:size], prepared.passwords)
        for name, fact in prepared.facts:
            self._put("facts", name, fact)
        if prepared.facts:
            self._put("facts", prepared.digests[:size], b"\n".join([name for name, _ in prepared.facts]))
        self._growth.add(identifier, prepared)

    def _has_already(self, key: bytes, written: list[Prepared]) -> bool:
        """Whether the entries of a name are all there as they are to be: what a change does not touch stays."""
        if not written or any(prepared.facts or prepared.passwords is not None for prepared in written):
            return False
        digest = layout.digest(layout.DN_KEY, key)
        base, recent = self._present(digest)
        if len(base) + len(recent) != len(written):
            return False
        found = {self._as_kept(True, i) for i in base} | {self._as_kept(False, i) for i in recent}
        return found == {_whole(prepared) for prepared in written}

    def _as_kept(self, frozen: bool, identifier: int) -> tuple[bytes, bytes, int]:
        """What `_whole` is of an entry that is to be, of one that is there."""
        record = self._record(frozen, identifier)
        details = entries.details_of(record)[_SHAPE:]
        return entries.answer_of(record), details, self._seers(frozen, identifier)

    def _seers(self, frozen: bool, identifier: int) -> int:
        """The audiences of an entry that is there."""
        chunk, local = identifier >> layout.CHUNK_BITS, identifier & layout.CHUNK_MASK
        seers = 0
        for bit in Audience:
            if local in self._posting(frozen, layout.posting_key(chunk, layout.AUDIENCE, int(bit), b"")):
                seers |= bit
        return seers

    def _posting(self, frozen: bool, key: bytes) -> BitMap:
        """A posting as it was before this transaction."""
        found = self._shown.get((frozen, key))
        if found is None:
            raw = None if frozen else self._get("postings", key)
            kept = self._base.posting(key) if frozen else None if raw is None else postings.deserialize(raw)
            found = self._shown[(frozen, key)] = BitMap() if kept is None else kept
        return found

    def _shape(self, shape: tuple[str, ...]) -> int:
        name = layout.digest(0, "\n".join(shape).encode())
        known = self._get("meta", b"shape" + name)
        if known is not None:
            return int.from_bytes(known, "little")
        number = self._transaction.stat(self._databases["shapes"])["entries"]
        self._put("shapes", layout.ID.pack(number), "\n".join(shape).encode())
        self._put("meta", b"shape" + name, number.to_bytes(4, "little"))
        return int(number)

    def _page(self, digest: bytes) -> bytearray:
        bucket = layout.bucket_of(digest, BUCKET_BITS)
        page = self._rows.get(bucket)
        if page is None:
            page = self._rows[bucket] = bytearray(self._get("equal", bucket) or b"")
        return page

    def _set(self, name: bytes) -> BitMap:
        raw = self._get("meta", name)
        return BitMap() if raw is None else postings.deserialize(raw)

    def _get(self, database: str, key: bytes) -> bytes | None:
        value = self._transaction.get(key, db=self._databases[database])
        return None if value is None else bytes(value)

    def _put(self, database: str, key: bytes, value: bytes) -> None:
        self._transaction.put(key, value, db=self._databases[database])


# The number of a shape, which each part gives by itself, stands before the other details.
_SHAPE = 4


def _whole(prepared: Prepared) -> tuple[bytes, bytes, int]:
    return prepared.answer, prepared.details[_SHAPE:], prepared.audiences
