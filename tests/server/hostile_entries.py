"""Entries and changes that a directory should refuse, or take, by whatever door they come: LDAP and files.

Each with the result code that it gets; where the doors differ, with one for each and the reason.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import NamedTuple

import serving

SUFFIX = serving.SUFFIX
TREE = "dc=exemple,dc=fr"
APICRYPT = f"ou=apicrypt,{SUFFIX}"
LOGINS = f"ou=comptes,{SUFFIX}"
HASH = "{SSHA}" + base64.b64encode(bytes(24)).decode()
ELSEWHERE = "ldap://ailleurs.exemple/"

Value = str | bytes
Attributes = Mapping[str, list[bytes]]


def entry(*classes: str, **given: Value | list[Value]) -> dict[str, list[bytes]]:
    """Attributes, without those that have no value; in their names `_` is a hyphen, `__` a semicolon."""
    found: dict[str, list[bytes]] = {"objectClass": [one.encode() for one in classes]} if classes else {}
    for name, some in given.items():
        values = some if isinstance(some, list) else [some]
        description = name.replace("__", ";").replace("_", "-")
        found[description] = [one.encode() if isinstance(one, str) else one for one in values]
    return {name: values for name, values in found.items() if values}


def person(name: str, /, **more: Value | list[Value]) -> dict[str, list[bytes]]:
    return entry("inetOrgPerson", **{"cn": name, "sn": name, **more})


def subscriber(name: str, /, **more: Value | list[Value]) -> dict[str, list[bytes]]:
    own = {"uid": name, "cn": name, "sn": name, "apicryptVersion": "2"}
    return entry(
        "inetOrgPerson", "apicryptUtilisateur", **{**own, "mail": f"{name}@medical59.apicrypt.org", **more}
    )


def held_elsewhere(**named: Value) -> dict[str, list[bytes]]:
    return entry("referral", "extensibleObject", ref=ELSEWHERE, **named)


def alias(name: str, /) -> dict[str, list[bytes]]:
    return entry("alias", "extensibleObject", cn=name, aliasedObjectName=f"cn=personne,{TREE}")


# What is there before.
GROUND = {
    TREE: entry("organization", "dcObject", o="Exemple", dc="exemple"),
    f"cn=personne,{TREE}": person("personne", title="Médecin", employeeNumber="7"),
    f"cn=simple,{TREE}": entry("person", cn="simple", sn="simple"),
    f"ou=ailleurs,{TREE}": held_elsewhere(ou="ailleurs"),
    f"cn=regles,{TREE}": entry("subentry", cn="regles", subtreeSpecification="{}"),
    f"cn=alias,{TREE}": alias("alias"),
    f"ou=service,{TREE}": entry("organizationalUnit", ou="service"),
    f"cn=dedans,ou=service,{TREE}": person("dedans"),
    f"uid=premier,{APICRYPT}": subscriber("premier"),
    f"ou=cabinet,{APICRYPT}": entry("organizationalUnit", ou="cabinet"),
    f"uid=dedans,ou=cabinet,{APICRYPT}": subscriber("dedans"),
}


class Case(NamedTuple):
    name: str
    attributes: Attributes
    codes: int | tuple[int, int, int] = (
        0  # by LDAP, in a file of contents, in one of changes: the same, or why not
    )
    why: str = ""


# Reasons of differences.
REFERRED = "whoever asks by LDAP is referred; a file is told where"
NEAREST = "a file is told of what is right above, be that a referral or nothing"
AS_IT_IS_TO_BE = "a record of contents says how an entry is to be, whether it is there or not"
ALWAYS = "what always exists is in every export, and stays as it is"
LINE_BY_LINE = "in a file each line is a value, under whatever name of its attribute"
EXPORTED = "exports hold what their server kept of itself: it is passed over, with a warning"
OWN = "what the server answers of itself is in no file"
IN_CLEAR = "a file that lies about holds no password in clear"
WARNED = "a file may be right about everything else: its record is taken, with a warning"

LONG = "x" * 2100

CASES = {
    "an entry like others": Case(f"cn=a,{TREE}", person("a")),
    "below a person": Case(f"cn=a,cn=personne,{TREE}", person("a")),
    # Where.
    "below a referral": Case(f"cn=a,ou=ailleurs,{TREE}", person("a"), (10, 71, 71), REFERRED),
    "deep below a referral": Case(f"cn=a,ou=b,ou=ailleurs,{TREE}", person("a"), (10, 32, 32), NEAREST),
    "below an alias": Case(f"cn=a,cn=alias,{TREE}", person("a"), 33),
    "below a subentry": Case(f"cn=a,cn=regles,{TREE}", person("a"), 65),
    "below nothing": Case(f"cn=a,ou=nulle part,{TREE}", person("a"), 32),
    "there already": Case(f"cn=personne,{TREE}", person("personne"), (68, 0, 68), AS_IT_IS_TO_BE),
    "outside all trees": Case("cn=a,o=ailleurs", person("a"), 32),
    "computed": Case(f"uid=a,ou=personnes,{SUFFIX}", person("a"), 53),
    "beside what is managed": Case(f"cn=a,{SUFFIX}", person("a"), 53),
    "a branch": Case(APICRYPT, entry("organizationalUnit", ou="apicrypt"), (68, 0, 0), ALWAYS),
    "the suffix": Case(SUFFIX, entry("organization", o="apicrypt"), (68, 0, 0), ALWAYS),
    "the root": Case("", person("a"), (53, 32, 32), OWN),
    "the schema": Case("cn=Subschema", entry("subentry", cn="Subschema"), (53, 32, 32), OWN),
    "the monitor": Case("cn=a,cn=Monitor", person("a"), (53, 32, 32), OWN),
    # Names.
    "a name without end": Case(f"cn={LONG},{TREE}", person(LONG), 11),
    "a name of many parts": Case(",".join(["cn=a"] * 600) + f",{TREE}", person("a"), 11),
    "a name of too many parts": Case(",".join(["cn=a"] * 3000) + f",{TREE}", person("a"), 34),
    "no name": Case(f"pas un nom,{TREE}", person("a"), 34),
    "a name not among the values": Case(f"cn=b1,{TREE}", entry("person", cn="autre", sn="b")),
    "a name of an attribute that is not given": Case(f"cn=b2,{TREE}", entry("person", sn="b")),
    "a name of two, one not given": Case(f"cn=b3+sn=b,{TREE}", entry("person", cn="b3")),
    "a name in another case": Case(f"CN=B4,{TREE}", person("b4")),
    "a second value of a single one": Case(f"displayName=a,{TREE}", person("a", displayName="b"), 19),
    "a name of an unknown attribute": Case(f"licorne=a,{TREE}", person("a"), 34),
    "an attribute twice in a name": Case(f"cn=a+cn=b,{TREE}", person("a", cn=["a", "b"]), 34),
    "a name of what its classes do not have": Case(f"dc=a,{TREE}", person("a"), 65),
    "named by what the server keeps": Case(
        f"entryUUID=7f3d1b60-5d9c-4d6e-9d5a-1b2c3d4e5f60,{TREE}", person("a"), 64
    ),
    "named by a password": Case(f"userPassword=a,{TREE}", person("a"), 64),
    "a name that its syntax refuses": Case(f"telephoneNumber=é,{TREE}", person("a"), 34),
    "an empty name": Case(f"cn=,{TREE}", person("a"), 34),
    "a name with an option": Case(f"cn;lang-fr=a,{TREE}", person("a"), 34),
    # Classes.
    "no class": Case(f"cn=a1,{TREE}", entry(cn="a1", sn="a"), 65),
    "an unknown class": Case(f"cn=a1,{TREE}", entry("licorne", cn="a1", sn="a"), 65),
    "what cannot be a class": Case(f"cn=a1,{TREE}", entry("person", "pas une", cn="a1", sn="a"), 21),
    "an auxiliary class alone": Case(f"dc=a1,{TREE}", entry("dcObject", dc="a1"), 65),
    "an abstract class alone": Case(f"cn=a1,{TREE}", entry("top", cn="a1"), 65),
    "whatever it likes, of no class": Case(f"cn=a1,{TREE}", entry("extensibleObject", cn="a1"), 65),
    "two structural classes": Case(
        f"cn=a1,{TREE}", entry("person", "organizationalUnit", cn="a1", sn="a", ou="a"), 65
    ),
    "a class twice": Case(f"cn=a1,{TREE}", entry("person", "PERSON", cn="a1", sn="a"), 20),
    "without what its class requires": Case(f"cn=a1,{TREE}", entry("person", cn="a1"), 65),
    "with what its class has not": Case(f"cn=a1,{TREE}", entry("person", cn="a1", sn="a", mail="a@b.fr"), 65),
    "whatever it likes": Case(
        f"cn=b5,{TREE}", entry("person", "extensibleObject", cn="b5", sn="b", mail="b@exemple.fr")
    ),
    # Values.
    "an unknown attribute": Case(f"cn=a1,{TREE}", person("a1", licorne="a"), 17),
    "a wrong value": Case(f"cn=a1,{TREE}", person("a1", telephoneNumber="é"), 21),
    "an empty value": Case(f"cn=a1,{TREE}", person("a1", description=""), 21),
    "a text that is none": Case(f"cn=a1,{TREE}", person("a1", description=b"\xff"), 21),
    "two of a single one": Case(f"cn=a1,{TREE}", person("a1", displayName=["a", "b"]), 19),
    "the same twice": Case(f"cn=a1,{TREE}", person("a1", description=["même", "MÊME"]), 20),
    "an attribute by two names": Case(
        f"cn=b6,{TREE}", person("b6", commonName="b"), (20, 0, 0), LINE_BY_LINE
    ),
    "a member that is no name": Case(f"cn=a1,{TREE}", entry("groupOfNames", cn="a1", member="pas un"), 21),
    "nobody's group": Case(f"cn=a1,{TREE}", entry("groupOfNames", cn="a1"), 65),
    "a group of whoever is not here": Case(
        f"cn=b7,{TREE}", entry("groupOfNames", cn="b7", member="cn=a,o=ailleurs")
    ),
    # What the server keeps.
    "when it was made": Case(
        f"cn=b8,{TREE}", person("b8", createTimestamp="20260101000000Z"), (19, 0, 0), EXPORTED
    ),
    "its structural class": Case(
        f"cn=b9,{TREE}", person("b9", structuralObjectClass="person"), (19, 0, 0), EXPORTED
    ),
    "an administrative point": Case(
        f"ou=c1,{TREE}", entry("organizationalUnit", ou="c1", administrativeRole="2.5.23.5")
    ),
    # Options.
    "a language": Case(f"cn=c2,{TREE}", person("c2", description__lang_fr="un")),
    "a range of languages": Case(f"cn=a1,{TREE}", person("a1", description__lang_="un"), 17),
    "an unknown option": Case(f"cn=a1,{TREE}", person("a1", description__x_licorne="un"), 17),
    "a language of a photo": Case(f"cn=a1,{TREE}", person("a1", jpegPhoto__lang_fr=b"\xff\xd8\xff"), 17),
    "a binary text": Case(f"cn=a1,{TREE}", person("a1", description__binary="un"), 17),
    "with and without ;binary": Case(
        f"cn=a1,{TREE}", person("a1", userCertificate=b"0\x00", userCertificate__binary=b"0\x01\x00"), 20
    ),
    "options without end": Case(f"cn=a1,{TREE}", person("a1", **{"title" + "__lang_fr_a" * 40: "un"}), 17),
    # Entries of another kind.
    "a subentry": Case(f"cn=c3,{TREE}", entry("subentry", cn="c3", subtreeSpecification="{}")),
    "a subentry of nothing": Case(f"cn=a1,{TREE}", entry("subentry", cn="a1"), 65),
    "a referral": Case(f"ou=c4,{TREE}", held_elsewhere(ou="c4")),
    "a referral without ref": Case(f"ou=a1,{TREE}", entry("referral", "extensibleObject", ou="a1"), 65),
    "a referral to nowhere": Case(
        f"ou=a1,{TREE}", entry("referral", "extensibleObject", ou="a1", ref="nulle part"), 21
    ),
    "an alias": Case(f"cn=c5,{TREE}", alias("c5")),
    # Passwords.
    "a password in clear": Case(
        f"cn=c6,{TREE}", person("c6", userPassword="un-mot-de-passe-en-clair"), (0, 19, 19), IN_CLEAR
    ),
    "a hash": Case(f"cn=c7,{TREE}", person("c7", userPassword=HASH)),
    "a password that says it is in clear": Case(
        f"cn=a1,{TREE}", person("a1", userPassword="{CLEARTEXT}un-mot-de-passe"), 19
    ),
    "a password of a language": Case(f"cn=a1,{TREE}", person("a1", userPassword__lang_fr=HASH), 17),
    # Accounts.
    "an account": Case(f"uid=c8,{APICRYPT}", subscriber("c8")),
    "an account in a further tree": Case(f"uid=a1,{TREE}", subscriber("a1"), 64),
    "an account among logins": Case(f"uid=a1,{LOGINS}", subscriber("a1"), 64),
    "an account below another": Case(f"uid=c9,uid=premier,{APICRYPT}", subscriber("c9")),
    "an account with another's address": Case(
        f"uid=a1,{APICRYPT}", subscriber("a1", mail="premier@medical59.apicrypt.org"), 19
    ),
    "an account without address": Case(f"uid=a1,{APICRYPT}", subscriber("a1", mail=[]), 65),
    "an account of version 3": Case(f"uid=a1,{APICRYPT}", subscriber("a1", apicryptVersion="3"), 19),
    "an account that is dead": Case(f"uid=a1,{APICRYPT}", subscriber("a1", apicryptEtat="mort"), 19),
    "an address of a language": Case(
        f"uid=a1,{APICRYPT}", subscriber("a1", mail__lang_fr="b@medical59.apicrypt.org"), 17
    ),
    "a liste rouge of a language": Case(
        f"uid=a1,{APICRYPT}", subscriber("a1", listeRouge__lang_fr="TRUE"), 17
    ),
    "perhaps on liste rouge": Case(f"uid=a1,{APICRYPT}", subscriber("a1", listeRouge="peut-être"), 21),
    "an address of another operator": Case(
        f"uid=d1,{APICRYPT}", subscriber("d1", mail="d1@exemple.fr"), (19, 0, 0), WARNED
    ),
    "a choice that the rules refuse": Case(
        f"uid=d2,{APICRYPT}",
        subscriber("d2", apicryptVersion="1", apicryptInterop="TRUE"),
        (53, 0, 0),
        WARNED,
    ),
    "an interop address elsewhere": Case(
        f"uid=a2,{APICRYPT}", subscriber("a2", apicryptInteropMail="a2@exemple.fr"), 19
    ),
    "a login that nobody knows": Case(
        f"uid=a1,{LOGINS}", entry("account", "annuaireCompte", uid="a1", annuaireAudience="roi"), 19
    ),
    "a login": Case(
        f"uid=d3,{LOGINS}", entry("account", "annuaireCompte", uid="d3", annuaireAudience="mssante")
    ),
}


class Change(NamedTuple):
    """One change of what is there: of values (`+`, `-` or `=`, attribute, values), of a name, or a deletion."""

    name: str
    values: tuple[tuple[str, ...], ...] = ()
    rdn: str = ""
    superior: str | None = None
    keep_old: bool = False
    codes: int | tuple[int, int] = 0  # by LDAP, in a file of changes
    why: str = ""


PERSON = f"cn=personne,{TREE}"
SERVICE = f"ou=service,{TREE}"
CABINET = f"ou=cabinet,{APICRYPT}"
FIRST = f"uid=premier,{APICRYPT}"

CHANGES = {
    "a value": Change(PERSON, (("=", "title", "Autre"),)),
    "of nobody": Change(f"cn=nul,{TREE}", (("=", "title", "Autre"),), codes=32),
    "of nobody at all": Change("pas un nom", (("=", "title", "Autre"),), codes=34),
    "of what is computed": Change(f"uid=a,ou=personnes,{SUFFIX}", (("=", "title", "Autre"),), codes=53),
    "of the suffix": Change(SUFFIX, (("+", "description", "Autre"),), codes=53),
    "a value that is there": Change(PERSON, (("+", "title", "MÉDECIN"),), codes=20),
    "a value that is not there": Change(PERSON, (("-", "title", "Autre"),), codes=16),
    "an attribute that is not there": Change(PERSON, (("-", "description"),), codes=16),
    "an unknown attribute": Change(PERSON, (("+", "licorne", "a"),), codes=17),
    "a wrong value": Change(PERSON, (("=", "telephoneNumber", "é"),), codes=21),
    "two of a single one": Change(PERSON, (("+", "displayName", "a", "b"),), codes=19),
    "one more of a single one": Change(PERSON, (("+", "employeeNumber", "8"),), codes=19),
    "the same twice": Change(PERSON, (("=", "title", "a", "A"),), codes=20),
    "without what the class requires": Change(PERSON, (("-", "sn"),), codes=65),
    "what the class has not": Change(PERSON, (("+", "dc", "a"),), codes=65),
    "a class that goes with no other": Change(
        PERSON,
        (("+", "objectClass", "organizationalUnit"),),
        codes=65,
    ),
    "another structural class": Change(
        PERSON, (("=", "objectClass", "person"), ("-", "title"), ("-", "employeeNumber")), codes=69
    ),
    "a structural class below": Change(
        f"cn=simple,{TREE}", (("+", "objectClass", "inetOrgPerson"),), codes=69
    ),
    "its only class": Change(PERSON, (("-", "objectClass"),), codes=65),
    "what it is named by": Change(PERSON, (("-", "cn", "personne"),), codes=67),
    "what it is named by, put in its place": Change(PERSON, (("=", "cn", "autre"),), codes=67),
    "an option": Change(PERSON, (("+", "title;x-licorne", "a"),), codes=17),
    "what the server keeps": Change(
        PERSON, (("=", "modifyTimestamp", "20260101000000Z"),), codes=(19, 0), why=EXPORTED
    ),
    "more of no number": Change(PERSON, (("#", "title", "1"),), codes=19),
    "more of a text of digits": Change(PERSON, (("#", "employeeNumber", "1"),), codes=19),
    "a password in clear": Change(
        PERSON, (("=", "userPassword", "un-mot-de-passe-en-clair"),), codes=(0, 19), why=IN_CLEAR
    ),
    "an account elsewhere": Change(
        PERSON,
        (
            ("+", "objectClass", "apicryptUtilisateur"),
            ("+", "apicryptVersion", "2"),
            ("+", "mail", "a@medical59.apicrypt.org"),
        ),
        codes=64,
    ),
    "the address of another account": Change(
        FIRST, (("=", "mail", "dedans@medical59.apicrypt.org"),), codes=19
    ),
    "a version that there is not": Change(FIRST, (("=", "apicryptVersion", "3"),), codes=19),
    "a referral to nowhere": Change(f"ou=ailleurs,{TREE}", (("=", "ref", "nulle part"),), codes=21),
    # Names.
    "another name": Change(PERSON, rdn="cn=autre"),
    "the same name": Change(PERSON, rdn="cn=Personne"),
    "a name that another one has": Change(PERSON, rdn="cn=alias", codes=68),
    "a name that is none": Change(PERSON, rdn="pas un", codes=34),
    "a name of an unknown attribute": Change(PERSON, rdn="licorne=a", codes=34),
    "a name that its syntax refuses": Change(PERSON, rdn="telephoneNumber=é", codes=34),
    "an empty name": Change(PERSON, rdn="cn=", codes=34),
    "a name of what its class has not": Change(PERSON, rdn="dc=a", codes=65),
    "a second value of a single one": Change(PERSON, rdn="employeeNumber=8", keep_old=True, codes=19),
    "without what its class requires by a name": Change(SERVICE, rdn="description=a", codes=65),
    "a name without end": Change(PERSON, rdn=f"cn={LONG}", codes=11),
    "names without end below": Change(SERVICE, rdn=f"ou={'x' * 1972}", codes=11),
    "below nothing": Change(PERSON, rdn="cn=a", superior=f"ou=nulle part,{TREE}", codes=32),
    "below a referral": Change(PERSON, rdn="cn=a", superior=f"ou=ailleurs,{TREE}", codes=71),
    "below an alias": Change(PERSON, rdn="cn=a", superior=f"cn=alias,{TREE}", codes=33),
    "below a subentry": Change(PERSON, rdn="cn=a", superior=f"cn=regles,{TREE}", codes=65),
    "below itself": Change(SERVICE, rdn="ou=a", superior=f"cn=dedans,{SERVICE}", codes=53),
    "above itself": Change(f"cn=dedans,{SERVICE}", rdn="ou=service", superior=TREE, codes=53),
    "in another tree": Change(PERSON, rdn="cn=a", superior=APICRYPT, codes=71),
    "in what is computed": Change(FIRST, rdn="uid=premier", superior=f"ou=personnes,{SUFFIX}", codes=53),
    "an account among logins": Change(FIRST, rdn="uid=premier", superior=LOGINS, codes=64),
    "accounts among logins": Change(CABINET, rdn="ou=cabinet", superior=LOGINS, codes=64),
    "a branch": Change(APICRYPT, rdn="ou=autre", codes=53),
    # Deletions.
    "away": Change(f"cn=dedans,{SERVICE}"),
    "away with what lies below": Change(SERVICE, codes=66),
    "away with nobody": Change(f"cn=nul,{TREE}", codes=32),
    "a branch away": Change(APICRYPT, codes=53),
}
