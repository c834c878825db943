"""A slow, obvious search over fixtures/apicrypt.ldif, to check the answers written in fixtures/clients.

It shares no code with annuaire on purpose: its own reader, filter parser and folding, a few lines each.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from functools import cache
from pathlib import Path

Entry = dict[str, list[bytes]]  # description as written -> values
Truth = bool | None

PEOPLE = Path(__file__).parents[1] / "fixtures" / "apicrypt.ldif"

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


def search(base: str, scope: int, filter_text: str) -> list[str]:
    node = parse_filter(filter_text)
    return [dn for dn, entry in people().items() if within(dn, base, scope) and matches(node, entry) is True]


def sort_key(name: str, dn: str) -> str:
    """Give the first of the values in order; entries without one come last."""
    return min((fold(name, raw.decode()) for raw in of_type(people()[dn], name)), default="\U0010ffff")


def rank(typed: str, dn: str) -> int:
    """Say how well an entry answers a typed word: 0 it has it as a word, 1 it has a word it begins, 2 neither."""
    words = {
        word
        for name in UNION
        for raw in of_type(people()[dn], name)
        for word in re.findall(r"[^\W_]+", fold("cn", raw.decode()))
    }
    typed = fold("cn", typed)
    return 0 if typed in words else 1 if any(word.startswith(typed) for word in words) else 2


def descriptions(dns: list[str], asked: tuple[str, ...]) -> set[str]:
    """Collect what comes back of some entries, in lower case, userPassword never."""
    wanted = {canonical(name.split(";")[0]) for name in asked}
    met = {
        key.lower()
        for dn in dns
        for key in people()[dn]
        if canonical(key.split(";")[0]) != "userpassword"
        and (not asked or "*" in asked or canonical(key.split(";")[0]) in wanted)
    }
    # A certificate comes under the description asked for, with `;binary` or without (RFC 4523 wants it).
    if "usercertificate" in {name.lower() for name in asked} and "usercertificate;binary" in met:
        met = met - {"usercertificate;binary"} | {"usercertificate"}
    return met
