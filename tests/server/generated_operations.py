"""Operations of every kind as a seed makes them: the writes of generated_writes with controls, and searches among them.

Names are few, so that they meet; escaped, multi-valued and referring ones are among them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import asking
import generated_writes
from generated_writes import RDNS, VALUES, WRONG_RDNS, Generator, Write

from annuaire.ldap import ber, controls, filters
from annuaire.ldap.controls import SortKey
from annuaire.ldap.messages import Control

MANAGE = Control(controls.MANAGE_DSA_IT, True)
MORE_RDNS = (
    "cn=a\\+b",
    "cn=\\#x",
    "cn=x\\=y\\;z",
    'cn=\\"x\\"',
    "cn=x\\\\y",
    "cn=x\\0Ay",
    "cn= x",
    "CN = x",
    "ou=A\\20",
    "ou=a+cn=x",
    "cn=X+ou=A",
    "uid=anne+sn=Y+cn=x",
    "mail=a@exemple.fr",
    "telephoneNumber=\\+33 3 53 01 00 01",
    "description=un",
    "ou=renvoi",
    "cn=renvoi",
)
REFERRALS = (
    b"ldap://ailleurs.exemple/dc=ailleurs",
    b"ldap://ailleurs.exemple/cn=x,dc=ailleurs",
    b"ldap://b.exemple",
)
# Of these no filter and no read control speaks: passwords are in no answer of ours; what has no equality rule is
# compared by octets here and not at all there.
SILENT = (
    "userPassword",
    "structuralObjectClass",
    "subschemaSubentry",
    "entryUUID",
    "createTimestamp",
    "modifiersName",
    "jpegPhoto",
)
ASKED = tuple(name for name in VALUES if name not in SILENT and not name.endswith(";"))
SELECTORS = (
    "*", "+", "1.1", "@person", "@organizationalUnit", "cn", "CN", "commonName", "2.5.4.3", "name", "sn", "description",
    "description;lang-fr", "description;lang-", "ou", "mail", "member", "objectClass", "telephoneNumber", "uid",
    "unknown", "hasSubordinates", "entryDN", "structuralObjectClass", "subschemaSubentry", "seeAlso", "ref",
    "gidNumber", "distinguishedName",
)  # fmt: skip
# A rule for words may be asked for on other words here, on IA5 strings too; slapd has other ideas of those.
TEXTS = ("cn", "sn", "ou", "uid", "description", "description;lang-fr", "serialNumber")
RULES = (
    "caseIgnoreMatch", "caseExactMatch", "2.5.13.2", "distinguishedNameMatch", "caseIgnoreSubstringsMatch",
    "integerMatch", "nothingMatch", "integerOrderingMatch", "caseIgnoreOrderingMatch",
)  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One request: what is read by people, its protocol operation and its controls."""

    text: str
    operation: bytes
    sent: tuple[Control, ...] = ()
    # How many entries a page has; 0: no pages.
    page: int = 0
    tree_delete: str = ""

    @property
    def kind(self) -> str:
        return self.text.partition(" ")[0]


