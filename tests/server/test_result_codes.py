"""Every result code that can occur (RFC 4511 §4.1.9, RFC 3909, 4370, 4528, the VLV and no-op drafts), provoked.

One table: the code, what is done on a real server, what the text must say. Beside it those that never occur, and why.
"""

import contextlib
import fcntl
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import asking
import pytest
import serving
from waiting import until

from annuaire.index.folder import IndexFolder
from annuaire.ldap import ber, capabilities, controls, sync
from annuaire.ldap.messages import Control
from annuaire.ldap.responses import Result
from annuaire.ldap.results import ResultCode

CERTIFICATES = Path(__file__).parents[2] / "scripts" / "make_certificates"
TREE = "o=etablissement"
BASE = f"ou=codes,ou=apicrypt,{serving.SUFFIX}"
PERSON = f"cn=Personne,{BASE}"
GROUP = f"cn=Groupe,{BASE}"
USER = f"uid=abonne,{BASE}"
ELSEWHERE = f"ou=ailleurs,{BASE}"
SECRET = "un-mot-de-passe-assez-long"
PEOPLE = 300


@dataclass
class World:
    """Servers that differ in what they allow."""

    ordinary: serving.Server
    strict: serving.Server
    broken: serving.Server

    def ask(
        self, *requests: bytes, who: str = serving.ADMIN, at: str = "ordinary", all_at_once: bool = False
    ) -> Result:
        """The answer to the last request, after a bind; `all_at_once`: in one packet."""
        server: serving.Server = getattr(self, at)
        with self.encrypted(server) if who and at == "strict" else server.connect() as connection:
            if who:
                password = serving.PASSWORD if who == serving.ADMIN else SECRET
                connection.sendall(asking.bind(1000, who, password))
                assert asking.codes(serving.receive(connection)) == [(1000, 0)]
            if all_at_once:
                connection.sendall(b"".join(requests))
                answers = asking.read(serving.receive(connection, len(requests)))
                wanted = max(one.message_id for one in answers)
                [last] = [
                    one.operation
                    for one in answers
                    if one.message_id == wanted and isinstance(one.operation, Result)
                ]
                return last
            for request in requests:
                connection.sendall(request)
                answers = asking.read(serving.receive(connection))
        assert isinstance(answers[-1].operation, Result)
        return answers[-1].operation

    def encrypted(self, server: serving.Server) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.ordinary.state.parent / "ca" / "ca.pem")
        return context.wrap_socket(server.connect("ldaps"), server_hostname="localhost")

    def modify(
        self, attribute: str, *values: bytes, operation: int = 2, sent: tuple[Control, ...] = ()
    ) -> Result:
        return self.ask(asking.modify(1, PERSON, attribute, list(values), operation, sent))

    def add(self, name: str, **attributes: bytes) -> Result:
        given = {"objectClass": [b"person"], "sn": [b"a"], "cn": [b"a"]}
        return self.ask(asking.add(1, name, given | {key: [value] for key, value in attributes.items()}))


def cancel(number: int, cancelled: int) -> bytes:
    return asking.extended(number, capabilities.CANCEL, ber.sequence([ber.integer(cancelled)]))


def canceled(world: World) -> Result:
    """A search that waits for changes, until somebody cancels it: the answer of the search."""
    with world.ordinary.connect() as connection:
        connection.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD))
        serving.receive(connection)
        connection.sendall(asking.search(2, base=BASE, scope=0, sent=[sync.request(persist=True)]))
        while b"\x79" not in connection.recv(65536):  # until it is told that the refresh is over
            pass
        connection.sendall(cancel(3, 2))
        answer = serving.receive(connection, 2)
    assert asking.codes(answer) == [(2, 118), (3, 0)]
    return asking.read(answer)[-2].operation


