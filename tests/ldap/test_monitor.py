"""cn=Monitor: figures as entries, by OpenLDAP's names, searched as entries are."""

import asking
import pytest
from session_client import SCHEMA, key

from annuaire.ldap import ber, controls, filters, messages, monitor, responses, virtual_list
from annuaire.ldap.controls import SortKey
from annuaire.ldap.messages import Control, Message, SearchRequest
from annuaire.ldap.monitor import Figures, Monitor, Worker
from annuaire.ldap.results import ResultCode

WORKERS = [
    Worker(0, 101, "20261123100000Z", 3, 40, {"Search": 500, "Bind": 7}),
    Worker(1, 102, "20261123100500Z", 4, 50, {"Search": 600, "Add": 2}),
]
FIGURES = Figures(
    "annuaire 1",
    "20261123110000Z",
    "20261123100000Z",
    3600,
    WORKERS,
    ["o=apicrypt,c=FR"],
    ["ldap tcp:389"],
    812,
    {"Base": 500_000},
    True,
)
MONITOR = Monitor(SCHEMA, lambda: FIGURES)


def ask(
    text: str = "(objectClass=*)",
    base: str = "cn=Monitor",
    scope: int = messages.SUBTREE,
    attributes: tuple[str, ...] = ("*", "+"),
    size: int = 0,
    *sent: Control,
) -> tuple[dict[str, dict[str, list[bytes]]], responses.Result, dict[str, bytes | None]]:
    names = tuple(name.encode() for name in attributes)
    request = SearchRequest(base.encode(), scope, 0, size, 0, False, filters.parse(text), names)
    answers = asking.read(MONITOR.answer(Message(3, request, sent), key(base)))
    found = {one.operation.dn.decode(): one.operation.attributes for one in answers[:-1]}
    last = answers[-1]
    assert isinstance(last.operation, responses.Result)
    return found, last.operation, {control.oid: control.value for control in last.controls}


def counter(name: str) -> int:
    found, _, _ = ask(base=f"cn={name},cn=Monitor", scope=messages.BASE)
    (entry,) = found.values()
    value = entry.get("monitorCounter") or entry["monitorOpCompleted"]
    return int(value[0])


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("Total,cn=Connections", 90),
        ("Current,cn=Connections", 7),
        ("Operations", 1109),
        ("Search,cn=Operations", 1100),
        ("Add,cn=Operations", 2),
        ("Delete,cn=Operations", 0),
        ("Change,cn=Index", 812),
        ("Base,cn=Index", 500_000),
        ("Connections,cn=Worker 1,cn=Workers", 4),
        ("Operations,cn=Worker 0,cn=Workers", 507),
    ],
)
def test_figures_are_those_of_all_workers_and_of_each(name: str, count: int) -> None:
    assert counter(name) == count


def test_time_and_names_are_where_tools_look_for_them() -> None:
    found, _, _ = ask()
    assert found["cn=Uptime,cn=Time,cn=Monitor"]["monitoredInfo"] == [b"3600"]
    assert found["cn=Start,cn=Time,cn=Monitor"]["monitorTimestamp"] == [b"20261123100000Z"]
    assert found["cn=Monitor"]["objectClass"] == [b"top", b"monitor", b"monitorServer"]
    assert found["cn=Databases,cn=Monitor"]["namingContexts"] == [b"o=apicrypt,c=FR"]
    assert found["cn=Reachable,cn=Store,cn=Monitor"]["monitoredInfo"] == [b"TRUE"]


def test_every_class_and_attribute_is_in_the_schema() -> None:
    found, _, _ = ask()
    for attributes in found.values():
        for name in attributes:
            assert SCHEMA.attribute(name) is not None, name
        for value in attributes["objectClass"]:
            assert SCHEMA.object_class(value.decode()) is not None, value


def test_figures_are_operational() -> None:
    found, _, _ = ask(attributes=())
    assert all("monitorCounter" not in attributes for attributes in found.values())
    found, _, _ = ask(attributes=("monitorCounter",), base="cn=Connections,cn=Monitor")
    assert {"monitorCounter": [b"90"]} in found.values()
    assert {} in found.values()


