"""Whom a bind name stands for: the account behind a stored DN, a virtual one, or an address of the account.

An account is an entry with `annuaireAudience`, which binds as that audience, or an active subscriber to APICRYPT.
Everything else binds as nobody, like a name that does not exist: the caller pays the same for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from annuaire.domain import account
from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.index import entry as entries
from annuaire.index import folding, layout, prepare
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Snapshot
from annuaire.ldap import ber, dn, tree
from annuaire.ldap.directory import Account
from annuaire.ldap.dn import Dn

# Digits of a type in front of an identifier (TRE_G08 has one or two), or none where the entry has them too.
_PREFIXES = (0, 1, 2)


class _Entry(NamedTuple):
    """One stored entry, as far as a bind asks."""

    dn: str
    key: bytes
    uuid: bytes
    attributes: dict[str, list[bytes]]
    passwords: bytes | None


class BindNames:
    """Looks names up in one state of the index."""

    def __init__(self, numbering: Numbering, suffix: str, subscribers: Audience) -> None:
        self._schema = numbering.schema
        self._numbering = numbering
        self._people = tree.plant(suffix, (), self._schema).computed["personnes"]
        self._subscribers = subscribers

    def account(self, snapshot: Snapshot, name: str) -> Account | None:
        if "=" not in name:
            return self._one(self._by_address(snapshot, name))
        try:
            parsed = dn.parse(name)
            key = dn.key(parsed, self._schema)
        except Malformed:
            return None
        found = self._one(self._at(snapshot, layout.digest(layout.DN_KEY, key)))
        if found is None and dn.parent_key(key) == self._people:
            return self._one(self._by_holder(snapshot, parsed))
        return found

    def is_of(self, snapshot: Snapshot, key: bytes, name: str) -> bool:
        """Whether a bind name means the entry with that `dn.key`.

        No other entry is looked at, whoever the name means: how long that takes would tell of people who are hidden.
        """
        parsed = None
        if "=" in name:
            try:
                parsed = dn.parse(name)
            except Malformed:
                return False
            asked = dn.key(parsed, self._schema)
            if asked == key or dn.parent_key(asked) != self._people:
                return asked == key
        for entry in self._at(snapshot, layout.digest(layout.DN_KEY, key)):
            if parsed is not None:
                described = account.holder(entry.attributes, entry.uuid)
                return described is not None and self._holder(parsed) == described.lower()
            return folding.fold_case(name) in _addresses(entry)
        return False

    def passwords(self, snapshot: Snapshot, key: bytes) -> tuple[bytes, ...]:
        """What is kept as the password of one entry."""
        for entry in self._at(snapshot, layout.digest(layout.DN_KEY, key)):
            if entry.passwords is not None:
                return _values(entry.passwords)
        return ()

    def _by_address(self, snapshot: Snapshot, address: str) -> Iterator[_Entry]:
        """Subscribers whose native or interop address this is; further values of mail are nobody's name."""
        folded = folding.fold_case(address)
        seen = set()
        for attribute in ("mail", "apicryptInteropMail"):
            for found in self._having(snapshot, attribute, address):
                if folded in _addresses(found) and found.key not in seen:
                    seen.add(found.key)
                    yield found

    def _by_holder(self, snapshot: Snapshot, name: Dn) -> Iterator[_Entry]:
        """Subscribers that the virtual entry of this name shows."""
        holder = self._holder(name)
        if holder is None:
            return
        digits = holder.removeprefix(account.UNIDENTIFIED)
        asked = [("IdentifiantPP", holder[cut:]) for cut in _PREFIXES]
        uuid = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        seen = set()
        for attribute, value in (*asked, ("entryUUID", uuid)):
            for found in self._having(snapshot, attribute, value):
                described = account.holder(found.attributes, found.uuid)
                if found.key not in seen and described is not None and described.lower() == holder:
                    seen.add(found.key)
                    yield found

    def _holder(self, name: Dn) -> str | None:
        pairs = name.rdn.pairs
        if len(pairs) != 1 or self._schema.canonical(pairs[0][0]).lower() != "uid":
            return None
        return folding.fold_case(pairs[0][1])

    def _having(self, snapshot: Snapshot, attribute: str, value: str) -> Iterator[_Entry]:
        known = self._schema.attribute(attribute)
        fold = None if known is None else folding.equality(known)
        folded = None if fold is None else fold(value.encode("utf-8", "surrogatepass"))
        if known is None or not folded:
            return
        yield from self._at(snapshot, prepare.value_digest(self._numbering.of(known), folded))

    def _at(self, snapshot: Snapshot, digest: bytes) -> Iterator[_Entry]:
        for sight in snapshot.sights:
            for identifier in sight.part.equal(digest) or ():
                if not sight.sees(Audience.ADMIN, identifier):
                    continue
                details = entries.decode_details(sight.part.details(identifier))
                answer = sight.part.answer(identifier)
                _, start, _ = ber.read(answer, 0, len(answer))
                _, start, end = ber.read(answer, start, len(answer))
                yield _Entry(
                    answer[start:end].decode(),
                    details.key,
                    details.uuid,
                    ber.decode_attributes(answer[details.offsets[0] :]),
                    sight.part.passwords(layout.digest(layout.DN_KEY, details.key)),
                )

    def _one(self, found: Iterator[_Entry]) -> Account | None:
        """The only account among them: nobody can log in as one of two. One without a password has a certificate."""
        accounts = [one for one in map(self._login, found) if one is not None]
        able = [one for one in accounts if one.hashes] or accounts
        return able[0] if len(able) == 1 else None

    def _login(self, entry: _Entry) -> Account | None:
        seer = account.seen_as(entry.attributes, self._subscribers)
        if seer is None:
            return None
        replicates = entry.attributes.get("annuaireReplication") == [b"TRUE"]
        hashes = _values(entry.passwords) if entry.passwords is not None else ()
        return Account(entry.dn, seer, hashes, replicates, entry.uuid)


def _addresses(entry: _Entry) -> list[str]:
    subscriber = account.of(entry.attributes)
    if subscriber is None:
        return []
    return [folding.fold_case(one) for one in (subscriber.native, subscriber.interop) if one]


def _values(passwords: bytes) -> tuple[bytes, ...]:
    return tuple(value for values in ber.decode_attributes(passwords).values() for value in values)
