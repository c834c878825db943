import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.domain import lockout
from annuaire.domain.lockout import NONE, Count, Rule

PAIR = lockout.rules(5, 900.0).pair


def waits(rule: Rule, failures: int, every: float = 0.0) -> list[float]:
    """How long each wrong password makes wait, tried as soon as it may be."""
    count, now, found = NONE, 0.0, []
    for _ in range(failures):
        count = lockout.counted(count, rule, now)
        wait = max(0.0, lockout.until(count, rule) - now)
        found.append(wait)
        now += max(wait, every)
    return found


def test_five_are_free_then_each_wait_doubles_up_to_the_longest():
    found = waits(PAIR, 40)
    assert found[:4] == [0, 0, 0, 0]
    assert found[4:12] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert found[12:] == sorted(found[12:])
    assert found[-1] == 900


def test_who_guesses_for_a_day_has_some_hundred_tries():
    count, now, tries = NONE, 0.0, 0
    while now < 86_400:
        count = lockout.counted(count, PAIR, now)
        tries += 1
        now = max(now, lockout.until(count, PAIR))
    assert tries < 250


def test_who_mistypes_now_and_then_never_waits():
    assert max(waits(PAIR, 1000, every=900)) == 0


def test_a_name_has_more_free_and_an_address_waits_a_minute_at_most_and_is_soon_forgotten():
    rules = lockout.rules(5, 900.0)
    assert waits(rules.name, 50)[:49] == [0] * 49
    assert waits(rules.name, 50)[-1] == 1
    assert 10 < max(waits(rules.client, 300)) <= 60
    assert max(waits(rules.client, 99, every=1)) == 0
    # A hospital where somebody mistypes every ten seconds, all day.
    assert max(waits(rules.client, 5000, every=10)) == 0
    assert lockout.rules(5, 30.0).client.most == 30


def test_without_seconds_nobody_waits():
    for rule in lockout.rules(5, 0.0):
        assert max(waits(rule, 2000)) == 0


@given(st.lists(st.floats(0, 1e6), max_size=60), st.integers(1, 1000), st.floats(0, 1e6))
def test_whenever_they_come_no_wait_is_longer_than_the_longest(steps, failures, longest):
    for rule in lockout.rules(failures, longest):
        count, now = NONE, 0.0
        for step in steps:
            now += step
            count = lockout.counted(count, rule, now)
            assert 0 <= lockout.level(count, rule, now) <= len(steps)
            assert lockout.until(count, rule) <= now + rule.most
            assert lockout.level(count, rule, now + 1e9) == 0


def test_a_count_that_was_written_by_halves_is_still_a_count():
    for level in (0.0, 1e30, -5.0):
        for at in (0.0, 1e12, -1e12):
            assert lockout.until(Count(level, at), PAIR) <= max(0.0, at + PAIR.most)
            assert lockout.counted(Count(level, at), PAIR, 10.0).level <= 1000


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("192.0.2.7:50000", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6:50000", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9:443", "2001:db8:1:2::/64"),
        ("::1:5000", "::/64"),
        ("::ffff:192.0.2.7:5000", "192.0.2.7"),
        ("fe80::1%eth0:5000", "fe80::/64"),
        ("local", "local"),
        ("", ""),
        ("nonsense:5", "nonsense"),
    ],
)
def test_a_client_is_an_address_or_the_network_of_a_customer(peer, client):
    assert lockout.client(peer) == client
