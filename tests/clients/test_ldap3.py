"""ldap3, with every strategy by which it speaks to a server, and with its layer of objects above."""

import os
import signal
import threading
from typing import Any

import ldap3
import pytest
import serving
from ldap3.core.exceptions import LDAPExceptionError
from waiting import until
from workplace import CERTIFICATE, ESCAPED, NAME, PHOTO, TREE_DELETE, Workplace

LIVE = {
    name: getattr(ldap3, name)
    for name in ("SYNC", "SAFE_SYNC", "RESTARTABLE", "SAFE_RESTARTABLE", "ASYNC", "REUSABLE")
}
WITH_RESULT = ("SAFE_SYNC", "SAFE_RESTARTABLE")
# They read in a thread, which goes on for ever behind an unbind when it has been given a time to wait.
IN_THREADS = ("ASYNC", "REUSABLE")


class Client:
    """One way to call for all strategies: what an operation ended with, and what it found."""

    def __init__(
        self, place: Workplace, strategy: str, name: str = serving.ADMIN, password: str = serving.PASSWORD
    ) -> None:
        self.strategy = strategy
        # Its own values make it wait minutes for a server that is away.
        ldap3.set_config_parameter("RESTARTABLE_TRIES", 60)
        ldap3.set_config_parameter("RESTARTABLE_SLEEPTIME", 0.5)
        self.server = ldap3.Server("127.0.0.1", place.server.port(), get_info=ldap3.ALL)
        self.connection = ldap3.Connection(
            self.server,
            name,
            password,
            client_strategy=LIVE[strategy],
            pool_name=place.folder,
            pool_size=2,
            pool_lifetime=60,
            receive_timeout=None if strategy in IN_THREADS else 60,
        )
        self.bound = self.say("bind")

    def say(self, operation: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Do it and return its result, the entries found as `entries`."""
        returned = getattr(self.connection, operation)(*arguments, **named)
        if self.strategy in WITH_RESULT:
            _, result, response, _ = returned
        elif not isinstance(returned, bool) and isinstance(returned, int):
            response, result = self.connection.get_response(returned)
        else:
            result, response = self.connection.result, self.connection.response
        found = [
            one for one in response or () if isinstance(one, dict) and one.get("type") == "searchResEntry"
        ]
        return {**(result or {}), "entries": found}

    def code(self, operation: str, *arguments: Any, **named: Any) -> int:
        return self.say(operation, *arguments, **named)["result"]


@pytest.fixture(params=LIVE)
def client(request, workplace):
    made = Client(workplace, request.param)
    yield made
    made.connection.unbind()


def test_a_whole_life(client, workplace):
    base = workplace.base
    person = {"sn": "Œuf", "cn": NAME, "jpegPhoto": PHOTO, "userCertificate;binary": CERTIFICATE}
    name = f"cn={ESCAPED},{base}"
    assert client.code("add", name, ["inetOrgPerson"], person) == 0
    assert client.code("add", name, ["inetOrgPerson"], person) == 68
    stored = workplace.stored(f"cn={ESCAPED}")
    assert (stored["cn"], stored["jpegPhoto"]) == ([NAME.encode()], [PHOTO])
    assert stored["userCertificate;binary"] == [CERTIFICATE]

    for number in range(12):
        attributes = {"sn": "abc"[number % 3], "mail": f"p{number}@medical59.apicrypt.org"}
        assert client.code("add", f"cn=P{number:02},{base}", ["inetOrgPerson"], attributes) == 0
    found = client.say("search", base, "(sn=œuf)", attributes=["*", "+"])
    [entry] = found["entries"]
    assert entry["raw_attributes"]["jpegPhoto"] == [PHOTO]
    assert found["result"] == 0
    limited = client.say("search", base, "(sn=*)", size_limit=5)
    assert (limited["result"], len(limited["entries"])) == (4, 5)
    missing = client.say("search", f"ou=x,{base}", "(sn=*)")
    assert (missing["result"], missing["dn"]) == (32, base)

    changes = {
        "telephoneNumber": [(ldap3.MODIFY_ADD, ["+33 3 53 01 00 01", "+33 3 53 01 00 02"])],
        "sn": [(ldap3.MODIFY_REPLACE, ["Changé"])],
        "mail": [(ldap3.MODIFY_DELETE, [])],
    }
    assert client.code("modify", f"cn=P00,{base}", changes) == 0
    stored = workplace.stored("cn=P00")
    assert stored["sn"] == ["Changé".encode()]
    assert len(stored["telephoneNumber"]) == 2
    assert "mail" not in stored
    assert client.code("modify", f"cn=P00,{base}", {"sn": [(ldap3.MODIFY_DELETE, [])]}) == 65
    assert client.code("modify", f"cn=P00,{base}", {"mail": [(ldap3.MODIFY_DELETE, ["x"])]}) == 16

    assert client.code("compare", f"cn=P00,{base}", "sn", "changé") == 6
    assert client.code("compare", f"cn=P00,{base}", "sn", "autre") == 5
    assert client.code("compare", f"cn=P99,{base}", "sn", "autre") == 32

    assert client.code("modify_dn", f"cn=P01,{base}", "cn=Renommé") == 0
    assert workplace.stored("cn=Renommé")["sn"] == [b"b"]
    assert client.code("modify_dn", f"cn=P02,{base}", "cn=P03") == 68
    assert client.code("add", f"ou=deux,{base}", "organizationalUnit") == 0
    assert client.code("modify_dn", f"cn=P02,{base}", "cn=P02", new_superior=f"ou=deux,{base}") == 0
    assert "cn=P02,ou=deux" in workplace.below()
    assert client.code("delete", f"ou=deux,{base}") == 66
    assert client.code("delete", f"ou=deux,{base}", controls=[(TREE_DELETE, True, None)]) == 0
    assert client.code("delete", f"cn=P04,{base}") == 0
    assert client.code("delete", f"cn=P04,{base}") == 32
    assert not {"cn=P02,ou=deux", "ou=deux", "cn=P04"} & set(workplace.below())


def test_pages_and_sorting(client, workplace):
    for number in range(11):
        assert (
            client.code(
                "add", f"cn=P{number:02},{workplace.base}", "inetOrgPerson", {"sn": "abc"[number % 3]}
            )
            == 0
        )
    cookie: bytes | None = None
    names: list[str] = []
    pages = 0
    while pages == 0 or cookie:
        found = client.say(
            "search",
            workplace.base,
            "(sn=*)",
            attributes=["cn"],
            paged_size=4,
            paged_cookie=cookie,
            controls=[("1.2.840.113556.1.4.473", True, b"\x30\x09\x30\x07\x04\x02sn\x81\x01\xff")],
        )
        assert found["result"] == 0
        names += [entry["attributes"]["cn"][0] for entry in found["entries"]]
        cookie = found["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
        pages += 1
    assert pages == 3
    assert [int(name[1:]) % 3 for name in names] == [2] * 3 + [1] * 4 + [0] * 4


def test_a_bind_that_fails_and_one_that_succeeds(workplace):
    for strategy in LIVE:
        if strategy == "REUSABLE":  # it binds when it first needs a connection
            continue
        wrong = Client(workplace, strategy, password="wrong")
        assert not wrong.connection.bound, strategy
        wrong.connection.unbind()


def test_who_am_i_with_every_strategy(client):
    assert client.connection.extend.standard.who_am_i() == f"dn:{serving.ADMIN}"


def test_ldif_that_it_writes_is_taken_whole(workplace, tmp_path):
    writer = ldap3.Connection(None, client_strategy=ldap3.LDIF)
    texts = []
    with writer:
        writer.add(
            f"cn={ESCAPED},{workplace.base}",
            "inetOrgPerson",
            {"cn": NAME, "sn": "Œuf", "jpegPhoto": PHOTO[:5000]},
        )
        texts.append(writer.response)
        writer.add(
            f"cn=Autre,{workplace.base}",
            "inetOrgPerson",
            {"cn": "Autre", "sn": "B", "description": " avec des blancs "},
        )
        texts.append(writer.response)
        writer.modify(f"cn=Autre,{workplace.base}", {"sn": [(ldap3.MODIFY_REPLACE, ["Changé"])]})
        texts.append(writer.response)
        writer.modify_dn(f"cn=Autre,{workplace.base}", "cn=Renommé")
        texts.append(writer.response)
    file = tmp_path / "changes.ldif"
    parts = [text if isinstance(text, str) else "\n".join(text) for text in texts]
    file.write_text("\n\n".join(part.removeprefix("version: 1\n").strip() for part in parts) + "\n")
    done = workplace.server.annuaire("import", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    stored = workplace.stored(f"cn={ESCAPED}")
    assert stored["jpegPhoto"] == [PHOTO[:5000]]
    assert workplace.stored("cn=Renommé")["sn"] == ["Changé".encode()]
    assert workplace.stored("cn=Renommé")["description"] == [b" avec des blancs "]


class TestConnectionsThatEnd:
    @pytest.mark.parametrize("strategy", ["RESTARTABLE", "SAFE_RESTARTABLE"])
    def test_it_comes_back_when_its_worker_is_killed(self, workplace, strategy):
        client = Client(workplace, strategy)
        assert client.code("add", f"cn=Avant,{workplace.base}", "person", {"sn": "a"}) == 0
        workers = workplace.server.worker_pids()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        assert client.code("add", f"cn=Après,{workplace.base}", "person", {"sn": "a"}) in (0, 68)
        client.connection.unbind()
        self.settled(workplace, workers)
        with workplace.server.connect():
            pass
        assert workplace.server.described()["ready"]

    def settled(self, workplace: Workplace, gone: list[int]) -> None:
        until(lambda: len(pids := workplace.server.worker_pids()) == 2 and not set(gone) & set(pids))
        workplace.look_again()


def test_a_pool_of_connections_serves_many_threads(workplace):
    client = Client(workplace, "REUSABLE")
    codes: list[int] = []

    def write(number: int) -> None:
        own = f"cn=Fil {number},{workplace.base}"
        counter = client.connection.add(own, "person", {"sn": "a"})
        codes.append(client.connection.get_response(counter)[1]["result"])
        counter = client.connection.modify(own, {"sn": [(ldap3.MODIFY_REPLACE, [str(number)])]})
        codes.append(client.connection.get_response(counter)[1]["result"])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    client.connection.unbind()
    assert codes == [0] * 16
    assert len(workplace.below()) == 8


class TestObjects:
    """The layer of readers, writers and entries, which lives from the schema that the server publishes."""

    @pytest.fixture
    def connection(self, workplace):
        place = ldap3.Server("127.0.0.1", workplace.server.port(), get_info=ldap3.ALL)
        with ldap3.Connection(place, serving.ADMIN, serving.PASSWORD, raise_exceptions=False) as connection:
            yield connection

    def test_the_server_describes_itself(self, connection):
        info, schema = connection.server.info, connection.server.schema
        assert serving.SUFFIX in info.naming_contexts
        assert info.schema_entry.lower() == "cn=subschema"
        known = {one[0] for one in info.supported_controls} | {one[0] for one in info.supported_extensions}
        assert {TREE_DELETE, "1.3.6.1.4.1.4203.1.11.3", "1.2.840.113556.1.4.319"} <= known
        person = schema.object_classes["inetOrgPerson"]
        assert person.kind == "STRUCTURAL"
        assert "jpegPhoto" in person.may_contain
        assert schema.attribute_types["uid"].equality == ["caseIgnoreMatch"]
        assert schema.attribute_types["createTimestamp"].no_user_modification
        # Whatever it prints of them names every definition.
        assert "apicryptUtilisateur" in str(schema)
        assert TREE_DELETE in str(info)

    def test_a_writer_creates_a_reader_finds_and_an_entry_is_changed_moved_and_deleted(
        self, connection, workplace
    ):
        definition = ldap3.ObjectDef("inetOrgPerson", connection)
        assert definition.sn.mandatory
        assert not definition.mail.mandatory
        writer = ldap3.Writer(connection, definition)
        person = writer.new(f"cn=Éloïse d'Œuf 😀,{workplace.base}")
        person.sn = "Œuf"
        person.mail = ["un@medical59.apicrypt.org", "deux@medical59.apicrypt.org"]
        assert person.entry_commit_changes(refresh=True), connection.result
        assert workplace.stored("cn=Éloïse d'Œuf 😀")["sn"] == ["Œuf".encode()]

        reader = ldap3.Reader(connection, definition, workplace.base, "mail: un@medical59.apicrypt.org")
        [found] = reader.search()
        assert found.cn == "Éloïse d'Œuf 😀"
        assert sorted(found.mail.values) == ["deux@medical59.apicrypt.org", "un@medical59.apicrypt.org"]
        operational = ldap3.Reader(
            connection, definition, workplace.base, "sn: Œuf", get_operational_attributes=True
        ).search()[0]
        assert operational.OA_createTimestamp.value.year >= 2026

        changed = found.entry_writable("inetOrgPerson")
        changed.mail -= "un@medical59.apicrypt.org"
        changed.title = "Docteure"
        changed.sn.set("Œuf-Ñandú")
        assert changed.entry_commit_changes(), connection.result
        stored = workplace.stored("cn=Éloïse d'Œuf 😀")
        assert stored["mail"] == [b"deux@medical59.apicrypt.org"]
        assert stored["title"] == [b"Docteure"]
        changed.entry_rename("cn=Éloïse")
        assert changed.entry_commit_changes(), connection.result
        assert workplace.below() == ["cn=Éloïse"]
        changed.entry_delete()
        assert changed.entry_commit_changes(), connection.result
        assert workplace.below() == []

    def test_values_that_the_schema_forbids_are_seen_before_they_are_sent(self, workplace):
        place = ldap3.Server("127.0.0.1", workplace.server.port(), get_info=ldap3.ALL)
        with (
            ldap3.Connection(place, serving.ADMIN, serving.PASSWORD, check_names=True) as connection,
            pytest.raises(LDAPExceptionError),
        ):
            connection.add(f"cn=x,{workplace.base}", "inetOrgPerson", {"sn": "a", "couleur": "bleu"})

    def test_pages_by_its_own_generator(self, connection, workplace):
        for number in range(9):
            connection.add(f"cn=P{number},{workplace.base}", "person", {"sn": "a"})
        reader = ldap3.Reader(connection, "person", workplace.base)
        assert len(list(reader.search_paged(4))) == 9
        every = connection.extend.standard.paged_search(
            workplace.base, "(sn=*)", attributes=["sn"], paged_size=2, generator=False
        )
        assert len(every) == 9


def test_abandoned_searches_are_forgotten_and_the_connection_goes_on(workplace):
    client = Client(workplace, "ASYNC")
    for _ in range(20):
        number = client.connection.search(serving.SUFFIX, "(objectClass=*)", attributes=["*", "+"])
        client.connection.abandon(number)
    assert client.connection.extend.standard.who_am_i() == f"dn:{serving.ADMIN}"
    client.connection.unbind()