class Operations(Generator):
    def step(self) -> Operation:
        chance = self._random.random()
        if chance < 0.32:
            return self._search()
        if chance < 0.335:
            name = self._name()
            if name not in (self._tree, *generated_writes.OUTSIDE):
                return Operation(f"tree-delete {name}", ber.octets(name.encode(), 0x4A), tree_delete=name)
        if chance < 0.40:
            return self._referral()
        write: Write = self.write()
        sent, said = self._controls(write.text.partition(" ")[0])
        return Operation(f"{write.text}{said}", write.operation, sent)

    def _rdn(self) -> str:
        chance = self._random.random()
        return self._random.choice(WRONG_RDNS if chance < 0.04 else RDNS if chance < 0.6 else MORE_RDNS)

    # ------------------------------------------------------------ writes

    def _referral(self) -> Operation:
        name = self._new_name()
        attributes = {
            "objectClass": [b"referral", b"extensibleObject"],
            "ref": [self._random.choice(REFERRALS)],
        }
        if self._random.random() < 0.2:
            attributes["ref"] = list(REFERRALS[:2])
        self._names.append(name)
        body = ber.octets(name.encode()) + ber.sequence([ber.encode_attributes(attributes)])
        sent = (MANAGE,) if self._random.random() < 0.8 else ()
        return Operation(f"add {name} {attributes} {len(sent)}", ber.tlv(0x68, body), sent)

    def _controls(self, kind: str) -> tuple[tuple[Control, ...], str]:
        sent: list[Control] = []
        said = ""
        if self._random.random() < 0.25:
            sent.append(MANAGE)
            said += " manage"
        item = self._filter()
        # What is added has no entryDN yet; for slapd it has.
        if self._random.random() < 0.1 and not (kind == "add" and "entryDN" in repr(item)):
            sent.append(Control(controls.ASSERTION, True, asking.encoded(item)))
            said += f" asserting {item}"
        if kind == "compare":
            return tuple(sent), said
        if kind in ("modify", "delete", "rename") and self._random.random() < 0.15:
            sent.append(self._reading(controls.PRE_READ))
            said += " pre"
        if kind in ("modify", "add", "rename") and self._random.random() < 0.15:
            sent.append(self._reading(controls.POST_READ))
            said += " post"
        if self._random.random() < 0.06:
            said += " no-op"
        return tuple(sent), said

    def _reading(self, oid: str) -> Control:
        asked = [
            one
            for one in self._selectors()
            if one not in ("unknown", "1.1") and one[-1] != "-" and one[0] != "@"
        ]  # slapd refuses those
        return Control(
            oid, self._random.random() < 0.8, ber.sequence([ber.octets(one.encode()) for one in asked])
        )

    def _selectors(self) -> list[str]:
        return [self._random.choice(SELECTORS) for _ in range(self._random.choice([0, 1, 1, 2, 3]))]

    # ------------------------------------------------------------ searches

    def _value(self, attribute: str) -> bytes:
        right, wrong = VALUES[attribute]
        pool: Sequence[bytes] = wrong if wrong and (not right or self._random.random() < 0.08) else right
        return self._random.choice(pool)

    def _item(self) -> filters.Filter:
        """What a values return filter may have; rules of order are not asked there, where slapd turns them round."""
        while True:
            item = self._filter(9)
            if not isinstance(item, filters.Extensible):
                return item
            if not item.dn_attributes and "Ordering" not in (item.rule or ""):
                return item

    def _filter(self, depth: int = 0) -> filters.Filter:
        chance = self._random.random()
        if depth < 3 and chance < 0.35:
            parts = [self._filter(depth + 1) for _ in range(self._random.choice([0, 1, 2, 2, 3]))]
            if chance < 0.15:
                return filters.And(parts)
            if chance < 0.3:
                return filters.Or(parts)
            return filters.Not(self._filter(depth + 1))
        attribute = self._random.choice(ASKED)
        value = self._value(attribute)
        if value in (b"07", b"7 "):  # a number is the same however it is written, and for slapd it is none
            value = b"sept"
        if (
            attribute == "nothing"
        ):  # slapd remembers what filters and selections have named, and then knows it in writes
            attribute = "unknown"
        kind = self._random.random()
        if kind < 0.4:
            return filters.Equality(attribute, value)
        if kind < 0.55:
            return filters.Present(attribute)
        if kind < 0.75:
            return self._substrings(attribute, value)
        if kind < 0.85:
            ordering = self._random.choice((filters.GreaterOrEqual, filters.LessOrEqual))
            return ordering(attribute, value)
        rule = self._random.choice(RULES) if self._random.random() < 0.6 else None
        given = attribute if rule is None or self._random.random() < 0.6 else None
        if given is None and rule not in ("distinguishedNameMatch", "integerMatch"):
            given = (
                attribute  # of which attributes a rule speaks that stands alone, slapd has ideas of its own
            )
        if rule is not None and rule.startswith(("case", "2.5.13.2")) and given not in (None, *TEXTS):
            given = self._random.choice(TEXTS)
            value = self._value(given)
        return filters.Extensible(rule, given, value, self._random.random() < 0.3)

    def _substrings(self, attribute: str, value: bytes) -> filters.Filter:
        cuts = sorted(
            self._random.randrange(len(value) + 1) for _ in range(self._random.choice([2, 2, 3, 4]))
        )
        pieces = [value[a:b] for a, b in itertools.pairwise(cuts)]
        # RFC 4518 §2.6.1 has a blank at each end of a value, which slapd has not.
        pieces = [piece.strip() for piece in pieces if piece.strip()] or [value.strip() or b"x"]
        initial = pieces.pop(0) if self._random.random() < 0.4 else None
        final = pieces.pop() if pieces and self._random.random() < 0.4 else None
        if initial is None and final is None and not pieces:
            pieces = [b"x"]
        return filters.Substrings(attribute, initial, tuple(pieces), final)

    def _search(self) -> Operation:
        base = self._tree if self._random.random() < 0.4 else self._name()
        scope = self._random.choice([0, 1, 2, 2, 2, 3])
        item = filters.Present("objectClass") if self._random.random() < 0.25 else self._filter()
        selectors = self._selectors()
        types_only = self._random.random() < 0.1
        page = self._random.choice([1, 2, 5]) if self._random.random() < 0.1 else 0
        sent: list[Control] = []
        said = ""
        if self._random.random() < 0.6:
            sent.append(MANAGE)
            said += " manage"
        chance = self._random.random()
        if chance < 0.05:
            more = self._filter()
            sent.append(Control(controls.ASSERTION, True, asking.encoded(more)))
            said += f" asserting {more}"
        elif chance < 0.12:
            items = [self._item() for _ in range(self._random.choice([1, 2]))]
            sent.append(
                Control(controls.MATCHED_VALUES, True, ber.sequence([asking.encoded(one) for one in items]))
            )
            said += f" values {items}"
        elif chance < 0.15:
            sent.append(Control(controls.SUBENTRIES, True, ber.boolean(self._random.random() < 0.5)))
            said += " subentries"
        elif chance < 0.18:
            sent.append(Control(controls.DOMAIN_SCOPE, True))
            said += " domain-scope"
        elif chance < 0.26 and not page:
            keys = [
                SortKey(name, "caseIgnoreOrderingMatch", self._random.random() < 0.5)
                for name in self._random.sample(
                    ["cn", "sn", "ou", "uid", "description"], self._random.choice([1, 2])
                )
            ]
            sent.append(controls.sort_request(keys, True))
            said += f" sorted {keys}"
        size = self._random.choice([1, 3]) if self._random.random() < 0.06 and not page else 0
        body = b"".join(
            (
                ber.octets(base.encode()),
                ber.integer(scope, ber.ENUMERATED),
                ber.integer(0, ber.ENUMERATED),
                ber.integer(size),
                ber.integer(0),
                ber.boolean(types_only),
                asking.encoded(item),
                ber.sequence([ber.octets(one.encode()) for one in selectors]),
            )
        )
        said = f"{selectors} {types_only} size={size} page={page}{said}"
        text = f"search {base or generated_writes.ROOT} {scope} {item} {said}"
        return Operation(text, ber.tlv(0x63, body), tuple(sent), page)