def test_filters_scopes_and_limits_are_those_of_any_search() -> None:
    assert set(ask("(monitorCounter>=90)")[0]) >= {"cn=Total,cn=Connections,cn=Monitor"}
    one = ask(scope=messages.ONE_LEVEL)[0]
    assert "cn=Monitor" not in one
    assert all(name.count(",") == 1 for name in one)
    assert set(ask(scope=messages.BASE)[0]) == {"cn=Monitor"}
    found, result, _ = ask("(objectClass=*)", "cn=Monitor", messages.SUBTREE, ("1.1",), 4)
    assert (len(found), result.code) == (4, ResultCode.sizeLimitExceeded)
    below = {name for name, attributes in ask()[0].items() if attributes["hasSubordinates"] == [b"TRUE"]}
    assert {"cn=Monitor", "cn=Workers,cn=Monitor", "cn=Worker 0,cn=Workers,cn=Monitor"} <= below
    assert "cn=Current,cn=Connections,cn=Monitor" not in below


def test_a_name_that_is_not_there_has_the_nearest_above() -> None:
    found, result, _ = ask(base="cn=x,cn=Absent,cn=Time,cn=Monitor")
    assert (found, result.code, result.matched) == ({}, ResultCode.noSuchObject, b"cn=Time,cn=Monitor")


def test_controls_are_answered() -> None:
    page = controls.paged_results(5, b"")
    found, result, response = ask("(objectClass=*)", "cn=Monitor", 2, ("1.1",), 0, page)
    assert (result.code, len(found) > 10) == (0, True)
    assert response[controls.PAGED_RESULTS] == controls.paged_results(0, b"").value
    sort = controls.sort_request([SortKey("cn")], True)
    assert ask("(cn=*)", "cn=Monitor", 2, (), 0, sort)[1].code == ResultCode.unavailableCriticalExtension
    view = virtual_list.request(virtual_list.View(0, 3, 1), True)
    assert ask("(cn=*)", "cn=Monitor", 2, (), 0, sort, view)[1].code == ResultCode.unwillingToPerform
    broken = Control(controls.PAGED_RESULTS, True, b"x")
    assert ask("(cn=*)", "cn=Monitor", 2, (), 0, broken)[1].code == ResultCode.protocolError
    items = ber.sequence([asking.encoded(filters.parse("(cn=Mon*)"))])
    kept, _, _ = ask("(cn=*)", "cn=Monitor", 0, ("cn",), 0, Control(controls.MATCHED_VALUES, True, items))
    assert kept == {"cn=Monitor": {"cn": [b"Monitor"]}}


def test_what_is_monitored_is_below_one_name() -> None:
    assert MONITOR.holds(key("CN=monitor"))
    assert MONITOR.holds(key("cn=x,cn=Monitor"))
    assert not MONITOR.holds(key("o=apicrypt,c=FR"))
    assert not MONITOR.holds(key("cn=Monitors"))
    assert MONITOR.entry(key("cn=Absent,cn=Monitor")) is None
    assert monitor.ROOT == "cn=Monitor"


def test_a_search_of_it_may_assert_what_its_base_is() -> None:
    base = "cn=Total,cn=Connections,cn=Monitor"
    for asserted, code in (("(monitorCounter=90)", 0), ("(monitorCounter=91)", 122)):
        found, last, _ = ask(
            "(objectClass=*)", base, messages.BASE, ("*", "+"), 0, asking.asserting(asserted)
        )
        assert (last.code, len(found)) == (code, int(not code))
    _, last, _ = ask("(objectClass=*)", "cn=absent,cn=Monitor", 0, ("*",), 0, asking.asserting("(|)"))
    assert last.code == ResultCode.noSuchObject


def test_what_lies_below_it_is_found_without_it() -> None:
    found, _, _ = ask(scope=messages.SUBORDINATES, base="cn=Workers,cn=Monitor")
    assert found
    assert "cn=Workers,cn=Monitor" not in found
    assert all(name.endswith(",cn=Workers,cn=Monitor") for name in found)
