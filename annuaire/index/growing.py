"""What one transaction adds to the postings of a recent part.

The entries of one person, each for its audiences, share nearly all their texts, and many people a town: a text is cut
in its terms once, for all ids that have it, and many texts are cut together.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import lmdb

from annuaire.domain.audience import Audience
from annuaire.index import layout, ngrams, postings
from annuaire.index.prepare import Prepared

# From so many different texts of an attribute on they are cut all at once.
MANY_TEXTS = 12
# Texts whose terms are at hand; some kilobytes each, so long ones are not.
KNOWN_TEXTS, KNOWN_LENGTH_MAX = 1024, 1024


def _terms(text: str) -> Iterable[bytes]:
    return _known_terms(text) if len(text) <= KNOWN_LENGTH_MAX else ngrams.text_terms(text)


@lru_cache(KNOWN_TEXTS)
def _known_terms(text: str) -> tuple[bytes, ...]:
    return tuple(ngrams.text_terms(text))


class Growth:
    """Ids given in ascending order, each with what the index holds of its entry."""

    def __init__(self) -> None:
        # By chunk and attribute, the texts and whose they are; by chunk and union text, which has the words.
        self._texts: dict[tuple[int, int], tuple[list[str], list[int]]] = {}
        self._words: dict[tuple[int, str], tuple[tuple[str, ...], list[int]]] = {}
        self._plain: dict[bytes, list[int]] = {}

    def add(self, identifier: int, prepared: Prepared) -> None:
        chunk, local = identifier >> layout.CHUNK_BITS, identifier & layout.CHUNK_MASK
        for attribute, text in ((layout.UNION, prepared.text), *prepared.texts):
            texts, ids = self._texts.setdefault((chunk, attribute), ([], []))
            texts.append(text)
            ids.append(local)
        self._words.setdefault((chunk, prepared.text), (prepared.words, []))[1].append(local)
        key_of = layout.posting_key
        keys = [key_of(chunk, layout.PRESENT, attribute, b"") for attribute in prepared.present]
        keys += [key_of(chunk, layout.SUBTREE, 0, digest) for digest in prepared.ancestors]
        keys += [key_of(chunk, layout.CHILDREN, 0, digest) for digest in prepared.ancestors[:1]]
        keys += [
            key_of(chunk, layout.AUDIENCE, int(bit), b"") for bit in Audience if prepared.audiences & bit
        ]
        for key in keys:
            self._plain.setdefault(key, []).append(local)

    def put(self, prefix: bytes, terms: Iterable[bytes], ids: list[int]) -> None:
        """Put ids into the postings of these terms. The list is shared, and never changed."""
        _mark(self._plain, prefix, terms, ids)

    def write(self, cursor: lmdb.Cursor) -> None:
        """In the order of keys, in which those that are near each other are read and written together."""
        marks, more = self._plain, {}
        for (chunk, attribute), (texts, ids) in self._texts.items():
            prefix = layout.posting_key(chunk, layout.GRAM, attribute, b"")
            groups: dict[str, list[int]] = {}
            for text, local in zip(texts, ids, strict=True):
                groups.setdefault(text, []).append(local)
            if len(groups) >= MANY_TEXTS:
                more.update({prefix + term: found for term, found in ngrams.gram_postings(texts, ids)})
            else:
                for text, together in groups.items():
                    _mark(marks, prefix, _terms(text), together)
        for (chunk, text), (words, ids) in self._words.items():
            encoded = [word.encode("utf-8", "surrogatepass") for word in words]
            starts = {
                word[:length].encode("utf-8", "surrogatepass")
                for word in words
                for length in range(1, min(len(word), layout.WORD_START_MAX) + 1)
            }
            _mark(marks, layout.posting_key(chunk, layout.WORD, 0, b""), encoded, ids)
            _mark(marks, layout.posting_key(chunk, layout.WORD_START, 0, b""), starts, ids)
            beginnings = ngrams.value_starts(text)
            _mark(marks, layout.posting_key(chunk, layout.VALUE_START, 0, b""), beginnings, ids)
        for key, ids in marks.items():
            more[key] = postings.joined(more.get(key), postings.serialize_small(sorted(ids)))
        keys = sorted(more)
        found: Any = cursor.getmulti(keys)
        known: dict[bytes, bytes] = dict(found)
        cursor.putmulti([(key, postings.joined(known.get(key), more[key])) for key in keys])


def _mark(marks: dict[bytes, list[int]], prefix: bytes, terms: Iterable[bytes], ids: list[int]) -> None:
    """Put ids under each term. A list is shared by all terms that have just these ids, and never changed."""
    for term in terms:
        key = prefix + term
        known = marks.get(key)
        marks[key] = ids if known is None else known + ids
