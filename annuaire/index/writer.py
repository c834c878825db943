"""Writes to the recent part: entries written since the base, and which entries no longer count.

Most entries that change keep their id: Note [An entry that keeps its place]. Any other takes a new one and its former
one joins the *gone* set of its part: ids are never reused, and a new base is built before there are many.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lmdb
from pyroaring import BitMap

from annuaire.domain.audience import Audience
from annuaire.index import amending, environments, layout, part, postings, view_log
from annuaire.index import entry as entries
from annuaire.index.amending import Amendment, Changed, Tails
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
        """What was written to it since the base, as `part.written` weighs it."""
        with self._environment.begin() as transaction:
            return part.written(lambda name: transaction.get(name, db=self._databases["meta"]))

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
        self._base.amend(recent)
        try:
            yield [self._base, recent]
        finally:
            self._base.amend(None)
            recent.end()

    def apply(self, gone: Iterable[bytes], written: Iterable[IndexEntry], change: int) -> None:
        """Forget the entries of these DN keys, take these instead, and say up to which change that goes.

        All keys are forgotten before anything is taken: an entry may now be where another was.
        """
        with environments.writable(), self._environment.begin(write=True) as transaction:
            _Writing(self._base, self._numbering, transaction, self._databases).run(gone, written, change)


def _begin_log(base: Part, log: LogWriter) -> None:
    log.begin(view_log.marks_of(base.meta, base.chunks), view_log.now())


def _whose(seers: int, passwords: bytes | None) -> bytes | None:
    """The passwords of a name belong to the one of its entries that administrators see."""
    return passwords if seers & Audience.ADMIN else None


class _Place(NamedTuple):
    """Where postings of entries are corrected; again: something was said before of what is said now."""

    chunk: int
    frozen: bool
    again: bool

    def prefixes(self) -> tuple[bytes, bytes]:
        """What the keys begin with of postings that say what is true, and of those that say what is no more."""
        here = (layout.ADDED >> layout.CHUNK_BITS) + self.chunk if self.frozen else self.chunk
        return layout.CHUNK.pack(here), layout.CHUNK.pack((layout.REMOVED >> layout.CHUNK_BITS) + self.chunk)


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
        self._shown: dict[tuple[bool, int], list[tuple[int, BitMap]]] = {}
        self._numbering = numbering
        self._transaction = transaction
        self._databases = databases
        self._count = int.from_bytes(self._get("meta", b"count") or b"", "little")
        self._gone_base = self._set(b"gone-base")
        self._gone_recent = self._set(b"gone-recent")
        self._amended = self._set(b"amended")  # of the base, those of which the record stands here
        self._corrected: dict[bytes, BitMap] = {}  # postings that lose ids
        # Whose texts change, by place, and how.
        self._texts: dict[tuple[_Place, Changed], list[int]] = {}
        # Whose attributes are others, by place, which are missing now and which are new.
        self._presence: dict[tuple[_Place, frozenset[int], frozenset[int]], list[int]] = {}
        self._later = int.from_bytes(self._get("meta", b"later") or b"", "little")
        self._facts: dict[bytes, bytes] = {}
        self._growth = Growth()
        self._rows: dict[bytes, bytearray] = {}

    def run(self, gone: Iterable[bytes], written: Iterable[IndexEntry], change: int) -> None:
        # One name may have several entries, each for its audiences: all go before any comes.
        named: dict[bytes, list[IndexEntry]] = {key: [] for key in gone}
        for entry in written:
            named.setdefault(entry.key, []).append(entry)
        fresh = [prepared for key, these in named.items() for prepared in self._replaced(key, these)]
        for prepared in fresh:
            self._add(prepared)
        for name, value in self._facts.items():
            self._put("facts", name, value)
        log = LogWriter(self._transaction, self._databases["views"])
        _begin_log(self._base, log)
        self._moved.write(log, view_log.now())
        self._write_corrections()
        with self._transaction.cursor(self._databases["postings"]) as cursor:
            self._growth.write(cursor)
        for bucket, page in self._rows.items():
            self._put("equal", bucket, bytes(page))
        self._put("meta", b"count", self._count.to_bytes(4, "little"))
        self._put("meta", b"later", self._later.to_bytes(4, "little"))
        self._put("meta", b"bits", bytes([BUCKET_BITS]))
        self._put("meta", b"gone-base", postings.serialize(self._gone_base))
        self._put("meta", b"gone-recent", postings.serialize(self._gone_recent))
        self._put("meta", b"amended", postings.serialize(self._amended))
        self._put("meta", b"change", change.to_bytes(8, "little"))

    def _replaced(self, key: bytes, these: list[IndexEntry]) -> Iterator[Prepared]:
        """Let the entries of a name be these: amend those that can keep their place, forget those that have none.

        What has to be written anew is given back.
        """
        digest = layout.digest(layout.DN_KEY, key)
        held = self._password(digest)
        wanted = next((entry.passwords for entry in these if entry.passwords is not None), None)
        there = [(self._seers(frozen, i), frozen, i) for frozen, i in self._present(digest)]
        self._keep_facts(digest, these)
        for entry in these:
            place = next((one for one in there if one[0] == entry.audiences), None)
            if place is not None and self._amend(*place[1:], entry, _whose(entry.audiences, held)):
                there.remove(place)
            else:
                yield prepare(entry, self._numbering)
        for seers, frozen, identifier in there:
            self._note_gone(self._record(frozen, identifier), seers, _whose(seers, held))
            (self._gone_base if frozen else self._gone_recent).add(identifier)
        # Here too when the base says the same: an entry that is written anew is asked for here.
        if (wanted or held) and (wanted or b"") != self._get("passwords", digest):
            self._put("passwords", digest, wanted or b"")

    def _keep_facts(self, digest: bytes, these: list[IndexEntry]) -> None:
        """What an entry says to routing; what it no longer says counts no more, whatever the base has of it."""
        raw = self._get("facts", digest)
        if raw is None:
            raw = self._base.fact(digest)
        names = raw.split(b"\n") if raw else []
        wanted = {name: value for entry in these for name, value in entry.facts}
        if list(wanted) == names and all(self._fact(name) == value for name, value in wanted.items()):
            return
        for name in (digest, *names):
            self._put("facts", name, b"")
        # Written when all have said what they take back: an address may be another one's now.
        self._facts.update(wanted)
        if wanted:
            self._facts[digest] = b"\n".join(wanted)

    def _fact(self, name: bytes) -> bytes | None:
        found = self._get("facts", name)
        return self._base.fact(name) if found is None else found

    def _password(self, digest: bytes) -> bytes | None:
        """The values of userPassword of a name until now."""
        found = self._get("passwords", digest)
        return self._base.passwords(digest) if found is None else found or None

    def _present(self, digest: bytes) -> list[tuple[bool, int]]:
        """The entries of a name that still count: whether of the base, and their ids."""
        base = [(True, i) for i in self._base.equal(digest) or () if i not in self._gone_base]
        return base + [(False, i) for i in self._listed(digest) if i not in self._gone_recent]

    def _note_gone(self, record: bytes, seers: int, passwords: bytes | None) -> None:
        if seers:
            details = entries.details_of(record)
            self._moved.gone(entries.uuid_of(details), seers, details, entries.answer_of(record), passwords)

    def _record(self, frozen: bool, identifier: int) -> bytes:
        if frozen and identifier not in self._amended:
            return self._base.record(identifier)
        number = layout.ADDED + identifier if frozen else identifier
        return self._get("entries", layout.ID.pack(number)) or b""

    # ------------------------------------------------------------ Note [An entry that keeps its place]

    def _amend(self, frozen: bool, identifier: int, entry: IndexEntry, held: bytes | None) -> bool:
        """Write what differs; False: the entry must be written anew."""
        record = self._record(frozen, identifier)
        number = int.from_bytes(record[4:8], "little")
        shape = self._shape_of(frozen, number)
        found = amending.amendment(
            entry, record, shape, self._numbering, lambda: self._text_of(frozen, identifier), frozen
        )
        if found is None:
            return False
        details = found.details
        if found.shape is not None:
            later = layout.LATER_SHAPES if frozen else 0
            details = entries.with_shape(details, later + self._shape(found.shape))
        kept = entries.record(details, found.answer)
        if kept == record and entry.passwords == held:
            return True  # what a change does not touch stays
        if entry.audiences:
            self._note_gone(record, entry.audiences, held)
            uuid = entries.uuid_of(details)
            self._moved.come(uuid, entry.audiences, details, found.answer, entry.passwords)
        # Also when only its passwords are others: that they are here is known by the entry.
        self._put("entries", self._here(frozen, identifier), kept)
        again = not frozen or identifier in self._amended
        if frozen:
            self._amended.add(identifier)
        self._correct(frozen, identifier, found, again)
        return True

    @staticmethod
    def _here(frozen: bool, identifier: int) -> bytes:
        """The key of what stands here of an entry."""
        return layout.ID.pack(layout.ADDED + identifier if frozen else identifier)

    def _text_of(self, frozen: bool, identifier: int) -> str:
        """The union text of an entry."""
        known = self._get("texts", self._here(frozen, identifier))
        return self._base.text(identifier) if known is None else known.decode("utf-8", "surrogatepass")

    def _correct(self, frozen: bool, identifier: int, found: Amendment, again: bool) -> None:
        """Of the recent part what is true; of the base what is true besides, and what no longer is.

        again: something was said before of what is said now.
        """
        here = identifier + layout.ADDED if frozen else identifier
        no_more = identifier + layout.REMOVED
        for digest in found.gone:
            if not (again and self._take_row(digest, here)):
                self._put_row(digest, no_more)
        for digest in found.come:
            if not (again and frozen and self._take_row(digest, no_more)):
                self._put_row(digest, here)
        place = _Place(identifier >> layout.CHUNK_BITS, frozen, again)
        local = identifier & layout.CHUNK_MASK
        for changed in found.texts:
            # The entries of one person change together, and are near each other.
            self._texts.setdefault((place, changed), []).append(local)
            if changed.attribute == layout.UNION:
                self._put(
                    "texts", self._here(frozen, identifier), changed.after.encode("utf-8", "surrogatepass")
                )
        if found.missing or found.present:
            self._presence.setdefault((place, found.missing, found.present), []).append(local)

    def _put_row(self, digest: bytes, number: int) -> None:
        self._page(digest).extend(digest + number.to_bytes(4, "little"))

    def _take_row(self, digest: bytes, number: int) -> bool:
        page, row = self._page(digest), digest + number.to_bytes(4, "little")
        at = page.find(row)
        while at > 0 and at % layout.ROW_SIZE:  # the octets straddle two rows
            at = page.find(row, at + 1)
        if at >= 0:
            del page[at : at + layout.ROW_SIZE]
        return at >= 0

    def _take_ids(self, key: bytes, some: list[int]) -> list[int]:
        """Take ids out of a posting; those that were not in it."""
        ids = self._corrected.get(key)
        if ids is None:
            raw = self._get("postings", key)
            ids = self._corrected[key] = BitMap() if raw is None else postings.deserialize(raw)
        missing = [one for one in some if one not in ids]
        ids.difference_update(BitMap(some))
        return missing

    def _write_corrections(self) -> None:
        for (place, changed), some in self._texts.items():
            gone, come = amending.postings_of(changed)
            self._correct_postings(place, gone, come, some)
            if place.frozen and changed.attribute == layout.UNION:
                self._note_words(come)
        for (place, missing, present), some in self._presence.items():
            gone, come = (
                tuple([layout.posting_tail(layout.PRESENT, number, b"") for number in numbers])
                for numbers in (missing, present)
            )
            self._correct_postings(place, gone, come, some)
        for key, ids in self._corrected.items():
            if ids:
                self._put("postings", key, postings.serialize(ids))
            else:
                self._transaction.delete(key, db=self._databases["postings"])

    def _correct_postings(self, place: _Place, gone: Tails, come: Tails, some: list[int]) -> None:
        """Take entries out of postings and put them into others: none goes out of one and comes into it.

        The list is shared, and never changed.
        """
        true, no_more = place.prefixes()
        for prefix, other, tails in ((no_more, true, gone), (true, no_more, come)):
            if not place.again:
                self._growth.put(prefix, tails, some)
                continue
            for tail in tails:
                # Nothing is said against what the recent part says itself.
                wanted = some if prefix == true and not place.frozen else self._take_ids(other + tail, some)
                if wanted:
                    self._growth.put(prefix, (tail,), wanted)

    def _note_words(self, come: Tails) -> None:
        """Keep the words that the base does not know, of entries of the base."""
        for tail in come:
            if tail[0] != layout.WORD:
                continue
            word = tail[layout.TAIL.size :]
            if self._get("later", word) is not None or self._base.knows(tail):
                continue
            self._put("later", layout.ID.pack(self._later), word)
            self._put("later", word, b"")
            self._later += 1

    def _listed(self, digest: bytes) -> list[int]:
        """The ids that the page of a digest has beside it."""
        page, ids = self._page(digest), []
        at = page.find(digest)
        while at >= 0:
            if at % layout.ROW_SIZE:  # the octets straddle two rows
                at = page.find(digest, at + 1)
                continue
            row = int.from_bytes(page[at + layout.DIGEST_SIZE : at + layout.ROW_SIZE], "little")
            if row < layout.ADDED:
                ids.append(row)
            at = page.find(digest, at + layout.ROW_SIZE)
        return ids

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
        self._growth.add(identifier, prepared)

    def _seers(self, frozen: bool, identifier: int) -> int:
        """The audiences of an entry that is there: as it was before this transaction."""
        chunk, local = identifier >> layout.CHUNK_BITS, identifier & layout.CHUNK_MASK
        shown = self._shown.get((frozen, chunk))
        if shown is None:
            shown = self._shown[(frozen, chunk)] = list(self._audiences(frozen, chunk))
        return sum([bit for bit, seen in shown if local in seen])

    def _audiences(self, frozen: bool, chunk: int) -> Iterator[tuple[int, BitMap]]:
        for bit in Audience:
            key = layout.posting_key(chunk, layout.AUDIENCE, int(bit), b"")
            raw = None if frozen else self._get("postings", key)
            seen = self._base.posting(key) if frozen else None if raw is None else postings.deserialize(raw)
            if seen is not None:
                yield int(bit), seen

    def _shape_of(self, frozen: bool, number: int) -> Sequence[str]:
        if frozen:
            if number < layout.LATER_SHAPES:
                return self._base.shape(number)
            number -= layout.LATER_SHAPES
        raw = self._get("shapes", layout.ID.pack(number))
        return raw.decode().split("\n") if raw else []

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
