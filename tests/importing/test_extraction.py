"""Reading the national list of mailboxes: its rows, their keys, and what cannot be read."""

import contextlib
import io
import random
from collections import Counter, defaultdict

import national_files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from national_files import EDITION, HEADER, LINE, NEWER, UNREADABLE, blocks, kept, rows, table, warned

from annuaire.domain import mailbox, reliability
from annuaire.domain.domains import Domains
from annuaire.domain.mailbox import Mailbox
from annuaire.errors import Malformed
from annuaire.importing import block, extraction, headers

OURS = Domains(["medical*.apicrypt.org"], ["interop-mssante.apicrypt.org", "mssante.apicrypt.org"])
RULES = reliability.Rules(national_files.LISTED, OURS.is_ours)
FIELDS = LINE.split("|")


def changed(**fields: str) -> str:
    return mailbox.format(mailbox.parse(LINE)._replace(**fields))


def judged(data: bytes) -> Counter[str | None]:
    found = rows(blocks(data))
    claims = defaultdict(set)
    for _, holder, _, address, text in found:
        if mailbox.parse(text).type_bal == mailbox.PERSONAL:
            claims[address].add(holder)
    return Counter(
        reliability.judge(mailbox.parse(text), RULES, len(claims[address]) > 1)
        for _, _, _, address, text in found
    )


# ---- The fixtures


def test_the_fixture_has_the_rows_that_its_readme_tells():
    assert judged(EDITION.read_bytes()) == {
        None: 64,
        reliability.OURS: 6,
        reliability.MALFORMED_ADDRESS: 5,
        reliability.PATIENT: 1,
        reliability.UNLISTED: 3,
        reliability.UNKNOWN_TYPE: 2,
        reliability.NO_IDENTIFIER: 1,
        reliability.MALFORMED_IDENTIFIER: 3,
        reliability.NO_NAME: 2,
        reliability.CONTESTED: 2,
    }
    assert warned(blocks(EDITION.read_bytes())) == {
        reliability.RPPS_DIGIT: 2,
        reliability.FINESS_DIGIT: 1,
        block.CONTROLS: 1,
        block.REPEATED: 1,
    }
    assert not [line for one in blocks(EDITION.read_bytes()) for line in one.unreadable]


def test_the_newer_fixture_differs_as_its_readme_tells():
    old, new = kept(blocks(EDITION.read_bytes())), kept(blocks(NEWER.read_bytes()))
    assert (len(old), len(new)) == (89, 87)
    assert len(new.keys() - old.keys()) == 5
    assert len(old.keys() - new.keys()) == 7
    different = {old[key].split("|")[1] for key in old.keys() & new.keys() if old[key] != new[key]}
    assert different == {
        "paul.ferrier@ch-exemple.mssante.fr",
        "helene.brunel@medecin.mssante.fr",
        "urgences@ch-exemple.mssante.fr",
    }
    assert judged(NEWER.read_bytes())[reliability.CONTESTED] == 0


def test_nobody_of_the_fixtures_exists():
    for path in (EDITION, NEWER, UNREADABLE):
        for _, _, _, _, text in rows(blocks(path.read_bytes())):
            row = mailbox.parse(text)
            if row.type_pp == "8" and row.identifiant_pp:
                assert row.identifiant_pp.startswith("999")
            assert not row.structure or row.structure.startswith(("99", "199", "399"))


def test_good_lines_are_read_beside_those_that_cannot_be():
    read = blocks(UNREADABLE.read_bytes())
    assert len(rows(read)) == 3
    lines = {one.line: one.reason for part in read for one in part.unreadable}
    assert lines == {
        3: "4 colonnes au lieu de 31",
        5: "33 colonnes au lieu de 31",
        6: "la ligne n'est pas en UTF-8",
        7: "la ligne contient un octet nul",
        10: extraction.NO_HOLDER,
        11: extraction.LONG_ADDRESS,
    }
    raw = UNREADABLE.read_bytes().replace(b"\r\n", b"\n").split(b"\n")
    for part in read:
        for one in part.unreadable:
            assert one.text == raw[one.line - 1].rstrip(b"|") or one.text == raw[one.line - 1]


# ---- One row


def test_a_row_is_its_line_whom_it_describes_and_a_key():
    assert rows(blocks(table(LINE))) == [
        (
            2,
            "899900000029",
            "paul.martin@ch-exemple.mssante.fr|990000010|CARDIOLOGIE|10|SM04",
            "paul.martin@ch-exemple.mssante.fr",
            LINE,
        )
    ]