def too_late(world: World) -> Result:
    """The cancel of a write that waits for the store, which another process is writing to."""
    with world.ordinary.connect() as connection, (world.ordinary.state / "write.lock").open() as lock:
        connection.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD))
        serving.receive(connection)
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection.sendall(asking.modify(2, PERSON, "sn", [b"a"]))
        # What comes in the same packet can still be undone. Some systems do not tell who waits: they are given time.
        with contextlib.suppress(AssertionError):
            until(lambda: waited_for(lock), seconds=5)
        connection.sendall(cancel(4, 2))
        first = serving.receive(connection)
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert asking.codes(serving.receive(connection)) == [(2, 0)]
    return asking.read(first)[-1].operation


def waited_for(lock: IO[str]) -> bool:
    """Whether somebody waits for a lock, as the system tells it."""
    inode = f":{os.fstat(lock.fileno()).st_ino} "
    return any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


def busy(world: World) -> Result:
    """Strangers, while somebody who hid is not hidden in the index yet."""
    folder = IndexFolder(world.ordinary.state / "index")
    before = folder.hidden_until()
    folder.hide_until(1 << 40)
    try:
        return world.ask(asking.search(1, "(sn=a)"), who="")
    finally:
        folder.hide_until(before)


def unavailable(world: World) -> Result:
    return world.ask(
        asking.add(1, f"ou=x,ou=apicrypt,{serving.SUFFIX}", {"objectClass": [b"organizationalUnit"]}),
        at="broken",
    )


def operations_error(world: World) -> Result:
    """StartTLS where there is TLS already."""
    with world.encrypted(world.ordinary) as secure:
        secure.sendall(asking.extended(1, capabilities.START_TLS))
        return asking.read(serving.receive(secure))[-1].operation


def view(*, offset: int = 1, content: int = 0) -> Control:
    """A window of three entries of a virtual list."""
    by_offset = ber.tlv(0xA0, ber.integer(offset) + ber.integer(content))
    return Control(controls.VLV_REQUEST, True, ber.sequence([ber.integer(1), ber.integer(1), by_offset]))


def sorted_by(name: str) -> Control:
    return Control(controls.SORT_REQUEST, False, ber.sequence([ber.sequence([ber.octets(name.encode())])]))


def slow(world: World) -> Result:
    """More terms for more entries than anybody looks at in a millisecond."""
    terms = "".join(f"(cn:dn:=x{number})" for number in range(900))
    return world.ask(asking.search(1, f"(|{terms})"), at="strict")


