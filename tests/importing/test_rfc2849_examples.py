"""The examples of RFC 2849, shortened where they are long: each of its seven kinds of file."""

import base64
import io

from annuaire.importing import ldif
from annuaire.importing.records import Add, Content, Delete, Modify, ModifyDn, Record

TREE_DELETE = "1.2.840.113556.1.4.805"


def read(text: str) -> list[Record]:
    return list(ldif.read(io.BytesIO(text.encode())))


def test_two_entries_and_a_value_that_is_folded():
    first, second = read(
        "version: 1\n"
        "dn: cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com\n"
        "objectclass: top\nobjectclass: person\ncn: Barbara Jensen\ncn: Barbara J Jensen\nsn: Jensen\n"
        "telephonenumber: +1 408 555 1212\n"
        "description: A big sailing fan.\n\n"
        "dn: cn=Gern Jensen, ou=Product Testing, dc=airius, dc=com\n"
        "objectclass: top\ncn: Gern Jensen\nsn: Jensen\n"
        "description: What a careful reader of this\n  value knows: it is foldi\n ed.\n"
    )
    assert isinstance(first, Content)
    assert first.dn == "cn=Barbara Jensen, ou=Product Development, dc=airius, dc=com"
    assert [value for name, value in first.attributes if name == "cn"] == [
        b"Barbara Jensen",
        b"Barbara J Jensen",
    ]
    assert isinstance(second, Content)
    assert second.attributes[-1] == (
        "description",
        b"What a careful reader of this value knows: it is foldied.",
    )


def test_a_value_in_base64_that_is_folded_too():
    text = "This value is in base64 because it has a control character in it (a CR).\r"
    encoded = base64.b64encode(text.encode()).decode()
    [entry] = read(
        f"version: 1\ndn: cn=Gern Jensen, dc=airius, dc=com\ncn: Gern Jensen\n"
        f"description:: {encoded[:50]}\n {encoded[50:80]}\n {encoded[80:]}\n"
    )
    assert entry.attributes[-1] == ("description", text.encode())


def test_names_in_utf_8_and_values_with_language_tags():
    name = "ou=営業部,o=Airius"
    [entry] = read(
        "version: 1\ndn:: b3U95Za25qWt6YOoLG89QWlyaXVz\n# dn:: ou=<JapaneseOU>,o=Airius\n"
        "objectclass: organizationalUnit\nou:: 5Za25qWt6YOo\nou;lang-ja:: 5Za25qWt6YOo\nou;lang-en: Sales\n"
    )
    assert entry.dn == name
    assert entry.attributes[1:] == [
        ("ou", "営業部".encode()),
        ("ou;lang-ja", "営業部".encode()),
        ("ou;lang-en", b"Sales"),
    ]


def test_a_series_of_changes():
    added, deleted, renamed, moved, modified, emptied = read(
        "version: 1\n"
        "# Add a new entry\n"
        "dn: cn=Fiona Jensen, ou=Marketing, dc=airius, dc=com\nchangetype: add\nobjectclass: person\n"
        "cn: Fiona Jensen\nsn: Jensen\n\n"
        "dn: cn=Robert Jensen, ou=Marketing, dc=airius, dc=com\nchangetype: delete\n\n"
        "dn: cn=Paul Jensen, ou=Product Development, dc=airius, dc=com\nchangetype: modrdn\n"
        "newrdn: cn=Paula Jensen\ndeleteoldrdn: 1\n\n"
        "dn: ou=PD Accountants, ou=Product Development, dc=airius, dc=com\nchangetype: moddn\n"
        "newrdn: ou=Product Development Accountants\ndeleteoldrdn: 0\nnewsuperior: ou=Accounting, dc=airius, dc=com\n\n"
        "dn: cn=Paula Jensen, ou=Product Development, dc=airius, dc=com\nchangetype: modify\n"
        "add: postaladdress\npostaladdress: 123 Anystreet $ Sunnyvale, CA $ 94086\n-\n"
        "delete: description\n-\n"
        "replace: telephonenumber\ntelephonenumber: +1 408 555 1234\ntelephonenumber: +1 408 555 5678\n-\n"
        "delete: facsimiletelephonenumber\nfacsimiletelephonenumber: +1 408 555 9876\n-\n\n"
        "dn: cn=Ingrid Jensen, ou=Product Support, dc=airius, dc=com\nchangetype: modify\n"
        "replace: postaladdress\n-\ndelete: description\n-\n"
    )
    assert isinstance(added, Add)
    assert isinstance(deleted, Delete)
    assert (renamed.new_rdn, renamed.delete_old_rdn, renamed.new_superior) == ("cn=Paula Jensen", True, None)
    assert isinstance(moved, ModifyDn)
    assert moved.new_superior == "ou=Accounting, dc=airius, dc=com"
    assert isinstance(modified, Modify)
    assert [change[:2] for change in modified.changes] == [
        ("add", "postaladdress"),
        ("delete", "description"),
        ("replace", "telephonenumber"),
        ("delete", "facsimiletelephonenumber"),
    ]
    assert emptied.changes == [("replace", "postaladdress", []), ("delete", "description", [])]


def test_a_change_with_a_control():
    [deleted] = read(
        "version: 1\n# Delete an entry. The operation will attach the LDAPv3 Tree Delete Control\n"
        "dn: ou=Product Development, dc=airius, dc=com\n"
        f"control: {TREE_DELETE} true\nchangetype: delete\n"
    )
    assert isinstance(deleted, Delete)
    assert [(one.oid, one.critical, one.value) for one in deleted.controls] == [(TREE_DELETE, True, None)]
