"""Writes to the recent part: entries written since the base, and which entries no longer count.

An entry written again takes a new id and its former one joins the *gone* set of its part: postings only grow, ids
are never reused, and a new base is built before there are many.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb
from pyroaring import BitMap

from annuaire.domain.audience import Audience
from annuaire.index import entry as entries
from annuaire.index import environments, layout, ngrams, postings
from annuaire.index.entry import IndexEntry
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering, Prepared, prepare

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


class _Writing:
    """The work of one transaction."""

    def __init__(
        self, base: Part, numbering: Numbering, transaction: lmdb.Transaction, databases: dict[str, Any]
    ) -> None:
        self._base = base
        self._numbering = numbering
        self._transaction = transaction
        self._databases = databases
        self._count = int.from_bytes(self._get("meta", b"count") or b"", "little")
        self._gone_base = self._set(b"gone-base")
        self._gone_recent = self._set(b"gone-recent")
        # What is to be added to each posting, ascending.
        self._marks: dict[bytes, list[int]] = {}
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
        self._put_postings()
        for bucket, page in self._rows.items():
            self._put("equal", bucket, bytes(page))
        self._put("meta", b"count", self._count.to_bytes(4, "little"))
        self._put("meta", b"bits", bytes([BUCKET_BITS]))
        self._put("meta", b"gone-base", postings.serialize(self._gone_base))
        self._put("meta", b"gone-recent", postings.serialize(self._gone_recent))
        self._put("meta", b"change", change.to_bytes(8, "little"))

    def _forget(self, key: bytes) -> None:
        digest = layout.digest(layout.DN_KEY, key)
        self._gone_base.update(self._base.equal(digest) or ())
        self._gone_recent.update(self._listed(digest))
        self._transaction.delete(digest, db=self._databases["passwords"])
        names = self._get("facts", digest)
        if names is None:
            names = self._base.fact(digest)
        if names:
            for name in (digest, *names.split(b"\n")):
                self._put("facts", name, b"")  # what the base says of it counts no more

    def _listed(self, digest: bytes) -> list[int]:
        page = self._page(digest)
        size = layout.ROW_SIZE
        rows = (page[i : i + size] for i in range(0, len(page), size))
        return [int.from_bytes(row[-4:], "little") for row in rows if row.startswith(digest)]

    def _add(self, prepared: Prepared) -> None:
        identifier = self._count
        self._count += 1
        chunk, local = identifier >> layout.CHUNK_BITS, identifier & layout.CHUNK_MASK
        key = layout.ID.pack(identifier)
        details = entries.with_shape(prepared.details, self._shape(prepared.shape))
        self._put("entries", key, entries.record(details, prepared.answer))
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

        self._mark(local, self._keys(chunk, prepared))

    def _keys(self, chunk: int, prepared: Prepared) -> Iterator[bytes]:
        """The keys of the postings that an entry of this chunk is in."""

        def prefix(kind: int, attribute: int) -> bytes:
            return layout.posting_key(chunk, kind, attribute, b"")

        for attribute, text in ((layout.UNION, prepared.text), *prepared.texts):
            grams = prefix(layout.GRAM, attribute)
            yield from [grams + term for term in ngrams.text_terms(text)]
        words = [word.encode("utf-8", "surrogatepass") for word in prepared.words]
        whole, start = prefix(layout.WORD, 0), prefix(layout.WORD_START, 0)
        yield from [whole + word for word in words]
        yield from {
            start + word[:length].encode("utf-8", "surrogatepass")
            for word in prepared.words
            for length in range(1, min(len(word), layout.WORD_START_MAX) + 1)
        }
        beginning = prefix(layout.VALUE_START, 0)
        yield from [beginning + term for term in ngrams.value_starts(prepared.text)]
        yield from [prefix(layout.PRESENT, attribute) for attribute in prepared.present]
        below = prefix(layout.SUBTREE, 0)
        yield from [below + digest for digest in prepared.ancestors]
        yield from [prefix(layout.CHILDREN, 0) + digest for digest in prepared.ancestors[:1]]
        yield from [prefix(layout.AUDIENCE, int(bit)) for bit in Audience if prepared.audiences & bit]

    def _mark(self, local: int, keys: Iterable[bytes]) -> None:
        marks = self._marks
        for key in keys:
            known = marks.get(key)
            if known is None:
                marks[key] = [local]
            else:
                known.append(local)

    def _put_postings(self) -> None:
        marks = self._marks
        with self._transaction.cursor(self._databases["postings"]) as cursor:
            found: Any = cursor.getmulti(list(marks))
            known: dict[bytes, bytes] = dict(found)
            cursor.putmulti([(key, postings.extended(known.get(key), marks[key])) for key in sorted(marks)])

    def _has_already(self, key: bytes, written: list[Prepared]) -> bool:
        """Whether the entries of a name are all there as they are to be: what a change does not touch stays."""
        if not written or any(prepared.facts or prepared.passwords is not None for prepared in written):
            return False
        digest = layout.digest(layout.DN_KEY, key)
        base = [i for i in self._base.equal(digest) or () if i not in self._gone_base]
        recent = [i for i in self._listed(digest) if i not in self._gone_recent]
        if len(base) + len(recent) != len(written):
            return False
        found = {_as_kept(self._base.record(i), self._base.posting, i) for i in base}
        found |= {_as_kept(self._get("entries", layout.ID.pack(i)) or b"", self._posting, i) for i in recent}
        return found == {_whole(prepared) for prepared in written}

    def _posting(self, key: bytes) -> BitMap | None:
        raw = self._get("postings", key)
        return None if raw is None else postings.deserialize(raw)

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


def _as_kept(
    record: bytes, posting: Callable[[bytes], BitMap | None], identifier: int
) -> tuple[bytes, bytes, int]:
    """What `_whole` is of an entry that is to be, of one that is there."""
    chunk, local = identifier >> layout.CHUNK_BITS, identifier & layout.CHUNK_MASK
    seers = 0
    for bit in Audience:
        found = posting(layout.posting_key(chunk, layout.AUDIENCE, int(bit), b""))
        if found is not None and local in found:
            seers |= bit
    return entries.answer_of(record), entries.details_of(record)[_SHAPE:], seers


def _whole(prepared: Prepared) -> tuple[bytes, bytes, int]:
    return prepared.answer, prepared.details[_SHAPE:], prepared.audiences
