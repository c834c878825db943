"""Reading mailboxes from LDIF with the national names of attributes, and our own exports of views."""

import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from national_files import EDITION, NATIONAL_LDIF, blocks, kept, rows, warned

from annuaire.domain import consolidation, mailbox, reliability
from annuaire.domain.consolidation import View
from annuaire.domain.mailbox import Mailbox
from annuaire.importing import block, national_ldif
from annuaire.publishing import ldif as writing


def read(text: str | bytes) -> list[block.Block]:
    return list(national_ldif.read(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def entry(*lines: str) -> str:
    return "\n".join(["dn: c=FR", *lines, ""])


def one(*lines: str) -> Mailbox:
    (row,) = rows(read(entry(*lines)))
    return mailbox.parse(row[4])


def test_the_fixture_is_read_whole():
    data = NATIONAL_LDIF.read_bytes()
    found = read(data)
    assert sum(part.size for part in found) == len(data)
    assert warned(found) == {block.WITHOUT_ADDRESS: 1}
    assert not [line for part in found for line in part.unreadable]
    assert [(holder, address) for _, holder, _, address, _ in rows(found)] == [
        ("899900020019", "jeanne.valmont@medecin.mssante.fr"),
        ("899900020035", "helene.brunel@medecin.mssante.fr"),
        ("0999399991", "camille.durand.psy@ch-exemple.mssante.fr"),
        ("robin.agent@ch-exemple.mssante.fr", "robin.agent@ch-exemple.mssante.fr"),
        ("secretariat.cardio@ch-exemple.mssante.fr", "secretariat.cardio@ch-exemple.mssante.fr"),
        ("dpi.connecteur@ch-exemple.mssante.fr", "dpi.connecteur@ch-exemple.mssante.fr"),
        ("urgences@ch-exemple.mssante.fr", "urgences@ch-exemple.mssante.fr"),
        ("899900020316", "agathe.roussel@medecin.mssante.fr"),
        ("899900020316", "agathe.roussel@ch-exemple.mssante.fr"),
        ("899900020324", "simon.tavernier@ch-exemple.mssante.fr"),
        ("cabinet.vasseur@medecin.mssante.fr", "cabinet.vasseur@medecin.mssante.fr"),
    ]


def test_the_names_of_the_national_directory_fill_a_row():
    (row,) = [row for row in rows(read(NATIONAL_LDIF.read_bytes())) if row[1] == "899900020035"]
    assert mailbox.parse(row[4]) == Mailbox(*[""] * mailbox.COLUMNS)._replace(
        type_bal="PER",
        address="Helene.Brunel@medecin.mssante.fr",
        type_pp="8",
        identifiant_pp="99900020035",
        national_pp="899900020035",
        nom="BRUNEL",
        prenom="Hélène",
        profession="10",
        profession_libelle="Médecin",
        savoir_faire="SM54",
    )
    assert row[0] == 21


def test_several_values_are_paired_and_the_last_one_stands_for_those_that_are_missing():
    found = [mailbox.parse(row[4]) for row in rows(read(NATIONAL_LDIF.read_bytes())) if "316" in row[1]]
    assert [(row.address.partition("@")[2], row.raison_sociale, row.service) for row in found] == [
        ("medecin.mssante.fr", "SELARL DES TILLEULS", "MATERNITÉ"),
        ("ch-exemple.mssante.fr", "CH EXEMPLE", "MATERNITÉ"),
    ]
    text = entry("IdentifiantPP: 99900020019", "mail: a@x.fr", "o: A", "o: B", "o: C", "l: LILLE", "l: ARRAS")
    found = [mailbox.parse(row[4]) for row in rows(read(text))]
    assert [row.address for row in found] == ["a@x.fr"] * 3
    assert sorted((row.raison_sociale, row.l6) for row in found) == [
        ("A", "LILLE"),
        ("B", "ARRAS"),
        ("C", "ARRAS"),
    ]


@pytest.mark.parametrize(
    ("lines", "national", "identifier", "kind"),
    [
        (["IdentifiantPP: 99900020019", "TypeIdentifiantPP: 8"], "899900020019", "99900020019", "8"),
        (["IdentifiantPP: 899900020019", "TypeIdentifiantPP: 8"], "899900020019", "99900020019", "8"),
        (["IdentifiantPP: 99900020019"], "899900020019", "99900020019", "8"),
        (["IdentifiantPP: 899900020019"], "899900020019", "99900020019", "8"),
        (["IdentifiantPP: 999399991"], "0999399991", "999399991", "0"),
        (["IdentifiantPP: 0999399991", "TypeIdentifiantPP: 0"], "0999399991", "999399991", "0"),
        (["IdentifiantPP: 990000010/77", "TypeIdentifiantPP: 3"], "3990000010/77", "990000010/77", "3"),
        (["uid: 899900020019"], "899900020019", "99900020019", "8"),
        (["uid: 3990000010/77"], "3990000010/77", "", "3"),
        (["uid: jeanne.valmont"], "", "", ""),
        (["uid: a-0123456789abcdef0123456789abcdef"], "", "", ""),
        (["IdentifiantPP: 12345"], "", "12345", ""),
    ],
)
def test_a_person_is_identified_by_number_and_type_or_by_the_name_of_the_entry(
    lines, national, identifier, kind
):
    row = one("TypeBAL: PER", "mail: jeanne@x.fr", *lines)
    assert (row.national_pp, row.identifiant_pp, row.type_pp) == (national, identifier, kind)


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (["TypeBAL: cab"], "CAB"),
        (["TypeBAL: new"], "NEW"),
        (["sn: A", "givenName: B"], "PER"),
        (["IdentifiantPP: 99900020019"], "PER"),
        (["sn: A"], "ORG"),
        (["objectClass: AnnuaireStructure", "givenName: B"], "ORG"),
    ],
)
def test_the_type_of_a_mailbox_is_said_or_seen(lines, kind):
    assert one("mail: a@x.fr", *lines).type_bal == kind


