"""A slow, obvious search over fixtures/apicrypt.ldif, to check the answers written in fixtures/clients.

It shares no code with annuaire on purpose: its own reader, filter parser and folding, a few lines each, and its own
idea of what the sphere is shown of the people in the file.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from functools import cache
from pathlib import Path

Entry = dict[str, list[bytes]]  # description as written -> values
Directory = dict[str, Entry]  # by DN
Truth = bool | None

PEOPLE = Path(__file__).parents[1] / "fixtures" / "apicrypt.ldif"
SUFFIX = "o=apicrypt,c=FR"
PERSONNES = f"ou=personnes,{SUFFIX}"
# Below the suffix and not in the file.
FOLDERS = ("comptes", "personnes", "structures")
PERSON = (b"top", b"person", b"organizationalPerson", b"inetOrgPerson", b"annuairePersonne")
# Of the professions in the file, those that exchange with the trust space.
OPEN_TO = {"10", "21", "31", "40", "50", "60", "69", "70", "80", "91"}
COPIED = (
    "title", "profession", "savoirFaire", "o", "ou", "l", "postalCode", "street", "telephoneNumber",
    "IdentifiantPP", "TypeIdentifiantPP", "userCertificate;binary",
)  # fmt: skip

ALIASES = {
    "commonname": "cn",
    "surname": "sn",
    "organizationname": "o",
    "userid": "uid",
    "locality": "l",
}
IDENTIFIERS = {"uid", "identifiantpp", "identifiantpm", "profession", "apicryptetat", "typebal"}
ADDRESSES = {"mail", "apicryptinteropmail"}
TELEPHONES = {"telephonenumber", "mobile", "pager", "homephone", "facsimiletelephonenumber"}
NAMES = {
    "cn", "sn", "givenname", "displayname", "o", "ou", "l", "st", "street", "title", "description",
    "postaladdress", "roomnumber", "initials", "businesscategory", "labeleduri", "objectclass", "savoirfaire",
    "physicaldeliveryofficename", "destinationindicator", "employeetype",
}  # fmt: skip
# In the schema, and nobody has them.
ABSENT = {
    "mozillanickname", "mozillasecondemail", "mozillaworkurl", "mozillahomeurl", "internationalisdnnumber",
}  # fmt: skip
# Searched together by clients: what best-first looks at.
UNION = ("cn", "mail", "givenname", "sn")


@cache
def people() -> dict[str, Entry]:
    """Read the fixture; the file's own order is kept."""
    entries: dict[str, Entry] = {}
    for block in PEOPLE.read_text(encoding="utf-8").replace("\n ", "").split("\n\n"):
        attributes: Entry = {}
        for line in block.split("\n"):
            if line and not line.startswith("#"):
                name, _, value = line.partition(":")
                raw = base64.b64decode(value[1:]) if value.startswith(":") else value.strip(" ").encode()
                attributes.setdefault(name, []).append(raw)
        if attributes:
            entries[attributes.pop("dn")[0].decode()] = attributes
    return entries


@cache
def stored() -> Directory:
    """What administrators are shown of what is written."""
    return {**{dn: _kept(entry) for dn, entry in people().items()}, **_folders(*FOLDERS)}


def _kept(entry: Entry) -> Entry:
    """An account as its import keeps it: what the rules refuse is not taken, who opens exchanges gets an address.

    Since when a choice holds is noted; the moment and the address are no matter here.
    """
    kept = dict(entry)
    opens = (
        _one(entry, "apicryptVersion") == "2"
        and _one(entry, "profession") in OPEN_TO
        and _one(entry, "apicryptEtat") in ("", "actif")
    )
    for choice, address in (("apicryptInterop", "apicryptInteropMail"), ("listeRouge", None)):
        opens = opens and _one(entry, "apicryptInterop") == "TRUE"
        if _one(entry, choice) == "TRUE" and not opens:
            del kept[choice]
        elif _one(entry, choice) == "TRUE":
            kept[f"{choice}Depuis"] = [b"?"]
            if address is not None:
                kept.setdefault(address, [b"?"])
    return kept


