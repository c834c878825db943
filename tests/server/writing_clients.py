"""Clients that write all the time and remember what they were promised, for tests that kill what they talk to.

Each has entries of its own. An answered write is a promise; of one whose connection ended before the answer it is not
known whether it was done, until the entry is read: then it must be as before or as after, and nothing else.
"""

import socket
import threading
import time
from dataclasses import dataclass, field

import asking
import serving

UNKNOWN = -1
# A server that is restarted, on a busy machine.
PATIENCE = 90.0


class EndedError(Exception):
    """The connection ended before the answer."""


@dataclass
class Promises:
    """What is known of the entries of one client: the values that each may have; None: that it does not exist."""

    states: dict[str, set[str | None]] = field(default_factory=dict)
    increments: int = 0
    maybe: int = 0
    acknowledged: int = 0
    refusals: list[str] = field(default_factory=list)


class WritingClient(threading.Thread):
    """Adds, changes, renames and deletes entries below a base, and counts in one that is everybody's."""

    def __init__(self, server: serving.Server, base: str, name: str, until: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.promises = Promises()
        self.reconnected = 0
        self.fault: BaseException | None = None
        self._server = server
        self._base = base
        self._until = until
        self._connection: socket.socket | None = None
        self._number = 0

    def run(self) -> None:
        try:
            step = 0
            while not self._until.is_set():
                self._live(step)
                step += 1
        except BaseException as error:
            self.fault = error
        finally:
            if self._connection is not None:
                self._connection.close()

    def _live(self, step: int) -> None:
        """One entry: added, changed, read back on another connection, every third renamed, every fifth deleted."""
        own = f"cn={self.name}-{step},{self._base}"
        attributes = {"objectClass": [b"inetOrgPerson"], "sn": [b"0"]}
        if not self._write(own, None, "0", asking.add(1, own, attributes)):
            return
        for value in ("1", "2"):
            change = asking.modify(1, own, "sn", [value.encode()])
            if not self._write(own, str(int(value) - 1), value, change):
                return
        self._count()
        if step % 3 == 0:
            self._rename(own, f"cn={self.name}-{step}-renommé,{self._base}")
        elif step % 5 == 0:
            self._write(own, "2", None, asking.delete(1, own))

    def _write(self, name: str, before: str | None, after: str | None, request: bytes) -> bool:
        """Whether it was done before the end."""
        known = self.promises.states
        doubtful = False
        while not self._until.is_set():
            try:
                code = self._ask(request)
            except EndedError:
                known[name] = {before, after}
                found = self.found(name)
                assert found in known[name], f"{name} is {found}, neither {before} nor {after}"
                if found != after:
                    # Not done, so once more; or committed by a worker that died before it could be seen.
                    doubtful = True
                    continue
                code = 0
            if code in (51, 52):
                # The store went in the middle, or what it took is not seen yet: unknown, like without an answer.
                known[name] = {before, after}
                doubtful = True
                time.sleep(0.02)
                continue
            if code != 0 and doubtful and self._becomes(name, after):
                code = 0
            known[name] = {after}
            self.promises.acknowledged += 1
            assert code == 0, f"{name}: {code} from {before} to {after}"
            return True
        return False

    def _rename(self, old: str, new: str) -> None:
        known = self.promises.states
        known[old], known[new] = {"2", None}, {"2", None}
        doubtful = False
        while not self._until.is_set():
            try:
                code = self._ask(asking.modify_dn(1, old, new.partition(",")[0]))
            except EndedError:
                code = 0 if self.found(new) == "2" else 52
            if code in (51, 52):
                doubtful = True
                time.sleep(0.02)
                continue
            assert code == 0 or (doubtful and self._becomes(new, "2")), f"{old}: {code}"
            known[old], known[new] = {None}, {"2"}
            self.promises.acknowledged += 1
            return

    def _count(self) -> None:
        """Add one to a number that all clients add to: an update that is lost would be missed."""
        counter = asking.modify(1, f"cn=compteur,{self._base}", "mailPreferenceOption", [b"1"], operation=3)
        try:
            code = self._ask(counter)
        except EndedError:
            code = UNKNOWN
        if code == 0:
            self.promises.increments += 1
        else:
            self.promises.maybe += 1

    def _becomes(self, name: str, value: str | None) -> bool:
        """Whether a write that seemed not to be done was done after all."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not self._until.is_set():
            if self.found(name) == value:
                return True
            time.sleep(0.05)
        return self.found(name) == value

    def found(self, name: str) -> str | None:
        """What an entry is now, asked until somebody answers."""
        until = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < until, "nobody answers any more"
            try:
                answer = self._exchange(asking.search(1, base=name, scope=0, attributes=["sn"]))
            except EndedError:
                time.sleep(0.05)
                continue
            [(_, code)] = asking.codes(answer)
            if code in (51, 52):
                continue
            assert code in (0, 32), code
            return asking.entries(answer)[0].attributes["sn"][0].decode() if code == 0 else None

    def _ask(self, request: bytes) -> int:
        return asking.codes(self._exchange(request))[-1][1]

    def _exchange(self, request: bytes) -> bytes:
        try:
            if self._connection is None:
                self._connection = self._server.connect()
                self._connection.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD))
                if asking.codes(serving.receive(self._connection)) != [(1, 0)]:
                    raise EndedError
                self.reconnected += 1
            self._connection.sendall(request)
            answer = serving.receive(self._connection)
        except (OSError, KeyError):  # KeyError: the server that starts has not told its ports
            answer = b""
        if not answer or asking.codes(answer)[-1][0] == 0:  # nothing, or a notice of disconnection
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            raise EndedError
        return answer


def kept(server: serving.Server, base: str, clients: list[WritingClient]) -> list[str]:
    """How what is in the directory differs from what was promised; nothing, when all is well."""
    with server.connect() as connection:
        connection.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD))
        serving.receive(connection)
        connection.sendall(asking.search(2, base=base, scope=1, attributes=["sn", "mailPreferenceOption"]))
        found = {one.dn.decode(): one.attributes for one in asking.entries(serving.receive(connection))}
    problems = [f"{client.name}: {client.fault!r}" for client in clients if client.fault is not None]
    for client in clients:
        for name, allowed in client.promises.states.items():
            there = found[name]["sn"][0].decode() if name in found else None
            if there not in allowed:
                problems.append(f"{name} is {there}, promised was {allowed}")
    promised = sum(client.promises.increments for client in clients)
    most = promised + sum(client.promises.maybe for client in clients)
    counted = int(found[f"cn=compteur,{base}"]["mailPreferenceOption"][0])
    if not promised <= counted <= most:
        problems.append(f"counted {counted}, promised {promised} to {most}")
    return problems
