"""What one look at one part of the index sees: the part, the entries that no longer count, and cached sets."""

from collections import OrderedDict

from pyroaring import BitMap

from annuaire.index import layout, postings
from annuaire.index.part import Part

# Sets kept between requests: the audience's and the usual bases', eight chunks each at national size.
UNIVERSES_MAX = 64


class Sight:
    """One part as it stands at one moment; made anew when the part is written to."""

    def __init__(self, part: Part, gone: BitMap) -> None:
        self.part = part
        self.chunks = range(part.chunks)
        # Every sight of the same moment, this one included: what lies below an entry may be in another part.
        self.together: list[Sight] = [self]
        self.gone = gone
        self._universes: OrderedDict[tuple[int, bytes, int], dict[int, BitMap]] = OrderedDict()

    def exists(self, identifier: int) -> bool:
        return identifier not in self.gone

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

    def gram(self, chunk: int, attribute: int, term: bytes) -> BitMap:
        return self.part.posting(layout.posting_key(chunk, layout.GRAM, attribute, term)) or postings.EMPTY

    def word(self, chunk: int, word: bytes) -> BitMap:
        """Entries that have this whole word."""
        return self.part.posting(layout.posting_key(chunk, layout.WORD, 0, word)) or postings.EMPTY

    def word_start(self, chunk: int, word: str) -> BitMap:
        """Entries that have a word beginning so."""
        term = word.encode("utf-8", "surrogatepass")
        if len(word) <= layout.WORD_START_MAX:
            return self.part.posting(layout.posting_key(chunk, layout.WORD_START, 0, term)) or postings.EMPTY
        return self.part.words_from(chunk, term)

    def present(self, chunk: int, attribute: int) -> BitMap:
        return self.part.posting(layout.posting_key(chunk, layout.PRESENT, attribute, b"")) or postings.EMPTY

    def equal_in(self, chunk: int, value_digest: bytes) -> BitMap:
        ids = self.part.equal(value_digest)
        if ids is None:
            return self.part.many(value_digest, chunk) or postings.EMPTY
        first = chunk << layout.CHUNK_BITS
        return BitMap([i - first for i in ids if 0 <= i - first < layout.CHUNK_SIZE])
