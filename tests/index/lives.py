"""What happens to a store in tests: people come, change, go, and move with all that is below them."""

import random

import invented_directory as invented
from invented_directory import APICRYPT, Thing

from annuaire.domain import account
from annuaire.ldap import ber, dn
from annuaire.store.engine import Writer
from annuaire.store.entries import EntryRow, Moved, NewEntry


def new(thing: Thing, identity: bytes | None = None) -> NewEntry:
    parent = thing.key.rpartition(b"\0")[0]
    octets = ber.encode_attributes(thing.attributes)
    own = thing.uuid.bytes if identity is None else identity
    described = account.described(thing.attributes, own)
    return NewEntry(thing.key, parent, thing.dn, own, octets, thing.passwords, "person", *described)


def named(rdn: str, parent: str, chance: random.Random, number: int) -> Thing:
    return Thing(
        f"{rdn},{parent}", invented.odd_attributes(chance, number), 0, invented.odd_passwords(chance)
    )


def moved(row: EntryRow, name: str) -> Moved:
    key = dn.key(dn.parse(name), invented.SCHEMA)
    return Moved(row.id, key, key.rpartition(b"\0")[0], name)


class Life:
    """What happens to a store: people come, change, go, and move with all that is below them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.count = 0

    def turn(self, writer: Writer) -> None:
        rows = list(writer.subtree(dn.key(dn.parse(APICRYPT), invented.SCHEMA)))
        chance = self.chance
        kind = chance.random()
        parent = APICRYPT if not rows or chance.random() < 0.6 else chance.choice(rows).dn
        if kind < 0.4 or len(rows) < 5:
            self.count += 1
            # Names come back: under one that was deleted or moved away there may be another entry later.
            name = f"uid=odd{chance.randrange(40)}"
            thing = named(name, parent, chance, self.count)
            if writer.entry(thing.key) is None:
                writer.add(new(thing, self.count.to_bytes(16, "big")))
            return
        row = chance.choice(rows)
        if kind < 0.65:
            attributes = invented.odd_attributes(chance, self.count)
            described = account.described(attributes, row.uuid)
            octets = ber.encode_attributes(attributes)
            writer.replace(row, octets, invented.odd_passwords(chance), "person", *described)
        elif kind < 0.8:
            if not writer.has_children(row.key):
                writer.delete(row)
        elif kind < 0.95:
            self.move(writer, row, f"uid=odd{chance.randrange(40)},{parent}")
        else:
            self.swap(writer, row, chance.choice(rows))

    def move(self, writer: Writer, row: EntryRow, name: str) -> None:
        target = dn.key(dn.parse(name), invented.SCHEMA)
        if writer.entry(target) is None and not (target + b"\0").startswith(row.key + b"\0"):
            below = list(writer.subtree(row.key))
            writer.move(
                [(one, moved(one, one.dn[: len(one.dn) - len(row.dn)] + name)) for one in (row, *below)]
            )

    def swap(self, writer: Writer, one: EntryRow, other: EntryRow) -> None:
        if one.id != other.id and not (writer.has_children(one.key) or writer.has_children(other.key)):
            writer.move([(one, moved(one, other.dn)), (other, moved(other, one.dn))])
