"""Reading LDIF: every form that RFC 2849 allows, every form met in the field, and what is refused."""

import base64
import io
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuaire.importing import ldif, ldif_record, records
from annuaire.ldap.messages import Control


def read(text: str | bytes) -> list[records.Record]:
    data = text.encode() if isinstance(text, str) else text
    return list(ldif.read(io.BytesIO(data)))


def one(text: str | bytes) -> records.Record:
    (record,) = read(text)
    return record


def refused(text: str | bytes) -> records.Unreadable:
    record = one(text)
    assert isinstance(record, records.Unreadable)
    return record


def copied(chunk: ldif.Chunk) -> ldif.Chunk:
    """Hand a chunk over as to another process."""
    return pickle.loads(pickle.dumps(chunk))  # noqa: S301


JEAN = records.Content(1, "cn=Jean,c=FR", [("cn", b"Jean"), ("sn", b"DUPONT")])


@pytest.mark.parametrize(
    "text",
    [
        "dn: cn=Jean,c=FR\ncn: Jean\nsn: DUPONT\n",
        "dn: cn=Jean,c=FR\ncn: Jean\nsn: DUPONT",
        "dn: cn=Jean,c=FR\r\ncn: Jean\r\nsn: DUPONT\r\n\r\n",
        "dn:cn=Jean,c=FR\ncn:Jean\nsn:   DUPONT\n\n\n\n",
        "dn:: Y249SmVhbixjPUZS\ncn:: SmVhbg==\nsn::RFVQT05U\n",
        "dn: cn=Je\n an,c=FR\ncn:\n  Jean\nsn: DU\n PO\n NT\n",
        "dn: cn=Jean,c=FR\n# a comment\n#  that\n  is folded\ncn: Jean\nsn: DUPONT\n# at the end\n",
        "dn:: Y249SmVhbixj\n PUZS\ncn:: SmVh\n bg==\nsn: DUPONT\n",
        "\ufeffdn: cn=Jean,c=FR\ncn: Jean\nsn: DUPONT\n",
        "DN: cn=Jean,c=FR\ncn: Jean\nsn: DUPONT\n",
    ],
)
def test_one_entry_may_be_written_in_many_ways(text):
    assert one(text) == JEAN


def test_a_version_line_may_touch_the_first_record_or_stand_apart():
    assert one("version: 1\ndn: c=FR\nc: FR\n") == records.Content(2, "c=FR", [("c", b"FR")])
    assert one("# exported\nversion: 1\n\ndn: c=FR\nc: FR\n") == records.Content(4, "c=FR", [("c", b"FR")])


def test_joined_files_may_each_have_a_version_line():
    text = "version: 1\n\ndn: c=FR\nc: FR\n\nversion: 1\ndn: c=BE\nc: BE\n"
    assert [record.dn for record in read(text)] == ["c=FR", "c=BE"]


def test_another_version_is_refused_and_reading_goes_on():
    wrong, right = read("version: 2\n\ndn: c=FR\nc: FR\n")
    assert isinstance(wrong, records.Unreadable)
    assert "version 1" in wrong.reason
    assert right.dn == "c=FR"


def test_a_fold_may_cut_a_character():
    cut = "dn: cn=x\ncn: Hélène\n".encode().replace(b"\xc3\xa9", b"\xc3\n \xa9", 1)
    assert one(cut).attributes == [("cn", "Hélène".encode())]


def test_raw_utf8_is_read_though_the_standard_wants_base64():
    assert one("dn: cn=Hélène\ncn: Hélène\n").dn == "cn=Hélène"


def test_options_and_empty_values_and_repeated_values_are_kept_as_written():
    record = one("dn: cn=x\nuserCertificate;binary:: AAEC\ncn;lang-fr: x\ncn;LANG-FR: y\nl:\nl::\nl: \n")
    assert record.attributes == [
        ("userCertificate;binary", b"\0\1\2"),
        ("cn;lang-fr", b"x"),
        ("cn;LANG-FR", b"y"),
        ("l", b""),
        ("l", b""),
        ("l", b""),
    ]


def test_trailing_spaces_and_inner_colons_belong_to_the_value():
    assert one("dn: cn=x\ndescription: a: b :c \n").attributes == [("description", b"a: b :c ")]


