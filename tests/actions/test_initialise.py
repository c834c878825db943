"""The entries that always exist are made once, whatever the suffix."""

import pytest
import store_places

from annuaire.actions import initialise
from annuaire.errors import Misconfigured
from annuaire.ldap import ber, schema, tree
from annuaire.store.entries import NewEntry

STANDARD = schema.standard()


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield opened


def rows(store):
    with store.reading() as reader:
        return reader.entries()


def test_suffix_and_subtrees_are_made_once(store):
    planted = tree.plant("o=apicrypt,c=FR", (), STANDARD)
    assert initialise.initialise(store, planted, STANDARD, "cn=admin,o=apicrypt,c=FR")
    made = rows(store)
    assert [row.dn for row in made] == [
        "o=apicrypt,c=FR",
        "ou=apicrypt,o=apicrypt,c=FR",
        "ou=comptes,o=apicrypt,c=FR",
    ]
    assert [row.parent for row in made] == [b"", made[0].key, made[0].key]
    assert made[0].created_by == "cn=admin,o=apicrypt,c=FR"
    assert made[0].structural == "organization"
    assert len({row.uuid for row in made}) == 3
    assert not initialise.initialise(store, planted, STANDARD)
    assert rows(store) == made


def test_what_is_missing_alone_is_made(store):
    planted = tree.plant("o=apicrypt,c=FR", (), STANDARD)
    initialise.initialise(store, planted, STANDARD)
    with store.writing() as writer:
        writer.delete(writer.entry(planted.managed["comptes"]))
    assert initialise.initialise(store, planted, STANDARD)
    assert [row.id for row in rows(store)] == [1, 2, 4]


@pytest.mark.parametrize(
    ("suffix", "attributes"),
    [
        ("dc=example,dc=org", {"objectClass": [b"top", b"organization", b"dcObject"], "dc": [b"example"]}),
        ("o=Santé", {"objectClass": [b"top", b"organization"], "o": ["Santé".encode()]}),
        ("organizationName=x", {"objectClass": [b"top", b"organization"], "o": [b"x"]}),
        ("o=x+l=Lille", {"objectClass": [b"top", b"organization"], "o": [b"x"], "l": [b"Lille"]}),
    ],
)
def test_the_suffix_has_the_classes_of_its_name(suffix, attributes):
    entry = initialise.wanted(tree.plant(suffix, (), STANDARD), STANDARD)[0]
    found = ber.decode_attributes(entry.attributes)
    assert {name: found[name] for name in attributes} == attributes


def test_a_suffix_of_another_kind_is_a_configuration_problem():
    with pytest.raises(Misconfigured, match="suffix"):
        initialise.wanted(tree.plant("cn=x", (), STANDARD), STANDARD)


def test_accounts_of_an_older_state_are_told_whom_they_describe_once(store):
    planted = tree.plant("o=apicrypt,c=FR", (), STANDARD)
    initialise.initialise(store, planted, STANDARD)
    account = {"objectClass": [b"inetOrgPerson", b"APICRYPTutilisateur"], "mail": [b"a@x"]}
    national = {"TypeIdentifiantPP": [b"8"], "IdentifiantPP": [b"99900000011"]}
    kept = [account | national, account, {"objectClass": [b"person"]} | national]
    with store.writing() as writer:
        for number, attributes in enumerate(kept):
            key = b"o=apicrypt\x00cn=%d" % number
            writer.add(
                NewEntry(
                    key,
                    b"",
                    "cn=x",
                    bytes(15) + bytes([number]),
                    ber.encode_attributes(attributes),
                    None,
                    "x",
                )
            )
        head = writer.head()
    initialise.initialise(store, planted, STANDARD)
    assert [row.person for row in rows(store)[3:]] == [None] * 3  # nothing looks at a state twice
    with store.writing() as writer:
        assert initialise.identify(writer) == 2
    expected = ["899900000011", "a-" + bytes([*bytes(15), 1]).hex(), None]
    assert [row.person for row in rows(store)[3:]] == expected
    with store.reading() as reader:
        assert [change.kind for change in reader.changes_since(head, 9)] == ["everything"]
    with store.writing() as writer:
        assert initialise.identify(writer) == 0


def test_a_state_made_before_is_completed_when_it_is_opened(store, monkeypatch):
    planted = tree.plant("o=apicrypt,c=FR", (), STANDARD)
    with monkeypatch.context() as patch:
        patch.setattr(initialise, "identify", lambda writer: 0)
        patch.setattr(initialise, "PERSONS", "another")
        initialise.initialise(store, planted, STANDARD)
    asked = []
    monkeypatch.setattr(initialise, "identify", asked.append)
    initialise.initialise(store, planted, STANDARD)
    initialise.initialise(store, planted, STANDARD)
    assert len(asked) == 1
