"""Who a client is by its network, and by what a believed proxy says of it, at every listener."""

import ssl
import struct
import subprocess
import sys
import time
from pathlib import Path

import asking
import pytest
import serving

from annuaire.server import proxied
from annuaire.server.proxy_header import SIGNATURE

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_certificates"
# Only inside the sphere is this one found by the native address.
NATIVE = "(mail=*@medical59.apicrypt.org)"
LINE = b"PROXY TCP4 %b 198.51.100.1 51234 389\r\n"


def second(source: str, command: int = 0x21) -> bytes:
    address = bytes(map(int, source.split(".")))
    return SIGNATURE + struct.pack("!BBH", command, 0x11, 12) + address * 2 + struct.pack("!HH", 51234, 389)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("proxied")
    subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory, folder, fixtures):
    state = tmp_path_factory.mktemp("behind") / "var"
    serving.fill(state, fixtures / "apicrypt.ldif")
    with serving.serving(
        state,
        ANNUAIRE_TLS_CERTIFICATE=str(folder / "server.pem"),
        ANNUAIRE_TLS_KEY=str(folder / "server.key"),
        ANNUAIRE_TLS_REQUIRE_TLS="true",
        ANNUAIRE_LISTEN_PROXIES='["127.0.0.1/32", "unix"]',
        ANNUAIRE_AUDIENCE_ANONYMOUS="none",
        ANNUAIRE_AUDIENCE_NETWORKS=(
            '["10.0.0.0/8 public", "10.1.0.0/16 apicrypt", "2001:db8::/32 apicrypt", "127.0.0.1 public"]'
        ),
        ANNUAIRE_LISTENERS_OWN_PROTOCOL="ldap",
        ANNUAIRE_LISTENERS_OWN_ENDPOINT="tcp:0:interface=127.0.0.1",
        ANNUAIRE_LISTENERS_OWN_ANONYMOUS="mssante",
        ANNUAIRE_LISTENERS_SOCKET_PROTOCOL="ldap",
        ANNUAIRE_LISTENERS_SOCKET_ENDPOINT=f"unix:{folder}/ldapi",
        ANNUAIRE_LIMITS_CONNECTIONS_PER_CLIENT="5",
        ANNUAIRE_LOG_OPERATIONS="all",
    ) as running:
        yield running


def told(server: serving.Server, header: bytes, listener: str = "ldap") -> tuple[int, int]:
    """The code of a search and how many native addresses it found."""
    with server.connect(listener) as connection:
        connection.sendall(header + asking.search(1, NATIVE, attributes=["1.1"]))
        answer = serving.receive(connection)
    [(_, code)] = asking.codes(answer)
    return code, len(asking.entries(answer))


class TestNetworks:
    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize(
        ("address", "code", "sees_native"),
        [("10.1.2.3", 0, True), ("10.2.2.3", 0, False), ("192.0.2.1", 8, False)],
    )
    def test_the_network_of_the_real_address_decides_what_exists(
        self, server, version, address, code, sees_native
    ):
        header = LINE % address.encode() if version == 1 else second(address)
        got, found = told(server, header)
        assert (got, found > 0) == (code, sees_native)

    def test_ipv6_addresses_have_networks_too(self, server):
        header = b"PROXY TCP6 2001:db8::7 2001:db8::1 51234 389\r\n"
        assert told(server, header)[1] > 0

    def test_a_proxy_s_own_connections_are_counted_as_its_own(self, server):
        for header in (b"PROXY UNKNOWN\r\n", second("10.1.2.3", 0x20)):
            assert told(server, header) == (0, 0)  # 127.0.0.1 is public

    def test_a_listener_with_an_audience_of_its_own_keeps_it(self, server):
        for address in (b"10.1.2.3", b"192.0.2.1"):
            assert told(server, LINE % address, "own") == (0, 0)

    def test_a_bind_goes_above_the_network(self, server, folder):
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        with server.connect("ldaps") as plain:
            plain.sendall(LINE % b"10.1.2.3")
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                connection.sendall(asking.search(1, NATIVE) + asking.bind(2, serving.ADMIN, serving.PASSWORD))
                answer = serving.receive(connection, 2)
                assert asking.codes(answer) == [(1, 0), (2, 0)]
                assert asking.entries(answer)
                connection.sendall(asking.bind(3, serving.ADMIN, "wrong") + asking.search(4, NATIVE))
                answer = serving.receive(connection, 2)
                assert asking.codes(answer) == [(3, 49), (4, 0)]
                assert asking.entries(answer)


