"""vCards: read back by a small reader made from RFC 6350, with the odd entries that a directory holds."""

import base64
import re

from hypothesis import given
from hypothesis import strategies as st

from annuaire.publishing import vcard

PERSON = {
    "objectClass": [b"inetOrgPerson", b"apicryptUtilisateur"],
    "cn": [b"Jean DUPONT", b"DUPONT Jean", "DUPONT Jean (Médecin, LILLE)".encode()],
    "sn": [b"DUPONT"],
    "givenName": [b"Jean"],
    "displayName": ["DUPONT Jean (Médecin, LILLE)".encode()],
    "mail": [b"jean.DUPONT@medical59.apicrypt.org"],
    "title": ["Médecin".encode()],
    "savoirFaire": ["Médecine générale".encode()],
    "o": ["Cabinet médical de la Paix".encode()],
    "street": [b"12, rue de la Paix"],
    "l": [b"LILLE"],
    "postalCode": [b"59000"],
    "telephoneNumber": [b"+33 3 53 01 00 02"],
}
STRUCTURE = {
    "objectClass": [b"inetOrgPerson", b"annuaireStructure"],
    "cn": [b"Urgences CH Exemple"],
    "sn": [b"Urgences"],
    "o": [b"CH Exemple"],
    "mail": [b"urgences@ch-exemple.mssante.fr"],
}
UUID = "019e9d2c-7b1c-7f00-8000-000000000001"
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200)


def lines(card: bytes | None) -> list[str]:
    assert card is not None
    assert card.endswith(b"END:VCARD\r\n")
    assert b"\n" not in card.replace(b"\r\n", b"")
    return re.sub(r"\r\n[ \t]", "", card.decode()).split("\r\n")[:-1]


def properties(card: bytes | None) -> dict[str, list[str]]:
    """Values by property, parameters left out."""
    found: dict[str, list[str]] = {}
    for line in lines(card):
        name, _, value = line.partition(":")
        found.setdefault(name.partition(";")[0], []).append(value)
    return found


def components(value: str) -> list[str]:
    parts = re.split(r"(?<!\\)((?:\\\\)*);", value)
    joined = ["".join(parts[i : i + 2]) for i in range(0, len(parts), 2)]
    return [unescaped(part) for part in joined]


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] in "nN" else found[1], text)


def test_a_person_is_a_card_with_everything_that_an_address_book_shows():
    card = vcard.format_card(PERSON, UUID, "20261123070000Z")
    assert lines(card)[:2] == ["BEGIN:VCARD", "VERSION:4.0"]
    found = properties(card)
    assert found["UID"] == [f"urn:uuid:{UUID}"]
    assert found["KIND"] == ["individual"]
    assert found["FN"] == ["Jean DUPONT"]
    assert components(found["N"][0]) == ["DUPONT", "Jean", "", "", ""]
    assert found["EMAIL"] == ["jean.DUPONT@medical59.apicrypt.org"]
    assert found["TITLE"] == ["Médecin"]
    assert found["ROLE"] == ["Médecine générale"]
    assert found["ORG"] == ["Cabinet médical de la Paix"]
    assert components(found["ADR"][0]) == ["", "", "12, rue de la Paix", "LILLE", "", "59000", ""]
    assert found["REV"] == ["20261123T070000Z"]
    assert "TEL;TYPE=work:+33 3 53 01 00 02" in lines(card)


def test_a_structure_is_shown_as_an_organization():
    found = properties(vcard.format_card(STRUCTURE))
    assert found["KIND"] == ["org"]
    assert found["N"] == [";;;;"]
    assert found["X-ABShowAs"] == ["COMPANY"]
    assert (found["FN"], found["ORG"]) == (["Urgences CH Exemple"], ["CH Exemple"])


def test_the_first_of_several_addresses_is_the_preferred_one():
    card = vcard.format_card({**PERSON, "mail": [b"a@x.fr", b"b@x.fr"]})
    assert "EMAIL;TYPE=work;PREF=1:a@x.fr" in lines(card)
    assert "EMAIL;TYPE=work;PREF=2:b@x.fr" in lines(card)


def test_photos_and_certificates_travel_in_the_card():
    photo, certificate = bytes(range(256)) * 3, b"0\x82" + bytes(300)
    found = properties(
        vcard.format_card({**PERSON, "jpegPhoto": [photo], "userCertificate;binary": [certificate]})
    )
    kind, _, data = found["PHOTO"][0].partition(",")
    assert (kind, base64.b64decode(data)) == ("data:image/jpeg;base64", photo)
    kind, _, data = found["KEY"][0].partition(",")
    assert (kind, base64.b64decode(data)) == ("data:application/pkix-cert;base64", certificate)


def test_a_postal_address_stands_in_where_its_parts_are_missing():
    entry = {"cn": [b"X"], "postalAddress": [b"1 rue de l'Exemple$59000 LILLE"]}
    assert components(properties(vcard.format_card(entry))["ADR"][0])[2] == "1 rue de l'Exemple, 59000 LILLE"


def test_a_fax_number_loses_the_parameters_of_its_machine():
    entry = {"cn": [b"X"], "facsimileTelephoneNumber": [b"+33 3 53 01 00 09$fineResolution"]}
    assert "TEL;TYPE=fax:+33 3 53 01 00 09" in lines(vcard.format_card(entry))


def test_an_entry_without_a_name_gives_no_card():
    assert vcard.format_card({"objectClass": [b"device"], "description": [b"x"]}) is None
    assert vcard.format_card({"cn": [b" "]}) is None


def test_a_password_is_never_in_a_card():
    card = vcard.format_card({**PERSON, "userPassword": [b"{SSHA}secret"]})
    assert card is not None
    assert b"secret" not in card


@given(TEXT, TEXT)
def test_whatever_the_values_hold_the_card_stays_one(name, note):
    card = vcard.format_card({"cn": [b"X"], "sn": [name.encode()], "description": [note.encode()]})
    assert card is not None
    for line in card.split(b"\r\n"):
        assert len(line) <= vcard.WIDTH
        line.decode()  # no character is cut
    assert lines(card).count("END:VCARD") == 1
    found = properties(card)
    assert len(components(found["N"][0])) == 5
    if note.strip():
        normal = re.sub("[\x00-\x08\x0b-\x1f\x7f]", "", note.replace("\r\n", "\n").replace("\r", "\n"))
        assert unescaped(found["NOTE"][0]) == normal
