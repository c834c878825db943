"""Filters inside further trees: by the schema's own rules (RFC 4517, RFC 4518), as in any LDAP server.

Elsewhere values are compared folded (folding.py), because people type names there. What is folded is only coarser, so
the folded postings still narrow the candidates; each is then verified by the rule. No naming context lies within
another, so a search is in a further tree as a whole or not at all.
"""

from collections.abc import Callable

from pyroaring import BitMap

from annuaire.index import folding, plan, postings
from annuaire.index.candidate import Candidate
from annuaire.index.compile import Compiler, Plan
from annuaire.index.family import COMPUTED, Family
from annuaire.index.plan import Bounds, Node, Truth
from annuaire.index.sight import Sight
from annuaire.ldap import dn, evaluation, filters
from annuaire.ldap.dn import Dn
from annuaire.ldap.evaluation import Prepared
from annuaire.ldap.filters import Filter
from annuaire.ldap.schema import Schema

_NAMELESS = Dn(())
# Octets that folding an identifier leaves as they are, case aside.
_PLAIN = frozenset(range(0x21, 0x7F))


class Strict:
    """Compiles filters that are to be evaluated strictly, beside a compiler of folded ones."""

    def __init__(self, compiler: Compiler, schema: Schema, trees: tuple[bytes, ...]) -> None:
        self._compiler = compiler
        self._schema = schema
        self._trees = trees

    def applies(self, key: bytes) -> bool:
        """Whether a base lies in a further tree."""
        return any(dn.is_within(key, tree) for tree in self._trees)

    def plan(self, filter_: Filter, key: bytes, family: Callable[[], Family]) -> Plan:
        """The plan of a filter below a base, strict or not."""
        folded = self._compiler.plan(filter_, family)
        return folded._replace(node=self._node(filter_, family)) if self.applies(key) else folded

    def item(self, filter_: Filter, key: bytes, family: Callable[[], Family]) -> Node:
        """One part by itself, to be asked of values of entries below a base."""
        return self._node(filter_, family) if self.applies(key) else self._compiler.item(filter_, family)

    def _node(self, filter_: Filter, family: Callable[[], Family]) -> Node:
        match filter_:
            case filters.And(parts=parts):
                return plan.All([self._node(part, family) for part in parts])
            case filters.Or(parts=parts):
                return plan.Some([self._node(part, family) for part in parts])
            case filters.Not(part=part):
                return plan.Opposite(self._node(part, family))
            case filters.Equality(attribute=attribute, value=value):
                if self._computed(attribute):
                    return self._compiler.item(filter_, family)
                return self._verified(filter_, self._narrows(attribute, (value,)), family)
            case filters.Substrings(attribute=attribute):
                pieces = (filter_.initial or b"", *filter_.any, filter_.final or b"")
                return self._verified(filter_, self._narrows(attribute, pieces), family)
            case filters.GreaterOrEqual(attribute=attribute) | filters.LessOrEqual(attribute=attribute):
                if self._computed(attribute):
                    return self._compiler.item(filter_, family)
                return self._verified(filter_, False, family)
            case filters.Extensible():
                return self._verified(filter_, False, family)
        # Presence is exact, and what is approximate is ours to say.
        return self._compiler.item(filter_, family)

    def _verified(self, filter_: Filter, narrows: bool, family: Callable[[], Family]) -> Node:
        narrow = self._compiler.item(filter_, family) if narrows else None
        named = isinstance(filter_, filters.Extensible) and filter_.dn_attributes
        return Verified(narrow, evaluation.prepare(filter_, self._schema), named)

    def _computed(self, attribute: str) -> bool:
        known = self._schema.attribute(attribute)
        return known is not None and known.key in COMPUTED

    def _narrows(self, attribute: str, asserted: tuple[bytes, ...]) -> bool:
        """Whether every value that the rule calls equal has the same folded form.

        Identifiers are folded by case alone: to their rule two inner spaces are one (RFC 4518 §2.6.1).
        """
        known = self._schema.attribute(attribute)
        if known is None or all(_PLAIN.issuperset(one) for one in asserted):
            return True
        named = [one for one in self._schema.attribute_types if known.key in one.supertypes]
        return not any(folding.is_by_case(one) for one in named)


class Verified(Node):
    """One item: what the folded index finds, if it can be asked, verified entry by entry."""

    __slots__ = ("_named", "_narrow", "_test")

    def __init__(self, narrow: Node | None, test: Prepared, named: bool) -> None:
        self._narrow = narrow
        self._test = test
        self._named = named

    def true(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        return postings.EMPTY, within if self._narrow is None else self._narrow.true(sight, chunk, within)[1]

    def false(self, sight: Sight, chunk: int, within: BitMap) -> Bounds:
        return postings.EMPTY, within  # or Undefined

    def check(self, candidate: Candidate) -> Truth:
        name = dn.parse(candidate.dn) if self._named else _NAMELESS
        return self._test.matches(name, candidate.attributes)

    def sparse(self, sight: Sight) -> list[int] | None:
        return None if self._narrow is None else self._narrow.sparse(sight)
