"""The same writes to annuaire and to OpenLDAP's slapd: the same result codes, the same entries at the end."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import asking
import generated_writes
import pytest
import serving
import slapd_beside
from generated_writes import OUTSIDE, TREE, WRONG_RDNS, Generator, Write

from annuaire.ldap import dn
from annuaire.ldap import schema as schemas
from annuaire.ldap.responses import Result
from annuaire.ldap.results import ResultCode

NIS = Path("/etc/ldap/schema/nis.schema")
SEEDS = range(int(os.environ.get("ANNUAIRE_TEST_SEEDS", "3")))
WRITES = 700

pytestmark = pytest.mark.skipif(
    slapd_beside.SLAPD is None or not NIS.exists(), reason="slapd is not installed (package slapd)"
)


class Difference(NamedTuple):
    """One that is meant: two refusals for two reasons. Never that one server does what the other refuses."""

    why: str
    kinds: tuple[str, ...]
    ours: int | None  # None: whatever it is
    theirs: int | None
    words: tuple[str, ...] = ("",)  # one of these is in the request


ELSEWHERE = tuple([name or generated_writes.ROOT for name in OUTSIDE])
EVERY = ("add", "modify", "delete", "rename", "compare")
MEANT = (
    Difference(
        "RFC 4511 §4.6: a naming value is not removed, by a replacement either", ("modify",), 67, None
    ),
    Difference(
        "a class that nobody knows is no fault of its syntax", ("add", "modify"), None, 21, ("nothing",)
    ),
    Difference(
        "two classes that do not go together are another class than before",
        ("modify",),
        69,
        65,
        ("objectClass",),
    ),
    Difference("no entry has a superior whose name is none", EVERY, None, 34, WRONG_RDNS),
    Difference("outside our trees is nothing, nor is there a referral", EVERY, None, None, ELSEWHERE),
    Difference(
        "what the server keeps can be compared", ("compare",), None, 53, ("entryDN", "subschemaSubentry")
    ),
    Difference("without an equality rule no value is looked at", ("compare",), 18, 21, ("Certificate",)),
    Difference("values without an equality rule are compared as octets", ("modify",), None, 18),
    Difference(
        "a password is prepared before its entry is looked at", ("modify",), None, None, ("userPassword",)
    ),
    Difference("a class is compared by its name", ("compare",), 16, 21, ("objectClass",)),
    Difference(
        "the value of a name is one too many, whatever else is wrong",
        ("add",),
        None,
        None,
        ("add gidNumber",),
    ),
    Difference("a number is the same however it is written", ("compare",), None, 21, ("b'07'", "b'7 '")),
)


class Pair(NamedTuple):
    ours: socket.socket
    theirs: socket.socket


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    variables = {
        "ANNUAIRE_TREES_SUFFIXES": f'["{TREE}"]',
        "ANNUAIRE_SCHEMA_FILES": f'["{NIS}"]',
    }
    with (
        slapd_beside.slapd(tmp_path / "slapd", [*schemas.shipped()[1:], NIS], [TREE]) as slapd,
        serving.serving(tmp_path / "var", **variables) as annuaire,
        annuaire.connect() as ours,
        slapd.connect() as theirs,
    ):
        bind(ours, serving.ADMIN, serving.PASSWORD)
        bind(theirs, f"cn=admin,{TREE}", slapd_beside.PASSWORD)
        yield Pair(ours, theirs)


def asked(connection: socket.socket, request: bytes) -> Result:
    connection.sendall(request)
    answer = asking.read(serving.receive(connection))[-1].operation
    assert isinstance(answer, Result)
    return answer


def bind(connection: socket.socket, name: str, password: str) -> None:
    assert asked(connection, asking.bind(1, name, password)).code == ResultCode.success


def is_meant(write: Write, ours: int, theirs: int) -> bool:
    kind = write.text.partition(" ")[0]
    if ResultCode.success in (ours, theirs):
        return False
    return any(
        kind in one.kinds
        and one.theirs in (None, theirs)
        and one.ours in (None, ours)
        and any(word in write.text for word in one.words)
        for one in MEANT
    )


def entries(connection: socket.socket, schema: schemas.Schema) -> dict[bytes, dict[str, list[object]]]:
    """All entries under the normal forms of their names; values that are names as such, the others as octets."""
    connection.sendall(asking.search(1, base=TREE))
    found: dict[bytes, dict[str, list[object]]] = {}
    for entry in asking.entries(serving.receive(connection)):
        attributes: dict[str, list[object]] = {}
        for description, values in entry.attributes.items():
            known = schema.attribute(description)
            assert known is not None
            if known.key != "userpassword":  # ours are in no answer
                rule = known.equality_rule if known.syntax.endswith("121.1.12") else None
                forms = [value if rule is None else rule.normalise(value) for value in values]
                attributes[schema.canonical(description)] = sorted(forms, key=repr)
        found[dn.key(dn.parse(entry.dn.decode()), schema)] = attributes
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_generated_writes_end_as_in_slapd(pair: Pair, seed: int) -> None:
    schema = schemas.load([*schemas.shipped(), NIS])
    base = {"objectClass": [b"dcObject", b"organization"], "dc": [b"exemple"], "o": [b"Exemple"]}
    generator = Generator(seed)
    writes = [Write(f"add {TREE}", asking.add(0, TREE, base)[5:])]
    writes += [generator.write() for _ in range(WRITES)]
    codes: set[int] = set()
    differences = []
    for write in writes:
        request = asking.message(2, write.operation)
        ours, theirs = asked(pair.ours, request), asked(pair.theirs, request)
        codes.add(ours.code)
        if ours.code != theirs.code and not is_meant(write, ours.code, theirs.code):
            differences.append((write.text, ours.code, theirs.code, ours.text, theirs.text))
    assert differences == []
    assert len(codes) >= 14, "the generator meets few rules"
    left, right = entries(pair.ours, schema), entries(pair.theirs, schema)
    assert left.keys() == right.keys()
    for name in left:
        assert left[name] == right[name], name
    assert len(left) >= 5


def test_nothing_is_put_below_what_is_closed(pair: Pair) -> None:
    """An alias, a subentry, a referral: whatever there is below it is elsewhere or nowhere."""
    base = {"objectClass": [b"dcObject", b"organization"], "dc": [b"exemple"], "o": [b"Exemple"]}
    closed = {
        "alias": {"objectClass": [b"alias", b"extensibleObject"], "aliasedObjectName": [TREE.encode()]},
        "subentry": {"objectClass": [b"subentry"], "subtreeSpecification": [b"{}"]},
        "referral": {"objectClass": [b"referral", b"extensibleObject"], "ref": [b"ldap://a.exemple/"]},
    }
    person = {"objectClass": [b"person"], "sn": [b"a"]}
    # slapd calls a move below a referral `other`, and lets one move below a subentry what it adds there never.
    moved = {"alias": (33, 33), "referral": (71, 80), "subentry": (65, 0)}
    made = [asking.add(2, TREE, base), asking.add(2, f"cn=a,{TREE}", person)]
    made += [
        asking.add(2, f"cn={name},{TREE}", {**entry, "cn": [name.encode()]}) for name, entry in closed.items()
    ]
    for request in made:
        assert asked(pair.ours, request).code == asked(pair.theirs, request).code == ResultCode.success
    for name, code in (("alias", 33), ("referral", 10), ("subentry", 65)):
        below = f"cn={name},{TREE}"
        adding = asking.add(2, f"cn=b,{below}", person)
        assert asked(pair.ours, adding).code == asked(pair.theirs, adding).code == code
        moving = asking.modify_dn(2, f"cn=a,{TREE}", "cn=a", below)
        assert (asked(pair.ours, moving).code, asked(pair.theirs, moving).code) == moved[name]


def test_the_generator_is_the_same_for_a_seed() -> None:
    first, second = generated_writes.Generator(1), generated_writes.Generator(1)
    assert [first.write() for _ in range(50)] == [second.write() for _ in range(50)]
