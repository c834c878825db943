"""Whom an entry of a further tree names, as each audience may know it: names that it does not see are left out.

A group beside our suffix may be read by everybody and name somebody who is on liste rouge. So a stored entry with such
values becomes several entries of the index, one for each distinct content, as a person does (views.py): nothing is
filtered when it is asked for. When somebody is seen by others than before, whoever names them is written again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from annuaire.domain import account, identifiers
from annuaire.domain.audience import EVERYBODY, Audience
from annuaire.errors import Malformed
from annuaire.index import entry as entries
from annuaire.index import layout
from annuaire.index.entry import IndexEntry
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering, value_digest
from annuaire.ldap import ber, dn, tree
from annuaire.ldap.dn import Dn
from annuaire.ldap.schema import AttributeType, Schema

# RFC 4517 §4.2.15 and §4.2.31: values that are names, the second with a tag that may follow.
_DN_RULES = frozenset({"2.5.13.1", "2.5.13.23"})
# What the server writes itself.
_OF_THE_SERVER = frozenset({"entrydn", "creatorsname", "modifiersname", "subschemasubentry"})

_TAG = re.compile(rb"#\s*'[01]*'B\s*$")

# Who sees the entries of a holder, by the keys of their names.
Seers = Callable[[str], dict[bytes, Audience]]


class Mentions:
    """Divides entries of further trees among the audiences that read them."""

    def __init__(self, schema: Schema, suffix: str, seers: Seers) -> None:
        self._schema = schema
        self._tree = tree.plant(suffix, (), schema)
        self._seers = seers
        self._known: dict[bytes, Audience] = {}

    def of(self, entry: IndexEntry) -> Iterator[IndexEntry]:
        """The same entry for each of its audiences, once for each distinct content."""
        attributes = ber.decode_attributes(entry.attributes)
        seen = {name: list(map(self._who_sees, values)) for name, values in self._names(attributes)}
        if all(entry.audiences & ~seers == 0 for some in seen.values() for seers in some):
            yield entry
            return
        contents: dict[bytes, Audience] = {}
        for audience in Audience:
            if entry.audiences & audience:
                kept = {
                    name: [value for value, seers in zip(values, seen[name], strict=True) if seers & audience]
                    if name in seen
                    else values
                    for name, values in attributes.items()
                }
                content = ber.encode_attributes({name: values for name, values in kept.items() if values})
                contents[content] = contents.get(content, Audience(0)) | audience
        for content, audiences in contents.items():
            # Administrators see it whole: a bind asks what they see, and one of several is enough for it.
            whole = bool(audiences & Audience.ADMIN)
            yield entry._replace(
                attributes=content,
                decoded=None,
                audiences=int(audiences),
                passwords=entry.passwords if whole else None,
                facts=entry.facts if whole else (),
            )

    def _names(self, attributes: dict[str, list[bytes]]) -> Iterator[tuple[str, list[bytes]]]:
        for description, values in attributes.items():
            known = self._schema.attribute(description)
            if known is not None and is_name(known):
                yield description, values

    def _who_sees(self, value: bytes) -> Audience:
        """Who may know of the entry that a value names; everybody, when it is none of ours."""
        tag = _TAG.search(value)
        try:
            name = dn.parse((value[: tag.start()] if tag else value).decode())
            key = dn.key(name, self._schema)
        except (Malformed, UnicodeDecodeError):
            return EVERYBODY
        if not dn.is_within(key, self._tree.suffix_key) or key == self._tree.suffix_key:
            return EVERYBODY
        if tag:  # `who_name` does not find it
            return Audience.ADMIN
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Audience.ADMIN | self._of(key, name)
        return found

    def _of(self, key: bytes, name: Dn) -> Audience:
        if key in self._tree.computed.values():
            return EVERYBODY
        if dn.parent_key(key) not in self._tree.computed.values():
            return Audience.ADMIN
        text = name.rdn.pairs[0][1]
        spelt = text.lower()
        if not spelt.startswith(account.UNIDENTIFIED) and identifiers.can_identify(text):
            spelt = identifiers.one_spelling(text)
        return self._seers(spelt).get(key, Audience(0))


def is_name(attribute: AttributeType) -> bool:
    """Whether the values of a type name entries, and people write them."""
    rule = attribute.equality_rule
    return rule is not None and rule.oid in _DN_RULES and attribute.key not in _OF_THE_SERVER


def who_name(parts: Iterable[Part], numbering: Numbering, keys: Iterable[bytes]) -> set[bytes]:
    """The keys of the entries in which some value names one of these; some may have gone meanwhile."""
    attributes = [one for one in numbering.schema.attribute_types if is_name(one)]
    found: set[bytes] = set()
    for part in parts:
        for key in keys:
            for attribute in attributes:
                digest = value_digest(numbering.of(attribute), key.decode("latin-1"))
                found.update(entries.key_of(part.details(one)) for one in _listed(part, digest))
    return found


def _listed(part: Part, digest: bytes) -> Iterator[int]:
    """The ids of a digest, however many."""
    found = part.equal(digest)
    if found is not None:
        yield from found
        return
    for chunk in range(part.chunks):
        for local in part.many(digest, chunk) or ():
            yield (chunk << layout.CHUNK_BITS) + local
