"""Who came with a client certificate stays as long as it would let them in anew, and no longer."""

import contextlib
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import asking
import pytest
import serving
from invented_certificates import CLIENT, Authority
from waiting import until

STRONGER_AUTH_REQUIRED = 8
SOON = 6 / 86_400  # of a day


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lasting")


@pytest.fixture(scope="module")
def ours(folder: Path) -> Authority:
    return Authority(folder, "ours")


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Authority:
    return Authority(folder, "theirs")


@pytest.fixture(scope="module")
def server(tmp_path_factory, folder, ours, theirs, fixtures) -> Iterator[serving.Server]:
    state = tmp_path_factory.mktemp("state") / "var"
    serving.fill(state, fixtures / "apicrypt.ldif")
    certificate, key = ours.issue("server", "CN=localhost")
    trusted(folder, ours, theirs)
    with serving.serving(
        state,
        workers=2,
        ANNUAIRE_TLS_CERTIFICATE=str(certificate),
        ANNUAIRE_TLS_KEY=str(key),
        ANNUAIRE_TLS_CLIENT_CA=str(folder / "clients.pem"),
        ANNUAIRE_AUDIENCE_CERTIFICATES='["CN=relais mssante", "CN=chef admin"]',
    ) as running:
        yield running


def trusted(folder: Path, *authorities: Authority) -> None:
    fresh = folder / "clients.new"
    fresh.write_bytes(b"".join(one.file.read_bytes() for one in authorities))
    fresh.replace(folder / "clients.pem")


def reload(server: serving.Server) -> None:
    log = server.log.stat().st_size
    server.process.send_signal(signal.SIGHUP)
    until(
        lambda: server.log.read_text()[log:].count("certificate read again") >= server.workers,
        server.log.read_text,
    )


@contextlib.contextmanager
def connected(
    server: serving.Server, ours: Authority, shown: tuple[Path, Path] | None
) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=ours.file)
    if shown is not None:
        context.load_cert_chain(*shown)
    with (
        socket.create_connection(("127.0.0.1", server.port("ldaps")), serving.PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(asking.search(1, base="", scope=0))
        assert asking.codes(serving.receive(secure)) == [(1, 0)]
        yield secure


def goes_on(connection: ssl.SSLSocket) -> bool:
    connection.sendall(asking.search(9, base="", scope=0))
    return asking.codes(serving.receive(connection)) == [(9, 0)]


def ended(connection: ssl.SSLSocket) -> bool:
    """Told so (RFC 4511 §4.4.1), and closed."""
    [notice] = asking.read(serving.receive(connection))
    assert (notice.message_id, notice.operation.code) == (0, STRONGER_AUTH_REQUIRED)
    return connection.recv(100) == b""


def test_a_ca_that_is_trusted_no_more_takes_its_connections_along_and_no_others(server, folder, ours, theirs):
    gone = [theirs.issue(f"gone{number}", "CN=relais", CLIENT) for number in range(2)]
    chief = theirs.issue("chief", "CN=chef", CLIENT)
    stays = ours.issue("stays", "CN=relais", CLIENT)
    with contextlib.ExitStack() as stack:
        lost = [stack.enter_context(connected(server, ours, one)) for one in [*gone * 3, chief]]
        lost[-1].sendall(asking.sasl(2, "EXTERNAL", b""))
        assert asking.codes(serving.receive(lost[-1])) == [(2, 0)]
        kept = [stack.enter_context(connected(server, ours, one)) for one in [stays] * 4 + [None] * 4]
        reload(server)
        assert all(goes_on(one) for one in [*lost, *kept])
        trusted(folder, ours)
        reload(server)
        try:
            assert all(ended(one) for one in lost)
            assert all(goes_on(one) for one in kept)
        finally:
            trusted(folder, ours, theirs)
            reload(server)


def test_a_certificate_that_expires_ends_its_connection(server, ours):
    shown = ours.issue("brief", "CN=relais", CLIENT, last=SOON)
    with connected(server, ours, shown) as connection, connected(server, ours, None) as other:
        reload(server)
        assert goes_on(connection)
        time.sleep(SOON * 86_400)
        reload(server)
        assert ended(connection)
        assert goes_on(other)
    assert "does not hold any more" in server.log.read_text()


def test_the_same_authorities_in_another_file_keep_their_connections(server, folder, ours, theirs):
    shown = theirs.issue("same", "CN=relais", CLIENT)
    with connected(server, ours, shown) as connection:
        trusted(folder, theirs, ours)
        reload(server)
        assert goes_on(connection)


def test_a_handshake_that_went_on_while_the_ca_was_taken_away_lasts_no_longer(server, folder, ours, theirs):
    context = ssl.create_default_context(cafile=ours.file)
    context.load_cert_chain(*theirs.issue("meanwhile", "CN=relais", CLIENT))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(
        ("127.0.0.1", server.port("ldaps")), serving.PATIENCE_SECONDS
    ) as connection:
        with contextlib.suppress(ssl.SSLWantReadError):
            half.do_handshake()
        connection.sendall(outgoing.read())
        while True:
            incoming.write(connection.recv(65536))
            try:
                half.do_handshake()
                break
            except ssl.SSLWantReadError:
                continue
        trusted(folder, ours)
        reload(server)
        try:
            connection.sendall(outgoing.read())  # the certificate, and the client's last word
            half.write(asking.search(1, base="", scope=0))
            connection.sendall(outgoing.read())
            reload(server)
            said = b""
            while not said or asking.read(said)[-1].message_id:
                incoming.write(connection.recv(65536))
                with contextlib.suppress(ssl.SSLWantReadError):
                    said += half.read(65536)
            assert asking.read(said)[-1].operation.code == STRONGER_AUTH_REQUIRED
        finally:
            trusted(folder, ours, theirs)
            reload(server)
