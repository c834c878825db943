"""The entries that always exist: the suffix, and below it the subtrees that people write to.

Made once, when a state is first opened; neither imports nor writes change or remove them. A state that was made
before entries told whom they describe is completed here, once.
"""

from __future__ import annotations

import secrets

from annuaire.domain import account
from annuaire.errors import Misconfigured
from annuaire.ldap import ber, dn
from annuaire.ldap.dn import Dn
from annuaire.ldap.schema import Schema
from annuaire.ldap.tree import MANAGED, Tree
from annuaire.store.engine import Store, Writer
from annuaire.store.entries import NewEntry

# The setting that says that every account's person is known.
PERSONS = "persons"

# What an entry is made of, by the attribute that names it.
_CLASSES: dict[str, list[bytes]] = {
    "o": [b"top", b"organization"],
    "ou": [b"top", b"organizationalUnit"],
    "dc": [b"top", b"organization", b"dcObject"],
    "c": [b"top", b"country"],
    "l": [b"top", b"locality"],
}


def initialise(store: Store, tree: Tree, schema: Schema, actor: str = "") -> bool:
    """Make what is missing; whether something was."""
    entries = wanted(tree, schema)
    with store.reading() as reader:
        complete = reader.setting(PERSONS) is not None
        if complete and all(reader.entry(entry.key) is not None for entry in entries):
            return False
    with store.writing(actor) as writer:
        missing = [entry for entry in entries if writer.entry(entry.key) is None]
        for entry in missing:
            writer.add(entry)
        if writer.setting(PERSONS) is None:
            identify(writer)
            writer.set_setting(PERSONS, b"1")
    return bool(missing)


def identify(writer: Writer) -> int:
    """Tell of every account whom it describes; of how many that was not known.

    One change says so: what is computed of persons must be computed anew.
    """
    found = after = 0
    while rows := writer.entries(after):
        described = {}
        for row in rows:
            # Decoding half a million entries of which none is an account would take seconds.
            if account.CLASS in row.attributes.lower():
                told = account.described(ber.decode_attributes(row.attributes), row.uuid)
                if told != (row.person, row.account):
                    described[row.id] = told
        writer.identify(described)
        found += len(described)
        after = rows[-1].id
    if found:
        writer.record_everything()
    return found


def wanted(tree: Tree, schema: Schema) -> list[NewEntry]:
    """The entries as they are made; Misconfigured for a suffix that cannot be one."""
    names = [tree.suffix, *(tree.branch(name) for name in MANAGED)]
    return [_entry(dn.key(name, schema), name, tree, schema) for name in names]


def _entry(key: bytes, name: Dn, tree: Tree, schema: Schema) -> NewEntry:
    attributes = _attributes(name, schema)
    violations = schema.check(name, attributes)
    if violations:
        said = "; ".join(violation.text for violation in violations)
        raise Misconfigured(f"suffix: {dn.format(name)}: {said}")
    return NewEntry(
        key=key,
        parent=b"" if tree.is_root(key) else dn.parent_key(key),
        dn=dn.format(name),
        uuid=_random_uuid(),
        attributes=ber.encode_attributes(attributes),
        passwords=None,
        structural=schema.structural_class(attributes) or "",
    )


def _attributes(name: Dn, schema: Schema) -> dict[str, list[bytes]]:
    first, value = name.rdn.pairs[0]
    classes = _CLASSES.get(schema.canonical(first).lower())
    if classes is None:
        known = ", ".join(f"{attribute}=" for attribute in _CLASSES)
        raise Misconfigured(f"suffix: {dn.format(name)} must begin with one of {known}")
    attributes: dict[str, list[bytes]] = {"objectClass": classes}
    for attribute, text in name.rdn.pairs:
        attributes.setdefault(schema.canonical(attribute), []).append(text.encode())
    if "dc" in attributes:
        attributes.setdefault("o", [value.encode()])
    return attributes


def _random_uuid() -> bytes:
    """RFC 9562 version 4."""
    random = bytearray(secrets.token_bytes(16))
    random[6] = 0x40 | random[6] & 0x0F
    random[8] = 0x80 | random[8] & 0x3F
    return bytes(random)
