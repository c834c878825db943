"""Returning matched values (RFC 3876): of the attributes of an answer, only the values that some item matches.

A value matches when an entry that had nothing else would match the item as a filter. §2: what has no such value is
returned without any; `1.1` and typesOnly leave the control nothing to do.
"""

from annuaire.index.candidate import Made
from annuaire.index.plan import Node
from annuaire.index.prepare import Numbering
from annuaire.ldap import ber

# Values compared before are remembered: object classes and towns come back in every entry.
_REMEMBERED_MAX = 10_000


class ValuesFilter:
    """The items of one control, ready to be asked of values."""

    def __init__(self, items: list[Node], numbering: Numbering) -> None:
        self._items = items
        self._numbering = numbering
        self._known: dict[tuple[str, bytes], bool] = {}

    def kept(self, attributes: bytes) -> bytes:
        """The same attributes with the values that match."""
        found = ber.decode_attributes(attributes)
        return ber.encode_attributes(
            {
                name: [value for value in values if self._matches(name, value)]
                for name, values in found.items()
            }
        )

    def _matches(self, description: str, value: bytes) -> bool:
        known = self._known.get((description, value))
        if known is None:
            alone = Made({description: [value]}, self._numbering)
            known = any(item.check(alone) for item in self._items)
            if len(self._known) >= _REMEMBERED_MAX:
                self._known.clear()
            self._known[(description, value)] = known
        return known
