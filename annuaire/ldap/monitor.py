"""cn=Monitor: the server's own figures as entries, for administrators, in the form that OpenLDAP's tools expect.

The names are those of OpenLDAP's monitor backend, with cn=Workers and cn=Index of our own; figures are operational
attributes, as there, and must be asked for (`+`). For everybody else the names are absent like any that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from annuaire.errors import Malformed
from annuaire.ldap import assertion, ber, controls, evaluation, messages, responses
from annuaire.ldap import dn as names
from annuaire.ldap.controls import encode_controls, sort_response
from annuaire.ldap.directory import Found
from annuaire.ldap.messages import Control, Message, SearchRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema
from annuaire.ldap.search_controls import Asked, matched
from annuaire.ldap.search_controls import read as read_controls
from annuaire.ldap.selection import Selection

ROOT = "cn=Monitor"
# The operations counted, by OpenLDAP's names.
OPERATIONS = ("Bind", "Search", "Compare", "Modify", "Modrdn", "Add", "Delete", "Extended")


@dataclass(frozen=True, slots=True)
class Worker:
    """What one worker has done."""

    number: int
    process: int
    started: str  # GeneralizedTime
    connections: int
    connections_in_all: int
    operations: Mapping[str, int]  # by name


@dataclass(frozen=True, slots=True)
class Figures:
    """What the server says of itself at one moment."""

    version: str
    now: str  # GeneralizedTime
    started: str
    uptime: int  # seconds
    workers: Sequence[Worker]
    contexts: Sequence[str]  # naming contexts
    listeners: Sequence[str]  # protocol and endpoint
    change: int  # the last one that the index contains
    index: Mapping[str, int] = field(default_factory=dict)  # further figures of the index, by name
    store: bool | None = None  # whether the store answered lately; None: nobody asked it


class Monitor:
    """Answers about cn=Monitor."""

    def __init__(self, schema: Schema, figures: Callable[[], Figures]) -> None:
        self._schema = schema
        self._figures = figures
        self._root = names.key(names.parse(ROOT), schema)

    def holds(self, key: bytes) -> bool:
        """Whether a name is cn=Monitor or lies below it."""
        return names.is_within(key, self._root)

    def entry(self, key: bytes) -> Found | None:
        """The entry of that name, with everything."""
        return self._by_key().get(key)

    def _by_key(self) -> dict[bytes, Found]:
        return {names.key(names.parse(found.dn), self._schema): found for found in entries(self._figures())}

    def answer(self, message: Message, key: bytes) -> bytes:
        """The answer to a search whose base has that key, which `holds`."""
        request, number = message.operation, message.message_id
        assert isinstance(request, SearchRequest)
        try:
            asked = read_controls(message.controls)
        except Malformed as error:
            return _done(number, ResultCode.protocolError, text=error.public)
        found = self._by_key()
        if key not in found:
            above = [one.dn for other, one in found.items() if names.is_within(key, other)]
            return _done(number, ResultCode.noSuchObject, matched=max(above, key=len, default=""))
        base = found[key]
        everything = {**base.attributes, **base.operational}
        if not assertion.holds(asked.assertion, base.dn, everything, self._schema):
            return _done(number, ResultCode.assertionFailed, text=assertion.FAILED)
        code, response = _controlled(asked)
        if code != ResultCode.success:
            return _done(number, code, text="cn=Monitor is not sorted", response=response)
        chosen = [
            one
            for other, one in found.items()
            if _within(other, key, request.scope)
            and self._matches(one, request)
            and not asked.scene.subentries
        ]
        if request.size_limit and len(chosen) > request.size_limit:
            chosen, code = chosen[: request.size_limit], ResultCode.sizeLimitExceeded
        sent = [self._encoded(one, request, asked, number) for one in chosen]
        return b"".join(sent) + _done(number, code, response=response)

    def _matches(self, found: Found, request: SearchRequest) -> bool:
        everything = {**found.attributes, **found.operational}
        return evaluation.evaluate(request.filter, names.parse(found.dn), everything, self._schema) is True

    def _encoded(self, found: Found, request: SearchRequest, asked: Asked, number: int) -> bytes:
        selection = Selection.of(request.attributes, self._schema)
        selected: dict[str, Sequence[bytes]] = {}
        for operational, attributes in ((False, found.attributes), (True, found.operational)):
            for description, values in attributes.items():
                wanted = selection.wanted(description, operational)
                if wanted is not None:
                    selected[wanted] = () if request.types_only else values
        kept = matched(asked, selected, request.types_only, self._schema)
        return responses.search_entry(number, found.dn.encode(), ber.encode_attributes(kept))


def entries(figures: Figures) -> list[Found]:
    """All the entries, parents first."""
    made = _Made(figures)
    made.add("", "monitorServer", "", monitoredInfo=[figures.version])
    counted = figures.workers
    made.container("Connections")
    made.counter("Total,cn=Connections", sum(one.connections_in_all for one in counted))
    made.counter("Current,cn=Connections", sum(one.connections for one in counted))
    made.add("Databases", "monitorContainer", "Databases", namingContexts=list(figures.contexts))
    made.container("Index")
    made.counter("Change,cn=Index", figures.change)
    for name, count in figures.index.items():
        made.counter(f"{name},cn=Index", count)
    made.container("Listeners")
    for place, listener in enumerate(figures.listeners):
        name = f"Listener {place}"
        made.add(f"{name},cn=Listeners", "monitoredObject", name, monitoredInfo=[listener])
    done = {name: sum(one.operations.get(name, 0) for one in counted) for name in OPERATIONS}
    made.operations("Operations", "Operations", sum(done.values()), "monitorContainer")
    for name, count in done.items():
        made.operations(f"{name},cn=Operations", name, count)
    made.container("Store")
    if figures.store is not None:
        reachable = "TRUE" if figures.store else "FALSE"
        made.add("Reachable,cn=Store", "monitoredObject", "Reachable", monitoredInfo=[reachable])
    made.container("Time")
    made.add("Current,cn=Time", "monitoredObject", "Current", monitorTimestamp=[figures.now])
    made.add("Start,cn=Time", "monitoredObject", "Start", monitorTimestamp=[figures.started])
    made.add("Uptime,cn=Time", "monitoredObject", "Uptime", monitoredInfo=[str(figures.uptime)])
    made.container("Workers")
    for one in counted:
        name = f"Worker {one.number}"
        above = f"{name},cn=Workers"
        info = [f"process {one.process}"]
        made.add(above, "monitorContainer", name, monitoredInfo=info, monitorTimestamp=[one.started])
        made.counter(f"Connections,cn={above}", one.connections)
        made.operations(f"Operations,cn={above}", "Operations", sum(one.operations.values()))
    return made.finished()


class _Made:
    """The entries as they are added."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._found: list[Found] = []

    def add(self, place: str, kind: str, name: str, **told: list[str]) -> None:
        """An entry at a place below cn=Monitor: without its first `cn=` and its last RDN."""
        dn = f"cn={place},{ROOT}" if place else ROOT
        shown = {"objectClass": ["top", "monitor", kind], "cn": [name or "Monitor"]}
        operational = {
            **told,
            "structuralObjectClass": [kind],
            "createTimestamp": [self._figures.started],
            "modifyTimestamp": [self._figures.now],
            "entryDN": [dn],
            "subschemaSubentry": ["cn=Subschema"],
        }
        self._found.append(Found(dn, _encoded(shown), _encoded(operational)))

    def container(self, name: str) -> None:
        self.add(name, "monitorContainer", name)

    def counter(self, place: str, count: int) -> None:
        self.add(place, "monitorCounterObject", place.partition(",")[0], monitorCounter=[str(count)])

    def operations(self, place: str, name: str, count: int, kind: str = "monitorOperation") -> None:
        # One is begun when the one before has been answered, so what is counted is both.
        counted = [str(count)]
        self.add(place, kind, name, monitorOpInitiated=counted, monitorOpCompleted=counted)

    def finished(self) -> list[Found]:
        parents = [found.dn.partition(",")[2] for found in self._found]
        for found in self._found:
            below = parents.count(found.dn)
            found.operational["hasSubordinates"] = [b"TRUE" if below else b"FALSE"]
        return self._found


def _encoded(attributes: Mapping[str, Sequence[str]]) -> dict[str, list[bytes]]:
    return {name: [value.encode() for value in values] for name, values in attributes.items() if values}


def _within(key: bytes, base: bytes, scope: int) -> bool:
    if scope == messages.BASE:
        return key == base
    if scope == messages.ONE_LEVEL:
        return names.parent_key(key) == base
    return names.is_within(key, base) and not (scope == messages.SUBORDINATES and key == base)


def _controlled(asked: Asked) -> tuple[ResultCode, list[Control]]:
    """These few entries are one page; they are not sorted."""
    response = []
    code = ResultCode.success
    if asked.keys is not None:
        response.append(sort_response(ResultCode.unwillingToPerform))
        if asked.sort_critical:
            code = ResultCode.unavailableCriticalExtension
    if asked.view is not None:
        code = ResultCode.unwillingToPerform
    if asked.page is not None:
        response.append(controls.paged_results(0, b""))
    return code, response


def _done(
    number: int, code: int, matched: str = "", text: str = "", response: Sequence[Control] = ()
) -> bytes:
    return responses.result(
        number, responses.SEARCH_DONE, code, matched.encode(), text, controls=encode_controls(response)
    )