@cache
def sphere() -> Directory:
    """What users of APICRYPT are shown: each person once, however many accounts, while the account is active.

    Who has no national identification goes by the entryUUID of the account, which no file tells: here the address
    stands for it.
    """
    accounts: dict[str, list[Entry]] = {}
    for entry in people().values():
        if b"apicryptutilisateur" in map(bytes.lower, entry["objectClass"]) and _one(
            entry, "apicryptEtat"
        ) in ("", "actif"):
            number = _one(entry, "IdentifiantPP")
            uid = _one(entry, "TypeIdentifiantPP") + number if number else f"a-{_native(entry)}"
            accounts.setdefault(uid, []).append(entry)
    shown: Directory = {SUFFIX: people()[SUFFIX], **_folders("personnes", "structures")}
    for uid, entries in accounts.items():
        shown[f"uid={uid},{PERSONNES}"] = _person(uid, sorted(entries, key=_native))
    return shown


def _folders(*names: str) -> Directory:
    return {
        f"ou={name},{SUFFIX}": {"objectClass": [b"top", b"organizationalUnit"], "ou": [name.encode()]}
        for name in names
    }


def _one(entry: Entry, name: str) -> str:
    return entry.get(name, [b""])[0].decode()


def _native(entry: Entry) -> str:
    return _one(entry, "mail").lower()


def _person(uid: str, entries: list[Entry]) -> Entry:
    first = entries[0]
    detail = ", ".join(text for text in (_one(first, "title"), _one(first, "l")) if text)
    display = f"{_one(first, 'sn')} {_one(first, 'givenName')}".strip() + (f" ({detail})" if detail else "")
    names = []
    for entry in entries:
        given, surname = _one(entry, "givenName"), _one(entry, "sn")
        names += [f"{given} {surname}".strip(), f"{surname} {given}".strip()]
        names += [name.decode() for name in entry["cn"] if not name.endswith(b")")]
    person = {
        "objectClass": list(PERSON),
        "uid": [uid.encode()],
        "cn": [*map(str.encode, names), display.encode()],
        "sn": [value for entry in entries for value in entry["sn"]],
        "givenName": [value for entry in entries for value in entry.get("givenName", [])],
        "displayName": [display.encode()],
        "mail": [entry["mail"][0] for entry in entries],
        **{name: [value for entry in entries for value in entry.get(name, [])] for name in COPIED},
    }
    return {name: _distinct(values) for name, values in person.items() if values}


def _distinct(values: list[bytes]) -> list[bytes]:
    found: dict[bytes, bytes] = {}
    for value in values:
        found.setdefault(b" ".join(value.lower().split()), value)
    return list(found.values())


def reference(directory: Directory, dn: str) -> str:
    """How fixtures/clients name an entry: a person that is computed by the first address of the account."""
    return _native(directory[dn]) if dn.endswith(f",{PERSONNES}") else dn


def canonical(name: str) -> str:
    return ALIASES.get(name.lower(), name.lower())


def of_type(entry: Entry, name: str) -> list[bytes]:
    """Collect the values of a type, whatever their options."""
    return [
        value for key, values in entry.items() if canonical(key.split(";")[0]) == name for value in values
    ]


