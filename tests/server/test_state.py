"""What a server says of itself in its state, as others read it at any moment."""

import threading
from pathlib import Path

import pytest

from annuaire.errors import Refused
from annuaire.server import state as states


def test_who_reads_while_it_is_written_reads_all_of_it(tmp_path: Path) -> None:
    described = {"pid": 1, "listening": {name: f"tcp:127.0.0.1:{name}" for name in map(str, range(200))}}
    with states.locked(tmp_path) as lock:
        lock.write(described)
        ended = threading.Event()

        def write() -> None:
            while not ended.is_set():
                lock.write(described)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert all(states.serving(tmp_path) == described for _ in range(3000))
        finally:
            ended.set()
            writer.join()
    assert states.serving(tmp_path) == {}


def test_the_second_server_of_a_state_is_told_who_the_first_is(tmp_path: Path) -> None:
    with states.locked(tmp_path) as lock:
        lock.write({"pid": 4711, "listening": {"ldap": "127.0.0.1:389"}})
        with pytest.raises(Refused, match=r"processus 4711, ldap 127\.0\.0\.1:389"), states.locked(tmp_path):
            pass
    with states.locked(tmp_path):
        pass
