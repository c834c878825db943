"""Entries that name others, in groups for instance: when what they name is renamed or goes, they follow.

Found in the index, by the equality of every attribute whose values are names; so the index must contain all that was
committed before. Called inside the writing transaction, whose lock keeps other writers of this machine away.
"""

from __future__ import annotations

from collections.abc import Mapping

from annuaire.actions import mentions, preparing, refresh
from annuaire.actions.refresh import StoreSource
from annuaire.errors import Malformed
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Reader
from annuaire.ldap import dn
from annuaire.ldap.dn import Dn
from annuaire.store.engine import Writer


class References:
    """Follows names for one process. `placeholder`: who stays when a group would lose its last member."""

    def __init__(self, source: StoreSource, folder: IndexFolder, placeholder: str) -> None:
        self._source = source
        self._folder = folder
        self._schema = source.schema()
        self._numbering = Numbering(self._schema)
        self._reader = Reader(folder, self._numbering)
        self._placeholder = placeholder

    def follow(self, writer: Writer, gone: Mapping[bytes, Dn | None]) -> int:
        """Rewrite every entry that names one of these keys: to its new name, or without it. How many."""
        snapshot = self._reader.snapshot()
        if snapshot.change < writer.committed_head:
            snapshot.end()
            refresh.refresh(self._source, self._folder)
            snapshot = self._reader.snapshot()
        try:
            keys = mentions.who_name([sight.part for sight in snapshot.sights], self._numbering, gone)
        finally:
            snapshot.end()
        return sum(self._rewrite(writer, key, gone) for key in keys)

    def _rewrite(self, writer: Writer, key: bytes, gone: Mapping[bytes, Dn | None]) -> bool:
        new_name = gone.get(key)
        row = writer.entry(dn.key(new_name, self._schema) if new_name is not None else key)
        if row is None:
            return False
        old = preparing.decode(row.attributes, row.passwords)
        new = {name: self._followed(name, values, gone) for name, values in old.items()}
        if new == old:
            return False
        kept = {name: values for name, values in new.items() if values}
        if self._schema.check(dn.parse(row.dn), kept):
            for name, values in new.items():
                if not values:
                    kept[name] = [self._placeholder.encode()]
        writer.replace(row, *preparing.encode(kept), row.structural, row.person, row.account)
        return True

    def _followed(self, name: str, values: list[bytes], gone: Mapping[bytes, Dn | None]) -> list[bytes]:
        known = self._schema.attribute(name)
        if known is None or not mentions.is_name(known):
            return values
        followed: list[bytes] = []
        for value in values:
            try:
                key = dn.key(dn.parse(value.decode()), self._schema)
            except (ValueError, Malformed):
                followed.append(value)
                continue
            if key not in gone:
                followed.append(value)
            elif (target := gone[key]) is not None:
                followed.append(dn.format(target).encode())
        return followed
