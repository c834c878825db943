"""Requests made from a seed: filters of every choice and nesting, with values taken from entries and bent."""

from __future__ import annotations

import random
from dataclasses import dataclass

from invented_directory import APICRYPT, PARENTS, SUFFIX, Thing

from annuaire.domain.audience import Audience
from annuaire.ldap import filters, messages

NAMES = ("cn", "mail", "givenName", "sn")
OTHERS = (
    *("uid", "l", "ou", "o", "description", "displayName", "title", "telephoneNumber", "postalAddress"),
    *("IdentifiantPP", "profession", "apicryptVersion", "apicryptInterop", "apicryptFinValidite", "seeAlso"),
    *("objectClass", "entryUUID", "entryDN", "createTimestamp", "modifyTimestamp", "structuralObjectClass"),
    *("userCertificate", "userCertificate;binary", "jpegPhoto", "labeledURI", "hasSubordinates", "member"),
    *("numSubordinates", "numSubordinates", "hasSubordinates", "2.5.18.9"),
)
ODD = (
    *("name", "cn;lang-fr", "CN;LANG-FR", "sn;lang-fr;x-phonetic", "name;lang-fr", "cn;lang-fr-", "l;lang-"),
    *(
        "commonName",
        "2.5.4.4",
        "surname",
        "distinguishedName",
        "xInconnu",
        "inconnu",
        "9.9.9",
        "cn;binary",
        "",
    ),
)
RULES = (
    *(
        None,
        None,
        "caseExactMatch",
        "caseIgnoreMatch",
        "2.5.13.5",
        "caseIgnoreSubstringsMatch",
        "integerMatch",
    ),
    *("caseIgnoreOrderingMatch", "objectIdentifierMatch", "distinguishedNameMatch", "telephoneNumberMatch"),
    *("generalizedTimeOrderingMatch", "octetStringMatch", "nothingMatch", "caseExactSubstringsMatch"),
)
# What typing and programs send: marks, blanks, escapes, letters beyond the first plane, octets that are no text.
ODDITIES = (
    *(
        "",
        " ",
        "-",
        "'",
        "*",
        "(",
        "\\",
        "\0",
        "\x02",
        "\x03du",
        "dup\x03",
        "é",
        "E\u0301",
        "œ",
        "OE",
        "ß",
        "ss",
    ),
    *(
        "𠮷",
        "𠮷田",
        "İ",
        "i",
        "ı",
        "Ł",
        "ø",
        "\u00a0",
        "\u00ad",
        "fin",
        "queue",
        "B" * 55,
        "bbbfin",
        "A" * 48,
    ),
    *(
        "a" * 5000,
        "jean  pierre",
        "jean-",
        " du",
        "du ",
        "@",
        ".",
        "medical",
        "org",
        "+33",
        "3-5",
        "é-è",
        "ΣΣ",
    ),
)
AUDIENCES = tuple(Audience)


@dataclass
class Request:
    """One search, as the client and the oracle are asked it."""

    filter: filters.Filter
    audience: Audience
    base: str
    scope: int
    attributes: tuple[str, ...]
    types_only: bool


