"""StartTLS, certificates that come and go, and SASL, with independent clients on real sockets."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import asking
import invented_certificates
import ldap3
import pytest
import serving
from cryptography import x509
from invented_certificates import CLIENT, Authority
from waiting import until

from annuaire.ldap import capabilities
from annuaire.server import tls

ACCOUNT = f"uid=relais,ou=comptes,{serving.SUFFIX}"
SECRET = "un mot de passe d'é=cole, tr\u00e8s long"
START = asking.extended(1, capabilities.START_TLS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "ca")


@pytest.fixture(scope="module")
def server(tmp_path_factory, folder, authority, fixtures):
    state = tmp_path_factory.mktemp("start") / "var"
    serving.fill(state, fixtures / "apicrypt.ldif")
    for name, path in zip(
        ("server.pem", "server.key"), authority.issue("first", "CN=localhost"), strict=True
    ):
        shutil.copy(path, folder / name)
    with serving.serving(
        state,
        workers=2,
        ANNUAIRE_TLS_CERTIFICATE=str(folder / "server.pem"),
        ANNUAIRE_TLS_KEY=str(folder / "server.key"),
        ANNUAIRE_TLS_CLIENT_CA=str(authority.file),
        ANNUAIRE_LISTENERS_INTERN_PROTOCOL="ldap",
        ANNUAIRE_LISTENERS_INTERN_ENDPOINT=f"unix:{folder}/ldapi",
        ANNUAIRE_AUDIENCE_CERTIFICATES=(
            f'["CN=relais.exemple mssante", "CN=compte.exemple,O=Exemple -> {ACCOUNT}", "CN=chef.exemple admin"]'
        ),
    ) as running:
        running.annuaire(
            "account", "add", "relais", "--audience", "dgs", "--password-stdin", input=SECRET + "\n"
        )
        yield running


def trusting(authority: Authority, shown: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.file)
    if shown is not None:
        context.load_cert_chain(*shown)
    return context


def needed(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def tool(server: serving.Server, authority: Authority, *arguments: str, **variables: str):
    """One of OpenLDAP's tools; `LDAPS` and `LDAP` among the arguments stand for the server's addresses."""
    needed(arguments[0])
    places = {
        "LDAP": f"ldap://localhost:{server.port()}",
        "LDAPS": f"ldaps://localhost:{server.port('ldaps')}",
    }
    return subprocess.run(
        [places.get(argument, argument) for argument in arguments],
        env={**os.environ, "LDAPTLS_CACERT": str(authority.file), **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


class TestStartTls:
    def test_openldap_and_openssl_begin_tls(self, server, authority):
        done = tool(server, authority, "ldapwhoami", "-ZZ", "-x", "-H", "LDAP", "-D", ACCOUNT, "-w", SECRET)
        assert (done.returncode, done.stdout.strip()) == (0, f"dn:{ACCOUNT}")
        done = subprocess.run(
            [
                *["openssl", "s_client", "-starttls", "ldap", "-brief", "-verify_return_error"],
                *f"-connect localhost:{server.port()} -CAfile {authority.file}".split(),
            ],
            input="",
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "Verification: OK" in done.stdout + done.stderr
        assert "TLSv1.3" in done.stdout + done.stderr

    def test_ldap3_begins_tls_before_a_bind_and_is_a_stranger_when_it_began_after_one(
        self, server, authority
    ):
        trust = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(authority.file))
        place = ldap3.Server("localhost", server.port(), tls=trust, get_info=ldap3.ALL)
        before = ldap3.Connection(place, ACCOUNT, SECRET, auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND)
        assert before.extend.standard.who_am_i() == f"dn:{ACCOUNT}"
        before.search(serving.SUFFIX, "(objectClass=*)", attributes=["*", "+"])
        assert len(before.entries) > 40
        before.unbind()
        after = ldap3.Connection(place, ACCOUNT, SECRET, auto_bind=ldap3.AUTO_BIND_NO_TLS)
        assert after.extend.standard.who_am_i() == f"dn:{ACCOUNT}"
        assert after.start_tls()
        assert after.extend.standard.who_am_i() in ("", None)
        assert after.rebind(ACCOUNT, SECRET)
        assert after.extend.standard.who_am_i() == f"dn:{ACCOUNT}"
        after.unbind()

    def test_net_ldap_begins_tls_and_binds_by_sasl(self, server, authority):
        needed("perl")
        modules = ["-MNet::LDAP", "-MAuthen::SASL", "-MIO::Socket::SSL"]
        if subprocess.run(["perl", *modules, "-e", "1"], capture_output=True).returncode:
            pytest.skip(
                "packages libnet-ldap-perl, libauthen-sasl-perl and libio-socket-ssl-perl are not installed"
            )
        script = (
            "use Net::LDAP; use Authen::SASL; my ($port, $ca, $name, $secret) = @ARGV;"
            'my $l = Net::LDAP->new("localhost", port => $port) or die "$@";'
            'my $m = $l->start_tls(verify => "require", cafile => $ca); die $m->error if $m->code;'
            "my %told = (user => $name, pass => $secret, authname => '');"
            r'my $s = Authen::SASL->new(mechanism => "PLAIN", callback => \%told);'
            "$m = $l->bind(undef, sasl => $s); die $m->error if $m->code;"
            'use Net::LDAP::Extension::WhoAmI; print $l->who_am_i->response; $m = $l->start_tls; print " ", $m->code;'
        )
        done = subprocess.run(
            ["perl", "-e", script, str(server.port()), str(authority.file), "relais", SECRET],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.stdout == f"dn:{ACCOUNT} 1", done.stderr

    def test_what_is_said_in_clear_behind_starttls_is_neither_done_nor_taken_into_tls(self, server):
        with server.connect() as connection:
            connection.sendall(START + asking.bind(2, serving.ADMIN, serving.PASSWORD) + asking.search(3))
            answers = asking.read(everything(connection))
        assert [(one.message_id, one.operation.code) for one in answers] == [(1, 1), (0, 2)]

    def test_what_follows_in_clear_breaks_the_handshake_and_nothing_is_answered(self, server):
        with server.connect() as connection:
            connection.sendall(START)
            assert asking.codes(serving.receive(connection)) == [(1, 0)]
            connection.sendall(asking.search(2, base="", scope=0))
            rest = everything(connection)
        assert rest[:1] in (b"", b"\x15")  # a TLS alert at most

    def test_large_answers_on_both_sides_of_starttls_arrive_whole(self, server, authority):
        """Note [The producer is a push producer]: the transport must still say stop and go after TLS began late."""
        with socket.create_connection(("127.0.0.1", server.port())) as connection:
            connection.settimeout(60)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            count = 40
            for _ in range(count):
                connection.sendall(asking.search(7, "(sn=*)", attributes=["*", "+"]))
            time.sleep(0.3)
            answer = serving.receive(connection, count)
            assert len(asking.codes(answer)) == count
            connection.sendall(START)
            assert asking.codes(serving.receive(connection)) == [(1, 0)]
            with trusting(authority).wrap_socket(connection, server_hostname="localhost") as secure:
                secure.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD))
                assert asking.codes(serving.receive(secure)) == [(1, 0)]
                secure.sendall(b"".join(asking.search(number, "(sn=*)") for number in range(2, 2 + count)))
                time.sleep(0.5)
                answer = serving.receive(secure, count)
                assert asking.codes(answer) == [(number, 0) for number in range(2, 2 + count)]
                secure.sendall(asking.bind(90, serving.ADMIN, "wrong") + asking.search(91, base="", scope=0))
                assert asking.codes(serving.receive(secure, 2)) == [(90, 49), (91, 0)]

    def test_a_client_that_never_begins_the_handshake_disturbs_nobody(self, server):
        idle = [server.connect() for _ in range(20)]
        for connection in idle:
            connection.sendall(START)
            assert asking.codes(serving.receive(connection)) == [(1, 0)]
        with server.connect() as connection:
            connection.sendall(asking.search(1, base="", scope=0))
            assert asking.codes(serving.receive(connection)) == [(1, 0)]
        for connection in idle:
            connection.close()

    def test_a_unix_socket_can_be_encrypted_too(self, server, authority, folder):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(folder / "ldapi"))
            connection.sendall(START)
            assert asking.codes(serving.receive(connection)) == [(1, 0)]
            with trusting(authority).wrap_socket(connection, server_hostname="localhost") as secure:
                secure.sendall(asking.search(1, "(sn=*)", attributes=["*", "+"]))
                assert asking.codes(serving.receive(secure)) == [(1, 0)]

    def test_unbind_is_answered_by_close_notify(self, server, authority):
        with socket.create_connection(("127.0.0.1", server.port("ldaps"))) as plain:
            plain.settimeout(60)
            context = trusting(authority)
            with context.wrap_socket(
                plain, server_hostname="localhost", suppress_ragged_eofs=False
            ) as secure:
                secure.sendall(asking.unbind())
                assert secure.recv(100) == b""  # an end without close_notify would raise


def everything(connection: socket.socket) -> bytes:
    data = b""
    connection.settimeout(60)
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def first_answer(secure: ssl.SSLSocket) -> bytes:
    """With TLS 1.3 a client learns what the server thinks of its certificate behind its own last word."""
    with secure:
        secure.sendall(asking.search(1, base="", scope=0))
        return secure.recv(100)


class TestCertificates:
    @pytest.mark.parametrize(
        ("file", "issued", "said"),
        [
            ("expired", {"first": -20, "last": -10}, "expired"),
            ("future", {"first": 5}, "not yet valid"),
            ("othername", {"names": ("ailleurs.exemple",)}, "mismatch"),
            ("stranger", {}, "verify failed"),
            ("client", {"usage": CLIENT}, "verify failed|purpose|unsuitable"),
        ],
    )
    def test_a_careful_client_refuses_a_server_that_is_wrong(
        self, tmp_path, authority, server, file, issued, said
    ):
        signer = Authority(tmp_path, "other") if file == "stranger" else authority
        certificate, key = signer.issue(file, "CN=localhost", **issued)
        # What is wrong for clients is for them to find.
        assert tls.context(certificate, key) is not None
        with (
            replaced(server, certificate, key),
            server.connect("ldaps") as plain,
            pytest.raises(ssl.SSLCertVerificationError, match=f"(?i){said}"),
        ):
            trusting(authority).wrap_socket(plain, server_hostname="localhost")

    @pytest.mark.parametrize("file", ["expired", "future", "stranger", "purpose"])
    def test_a_client_certificate_that_does_not_hold_ends_the_handshake(
        self, tmp_path, server, authority, file
    ):
        signer = Authority(tmp_path, "other") if file == "stranger" else authority
        days = {"expired": {"first": -20, "last": -10}, "future": {"first": 5}}.get(file, {})
        usage = invented_certificates.SERVER if file == "purpose" else CLIENT
        shown = signer.issue(f"client-{file}", "CN=relais.exemple", usage, **days)
        with server.connect("ldaps") as plain, pytest.raises((ssl.SSLError, ConnectionError)):
            first_answer(trusting(authority, shown).wrap_socket(plain, server_hostname="localhost"))

    def test_a_client_certificate_gives_its_audience_before_and_by_a_bind(self, server, authority):
        shown = authority.issue("relais", "CN=relais.exemple,O=Exemple,C=FR", CLIENT)
        variables = {"LDAPTLS_CERT": str(shown[0]), "LDAPTLS_KEY": str(shown[1])}
        done = tool(server, authority, "ldapwhoami", "-Y", "EXTERNAL", "-H", "LDAPS", **variables)
        assert (done.returncode, done.stdout.strip()) == (0, "dn:CN=relais.exemple,O=Exemple,C=FR")
        done = tool(server, authority, "ldapwhoami", "-ZZ", "-Y", "EXTERNAL", "-H", "LDAP", **variables)
        assert done.returncode == 0, done.stderr
        shown = authority.issue("compte", "CN=compte.exemple,O=Exemple", CLIENT)
        variables = {"LDAPTLS_CERT": str(shown[0]), "LDAPTLS_KEY": str(shown[1])}
        done = tool(server, authority, "ldapwhoami", "-Y", "EXTERNAL", "-H", "LDAPS", **variables)
        assert (done.returncode, done.stdout.strip()) == (0, f"dn:{ACCOUNT}")
        done = tool(
            server, authority, "ldapwhoami", "-Y", "EXTERNAL", "-X", "dn:cn=admin", "-H", "LDAPS", **variables
        )
        assert done.returncode == 49
        done = tool(server, authority, "ldapwhoami", "-Y", "EXTERNAL", "-H", "LDAPS")
        assert done.returncode != 0
        shown = authority.issue("autre", "CN=autre.exemple", CLIENT)
        variables = {"LDAPTLS_CERT": str(shown[0]), "LDAPTLS_KEY": str(shown[1])}
        done = tool(server, authority, "ldapwhoami", "-Y", "EXTERNAL", "-H", "LDAPS", **variables)
        assert done.returncode == 49

    def test_ldap3_binds_by_its_certificate(self, server, authority):
        shown = authority.issue("chef", "CN=chef.exemple", CLIENT)
        trust = ldap3.Tls(
            local_certificate_file=str(shown[0]),
            local_private_key_file=str(shown[1]),
            validate=ssl.CERT_REQUIRED,
            ca_certs_file=str(authority.file),
        )
        place = ldap3.Server("localhost", server.port("ldaps"), use_ssl=True, tls=trust, get_info=ldap3.DSA)
        with ldap3.Connection(place, authentication=ldap3.SASL, sasl_mechanism=ldap3.EXTERNAL) as connection:
            assert connection.extend.standard.who_am_i() == "dn:CN=chef.exemple"
            assert connection.search(f"ou=comptes,{serving.SUFFIX}", "(uid=relais)")
        with ldap3.Connection(place) as connection:  # administrators bind
            assert not connection.search(f"ou=comptes,{serving.SUFFIX}", "(uid=relais)")

    def test_a_new_certificate_is_used_after_sighup_by_all_workers_and_a_broken_one_is_not(
        self, server, authority, folder
    ):
        old = served(server, authority)
        certificate, key = authority.issue("second", "CN=localhost")
        held = server.connect("ldaps")
        kept = trusting(authority).wrap_socket(held, server_hostname="localhost")
        with replaced(server, certificate, key):
            new = x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number
            assert {served(server, authority) for _ in range(12)} == {new}
            (folder / "server.key").write_bytes((folder / "first.key").read_bytes())
            log = server.log.stat().st_size
            server.process.send_signal(signal.SIGHUP)
            until(lambda: server.log.read_text()[log:].count("is not the key of") >= 2, server.log.read_text)
            assert {served(server, authority) for _ in range(12)} == {new}
        assert served(server, authority) == old
        # Who was connected meanwhile has noticed nothing.
        kept.sendall(asking.search(1, base="", scope=0))
        assert asking.codes(serving.receive(kept)) == [(1, 0)]
        kept.close()


class replaced:  # noqa: N801 read as a with statement
    """The server uses another certificate meanwhile."""

    def __init__(self, server: serving.Server, certificate: Path, key: Path) -> None:
        self._server = server
        self._new = {"CERTIFICATE": certificate, "KEY": key}
        self._files = {name: Path(server.environment[f"ANNUAIRE_TLS_{name}"]) for name in self._new}
        self._old = {name: path.read_bytes() for name, path in self._files.items()}

    def __enter__(self) -> None:
        self._put({name: path.read_bytes() for name, path in self._new.items()})

    def __exit__(self, *_: object) -> None:
        self._put(self._old)

    def _put(self, contents: dict[str, bytes]) -> None:
        for name, content in contents.items():
            self._files[name].write_bytes(content)
        log = self._server.log.stat().st_size
        self._server.process.send_signal(signal.SIGHUP)
        wanted = self._server.workers
        until(
            lambda: self._server.log.read_text()[log:].count("certificate read again") >= wanted,
            self._server.log.read_text,
        )


def served(server: serving.Server, authority: Authority) -> int:
    """The serial number of the certificate that the next connection is shown."""
    with (
        server.connect("ldaps") as plain,
        trusting(authority).wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        shown = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True))
    return shown.serial_number


class TestSasl:
    @pytest.mark.parametrize("name", ["relais", ACCOUNT, f"dn:{ACCOUNT}"])
    @pytest.mark.parametrize(
        ("mechanism", "place"),
        [("PLAIN", "LDAPS"), ("SCRAM-SHA-256", "LDAPS"), ("SCRAM-SHA-256", "LDAP")],
    )
    def test_openldap_binds_an_account_under_its_names(self, server, authority, name, mechanism, place):
        asked = ("ldapwhoami", "-Y", mechanism, "-H", place, "-U", name, "-w")
        done = tool(server, authority, *asked, SECRET)
        assert (done.returncode, done.stdout.strip()) == (0, f"dn:{ACCOUNT}"), done.stderr
        if name == "relais":  # a few wrong ones are free (domain/lockout.py)
            assert tool(server, authority, *asked, "wrong").returncode == 49

    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
    def test_openldap_binds_the_channel(self, server, authority, mechanism):
        asked = ("ldapwhoami", "-Y", mechanism, "-H", "LDAPS", "-U", "relais", "-w", SECRET)
        done = tool(server, authority, *asked, LDAPSASL_CBINDING="tls-endpoint")
        assert (done.returncode, done.stdout.strip()) == (0, f"dn:{ACCOUNT}"), done.stderr

    def test_a_salt_tells_nothing_of_accounts_and_passwords_that_come_and_go(self, server, authority):
        """Note [A salt tells nothing]: whoever asks, before, between and after, sees one salt for one name."""
        names = [f"uid=passager,ou=comptes,{serving.SUFFIX}", f"uid=passagere,ou=apicrypt,{serving.SUFFIX}"]

        def salts() -> list[bytes]:
            found = []
            for name in names:
                with server.connect() as connection:
                    sent = name.replace("=", "=3D").replace(",", "=2C").encode()
                    connection.sendall(asking.sasl(1, "SCRAM-SHA-256", b"n,,n=%b,r=abcdef" % sent))
                    [answer] = asking.read(serving.receive(connection))
                assert answer.operation.code == 14
                found.append(answer.operation.sasl_credentials.partition(b",")[2])
            return found

        def logs_in(name: str, secret: str) -> bool:
            asked = ("ldapwhoami", "-Y", "SCRAM-SHA-256", "-H", "LDAP", "-U", name, "-w", secret)
            return tool(server, authority, *asked).returncode == 0

        first = salts()
        person = {
            "objectClass": [b"inetOrgPerson"],
            "cn": [b"P"],
            "sn": [b"P"],
            "userPassword": [b"premier secret"],
            "annuaireAudience": [b"dgs"],
        }
        person["objectClass"].append(b"annuaireCompte")
        server.annuaire(
            "account", "add", "passager", "--audience", "dgs", "--password-stdin", input=f"{SECRET}\n"
        )
        with server.connect() as connection:
            connection.sendall(asking.bind(1, serving.ADMIN, serving.PASSWORD))
            assert asking.codes(serving.receive(connection)) == [(1, 0)]
            connection.sendall(asking.add(2, names[1], person))
            [(_, code)] = asking.codes(serving.receive(connection))
            assert code == 0
            assert salts() == first
            assert logs_in("passager", SECRET)
            assert logs_in(names[1], "premier secret")
            for number, name in enumerate(names, 3):
                connection.sendall(asking.modify(number, name, "userPassword", [b"deuxieme secret"]))
                assert asking.codes(serving.receive(connection)) == [(number, 0)]
            assert salts() == first
            assert logs_in("passager", "deuxieme secret")
            for number, name in enumerate(names, 5):
                connection.sendall(asking.delete(number, name))
                assert asking.codes(serving.receive(connection)) == [(number, 0)]
        assert salts() == first

    def test_an_administrator_acts_for_an_account_and_an_account_for_nobody(self, server, authority):
        admin = (
            "ldapwhoami",
            "-Y",
            "SCRAM-SHA-256",
            "-H",
            "LDAP",
            "-U",
            serving.ADMIN,
            "-w",
            serving.PASSWORD,
        )
        done = tool(server, authority, *admin, "-X", "u:relais")
        assert (done.returncode, done.stdout.strip()) == (0, f"dn:{ACCOUNT}"), done.stderr
        account = ("ldapwhoami", "-Y", "PLAIN", "-H", "LDAPS", "-U", "relais", "-w", SECRET)
        assert tool(server, authority, *account, "-X", f"dn:{serving.ADMIN}").returncode == 49

    def test_plain_is_not_to_be_had_in_clear_but_through_a_unix_socket(self, server, authority, folder):
        asked = ("ldapwhoami", "-Y", "PLAIN", "-U", "relais", "-w", SECRET)
        assert tool(server, authority, *asked, "-H", "LDAP").returncode != 0
        place = f"ldapi://{str(folder / 'ldapi').replace('/', '%2F')}"
        done = tool(server, authority, *asked, "-H", place)
        assert (done.returncode, done.stdout.strip()) == (0, f"dn:{ACCOUNT}"), done.stderr
        with server.connect() as connection:
            connection.sendall(asking.sasl(1, "PLAIN", b"\0relais\0" + SECRET.encode()))
            assert asking.codes(serving.receive(connection)) == [(1, 13)]

    def test_ldap3_binds_by_plain(self, server, authority):
        trust = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(authority.file))
        place = ldap3.Server("localhost", server.port("ldaps"), use_ssl=True, tls=trust)
        options = {"authentication": ldap3.SASL, "sasl_mechanism": "PLAIN"}
        connection = ldap3.Connection(place, sasl_credentials=(None, "relais", SECRET), **options)
        assert connection.bind()
        assert connection.extend.standard.who_am_i() == f"dn:{ACCOUNT}"
        connection.unbind()
        wrong = ldap3.Connection(place, sasl_credentials=(None, "relais", "wrong"), **options)
        assert not wrong.bind()
        wrong.unbind()

    def test_resumed_sessions_and_new_ones_are_both_served(self, server, authority):
        """Tickets belong to one worker: another must do the whole handshake, not fail."""
        context = trusting(authority)
        session = None
        for number in range(1, 13):
            with socket.create_connection(("127.0.0.1", server.port("ldaps"))) as plain:
                plain.settimeout(60)
                with context.wrap_socket(plain, server_hostname="localhost", session=session) as secure:
                    secure.sendall(asking.search(number, base="", scope=0))
                    assert asking.codes(serving.receive(secure)) == [(number, 0)]
                    session = secure.session
