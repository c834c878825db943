"""Postings of a recent part grow to the same octets' meaning, however many entries are taken at once."""

import random
from collections.abc import Iterable

import pytest
from pyroaring import BitMap

from annuaire.domain.audience import Audience
from annuaire.index import growing, layout, ngrams, postings
from annuaire.index.entry import IndexEntry
from annuaire.index.growing import Growth
from annuaire.index.prepare import Numbering, Prepared, prepare
from annuaire.ldap import ber, dn
from annuaire.ldap import schema as schemas

SCHEMA = schemas.standard()
NUMBERING = Numbering(SCHEMA)
SUFFIX = "ou=apicrypt,o=apicrypt,c=FR"


class Database:
    """What a cursor is asked."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}

    def getmulti(self, keys: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
        asked = list(keys)
        assert asked == sorted(asked)
        return [(key, self.rows[key]) for key in asked if key in self.rows]

    def putmulti(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        self.rows.update(rows)

    def ids(self) -> dict[bytes, BitMap]:
        return {key: postings.deserialize(raw) for key, raw in self.rows.items()}


def people(count: int, source: random.Random) -> list[Prepared]:
    found = []
    for number in range(count):
        given = source.choice(("Hélène", "Jean-Pierre", "Œdipe", "Zoé 𝒵", "Noël"))
        surname = source.choice(("DUPONT", "LE GALL", "d'ARBOIS", "MÜLLER", "N'GUYEN"))
        attributes = {
            "objectClass": [b"inetOrgPerson"],
            "uid": [f"u{number}".encode()],
            "cn": [f"{given} {surname}".encode(), f"{surname} {given}".encode()],
            "sn": [surname.encode()],
            "mail": [f"personne{number}@medical59.apicrypt.org".encode()],
            "l": [source.choice((b"LILLE", b"ROUBAIX", "ÉPINAL".encode()))],
            "title": [b"Sage-Femme"],
        }
        if number % 3:
            attributes["o"] = [f"Cabinet {number}".encode()]
        name = f"uid=u{number},{SUFFIX}"
        key = dn.key(dn.parse(name), SCHEMA)
        seers = source.choice((Audience.ADMIN, Audience.ADMIN | Audience.APICRYPT))
        entry = IndexEntry(name, key, ber.encode_attributes(attributes), {}, bytes(16), int(seers), None)
        # As the views of one person are: twice in a row.
        found += [prepare(entry, NUMBERING)] * (1 + number % 2)
    return found


def expected(entries: list[Prepared], first: int) -> dict[bytes, BitMap]:
    """Said of each entry by itself."""
    found: dict[bytes, BitMap] = {}
    for identifier, one in enumerate(entries, first):
        chunk, local = identifier >> layout.CHUNK_BITS, identifier & layout.CHUNK_MASK
        terms = [
            (layout.GRAM, attribute, term)
            for attribute, text in ((layout.UNION, one.text), *one.texts)
            for term in ngrams.text_terms(text)
        ]
        for word in one.words:
            terms.append((layout.WORD, 0, word.encode()))
            ends = range(1, min(len(word), layout.WORD_START_MAX) + 1)
            terms += [(layout.WORD_START, 0, word[:end].encode()) for end in ends]
        terms += [(layout.VALUE_START, 0, term) for term in ngrams.value_starts(one.text)]
        terms += [(layout.PRESENT, attribute, b"") for attribute in one.present]
        terms += [(layout.SUBTREE, 0, digest) for digest in one.ancestors]
        terms += [(layout.CHILDREN, 0, digest) for digest in one.ancestors[:1]]
        terms += [(layout.AUDIENCE, int(bit), b"") for bit in Audience if one.audiences & bit]
        for kind, attribute, term in terms:
            found.setdefault(layout.posting_key(chunk, kind, attribute, term), BitMap()).add(local)
    return found


@pytest.mark.parametrize("at_once", [1, 7, 150])
@pytest.mark.parametrize("many", [1, 12, 10_000])
@pytest.mark.parametrize("first", [0, layout.CHUNK_SIZE - 50])
def test_what_is_written_is_what_each_entry_has(
    at_once: int, many: int, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "MANY_TEXTS", many)
    entries = people(100, random.Random(1))
    database = Database()
    for begin in range(0, len(entries), at_once):
        growth = Growth()
        for number, one in enumerate(entries[begin : begin + at_once], first + begin):
            growth.add(number, one)
        growth.write(database)  # type: ignore[arg-type]
    assert database.ids() == expected(entries, first)


@pytest.mark.parametrize("size", [1, 4096, 4097, 9000])
def test_a_posting_that_begins_large_is_one(size: int) -> None:
    ids = list(range(0, 7 * size, 7))
    assert list(postings.deserialize(postings.serialize_small(ids))) == ids


@pytest.mark.parametrize("size", [1, 2, 63, 64, 100, 4095, 4096, 4097, 9000])
@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize(
    "more", [[60_000], list(range(60_000, 60_500)), [2, 60_000], list(range(50_000, 65_000, 2))]
)
def test_two_postings_in_one_have_the_ids_of_both(size: int, step: int, more: list[int]) -> None:
    ids = list(range(0, size * step, step))
    for one in (postings.serialize_small(ids) if size <= 4096 else None, postings.serialize(BitMap(ids))):
        for other in (
            postings.serialize_small(more) if len(more) <= 4096 else None,
            postings.serialize(BitMap(more)),
        ):
            if one is not None and other is not None:
                found = postings.joined(one, other)
                assert postings.deserialize(found) == BitMap(ids) | BitMap(more)
    assert postings.joined(None, one or b"") == one
