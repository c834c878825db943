import os

import pytest

from annuaire.server import loads


@pytest.fixture
def shared():
    descriptor = loads.create(3)
    yield descriptor
    os.close(descriptor)


def hold(worker: loads.Loads, connections: int) -> loads.Loads:
    for _ in range(connections):
        worker.opened()
    return worker


def test_a_worker_is_ahead_when_another_holds_fewer(shared):
    first, second = loads.Loads(shared, 0), loads.Loads(shared, 1)
    assert not first.ahead(100)
    hold(first, loads.SLACK)
    assert first.ahead(100)
    assert not second.ahead(100)
    hold(second, 1)
    assert not first.ahead(100)


def test_while_clients_come_and_go_nobody_waits(shared):
    first, _ = hold(loads.Loads(shared, 0), 50), loads.Loads(shared, 1)
    first.closed(99.95)
    assert not first.ahead(100)
    assert first.ahead(101)


def test_nobody_waits_for_a_worker_that_is_gone(shared):
    first, _ = hold(loads.Loads(shared, 0), 50), hold(loads.Loads(shared, 1), 1)
    assert first.ahead(100)
    loads.leave(shared, 1)
    assert not first.ahead(100)
    loads.Loads(shared, 1)
    assert first.ahead(100)