VARIANTS = {
    "plain": lambda text: text,
    "byte order mark": lambda text: "\ufeff" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "separator at the end": lambda text: text.replace("\n", "|\n"),
    "separator at the end of lines alone": lambda text: text.replace("\n", "|\n").replace("|\n", "\n", 1),
    "separator at the end of the header alone": lambda text: text.replace("\n", "|\n", 1),
    "no last line end": lambda text: text.rstrip("\n"),
    "no last line end, CR": lambda text: text.replace("\n", "\r\n").rstrip("\n"),
    "blank lines": lambda text: text.replace("\n", "\n\n").replace("PER|", "  \nPER|"),
    "all at once": lambda text: "\ufeff" + text.replace("\n", "|\r\n") + "\r\n\r\n",
    "a column behind": lambda text: text.replace("\n", "|Date\n", 1).replace("FRANCE\n", "FRANCE|today\n"),
    "capitals": lambda text: text.replace(HEADER, HEADER.upper()),
    "no accents": lambda text: text.replace(HEADER, HEADER.replace("é", "e").replace("é", "e")),
    "decomposed accents": lambda text: text.replace(HEADER, HEADER.replace("é", "e\u0301")),
    "typographic apostrophes": lambda text: text.replace(HEADER, HEADER.replace("'", "\u2019")),
    "no-break and repeated spaces": lambda text: text.replace(HEADER, HEADER.replace(" ", " \u00a0")),
    "underscores": lambda text: text.replace(HEADER, HEADER.replace(" ", "_")),
    "names of the other national file": lambda text: text.replace(
        "Type Identifiant", "Type d'identifiant", 1
    ),
    "the street as all others": lambda text: text.replace("NL4TYPEVOIE", "L4TYPEVOIE"),
    "some names that nobody knows": lambda text: text.replace("Code Profession", "X").replace(
        "Raison Sociale", "Y"
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_row_comes_of_every_variant_of_the_file(variant):
    data = VARIANTS[variant](table(LINE).decode()).encode()
    (row,) = rows(blocks(data))
    assert row[1:] == rows(blocks(table(LINE)))[0][1:]


def test_columns_may_stand_in_any_order_with_others_between_them():
    names, fields = HEADER.split("|"), LINE.split("|")
    order = random.Random(3).sample(range(31), 31)
    header = "Opérateur|" + "|".join(names[place] for place in order)
    line = "somebody|" + "|".join(fields[place] for place in order)
    (row,) = rows(blocks(table(line, header=header)))
    assert row[4] == LINE


@pytest.mark.parametrize(
    ("given", "kept_as"),
    [
        ({"nom": "  MARTIN "}, {"nom": "MARTIN"}),
        ({"nom": "\u00a0MARTIN\u2003"}, {"nom": "MARTIN"}),
        ({"nom": "MAR\tTIN"}, {"nom": "MAR TIN"}),
        ({"nom": "MAR\rTIN"}, {"nom": "MAR TIN"}),
        ({"nom": "\x0bMARTIN\x85\u2028"}, {"nom": "MARTIN"}),
        ({"nom": "MAR\u00a0TIN"}, {"nom": "MAR\u00a0TIN"}),
        ({"type_bal": " per"}, {"type_bal": "PER"}),
        ({"pays": "FRANCE "}, {"pays": "FRANCE"}),
        ({"national_pp": ""}, {}),
        ({"national_pp": "", "identifiant_pp": "899900000029"}, {"identifiant_pp": "899900000029"}),
        ({"address": " Paul.MARTIN@CH-Exemple.mssante.fr"}, {"address": "Paul.MARTIN@CH-Exemple.mssante.fr"}),
    ],
)
def test_fields_lose_blanks_and_controls_and_keep_the_rest(given, kept_as):
    (row,) = rows(blocks(table(changed(**given))))
    assert row[4] == changed(**kept_as)
    assert row[1] == "899900000029"
    assert row[3] == "paul.martin@ch-exemple.mssante.fr"


def test_whatever_is_no_persons_row_is_held_by_its_address():
    (row,) = rows(blocks(table(changed(type_bal="ORG"))))
    assert row[1] == row[3] == "paul.martin@ch-exemple.mssante.fr"


def test_a_person_without_address_is_kept_and_a_structure_without_one_is_unreadable():
    (row,) = rows(blocks(table(changed(address=""))))
    assert row[3] == ""
    (part,) = blocks(table(changed(address="", type_bal="ORG")))
    assert [one.reason for one in part.unreadable] == [extraction.NO_HOLDER]


# ---- Keys


def test_a_corrected_label_changes_a_row_and_another_attachment_is_another_row():
    (before,) = kept(blocks(table(LINE)))
    for fields in ({"profession_libelle": "Docteur"}, {"nom": "MARTINS"}, {"l6": "59800 LILLE"}):
        assert list(kept(blocks(table(changed(**fields))))) == [before]
    for fields in ({"structure": "990000028"}, {"service": "URGENCES"}, {"savoir_faire": "SM54"}):
        assert list(kept(blocks(table(changed(**fields))))) != [before]


TWINS = [changed(voie_numero=str(number)) for number in range(2, 6)]


def test_different_rows_of_one_key_all_survive_whatever_their_order():
    found = kept(blocks(table(LINE, *TWINS)))
    assert sorted(found.values()) == sorted([LINE, *TWINS])
    assert all(key.startswith("paul.martin@ch-exemple.mssante.fr|990000010|") for _, key in found)
    for seed in range(10):
        lines = random.Random(seed).sample([LINE, *TWINS], 5)
        assert kept(blocks(table(*lines))) == found


def test_one_more_twin_leaves_the_keys_of_the_others():
    two = kept(blocks(table(*TWINS[:2])))
    assert two.items() <= kept(blocks(table(*TWINS[:3]))).items()


def test_identical_lines_are_one_row_and_a_warning():
    read = blocks(table(LINE, TWINS[0], LINE, LINE))
    assert len(rows(read)) == 2
    assert warned(read)[block.REPEATED] == 2


def test_twins_are_found_in_other_spellings_of_the_address():
    spelled = [LINE, TWINS[0].replace("paul.martin", "Paul.MARTIN"), TWINS[1].replace("paul", " PAUL")]
    assert len(kept(blocks(table(*spelled)))) == 3
    accents = [changed(address="HÉLÈNE\t@x.fr"), changed(address="hélène @x.fr", voie_numero="9")]
    assert len(kept(blocks(table(*accents)))) == 2


def test_a_key_is_never_too_long_for_an_index():
    line = changed(address="a" * 320, service="é" * 1000, structure="9" * 500)
    (row,) = rows(blocks(table(line)))
    assert row[4] == line
    assert len(row[2].encode()) <= block.KEY_MAX
    assert row[2].startswith("a" * 320 + "|")


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_lines_plays_no_part(source):
    lines = EDITION.read_text("utf-8-sig").replace("\r\n", "\n").strip().split("\n")[1:]
    source.shuffle(lines)
    shuffled = "\n".join([HEADER, *lines]).encode()
    assert kept(blocks(shuffled)) == kept(blocks(EDITION.read_bytes()))


# ---- What is refused


def test_a_file_with_missing_columns_is_refused_with_their_names():
    names = HEADER.split("|")
    header = "|".join(name for name in names if name not in ("Adresse BAL", "Code Profession"))
    with pytest.raises(Malformed, match="29 colonnes au lieu de 31") as caught:
        blocks(table(header=header), "liste.txt")
    assert "« Adresse BAL », « Code Profession »" in str(caught.value)
    assert str(caught.value).startswith("liste.txt : ")
    assert str(caught.value).count("Adresse BAL") == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "il manque « Type de BAL », « Adresse BAL »"),
        (LINE.encode(), "ce n'est pas l'extraction"),
        (national_files.ACTIVITIES.read_bytes(), "ce n'est pas l'extraction"),
        (HEADER.replace("|", ";").encode(), "des points-virgules"),
        (HEADER.replace("|", "\t").encode(), "des tabulations"),
        (HEADER.encode("utf-16"), "UTF-16"),
        (HEADER.encode("latin-1"), "n'est pas en UTF-8"),
        (b"x" * 20_000, "la première ligne a plus de"),
        (b"dn: c=FR\nc: FR\n", "1 colonne au lieu de 31"),
        (bytes(range(256)) * 10, "1 colonne|UTF-8|au lieu de 31"),
    ],
)
def test_another_file_is_refused_for_what_it_is(data, words):
    with pytest.raises(Malformed, match=words):
        blocks(data)


