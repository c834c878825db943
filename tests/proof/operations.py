"""Generated LDAP operations, as octets: whatever a stranger may think of to find out about people who hide.

They are made from what an administrator knows of both directories: names, numbers, addresses, entryUUIDs and DNs of
the hidden, whole, cut, misspelt and off by one, in every kind of filter, and from the same of those who are seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

import asking
from hidden_people import APICRYPT, COMPTES, SUFFIX

from annuaire.ldap import ber, capabilities, controls, filters, virtual_list
from annuaire.ldap.controls import SortKey
from annuaire.ldap.filters import Filter
from annuaire.ldap.messages import BASE, ONE_LEVEL, SUBORDINATES, SUBTREE, Control
from annuaire.ldap.responses import Entry
from annuaire.ldap.schema import Schema
from annuaire.ldap.virtual_list import View

PERSONNES, STRUCTURES = f"ou=personnes,{SUFFIX}", f"ou=structures,{SUFFIX}"
NAMES = ("cn", "mail", "givenName", "sn")
USUAL = (
    *(
        "uid",
        "l",
        "o",
        "ou",
        "title",
        "profession",
        "savoirFaire",
        "displayName",
        "IdentifiantPP",
        "postalCode",
    ),
    *(
        "TypeIdentifiantPP",
        "TypeBAL",
        "objectClass",
        "telephoneNumber",
        "description",
        "street",
        "userPassword",
    ),
    *(
        "entryUUID",
        "entryDN",
        "createTimestamp",
        "modifyTimestamp",
        "structuralObjectClass",
        "annuaireSource",
    ),
    *("hasSubordinates", "numSubordinates", "subschemaSubentry", "creatorsName", "modifiersName", "memberOf"),
    *("listeRouge", "listeRougeDepuis", "apicryptInterop", "apicryptInteropMail", "apicryptVersion"),
    *("apicryptEtat", "mailLocalAddress", "mailRoutingAddress", "member", "userCertificate;binary", "name"),
)
ODD = (
    "cn;lang-fr",
    "inconnu",
    "9.9.9",
    "2.5.4.4",
    "cn;binary",
    "",
    "distinguishedName",
    "entryCSN",
    "contextCSN",
)
RULES = (
    *(
        None,
        None,
        "caseIgnoreMatch",
        "caseExactMatch",
        "caseIgnoreSubstringsMatch",
        "integerMatch",
        "2.5.13.5",
    ),
    *(
        "caseIgnoreOrderingMatch",
        "distinguishedNameMatch",
        "generalizedTimeOrderingMatch",
        "octetStringMatch",
    ),
    *("objectIdentifierMatch", "nothingMatch", "uuidMatch", "caseIgnoreIA5Match"),
)
ODDITIES = ("", " ", "*", "é", "œ", "du", "mar", "@", "medical", "interop", "TRUE", "99900", "\0", "x" * 300)
LISTS = (
    (),
    (),
    (),
    ("*",),
    ("+",),
    ("*", "+"),
    ("1.1",),
    NAMES,
    ("hasSubordinates", "numSubordinates", "cn"),
)
BASES = (
    SUFFIX,
    SUFFIX,
    PERSONNES,
    PERSONNES,
    STRUCTURES,
    APICRYPT,
    COMPTES,
    "",
    "cn=Monitor",
    "cn=Connections,cn=Monitor",
    "cn=Subschema",
)

Octets = Callable[[int, bytes], bytes]


class Operation(NamedTuple):
    """What is said, and how the next page of it is asked for."""

    octets: Octets  # of a message id and a page cookie
    told: str
    paged: bool = False
    reads: bool = False  # and does nothing else: anybody may ask it beside
    reconnects: bool = False


class Known(NamedTuple):
    """What there is to guess: entries, their names, and values by attribute in lower case."""

    entries: list[Entry]
    names: list[str]
    values: dict[str, list[bytes]]

    @staticmethod
    def of(entries: list[Entry]) -> Known:
        known = Known(entries, [], {})
        for entry in entries:
            known.names.append(entry.dn.decode())
            for description, values in entry.attributes.items():
                known.values.setdefault(description.lower(), []).extend(values)
        return known


def search(
    number: int,
    filter_: Filter,
    base: str,
    scope: int,
    attributes: Iterable[str] = (),
    size: int = 0,
    seconds: int = 0,
    types_only: bool = False,
    sent: Iterable[Control] = (),
) -> bytes:
    body = (
        ber.octets(base.encode()),
        ber.integer(scope, ber.ENUMERATED),
        ber.integer(0, ber.ENUMERATED),
        ber.integer(size),
        ber.integer(seconds),
        ber.boolean(types_only),
        asking.encoded(filter_),
        ber.sequence([ber.octets(one.encode()) for one in attributes]),
    )
    return asking.message(number, ber.tlv(0x63, b"".join(body)), sent)


class Generator:
    """Makes operations. `hidden`: known to administrators alone; `seen`: known to everybody."""

    def __init__(self, schema: Schema, hidden: Known, seen: Known, seed: int) -> None:
        self._chance = random.Random(seed)
        self._hidden, self._seen = hidden, seen
        self._entries = [*hidden.entries, *seen.entries]
        self._every = [one.name for one in schema.attribute_types]
        self._rest: dict[str, Callable[[], Operation]] = {
            "compare": self._compare,
            "bind": self._bind,
            "write": self._write,
            "extended": self._extended,
            "abandon": self._abandon,
            "several": self._several,
            "garbage": self._garbage,
        }

    def operation(self) -> Operation:
        chance = self._chance
        if chance.random() < 0.8:
            return self._search()
        return self._rest[chance.choices(list(self._rest), [6, 2, 3, 2, 1, 2, 1])[0]]()

    # ------------------------------------------------------------ search

    def _search(self) -> Operation:
        chance = self._chance
        kind = chance.random()
        base = chance.choice(BASES) if kind < 0.75 else self._name()
        scopes = [6, 2, 1, 1] if kind < 0.75 else [2, 2, 6, 1]
        scope = chance.choices([SUBTREE, ONE_LEVEL, BASE, SUBORDINATES], scopes)[0]
        filter_ = self._aimed() if chance.random() < 0.4 else self.filter()
        attributes = chance.choice(LISTS)
        if chance.random() < 0.2:
            attributes = tuple(chance.sample(self._every, 3))
        size = chance.choice((0, 0, 0, 1, 2, 3, 7, 29, 30, 31, 200))
        types_only, seconds = chance.random() < 0.05, chance.choice((0, 0, 0, 60))
        sorts, paged = self._sort(), chance.random() < 0.16
        others = self._controls(bool(sorts) and not paged)
        page_size = chance.choice((1, 2, 5, 11, 100))

        def octets(number: int, cookie: bytes) -> bytes:
            pages = [controls.paged_results(page_size, cookie)] if paged else []
            sent = (*pages, *sorts, *others)
            return search(number, filter_, base, scope, attributes, size, seconds, types_only, sent)

        told = f"search {base!r} {scope} {filters.format(filter_)[:500]} {attributes} {size} {types_only}"
        if paged:
            told += f" by {page_size}"
        return Operation(octets, f"{told} {[one.value for one in [*sorts, *others]]}", paged, reads=True)

    def _controls(self, sorted_: bool) -> list[Control]:
        """A window of the list, some of the values, the entries about the directory itself, somebody else's name."""
        chance = self._chance
        found = []
        if chance.random() < (0.75 if sorted_ else 0.02):
            around = chance.choice((0, 0, 1, 5)), chance.choice((0, 1, 9, 300))
            content = chance.choice((0, 0, 1, 20, 40, 1000))
            view = View(*around, chance.choice((1, 1, 2, 20, 40, 1000)), content)
            if chance.random() < 0.5:
                view = View(*around, value=self._value(chance.choice(("cn", "sn", "mail"))))
            found.append(virtual_list.request(view, chance.random() < 0.5))
        if chance.random() < 0.06:
            items = [asking.encoded(self._item()) for _ in range(chance.choice((1, 1, 2, 4)))]
            found.append(Control(controls.MATCHED_VALUES, chance.random() < 0.5, ber.sequence(items)))
        if chance.random() < 0.04:
            found.append(Control(controls.SUBENTRIES, True, ber.boolean(chance.random() < 0.5)))
        if chance.random() < 0.04:
            found.append(Control(controls.MANAGE_DSA_IT, chance.random() < 0.5))
        found += self._asserted(0.08)
        if chance.random() < 0.02:
            name = chance.choice((b"", b"dn:" + self._name().encode(), b"u:" + self._value("mail")))
            found.append(Control(controls.PROXIED_AUTHORIZATION, chance.random() < 0.8, name))
        return found

    def _asserted(self, share: float) -> list[Control]:
        """What must be true of the entry that is named: something that may be so, and something that is."""
        chance = self._chance
        if chance.random() >= share:
            return []
        filter_ = self._item() if chance.random() < 0.5 else filters.Present("objectClass")
        if chance.random() < 0.2:
            filter_ = filters.Not(filter_)
        return [Control(controls.ASSERTION, chance.random() < 0.8, asking.encoded(filter_))]

    def _sort(self) -> list[Control]:
        chance = self._chance
        if chance.random() > 0.18:
            return []
        names = [self._attribute() for _ in range(chance.choice((1, 1, 2, 3)))]
        if chance.random() < 0.5:
            names[0] = chance.choice(("cn", "cn", "sn", "mail", "l"))
        keys = [SortKey(name, chance.choice(RULES[:6]), chance.random() < 0.4) for name in names]
        return [controls.sort_request(keys, chance.random() < 0.3)]

    def _aimed(self) -> Filter:
        """What somebody asks who looks for one person: a name typed, an address, a number."""
        chance = self._chance
        kind = chance.random()
        if kind < 0.2:
            return filters.Present("objectClass")
        if kind < 0.5:
            return self._typed()
        name = chance.choice(
            ("mail", "uid", "IdentifiantPP", "sn", "cn", "entryUUID", "givenName", "l", "title")
        )
        value = chance.choice((self._hidden if chance.random() < 0.8 else self._seen).values[name.lower()])
        if kind < 0.85:
            return filters.Equality(name, value)
        pairs = filters.Equality("givenName", self._value("givenName")), filters.Equality(name, value)
        return filters.And(list(pairs)) if kind < 0.95 else filters.Not(filters.Or(list(pairs)))

    def _typed(self) -> Filter:
        piece = self._piece(self._chance.choice(NAMES))
        initial = piece if self._chance.random() < 0.3 else None
        middle = () if initial else (piece,)
        return filters.Or([filters.Substrings(name, initial, middle, None) for name in NAMES])

    def filter(self, depth: int = 0) -> Filter:
        chance = self._chance
        kind = chance.random()
        if depth < 4 and kind < 0.25:
            parts = [self.filter(depth + 1) for _ in range(chance.choices([0, 1, 2, 3], [1, 2, 6, 3])[0])]
            return filters.And(parts) if kind < 0.13 else filters.Or(parts)
        if depth < 4 and kind < 0.4:
            return filters.Not(self.filter(depth + 1))
        return self._typed() if kind < 0.55 else self._item()

    def _item(self) -> Filter:
        chance = self._chance
        name = self._attribute()
        kind = chance.random()
        if kind < 0.3:
            return filters.Equality(name, self._value(name))
        if kind < 0.6:
            return self._substrings(name)
        if kind < 0.68:
            return filters.Present(name)
        if kind < 0.75:
            return filters.GreaterOrEqual(name, self._value(name))
        if kind < 0.82:
            return filters.LessOrEqual(name, self._value(name))
        if kind < 0.9:
            return filters.Approximate(name, self._value(name))
        rule = chance.choice(RULES)
        attribute = None if rule and chance.random() < 0.4 else name
        return filters.Extensible(rule, attribute, self._value(name), chance.random() < 0.5)

    def _substrings(self, name: str) -> Filter:
        chance = self._chance
        kind = chance.random()
        if kind < 0.3:
            return filters.Substrings(name, self._piece(name, 0), (), None)
        if kind < 0.7:
            return filters.Substrings(name, None, (self._piece(name),), None)
        if kind < 0.8:
            return filters.Substrings(name, None, (), self._piece(name))
        return filters.Substrings(name, self._piece(name, 0), (self._piece(name), self._piece(name)), None)

    # ------------------------------------------------------------ names and values

    def _attribute(self) -> str:
        chance = self._chance
        kind = chance.random()
        if kind < 0.35:
            return chance.choice(NAMES)
        if kind < 0.75:
            return chance.choice(USUAL)
        return chance.choice(self._every) if kind < 0.95 else chance.choice(ODD)

    def _value(self, name: str) -> bytes:
        """Of the attribute, mostly of somebody hidden; as it is, respelt or nearly."""
        chance = self._chance
        kind = chance.random()
        if kind < 0.05:
            return chance.choice(ODDITIES).encode()
        if name.lower() in ("hassubordinates", "numsubordinates"):
            return chance.choice((b"TRUE", b"FALSE", b"0", b"1", b"2", b"%d" % chance.randrange(200)))
        known = self._hidden if kind < 0.75 else self._seen
        values = known.values.get(name.lower())
        if not values:
            if kind < 0.4:
                return self._name().encode()
            values = known.values[chance.choice(list(known.values))]
        return self._respelt(chance.choice(values))

    def _respelt(self, value: bytes) -> bytes:
        chance = self._chance
        kind = chance.random()
        if kind < 0.6:
            return value
        text = value.decode("utf-8", "replace")
        if kind < 0.7:
            return text.upper().encode()
        if kind < 0.8:
            return text.lower().replace("-", " ").encode()
        at = chance.randrange(len(text) or 1)
        return (text[:at] + chance.choice(("", "x", "9", "é")) + text[at + 1 :]).encode()

    def _piece(self, name: str, start: int | None = None) -> bytes:
        text = self._value(name).decode("utf-8", "replace")
        begin = self._chance.randrange(len(text) or 1) if start is None else start
        return text[begin : begin + self._chance.randrange(1, 10)].encode() or b"a"

    def _name(self) -> str:
        """The DN of somebody hidden, or one like it."""
        chance = self._chance
        name = chance.choice(self._hidden.names if chance.random() < 0.75 else self._seen.names)
        kind = chance.random()
        if kind < 0.4:
            return name
        rdn, _, above = name.partition(",")
        if kind < 0.5:
            return name.upper()
        if kind < 0.7:  # nearly
            return f"{rdn[:-1]}{chance.choice('0123456789abx')},{above}"
        if kind < 0.8:
            return f"{chance.choice(('cn=poste', 'uid=x', 'ou=x'))},{name}"
        if kind < 0.9:
            return f"{rdn},{chance.choice((PERSONNES, APICRYPT, COMPTES, SUFFIX))}"
        return (
            above if kind < 0.95 else chance.choice((f"cn={rdn},dc=ailleurs", "pas un nom", f"{rdn}+{name}"))
        )

    # ------------------------------------------------------------ the other operations

    def _compare(self) -> Operation:
        name, attribute = self._name(), self._chance.choice((*NAMES, *USUAL))
        value = self._value(attribute)
        if self._chance.random() < 0.5:
            entry = self._chance.choice(self._entries)
            name, attribute = entry.dn.decode(), self._chance.choice(list(entry.attributes))
            value = self._chance.choice([*entry.attributes[attribute], value])
        sent = self._asserted(0.3)
        return Operation(
            lambda number, _: asking.compare(number, name, attribute, value, sent),
            f"compare {name} {attribute} {value!r} {[one.value for one in sent]}",
            reads=True,
        )

    def _bind(self) -> Operation:
        """With whatever may name somebody hidden, and a password that is not theirs."""
        chance = self._chance
        kind = chance.random()
        if kind < 0.5:
            name = self._name()
        else:
            name = self._value(chance.choice(("mail", "apicryptInteropMail"))).decode("utf-8", "replace")
        secret = chance.choice((b"faux", b"", b"x" * 50))
        version = chance.choice((3, 3, 2, 4))
        return Operation(
            lambda number, _: asking.bind(number, name, secret, version), f"bind {name}", reconnects=True
        )

    def _write(self) -> Operation:
        chance = self._chance
        name, other = self._name(), self._name()
        attribute = chance.choice(("listeRouge", "userPassword", "description", "mail"))
        kind = chance.randrange(4)
        made: Octets = (
            lambda number, _: asking.add(number, name, {"objectClass": [b"person"], attribute: [b"x"]}),
            lambda number, _: asking.modify(number, name, attribute, [b"TRUE"]),
            lambda number, _: asking.delete(number, name),
            lambda number, _: asking.modify_dn(number, name, other.partition(",")[0]),
        )[kind]
        return Operation(made, f"write {kind} {name} {attribute}")

    def _extended(self) -> Operation:
        chance = self._chance
        oid = chance.choice((capabilities.WHO_AM_I, capabilities.START_TLS, "1.3.6.1.1.8", "1.2.3", ""))
        value = chance.choice((None, None, b"", self._name().encode()))
        return Operation(lambda number, _: asking.extended(number, oid, value), f"extended {oid} {value!r}")

    def _abandon(self) -> Operation:
        back = self._chance.choice((0, 1, 2, 1000))
        return Operation(lambda number, _: asking.abandon(number, max(0, number - back)), f"abandon -{back}")

    def _several(self) -> Operation:
        """Requests behind one another in one packet, one of which may be abandoned."""
        made = [self._search() for _ in range(self._chance.randrange(2, 5))]
        abandoned = self._chance.randrange(-2, len(made))

        def octets(number: int, _: bytes) -> bytes:
            sent = [one.octets(number * 10 + place, b"") for place, one in enumerate(made)]
            if abandoned >= 0:
                sent.append(asking.abandon(number * 10 + 9, number * 10 + abandoned))
            return b"".join(sent)

        told = " and ".join([one.told for one in made])
        return Operation(octets, f"several, abandoned {abandoned}: {told}", reads=True)

    def _garbage(self) -> Operation:
        """What no client sends; some of it ends the session."""
        chance = self._chance
        filter_, base = self.filter(), self._name()
        kind = chance.randrange(4)

        def octets(number: int, _: bytes) -> bytes:
            whole = search(number, filter_, base, SUBTREE)
            if kind == 0:
                return asking.message(number, ber.tlv(0x7F, b"\x01\x01\x01"))
            if kind == 1:
                return asking.sasl(number, "EXTERNAL", base.encode())
            if kind == 2:
                unknown = Control("1.2.3.4", True, base.encode())
                return search(number, filter_, base, SUBTREE, sent=(unknown,))
            return whole[:2] + bytes([whole[2] ^ 0x40]) + whole[3:]

        return Operation(octets, f"garbage {kind} {base}", reconnects=True)
