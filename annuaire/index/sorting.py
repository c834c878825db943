"""Server-side sort (RFC 2891) of the entries that a search found."""

from collections.abc import Generator

from annuaire.index import folding, gather, plan
from annuaire.index.candidate import Candidate
from annuaire.index.gather import Clock, Hit
from annuaire.index.prepare import Numbering


class Order:
    """A sort by one or several keys."""

    def __init__(self, folds: list[tuple[plan.Operand, folding.Fold, bool]], natural: bool) -> None:
        self._folds = folds
        self.natural = natural

    def sort(self, hits: list[Hit], numbering: Numbering, clock: Clock) -> Generator[None, None, list[Hit]]:
        """RFC 2891 §2.2: the least of several values counts, an absent one is larger than any; ties in (cn, DN)."""
        keyed: list[tuple[list[tuple[bool, str]], bytes, Hit]] = []
        for sight, identifier in hits:
            candidate = Candidate(sight.part, identifier, numbering)
            row: list[tuple[bool, str]] = []
            for operand, fold, _ in self._folds:
                folded = [text for _, value in operand.values(candidate) if (text := fold(value)) is not None]
                row.append((False, min(folded)) if folded else (True, ""))
            keyed.append((row, gather.order_key((sight, identifier)), (sight, identifier)))
            if not len(keyed) % gather.VERIFIED_AT_ONCE and clock.over():
                yield None
                clock.restart()
        keyed.sort(key=lambda item: item[1])
        for i in range(len(self._folds) - 1, -1, -1):
            keyed.sort(key=lambda item: item[0][i], reverse=self._folds[i][2])
        return [hit for _, _, hit in keyed]
