"""The timing class: strangers' requests cost the same work with and without whoever is hidden.

Note [The same path for the hidden and the absent] (index/sight.py) says why. Work is counted, not timed: the entries
that are read one by one, the look-ups in the index, the passwords that are hashed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hidden_people
import pytest
import two_directories
from operations import Generator, Known, Operation
from test_liste_rouge import everything
from two_directories import SCHEMA, STRANGERS, Client, Pair

from annuaire.domain.audience import Audience
from annuaire.index.candidate import Candidate
from annuaire.index.part import Part

SEED = 5
OPERATIONS = 1000
# Of these operations, how many may take another number of look-ups, and how many more or fewer: a word that only the
# hidden have, a value that so many have that it lies in another table.
SHARE_MAX, LOOKUPS_MAX = 0.03, 6


class Work:
    """Counts while it is on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        begin, verify, record = Part.begin, Candidate.__init__, Part.record

        def begun(part: Part) -> None:
            fresh = part._transaction is None
            begin(part)
            if fresh:
                get = part._get

                def counted(*arguments: Any) -> Any:
                    self.counts["look-ups"] += 1
                    return get(*arguments)

                part._get = counted

        def verified(candidate: Candidate, *arguments: Any) -> None:
            self.counts["verified"] += 1
            verify(candidate, *arguments)

        def read(part: Part, identifier: int) -> bytes:
            self.counts["read"] += 1
            return record(part, identifier)

        patch.setattr(Part, "begin", begun)
        patch.setattr(Part, "record", read)
        patch.setattr(Candidate, "__init__", verified)

    def of(self, client: Client, operation: Operation, number: int) -> Counter[str]:
        self.counts.clear()
        client.say(operation.octets(number, b""))
        return Counter(self.counts)


@contextmanager
def counted(folder: Path, making: two_directories.Making) -> Iterator[tuple[Pair, Work]]:
    people = hidden_people.invent(20261123)
    with pytest.MonkeyPatch.context() as patch, two_directories.pair(folder, people, making) as pair:
        yield pair, Work(patch)


@pytest.mark.parametrize("audience", STRANGERS)
def test_the_same_entries_are_read_and_the_same_things_looked_up(tmp_path: Path, audience: Audience) -> None:
    with counted(tmp_path, two_directories.in_the_base) as (pair, work):
        known = [everything(place, Audience.ADMIN) for place in pair]
        public = {entry.dn for entry in everything(pair.without, Audience.PUBLIC)}
        made = Generator(
            SCHEMA,
            Known.of([entry for entry in known[0] if entry.dn not in public]),
            Known.of(everything(pair.without, Audience.PUBLIC)),
            SEED,
        )
        clients = [Client(place.service(audience)) for place in pair]
        total: Counter[str] = Counter()
        others = []
        for number in range(2, OPERATIONS):
            operation = made.operation()
            if operation.reconnects or operation.told.startswith("abandon"):
                continue
            first, second = [work.of(client, operation, number) for client in clients]
            total += first
            assert (first["read"], first["verified"]) == (second["read"], second["verified"]), operation.told
            difference = first["look-ups"] - second["look-ups"]
            if difference:
                others.append(difference)
            assert abs(difference) <= LOOKUPS_MAX, operation.told
        assert total["verified"] > OPERATIONS // 3
        assert total["look-ups"] > OPERATIONS
        assert len(others) <= OPERATIONS * SHARE_MAX