PAIRS: list[tuple[int, str, Callable[[World], Result], str]] = [
    (0, "a search", lambda w: w.ask(asking.search(1)), ""),
    (1, "StartTLS inside TLS", operations_error, "TLS is already there"),
    (2, "a bind of version 4", lambda w: w.ask(asking.bind(1, "", "", version=4), who=""), "version"),
    (2, "an extended operation that does not exist", lambda w: w.ask(asking.extended(1, "1.2.3")), "1.2.3"),
    (
        2,
        "a control that is no control",
        lambda w: w.ask(asking.search(1, sent=[Control(controls.PAGED_RESULTS, True, b"x")])),
        "",
    ),
    (2, "a scope that does not exist", lambda w: w.ask(asking.search(1, scope=9)), "scope"),
    (3, "a search without end", slow, ""),
    (4, "a search for one entry of many", lambda w: w.ask(asking.search(1, size_limit=1)), ""),
    (5, "a comparison that does not hold", lambda w: w.ask(asking.compare(1, PERSON, "sn", b"b")), ""),
    (6, "a comparison that holds", lambda w: w.ask(asking.compare(1, PERSON, "sn", b"A")), ""),
    (7, "a SASL mechanism that does not exist", lambda w: w.ask(asking.sasl(1, "NTLM"), who=""), ""),
    (8, "a search of nobody", lambda w: w.ask(asking.search(1), who="", at="strict"), "bind first"),
    (10, "a name below a referral", lambda w: w.ask(asking.search(1, base=f"cn=x,{ELSEWHERE}")), ""),
    (10, "a write at a referral", lambda w: w.ask(asking.delete(1, ELSEWHERE)), ""),
    (11, "a name that is too long", lambda w: w.add(f"cn={'a' * 3000},{BASE}"), "longer than"),
    (
        12,
        "a critical control that does not exist",
        lambda w: w.ask(asking.search(1, sent=[Control("1.2.3", True)])),
        "1.2.3",
    ),
    (
        13,
        "a password in clear where TLS is required",
        lambda w: w.ask(asking.bind(1, USER, SECRET), who="", at="strict"),
        "TLS",
    ),
    (
        14,
        "the first step of SCRAM",
        lambda w: w.ask(asking.sasl(1, "SCRAM-SHA-256", b"n,,n=admin,r=abcdef"), who=""),
        "",
    ),
    (16, "deleting what is not there", lambda w: w.modify("title", operation=1), "title"),
    (16, "comparing what is not there", lambda w: w.ask(asking.compare(1, PERSON, "title", b"x")), ""),
    (17, "an attribute that does not exist", lambda w: w.modify("couleur", b"bleu"), "couleur"),
    (
        18,
        "comparing what has no equality rule",
        lambda w: w.ask(asking.compare(1, PERSON, "jpegPhoto", b"x")),
        "jpegPhoto",
    ),
    (19, "two values where one may be", lambda w: w.modify("displayName", b"a", b"b"), "displayName"),
    (
        19,
        "writing what the server alone keeps",
        lambda w: w.modify("createTimestamp", b"20260101000000Z"),
        "createTimestamp",
    ),
    (20, "adding a value that is there", lambda w: w.modify("sn", b"A", operation=0), "sn"),
    (21, "a value that its syntax forbids", lambda w: w.modify("seeAlso", b"not a name"), "seeAlso"),
    (32, "what does not exist", lambda w: w.ask(asking.delete(1, f"cn=Absent,{BASE}")), ""),
    (32, "an entry whose parent does not exist", lambda w: w.add(f"cn=a,ou=x,{BASE}"), "parent"),
    (34, "what is no name", lambda w: w.ask(asking.search(1, base="not a name")), ""),
    (
        48,
        "an anonymous bind where nobody is allowed",
        lambda w: w.ask(asking.bind(1), who="", at="strict"),
        "anonymous",
    ),
    (49, "a wrong password", lambda w: w.ask(asking.bind(1, USER, "wrong"), who=""), ""),
    (49, "nobody's password", lambda w: w.ask(asking.bind(1, f"cn=Nobody,{BASE}", "wrong"), who=""), ""),
    (50, "a write of a stranger", lambda w: w.ask(asking.delete(1, PERSON), who=""), "bind first"),
    (
        50,
        "a write of a user at another's entry",
        lambda w: w.ask(asking.delete(1, PERSON), who=USER),
        "administrators",
    ),
    (
        50,
        "a user who names themselves",
        lambda w: w.ask(asking.modify(1, USER, "sn", [b"x"]), who=USER),
        "sn",
    ),
    (51, "a search of strangers while somebody hides", busy, "updated"),
    (52, "a write while the store is away", unavailable, "store"),
    (53, "a name without a password", lambda w: w.ask(asking.bind(1, USER, ""), who=""), "password"),
    (
        53,
        "a write in a computed subtree",
        lambda w: w.add(f"cn=a,ou=personnes,{serving.SUFFIX}"),
        "ou=apicrypt",
    ),
    (
        60,
        "a virtual list without an order",
        lambda w: w.ask(asking.search(1, base=BASE, sent=[view()])),
        "sort",
    ),
    (
        61,
        "a place that a virtual list cannot have",
        lambda w: w.ask(asking.search(1, base=BASE, sent=[view(offset=0), sorted_by("cn")])),
        "",
    ),
    (
        64,
        "a name that is the server's own",
        lambda w: w.add(f"createTimestamp=20260101000000Z,{BASE}"),
        "createTimestamp",
    ),
    (
        65,
        "a class without what it requires",
        lambda w: w.ask(asking.add(1, f"cn=a,{BASE}", {"objectClass": [b"person"]})),
        "sn",
    ),
    (65, "an attribute that no class allows", lambda w: w.add(f"cn=a,{BASE}", mail=b"a@exemple.fr"), "mail"),
    (66, "deleting what has entries below", lambda w: w.ask(asking.delete(1, BASE)), "below"),
    (67, "taking its name from an entry", lambda w: w.modify("cn", b"autre"), "cn"),
    (68, "adding what exists", lambda w: w.add(PERSON), ""),
    (68, "renaming to what exists", lambda w: w.ask(asking.modify_dn(1, PERSON, "cn=Groupe")), ""),
    (
        69,
        "another structural class",
        lambda w: w.ask(
            asking.changes(
                1,
                PERSON,
                [
                    (2, "objectClass", [b"residentialPerson"]),
                    (2, "l", [b"Lille"]),
                    (1, "jpegPhoto", []),
                    (1, "displayName", []),
                ],
            )
        ),
        "structural",
    ),
    (
        71,
        "moving to another naming context",
        lambda w: w.ask(asking.modify_dn(1, PERSON, "cn=a", TREE)),
        "naming context",
    ),
    (
        76,
        "a virtual list whose order is impossible",
        lambda w: w.ask(asking.search(1, base=BASE, sent=[view(), sorted_by("couleur")])),
        "sort",
    ),
    (118, "a search that is cancelled", canceled, ""),
    (119, "cancelling what is not", lambda w: w.ask(cancel(1, 77)), ""),
    (120, "cancelling a write on its way", too_late, ""),
    (
        121,
        "cancelling a bind",
        lambda w: w.ask(asking.bind(1, USER, "wrong"), cancel(2, 1), who="", all_at_once=True),
        "",
    ),
    (
        122,
        "a write of an entry that is not as asserted",
        lambda w: w.modify(
            "sn", b"a", sent=(Control(controls.ASSERTION, True, b"\xa3\x07\x04\x02sn\x04\x01z"),)
        ),
        "assert",
    ),
    (
        122,
        "a search whose base is not as asserted",
        lambda w: w.ask(asking.search(1, base=BASE, sent=[asking.asserting("(ou=autre)")])),
        "assert",
    ),
    (
        122,
        "comparing an entry that is not as asserted",
        lambda w: w.ask(asking.compare(1, PERSON, "sn", b"x", [asking.asserting("(sn=zz)")])),
        "assert",
    ),
    (
        123,
        "acting for another without being allowed",
        lambda w: w.ask(
            asking.search(1, sent=[Control(controls.PROXIED_AUTHORIZATION, True, b"dn:" + USER.encode())]),
            who=USER,
        ),
        "administrators",
    ),
    (
        16654,
        "a write that is only tried",
        lambda w: w.modify("sn", b"b", sent=(Control(controls.NO_OPERATION, True),)),
        "",
    ),
]

