"""LDAPS with a certificate made by scripts/make_certificates."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import time
import warnings
from pathlib import Path

import asking
import ldap3
import pytest
import serving
from waiting import until

from annuaire.errors import Misconfigured
from annuaire.ldap import ber, capabilities
from annuaire.server import tls

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_certificates"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def secure(tmp_path_factory, certificates, fixtures):
    state = tmp_path_factory.mktemp("secure") / "var"
    serving.fill(state, fixtures / "apicrypt.ldif")
    with serving.serving(
        state,
        workers=2,
        ANNUAIRE_TLS_CERTIFICATE=str(certificates / "server.pem"),
        ANNUAIRE_TLS_KEY=str(certificates / "server.key"),
        ANNUAIRE_AUDIENCE_ANONYMOUS="apicrypt",
    ) as running:
        yield running


def trusting(certificates: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates / "ca.pem")


def test_the_chain_and_the_names_are_verified_by_an_ordinary_client(secure, certificates):
    for name in ("localhost", "127.0.0.1"):
        with (
            secure.connect("ldaps") as plain,
            trusting(certificates).wrap_socket(plain, server_hostname=name) as connection,
        ):
            assert connection.version() == "TLSv1.3"
            connection.sendall(asking.search(1, "(sn=dupont)", attributes=["1.1"]))
            assert asking.codes(serving.receive(connection)) == [(1, 0)]


def test_versions_before_1_2_are_refused_and_1_2_is_forward_secret(secure, certificates):
    context = trusting(certificates)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        secure.connect("ldaps") as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        assert connection.cipher()[0].startswith("ECDHE-")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with secure.connect("ldaps") as plain, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(plain, server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_by_their_worker_and_begun_anew_by_another(secure, certificates, version):
    context = trusting(certificates)
    context.minimum_version = context.maximum_version = version
    session, resumed = None, 0
    held = []
    for number in range(1, 17):
        plain = secure.connect("ldaps")
        connection = context.wrap_socket(plain, server_hostname="localhost", session=session)
        connection.sendall(asking.search(number, base="", scope=0))
        assert asking.codes(serving.receive(connection)) == [(number, 0)]
        resumed += connection.session_reused
        session = session or connection.session
        held.append(connection)  # so that connections are spread over both
    assert 0 < resumed < 15
    for connection in held:
        connection.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_nobody_renegotiates(secure, certificates):
    asked = ["openssl", "s_client", "-tls1_2", "-connect", f"localhost:{secure.port('ldaps')}"]
    with subprocess.Popen(
        [*asked, "-CAfile", str(certificates / "ca.pem")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as client:
        said = ""
        while "Verify return code: 0" not in said:  # connected
            said += client.stdout.readline()
        client.stdin.write("R\n")
        client.stdin.flush()
        assert "no renegotiation" in client.stdout.read()


def test_the_administrator_logs_in_while_others_stream(secure, certificates):
    trust = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(certificates / "ca.pem"))
    place = ldap3.Server("localhost", secure.port("ldaps"), use_ssl=True, tls=trust, get_info=ldap3.ALL)
    with ldap3.Connection(place, serving.ADMIN, serving.PASSWORD, raise_exceptions=True) as connection:
        connection.search(serving.SUFFIX, "(objectClass=*)", attributes=["*", "+"])
        assert len(connection.entries) > 70


def test_wrong_passwords_over_tls_are_answered(secure, certificates):
    with (
        secure.connect("ldaps") as plain,
        trusting(certificates).wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        for number in range(1, 4):
            connection.sendall(
                asking.bind(number, serving.ADMIN, "wrong") + asking.search(100 + number, scope=0)
            )
            assert asking.codes(serving.receive(connection, 2)) == [(number, 49), (100 + number, 0)]


def test_a_client_that_reads_late_and_slowly_gets_every_byte_in_order(secure, certificates):
    count = 60
    with secure.connect("ldaps") as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        with trusting(certificates).wrap_socket(plain, server_hostname="localhost") as connection:
            sent = [asking.search(i, "(sn=*)", attributes=["*", "+"]) for i in range(1, count + 1)]
            connection.sendall(b"".join(sent))
            time.sleep(0.5)
            answer = serving.receive(connection, count)
    assert asking.codes(answer) == [(i, 0) for i in range(1, count + 1)]
    assert len(asking.entries(answer)) > 70 * count


def test_ldap_in_clear_to_the_secure_port_is_closed(secure):
    with secure.connect("ldaps") as connection:
        connection.sendall(asking.search(1))
        connection.settimeout(60)
        try:
            while connection.recv(4096):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            pytest.fail("left open")


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("server.pem", "absent.key", "absent.key"),
        ("absent.pem", "server.key", "absent.pem"),
        ("server.key", "server.key", "no certificate"),
        ("server.pem", "other.key", "not the key"),
    ],
)
def test_files_that_do_not_fit_are_told_in_words(tmp_path, certificates, certificate, key, said):
    if key == "other.key":
        subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], check=True)
        (tmp_path / "server.key").rename(certificates / "other.key")
    with pytest.raises(Misconfigured, match=said):
        tls.context(certificates / certificate, certificates / key)


def test_a_server_with_a_wrong_certificate_does_not_start(tmp_path, certificates):
    server = serving.Server(
        tmp_path / "var",
        ANNUAIRE_TLS_CERTIFICATE=str(certificates / "absent.pem"),
        ANNUAIRE_TLS_KEY=str(certificates / "server.key"),
    )
    done = server.annuaire("serve", "--workers", "1")
    assert done.returncode == 78, done.stderr
    assert "absent.pem" in done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_changed_are_noticed_and_a_pair_that_does_not_fit_is_not_used(
    tmp_path, certificates, caplog
):
    files = {name: tmp_path / name for name in ("server.pem", "server.key")}
    for name, path in files.items():
        path.write_bytes((certificates / name).read_bytes())
    known = tls.Certificates(*files.values())

    def offered():
        return known.serverConnectionForTLS(None).get_certificate()

    first = offered().get_serial_number()
    known.look()
    assert offered().get_serial_number() == first
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path / "new")], check=True)
    files["server.pem"].write_bytes((tmp_path / "new" / "server.pem").read_bytes())
    known.look()
    known.look()
    assert offered().get_serial_number() == first
    assert caplog.text.count("the certificate in use is kept") == 1
    files["server.key"].write_bytes((tmp_path / "new" / "server.key").read_bytes())
    known.look()
    assert offered().get_serial_number() != first
    files["server.key"].unlink()
    known.look()
    assert offered().get_serial_number() != first


def test_what_waits_behind_other_answers_is_cancelled(secure, certificates):
    count = 60
    with secure.connect("ldaps") as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        with trusting(certificates).wrap_socket(plain, server_hostname="localhost") as connection:
            sent = [asking.search(number, "(sn=*)", attributes=["*", "+"]) for number in range(1, count + 1)]
            cancelled = ber.sequence([ber.integer(count)])
            connection.sendall(b"".join(sent) + asking.extended(99, capabilities.CANCEL, cancelled))
            answer = serving.receive(connection, count + 1)
    codes = asking.codes(answer)
    assert dict(codes) == {**dict.fromkeys(range(1, count), 0), count: 118, 99: 0}
    assert codes.index((count, 118)) < codes.index((99, 0))


def sockets(pid: int) -> int:
    found = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(descriptor.readlink()).startswith("socket:")
    return found


@pytest.mark.parametrize("last", [asking.unbind(), b"\x04\x00"])
@pytest.mark.parametrize("count", [50, 400])
def test_whose_end_comes_behind_many_requests_is_gone_when_they_are(secure, certificates, last, count):
    """Reading had stopped for so many requests: it goes on, or TLS would never hear of the client's end."""
    before = [sockets(pid) for pid in secure.worker_pids()]
    for _ in range(3):
        with (
            secure.connect("ldaps") as plain,
            trusting(certificates).wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            many = b"".join(asking.search(number, "(sn=*)") for number in range(1, count + 1))
            connection.sendall(many + last + asking.search(999) * 50)
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
    pids = secure.worker_pids()
    until(
        lambda: all(sockets(pid) <= most for pid, most in zip(pids, before, strict=True)), lambda: str(before)
    )
