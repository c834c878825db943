"""The national XML with its quirks becomes rows; what is odd is refused by line, what is hostile quickly and whole."""

import tracemalloc
from datetime import UTC, datetime

import costs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuaire.domain.liste_blanche import ListeBlanche
from annuaire.errors import Malformed
from annuaire.importing import hostile_xml, liste_blanche_xml

ROW = (
    "<Domaine><Nom>{name}</Nom><Description>{description}</Description>"
    "<DNCertificatOperateur>{certificate}</DNCertificatOperateur><ResponsableContact>{responsible}"
    "</ResponsableContact><SupportContact/><DateMAJ>2026-01-01T00:00:00Z</DateMAJ></Domaine>"
)


def row(
    name: str = "a.mssante.fr",
    certificate: str = "CN=a.example",
    description: str = "",
    responsible: str = "",
) -> str:
    return ROW.format(name=name, certificate=certificate, description=description, responsible=responsible)


def document(*rows: str, date: str = "2026-11-02T03:15:00Z", head: str = "") -> bytes:
    return (
        f"{head}<ListeBlancheMSSante xmlns='https://listeblanche.mssante.fr/schema'>"
        f"<DateDeGeneration>{date}</DateDeGeneration><ListeDomaines>{''.join(rows)}</ListeDomaines>"
        "</ListeBlancheMSSante>"
    ).encode()


def read(data: bytes) -> liste_blanche_xml.Reading:
    return liste_blanche_xml.read_unsigned(data)


@pytest.fixture(scope="module")
def invented(fixtures):
    return read((fixtures / "liste_blanche" / "unsigned.xml").read_bytes())


def test_every_row_of_the_invented_list_is_taken_with_its_date(invented):
    assert invented.generated == datetime(2026, 11, 2, 3, 15, tzinfo=UTC)
    assert len(invented.rows) == 17
    assert (invented.refused, invented.repeated, invented.signer) == ([], 0, None)


def test_a_domain_may_have_several_rows(invented):
    listed = ListeBlanche(invented.rows)
    assert len(listed.rows("ch-exemple.mssante.fr")) == 2
    assert len(listed.rows("dgs.mssante.fr")) == 3
    assert len(listed.domains) == 13


def test_domains_are_kept_in_lower_case_and_ascii(invented):
    names = {one.domain for one in invented.rows}
    assert {"uc-cmp.mssante.fr", "xn--sant-ocan-e4ad.mssante.fr"} <= names
    assert all(name == name.lower() and name.isascii() for name in names)


def test_certificates_keep_the_spelling_of_the_list(invented):
    by_domain = {one.domain: one.certificate for one in invented.rows}
    assert by_domain["lab-exemple.aura.mssante.fr"] == (
        "CN=relais.operateur-b.example, OU=1990000036, O=OPÉRATEUR B, ST=Puy-de-Dôme (63), C=FR"
    )
    assert by_domain["uc-cmp.mssante.fr"].split(",")[3] == "L=Gironde (33)"


def test_texts_are_tidied_onto_one_line(invented):
    rows = {one.domain: one for one in invented.rows}
    assert rows["ch-exemple.mssante.fr"].support == "assistance@ch-exemple.example 03 53 01 00 00"
    assert rows["lab-exemple.aura.mssante.fr"].description == "LABORATOIRE « EXEMPLE » DE BIOLOGIE"
    assert rows["uc-cmp.mssante.fr"].description == '"UNION DES CENTRES" MÉDICO-PSYCHOLOGIQUES'
    assert rows["xn--sant-ocan-e4ad.mssante.fr"].description == "SANTÉ & OCÉAN"


