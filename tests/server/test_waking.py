"""Searches that wait are woken when the index has moved, and their connections are not taken for silent ones."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from annuaire.server.waking import LOOK_SECONDS, Waker


class Connection:
    def __init__(self) -> None:
        self.active_at = 0.0
        self.transport: Any = None
        self.woken = 0
        self.waiting = True

    def wake(self) -> None:
        self.woken += 1

    def waits(self) -> bool:
        return self.waiting


class Index:
    moves = b"1"

    def __call__(self) -> bytes:
        return self.moves


def test_each_is_woken_once_for_each_move() -> None:
    clock, index, connections = Clock(), Index(), [Connection(), Connection()]
    waker = Waker(clock, index)
    for one in connections:
        waker.watch(one)
    clock.pump([LOOK_SECONDS] * 5)
    assert [one.woken for one in connections] == [1, 1]  # it may have moved before anybody looked
    for move in (b"2", b"3"):
        index.moves = move
        clock.pump([LOOK_SECONDS] * 5)
    assert [one.woken for one in connections] == [3, 3]


def test_who_waits_is_not_silent() -> None:
    clock, connection = Clock(), Connection()
    waker = Waker(clock, Index())
    waker.watch(connection)
    clock.advance(LOOK_SECONDS)
    assert connection.active_at > 0


def test_nobody_looks_when_nobody_waits() -> None:
    clock, index, connection = Clock(), Index(), Connection()
    waker = Waker(clock, index)
    assert clock.getDelayedCalls() == []
    waker.watch(connection)
    waker.watch(connection)
    clock.pump([LOOK_SECONDS] * 2)
    connection.waiting = False
    clock.pump([LOOK_SECONDS] * 2)
    assert clock.getDelayedCalls() == []
    connection.waiting, index.moves = True, b"2"
    waker.watch(connection)
    clock.pump([LOOK_SECONDS] * 2)
    assert connection.woken == 2


def test_the_other_side_is_looked_for() -> None:
    """A machine that is gone without a word would be waited for without end."""

    class Transport:
        alive = 0

        def setTcpKeepAlive(self, on: int) -> None:  # noqa: N802 - Twisted's word
            self.alive += on

    connection = Connection()
    connection.transport = Transport()
    waker = Waker(Clock(), Index())
    waker.watch(connection)
    waker.watch(connection)
    assert connection.transport.alive == 1