# ---- Large and hostile files


def test_blocks_tell_how_much_of_the_file_they_are():
    lines = [changed(address=f"n{number}@ch-exemple.mssante.fr") for number in range(20_000)]
    data = table(*lines, end="|\r\n")
    read = blocks(data)
    assert len(read) > 3
    assert sum(one.size for one in read) == len(data)
    assert [row[0] for one in read for row in one.rows] == list(range(2, 20_002))
    assert [row[4] for one in read for row in one.rows] == lines


def test_a_line_that_is_too_long_is_told_and_reading_goes_on_behind_it():
    for length in (17_000, 3_000_000):
        long = "ORG|" + "x" * length
        others = [changed(address=f"n{number}@x.fr") for number in range(2)]
        read = blocks(table(LINE, long, others[0], long, long, others[1]))
        assert [one.line for part in read for one in part.unreadable] == [3, 5, 6]
        assert all(one.text == b"" and "16384" in one.reason for part in read for one in part.unreadable)
        assert [row[0] for row in rows(read)] == [2, 4, 7]
        # At the very end, and alone.
        (unreadable,) = [one for part in blocks(table(LINE, long)[:-1]) for one in part.unreadable]
        assert unreadable.line == 3


PIECES = st.one_of(
    st.sampled_from(
        [LINE.encode(), b"|", b"\n", b"\r\n", b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b" ", b"PER|", b"\r"]
    ),
    st.binary(max_size=20),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=80), st.booleans())
