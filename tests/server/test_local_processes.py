"""Processes of this machine at a unix socket: SASL EXTERNAL by their user and group, as OpenLDAP's tools ask for it."""

import os
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import asking
import ldap3
import pytest
import serving
from invented_certificates import Authority

from annuaire.ldap.external import PROCESSES, process_name
from annuaire.server.proxy_header import SIGNATURE

# Nobody's on this machine, and mapped to an audience.
MAIL = 54321
TELEPHONE = f"dn: cn=Un,ou=apicrypt,{serving.SUFFIX}\nchangetype: modify\nreplace: telephoneNumber\n"
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # pytest's own folders are closed to others, who are to reach the socket.
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def server(tmp_path_factory, folder, fixtures) -> Iterator[serving.Server]:
    state = tmp_path_factory.mktemp("processes") / "var"
    serving.fill(state, fixtures / "apicrypt.ldif")
    certificate, key = Authority(folder, "ca").issue("server", "CN=localhost")
    with serving.serving(
        state,
        workers=2,
        ANNUAIRE_ADMIN_PASSWORD="",
        ANNUAIRE_TLS_CERTIFICATE=str(certificate),
        ANNUAIRE_TLS_KEY=str(key),
        ANNUAIRE_TLS_REQUIRE_TLS="true",
        ANNUAIRE_LISTENERS_LDAPI_PROTOCOL="ldap",
        ANNUAIRE_LISTENERS_LDAPI_ENDPOINT=f"unix:{folder}/ldapi:mode=666",
        ANNUAIRE_LIMITS_CONNECTIONS_PER_CLIENT="20",
        ANNUAIRE_AUDIENCE_CERTIFICATES=(
            f'["uidNumber={os.geteuid()},{PROCESSES} -> {serving.ADMIN}", "uidNumber={MAIL},{PROCESSES} routage"]'
        ),
    ) as running:
        yield running


def place(folder: Path) -> str:
    return f"ldapi://{quote(str(folder / 'ldapi'), safe='')}"


def tool(folder: Path, *arguments: str, user: int | None = None, said: str = "") -> tuple[int, str, str]:
    """One of OpenLDAP's tools, as another user if need be."""
    command = [needed(arguments[0]), "-Q", "-Y", "EXTERNAL", "-H", place(folder), *arguments[1:]]
    if user is not None:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
    done = subprocess.run(command, input=said, capture_output=True, text=True, timeout=120, cwd="/")
    return done.returncode, done.stdout, done.stderr


