import socket

import pytest

from annuaire.errors import Misconfigured
from annuaire.server import listening
from annuaire.server.listening import Place


def open_at(endpoint: str) -> listening.Opened:
    return listening.open_place(Place("ldap", "ldap", endpoint, "public"))


@pytest.mark.parametrize(
    ("endpoint", "read"),
    [
        ("tcp:3890", ("tcp", ["3890"], {})),
        ("tcp:3890:interface=127.0.0.1", ("tcp", ["3890"], {"interface": "127.0.0.1"})),
        (r"tcp:389:interface=\:\:1", ("tcp", ["389"], {"interface": "::1"})),
        ("unix:/run/annuaire.sock:mode=600", ("unix", ["/run/annuaire.sock"], {"mode": "600"})),
        (r"unix:/run/a\:b", ("unix", ["/run/a:b"], {})),
    ],
)
def test_endpoint_strings_are_those_of_twisted(endpoint, read):
    assert listening.parse(endpoint) == read


def test_a_port_of_the_system_s_choice_accepts_without_delay():
    opened = open_at("tcp:0:interface=127.0.0.1")
    with opened.socket:
        host, port = opened.address.split(":")
        assert opened.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with socket.create_connection((host, int(port))):
            accepted, _ = opened.socket.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_unix_socket_takes_the_place_of_a_dead_one(tmp_path):
    path = tmp_path / "s"
    open_at(f"unix:{path}").socket.close()
    assert path.exists()
    opened = open_at(f"unix:{path}:mode=600")
    with opened.socket:
        assert opened.address == str(path)
        assert path.stat().st_mode & 0o777 == 0o600
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_unix_socket_at_which_somebody_else_listens_is_left_to_them(tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "PATIENCE", 0.15)
    path = tmp_path / "s"
    with open_at(f"unix:{path}").socket:
        with pytest.raises(Misconfigured, match="somebody else"):
            open_at(f"unix:{path}")
        assert path.is_socket()
    open_at(f"unix:{path}").socket.close()


@pytest.mark.parametrize(
    "endpoint",
    [
        *[
            "ssl:636:privateKey=x",
            "tcp:many",
            "tcp",
            "tcp:99999:interface=127.0.0.1",
            "tcp:0:interface=192.0.2.7",
        ],
        *["tcp:1:backlog=x", "tcp:²", "tcp:0:interface=", "tcp6:0:mode=600", "tcp:1:2", ":", "="],
        *["unix:", "unix:/a:mode=abc", "unix:/a:mode=888", "unix:/a:mode=7777", "unix:/a:lockfile=0"],
        "unix:/absent/folder/s",
        f"unix:/tmp/{'s' * 200}",
    ],
)
def test_what_cannot_be_listened_at_is_told_with_its_name(endpoint):
    with pytest.raises(Misconfigured, match=r"\[listen\] ldap"):
        open_at(endpoint)


def test_a_port_that_is_taken_is_told_after_a_moment_of_patience(monkeypatch):
    monkeypatch.setattr(listening, "PATIENCE", 0.15)
    first = open_at("tcp:0:interface=127.0.0.1")
    with first.socket:
        port = first.address.split(":")[1]
        with pytest.raises(Misconfigured, match=port):
            open_at(f"tcp:{port}:interface=127.0.0.1")
