"""The answers of fixtures/clients are right: a slow, obvious search over the fixture people gives the same.

The requests themselves are sent to the real server by the tests of the server.
"""

import re

import fixture_clients
import obvious_search
import pytest

CASES = [
    pytest.param(request, answer, id=f"{path.stem}: {request.name}")
    for path in fixture_clients.clients()
    for request, answer in fixture_clients.load(path)
]


def about_people(request: fixture_clients.Request) -> bool:
    """Leave out what asks the server about itself."""
    return request.base != "cn=Subschema" and not (request.base == "" and request.scope == 0)


@pytest.fixture(params=[frozenset({"mail"}), frozenset()], ids=["addresses by case", "addresses as names"])
def _both_foldings_of_addresses(request, monkeypatch):
    monkeypatch.setattr(obvious_search, "ADDRESSES", request.param)
    if not request.param:
        monkeypatch.setattr(obvious_search, "NAMES", obvious_search.NAMES | {"mail"})


@pytest.mark.usefixtures("_both_foldings_of_addresses")
@pytest.mark.parametrize(("request_", "answer"), [case for case in CASES if about_people(case.values[0])])
def test_the_written_answer_is_what_an_obvious_search_finds(request_, answer):
    administrator = request_.bind == "admin"
    directory = obvious_search.stored() if administrator else obvious_search.sphere()
    if administrator:  # beside what is written there lies what is computed, which is not looked at here
        assert request_.base.lower().endswith("ou=apicrypt,o=apicrypt,c=fr") or request_.scope < 2
    found = {
        obvious_search.reference(directory, dn): directory[dn]
        for dn in obvious_search.search(directory, request_.base, request_.scope, request_.filter)
    }
    if answer.window:
        found = window(request_, answer, found)
    if answer.result == 32:
        assert found == {}
    elif answer.result == 12:
        assert any(control.critical for control in request_.controls)
    elif answer.result == 4:
        assert answer.count == request_.size < len(found)
        check_the_best_ones(request_, answer, found)
    else:
        assert answer.result == 0
        assert not request_.size or len(found) <= request_.size
        assert answer.count == len(found)
        if answer.dns is not None:
            assert sorted(answer.dns) == sorted(found)
        if answer.attributes is not None:
            met = obvious_search.descriptions(list(found.values()), request_.attributes)
            assert answer.attributes - {"hassubordinates"} == met
    if answer.order:
        key, reverse = request_.sort
        keys = [obvious_search.sort_key(key, found[name]) for name in answer.dns]
        assert keys == sorted(keys, reverse=reverse)
    if answer.pages:
        assert sum(answer.pages) == len(found)


def window(request_, answer, found):
    """Check the place of a window in the whole list; the entries that it shows."""
    key, reverse = request_.sort
    ordered = sorted(obvious_search.sort_key(key, entry) for entry in found.values())
    assert not reverse
    before, after, target = request_.window
    if isinstance(target, str):
        target = 1 + sum(one < obvious_search.fold(key, target) for one in ordered)
    assert answer.window == (target, len(ordered))
    shown = ordered[max(0, target - 1 - before) : target + after]
    assert [obvious_search.sort_key(key, found[name]) for name in answer.dns] == shown
    return {name: found[name] for name in answer.dns}


def check_the_best_ones(request_, answer, found):
    typed = re.search(r"\(cn=\*?([^*)]+)\*\)", request_.filter)[1]
    ranks = {name: obvious_search.rank(typed, entry) for name, entry in found.items()}
    worst = sorted(ranks.values())[request_.size - 1]
    assert set(answer.surely) <= {name for name in found if ranks[name] <= worst}
    assert {name for name in found if ranks[name] < worst} <= set(answer.surely)
    assert set(answer.surely) | set(answer.perhaps) == {name for name in found if ranks[name] <= worst}
    assert len(answer.surely) <= request_.size <= len(answer.surely) + len(answer.perhaps)


def test_nobody_is_answered_a_password():
    for case in CASES:
        answer = case.values[1]
        assert "userpassword" not in (answer.attributes or set()) | answer.at_least


def test_every_client_of_the_reference_is_there():
    names = {path.stem for path in fixture_clients.clients()}
    assert {"thunderbird", "outlook", "apple", "evolution", "roundcube", "sogo", "lbdb"} <= names
    assert {"jndi", "ldap3", "postfix", "exim", "dirmngr"} <= names


def test_control_values_are_those_that_clients_send():
    (sort,) = fixture_clients.load_requests(fixture_clients.FOLDER / "sogo.in")[4].controls
    assert sort.critical
    assert sort.value == bytes.fromhex("3010 300e 0402 636e 8008 322e352e31332e33".replace(" ", ""))
    assert fixture_clients.paged_value(30, b"") == bytes.fromhex("3005 02011e 0400".replace(" ", ""))
    assert fixture_clients.paged_value(200, b"ab") == bytes.fromhex("3008 020200c8 04026162".replace(" ", ""))
