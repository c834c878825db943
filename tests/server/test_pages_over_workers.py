"""Page cookies and contexts of lists at a real server: any worker takes them, also one of the next server."""

from __future__ import annotations

from pathlib import Path

import asking
import serving
from serving import Server

from annuaire.ldap import controls, responses
from annuaire.ldap.controls import SortKey
from annuaire.ldap.messages import Control

PEOPLE = Path(__file__).resolve().parents[2] / "fixtures" / "apicrypt.ldif"
SORTED = controls.sort_request([SortKey("sn", reverse=True), SortKey("uid")], True)


def page(server: Server, cookie: bytes, *more: Control) -> tuple[list[bytes], bytes, int]:
    """One page on a connection of its own: names, the next cookie, and the result."""
    sent = (controls.paged_results(7, cookie, critical=True), *more)
    with server.connect() as connection:
        connection.sendall(asking.search(5, "(sn=*)", attributes=["1.1"], sent=sent))
        answers = asking.read(serving.receive(connection))
    last = answers[-1]
    assert isinstance(last.operation, responses.Result)
    names = [one.operation.dn for one in answers if isinstance(one.operation, responses.Entry)]
    given = [one.value for one in last.controls if one.oid == controls.PAGED_RESULTS]
    return names, controls.decode_paged_results(given[0]).cookie if given else b"", last.operation.code


def test_a_cookie_is_good_at_any_worker_and_after_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state"
    serving.fill(state, PEOPLE)
    ways: list[tuple[Control, ...]] = [(), (SORTED,)]
    with serving.serving(state, 2) as server:
        whole, begun = [], []
        for more in ways:
            found, cookie, _ = page(server, b"", *more)
            begun.append((list(found), cookie))
            while cookie:
                names, cookie, code = page(server, cookie, *more)
                assert code == 0
                found += names
            assert len(found) == len(set(found)) > 30
            whole.append(found)
        assert server.stop() == 0
        server.start()
        for more, expected, (found, cookie) in zip(ways, whole, begun, strict=True):
            for forged in (cookie[:-1] + bytes([cookie[-1] ^ 1]), cookie[::-1], b"\0" * 8):
                assert page(server, forged, *more)[2] == 53
            while cookie:
                names, cookie, _ = page(server, cookie, *more)
                found += names
            assert found == expected
