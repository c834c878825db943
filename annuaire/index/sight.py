"""What one look at one part of the index sees: the part, the entries that no longer count, and cached sets.

# Note [The same path for the hidden and the absent]
Somebody whom an audience does not see costs it what nobody costs, because nothing is decided about a hidden entry:

- Every operation begins with a set: `universe`, the entries that the audience sees below its base. What a filter does
  to it is intersection (plan.py: every node works inside `within`). A step is left out when the set is empty, and the
  set holds entries that are seen and no others.
- Only what is left in the set is read: verified, sorted, counted, encoded, put into a page. So the entries that are
  looked at one by one are the same, with the hidden and without (tests/proof counts them).
- A base, a compared entry, a superior is looked up by the digest of its name, and is there when its number is in the
  set (`query.resolve`). The number of a hidden entry is in no set, that of an absent one is nowhere: both are one
  look-up and no entry.
- Whose name a bind gives is nobody's question but the password's: all refusals cost a hash (domain/password.py).

What is shared is the index itself, and its size is seen. A value that only hidden entries have is found in its page
and then not in the set: a microsecond more than one that is in no page. A posting in which there are hidden entries
is so many octets longer, and a value that more than 64 entries have lies in another table, whoever they are. A piece
of a word that only the hidden have is one posting more, once, until the index moves. What was written lately is in
the recent part, whoever wrote it. None of this grows with the number of requests, reads an entry of the hidden, or
comes near the noise of a network; it is the timing class, not the time, that is the same.
"""

from collections import OrderedDict

from pyroaring import BitMap

from annuaire.index import layout, postings
from annuaire.index.part import Part

# Sets kept between requests: the audience's and the usual bases', eight chunks each at national size.
UNIVERSES_MAX = 64
IN_MANY = -1
# Decoded postings kept, and the octets that they may take: most take a few dozen, the largest 8 KiB.
DECODED_MAX = 30_000
DECODED_OCTETS_MAX = 48 << 20
# A piece that is inside more words than this is verified entry by entry: most candidates are then true.
INSIDE_MAX = 64


class Sight:
    """One part as it stands at one moment; made anew when the part is written to."""

    def __init__(self, part: Part, gone: BitMap) -> None:
        self.part = part
        self.chunks = range(part.chunks)
        # Every sight of the same moment, this one included: what lies below an entry may be in another part.
        self.together: list[Sight] = [self]
        self.gone = gone
        self._octets = 0
        self._decoded: dict[tuple[int, int, int, bytes], BitMap] = {}
        self._inside: dict[str, list[bytes] | None] = {}
        self._universes: OrderedDict[tuple[int, bytes, int], dict[int, BitMap]] = OrderedDict()

    def exists(self, identifier: int) -> bool:
        return identifier not in self.gone

    def everything(self, audience: int) -> dict[int, BitMap]:
        """By chunk, the local ids of all that the audience sees."""
        return self.universe(audience, b"", layout.AUDIENCE)

    def universe(self, audience: int, base: bytes, kind: int) -> dict[int, BitMap]:
        """By chunk, the local ids of what the audience sees below a base (digest of its key; kind of posting).

        Chunks with nothing to see are left out. kind AUDIENCE: everywhere, the base does not count.
        """
        wanted = (audience, base, kind)
        known = self._universes.get(wanted)
        if known is None:
            known = self._universes[wanted] = self._universe(audience, base, kind)
            if len(self._universes) > UNIVERSES_MAX:
                self._universes.popitem(last=False)
        return known

    def _universe(self, audience: int, base: bytes, kind: int) -> dict[int, BitMap]:
        posting = self.part.posting
        found = {}
        for chunk in self.chunks:
            seen = posting(layout.posting_key(chunk, layout.AUDIENCE, audience, b""))
            if seen is not None and kind != layout.AUDIENCE:
                below = posting(layout.posting_key(chunk, kind, 0, base))
                seen = None if below is None else seen & below
            if not seen:
                continue
            first = chunk << layout.CHUNK_BITS
            gone = self.gone & BitMap(range(first, first + layout.CHUNK_SIZE)) if self.gone else None
            if gone:
                seen = seen - gone.shift(-first)
            if seen:
                found[chunk] = seen
        return found

    def sees(self, audience: int, identifier: int) -> bool:
        """Whether one entry exists for an audience."""
        seen = self.universe(audience, b"", layout.AUDIENCE).get(identifier >> layout.CHUNK_BITS)
        return seen is not None and (identifier & layout.CHUNK_MASK) in seen

    # -------------------------------------------------------------- sets of one chunk

    def posting(self, chunk: int, kind: int, attribute: int, term: bytes) -> BitMap:
        """One posting, never to be changed; what was asked lately is kept decoded."""
        key = (chunk, kind, attribute, term)
        found = self._decoded.get(key)
        if found is None:
            found = self.part.posting(layout.posting_key(chunk, kind, attribute, term)) or postings.EMPTY
            self._keep(key, found)
        return found

    def _keep(self, key: tuple[int, int, int, bytes], found: BitMap) -> None:
        if len(self._decoded) >= DECODED_MAX or self._octets > DECODED_OCTETS_MAX:
            self._decoded.clear()
            self._octets = 0
        self._decoded[key] = found
        self._octets += min(2 * len(found), layout.CHUNK_SIZE // 8)

    def gram(self, chunk: int, attribute: int, term: bytes) -> BitMap:
        return self.posting(chunk, layout.GRAM, attribute, term)

    def word(self, chunk: int, word: bytes) -> BitMap:
        """Entries that have this whole word."""
        return self.posting(chunk, layout.WORD, 0, word)

    def word_start(self, chunk: int, word: str) -> BitMap:
        """Entries that have a word beginning so."""
        term = word.encode("utf-8", "surrogatepass")
        if len(word) <= layout.WORD_START_MAX:
            return self.posting(chunk, layout.WORD_START, 0, term)
        key = (chunk, layout.WORD_START, 0, term)
        found = self._decoded.get(key)
        if found is None:
            found = self.part.words_from(chunk, term)
            self._keep(key, found)
        return found

    def value_start(self, chunk: int, start: bytes) -> BitMap:
        """Entries with a value of the union text beginning so; a start term of a length that has a posting."""
        return self.posting(chunk, layout.VALUE_START, 0, start)

    def inside_words(self, piece: str) -> list[bytes] | None:
        """The terms of the words that contain a piece without beginning so; None: too many to look each up."""
        known = self._inside.get(piece, False)
        if known is False:
            words = self.part.words_with(piece, INSIDE_MAX)
            known = None if words is None else [w.encode("utf-8", "surrogatepass") for w in words]
            if len(self._inside) >= UNIVERSES_MAX * UNIVERSES_MAX:
                self._inside.clear()
            self._inside[piece] = known
        return known  # type: ignore[return-value]

    def present(self, chunk: int, attribute: int) -> BitMap:
        return self.posting(chunk, layout.PRESENT, attribute, b"")

    def equal_in(self, chunk: int, value_digest: bytes) -> BitMap:
        key = (chunk, IN_MANY, 0, value_digest)
        found = self._decoded.get(key)
        if found is not None:
            return found
        ids = self.part.equal(value_digest)
        if ids is None:
            found = self.part.many(value_digest, chunk) or postings.EMPTY
            self._keep(key, found)
            return found
        first = chunk << layout.CHUNK_BITS
        return BitMap([i - first for i in ids if 0 <= i - first < layout.CHUNK_SIZE])
