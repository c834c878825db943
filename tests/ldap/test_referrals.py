"""The LDAP URLs of referrals (RFC 3296 §5, RFC 4516): whose name they bear, and what of them is kept."""

import pytest

from annuaire.ldap import messages, referrals

HERE = "ou=loin,o=x"


@pytest.mark.parametrize(
    ("stored", "target", "scope", "told"),
    [
        ("ldap://a/ou=b,o=y", HERE, None, "ldap://a/ou=b,o=y"),
        ("ldap://a/ou=b,o=y", f"cn=c,{HERE}", None, "ldap://a/cn=c,ou=b,o=y"),
        ("LDAPS://a:636/ou=b,o=y?cn?one?(x=y)?!e", HERE, messages.SUBTREE, "LDAPS://a:636/ou=b,o=y??sub"),
        ("ldap://a", f"cn=c,{HERE}", messages.BASE, "ldap://a/cn=c,ou=loin,o=x??base"),
        ("ldap://a/", HERE, messages.ONE_LEVEL, "ldap://a/ou=loin,o=x??one"),
        ("ldap:///o=y", HERE, None, "ldap:///o=y"),
        ("ldap://a/o=y", f"cn=É d?,{HERE}", None, "ldap://a/cn=%C3%89%20d%3F,o=y"),
        ("ldap://a/o=%C3%89", HERE, None, "ldap://a/o=%C3%89"),
        ("ldap://a/pas un nom", HERE, None, "ldap://a/pas un nom"),
        ("https://a/x?y", f"cn=c,{HERE}", messages.BASE, "https://a/x?y"),
    ],
)
def test_a_url_is_made_for_the_entry_that_is_meant(
    stored: str, target: str, scope: int | None, told: str
) -> None:
    assert referrals.adjusted([stored], HERE, target, scope) == [told]


def test_a_label_behind_a_uri_is_for_people() -> None:
    assert referrals.uris({"REF": [b"ldap://a/o=y Chez eux", b"ldap://b"]}) == ["ldap://a/o=y", "ldap://b"]


@pytest.mark.parametrize(
    ("stored", "fault"),
    [
        ("ldap://a/ou=b,o=y", None),
        ("LDAPS://a:636/ou=b??SUB?(cn=x) ce qu'on veut", None),
        ("ldapi://%2Frun%2Fldapi/o=x", None),
        ("ldap:///", None),
        ("ldap://[::1]:389/o=%C3%89", None),
        ("https://a/x?y", None),
        ("urn:x:y", None),
        ("ailleurs", "no URI"),
        ("http:", "no URI"),
        ("ldap://a/o=<b>", "no URI"),
        ("ldap:a", "no LDAP URL"),
        ("ldap://a:99999/", "host or port"),
        ("ldap://a:x/", "host or port"),
        ("ldap://[::1/o=x", "host or port"),
        ("ldap://a/ailleurs", "name"),
        ("ldap://a/o=x??partout", "scope"),
    ],
)
def test_a_value_that_leads_nowhere_has_a_fault(stored: str, fault: str | None) -> None:
    found = referrals.fault(stored.encode())
    assert (found is None) == (fault is None), found
    assert fault is None or fault in str(found)
