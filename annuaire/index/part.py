"""One part of the index, read: a base or the recent part. Knows keys and bytes, nothing of filters.

Note [No read transaction outlives a turn of the reactor]: an open one keeps every page that a writer frees. A base
is never written again, so it alone keeps its transaction; the recent part's is opened for a slice of work.

A base is read through what the recent part says of its entries: Note [An entry that keeps its place], amending.py.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyroaring import BitMap

from annuaire.index import entry as entries
from annuaire.index import environments, layout, postings
from annuaire.index.view_log import LogReader

_IN_MANY = layout.IN_MANY.to_bytes(4, "little")


# Answers kept in memory by each worker, most of about 1 KiB; those with a photo are read each time.
HOT_MAX = 50_000
HOT_SIZE_MAX = 2048


# So many entries that kept their place weigh as much as one that is searched besides the base: a posting is corrected
# by two look-ups, however many there are, and only a sort by anything but cn looks at each.
KEPT_LIGHTER = 4


def written(meta: Callable[[bytes], bytes | None]) -> int:
    """How many entries written anew the contents of a recent part weigh, by its `meta`.

    Those are searched besides the base. What keeps its place there, and words beside it, are found with it.
    """
    amended = meta(b"amended")
    count, later = (int.from_bytes(meta(name) or b"", "little") for name in (b"count", b"later"))
    kept = 0 if amended is None else len(postings.deserialize(amended))
    return count + (kept + later) // KEPT_LIGHTER


class Part:
    """Read access to one environment, through the transaction of the moment."""

    def __init__(self, folder: Path, *, frozen: bool) -> None:
        self.folder = folder
        self.frozen = frozen
        self._opened = environments.open_frozen(folder) if frozen else environments.open_shared(folder)
        databases = self._opened.databases
        self._entries = databases["entries"]
        self._texts = databases["texts"]
        self._postings = databases["postings"]
        self._many = databases["many"]
        self._equal = databases["equal"]
        self._passwords = databases["passwords"]
        self._facts = databases["facts"]
        self._shapes = databases["shapes"]
        self._meta = databases["meta"]
        self._wordgrams = databases["wordgrams"]
        self._later = databases["later"]
        self._words: list[str] | None = None
        self._whole: frozenset[str] = frozenset()
        self._hot: dict[int, bytes] = {}
        self.shapes: dict[int, tuple[str, ...]] = {}
        # Of a recent part: words that the base's entries have since, one a line, and how many of them were read.
        self._later_words, self._later_read = "\n", 0
        # Of a base: the entries of which a recent part says more, and that part.
        self.amended = BitMap()
        self._more: Part | None = None
        self._transaction: Any = None
        self._get: Any = None
        self.count = 0
        self.chunks = 0
        self._bits = 1
        self.begin()
        if frozen:
            self.load()

    # -------------------------------------------------------------- the transaction

    def begin(self) -> None:
        """Open the transaction of this slice of work, unless one is open."""
        if self._transaction is None:
            self._transaction = self._opened.environment.begin()
            self._get = self._transaction.get
        if self._more is not None:
            self._more.begin()

    def end(self) -> None:
        """Let go of the transaction; a base keeps its own."""
        if self._more is not None:
            self._more.end()
        if not self.frozen and self._transaction is not None:
            self._transaction.abort()
            self._transaction = self._get = None

    def moment(self) -> int:
        """Which of its writes is the last that the transaction sees."""
        number: int = self._transaction.id()
        return number

    def load(self) -> None:
        """Read what was counted at the last write."""
        self.count = int.from_bytes(self.meta(b"count") or b"", "little")
        self.chunks = (self.count + layout.CHUNK_MASK) >> layout.CHUNK_BITS
        self._bits = (self.meta(b"bits") or b"\x01")[0]

    def amend(self, recent: "Part | None") -> None:
        """Read this base through what a recent part, just loaded, says of it."""
        raw = None if recent is None else recent.meta(b"amended")
        amended = BitMap() if raw is None else postings.deserialize(raw)
        for identifier in amended - self.amended:
            self._hot.pop(identifier, None)
        self.amended = amended
        self._more = recent if amended else None

    def is_lasting(self, identifier: int) -> bool:
        """Whether what this part says of an entry can be remembered: elsewhere entries change and keep their ids."""
        return self.frozen and identifier not in self.amended

    def close(self) -> None:
        if self._transaction is not None:
            self._transaction.abort()
            self._transaction = self._get = None

    # -------------------------------------------------------------- entries

    def answers(self, ids: list[int]) -> list[bytes]:
        """The ready answers of these ids, in their order; all of them exist.

        What was answered lately is kept: everybody who types the same letters gets the same best entries.
        """
        hot = self._hot
        try:
            return [hot[i] for i in ids]
        except KeyError:
            pass
        if len(hot) > HOT_MAX:
            hot.clear()
        cut = entries.answer_of
        found = []
        for i in ids:
            answer = hot.get(i)
            if answer is None:
                answer = cut(self.record(i))
                if len(answer) <= HOT_SIZE_MAX and self.is_lasting(i):
                    hot[i] = answer
            found.append(answer)
        return found

    def fact(self, name: bytes) -> bytes | None:
        """What this part says of a name; b"" when it says that there is nothing any more."""
        value: bytes | None = self._get(name, None, self._facts)
        return value

    def record(self, identifier: int) -> bytes:
        """Details and answer of an entry that exists."""
        if self._more is not None and identifier in self.amended:
            return self._more.record(layout.ADDED + identifier)
        value: bytes = self._get(layout.ID.pack(identifier), None, self._entries)
        return value

    def answer(self, identifier: int) -> bytes:
        return entries.answer_of(self.record(identifier))

    def details(self, identifier: int) -> bytes:
        return entries.details_of(self.record(identifier))

    def text(self, identifier: int) -> str:
        """The union text of an entry that exists."""
        value: bytes | None = None
        if self._more is not None and identifier in self.amended:
            value = self._more._get(layout.ID.pack(layout.ADDED + identifier), None, self._more._texts)
        if value is None:
            value = self._get(layout.ID.pack(identifier), None, self._texts)
        assert value is not None
        return value.decode("utf-8", "surrogatepass")

    def shape(self, number: int) -> tuple[str, ...]:
        """The attribute descriptions of a shape, in order."""
        if self._more is not None and number >= layout.LATER_SHAPES:
            return self._more.shape(number - layout.LATER_SHAPES)
        shape = self.shapes.get(number)
        if shape is None:
            raw: bytes = self._get(layout.ID.pack(number), None, self._shapes)
            shape = tuple(raw.decode().split("\n")) if raw else ()
            if len(self.shapes) < 65536:
                self.shapes[number] = shape
        return shape

    def passwords(self, dn_digest: bytes) -> bytes | None:
        """The values of userPassword of a name, or none."""
        value: bytes | None = self._get(dn_digest, None, self._passwords)
        if self._more is not None:
            later: bytes | None = self._more._get(dn_digest, None, self._more._passwords)
            value = value if later is None else later
        return value or None

    def meta(self, name: bytes) -> bytes | None:
        value: bytes | None = self._get(name, None, self._meta)
        return value

    # -------------------------------------------------------------- sets

    def posting(self, key: bytes) -> BitMap | None:
        raw = self._get(key, None, self._postings)
        found = None if raw is None else postings.deserialize(raw)
        if self._more is not None and key[2] <= layout.PRESENT:
            return self._more.corrected(found, key)
        return found

    def knows(self, tail: bytes) -> bool:
        """Whether this base itself has a posting that ends so, whatever the chunk."""
        chunks = map(layout.CHUNK.pack, range(self.chunks))
        return any(self._get(chunk + tail, None, self._postings) is not None for chunk in chunks)

    def corrected(self, found: BitMap | None, key: bytes) -> BitMap | None:
        """A posting of the base with what this recent part says of its entries."""
        (chunk,) = layout.CHUNK.unpack_from(key)
        for first, apply in ((layout.REMOVED, BitMap.difference), (layout.ADDED, BitMap.union)):
            here = layout.CHUNK.pack((first >> layout.CHUNK_BITS) + chunk) + key[2:]
            raw = self._get(here, None, self._postings)
            if raw is not None:
                found = apply(found or BitMap(), postings.deserialize(raw))
        return found

    def equal(self, value_digest: bytes) -> list[int] | None:
        """The ids listed for a digest, ascending; None when they stand in `many`."""
        ids = self._rows(value_digest)
        if ids is None:
            return None
        if not self.frozen:
            ids = [i for i in ids if i < layout.ADDED]
        elif self._more is not None:
            added, removed = self._more.corrections(value_digest)
            ids = [i for i in ids if i not in removed] + added
        if len(ids) > 1:
            ids.sort()
        return ids

    def _rows(self, value_digest: bytes) -> list[int] | None:
        """The numbers that the page of a digest has beside it; None when they stand in `many`."""
        page = self._get(layout.bucket_of(value_digest, self._bits), None, self._equal)
        if page is None:
            return []
        ids = []
        at = page.find(value_digest)
        while at >= 0:
            if at % layout.ROW_SIZE == 0:
                raw = page[at + layout.DIGEST_SIZE : at + layout.ROW_SIZE]
                if raw == _IN_MANY:
                    return None
                ids.append(int.from_bytes(raw, "little"))
                at = page.find(value_digest, at + layout.ROW_SIZE)
            else:  # the octets straddle two rows
                at = page.find(value_digest, at + 1)
        return ids

    def corrections(self, value_digest: bytes) -> tuple[list[int], list[int]]:
        """Which entries of the base have a value besides, and no more, as this recent part says."""
        rows = [i for i in self._rows(value_digest) or () if i >= layout.ADDED]
        added = [i - layout.ADDED for i in rows if i < layout.REMOVED]
        return added, [i - layout.REMOVED for i in rows if i >= layout.REMOVED]

    def many(self, value_digest: bytes, chunk: int) -> BitMap | None:
        """The local ids of one chunk for a digest of which `equal` says None."""
        raw = self._get(value_digest + chunk.to_bytes(2, "big"), None, self._many)
        found = None if raw is None else postings.deserialize(raw)
        if self._more is not None:
            added, removed = (
                BitMap([i & layout.CHUNK_MASK for i in ids if i >> layout.CHUNK_BITS == chunk])
                for ids in self._more.corrections(value_digest)
            )
            found = ((found or BitMap()) - removed) | added
        return found

    def scan(self, database: str, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The rows of a table from a key on, as long as they begin with a prefix; to be read inside one slice."""
        with self._transaction.cursor(self._opened.databases[database]) as cursor:
            found = cursor.set_range(start)
            while found and cursor.key().startswith(prefix):
                yield cursor.item()
                found = cursor.next()

    def view_log(self) -> LogReader:
        """What changed in the view of each audience; of a recent part."""
        views = self._opened.databases["views"]
        return LogReader(
            lambda key: self._get(key, None, views), lambda prefix, start: self.scan("views", prefix, start)
        )

    def words_from(self, chunk: int, start: bytes) -> BitMap:
        """The union of the postings of every word that begins with these octets."""
        found = self._words_from(chunk, start)
        if self._more is not None:
            for key, no_more in self._more._words_from(
                (layout.REMOVED >> layout.CHUNK_BITS) + chunk, start
            ).items():
                if key in found:
                    found[key] = found[key] - no_more
            added = self._more._words_from((layout.ADDED >> layout.CHUNK_BITS) + chunk, start)
            return BitMap.union(*found.values(), *added.values()) if found or added else BitMap()
        return BitMap.union(*found.values()) if found else BitMap()

    def _words_from(self, chunk: int, start: bytes) -> dict[bytes, BitMap]:
        """The posting of each of these words, by its key without the chunk."""
        prefix = layout.posting_key(chunk, layout.WORD, 0, start)
        return {key[2:]: postings.deserialize(raw) for key, raw in self.scan("postings", prefix, prefix)}

    def words(self) -> list[str]:
        """The words of a base, ascending; the numbers in `wordgrams` are places in this list."""
        if self._words is None:
            raw = self.meta(b"words") or b""
            self._words = raw.decode("utf-8", "surrogatepass").split("\n")
            self._whole = frozenset(self._words)
        return self._words

    def has_word(self, word: str) -> bool:
        """False: no entry has this whole word. Only a base can tell, of which nothing more is said."""
        if not self.frozen or self._more is not None:
            return True
        self.words()
        return word in self._whole

    def words_with(self, piece: str, at_most: int) -> list[str] | None:
        """The words of a base that contain these three letters or more and do not begin with them.

        None: there are more than `at_most`, or this part keeps no list (a recent part, which is small).
        """
        if not self.frozen:
            return None
        words = self.words()
        units = piece.encode("utf-16-be", "surrogatepass")
        found: BitMap | None = None
        # To the end, although one that no word has decides it: the words of the hidden are in this list too, and
        # how many look-ups a piece takes must not tell whether it is in one (sight.py).
        for i in range(0, len(units) - 4, 2):
            raw = self._get(units[i : i + 6], None, self._wordgrams)
            some = postings.EMPTY if raw is None else postings.deserialize(raw)
            found = some if found is None else found & some
        containing = []
        for number in found or ():
            word = words[number]
            if piece in word and not word.startswith(piece):
                containing.append(word)
                if len(containing) > at_most:
                    return None
        if self._more is not None:
            containing += self._more.later_words_with(piece)
        return None if len(containing) > at_most else containing

    def later_words_with(self, piece: str) -> list[str]:
        """Of the words that the base has not but its entries have since, those that contain a piece, likewise."""
        count = int.from_bytes(self.meta(b"later") or b"", "little")
        if count > self._later_read:
            rows = (
                self._get(layout.ID.pack(number), None, self._later)
                for number in range(self._later_read, count)
            )
            self._later_words += "".join([f"{row.decode('utf-8', 'surrogatepass')}\n" for row in rows])
            self._later_read = count
        text, found = self._later_words, []
        at = text.find(piece)
        while at >= 0:
            start, end = text.rindex("\n", 0, at + 1) + 1, text.index("\n", at)
            if start < at and not text.startswith(piece, start):
                found.append(text[start:end])
            at = text.find(piece, end)
        return found
