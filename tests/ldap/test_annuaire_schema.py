"""What the schema of annuaire itself allows: the entries of each kind that the directory holds."""

import pytest

from annuaire.ldap import dn, schema

STANDARD = schema.standard()

SUBSCRIBER = {
    "objectClass": [b"top", b"person", b"organizationalPerson", b"inetOrgPerson", b"apicryptUtilisateur"],
    "uid": [b"jdupont"],
    "cn": [b"Jeanne DUPONT"],
    "sn": [b"DUPONT"],
    "mail": [b"jeanne.DUPONT@medical59.apicrypt.org"],
    "apicryptVersion": [b"2"],
}
VIEW = {
    "objectClass": [b"top", b"person", b"organizationalPerson", b"inetOrgPerson", b"annuairePersonne"],
    "uid": [b"899900000011"],
    "cn": [b"Jeanne DUPONT"],
    "sn": [b"DUPONT"],
}
ACCOUNT = {
    "objectClass": [b"top", b"account", b"annuaireCompte"],
    "uid": [b"jdupont"],
    "annuaireAudience": [b"mssante"],
}


def violations(attributes: dict[str, list[bytes]]) -> list[str]:
    name = dn.parse(f"uid={attributes['uid'][0].decode()},o=apicrypt,c=FR")
    return [str(violation) for violation in STANDARD.check(name, attributes)]


@pytest.mark.parametrize("entry", [SUBSCRIBER, VIEW, ACCOUNT], ids=["subscriber", "view", "account"])
def test_each_kind_of_entry_is_allowed(entry: dict[str, list[bytes]]) -> None:
    assert violations(entry) == []


@pytest.mark.parametrize("since", ["apicryptInteropDepuis", "listeRougeDepuis"])
def test_a_choice_has_one_moment_since_when(since: str) -> None:
    assert violations({**SUBSCRIBER, since: [b"20181001080000Z"]}) == []
    assert violations({**SUBSCRIBER, since: [b"1er octobre 2018"]})
    assert violations({**SUBSCRIBER, since: [b"20181001080000Z", b"20181101080000Z"]})
    assert violations({**VIEW, since: [b"20181001080000Z"]})


def test_an_account_says_one_audience() -> None:
    without = {name: values for name, values in ACCOUNT.items() if name != "annuaireAudience"}
    assert violations(without)
    assert violations({**ACCOUNT, "annuaireAudience": [b"mssante", b"admin"]})


def test_an_account_may_have_a_password_and_words_about_it() -> None:
    assert violations({**ACCOUNT, "userPassword": [b"{SSHA}x"], "description": [b"Relais de test"]}) == []


def test_a_person_may_be_an_account_too() -> None:
    person = {**VIEW, "objectClass": [*VIEW["objectClass"], b"annuaireCompte"], "annuaireAudience": [b"dgs"]}
    assert violations(person) == []


@pytest.mark.parametrize("kind", [b"annuairePersonne", b"annuaireStructure"])
def test_what_mail_servers_read_stands_on_computed_entries(kind: bytes) -> None:
    routed = {
        **VIEW,
        "objectClass": [*VIEW["objectClass"][:-1], kind, b"inetLocalMailRecipient"],
        "mailLocalAddress": [
            b"jeanne.dupont@interop-mssante.apicrypt.org",
            b"jeanne.DUPONT@medical59.apicrypt.org",
        ],
        "mailRoutingAddress": [b"jeanne.DUPONT@medical59.apicrypt.org"],
    }
    assert violations(routed) == []
    assert violations({**routed, "mailRoutingAddress": [b"a@b.fr", b"c@d.fr"]})


def test_where_values_come_from_is_asked_for_by_name_and_written_by_nobody() -> None:
    source = STANDARD.attribute("annuaireSource")
    assert source is not None
    assert source.operational
    assert source.no_user_modification
    assert not source.single_value


def test_identifiers_stand_under_one_root_and_none_is_left_out() -> None:
    """A number is never used for something else later: so a hole would be one that was taken back."""
    root = "2.25.14326256113238642938593301887826751103."
    for arc, known in (("1", STANDARD.attribute_types), ("2", STANDARD.object_classes)):
        oids = [one.oid for one in known if one.oid.startswith(root)]
        assert sorted(oids) == sorted(f"{root}{arc}.{number}" for number in range(1, len(oids) + 1))
