"""Every request of fixtures/clients, sent to a real server over a socket, gets the answer that stands beside it.

The server takes whoever does not bind for the sphere (audience `apicrypt`), where these clients are at home.
"""

import socket

import asking
import fixture_clients
import pytest
import serving

from annuaire.ldap import controls, dn, responses, virtual_list
from annuaire.ldap import schema as schemas
from annuaire.ldap.messages import Control

CASES = [
    pytest.param(request, answer, id=f"{path.stem}: {request.name}")
    for path in fixture_clients.clients()
    for request, answer in fixture_clients.load(path)
]
PAGES_MAX = 100


def key(name: str | bytes) -> bytes:
    text = name.decode() if isinstance(name, bytes) else name
    return dn.key(dn.parse(text), schemas.standard())


def key_of(name: str, people: dict[str, str]) -> bytes:
    """The key of an entry as a reference names it."""
    return key(people[name] if name and "=" not in name else name)


@pytest.fixture(scope="module")
def people(server) -> dict[str, str]:
    """The DN of the person that is computed of each account, by its address in lower case.

    Made of what is written: the national identification, else the entryUUID of the account.
    """
    asked = asking.search(
        2,
        "(objectClass=apicryptUtilisateur)",
        f"ou=apicrypt,{serving.SUFFIX}",
        attributes=("mail", "IdentifiantPP", "TypeIdentifiantPP", "entryUUID"),
    )
    with server.connect() as connection:
        connection.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD) + asked)
        accounts = [entry.attributes for entry in asking.entries(serving.receive(connection, 2))]
    named = {}
    for account in accounts:
        number = account.get("IdentifiantPP")
        uuid = account["entryUUID"][0].decode().replace("-", "")
        uid = (account["TypeIdentifiantPP"][0] + number[0]).decode() if number else f"a-{uuid}"
        named[account["mail"][0].decode().lower()] = f"uid={uid},ou=personnes,{serving.SUFFIX}"
    return named


class Conversation:
    """The bind and the search of one request, page after page."""

    def __init__(self, connection: socket.socket, request: fixture_clients.Request) -> None:
        self.connection = connection
        self.request = request
        self.entries: list[responses.Entry] = []
        self.pages: list[int] = []

    def run(self) -> tuple[responses.Result, tuple[Control, ...]]:
        self._bind()
        cookie = b""
        for number in range(2, PAGES_MAX):
            found, result, answered = self._search(number, cookie)
            self.entries += found
            self.pages.append(len(found))
            cookie = b""
            for control in answered:
                if control.oid == controls.PAGED_RESULTS:
                    cookie = controls.decode_paged_results(control.value).cookie
            if not cookie:
                return result, answered
        raise AssertionError("the pages have no end")

    def _bind(self) -> None:
        if self.request.bind == "none":
            return
        if self.request.bind == "admin":
            sent = asking.bind(1, serving.ADMIN, serving.PASSWORD)
        else:
            sent = asking.bind(1, version=2 if self.request.bind.endswith("v2") else 3)
        self.connection.sendall(sent)
        assert asking.codes(serving.receive(self.connection)) == [(1, 0)]

    def _search(self, number: int, cookie: bytes):
        request = self.request
        sent = [
            Control(
                one.oid,
                one.critical,
                fixture_clients.paged_value(one.page_size, cookie) if one.page_size else one.value,
            )
            for one in request.controls
        ]
        self.connection.sendall(
            asking.search(
                number,
                request.filter,
                request.base,
                request.scope,
                request.attributes,
                request.size,
                request.time,
                request.types_only,
                request.deref,
                sent,
            )
        )
        *found, last = asking.read(serving.receive(self.connection))
        assert isinstance(last.operation, responses.Result)
        return [answer.operation for answer in found], last.operation, last.controls


@pytest.mark.parametrize(("request_", "expected"), CASES)
def test_a_real_client_gets_its_answer(server, people, request_, expected):
    with server.connect() as connection:
        conversation = Conversation(connection, request_)
        result, answered = conversation.run()
    entries = conversation.entries
    names = [key(entry.dn) for entry in entries]
    assert (result.code, len(set(names))) == (expected.result, len(names)), result.text
    if expected.result == 32:
        assert key(result.matched) == key(expected.matched)
    if expected.dns is not None:
        dns = [key_of(name, people) for name in expected.dns]
        assert sorted(names) == sorted(dns)
        if expected.order is not None:
            assert names == dns
    assert len(entries) == expected.count
    surely = {key_of(name, people) for name in expected.surely}
    perhaps = {key_of(name, people) for name in expected.perhaps}
    assert surely <= set(names)
    if surely or perhaps:
        assert set(names) <= surely | perhaps
    descriptions = {name.lower() for entry in entries for name in entry.attributes}
    if expected.attributes is not None:
        assert descriptions == expected.attributes
    assert expected.at_least <= descriptions
    if request_.types_only:
        assert not any(values for entry in entries for values in entry.attributes.values())
    by_oid = {control.oid: control for control in answered}
    assert (controls.PAGED_RESULTS in by_oid) == expected.paged
    if expected.sort_result is not None:
        assert by_oid[controls.SORT_RESPONSE].value[4] == expected.sort_result
    assert (controls.VLV_RESPONSE in by_oid) == (expected.window is not None)
    if expected.window is not None:
        whole = virtual_list.response(*expected.window, 0).value
        # Behind position, length and result there is the context.
        assert whole[2:] in by_oid[controls.VLV_RESPONSE].value
    if expected.pages:
        assert conversation.pages == expected.pages
