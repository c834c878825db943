"""Generated operations of every kind, with controls, at annuaire and at slapd: the same answers, the same tree."""

from __future__ import annotations

import os
import socket
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asking
import generated_operations
import pytest
import serving
import slapd_beside
import test_writes_beside_slapd as writes
from generated_operations import MANAGE, Operation, Operations
from generated_writes import TREE, WRONG_RDNS, Write

from annuaire.errors import Malformed
from annuaire.ldap import ber, controls, dn, responses
from annuaire.ldap import schema as schemas
from annuaire.ldap.messages import Control
from annuaire.ldap.schema import Schema

SEEDS = range(int(os.environ.get("ANNUAIRE_TEST_SEEDS", "3")))
OPERATIONS = 700
LOOKED_AT_EVERY = 100
SSSVLV = slapd_beside.MODULES / "sssvlv.so"
READS = (controls.PRE_READ, controls.POST_READ)
# Each server's own; an entry's place in the tree is told in a search, and in a read control by slapd alone.
OWN = {
    "entryuuid", "createtimestamp", "modifytimestamp", "creatorsname", "modifiersname", "entrycsn", "numsubordinates",
}  # fmt: skip
OWN_SEARCHES = ('search ""', "search cn=Subschema", "search dc=ailleurs")

pytestmark = pytest.mark.skipif(
    slapd_beside.SLAPD is None or not writes.NIS.exists() or not SSSVLV.exists(),
    reason="slapd with sssvlv and nis.schema",
)

Entry = tuple[bytes, dict[str, list[object]]]


@dataclass
class Said:
    """An answer in a form in which those of both servers are equal."""

    code: int = -1
    text: str = ""
    matched: bytes = b""
    entries: list[Entry] = field(default_factory=list)
    references: set[tuple[bytes, ...]] = field(default_factory=set)
    referrals: tuple[bytes, ...] = ()
    read: dict[str, Entry] = field(default_factory=dict)
    cookie: bytes = b""