def connect(folder: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(serving.PATIENCE_SECONDS)
    connection.connect(str(folder / "ldapi"))
    return connection


def say(connection: socket.socket, request: bytes):
    connection.sendall(request)
    return asking.read(serving.receive(connection))


class TestMapped:
    def test_openldap_s_tools_administrate_without_a_password(self, server, folder):
        for _ in range(8):  # whichever worker answers
            assert tool(folder, "ldapwhoami")[:2] == (0, f"dn:{serving.ADMIN}\n")
        person = f"dn: cn=Un,ou=apicrypt,{serving.SUFFIX}\nobjectClass: inetOrgPerson\nsn: Un\n"
        code, _, error = tool(folder, "ldapadd", said=person)
        assert code == 0, error
        code, _, error = tool(folder, "ldapmodify", said=f"{TELEPHONE}telephoneNumber: +33 1\n")
        assert code == 0, error
        code, found, _ = tool(folder, "ldapsearch", "-LLL", "-b", serving.SUFFIX, "(cn=un)", "+")
        assert (code, f"modifiersName: {serving.ADMIN}" in found) == (0, True)
        assert tool(folder, "ldapdelete", f"cn=Un,ou=apicrypt,{serving.SUFFIX}")[0] == 0

    def test_ldap3_and_python_ldap_do_the_same(self, server, folder):
        there = ldap3.Server(place(folder), get_info=ldap3.ALL)
        with ldap3.Connection(
            there, authentication=ldap3.SASL, sasl_mechanism=ldap3.EXTERNAL, sasl_credentials=""
        ) as connection:
            assert connection.extend.standard.who_am_i() == f"dn:{serving.ADMIN}"
        program = (
            "import ldap,sys;c=ldap.initialize(sys.argv[1]);c.sasl_external_bind_s();print(c.whoami_s())"
        )
        if subprocess.run(["/usr/bin/python3", "-c", "import ldap"], capture_output=True).returncode:
            pytest.skip("python3-ldap is not installed")
        done = subprocess.run(
            ["/usr/bin/python3", "-c", program, place(folder)], capture_output=True, text=True, timeout=120
        )
        assert done.stdout == f"dn:{serving.ADMIN}\n", done.stderr

    @only_root
    def test_an_audience_has_the_process_s_own_name(self, server, folder):
        code, said, _ = tool(folder, "ldapwhoami", user=MAIL)
        assert (code, said) == (0, f"dn:{process_name(MAIL, MAIL)}\n")
        asked = ["ldapsearch", "-LLL", "-b", serving.SUFFIX, "(mailLocalAddress=*)", "mailRoutingAddress"]
        assert "mailRoutingAddress" in tool(folder, *asked, user=MAIL)[1]
        code, _, error = tool(folder, "ldapmodify", user=MAIL, said=f"{TELEPHONE}telephoneNumber: +33 1\n")
        assert (code, "Insufficient access" in error) == (50, True)

    def test_it_goes_on_under_starttls_and_is_left_by_a_bind(self, server, folder):
        needed("ldapwhoami")
        done = subprocess.run(
            ["ldapwhoami", "-Q", "-ZZ", "-Y", "EXTERNAL", "-H", place(folder)],
            env={**os.environ, "LDAPTLS_REQCERT": "never"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.stdout == f"dn:{serving.ADMIN}\n", done.stderr
        with connect(folder) as connection:
            assert say(connection, asking.sasl(1, "EXTERNAL", b""))[0].operation.code == 0
            assert say(connection, asking.bind(2, serving.ADMIN, "wrong"))[0].operation.code == 49
            assert say(connection, asking.extended(3, "1.3.6.1.4.1.4203.1.11.3"))[0].operation.value == b""


class TestOthers:
    @only_root
    def test_who_is_not_mapped_is_a_stranger_and_told_which_name_is_missing(self, server, folder):
        code, _, error = tool(folder, "ldapwhoami", user=65534)
        assert (code, process_name(65534, 65534) in error) == (49, True)
        needed("setpriv")
        done = subprocess.run(
            [
                *["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
                *["ldapsearch", "-x", "-LLL", "-H", place(folder), "-s", "base"],
                *["-b", "", "supportedSASLMechanisms"],
            ],
            capture_output=True,
            text=True,
            timeout=120,
            cwd="/",
        )
        assert "SCRAM-SHA-256" in done.stdout
        assert "EXTERNAL" not in done.stdout

    def test_over_tcp_nobody_is_a_process(self, server):
        with server.connect() as connection:
            assert say(connection, asking.sasl(1, "EXTERNAL", b""))[0].operation.code == 7
            root = say(connection, asking.search(2, base="", scope=0, attributes=["+"]))[0].operation
            assert b"EXTERNAL" not in root.attributes["supportedSASLMechanisms"]

    def test_an_administrator_without_a_password_has_none_to_guess(self, server, folder):
        with connect(folder) as connection:
            for number, password in enumerate(["", " ", "None"], 1):
                code = say(connection, asking.bind(number, serving.ADMIN, password))[0].operation.code
                assert code == (49 if password else 53)

    @only_root
    def test_one_user_s_connections_keep_no_other_user_out(self, server, folder):
        program = (
            "import socket,sys,time\nheld=[]\n"
            "for _ in range(60):\n"
            " one=socket.socket(socket.AF_UNIX); one.connect(sys.argv[1]); held.append(one)\n"
            "print('all',flush=True); sys.stdin.read()\n"
        )
        needed("setpriv")
        with subprocess.Popen(
            [
                *["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
                *["/usr/bin/python3", "-c", program, str(folder / "ldapi")],
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        ) as crowd:
            assert crowd.stdout.readline() == "all\n"
            for _ in range(8):
                with connect(folder) as connection:
                    assert say(connection, asking.sasl(1, "EXTERNAL", b""))[0].operation.code == 0
            crowd.stdin.close()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory, folder, fixtures):
    state = tmp_path_factory.mktemp("proxied") / "var"
    serving.fill(state, fixtures / "apicrypt.ldif")
    certificate, key = Authority(folder, "ca2").issue("proxied", "CN=localhost")
    (folder / "behind").mkdir()
    with serving.serving(
        state,
        ANNUAIRE_TLS_CERTIFICATE=str(certificate),
        ANNUAIRE_TLS_KEY=str(key),
        ANNUAIRE_TLS_REQUIRE_TLS="true",
        ANNUAIRE_LISTEN_PROXIES='["unix"]',
        ANNUAIRE_LISTENERS_LDAPI_PROTOCOL="ldap",
        ANNUAIRE_LISTENERS_LDAPI_ENDPOINT=f"unix:{folder}/behind/ldapi:mode=666",
        ANNUAIRE_AUDIENCE_CERTIFICATES=f'["{PROCESSES} -> {serving.ADMIN}"]',
    ):
        yield folder / "behind"


class TestBehindProxies:
    @pytest.mark.parametrize(
        "header",
        [
            b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 389\r\n",
            b"PROXY UNKNOWN\r\n",
            SIGNATURE + b"\x20\x00\x00\x00",
            SIGNATURE + b"\x21\x11\x00\x0c" + bytes(8) + struct.pack("!HH", 1, 2),
            # A client of the proxy's own unix socket, of which its credentials are not told.
            SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216),
        ],
    )
    def test_a_proxy_s_user_is_nobody_behind_it(self, proxied, header):
        with connect(proxied) as connection:
            connection.sendall(header)
            assert say(connection, asking.sasl(1, "EXTERNAL", b""))[0].operation.code == 7
            root = say(connection, asking.search(2, base="", scope=0, attributes=["+"]))[0].operation
            assert b"EXTERNAL" not in root.attributes["supportedSASLMechanisms"]
            # Nor do the bytes stay on this machine, as far as is known.
            code = say(connection, asking.bind(3, serving.ADMIN, serving.PASSWORD))[0].operation.code
            assert code == 13

    def test_a_header_that_is_not_asked_for_is_noise(self, server, folder):
        with connect(folder) as connection:
            connection.sendall(b"PROXY UNKNOWN\r\n" + asking.sasl(1, "EXTERNAL", b""))
            notice = asking.read(serving.receive(connection))
            assert [(one.message_id, one.operation.code) for one in notice] == [(0, 2)]
