import os

import pytest

from annuaire.server import loads


@pytest.fixture
def shared():
    descriptor = loads.create(3)
    yield descriptor
    os.close(descriptor)


def test_a_worker_is_ahead_when_another_holds_fewer(shared):
    first, second = loads.Loads(shared, 0), loads.Loads(shared, 1)
    assert not first.ahead
    first.add(loads.SLACK)
    assert first.ahead
    assert not second.ahead
    second.add(1)
    assert not first.ahead
    first.add(-1)
    assert not first.ahead


def test_nobody_waits_for_a_worker_that_is_gone(shared):
    first, second = loads.Loads(shared, 0), loads.Loads(shared, 1)
    first.add(50)
    second.add(1)
    assert first.ahead
    loads.leave(shared, 1)
    assert not first.ahead
    loads.Loads(shared, 1)
    assert first.ahead
