"""Entries that name others, in groups for instance: when what they name is renamed or goes, they follow.

Every attribute follows whose values are names of entries (member, owner, seeAlso, manager …): the schema says which,
so memberUid does not. A group that would be left without a member keeps the first administrator as one. Names of
computed entries are left: those come and go with their sources, and whoever may not see one is not told its name.

Found in the index, by the equality of every attribute whose values are names; so the index must contain all that was
committed before. Called inside the writing transaction, whose lock keeps other writers of this machine away.
"""

from __future__ import annotations

from collections.abc import Mapping

from annuaire.actions import mentions, preparing, refresh
from annuaire.actions.source import StoreSource
from annuaire.errors import Malformed, Unavailable
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Reader, Snapshot
from annuaire.ldap import dn
from annuaire.ldap.dn import Dn
from annuaire.store.engine import Writer
from annuaire.store.entries import EntryRow


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
        snapshot = self._at_least(writer.committed_head)
        try:
            keys = mentions.who_name([sight.part for sight in snapshot.sights], self._numbering, gone)
        finally:
            snapshot.end()
        naming: dict[int, EntryRow] = {}
        for key in keys:
            new_name = gone.get(key)
            row = writer.entry(dn.key(new_name, self._schema) if new_name is not None else key)
            if row is not None:
                naming[row.id] = row
        # What this transaction has written, the index does not know.
        for one in [touched.new for touched in writer.touched if touched.new is not None]:
            row = writer.entry_by_id(one.id)
            if row is not None:
                naming[row.id] = row
        return sum(self._rewrite(writer, row, gone) for row in naming.values())

    def reach(self, change: int) -> None:
        """See to it that this machine's searches show what was committed up to a change."""
        self._at_least(change).end()

    def _at_least(self, change: int) -> Snapshot:
        """The index, with all that was committed up to a change."""
        try:
            snapshot = self._reader.snapshot()
            if snapshot.change >= change:
                return snapshot
            snapshot.end()
        except Unavailable:  # there is none yet
            pass
        refresh.refresh(self._source, self._folder, full=refresh.RECENT_FULL)
        return self._reader.snapshot()

    def _rewrite(self, writer: Writer, row: EntryRow, gone: Mapping[bytes, Dn | None]) -> bool:
        old = preparing.decode(row.attributes, row.passwords)
        new = {name: self._followed(name, values, gone) for name, values in old.items()}
        if new == old:
            return False
        kept = {name: values for name, values in new.items() if values}
        # What a class requires, and nothing else that was emptied with it, names the administrator.
        missing = {violation.attribute for violation in self._schema.check(dn.parse(row.dn), kept)}
        for name, values in new.items():
            known = self._schema.attribute(name)
            if not values and known is not None and known.name in missing:
                kept[name] = [self._placeholder.encode()]
        writer.replace(row, *preparing.encode(kept), row.structural, row.person, row.account)
        return True

    def _followed(self, name: str, values: list[bytes], gone: Mapping[bytes, Dn | None]) -> list[bytes]:
        known = self._schema.attribute(name)
        if known is None or not mentions.is_name(known):
            return values
        # By key, so that nobody is named twice who was named under the new name as well.
        followed: dict[bytes, bytes] = {}
        changed = False
        for value in values:
            try:
                key = dn.key(dn.parse(value.decode()), self._schema)
            except (ValueError, Malformed):
                followed[b"\0" + value] = value
                continue
            if key not in gone:
                followed.setdefault(key, value)
                continue
            changed = True
            if (target := gone[key]) is not None:
                followed.setdefault(dn.key(target, self._schema), dn.format(target).encode())
        return list(followed.values()) if changed else values