def test_nothing_is_read_from_nothing():
    assert read("") == []
    assert read("\n\n\n") == []
    assert read("version: 1\n") == []
    assert read("# only\n#  comments\n\n# here\n") == []


def test_what_ldapsearch_prints_around_its_entries_is_no_record():
    text = """# extended LDIF
#
# LDAPv3
# base <c=FR> with scope subtree

# FR
dn: c=FR
c: FR

# search result
search: 2
result: 0 Success

# numResponses: 2
# numEntries: 1
"""
    assert read(text) == [records.Content(7, "c=FR", [("c", b"FR")])]


def test_each_record_knows_its_line():
    text = "version: 1\n\n\n# who\n# it is\ndn: c=FR\nc: FR\n\n\n\ndn: c=B\n E\nc: BE\n\ndn: c=CH\nc: CH\n"
    assert [record.line for record in read(text)] == [6, 11, 15]
    assert [record.line for record in read(text.replace("\n", "\r\n"))] == [6, 11, 15]


def test_change_records_of_the_four_kinds():
    text = """version: 1
dn: cn=new
changetype: add
cn: new
sn: N

dn: cn=old
changetype: delete

dn: cn=x
changetype: modify
add: mail
mail: a@b
mail: c@d
-
delete: telephoneNumber
-
delete: l
l: LILLE
-
replace: sn
sn: DURAND
-
replace: street
-
increment: uidNumber
uidNumber: 1
-

dn: cn=x
changetype: modrdn
newrdn: cn=y
deleteoldrdn: 1

dn: cn=y
changetype: moddn
newrdn:: Y249w6k=
deleteoldrdn: 0
newsuperior: ou=there,c=FR
"""
    assert read(text) == [
        records.Add(2, "cn=new", [("cn", b"new"), ("sn", b"N")]),
        records.Delete(7, "cn=old"),
        records.Modify(
            10,
            "cn=x",
            [
                ("add", "mail", [b"a@b", b"c@d"]),
                ("delete", "telephoneNumber", []),
                ("delete", "l", [b"LILLE"]),
                ("replace", "sn", [b"DURAND"]),
                ("replace", "street", []),
                ("increment", "uidNumber", [b"1"]),
            ],
        ),
        records.ModifyDn(30, "cn=x", "cn=y", True, None),
        records.ModifyDn(35, "cn=y", "cn=é", False, "ou=there,c=FR"),
    ]


def test_the_last_hyphen_of_a_modification_may_be_missing():
    record = one("dn: cn=x\nchangetype: modify\nreplace: sn\nsn: A\n-\nadd: l\nl: B")
    assert record.changes == [("replace", "sn", [b"A"]), ("add", "l", [b"B"])]


def test_controls_stand_between_the_dn_and_the_changetype():
    record = one(
        "dn: cn=x\n"
        "control: 2.16.840.1.113730.3.4.2 true\n"
        "control: 1.2.3\n"
        "control: 1.2.3 false: text\n"
        "control: 1.2.3:: AAE=\n"
        "changetype: delete\n"
    )
    assert record == records.Delete(
        1,
        "cn=x",
        [
            Control("2.16.840.1.113730.3.4.2", True, None),
            Control("1.2.3", False, None),
            Control("1.2.3", False, b"text"),
            Control("1.2.3", False, b"\0\1"),
        ],
    )