class TestHeaders:
    @pytest.mark.parametrize("listener", ["ldap", "ldaps", "policy", "socketmap"])
    def test_a_believed_proxy_that_sends_no_header_is_closed(self, server, listener):
        for first in (
            asking.search(1),
            b"\x16\x03\x01",
            b"request=x\n\n",
            b"5:x abc,",
            b"PROXY nonsense\r\n",
        ):
            with server.connect(listener) as connection:
                connection.sendall(first)
                assert ended(connection) == b""

    def test_a_header_in_pieces_is_put_together(self, server):
        whole = second("10.1.2.3") + asking.search(1, NATIVE, attributes=["1.1"])
        for size in (1, 5, 27, 28, 29):
            with server.connect() as connection:
                for start in range(0, 40, size):
                    connection.sendall(whole[start : min(start + size, 40)])
                    time.sleep(0.002)
                connection.sendall(whole[40:])
                assert asking.codes(serving.receive(connection)) == [(1, 0)]

    def test_the_real_address_is_in_the_log_and_in_the_limits(self, server):
        held = []
        for _ in range(5):
            connection = server.connect()
            connection.sendall(LINE % b"10.1.77.77" + asking.search(1, base="", scope=0))
            assert asking.codes(serving.receive(connection)) == [(1, 0)]
            held.append(connection)
        assert "client=10.1.77.77:51234" in server.log.read_text()
        assert told(server, LINE % b"10.1.77.77")[0] == 52
        assert told(server, LINE % b"10.1.77.78")[0] == 0  # its neighbour has connections of its own
        for connection in held:
            connection.close()

    def test_mail_servers_come_through_proxies_too(self, server):
        with server.connect("socketmap") as connection:
            connection.sendall(second("10.1.2.3") + query("recipient x@medical59.apicrypt.org"))
            assert b":" in connection.recv(1000)
        with server.connect("policy") as connection:
            connection.sendall(LINE % b"10.1.2.3" + b"request=smtpd_access_policy\nprotocol_state=RCPT\n\n")
            assert connection.recv(1000).startswith(b"action=")

    def test_a_unix_socket_of_a_proxy_tells_the_address_too(self, server, folder):
        import socket

        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(folder / "ldapi"))
            connection.sendall(LINE % b"192.0.2.1" + asking.search(1))
            assert asking.codes(serving.receive(connection)) == [(1, 8)]
            # What came over a network is not local, whatever brought it here.
            connection.sendall(asking.bind(2, serving.ADMIN, serving.PASSWORD))
            assert asking.codes(serving.receive(connection)) == [(2, 13)]

    def test_starttls_works_behind_a_header(self, server, folder):
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        with server.connect() as plain:
            plain.sendall(second("10.1.2.3") + asking.extended(1, "1.3.6.1.4.1.1466.20037"))
            assert asking.codes(serving.receive(plain)) == [(1, 0)]
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                connection.sendall(asking.bind(2, serving.ADMIN, serving.PASSWORD))
                assert asking.codes(serving.receive(connection)) == [(2, 0)]

    def test_a_header_that_never_ends_is_closed_in_time(self, server):
        with server.connect() as connection:
            connection.sendall(b"PROXY TCP4")
            begun = time.monotonic()
            assert ended(connection) == b""
            assert time.monotonic() - begun < proxied.HEADER_SECONDS + 40

    def test_where_tls_is_required_a_password_in_clear_is_not_looked_at(self, server):
        with server.connect() as connection:
            connection.sendall(LINE % b"10.1.2.3" + asking.bind(1, serving.ADMIN, serving.PASSWORD))
            assert asking.codes(serving.receive(connection)) == [(1, 13)]
            connection.sendall(asking.search(2, base="", scope=0))
            assert asking.codes(serving.receive(connection)) == [(2, 0)]


def query(text: str) -> bytes:
    return b"%d:%b," % (len(text), text.encode())


def ended(connection) -> bytes:
    connection.settimeout(60)
    data = b""
    try:
        while piece := connection.recv(4096):
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_a_header_from_anybody_else_is_data_that_nobody_understands(tmp_path):
    """Without `[listen] proxies`, and from outside of them, who could write one is not believed."""
    with serving.serving(
        tmp_path / "var",
        ANNUAIRE_LISTEN_PROXIES='["192.0.2.0/24"]',
        ANNUAIRE_AUDIENCE_ANONYMOUS="none",
        ANNUAIRE_AUDIENCE_NETWORKS='["10.1.0.0/16 apicrypt"]',
    ) as running:
        for header in (LINE % b"10.1.2.3", second("10.1.2.3")):
            with running.connect() as connection:
                connection.sendall(header + asking.search(1))
                answers = asking.read(ended(connection))
            assert [(one.message_id, one.operation.code) for one in answers] == [(0, 2)]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ANNUAIRE_LISTEN_PROXIES", '["10.0.0.1/8"]', "[listen] proxies: 10.0.0.1/8"),
        ("ANNUAIRE_AUDIENCE_NETWORKS", '["10.0.0.0/8 voisins"]', "[audience] networks: 10.0.0.0/8 voisins"),
        ("ANNUAIRE_AUDIENCE_NETWORKS", '["10.0.0.0/8 admin"]', "admin is no audience"),
        (
            "ANNUAIRE_AUDIENCE_CERTIFICATES",
            '["CN=a mssante"]',
            "[audience] certificates: needs [tls] client_ca",
        ),
        ("ANNUAIRE_TLS_REQUIRE_TLS", "true", "[tls] require_tls: needs certificate and key"),
    ],
)
def test_a_configuration_that_says_nothing_clear_is_told_in_words(tmp_path, variable, value, said):
    server = serving.Server(tmp_path / "var", **{variable: value})
    for command in (("check",), ("serve", "--workers", "1")):
        done = server.annuaire(*command)
        assert done.returncode == 78, done.stdout + done.stderr
        assert said in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
