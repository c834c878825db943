"""Folding: what is typed and what is stored meet, whatever the spelling; and nothing moves when folded again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuaire.index import folding, ngrams
from annuaire.ldap import schema as schemas

SCHEMA = schemas.standard()

# Letters that fold in unusual ways, and what divides, joins and disappears.
LETTERS = (
    "aAeéÉè\u0301œŒæøØłŁßẞđĐıİiIσςΣﬁ²ǅ𝒜𠮷·ª-'’ʼ‑– \t\n\u00a0\u2003\u2028"
    "\u00ad\u200b\ufeff\x00\x02\x03\x1c\x1f\x7f\x85"
)
odd_text = st.text(st.one_of(st.sampled_from(LETTERS), st.characters(exclude_categories=["Cs"])), max_size=12)


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("Hélène", "helene"),
        ("Hélène", "HÉLÈNE"),
        ("Mélanie", "melanie"),
        ("Café", "cafe"),
        ("François", "francois"),
        ("FRANÇOIS", "françois"),
        ("Lefèvre", "lefevre"),
        ("He\u0301le\u0300ne", "hélène"),
        ("Jean-Pierre", "jean pierre"),
        ("Jean Pierre", "jean-pierre"),
        ("Jean  Pierre ", " jean pierre"),
        ("Jean\u00a0Pierre", "jean pierre"),
        ("Jean\u202fPierre", "jean pierre"),
        ("Jean\tPierre", "jean pierre"),
        ("Jean‑Pierre", "jean-pierre"),
        ("Vallée–Poussin", "vallee poussin"),
        ("d'Artois", "d’artois"),
        ("d'Artois", "d artois"),
        ("L’Haÿ-les-Roses", "l'hay les roses"),
        ("O´Brien", "o'brien"),
        ("Œuvrard", "oeuvrard"),
        ("ŒUVRARD", "œuvrard"),
        ("Nœux", "noeux"),
        ("Æro", "aero"),
        ("Łukasz", "lukasz"),
        ("ŁUKASZ", "łukasz"),
        ("Søren", "SOREN"),
        ("Strauß", "strauss"),
        ("STRAUẞ", "strauß"),
        ("Đorđević", "dordevic"),
        ("Ångström", "angstrom"),
        ("Nguyễn", "nguyen"),
        ("İpek", "ipek"),
        ("İPEK", "İpek"),
        ("Yıldız", "YILDIZ"),
        ("Yıldız", "yildiz"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("ﬁona", "Fiona"),
        ("𝒜lice", "alice"),
        ("Ana\u00adïs", "anais"),
        ("Jean\u200bne", "jeanne"),
        ("\ufeffJean", "jean"),
        ("Ma\x00rie\x02\x03", "marie"),
        ("é A\x1cB", "e ab"),
        ("A\x1cB", "ab"),
        ("－", "-"),
        ("", "-'’"),
    ],
)
def test_two_spellings_of_a_name_are_one(stored: str, typed: str) -> None:
    assert folding.fold_name(stored) == folding.fold_name(typed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jean_Pierre", "jean pierre"),
        ("Jean.Pierre", "jean pierre"),
        ("Jeanne", "jean ne"),
        ("吉田", "𠮷田"),
        ("n", "ng"),
    ],
)
def test_names_that_differ_stay_apart(one: str, other: str) -> None:
    assert folding.fold_name(one) != folding.fold_name(other)


@settings(deadline=None)
@given(odd_text)
def test_folding_a_name_again_moves_nothing(text: str) -> None:
    folded = folding.fold_name(text)
    assert folding.fold_name(folded) == folded


@settings(deadline=None)
@given(odd_text)
def test_folding_an_identifier_again_moves_nothing(text: str) -> None:
    folded = folding.fold_case(text)
    assert folding.fold_case(folded) == folded


@settings(deadline=None)
@given(odd_text)
def test_no_folded_text_holds_a_mark_of_the_n_grams(text: str) -> None:
    marks = {ngrams.START, ngrams.END, ngrams.SEPARATOR}
    assert not marks & set(folding.fold_name(text))
    assert not marks & set(folding.fold_case(text))


@settings(deadline=None)
@given(odd_text, odd_text)
def test_a_name_folds_word_by_word(left: str, right: str) -> None:
    parts = [folding.fold_name(left), folding.fold_name(right)]
    assert folding.fold_name(f"{left} {right}") == " ".join(part for part in parts if part)


@settings(deadline=None)
@given(odd_text, odd_text, odd_text)
def test_a_part_of_a_name_is_found_in_it(before: str, part: str, after: str) -> None:
    # Between whole words, at least: a mark that joins the letter before it belongs to that letter.
    whole = folding.fold_name(f"{before} {part} {after}")
    assert folding.fold_name(part) in whole


@settings(deadline=None)
@given(odd_text)
def test_the_words_of_a_text_are_its_runs_of_letters_and_digits(text: str) -> None:
    folded = folding.fold_name(text)
    words = folding.words(folded)
    assert all(word.isalnum() for word in words)
    assert "".join(words) == "".join(c for c in folded if c.isalnum())


def test_words_end_at_what_addresses_are_made_of() -> None:
    assert folding.words("jean.dupont2@medical59.org d artois_x") == [
        *("jean", "dupont2", "medical59", "org", "d", "artois", "x")
    ]
    assert folding.words("été-吉田 n°3") == ["été", "吉田", "n", "3"]
    assert folding.words("") == []


def folded(name: str, value: str) -> tuple[str | None, str | None]:
    attribute = SCHEMA.attribute(name)
    assert attribute is not None
    equality, substrings = folding.equality(attribute), folding.substrings(attribute)
    octets = value.encode()
    return equality and equality(octets), substrings and substrings(octets)


def test_names_are_folded_addresses_in_substrings_only_and_identifiers_by_case() -> None:
    assert folded("cn", "Jean-Éric") == ("jean eric", "jean eric")
    assert folded("postalAddress", "1 rue de l'Été$LILLE") == ("1 rue de l ete$lille",) * 2
    assert folded("mail", "Jean-Eric@X.fr") == ("jean-eric@x.fr", "jean eric@x.fr")
    assert folded("apicryptInteropMail", "A'B@X.fr") == ("a'b@x.fr", "a b@x.fr")
    assert folded("uid", " Jean-Éric ") == ("jean-éric", "jean-éric")
    assert folded("IdentifiantPP", "999A") == ("999a", "999a")
    assert folded("telephoneNumber", "+33 1-23") == ("+33123", "+33123")
    assert folded("apicryptVersion", "002") == ("2", None)
    assert folded("jpegPhoto", "x") == (None, None)


def test_what_is_no_text_has_no_form() -> None:
    for name in ("cn", "mail", "uid"):
        attribute = SCHEMA.attribute(name)
        assert attribute is not None
        for fold in (folding.equality(attribute), folding.substrings(attribute)):
            assert fold is not None
            assert fold(b"\xff\xfe") is None


def test_an_identifier_keeps_its_accents_and_loses_what_nobody_sees() -> None:
    assert folding.fold_case("  É.Dupont\u200b@X.FR\x00 ") == "é.dupont@x.fr"
    assert folding.fold_case("E\u0301") == folding.fold_case("É")
    assert folding.fold_case("e\x00\u0301") == "é"
    assert folding.fold_case("Œ") != folding.fold_case("oe")