def test_an_odd_row_is_refused_with_its_line_and_the_others_are_taken(fixtures):
    reading = read((fixtures / "liste_blanche" / "odd_rows.xml").read_bytes())
    assert [(one.line, one.name, one.reason.split(" (")[0]) for one in reading.refused] == [
        (6, "*.joker.mssante.fr", "nom de domaine absent ou mal formé"),
        (7, "quelqu-un@mssante.fr", "nom de domaine absent ou mal formé"),
        (8, "sans-certificat.mssante.fr", "nom de certificat absent ou illisible"),
        (9, "illisible.mssante.fr", "nom de certificat absent ou illisible"),
        (10, "deux.mssante.fr", "deux fois <Nom>"),
        (11, "autre", "<Nom> ne contient pas que du texte"),
    ]
    # The same domain and certificate twice: the newer row, wherever it stands.
    assert [(one.domain, one.description) for one in reading.rows] == [
        ("bon.mssante.fr", "La même, plus récente")
    ]
    assert reading.repeated == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<Nom>a.mssante.fr", "<Nom>a.<!-- here -->mssante.fr"),
        ("<Nom>a.mssante.fr", "<Nom>a.<?x y?>mssante.fr"),
        ("<Nom>a.mssante.fr", "<Nom><![CDATA[a.mssante.fr]]>"),
        ("<Nom>a.mssante.fr", "<Nom>&#97;.mssante.fr"),
        ("<Nom>", "<Autre>inconnu</Autre><Nom>"),
        ("<ListeDomaines>", "<Note/><ListeDomaines><Note/>"),
        (" xmlns='https://listeblanche.mssante.fr/schema'", ""),
        ("<ListeBlanche", "\N{ZERO WIDTH NO-BREAK SPACE}<ListeBlanche"),
        ("<ListeBlanche", "<?xml version='1.0' encoding='utf-8' standalone='yes'?>\r\n<ListeBlanche"),
    ],
)
def test_what_changes_nothing_in_xml_changes_nothing_in_the_rows(before, after):
    text = document(row()).decode()
    assert before in text
    assert read(text.replace(before, after).encode()).rows == read(document(row())).rows


def test_prefixes_of_the_namespace_do_not_matter():
    text = document(row()).decode().replace("<", "<l:").replace("<l:/", "</l:").replace("xmlns=", "xmlns:l=")
    assert read(text.encode()).rows == read(document(row())).rows


def test_a_date_may_have_a_zone_and_is_read_in_universal_time():
    assert read(document(row(), date="2026-11-02T04:15:00+01:00")).generated.hour == 3
    assert read(document(row(), date=" 2026-11-02T03:15:00.250Z ")).generated.hour == 3


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "mal formé ou tronqué"),
        (b"Type de BAL|Adresse BAL", "mal formé"),
        (b"PK\x03\x04", "mal formé"),
        (b"<html/>", "ce n'est pas la liste blanche"),
        (b"<x:ListeBlancheMSSante xmlns:x='urn:other'/>", "ce n'est pas la liste blanche"),
        (b"<ListeBlancheMSSante/>", "DateDeGeneration"),
        (document(row(), date="yesterday"), "DateDeGeneration"),
        (document(row(), date="0001-01-01T00:00:00+23:00"), "DateDeGeneration"),
        (document(), "aucun domaine"),
        (document(row("*.fr")), "aucun domaine"),
        (document(row()).replace(b"ListeDomaines", b"Liste"), "ListeDomaines"),
        (document(row())[:-40], "tronqué"),
        (document(row()).replace(b"<Nom>", b"<Nom>\x00"), "mal formé"),
        (document(row()).replace(b"<Nom>", b"<Nom>\xff\xfe"), "mal formé"),
        (document(row(description="&nbsp;")), "mal formé"),
        (document(row()).decode().encode("utf-16"), "mal formé"),
        (document(row(), head="<?xml version='1.0' encoding='iso-8859-1'?>"), "UTF-8"),
    ],
    ids=range(17),
)
def test_what_is_no_list_is_refused_with_a_reason(data, said):
    with pytest.raises(Malformed) as refused:
        read(data)
    assert said in refused.value.public


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE ListeBlancheMSSante>",
        "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>",
        "<!DOCTYPE x [<!ENTITY a 'b'>]>",
        "<!DOCTYPE x [<!ENTITY a SYSTEM 'http://127.0.0.1:1/'>]>",
        "<!DOCTYPE x [<!ENTITY % a SYSTEM 'http://127.0.0.1:1/'> %a;]>",
    ],
)
def test_a_dtd_is_refused_before_anything_in_it_is_looked_at(doctype):
    with pytest.raises(Malformed, match="DTD"):
        read(document(row(), head=doctype))


