"""A consumer of content synchronization (RFC 4533), as the standard tells one: what it holds is what it was told."""

from __future__ import annotations

from collections.abc import Sequence

import asking

from annuaire.ldap import ber, controls, sync
from annuaire.ldap.responses import Entry, Intermediate, Response, Result
from annuaire.ldap.sync import State

MESSAGE = 5

Held = dict[bytes, tuple[str, dict[str, list[bytes]]]]


class Consumer:
    """A replica: entries by entryUUID, and the cookie up to which they are true."""

    def __init__(self) -> None:
        self.entries: Held = {}
        self.cookie: bytes | None = None
        self.states: list[tuple[State, str]] = []  # as they came
        self.code: int | None = None
        self.refreshed = 0
        self._told: set[bytes] = set()

    def request(
        self,
        *,
        persist: bool = False,
        base: str = asking.SUFFIX,
        filter_: str = "(objectClass=*)",
        scope: int = 2,
        attributes: Sequence[str] = ("*", "+"),
        number: int = MESSAGE,
        size_limit: int = 0,
        hint: bool = False,
    ) -> bytes:
        self.code = None
        self._told = set()
        return asking.search(
            number,
            filter_,
            base,
            scope,
            attributes,
            size_limit,
            sent=[sync.request(persist, self.cookie, hint)],
        )

    def take(self, data: bytes) -> None:
        for response in asking.read(data):
            self._take(response)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.entries.values()}

    def _take(self, response: Response) -> None:
        operation = response.operation
        if isinstance(operation, Entry):
            self._entry(operation, response)
        elif isinstance(operation, Intermediate):
            assert operation.oid == sync.INFO
            assert operation.value is not None
            self._info(operation.value)
        elif isinstance(operation, Result):
            self.code = operation.code
            for control in response.controls:
                if control.oid == controls.SYNC_DONE:
                    assert control.value is not None
                    self._end(control.value, present_unless_told=True)

    def _entry(self, entry: Entry, response: Response) -> None:
        [control] = response.controls
        assert control.oid == controls.SYNC_STATE
        value = control.value
        assert value is not None
        start, end = ber.expect(value, 0, len(value), ber.SEQUENCE)
        number, position = ber.read_number(value, start, end, 0, 3, "state", ber.ENUMERATED)
        first, last = ber.expect(value, position, end, ber.OCTET_STRING)
        assert last == end
        uuid, state = value[first:last], State(number)
        assert len(uuid) == 16
        self.states.append((state, entry.dn.decode()))
        if state == State.DELETE:
            assert entry.attributes == {}
            self.entries.pop(uuid, None)
            return
        self._told.add(uuid)
        if state != State.PRESENT:
            self.entries[uuid] = (entry.dn.decode(), entry.attributes)

    def _info(self, value: bytes) -> None:
        tag, start, end = ber.read(value, 0, len(value))
        assert end == len(value)
        if tag == 0x80:
            self.cookie = value[start:end]
        elif tag in (0xA1, 0xA2):
            self._end(value, present_unless_told=tag == 0xA2)
            self.refreshed += 1
        else:
            assert tag == 0xA3
            deletes, position = ber.read_boolean(value, start, end)
            assert deletes
            position, end = ber.expect(value, position, end, ber.SET)
            while position < end:
                first, position = ber.expect(value, position, end, ber.OCTET_STRING)
                gone = self.entries.pop(value[first:position], None)
                self.states.append((State.DELETE, "" if gone is None else gone[0]))

    def _end(self, value: bytes, present_unless_told: bool) -> None:
        """The end of a refresh: what was not told to be present is no more, unless deletions were told."""
        _, start, end = ber.read(value, 0, len(value))
        cookie, position = ber.read_optional(value, start, end, ber.OCTET_STRING)
        if position < end:
            told, position = ber.read_boolean(value, position, end)
            present_unless_told = not told
        assert position == end
        assert cookie is not None
        self.cookie = cookie
        if present_unless_told:
            for uuid in self.entries.keys() - self._told:
                self.states.append((State.DELETE, self.entries.pop(uuid)[0]))