# Why nobody is ever told these.
NEVER = {
    ResultCode.aliasProblem: "aliases are entries like others: none is followed (RFC 4511 §4.5.1.3 lets a server)",
    ResultCode.aliasDereferencingProblem: "the same",
    ResultCode.loopDetect: "no request is passed on to another server",
    ResultCode.other: "a fault that nobody foresaw, logged with its traceback: what provokes it is repaired",
    ResultCode.syncRefreshRequired: "a consumer that sleeps while the log is cut behind it: tests/index",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("codes")
    subprocess.run([sys.executable, str(CERTIFICATES), str(folder / "ca")], check=True)
    tls = {
        "ANNUAIRE_TLS_CERTIFICATE": str(folder / "ca" / "server.pem"),
        "ANNUAIRE_TLS_KEY": str(folder / "ca" / "server.key"),
    }
    filled(folder / "var", folder / "people.ldif")
    strictness = {
        "ANNUAIRE_AUDIENCE_ANONYMOUS": "none",
        "ANNUAIRE_TLS_REQUIRE_TLS": "true",
        "ANNUAIRE_LIMITS_TIME": "1ms",
    }
    filled(folder / "strict" / "var", folder / "people.ldif")
    (folder / "broken").mkdir()
    with (
        serving.serving(folder / "var", ANNUAIRE_TREES_SUFFIXES=f'["{TREE}"]', **tls) as ordinary,
        serving.serving(folder / "strict" / "var", **tls, **strictness) as strict,
        serving.serving(folder / "broken" / "var") as broken,
    ):
        # What cannot be opened: its worker opens the store with the first write.
        for file in broken.state.glob("annuaire.db*"):
            file.rename(broken.state / f"away-{file.name}")
        (broken.state / "annuaire.db").mkdir()
        yield World(ordinary, strict, broken)
        (broken.state / "annuaire.db").rmdir()
        for file in broken.state.glob("away-*"):
            file.rename(broken.state / file.name.removeprefix("away-"))
        assert not [one.log for one in (ordinary, strict) if "Traceback" in one.log.read_text()]


def filled(state: Path, ldif: Path) -> None:
    from annuaire.passwords import hashes

    state.parent.mkdir(exist_ok=True)
    kept = hashes.own(SECRET.encode()).decode()
    people = "".join(
        f"dn: cn=p{number},{BASE}\nobjectClass: person\ncn: p{number}\nsn: a\n\n" for number in range(PEOPLE)
    )
    ldif.write_text(
        f"dn: {BASE}\nobjectClass: organizationalUnit\nou: codes\n\n"
        f"dn: {PERSON}\nobjectClass: inetOrgPerson\ncn: Personne\nsn: a\njpegPhoto:: /9j/\ndisplayName: a\n\n"
        f"dn: {GROUP}\nobjectClass: groupOfNames\ncn: Groupe\nmember: {PERSON}\n\n"
        f"dn: {ELSEWHERE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: ailleurs\n"
        f"ref: ldap://ailleurs.exemple/ou=ailleurs\n\n"
        f"dn: {USER}\nobjectClass: inetOrgPerson\nobjectClass: apicryptUtilisateur\nuid: abonne\ncn: a\nsn: a\n"
        f"mail: abonne@medical59.apicrypt.org\napicryptVersion: 2\nuserPassword: {kept}\n\n{people}"
    )
    serving.fill(state, ldif)


@pytest.mark.parametrize(
    ("code", "how", "text"),
    [row[:1] + row[2:] for row in PAIRS],
    ids=[f"{row[0]}: {row[1]}" for row in PAIRS],
)
def test_what_is_done_is_answered_by_its_code_and_says_why(world, code, how, text):
    result = how(world)
    assert (result.code, result.text) == (code, result.text)
    assert text in result.text


def test_every_code_is_provoked_or_never_occurs_for_a_reason():
    provoked = {code for code, *_ in PAIRS}
    assert provoked | set(NEVER) == set(ResultCode)
    assert not provoked & set(NEVER)


def test_a_referral_names_where_to_go(world):
    result = world.ask(asking.search(1, base=f"cn=x,{ELSEWHERE}"))
    assert result.referrals == [b"ldap://ailleurs.exemple/cn=x,ou=ailleurs??sub"]


def test_nothing_of_all_that_changed_anything(world):
    with world.ordinary.connect() as connection:
        connection.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD))
        serving.receive(connection)
        connection.sendall(asking.search(2, base=BASE))
        names = {entry.dn.decode() for entry in asking.entries(serving.receive(connection))}
    assert len(names) == PEOPLE + 4
    assert world.ordinary.annuaire("check", "--deep").returncode == 0
