"""Reading PS_LibreAcces_Personne_activite: the people who are known, in every edition of the file."""

import contextlib
import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from national_files import ACTIVITIES, EDITION, kept, rows, warned

from annuaire.domain import mailbox
from annuaire.errors import Malformed
from annuaire.importing import activities, block

TEXT = ACTIVITIES.read_text("utf-8")
LINES = TEXT.splitlines()
HEADER = LINES[0]
KNOWN = {f"8999000{number}" for number in ("20019", "20027", "20316", "20043", "10051", "10069")} | {
    "0999399991"
}


def known(national: str) -> bool:
    return national in KNOWN


def read(text: str | bytes) -> list[block.Block]:
    data = text.encode() if isinstance(text, str) else text
    return list(activities.read(io.BytesIO(data), known, "activites.txt"))


def cut(text: str, width: int) -> str:
    """The file with that many columns and an empty one."""
    return "".join("|".join(line.split("|")[:width]) + "|\n" for line in text.splitlines())


def test_the_rows_of_those_who_are_known_are_read_and_of_nobody_else():
    found = kept(read(TEXT))
    assert {holder for holder, _ in found} == KNOWN
    assert len(found) == 9
    assert warned(read(TEXT)) == {block.REPEATED: 1}
    assert sum(one.size for one in read(TEXT)) == len(TEXT.encode())


def test_nobody_of_the_fixture_exists():
    assert all(line.split("|")[1].startswith("999") for line in LINES[1:])


def test_a_row_keeps_what_the_directory_shows():
    (row,) = [row for row in rows(read(TEXT)) if row[1] == "899900020019"]
    assert (row[0], row[3]) == (2, "")
    assert mailbox.parse_activity(row[4]) == mailbox.Activity(
        type_pp="8",
        national_pp="899900020019",
        profession="10",
        profession_libelle="Médecin",
        savoir_faire="SM54",
        savoir_faire_libelle="Médecine générale",
        raison_sociale="CABINET MEDICAL DU PORT",
        enseigne="",
        voie_numero="5",
        voie_complement="",
        voie_type="Quai",
        voie_libelle="DES BATELIERS",
        code_postal="59140",
        commune="Dunkerque",
        telephone="03 53 01 20 01",
        finess="",
        siret=mailbox.parse_activity(row[4]).siret,
    )
    assert row[2].startswith("|99")


def test_several_places_and_two_telephones_of_one_place_are_all_kept():
    found = kept(read(TEXT))
    assert sum(holder == "899900020316" for holder, _ in found) == 2
    assert sum(holder == "899900020043" for holder, _ in found) == 2


def test_the_order_of_lines_plays_no_part():
    for seed in range(5):
        shuffled = random.Random(seed).sample(LINES[1:], len(LINES) - 1)
        assert kept(read("\n".join([HEADER, *shuffled]))) == kept(read(TEXT))


EDITIONS = {
    "of 2018, 48 columns": cut(TEXT, 48),
    "52 columns": cut(TEXT, 52),
    "without the empty column": TEXT.replace("|\n", "\n"),
    "byte order mark and CRLF": "\ufeff" + TEXT.replace("\n", "\r\n"),
    "capitals": TEXT.replace(HEADER, HEADER.upper()),
    "no accents, other apostrophes": TEXT.replace(HEADER, HEADER.replace("é", "e").replace("'", "\u2019")),
    "names of another publisher": TEXT.replace("(coord. structure)", "(coord. Structure)")
    .replace("Libellé civilité d'exercice", "Libellé civilité exercice")
    .replace("Code rôle", "Code fonction")
    .replace("Code genre activité", "Code genre d'activité"),
    "nothing in parentheses": TEXT.replace(" (coord. structure)", ""),
    "names that nobody knows": TEXT.replace("Raison sociale site", "X").replace("Numéro SIRET site", "Y"),
}


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_same_rows_come_of_every_edition(edition):
    assert kept(read(EDITIONS[edition])) == kept(read(TEXT))


def test_an_edition_without_specialities_is_read_without_them():
    names = HEADER.split("|")
    places = [place for place, name in enumerate(names) if "savoir-faire" not in name]
    assert len(names) - len(places) == 4
    text = "".join("|".join(line.split("|")[place] for place in places) + "\n" for line in LINES)
    found = [mailbox.parse_activity(row[4]) for row in rows(read(text))]
    assert {one.national_pp for one in found} == KNOWN
    assert {one.savoir_faire + one.savoir_faire_libelle for one in found} == {""}
    assert "CH EXEMPLE" in {one.raison_sociale for one in found}
    assert "03 53 01 20 01" in {one.telephone for one in found}


def test_a_line_of_another_width_is_unreadable_when_its_person_is_known():
    lines = [HEADER, LINES[1] + "more|", LINES[1][:60], LINES[-1] + "more|", "8|99900020019", ""]
    (part,) = read("\n".join(lines))
    assert [(one.line, one.reason) for one in part.unreadable] == [
        (2, "58 colonnes au lieu de 56"),
        (3, f"{LINES[1][:60].count('|') + 1} colonnes au lieu de 56"),
        (5, "2 colonnes au lieu de 56"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (EDITION.read_bytes(), "activites.txt : ce n'est pas le fichier PS_LibreAcces_Personne_activite"),
        ("", "il manque « Type d'identifiant PP », « Identification nationale PP »"),
        (HEADER.replace("|", ";"), "des points-virgules"),
        (
            HEADER.replace("Identification nationale PP", "X").replace("Code rôle|", ""),
            "« Identification nationale PP »",
        ),
    ],
)
def test_another_file_is_refused_for_what_it_is(text, words):
    with pytest.raises(Malformed, match=words):
        read(text)


def test_an_edition_of_an_unknown_width_is_read_when_all_needed_names_are_there():
    text = "".join(f"new|{line}new|\n" for line in LINES)
    assert kept(read(text)) == kept(read(TEXT))


PIECES = st.one_of(
    st.sampled_from(
        [LINES[1].encode(), b"|", b"\n", b"\0", b"\xff", b"8|99900020019|899900020019|", b"\r", b" "]
    ),
    st.binary(max_size=20),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=40))
def test_hostile_lines_never_stop_reading(pieces):
    data = HEADER.encode() + b"\n" + b"".join(pieces) + b"\n" + LINES[1].encode()
    found = read(data)
    kept(found)
    assert sum(one.size for one in found) == len(data)
    for _, holder, _, _, text in rows(found):
        row = mailbox.parse_activity(text)
        assert holder == row.national_pp
        assert all(field == field.strip() for field in row)
        assert text.isprintable() or "\u00a0" in text or not text.isascii()
    with contextlib.suppress(Malformed):
        read(b"".join(pieces))
