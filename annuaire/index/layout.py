"""The layout of a part of the index: its LMDB databases, key forms and format number.

A part is one LMDB environment. A *base* is built in bulk, numbered in (cn, DN) order and never written again; a
*recent* part has the same layout, holds what was written since, and is numbered in order of writing.

    entries    id -> record: details and the ready answer (see entry.py)
    texts      id -> the union text (see ngrams.py), UTF-8
    postings   chunk, kind, attribute, term -> roaring bitmap of the local ids (0..65535) of that chunk
    many       digest, chunk -> the same, for an equality value that too many entries share to be listed in a page
    equal      bucket -> page of rows: digest (12 octets), id (4 octets)
    wordgrams  three UTF-16 units -> roaring bitmap of the numbers of the words of a base that contain them
    later      number (its first octet is zero) -> a word that entries of the base have since and the base has not,
               and the same word -> b""; of a recent part alone
    passwords  digest of a DN key -> userPassword values (in no entry, posting or answer)
    facts      name -> what a routing decision knows of an address or domain (facts.py); digest of a DN key -> the
               names of the facts that its entry gives, one a line
    shapes     shape number -> the attribute descriptions of the entries of that shape
    views      what changed in the view of each audience (view_log.py); of a recent part alone
    meta       name -> value

Ids, chunks and lengths are big-endian in keys and little-endian in values.
"""

import hashlib
import struct

# Another number means another layout or other folding: an index that carries another one is rebuilt.
FORMAT = 9

CHUNK_BITS = 16
CHUNK_SIZE = 1 << CHUNK_BITS
CHUNK_MASK = CHUNK_SIZE - 1

DATABASES = (
    "entries",
    "texts",
    "postings",
    "many",
    "equal",
    "wordgrams",
    "later",
    "passwords",
    "facts",
    "shapes",
    "views",
    "meta",
)
# Virtual size: an address range, not memory. 64 GiB holds some fifty million entries.
MAP_SIZE = 64 << 30
MAX_READERS = 1024

# Kinds of postings, in key order.
GRAM, WORD, WORD_START, VALUE_START, PRESENT, SUBTREE, CHILDREN, AUDIENCE = range(8)

# The attribute number of the union text; the others are numbered from 1 in order of their names.
UNION = 0
# Pseudo attributes of the equality pages.
DN_KEY = 0xFFFF

# Word starts of up to this many UTF-16 units have a posting of their own; longer ones are a range of words.
WORD_START_MAX = 6
# Beginnings of values of these lengths have one too: a start mark and two letters are all that a gram can tell,
# and `MARS` begins far fewer values than words (Marseille).
VALUE_STARTS = (3, 4, 6)
# A longer word is cut in pieces of this length that overlap by the next: what is that short is inside one of them.
WORD_MAX = 48
WORD_PIECE_MAX = 24

DIGEST_SIZE = 12
ROW_SIZE = DIGEST_SIZE + 4
# This id in a row says: the ids of that digest are in `many`.
IN_MANY = 0xFFFFFFFF
# A digest with more ids than this goes to `many`.
LISTED_MAX = 64

# Under these numbers a recent part holds what an entry of the base has now, and has no more: Note [An entry that
# keeps its place]. Entry i of the base is ADDED + i, or REMOVED + i, in postings and pages; its record and its text,
# ADDED + i.
ADDED, REMOVED = 1 << 28, 2 << 28
# From this number on, the shape of such an entry is one of the recent part.
LATER_SHAPES = 1 << 31

ID = struct.Struct(">I")
CHUNK, TAIL = struct.Struct(">H"), struct.Struct(">BH")
POSTING = struct.Struct(">HBH")
BUCKET = struct.Struct(">I")


def digest(attribute: int, value: bytes) -> bytes:
    """The identity of one attribute's value in the equality pages.

    96 bits: with ten million stored values, a wrong match once in 10^21 look-ups.
    """
    return hashlib.blake2b(attribute.to_bytes(2, "big") + value, digest_size=DIGEST_SIZE).digest()


def hasher(attribute: int) -> "hashlib.blake2b":
    """What `digest` begins with for the values of one attribute: a copy takes half the time of a new one."""
    return hashlib.blake2b(attribute.to_bytes(2, "big"), digest_size=DIGEST_SIZE)


def posting_key(chunk: int, kind: int, attribute: int, term: bytes) -> bytes:
    return POSTING.pack(chunk, kind, attribute) + term


def posting_tail(kind: int, attribute: int, term: bytes) -> bytes:
    """A posting's key without its chunk."""
    return TAIL.pack(kind, attribute) + term


def bucket_of(value_digest: bytes, bits: int) -> bytes:
    """The key of the page in which a digest is listed, when pages are told apart by that many bits."""
    return BUCKET.pack(int.from_bytes(value_digest[:4], "big") >> (32 - bits))
