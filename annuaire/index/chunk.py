"""One chunk of 65,536 ids under construction: its entries gathered, then everything that it writes, in key order."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from annuaire.domain.audience import Audience
from annuaire.index import entry as entries
from annuaire.index import layout, ngrams, postings
from annuaire.index.environments import Opened
from annuaire.index.view_log import Marks

T = TypeVar("T")

# Sets smaller than this are sorted in Python.
SMALL = 200


class Record(NamedTuple):
    """A spilled entry; `Prepared` without its shape, which is a number in the details."""

    sort_key: bytes
    key: bytes
    answer: bytes
    details: bytes
    text: str
    words: tuple[str, ...]
    texts: tuple[tuple[int, str], ...]
    digests: bytes
    present: tuple[int, ...]
    ancestors: tuple[bytes, ...]
    audiences: int
    passwords: bytes | None
    facts: tuple[tuple[bytes, bytes], ...]


class Chunk:
    """The entries of one chunk, gathered; then everything that the chunk writes, in key order."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.records: list[bytes] = []
        self.unions: list[str] = []
        self._texts: dict[int, list[str]] = {}
        self._words: dict[str, list[int]] = {}
        # By all attributes, and by all that is above: thousands of entries have the same ones.
        self._present: dict[tuple[int, ...], list[int]] = {}
        self._ancestors: dict[tuple[bytes, ...], list[int]] = {}
        self._audiences: dict[int, list[int]] = {}
        self._digests: list[bytes] = []
        self.passwords: list[tuple[bytes, bytes]] = []
        self._facts: list[tuple[bytes, bytes]] = []
        self._marks = Marks()

    def add(self, record: Record) -> None:
        local = len(self.records)
        self.records.append(entries.record(record.details, record.answer))
        self._marks.add(record.audiences, record.details, record.answer, record.passwords)
        self.unions.append(record.text)
        for attribute, text in record.texts:
            texts = self._texts.setdefault(attribute, [])
            texts += [""] * (local - len(texts))
            texts.append(text)
        for word in record.words:
            self._words.setdefault(word, []).append(local)
        self._present.setdefault(record.present, []).append(local)
        self._ancestors.setdefault(record.ancestors, []).append(local)
        self._audiences.setdefault(record.audiences, []).append(local)
        self._digests.append(record.digests)
        if record.passwords is not None:
            self.passwords.append((record.digests[: layout.DIGEST_SIZE], record.passwords))
        if record.facts:
            self._facts += record.facts
            names = b"\n".join([name for name, _ in record.facts])
            self._facts.append((record.digests[: layout.DIGEST_SIZE], names))

    def digests(self) -> tuple[Any, Any]:
        """(rows of 12 octets, ids) of every equality value; they are let go here."""
        rows = np.frombuffer(b"".join(self._digests), dtype=np.uint8).reshape(-1, layout.DIGEST_SIZE)
        counts = [len(d) // layout.DIGEST_SIZE for d in self._digests]
        first = self.number << layout.CHUNK_BITS
        self._digests = []
        return rows, np.repeat(np.arange(first, first + len(counts), dtype=np.uint32), counts)

    def postings(self) -> Iterator[tuple[bytes, bytes]]:
        """(key, posting), ascending. What has been turned into postings is let go."""
        yield from self._gram_postings(layout.UNION, self.unions)
        for attribute in sorted(self._texts):
            yield from self._gram_postings(attribute, self._texts.pop(attribute))
        ascending = sorted((word.encode("utf-8", "surrogatepass"), ids) for word, ids in self._words.items())
        for term, ids in ascending:
            yield self._key(layout.WORD, 0, term), _posting(ids)
        starts: dict[bytes, list[int]] = {}
        for word, ids in self._words.items():
            for size in range(1, min(len(word), layout.WORD_START_MAX) + 1):
                starts.setdefault(word[:size].encode("utf-8", "surrogatepass"), []).extend(ids)
        for term in sorted(starts):
            yield self._key(layout.WORD_START, 0, term), _posting(starts[term])
        for term, posting in ngrams.start_postings(self.unions):
            yield self._key(layout.VALUE_START, 0, term), posting
        present = _ungrouped(self._present.items())
        for attribute in sorted(present):
            yield self._key(layout.PRESENT, attribute, b""), _posting(present[attribute])
        subtree = _ungrouped(self._ancestors.items())
        children = _ungrouped((above[:1], ids) for above, ids in self._ancestors.items())
        for kind, groups in ((layout.SUBTREE, subtree), (layout.CHILDREN, children)):
            for digest in sorted(groups):
                yield self._key(kind, 0, digest), _posting(groups[digest])
        for bit in Audience:
            ids = [local for mask, some in self._audiences.items() if mask & bit for local in some]
            if ids:
                yield self._key(layout.AUDIENCE, int(bit), b""), _posting(ids)

    def _gram_postings(self, attribute: int, texts: list[str]) -> Iterator[tuple[bytes, bytes]]:
        prefix = self._key(layout.GRAM, attribute, b"")
        for term, posting in ngrams.gram_postings(texts):
            yield prefix + term, posting

    def _key(self, kind: int, attribute: int, term: bytes) -> bytes:
        return layout.posting_key(self.number, kind, attribute, term)

    def write(self, target: Opened, rows: list[tuple[bytes, bytes]]) -> None:
        """Append the entries and their postings; chunks are written in their order."""
        opened = target.databases
        first = self.number << layout.CHUNK_BITS
        with target.environment.begin(write=True) as transaction:
            records = [(layout.ID.pack(first + i), record) for i, record in enumerate(self.records)]
            transaction.cursor(opened["entries"]).putmulti(records, append=True)
            unions = [(layout.ID.pack(first + i), text.encode()) for i, text in enumerate(self.unions)]
            transaction.cursor(opened["texts"]).putmulti(unions, append=True)
            transaction.cursor(opened["postings"]).putmulti(rows, append=True)
            transaction.cursor(opened["facts"]).putmulti(sorted(self._facts))
            transaction.put(*self._marks.row(self.number), db=opened["meta"])


def _ungrouped(groups: Iterable[tuple[tuple[T, ...], list[int]]]) -> dict[T, list[int]]:
    """The ids under each single member of what they were grouped by."""
    found: dict[T, list[int]] = {}
    for members, ids in groups:
        for member in members:
            found.setdefault(member, []).extend(ids)
    return found


def _posting(ids: list[int]) -> bytes:
    """The posting of local ids, repeats allowed."""
    if len(ids) < SMALL:  # most: cheaper without numpy's own overhead
        return postings.serialize_small(sorted(set(ids)))
    some = np.array(ids, dtype=np.uint16)
    some.sort(kind="stable")  # by radix; np.unique hashes, which takes ten times as long
    fresh = np.empty(len(some), dtype=bool)
    fresh[0] = True
    np.not_equal(some[1:], some[:-1], out=fresh[1:])
    return postings.serialize_sorted(some[fresh])
