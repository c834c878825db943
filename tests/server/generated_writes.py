"""Writes as a seed makes them: over few names and few values, so that they meet; right ones and wrong ones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from annuaire.ldap import ber

TREE = "dc=exemple,dc=fr"
ROOT = '""'  # how the empty name is shown
ADD, DELETE, REPLACE, INCREMENT = range(4)

# Some of them name the same entry.
RDNS = (
    "ou=a",
    "OU=A",
    "ou=b",
    "ou=c d",
    "ou=C  D",
    "cn=x",
    "cn=X",
    "commonName=y",
    "cn=y",
    "2.5.4.3=z",
    "cn=Durand\\, Anne",
    "cn=durand\\2c anne",
    "cn=x+sn=Y",
    "sn=y+cn=X",
    "cn=\\C3\\89t\\C3\\A9",
    "cn=\\ deux espaces\\ ",
    "uid=anne",
    "gidNumber=7",
)
WRONG_RDNS = ("nothing=x", "cn=x+cn=y+", "cn", "gidNumber=sept", "cn=")
OUTSIDE = ("dc=ailleurs,dc=fr", "", "cn=Subschema")

CLASSES = (
    ("organizationalUnit",),
    ("person",),
    ("inetOrgPerson",),
    ("top", "inetOrgPerson", "organizationalPerson"),
    ("groupOfNames",),
    ("device",),
    ("posixGroup",),
    ("account", "posixAccount"),
    ("person", "extensibleObject"),
    ("person", "organizationalUnit"),
    ("person", "uidObject"),
    ("uidObject",),
    ("top",),
    ("nothing",),
    ("person", "PERSON"),
)
# Each attribute with values that are right, and that are not. Names are of entries elsewhere: those in the tree would
# be followed when they are renamed.
VALUES: dict[str, tuple[Sequence[bytes], Sequence[bytes]]] = {
    "cn": ((b"x", b"X", b" x ", b"y", b"Durand, Anne", "Été".encode(), "été".encode()), (b"", b"\xff")),
    "sn": ((b"Y", b"y", b"Durand"), (b"",)),
    "surname": ((b"Y", b"Durand"), ()),
    "ou": ((b"a", b"A", b"b", b"c d"), (b"",)),
    "description": ((b"un", b"UN", b"u  n", b"deux", "œuf".encode()), (b"",)),
    "description;lang-fr": ((b"un", b"deux"), (b"",)),
    "description;LANG-FR;lang-x": ((b"un",), ()),
    "telephoneNumber": ((b"+33 3 53 01 00 01", b"+333-530 10001", b"+33353010002"), (b"", b"\xc3\xa9")),
    "mail": ((b"a@exemple.fr", b"A@exemple.fr", b"b@exemple.fr"), ("é@exemple.fr".encode(),)),
    "seeAlso": (
        (b"cn=x,dc=ailleurs", b"CN=X, dc=Ailleurs", b"cn=ailleurs", b""),
        (b"no name", b"cn=x,"),
    ),
    "member": ((b"cn=x,dc=ailleurs", b"CN=X, dc=Ailleurs", b"ou=a,dc=ailleurs"), (b"no name",)),
    "gidNumber": ((b"7", b"8"), (b"sept", b"07", b"", b"7 ")),
    "uidNumber": ((b"1000", b"-1"), (b"x",)),
    "homeDirectory": ((b"/home/a", b"/home/A"), ("/é".encode(),)),
    "uid": ((b"anne", b"ANNE", b"b"), ()),
    "memberUid": ((b"anne", b"Anne"), ()),
    "userCertificate;binary": ((), (b"x",)),
    "jpegPhoto": ((b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1"), ()),
    "userPassword": ((b"{SSHA}0123456789abcdef0123456789abcdef",), ()),
    "preferredDeliveryMethod": ((b"mhs", b"telex $ mhs"), (b"pigeon",)),
    "postalAddress": ((b"1 rue$59000 Lille", b"1 RUE$59000 lille"), ()),
    "serialNumber": ((b"12-A", b"12-a"), ("é".encode(),)),
    "owner": ((b"cn=x,dc=ailleurs",), (b"x",)),
    "objectClass": ((b"person", b"organizationalPerson", b"inetOrgPerson", b"uidObject", b"extensibleObject",
                     b"organizationalUnit", b"top", b"device", b"2.5.6.6"), (b"nothing", b"")),
    "createTimestamp": ((b"20200101000000Z",), ()),
    "modifiersName": ((b"cn=x",), ()),
    "entryUUID": ((b"00000000-0000-4000-8000-000000000001",), ()),
    "structuralObjectClass": ((b"person",), ()),
    "entryDN": ((b"cn=x",), ()),
    "nothing": ((b"x",), ()),
    "description;": ((b"x",), ()),
    "subschemaSubentry": ((b"cn=Subschema",), ()),
}  # fmt: skip
# Without an equality rule: slapd adds no value beside another one, annuaire compares octets.
UNMATCHED = ("jpegPhoto", "preferredDeliveryMethod")
ORDINARY = ("cn", "sn", "ou", "description", "telephoneNumber", "mail", "seeAlso", "uid")


@dataclass(frozen=True)
class Write:
    """One request: what is read by people, and its protocol operation."""

    text: str
    operation: bytes


class Generator:
    def __init__(self, seed: int, tree: str = TREE) -> None:
        self._random = random.Random(seed)
        self._tree = tree
        # Names that were added, right or wrong: most writes should meet something.
        self._names = [tree]

    def write(self) -> Write:
        kinds = {self._add: 8, self._modify: 12, self._delete: 2, self._rename: 4, self._compare: 4}
        [made] = self._random.choices(list(kinds), list(kinds.values()))
        return made()

    # ------------------------------------------------------------ names

    def _name(self) -> str:
        if self._random.random() < 0.03:
            return self._random.choice(OUTSIDE)
        if self._random.random() < 0.75:
            return self._random.choice(self._names[-12:] + self._names[:4])
        return self._new_name()

    def _rdn(self) -> str:
        return self._random.choice(WRONG_RDNS if self._random.random() < 0.04 else RDNS)

    def _new_name(self) -> str:
        above = self._tree
        if self._random.random() < 0.35:
            above = self._random.choice(self._names[-12:] + self._names[:4])
        return f"{self._rdn()},{above}"

    # ------------------------------------------------------------ attributes

    def _values(self, attribute: str, most: int = 2) -> list[bytes]:
        right, wrong = VALUES[attribute]
        pool = wrong if wrong and (not right or self._random.random() < 0.08) else right
        return [self._random.choice(pool) for _ in range(self._random.choice([1, 1, 1, most]))]

    def _attribute(self) -> str:
        return self._random.choice(ORDINARY if self._random.random() < 0.6 else list(VALUES))

    def _entry(self, name: str) -> dict[str, list[bytes]]:
        """Mostly what the classes ask for and the name says."""
        classes = self._random.choice(CLASSES[:9] if self._random.random() < 0.85 else CLASSES)
        attributes: dict[str, list[bytes]] = {"objectClass": [one.encode() for one in classes]}
        if self._random.random() < 0.04:
            del attributes["objectClass"]
        wanted = {
            "person": ("cn", "sn"), "inetOrgPerson": ("cn", "sn"), "groupOfNames": ("cn", "member"),
            "device": ("cn",), "posixGroup": ("cn", "gidNumber"), "organizationalUnit": ("ou",),
            "posixAccount": ("cn", "uid", "uidNumber", "gidNumber", "homeDirectory"), "account": ("uid",),
            "uidObject": ("uid",),
        }  # fmt: skip
        for one in classes:
            for attribute in wanted.get(one, ()):
                if attribute not in attributes and self._random.random() < 0.96:
                    attributes[attribute] = [self._random.choice(VALUES[attribute][0])]
        for _ in range(self._random.choice([0, 0, 1, 2])):
            attribute = self._attribute()
            if attribute not in attributes:
                attributes[attribute] = self._values(attribute)
        return attributes

    # ------------------------------------------------------------ operations

    def _add(self) -> Write:
        name = self._new_name()
        attributes = self._entry(name)
        self._names.append(name)
        body = ber.octets(name.encode()) + ber.sequence([ber.encode_attributes(attributes)])
        return Write(f"add {name} {attributes}", ber.tlv(0x68, body))

    def _modify(self) -> Write:
        name = self._name()
        changes = []
        said = []
        for _ in range(self._random.choice([1, 1, 1, 2, 3])):
            attribute = self._attribute()
            kind = self._random.choices([ADD, DELETE, REPLACE, INCREMENT], [5, 4, 5, 1])[0]
            if kind == INCREMENT:
                attribute = self._random.choice(["gidNumber", "uidNumber", "cn"])
                values = [self._random.choice([b"1", b"-3", b"x", b"0"])]
            else:
                values = self._values(attribute)
                if attribute in UNMATCHED and kind == ADD:
                    kind = REPLACE
                elif attribute in UNMATCHED and kind == DELETE:
                    values = []
            if kind in (DELETE, REPLACE) and self._random.random() < 0.3:
                values = []
            said.append((kind, attribute, values))
            listed = ber.encode_attributes({attribute: values})
            changes.append(ber.sequence([ber.integer(kind, ber.ENUMERATED), listed]))
        body = ber.octets(name.encode()) + ber.sequence(changes)
        return Write(f"modify {name or ROOT} {said}", ber.tlv(0x66, body))

    def _delete(self) -> Write:
        name = self._name()
        if name == self._tree:  # slapd 2.5 has died of it
            name = self._new_name()
        return Write(f"delete {name or ROOT}", ber.octets(name.encode(), 0x4A))

    def _rename(self) -> Write:
        name, rdn = self._name(), self._rdn()
        delete_old = self._random.random() < 0.6
        body = ber.octets(name.encode()) + ber.octets(rdn.encode()) + ber.boolean(delete_old)
        said = f"rename {name or ROOT} {rdn} {delete_old}"
        if self._random.random() < 0.4:
            superior = self._tree if self._random.random() < 0.4 else self._name()
            body += ber.octets(superior.encode(), 0x80)
            said += f" below {superior or ROOT}"
        return Write(said, ber.tlv(0x6C, body))

    def _compare(self) -> Write:
        name, attribute = self._name(), self._attribute()
        value = self._values(attribute, 1)[0]
        assertion = ber.sequence([ber.octets(attribute.encode()), ber.octets(value)])
        return Write(
            f"compare {name or ROOT} {attribute} {value!r}",
            ber.tlv(0x6E, ber.octets(name.encode()) + assertion),
        )