def test_hostile_lines_never_stop_reading_nor_leave_anything_unfit_in_a_row(pieces, with_twin):
    data = table(LINE) + b"".join(pieces) + b"\n" + (LINE.encode() if with_twin else b"")
    read = blocks(data)
    assert sum(one.size for one in read) == len(data)
    count = data.count(b"\n") + 1
    for number, holder, key, address, text in rows(read):
        assert 2 <= number <= count
        assert holder
        assert len(text.split("|")) == mailbox.COLUMNS
        assert not set(text) & set(map(chr, [*range(32), *range(127, 160), 0x2028, 0x2029]))
        assert all(field == field.strip() for field in text.split("|"))
        row = mailbox.parse(text)
        assert (holder, address) == (mailbox.holder(row), row.address.lower())
        assert key.startswith(
            extraction.key(address, row.structure, row.service, row.profession, row.savoir_faire)
        )
    assert len(kept(read)) == len(rows(read))
    assert any(text == LINE for *_, text in rows(read))
    for part in read:
        assert part.warnings == part.warned.total()
        assert part.warned.keys() <= block.WARNINGS.keys()
        for one in part.unreadable:
            assert 2 <= one.line <= count
            assert one.reason


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=60))
def test_a_hostile_file_is_read_or_refused(pieces):
    with contextlib.suppress(Malformed):
        blocks(b"".join(pieces))


def test_every_field_of_a_row_has_its_column():
    assert headers.fields(headers.EXTRACTION) == Mailbox._fields
    assert headers.fields(headers.ACTIVITIES) == mailbox.Activity._fields


# ---- What a file is


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (EDITION.read_bytes()[:4096], extraction.EXTRACTION),
        (EDITION.read_bytes()[:100], extraction.EXTRACTION),
        (HEADER.upper().encode(), extraction.EXTRACTION),
        (national_files.ACTIVITIES.read_bytes()[:4096], extraction.ACTIVITIES),
        (national_files.ACTIVITIES.read_bytes()[:200], extraction.ACTIVITIES),
        (b"dn: c=FR\n", extraction.LDIF),
        (b"\xef\xbb\xbf# comment\n\n version\nversion: 1\n", extraction.LDIF),
        (b"DN:: Yz1GUg==\n", extraction.LDIF),
        (b"# only a comment", None),
        (b"PK\x03\x04", extraction.ZIP),
        (b"PK\x05\x06" + bytes(18), extraction.ZIP),
        (national_files.archive(("a.txt", b"hello")), extraction.ZIP),
        (national_files.archive(("a.txt", EDITION.read_bytes()))[:2000], extraction.EXTRACTION),
        (national_files.archive(("Extraction_Correspondance_MSSante_1.txt", b"")), extraction.EXTRACTION),
        (national_files.archive(("extraction-correspondance-mssante.txt", b"")), extraction.EXTRACTION),
        (national_files.archive(("PS_LibreAcces_Dipl_AutExerc_1.txt", b"")), extraction.ACTIVITIES),
        (b"", None),
        (b"hello|world\n", None),
        (bytes(range(256)), None),
    ],
)
def test_a_file_is_recognised_by_its_first_octets(head, kind):
    assert extraction.recognise(head) == kind


@given(st.binary(max_size=200), st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b", b"dn:"]))
def test_no_head_is_too_strange_to_be_looked_at(head, beginning):
    extraction.recognise(beginning + head)


def test_a_file_may_be_read_twice_from_one_stream():
    stream = io.BytesIO(EDITION.read_bytes())
    assert len(rows(extraction.read(stream))) == len(rows(extraction.read(stream))) == 89