def test_what_says_the_same_is_one_row_and_what_differs_survives():
    text = entry("mail: a@x.fr", "o: A", "l: LILLE") + "\n"
    found = read(text + text.replace("LILLE", "ARRAS") + text)
    assert len(kept(found)) == 2
    assert warned(found)[block.REPEATED] == 1
    assert kept(found) == kept(read(text + text + text.replace("LILLE", "ARRAS")))


def test_additions_are_contents_and_other_changes_are_unreadable():
    text = entry("changetype: add", "mail: a@x.fr") + "\ndn: c=FR\nchangetype: delete\n\n"
    text += "dn: c=FR\nchangetype: modify\nadd: mail\nmail: b@x.fr\n-\n"
    assert [row[3] for row in rows(read(text))] == ["a@x.fr"]
    unreadable = [one for part in read(text) for one in part.unreadable]
    assert [(one.line, one.reason) for one in unreadable] == [
        (5, national_ldif.CHANGE),
        (8, national_ldif.CHANGE),
    ]
    assert unreadable[1].text == b"dn: c=FR\nchangetype: modify\nadd: mail\nmail: b@x.fr\n-\n"


def test_what_cannot_be_read_is_told_beside_what_can():
    text = entry("mail: a@x.fr").encode() + b"\ndn: c=FR\nsn:: /w==\nmail: b@x.fr\n\nno record\n\n"
    text += entry("mail: " + "x" * 400).encode() + b"\n"
    text += entry("mail: c@x.fr", *[f"o: {number}" for number in range(1001)]).encode()
    text += b"\ndn: c=FR\njpegPhoto:: /w==\nmail: d@x.fr\n"
    assert [row[3] for row in rows(read(text))] == ["a@x.fr", "d@x.fr"]
    unreadable = [one for part in read(text) for one in part.unreadable]
    assert len(unreadable) == 4
    assert unreadable[0].reason == "une valeur de « sn » n'est pas en UTF-8"
    assert unreadable[0].text == b"dn: c=FR\nsn:: /w==\nmail: b@x.fr\n"


def test_another_format_is_told_once():
    for data in (b"PK\x03\x04 zip", "dn: c=FR\n".encode("utf-16")):
        (part,) = read(data)
        assert (len(part.rows), len(part.unreadable)) == (0, 1)


def test_wrong_check_digits_are_warnings():
    text = entry("mail: a@x.fr", "IdentifiantPP: 99900020018") + "\n"
    text += entry("mail: b@x.fr", "TypeBAL: ORG", "IdentifiantPM: 990000011", "TypeIdentifiantPM: FINESS")
    assert warned(read(text)) == {reliability.RPPS_DIGIT: 1, reliability.FINESS_DIGIT: 1}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["mail", "o", "sn", "TypeBAL", "IdentifiantPP", "l", "postalCode", "uid", "x", "dn"]
            ),
            st.one_of(
                st.binary(max_size=12), st.sampled_from([b"a@x.fr", b"a|b", b" ", b"\0", b"PER", b"\n\n"])
            ),
        ),
        max_size=30,
    )
)
def test_hostile_values_never_make_an_unfit_row(attributes):
    data = b"".join(
        writing.format_entry("c=FR", attributes[start : start + 6]) for start in range(0, len(attributes), 6)
    )
    found = read(data)
    kept(found)
    for _, holder, key, address, text in rows(found):
        assert holder
        assert key.startswith(address + "|")
        assert len(text.split("|")) == mailbox.COLUMNS
        assert not set(text) & set(map(chr, [*range(32), *range(127, 160)]))
        row = mailbox.parse(text)
        assert (holder, address) == (mailbox.holder(row), row.address.lower())


# ---- Round trip: an exported view comes back as the same mailboxes


def exported(view: View) -> bytes:
    attributes = [(name, value.encode()) for name, values in view.values.items() for value in values]
    return writing.format_entry(f"uid={view.values['uid'][0]},ou=personnes,o=apicrypt,c=FR", attributes)


def of_person(holder: str, found: Sequence[Mailbox]) -> View:
    ordered = sorted(found, key=lambda row: (row.address.lower(), mailbox.format(row)))
    return consolidation.person(holder, [consolidation.of_mailbox(row, "1", "1") for row in ordered], True)


def views(found: list[block.Block]) -> dict[str, View]:
    """What a reader is shown of the reliable rows."""
    people: dict[str, list[Mailbox]] = {}
    structures: dict[str, list[Mailbox]] = {}
    rules = reliability.Rules(None, lambda _: False)
    for _, holder, _, _, text in sorted(rows(found), key=lambda row: row[2]):
        row = mailbox.parse(text)
        if reliability.judge(row, rules, False) is None:
            (people if row.type_bal == "PER" else structures).setdefault(holder, []).append(row)
    shown = {holder: of_person(holder, rows_) for holder, rows_ in people.items()}
    for holder, rows_ in structures.items():
        shown[holder] = consolidation.structure(holder, [(row, "1", "1") for row in rows_], True)
    return shown


def test_an_exported_view_comes_back_as_the_same_mailboxes():
    before = views(blocks(EDITION.read_bytes()))
    assert len(before) > 60
    after = views(read(b"".join(map(exported, before.values()))))
    assert after.keys() == before.keys()
    for holder, view in before.items():
        several = len(view.values.get("o", ())) > 1  # then the first one may be another, and with it the town
        for name in {*view.values, *after[holder].values} - ({"cn", "displayName"} if several else set()):
            assert sorted(after[holder].values[name]) == sorted(view.values[name]), (holder, name)
