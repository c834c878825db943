"""The national files in their ZIP, and archives that are not what they should be."""

import contextlib
import io
import random
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from national_files import ACTIVITIES, EDITION, HEADER, LINE, archive, blocks, kept, rows, table

from annuaire.errors import Malformed
from annuaire.importing import activities
from annuaire.importing import archive as archives

NAME = EDITION.name


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_the_archive_says_what_the_file_says(method):
    data = archive((NAME, EDITION.read_bytes()), method=method)
    assert kept(blocks(data)) == kept(blocks(EDITION.read_bytes()))


def test_blocks_tell_how_much_of_the_archive_they_are():
    lines = [LINE.replace("paul", f"paul{number}") for number in range(20_000)]
    data = archive((NAME, table(*lines)))
    read = blocks(data)
    assert len(read) > 3
    assert sum(one.size for one in read) == len(data)
    assert all(one.size > 0 for one in read[:3])


def test_folders_and_what_finders_leave_are_no_files():
    data = archive(("dossier/", b""), ("dossier/" + NAME, EDITION.read_bytes()), ("__MACOSX/._x", b"x"))
    assert len(rows(blocks(data))) == 89


def test_the_file_of_activities_is_found_among_its_neighbours():
    data = archive(
        ("PS_LibreAcces_Dipl_AutExerc_202611220600.txt", b"x|y|\n"),
        (ACTIVITIES.name, ACTIVITIES.read_bytes()),
        ("PS_LibreAcces_SavoirFaire_202611220600.txt", b"x|y|\n"),
    )
    read = list(activities.read(io.BytesIO(data), lambda _: True))
    assert kept(read) == kept(activities.read(io.BytesIO(ACTIVITIES.read_bytes()), lambda _: True))
    assert sum(one.size for one in read) == len(data)


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def encrypted(data: bytes) -> bytes:
    """The archive with the bit that says so, in both places."""
    central = data.index(b"PK\x01\x02")
    flagged = bytearray(data)
    flagged[6] |= 1
    flagged[central + 8] |= 1
    return bytes(flagged)


GOOD = archive((NAME, EDITION.read_bytes()))
LARGE = b"a" * (archives.RATIO_FREE + 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (archive(), "est vide"),
        (archive(("dossier/", b"")), "est vide"),
        (archive(("a.txt", b"a"), ("b.txt", b"b")), "plusieurs fichiers au lieu d'un seul : a.txt, b.txt"),
        (archive(*[(f"{number}", b"") for number in range(101)]), "plus de 100 fichiers"),
        (encrypted(GOOD), "est chiffrée"),
        (archive((NAME, EDITION.read_bytes()), method=zipfile.ZIP_BZIP2), "inhabituelle"),
        (GOOD[:-1], "incomplète ou abîmée"),
        (GOOD[: len(GOOD) // 2], "incomplète ou abîmée"),
        (GOOD[:10], "incomplète ou abîmée"),
        (damaged(GOOD, len(GOOD) // 2), "incomplète ou abîmée"),
        (archive((NAME, LARGE)), "plus de cent fois plus grand"),
        (archive((NAME, b"hello")), "ce n'est pas l'extraction"),
        (archive(("x.zip", archive((NAME, EDITION.read_bytes())))), "1 colonne|UTF-8"),
    ],
)
def test_an_archive_that_is_not_what_it_should_be_is_refused_in_words(data, words):
    with pytest.raises(Malformed, match=words):
        blocks(data)


def test_an_archive_of_activities_without_the_right_file_is_refused():
    data = archive(("a.txt", b"a"), ("b.txt", b"b"))
    with pytest.raises(Malformed, match="lequel prendre"):
        list(activities.read(io.BytesIO(data), lambda _: True))


def test_what_is_declared_is_never_exceeded():
    """A bomb that declares little: what is behind the declared size is not read, and the archive is refused."""
    text = table(LINE) + b"\n" * 30_000_000
    data = bytearray(archive((NAME, text)))
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = (2000).to_bytes(4, "little")
    with pytest.raises(Malformed, match="incomplète ou abîmée"):
        blocks(bytes(data))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, len(GOOD) - 1), st.randoms(use_true_random=False))
def test_a_damaged_archive_is_read_or_refused(first, last, source: random.Random):
    data = bytearray(GOOD)
    for at in range(min(first, last), min(max(first, last), min(first, last) + 12)):
        data[at] = source.randrange(256)
    with contextlib.suppress(Malformed):
        blocks(bytes(data))


def test_the_header_stands_in_the_fixture_as_the_reference_says():
    assert len(HEADER.split("|")) == 31