def test_a_bomb_is_refused_at_once_and_in_little_memory(fixtures):
    data = (fixtures / "liste_blanche" / "bomb.xml").read_bytes()
    tracemalloc.start()
    with costs.at_most(5), pytest.raises(Malformed, match="DTD"):
        read(data)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("<a>" * 100, "niveaux"),
        (f"<a b='{'x' * 300_000}'/>", "démesuré"),
        ("<a " + " ".join(f"b{one}=''" for one in range(60_000)) + "/>", "démesuré"),
        (f"<{'a' * 300_000}/>", "démesuré"),
        (f"<!--{'x' * 300_000}-->", "démesuré"),
        (f"<?a {'x' * 300_000}?>", "démesuré"),
        ("x" * 300_000, "démesuré"),
        (f"<![CDATA[{'x' * 300_000}]]>", "démesuré"),
        ("&#65;" * 200_000, "démesuré"),
    ],
    ids=[
        "depth",
        "attribute",
        "attributes",
        "name",
        "comment",
        "instruction",
        "text",
        "section",
        "references",
    ],
)
def test_what_is_out_of_proportion_is_refused_before_a_tree_is_made(inside, said, monkeypatch):
    monkeypatch.setattr(hostile_xml, "parse", None)
    with pytest.raises(Malformed, match=said):
        read(document(inside))


@pytest.mark.parametrize("inside", ["<a/>", "<!---->", "<?a?>"], ids=["elements", "comments", "instructions"])
def test_there_may_not_be_too_many_of_anything(inside):
    limits = hostile_xml.Limits(elements=1000)
    hostile_xml.examine(document(inside * 900), limits=limits)
    with pytest.raises(Malformed, match="plus de 1000 éléments"):
        hostile_xml.examine(document(inside * 1001), limits=limits)


def test_a_file_too_large_is_refused_unread():
    with pytest.raises(Malformed, match="trop grand"):
        hostile_xml.examine(b" " * 2001, limits=hostile_xml.Limits(size=2000))
    assert hostile_xml.Limits().size == 100_000_000


def test_a_tag_that_never_ends_costs_no_more_than_its_bound():
    """Octets are read again for every slice of an unfinished tag: without a bound 30 MB would take minutes."""
    data = b"<a b='" + b"x" * 30_000_000
    with costs.at_most(10), pytest.raises(Malformed, match="démesuré"):
        hostile_xml.examine(data)


def test_a_list_of_national_size_is_read_in_seconds():
    many = [
        row(f"d{one % 5000}.mssante.fr", f"CN=mx{one % 390}.example,OU={one},C=FR", "x" * 100)
        for one in range(8700)
    ]
    with costs.at_most(25):
        assert len(read(document(*many)).rows) == 8700


GOOD = document(row(), row("b.mssante.fr", "CN=b.example, C=FR", "é", "x\ny"))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_list_with_broken_octets_is_read_or_refused_and_nothing_else(data):
    octets = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets)))
        piece = data.draw(
            st.sampled_from([b"<", b"&", b"]]>", b"<!DOCTYPE a>", b"\xc3", b"'", b"", b"<a:b/>"])
        )
        octets[at : at + data.draw(st.integers(0, 3))] = piece
    try:
        reading = read(bytes(octets))
    except Malformed:
        return
    assert all(one.domain == one.domain.lower() for one in reading.rows)
