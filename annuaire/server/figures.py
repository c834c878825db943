"""What the server counts of itself and shows administrators at cn=Monitor: per worker, in the memory that they share.

A worker that takes the place of one that died goes on counting where that one stood.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from annuaire.ldap.messages import (
    AddRequest,
    BindRequest,
    CompareRequest,
    DeleteRequest,
    ExtendedRequest,
    ModifyDnRequest,
    ModifyRequest,
    SearchRequest,
)
from annuaire.ldap.monitor import OPERATIONS, Figures, Worker
from annuaire.server.loads import Loads

_KINDS = (
    BindRequest,
    SearchRequest,
    CompareRequest,
    ModifyRequest,
    ModifyDnRequest,
    AddRequest,
    DeleteRequest,
    ExtendedRequest,
)
# Places among a worker's counts; operations follow in the order of their names.
_PROCESS, _STARTED, CONNECTIONS, _FIRST = range(4)
PLACES: dict[type, int] = {kind: _FIRST + place for place, kind in enumerate(_KINDS)}

# The change of the index and further figures of it.
Index = Callable[[], tuple[int, dict[str, int]]]


def begin(loads: Loads) -> memoryview:
    """Where this worker counts from now on."""
    counts = loads.own_counts
    counts[_PROCESS] = os.getpid()
    counts[_STARTED] = int(time.time())
    return counts


class Reading:
    """Makes the figures of the moment."""

    def __init__(
        self,
        loads: Loads,
        version: str,
        contexts: Sequence[str],
        listeners: Sequence[str],
        index: Index,
        store: Callable[[], bool | None],
    ) -> None:
        self._loads = loads
        self._version = version
        self._contexts = contexts
        self._listeners = listeners
        self._index = index
        self._store = store

    def now(self) -> Figures:
        workers = [
            Worker(
                number,
                counts[_PROCESS],
                _stamp(counts[_STARTED]),
                connections,
                counts[CONNECTIONS],
                {name: counts[_FIRST + place] for place, name in enumerate(OPERATIONS)},
            )
            for number, connections, counts in self._loads.workers()
        ]
        moment = int(time.time())
        started = min([counts[_STARTED] for _, _, counts in self._loads.workers()], default=moment)
        change, index = self._index()
        return Figures(
            self._version,
            _stamp(moment),
            _stamp(started),
            max(0, moment - started),
            workers,
            self._contexts,
            self._listeners,
            change,
            index,
            self._store(),
        )


def _stamp(seconds: int) -> str:
    """GeneralizedTime."""
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds))
