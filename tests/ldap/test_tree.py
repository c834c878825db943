"""Where a name lies decides who may write there."""

import pytest

from annuaire.errors import Malformed, Misconfigured
from annuaire.ldap import dn, schema, tree
from annuaire.ldap.tree import Place


@pytest.fixture(scope="module")
def planted():
    return tree.plant("o=apicrypt,c=FR", ["dc=example,dc=org"], schema.standard())


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("o=apicrypt,c=FR", Place.FIXED),
        ("O=APICRYPT, C=fr", Place.FIXED),
        ("ou=apicrypt,o=apicrypt,c=FR", Place.FIXED),
        ("ou=comptes,o=apicrypt,c=FR", Place.FIXED),
        ("ou=personnes,o=apicrypt,c=FR", Place.FIXED),
        ("uid=a,ou=apicrypt,o=apicrypt,c=FR", Place.WRITABLE),
        ("uid=a,ou=b,ou=comptes,o=apicrypt,c=FR", Place.WRITABLE),
        ("uid=a,ou=personnes,o=apicrypt,c=FR", Place.COMPUTED),
        ("uid=a,OU=Structures,o=apicrypt,c=FR", Place.COMPUTED),
        ("cn=admin,o=apicrypt,c=FR", Place.RESERVED),
        ("ou=apicrypt2,o=apicrypt,c=FR", Place.RESERVED),
        ("c=FR", Place.OUTSIDE),
        ("o=apicrypt2,c=FR", Place.OUTSIDE),
        ("", Place.OUTSIDE),
        ("dc=example,dc=org", Place.WRITABLE),
        ("ou=apicrypt,dc=example,dc=org", Place.WRITABLE),
        ("dc=other,dc=org", Place.OUTSIDE),
    ],
)
def test_each_name_has_one_place(name, place, planted):
    assert planted.place(dn.key(dn.parse(name), schema.standard())) is place


def test_only_suffixes_need_nothing_above_them(planted):
    keys = [dn.key(dn.parse(name), schema.standard()) for name in ("o=apicrypt,c=FR", "dc=example,dc=org")]
    assert all(planted.is_root(key) for key in keys)
    assert not planted.is_root(planted.managed["apicrypt"])


def test_people_are_told_where_to_write(planted):
    assert planted.where_to_write == "ou=apicrypt,o=apicrypt,c=FR or ou=comptes,o=apicrypt,c=FR"


@pytest.mark.parametrize(
    "further",
    [
        ["ou=gardes,ou=apicrypt,o=apicrypt,c=FR"],
        ["C=fr"],
        ["o=Apicrypt, c=FR"],
        ["dc=example,dc=org", "ou=x,dc=example,dc=org"],
        ["dc=example,dc=org", "DC=example,DC=org"],
    ],
)
def test_no_tree_lies_within_another(further):
    with pytest.raises(Misconfigured, match="within"):
        tree.plant("o=apicrypt,c=FR", further, schema.standard())


def test_every_name_lies_in_one_naming_context_or_none(planted):
    def context(name):
        return planted.context(dn.key(dn.parse(name), schema.standard()))

    assert context("ou=a,dc=example,dc=org") == context("DC=Example,DC=org") == b"dc=org\x00dc=example"
    assert context("uid=a,ou=personnes,o=apicrypt,c=FR") == planted.suffix_key
    assert context("dc=org") is context("") is None


def test_a_suffix_that_is_no_name_is_refused():
    with pytest.raises(Malformed):
        tree.plant("apicrypt", [], schema.standard())
