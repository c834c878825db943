"""Whether who bound may still do what they could: the entry that they are bound as is there, as it was.

A bind is judged once and a connection lives for days. So what a right rests on is remembered with it: the entry, its
name and its audience. A write looks at them in its transaction (actions/standing.py), what is read from the index now
and then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from annuaire.domain.audience import Audience
from annuaire.errors import Unavailable

if TYPE_CHECKING:
    from annuaire.ldap.directory import Directory

# So long a connection may go on to read as somebody who is no more.
LOOK_SECONDS = 1.0
GONE = "who is bound here is not there as before: bind again"


class Standing(NamedTuple):
    """An entry that binds, as its bind found it."""

    dn: str
    key: bytes  # dn.key of it
    uuid: bytes
    audience: Audience
    replicates: bool = False  # it is given hashes of passwords


def holds(standings: Iterable[Standing], directory: Directory) -> bool:
    """Whether all of them are in the index as they were. Without an index nobody is said to be gone."""
    try:
        for one in standings:
            found = directory.account(one.dn)
            if found is None:
                return False
            if (found.uuid, found.audience, found.replicates) != (one.uuid, one.audience, one.replicates):
                return False
    except Unavailable:
        return True
    return True
