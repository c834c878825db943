"""The process that keeps the index up to the store while the server runs."""

import io
import os
import signal
import time
from pathlib import Path

import pytest
import serving

from annuaire.actions import import_source, refresh
from annuaire.actions.source import StoreSource
from annuaire.index.folder import IndexFolder
from annuaire.ldap import schema as schemas
from annuaire.store import engine

PEOPLE = Path(__file__).parents[2] / "fixtures" / "apicrypt.ldif"
LATE = b"""dn: uid=tard,ou=apicrypt,o=apicrypt,c=FR
objectClass: inetOrgPerson
objectClass: apicryptUtilisateur
uid: tard
cn: Zo\xc3\xa9 TARDIF
sn: TARDIF
mail: zoe.TARDIF@medical59.apicrypt.org
apicryptVersion: 2
"""
# The patience of the follower, its look, a refresh, and a busy machine.
FOLLOWED_SECONDS = 180.0


def commit_without_refresh(state: Path) -> None:
    """What an import leaves that is killed behind its commit."""
    store = engine.open("", state)
    report = import_source.import_ldif(
        store,
        import_source.Scope(tuple(schemas.shipped()), serving.SUFFIX),
        io.BytesIO(LATE),
        name="late.ldif",
        actor=serving.ADMIN,
        processes=0,
    )
    store.close()
    assert report.applied, report.refusals


def children(pid: int) -> dict[int, bytes]:
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found[int(child)] = Path(f"/proc/{child}/cmdline").read_bytes()
    return found


def followers(server: serving.Server) -> list[int]:
    assert server.process is not None
    return [pid for pid, command in children(server.process.pid).items() if b"--follow" in command]


def until(what, seconds: float = FOLLOWED_SECONDS):
    limit = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < limit
        time.sleep(0.1)
    return found


def test_the_index_says_whether_the_store_is_ahead(tmp_path):
    state = tmp_path / "var"
    serving.fill(state, PEOPLE)
    source, folder = StoreSource("", state, serving.SUFFIX), IndexFolder(state / "index")
    assert not refresh.is_behind(source, folder)
    commit_without_refresh(state)
    assert refresh.is_behind(source, folder)
    refresh.refresh(source, folder)
    assert not refresh.is_behind(source, folder)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_what_a_killed_import_committed_is_found_without_a_restart(tmp_path):
    state = tmp_path / "var"
    serving.fill(state, PEOPLE)
    with serving.serving(state) as server:
        [follower] = until(lambda: followers(server))
        commit_without_refresh(state)
        found = until(lambda: "TARDIF" in server.annuaire("find", "tardif").stdout)
        assert found
        os.kill(follower, signal.SIGKILL)
        until(lambda: followers(server) not in ([], [follower]))
    until(lambda: not Path(f"/proc/{follower}").exists())


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_the_follower_leaves_with_a_supervisor_that_is_killed_at_once(tmp_path):
    state = tmp_path / "var"
    serving.fill(state, PEOPLE)
    server = serving.Server(state).start()
    [follower] = until(lambda: followers(server))
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(60)
    until(lambda: not Path(f"/proc/{follower}").exists())