@pytest.mark.parametrize(
    ("text", "line", "dn", "words"),
    [
        ("dn: cn=x\njpegPhoto:< file:///etc/passwd\n", 2, "cn=x", "jpegPhoto: refers to file:///etc/passwd"),
        ("dn: cn=x\ncn: a\n\tb\n", 3, "cn=x", "without a colon"),
        ("dn: cn=x\ncn: a\nmail\n", 3, "cn=x", "without a colon"),
        ("dn: cn=x\ncn: a\n  b\nfull name: b\n", 4, "cn=x", "'full name' is not an attribute name"),
        ("dn: cn=x\ncn:: SmVhb\n", 2, "cn=x", "base64"),
        ("dn: cn=x\ncn:: Jean Dupont!\n", 2, "cn=x", "base64"),
        ("dn:: Y249!\ncn: x\n", 1, None, "base64"),
        (b"dn: cn=H\xe9l\xe8ne\ncn: x\n", 1, None, "UTF-8"),
        ("dn: cn=x\n", 1, "cn=x", "without attributes"),
        ("cn: x\nsn: y\n", 1, None, "begin with a line `dn:`"),
        (" cn: x\nsn: y\n", 1, None, "continuation"),
        ("dn: cn=x\ncn: x\n \ndn: cn=y\ncn: y\n", 4, "cn=x", "second dn"),
        ("dn: cn=x\ncn: x\nchangetype: add\n", 3, "cn=x", "directly behind"),
        ("dn: cn=x\ncontrol: 1.2\ncn: x\n", 1, "cn=x", "changetype"),
        ("dn: cn=x\ncontrol: yes\nchangetype: delete\n", 2, "cn=x", "OID"),
        ("dn: cn=x\nchangetype: upsert\ncn: x\n", 2, "cn=x", "upsert"),
        ("dn: cn=x\nchangetype: add\n", 2, "cn=x", "without attributes"),
        ("dn: cn=x\nchangetype: delete\ncn: x\n", 3, "cn=x", "no further lines"),
        ("dn: cn=x\nchangetype: modify\ncn: x\n", 3, "cn=x", "add:, delete:, replace:"),
        ("dn: cn=x\nchangetype: modify\nadd: cn\n-\n", 3, "cn=x", "adds nothing"),
        ("dn: cn=x\nchangetype: modify\nadd: cn\nsn: x\n", 4, "cn=x", "a line -"),
        ("dn: cn=x\nchangetype: modify\nincrement: n\nn: 1\nn: 2\n", 3, "cn=x", "exactly one"),
        ("dn: cn=x\nchangetype: modify\nreplace: a b\n", 3, "cn=x", "does not name an attribute"),
        ("dn: cn=x\nchangetype: modrdn\nnewrdn: cn=y\n", 2, "cn=x", "deleteoldrdn"),
        ("dn: cn=x\nchangetype: modrdn\nnewrdn: cn=y\ndeleteoldrdn: yes\n", 2, "cn=x", "0 (keep"),
        ("dn: cn=x\nchangetype: modrdn\nnewrdn: cn=y\nsn: y\n", 4, "cn=x", "one newrdn"),
        (b"\xff\xfed\0n\0:\0", 1, None, "UTF-16"),
        (b"\x1f\x8b\x08\n\n\n\n", 1, None, "gunzip"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_to_do(text, line, dn, words):
    record = refused(text)
    assert (record.line, record.dn) == (line, dn)
    assert words in record.reason


def test_an_unreadable_record_keeps_its_text_and_reading_goes_on():
    broken = "# why\ndn: cn=x\ncn: a\n b\nnothing here\n"
    first, second = read(broken + "\ndn: c=FR\nc: FR\n")
    assert first.text == broken.encode()
    assert first.line == 5
    assert second == records.Content(7, "c=FR", [("c", b"FR")])


def test_mixing_content_and_changes_is_refused_where_the_kind_switches():
    text = "dn: c=FR\nc: FR\n\n# note\ndn: cn=x\nchangetype: delete\n\ndn: c=BE\nc: BE\n"
    first, mixed, third = read(text)
    assert (first.dn, third.dn) == ("c=FR", "c=BE")
    assert isinstance(mixed, records.Unreadable)
    assert (mixed.line, mixed.dn) == (5, "cn=x")
    assert mixed.text == b"dn: cn=x\nchangetype: delete\n"
    assert "a change record in a file of content records (the first is at line 1)" in mixed.reason


def test_a_file_of_changes_refuses_content():
    deleted, mixed = read("dn: cn=x\nchangetype: delete\n\ndn: c=FR\nc: FR\n")
    assert isinstance(deleted, records.Delete)
    assert "a content record in a file of change records" in mixed.reason


def test_the_kind_of_the_file_follows_its_chunks_into_other_processes(monkeypatch):
    monkeypatch.setattr(ldif, "CHUNK_SIZE", 20)
    text = b"dn: c=FR\nc: FR\n\n" * 5 + b"dn: cn=x\nchangetype: delete\n"
    chunks = [copied(chunk) for chunk in ldif.split(io.BytesIO(text))]
    assert len(chunks) > 2
    last = list(ldif.parse_chunk(chunks[-1]))[-1]
    assert isinstance(last, records.Unreadable)
    assert last.line == 16


def test_a_record_above_the_limit_is_reported_and_not_kept(monkeypatch):
    monkeypatch.setattr(ldif, "RECORD_MAX", 5000)
    monkeypatch.setattr(ldif, "CHUNK_SIZE", 1000)
    small = b"dn: c=FR\nc: FR\n\n"
    for end in (b"\n\n", b"\r\n\r\n"):
        large = b"dn: cn=large" + end[: len(end) // 2] + b"cn: " + b"x" * 20_000 + end
        first, refusal, last = read(small + large + small)
        assert isinstance(refusal, records.Unreadable)
        assert (refusal.line, refusal.dn, refusal.text) == (4, "cn=large", b"")
        assert "5000" in refusal.reason
        assert (first.line, last.line) == (1, 7)
        assert max(len(chunk.data) for chunk in ldif.split(io.BytesIO(small + large))) < 7000


def test_a_file_without_any_empty_line_is_read_in_bounded_memory():
    class Endless(io.RawIOBase):
        """A hostile file: one line of 200 MiB, made as it is read."""

        left = 200 << 20
        largest = 0

        def read(self, size=-1):
            taken = min(size, self.left)
            self.left -= taken
            return b"x" * taken

    held = [len(chunk.data) for chunk in ldif.split(Endless())]
    assert held == [ldif.HEAD_KEPT]


MANY = "".join(
    f"# person {n}\r\ndn: uid={n}\r\ncn: Per\r\n son\r\ndescription: {'x' * n}\r\n\r\n" for n in range(60)
).encode()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("text", [MANY, MANY.replace(b"\r\n", b"\n"), MANY.replace(b"\r\n\r\n", b"\n\r\n\n")])
def test_chunks_of_any_size_give_the_same_records(monkeypatch, size, text):
    whole = list(ldif.parse(text))
    monkeypatch.setattr(ldif, "CHUNK_SIZE", size)
    assert read(text) == whole
    chunks = list(ldif.split(io.BytesIO(text)))
    assert b"".join(chunk.data for chunk in chunks) == text
    offset = 0
    for chunk in chunks:
        assert chunk.offset == offset
        assert chunk.first_line == text[:offset].count(b"\n") + 1
        offset += len(chunk.data)


# Lines that lead each path near the border of the other.
PIECES = st.sampled_from(
    [
        "dn: cn=x", "dn:: Y249eA==", "dn:cn=x", "dn:  cn=x", "dn: ", "dn:", "dn:: ", "dn:: !!", "DN: cn=x",
        "cn: x", "cn:x", "cn:", "cn: ", "cn::", "cn:: ", "cn:: eA==", "cn::eA==", "cn:: eA", "cn:: e A = =",
        "cn:: eA== ", "cn;lang-fr: x", "cn;lang-fr:: eA==", "cn:  x", "cn: a: b", "cn: a:  b", "cn:< file:/x",
        "cn: :x", "cn: <x", "cn: é", "changetype: add", "changetype: delete", "changetype: modify",
        "add: cn", "Changetype: x", "control: 1.2.3", "control: 1.2.3 true: x", "version: 1", "version: 3",
        "-", "# note", " folded", " ", "", "", "no colon", "1x: y", "a b: c", ": x", "x\0: y", "search: 2",
        "result: 0 Success", " dn: cn=y", " cn: y", "newrdn: cn=y", "deleteoldrdn: 1", "\r", "cn: x\r",
        "cn: \0",
    ]
)  # fmt: skip


@settings(max_examples=1000)
@given(st.lists(PIECES, max_size=12))
def test_both_paths_agree(pieces):
    data = "\n".join(pieces).encode()
    line = 1
    expected = []
    for block in data.replace(b"\r\n", b"\n").split(b"\n\n"):
        expected.append(ldif_record.parse_record(block, line))
        line += block.count(b"\n") + 2
    assert list(ldif.parse(data)) == [record for record in expected if record is not None]


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail(data):
    for record in read(data):
        assert record.line >= 1


@given(
    st.lists(st.tuples(st.sampled_from(["cn", "l;lang-fr", "jpegPhoto"]), st.binary(max_size=40)), min_size=1)
)
def test_base64_carries_any_bytes(attributes):
    lines = ["dn: cn=x"] + [f"{name}:: {base64.b64encode(value).decode()}" for name, value in attributes]
    assert one("\n".join(lines)).attributes == attributes