def fold(name: str, text: str) -> str:
    if name in TELEPHONES:
        return re.sub(r"[ -]", "", text).lower()
    if name in IDENTIFIERS or name in ADDRESSES:
        return text.lower()
    for letter, plain in {
        "œ": "oe",
        "Œ": "oe",
        "æ": "ae",
        "Æ": "ae",
        "ø": "o",
        "Ø": "o",
        "ł": "l",
        "Ł": "l",
    }.items():
        text = text.replace(letter, plain)
    text = unicodedata.normalize("NFKD", text.replace("ß", "ss").lower())
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[-'’‑]", " ", text).split())


def parse_filter(text: str) -> tuple:
    node, rest = _parse(text)
    assert not rest, rest
    return node


def _parse(text: str) -> tuple[tuple, str]:
    assert text[0] == "(", text
    if text[1] in "&|!":
        parts, rest = [], text[2:]
        while rest[0] == "(":
            part, rest = _parse(rest)
            parts.append(part)
        return (text[1], parts), rest[1:]
    end = text.index(")")
    name, operator, value = re.fullmatch(r"([^=<>~]+)([<>~]?=)(.*)", text[1:end]).groups()
    return (operator, canonical(name), value), text[end + 1 :]


def unescape(value: str) -> str:
    raw = re.sub(rb"\\([0-9a-fA-F]{2})", lambda found: bytes([int(found[1], 16)]), value.encode())
    return raw.decode()


def matches(node: tuple, entry: Entry) -> Truth:
    if node[0] in ("&", "|", "!"):
        found = [matches(part, entry) for part in node[1]]
        if node[0] == "!":
            return None if found[0] is None else not found[0]
        decisive = node[0] == "|"
        if decisive in found:
            return decisive
        return None if None in found else not decisive
    operator, name, value = node
    known = NAMES | IDENTIFIERS | ADDRESSES | TELEPHONES
    if name in ABSENT:
        return False
    if name not in known:
        return None
    values = [fold(name, raw.decode()) for raw in of_type(entry, name)]
    if operator == "=" and value == "*":
        return bool(values)
    if operator == ">=":
        return any(one >= fold(name, unescape(value)) for one in values)
    if operator == "<=":
        return any(one <= fold(name, unescape(value)) for one in values)
    assert operator == "="
    if "*" not in value:
        return fold(name, unescape(value)) in values
    return any(has_parts(name, one, value.split("*")) for one in values)


def has_parts(name: str, value: str, parts: list[str]) -> bool:
    initial, *middle, final = [fold(name, unescape(part)) for part in parts]
    if not value.startswith(initial):
        return False
    at = len(initial)
    for part in middle:
        found = value.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return value.endswith(final) and len(value) - len(final) >= at


def normal_dn(dn: str) -> str:
    """Compare DNs well enough for these fixtures: case, spaces behind commas, hexadecimal escapes, RDN order."""
    raw = re.sub(
        r"(?:\\[0-9a-fA-F]{2})+", lambda found: bytes.fromhex(found[0].replace("\\", "")).decode(), dn
    )
    raw = re.sub(r'\\([,+"\\<>;= #])', r"\1", raw)
    rdns = re.split(r", *(?=(?:uid|cn|ou|o|c)=)", raw, flags=re.IGNORECASE)
    return ",".join("+".join(sorted(rdn.split("+"))) for rdn in (rdn.lower() for rdn in rdns))


def within(dn: str, base: str, scope: int) -> bool:
    dn, base = normal_dn(dn), normal_dn(base)
    if scope == 0:
        return dn == base
    if not base:
        return scope == 2
    below = dn.endswith("," + base)
    if scope == 1:
        return below and not re.search(r",(?:uid|cn|ou|o|c)=", dn[: -len(base) - 1])
    return below or dn == base


def search(directory: Directory, base: str, scope: int, filter_text: str) -> list[str]:
    node = parse_filter(filter_text)
    return [dn for dn, entry in directory.items() if within(dn, base, scope) and matches(node, entry) is True]


def sort_key(name: str, entry: Entry) -> str:
    """Give the first of the values in order; entries without one come last."""
    return min((fold(name, raw.decode()) for raw in of_type(entry, name)), default="\U0010ffff")


def rank(typed: str, entry: Entry) -> int:
    """Say how well an entry answers a typed word: 0 it has it as a word, 1 it has a word it begins, 2 neither."""
    words = {
        word
        for name in UNION
        for raw in of_type(entry, name)
        for word in re.findall(r"[^\W_]+", fold("cn", raw.decode()))
    }
    typed = fold("cn", typed)
    return 0 if typed in words else 1 if any(word.startswith(typed) for word in words) else 2


def descriptions(entries: list[Entry], asked: tuple[str, ...]) -> set[str]:
    """Collect what comes back of some entries, in lower case, userPassword never."""
    wanted = {canonical(name.split(";")[0]) for name in asked}
    met = {
        key.lower()
        for entry in entries
        for key in entry
        if canonical(key.split(";")[0]) != "userpassword"
        and (not asked or "*" in asked or canonical(key.split(";")[0]) in wanted)
    }
    # A certificate comes under the description asked for, with `;binary` or without (RFC 4523 wants it).
    if "usercertificate" in {name.lower() for name in asked} and "usercertificate;binary" in met:
        met = met - {"usercertificate;binary"} | {"usercertificate"}
    return met