class Reading:
    """What an answer says, whatever its spelling."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def key(self, name: bytes) -> bytes:
        try:
            return dn.key(dn.parse(name.decode()), self._schema)
        except Malformed:
            return b"?" + name

    def uri(self, text: bytes) -> bytes:
        """Which host; and where there, when the referral says so: ours tells the name of its own place too."""
        host, _, name = text.split(b"?")[0].removeprefix(b"ldap://").partition(b"/")
        return host if host == b"b.exemple" else host + b"/" + self.key(urllib.parse.unquote_to_bytes(name))

    def entry(self, name: bytes, attributes: dict[str, list[bytes]]) -> Entry:
        found: dict[str, list[object]] = {}
        for description, values in attributes.items():
            known = self._schema.attribute(description)
            assert known is not None
            if known.key in OWN or known.key == "userpassword":  # ours are in no answer
                continue
            rule = known.equality_rule
            named = known.syntax.endswith("121.1.12") or known.key == "objectclass"
            forms = [rule.normalise(value) if named and rule is not None else value for value in values]
            found[self._schema.canonical(description).lower()] = sorted(forms, key=repr)
        return self.key(name), found

    def said(self, data: bytes) -> Said:
        said = Said()
        for answer in asking.read(data):
            operation = answer.operation
            if isinstance(operation, responses.Entry):
                said.entries.append(self.entry(operation.dn, operation.attributes))
            elif isinstance(operation, responses.Reference):
                said.references.add(tuple(sorted(map(self.uri, operation.uris))))
            else:
                assert isinstance(operation, responses.Result)
                said.code, said.text = operation.code, operation.text
                said.matched = self.key(operation.matched)
                # slapd tells a name as it was asked when the referral's own is spelled otherwise.
                said.referrals = tuple(
                    sorted(uri.partition(b"/")[0] for uri in map(self.uri, operation.referrals))
                )
                for control in answer.controls:
                    if control.oid == controls.PAGED_RESULTS:
                        said.cookie = controls.decode_paged_results(control.value).cookie
                    elif control.oid in READS and control.value is not None:
                        [held] = asking.entries(asking.message(1, control.value))
                        name, attributes = self.entry(held.dn, held.attributes)
                        attributes.pop("hassubordinates", None)
                        said.read[control.oid] = name, attributes
        said.entries.sort(key=lambda entry: entry[0])
        return said


class Pair:
    """Both servers, each asked the same."""

    def __init__(self, ours: socket.socket, theirs: socket.socket, schema: Schema) -> None:
        self._ours, self._theirs = ours, theirs
        self._reading = Reading(schema)

    def ask(self, connection: socket.socket, operation: Operation, *more: Control) -> Said:
        connection.sendall(asking.message(2, operation.operation, (*operation.sent, *more)))
        return self._reading.said(serving.receive(connection))

    def both(self, operation: Operation) -> tuple[Said, Said]:
        if operation.tree_delete:
            whole = self.ask(self._ours, operation, Control(controls.TREE_DELETE, True), MANAGE)
            return whole, self._from_the_leaves_up(operation)
        if operation.page:
            return self._paged(self._ours, operation), self._paged(self._theirs, operation)
        if operation.text.endswith(" no-op"):
            # slapd 2.5 has damaged its database by one: ours alone is asked, and then both without it.
            tried = self.ask(self._ours, operation, Control(controls.NO_OPERATION_OPENLDAP, True))
            ours, theirs = self.ask(self._ours, operation), self.ask(self._theirs, operation)
            assert tried.code == (16654 if ours.code == 0 else ours.code), operation.text
            return ours, theirs
        return self.ask(self._ours, operation), self.ask(self._theirs, operation)

    def _paged(self, connection: socket.socket, operation: Operation) -> Said:
        whole = Said()
        while True:
            page = self.ask(connection, operation, controls.paged_results(operation.page, whole.cookie))
            whole.code, whole.matched, whole.text = page.code, page.matched, page.text
            whole.referrals, whole.cookie = page.referrals, page.cookie
            whole.entries += page.entries
            whole.references |= page.references  # slapd tells all of them with every page
            if not whole.cookie:
                whole.entries.sort(key=lambda entry: entry[0])
                return whole

    def _from_the_leaves_up(self, operation: Operation) -> Said:
        """slapd has no control for it."""
        request = asking.search(3, base=operation.tree_delete, attributes=["1.1"], sent=[MANAGE])
        self._theirs.sendall(request)
        names = [entry.dn.decode() for entry in asking.entries(serving.receive(self._theirs))]
        said = None
        for name in sorted(names, key=lambda one: -len(dn.parse(one).rdns)):
            said = self.ask(self._theirs, Operation("", ber.octets(name.encode(), 0x4A), (MANAGE,)))
            assert said.code == 0
        return said or self.ask(self._theirs, operation)

    def tree(self) -> tuple[list[Entry], list[Entry]]:
        whole = Operation("search", _body(asking.search(2, base=TREE)), (MANAGE,))
        return self.ask(self._ours, whole).entries, self.ask(self._theirs, whole).entries


def _body(message: bytes) -> bytes:
    """The operation in a message."""
    _, start, end = ber.read(message, 0, len(message))
    _, _, start = ber.read(message, start, end)
    _, _, end = ber.read(message, start, end)
    return message[start:end]


def is_meant(operation: Operation, ours: Said, theirs: Said) -> bool:
    """Whether two codes differ on purpose: two refusals for two reasons, mostly."""
    codes = ours.code, theirs.code
    kind, text = operation.kind, operation.text
    if kind != "search" and writes.is_meant(Write(text, operation.operation), *codes):
        return True
    below_managed = (
        theirs.code == 10 and ours.code == 32 and (bool(operation.tree_delete) or "manage" in text)
    )
    return (
        # With ManageDsaIT a referral is an entry like others, below which is none; for slapd it is elsewhere then too.
        below_managed
        # Who asks the wrong server is told so, whatever else is wrong with the request.
        or (ours.code == 10 and theirs.code not in (0, 5, 6))
        or (ours.code == 71 and kind == "rename" and theirs.code != 0)
        # A name that nobody can have is nobody's.
        or (codes == (32, 34) and any(wrong in text for wrong in WRONG_RDNS))
        # An entry without attributes is decoded, and has no class.
        or (codes == (65, 2) and kind == "add")
        # What is added is held against the assertion before it is looked whether it is there; it has no entryDN yet.
        or (kind == "add" and ours.code == 122)
    )


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[serving.Server, slapd_beside.Slapd]]:
    folder = tmp_path_factory.mktemp("operations")
    variables = {"ANNUAIRE_TREES_SUFFIXES": f'["{TREE}"]', "ANNUAIRE_SCHEMA_FILES": f'["{writes.NIS}"]'}
    schema: list[Path] = [*schemas.shipped()[1:], writes.NIS]
    with (
        slapd_beside.slapd(folder / "slapd", schema, [TREE], "moduleload sssvlv\noverlay sssvlv") as slapd,
        serving.serving(folder / "var", 2, **variables) as annuaire,
    ):
        yield annuaire, slapd


@pytest.mark.parametrize("seed", SEEDS)
def test_generated_operations_are_answered_as_by_slapd(
    servers: tuple[serving.Server, slapd_beside.Slapd], seed: int
) -> None:
    annuaire, slapd = servers
    schema = schemas.load([*schemas.shipped(), writes.NIS])
    with annuaire.connect() as ours, slapd.connect() as theirs:
        writes.bind(ours, serving.ADMIN, serving.PASSWORD)
        writes.bind(theirs, f"cn=admin,{TREE}", slapd_beside.PASSWORD)
        pair = Pair(ours, theirs, schema)
        base = {"objectClass": [b"dcObject", b"organization"], "dc": [b"exemple"], "o": [b"Exemple"]}
        pair.both(Operation(f"add {TREE}", _body(asking.add(1, TREE, base))))
        generator = Operations(seed)
        found = 0
        for number in range(OPERATIONS):
            operation = generator.step()
            said = pair.both(operation)
            compare(operation, *said)
            if said[1].text == "DN index add failed":
                break  # a fault of slapd 2.5, behind which they are two trees
            found += len(said[0].entries)
            if number % LOOKED_AT_EVERY == 0:
                mine, other = pair.tree()
                assert mine == other
        assert found > OPERATIONS / 10
        pair.both(Operation("tree-delete", ber.octets(TREE.encode(), 0x4A), tree_delete=TREE))


def compare(operation: Operation, ours: Said, theirs: Said) -> None:
    text = operation.text
    if text.startswith(OWN_SEARCHES):
        return
    if ours.code != theirs.code:
        if theirs.text == "DN index add failed":
            return
        assert is_meant(operation, ours, theirs), (text, ours, theirs)
        return
    if operation.kind != "rename":  # of which slapd tells no superior
        assert ours.matched == theirs.matched, text
    assert ours.referrals == theirs.referrals, text
    if ours.code == 4:  # which of them is nobody's promise
        assert len(ours.entries) == len(theirs.entries), text
        return
    if " sorted " not in text:  # slapd then forgets them
        assert ours.references == theirs.references, text
    if " values " in text:  # an attribute without a value that matches: RFC 3876 keeps it, slapd does not
        for _, attributes in (*ours.entries, *theirs.entries):
            for name in [name for name, values in attributes.items() if not values]:
                del attributes[name]
    assert ours.entries == theirs.entries, text
    assert ours.read == theirs.read, text


def test_the_generator_is_the_same_for_a_seed() -> None:
    first, second = generated_operations.Operations(1), generated_operations.Operations(1)
    assert [first.step() for _ in range(50)] == [second.step() for _ in range(50)]
