"""n-grams of 1, 2 and 3 UTF-16 units of folded texts, for the build (vectorised) and for a search part.

A text is its values one after the other, each between a start mark and an end mark; segments (one an attribute,
in the union text) are divided by a separator that no n-gram crosses. So `START + "du"` is a value prefix,
`" du"` a word prefix inside a value, and a part of up to three units is answered exactly by one posting.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from annuaire.index import layout, postings

START = "\x02"
END = "\x03"
SEPARATOR = "\x00"
BETWEEN = END + START

# The attributes that clients always search together, in the order of their segments in the union text.
UNION_ATTRIBUTES = ("cn", "mail", "givenname", "sn")
CN = 0

GRAM = 3
_UNIT = struct.Struct(">H")


def text_of(values: list[str]) -> str:
    """The text of one attribute's folded values."""
    if len(values) > 1:
        values = list(dict.fromkeys(values))
    return START + BETWEEN.join(values) + END if values else ""


def start_term(start: str) -> bytes:
    """The posting term of a beginning of values."""
    return start.encode("utf-16-be", "surrogatepass")


def value_starts(text: str) -> set[bytes]:
    """The terms of the beginnings of the values of a text that have a posting of their own."""
    starts = set()
    for value in text.replace(SEPARATOR, "").split(END):
        term = start_term(value[1:])
        for size in layout.VALUE_STARTS:
            if len(term) >= 2 * size:
                starts.add(term[: 2 * size])
    return starts


def start_postings(texts: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """(term, posting) of every beginning that value_starts tells of the texts, ascending."""
    units, owner = _units(texts)
    at = np.flatnonzero(units == ord(START)) + 1
    found: list[tuple[bytes, bytes]] = []
    # Past the end of a text there is nothing but separators, which no beginning contains.
    padded = np.concatenate((units, np.zeros(max(layout.VALUE_STARTS), dtype=np.uint16)))
    for size in layout.VALUE_STARTS:
        letters = [padded[at + i].astype(np.uint64) for i in range(size)]
        whole = np.logical_and.reduce([letter > ord(END) for letter in letters])
        # Four units fill a code of 64 bits; what follows is added to the rank of the first four.
        codes = np.zeros(np.count_nonzero(whole), dtype=np.uint64)
        for i, letter in enumerate(letters):
            if i and i % 4 == 0:
                codes = np.unique(codes, return_inverse=True)[1].astype(np.uint64)
            codes = (codes << np.uint64(16)) | letter[whole]
        places, numbers = np.unique(codes, return_index=True, return_inverse=True)[1:]
        first = at[whole][places]
        terms = np.stack([padded[first + i] for i in range(size)], axis=1).astype(">u2")
        ranked = (numbers.reshape(-1).astype(np.uint64) << np.uint64(16)) | owner[at[whole]]
        found += [(terms[number].tobytes(), posting) for number, posting in postings.runs([ranked])]
    return sorted(found)


def gram_keys(text: str) -> tuple[list[bytes], bool]:
    """The posting terms of a search part (marks included) and whether they answer it exactly.

    Six octets each: up to three big-endian UTF-16 units, right-aligned.
    """
    units = text.encode("utf-16-be")
    if len(units) <= 2 * GRAM:
        return [units.rjust(2 * GRAM, b"\0")], True
    return list(dict.fromkeys(units[i : i + 2 * GRAM] for i in range(0, len(units) - 4, 2))), False


def text_terms(text: str) -> set[bytes]:
    """Every posting term of one text: what gram_postings indexes, for a single entry."""
    return set(map(term, text_grams(text)))


def text_grams(text: str) -> set[str]:
    """The n-grams of one text as text, a character for each UTF-16 unit; `term` makes the posting terms of them."""
    if not text.isascii() and max(text) > "\uffff":
        units = text.encode("utf-16-be", "surrogatepass")
        text = "".join([chr(unit) for (unit,) in _UNIT.iter_unpack(units)])
    grams: set[str] = set()
    for segment in text.split(SEPARATOR):
        for value in segment.split(END)[:-1]:
            value += END
            grams.update(value)
            grams.update(map("".join, pairwise(value)))
            grams.update(map("".join, zip(value, value[1:], value[2:], strict=False)))
    return grams - {START, END}


def term(gram: str) -> bytes:
    """The posting term of an n-gram: six octets, right-aligned."""
    return gram.encode("utf-16-be", "surrogatepass").rjust(2 * GRAM, b"\0")


def gram_postings(texts: Sequence[str], ids: Sequence[int] | None = None) -> Iterator[tuple[bytes, bytes]]:
    """(term, posting) of every n-gram of the texts, ascending; text i belongs to local id i, or to the i-th of `ids`.

    One width at a time: at 65,536 texts each holds some 70 MB, and right-aligned terms stay in order.
    """
    units, owner = _units(texts)
    if ids is not None:
        owner = np.array(ids, dtype=np.uint16)[owner]
    start, end = ord(START), ord(END)
    whole = units > end
    pair = (units[:-1] > 0) & (units[1:] > 0) & (units[:-1] != end) & (units[1:] != start)
    masks = (whole, pair, pair[:-1] & pair[1:])
    for width, mask in enumerate(masks, 1):
        yield from _postings_of(units, owner, width, mask)


def _units(texts: Sequence[str]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """The UTF-16 units of all texts, with separators, and to which text each belongs."""
    joined = SEPARATOR.join(texts) + SEPARATOR
    units = np.frombuffer(joined.encode("utf-16-le", "surrogatepass"), dtype="<u2")
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    if len(units) != len(joined):  # characters outside the BMP take two units
        lengths = np.fromiter(
            (len(t.encode("utf-16-le", "surrogatepass")) // 2 for t in texts), np.int64, count=len(texts)
        )
    return units, np.repeat(np.arange(len(texts), dtype=np.uint16), lengths + 1)


def _postings_of(
    units: NDArray[np.uint16], owner: NDArray[np.uint16], width: int, mask: NDArray[np.bool_]
) -> Iterator[tuple[bytes, bytes]]:
    codes = units[: len(mask)][mask].astype(np.uint64)
    for i in range(1, width):
        codes <<= np.uint64(16)
        codes |= units[i : len(mask) + i][mask]
    codes <<= np.uint64(16)
    codes |= owner[: len(mask)][mask]
    return ((term.to_bytes(2 * GRAM, "big"), posting) for term, posting in postings.runs([codes]))