class Generator:
    """Makes requests about some entries."""

    def __init__(self, things: list[Thing], seed: int) -> None:
        self._chance = random.Random(seed)
        self._things = things
        self._bases = [SUFFIX, APICRYPT, *PARENTS, *(thing.dn for thing in things)]

    def request(self) -> Request:
        chance = self._chance
        kind = chance.random()
        base = SUFFIX if kind < 0.5 else APICRYPT.upper() if kind < 0.7 else chance.choice(self._bases)
        if kind > 0.97:
            base = chance.choice([f"uid=absent,{base}", "o=elsewhere", f"cn=a+uid=b,ou=X,{SUFFIX}"])
        return Request(
            self.filter(),
            chance.choice(AUDIENCES),
            base,
            chance.choices(
                [messages.SUBTREE, messages.ONE_LEVEL, messages.BASE, messages.SUBORDINATES], [7, 2, 1, 1]
            )[0],
            self._attributes(),
            chance.random() < 0.1,
        )

    def _attributes(self) -> tuple[str, ...]:
        chance = self._chance
        if chance.random() < 0.6:
            return ()
        choices = ["*", "+", "1.1", "cn", "MAIL", "cn;lang-fr", "name", "userCertificate", "objectClass"]
        choices += [
            "userCertificate;binary",
            "hasSubordinates",
            "numSubordinates",
            "entryUUID",
            "inconnu",
            "sn",
        ]
        choices += ["xInconnu", "jpegPhoto", "@person", "telephoneNumber"]
        return tuple(chance.choices(choices, k=chance.randrange(1, 5)))

    def filter(self, depth: int = 0) -> filters.Filter:
        chance = self._chance
        kind = chance.random()
        if depth < 4 and kind < 0.35:
            count = chance.choices([0, 1, 2, 3], [1, 2, 6, 3])[0]
            parts = [self.filter(depth + 1) for _ in range(count)]
            return filters.And(parts) if kind < 0.17 else filters.Or(parts)
        if depth < 4 and kind < 0.48:
            return filters.Not(self.filter(depth + 1))
        if kind < 0.62:
            return self._typed()
        return self._item()

    def _typed(self) -> filters.Filter:
        """The same typed piece over the attributes that clients search together, as they nest it."""
        chance = self._chance
        initial, middle, final = self._pieces(chance.choice(NAMES))
        names = [
            *NAMES,
            *chance.choices(["displayName", "o", "uid", "cn;lang-fr", "inconnu"], k=chance.randrange(3)),
        ]
        if chance.random() < 0.2:
            names.remove(chance.choice(NAMES))
        parts: list[filters.Filter] = [filters.Substrings(name, initial, middle, final) for name in names]
        chance.shuffle(parts)
        if chance.random() < 0.3:
            parts = [filters.Or(parts[:2]), filters.Or([filters.Or(parts[2:]), filters.Or([])])]
        return filters.Or(parts)

    def _item(self) -> filters.Filter:
        chance = self._chance
        group = chance.choices([NAMES, OTHERS, ODD], [4, 5, 2])[0]
        name = chance.choice(group)
        kind = chance.random()
        if kind < 0.40:
            return filters.Substrings(name, *self._pieces(name))
        if kind < 0.65:
            return filters.Equality(name, self._value(name))
        if kind < 0.72:
            return filters.Present(name)
        if kind < 0.78:
            return filters.GreaterOrEqual(name, self._value(name))
        if kind < 0.84:
            return filters.LessOrEqual(name, self._value(name))
        if kind < 0.92:
            return filters.Approximate(name, self._bent(self._value(name)))
        rule = chance.choice(RULES)
        attribute = None if rule and chance.random() < 0.3 else name
        return filters.Extensible(rule, attribute, self._value(name), chance.random() < 0.4)

    def _value(self, name: str) -> bytes:
        """Most often the value of some entry, whole and in another spelling."""
        chance = self._chance
        kind = chance.random()
        if kind < 0.1:
            return chance.choice(ODDITIES).encode()
        if kind < 0.12:
            return b"\xff\xfe"
        thing = chance.choice(self._things)
        stored = thing.everything
        plain = name.lower().split(";")[0]
        plain = {"commonname": "cn", "surname": "sn", "2.5.4.4": "sn"}.get(plain, plain)
        if plain in ("hassubordinates", "numsubordinates", "2.5.18.9"):
            return chance.choice([b"TRUE", b"FALSE", b"false", b"0", b"1", b"2", b"20"])
        own = [value for key, some in stored.items() if key.lower().split(";")[0] == plain for value in some]
        if not own:
            if kind < 0.9 and plain not in ("member", "inconnu"):
                others = [value for some in stored.values() for value in some]
                return chance.choice(others)
            return b"jean"
        return self._respelled(chance.choice(own))

    def _respelled(self, value: bytes) -> bytes:
        chance = self._chance
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return value
        kind = chance.random()
        if kind < 0.2:
            text = text.upper()
        elif kind < 0.35:
            text = text.lower()
        elif kind < 0.5:
            text = text.replace("-", " ").replace("é", "e").replace("'", "’")
        elif kind < 0.55:
            text = f" {text}  "
        return text.encode()

    def _bent(self, value: bytes) -> bytes:
        """One letter wrong, sometimes, and sometimes some words only."""
        chance = self._chance
        text = value.decode("utf-8", "replace")
        if text and chance.random() < 0.6:
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice(["", "x", text[at] * 2, "é"]) + text[at + 1 :]
        words = text.split() or [text]
        return " ".join(chance.sample(words, chance.randrange(1, len(words) + 1))).encode()

    def _pieces(self, name: str) -> tuple[bytes | None, tuple[bytes, ...], bytes | None]:
        chance = self._chance
        text = self._value(name).decode("utf-8", "replace")
        kind = chance.random()
        if kind < 0.08:
            odd = [chance.choice(ODDITIES).encode() or b"x" for _ in range(3)]
            return (
                chance.choice([None, odd[0]]),
                tuple(odd[1 : chance.randrange(1, 3)]),
                chance.choice([None, odd[2]]),
            )
        cut = self._cuts(text)
        if kind < 0.3:  # typed so far
            return cut(0).encode() or b"x", (), None
        if kind < 0.6:
            return None, (cut().encode() or b"x",), None
        if kind < 0.7:
            return None, (), text[-chance.randrange(1, 9) :].encode() or b"x"
        pieces = [cut().encode() or b"e" for _ in range(chance.randrange(1, 4))]
        if chance.random() < 0.7:  # in their order in the value, most often
            pieces.sort(key=lambda piece: text.find(piece.decode()))
        initial = cut(0).encode() or None if chance.random() < 0.3 else None
        final = text[-chance.randrange(1, 9) :].encode() or None if chance.random() < 0.3 else None
        return initial, tuple(pieces), final

    def _cuts(self, text: str):  # type: ignore[no-untyped-def]
        chance = self._chance

        def cut(start: int | None = None) -> str:
            begin = chance.randrange(max(1, len(text))) if start is None else start
            piece = text[begin : begin + chance.randrange(1, 9)]
            return piece.upper() if chance.random() < 0.2 else piece

        return cut
