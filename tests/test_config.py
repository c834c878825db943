"""The configuration: defaults, file, variables, every problem at once, no secret shown."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from annuaire import config
from annuaire.errors import Misconfigured


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "annuaire.toml"
    path.write_text(text, "utf-8")
    return path


def problems(folder: Path, text: str = "", **environ: str) -> list[str]:
    path = written(folder, text) if text else None
    with pytest.raises(Misconfigured) as caught:
        config.load(path, environ)
    return str(caught.value).splitlines()


def test_without_a_file_everything_has_its_default(here):
    read = config.load(None, {})
    assert read.state == here / "var"
    assert read.suffix == "o=apicrypt,c=FR"
    assert read.admin_dn == "cn=admin,o=apicrypt,c=FR"
    assert read.store.url == ""
    assert read.audience.anonymous == "public"
    assert read.domains.interop == ("interop-mssante.apicrypt.org", "mssante.apicrypt.org")
    assert read.routing.key_grace_days == 30
    assert config.differences(read) == []


def test_the_default_ports_are_those_of_the_contract():
    listen = config.Listen()
    ports = [listen.ldap, listen.ldaps, listen.policy, listen.socketmap, listen.web, listen.metrics]
    assert [text.split(":")[1] for text in ports] == ["3890", "6360", "10040", "10041", "8389", "9389"]
    assert all(text.endswith("interface=127.0.0.1") for text in ports)


def test_the_file_in_the_current_folder_is_read(here):
    written(here, 'suffix = "dc=example,dc=org"')
    assert config.load(None, {}).suffix == "dc=example,dc=org"


def test_a_variable_names_the_file(here):
    other = here / "other.toml"
    other.write_text("[serve]\nworkers = 3")
    assert config.load(None, {"ANNUAIRE_CONFIG": str(other)}).serve.workers == 3


def test_a_file_that_was_named_must_exist(here):
    with pytest.raises(Misconfigured, match="no such file"):
        config.load(here / "absent.toml", {})


def test_paths_are_relative_to_the_folder_of_the_file(here):
    folder = here / "etc"
    folder.mkdir()
    path = written(
        folder,
        """
        state = "../state"
        [store]
        url = "sqlite:///base.db"
        [tls]
        certificate = "server.pem"
        key = "/absolute/key.pem"
        [schema]
        files = ["more.schema"]
        [admin]
        password_file = "secret"
        """,
    )
    read = config.load(path, {})
    assert read.state == folder / "../state"
    assert read.store.url == f"sqlite:///{folder / 'base.db'}"
    assert read.tls.certificate == folder / "server.pem"
    assert read.tls.key == Path("/absolute/key.pem")
    assert read.schema.files == (folder / "more.schema",)
    assert read.admin.password_file == folder / "secret"


def test_every_key_of_the_contract_is_accepted(here):
    path = written(
        here,
        """
        state = "var"
        suffix = "o=x"
        [store]
        url = "postgresql://someone:word@host/base"
        [listen]
        ldap = "tcp:389"
        ldaps = ""
        policy = "unix:/run/policy"
        socketmap = ""
        web = ""
        metrics = ""
        [serve]
        workers = 2
        [audience]
        anonymous = "none"
        [admin]
        dn = "cn=root,o=x"
        password_file = "p"
        [trees]
        suffixes = ["dc=example,dc=org"]
        readers = ["admin", "apicrypt"]
        [schema]
        files = []
        [limits]
        size = 100
        size_apicrypt = 0
        time = "10s"
        message = 65536
        connections = 5
        connections_per_client = 2
        idle = "1h"
        bind_cache = "5m"
        [domains]
        native = ["medical*.apicrypt.org"]
        interop = ["i.example"]
        dgs = ["dgs.mssante.fr"]
        [routing]
        professions = "jdv-j71"
        key_grace_days = 0
        own_networks = ["192.0.2.0/24"]
        require_certificate = true
        [tls]
        certificate = "c"
        key = "k"
        client_ca = "a"
        [view]
        cn_detail = false
        [log]
        operations = "all"
        values = true
        [sources.rass]
        kind = "extraction"
        url = "https://example.org/x.zip"
        [listeners.inside]
        protocol = "ldap"
        endpoint = "tcp:1389"
        anonymous = "apicrypt"
        """,
    )
    read = config.load(path, {})
    assert read.listen.ldaps == ""
    assert read.limits.time == 10.0
    assert read.limits.idle == 3600.0
    assert read.listeners["inside"].anonymous == "apicrypt"
    assert read.sources["rass"].kind == "extraction"
    assert read.admin_dn == "cn=root,o=x"


def test_every_problem_is_told_at_once(here):
    told = problems(
        here,
        """
        colour = "blue"
        suffix = "nothing"
        listen = 3
        [serve]
        workers = "two"
        threads = 3
        [audience]
        anonymous = "everybody"
        [limits]
        size = 0
        idle = "long"
        [trees]
        readers = ["admin", "friends"]
        [tls]
        key = "k"
        [listeners.inside]
        anonymous = "none"
        [colours]
        a = 1
        """,
        ANNUAIRE_LISTEN_LDPA="tcp:1",
        ANNUAIRE_LOG_VALUES="perhaps",
        ANNUAIRE_DOMAINS_NATIVE="a, b",
    )
    starts = [
        "colour: unknown key",
        "listen: must be a table",
        "[serve] threads: unknown key",
        "colours: unknown key",
        "ANNUAIRE_DOMAINS_NATIVE: must be a TOML array",
        "ANNUAIRE_LISTEN_LDPA: unknown variable",
        "suffix: must be a distinguished name",
        "[serve] workers: must be a whole number",
        "[audience] anonymous: must be one of",
        "[trees] readers: must be a list of",
        "[limits] size: must be between 1",
        "[limits] idle: must be a number of seconds",
        "ANNUAIRE_LOG_VALUES: must be true or false",
        "[tls] certificate, key: one without the other",
        "[listeners.inside] endpoint: missing",
    ]
    assert len(told) == len(starts)
    for start in starts:
        assert any(line.startswith(start) for line in told), start


def test_a_variable_overrides_the_file(here):
    path = written(here, '[limits]\nsize = 3\n[domains]\nnative = ["a"]')
    read = config.load(
        path,
        {
            "ANNUAIRE_LIMITS_SIZE": "7",
            "ANNUAIRE_LIMITS_CONNECTIONS_PER_CLIENT": "9",
            "ANNUAIRE_DOMAINS_NATIVE": '["b", "c"]',
            "ANNUAIRE_STATE": "elsewhere",
            "ANNUAIRE_LISTEN_LDAPS": "",
            "ANNUAIRE_ROUTING_REQUIRE_CERTIFICATE": "true",
            "ANNUAIRE_LIMITS_TIME": "2",
            "ANNUAIRE_TEST_POSTGRESQL": "not an option",
            "OTHER": "ignored",
        },
    )
    assert read.limits.size == 7
    assert read.limits.connections_per_client == 9
    assert read.domains.native == ("b", "c")
    assert read.state == here / "elsewhere"
    assert read.listen.ldaps == ""
    assert read.routing.require_certificate is True
    assert read.limits.time == 2.0


def test_a_variable_reaches_a_named_section(here):
    path = written(here, '[sources.my-rass]\nurl = "https://example.org/"')
    read = config.load(
        path, {"ANNUAIRE_SOURCES_MY_RASS_PASSWORD_FILE": "token", "ANNUAIRE_LISTENERS_IN_ENDPOINT": "tcp:1"}
    )
    assert read.sources["my-rass"].password_file == here / "token"
    assert read.listeners["in"].endpoint == "tcp:1"


def test_limits_of_size_follow_the_audience():
    limits = config.Limits(size=40, size_mssante=7)
    found = {name: config.size_limit(limits, name) for name in config.AUDIENCES}
    assert found == {"public": 40, "mssante": 7, "apicrypt": 40, "dgs": 0, "routage": 0, "admin": 0}


def test_secrets_are_in_no_repr_and_in_no_list(here):
    path = written(
        here,
        '[store]\nurl = "postgresql://a:hidden-one@h/b"\n[sources.x]\nurl = "ldap://u:hidden-two@h"\n',
    )
    read = config.load(path, {"ANNUAIRE_ADMIN_PASSWORD": "hidden-three"})
    assert config.administrator_password(read) == b"hidden-three"
    assert "hidden-" not in repr(read)
    assert "hidden-" not in str(config.differences(read))
    assert [name for name, _, _ in config.differences(read)] == [
        "store.url",
        "sources.x.url",
        "admin.password",
    ]


def test_a_problem_with_a_secret_does_not_show_it(here):
    assert "hidden" not in str(problems(here, '[store]\nurl = ["hidden"]'))


def test_the_password_file_gives_its_first_line(here):
    (here / "secret").write_bytes("mot de passe é\nsecond\n".encode())
    read = config.load(written(here, '[admin]\npassword_file = "secret"'), {})
    assert config.administrator_password(read) == "mot de passe é".encode()


def test_an_unreadable_password_file_is_a_configuration_problem(here):
    read = config.load(written(here, '[admin]\npassword_file = "absent"'), {})
    with pytest.raises(Misconfigured, match="password_file"):
        config.administrator_password(read)
    assert config.administrator_password(config.Config()) is None


def test_a_file_that_is_not_toml_is_said_with_its_place(here):
    assert "line 2" in problems(here, "# nothing\nsuffix = = 3\n")[0]


def test_differences_show_default_and_value(here):
    read = config.load(written(here, "[limits]\nidle = '2m'\n[trees]\nreaders = ['admin']"), {})
    assert config.differences(read) == [
        ("trees.readers", '["public", "mssante", "apicrypt", "dgs", "routage", "admin"]', '["admin"]'),
        ("limits.idle", "900", "120"),
    ]


def test_a_config_cannot_be_changed():
    with pytest.raises(AttributeError):
        config.Config().suffix = "o=other"  # type: ignore[misc]


def test_reading_the_configuration_imports_no_library():
    program = "import sys; from annuaire import config; print(sorted(m for m in sys.modules if '.' not in m))"
    environ = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-S", "-c", program], env=environ, capture_output=True, check=True)
    assert not {"sqlalchemy", "click", "twisted", "ldaptor"} & set(eval(done.stdout))  # noqa: S307


def test_passwords_have_a_length_and_whoever_guesses_a_wait(here):
    assert config.load(None, {}).passwords == config.Passwords(min_length=12, failures=5, lockout=900.0)
    read = config.load(written(here, '[passwords]\nmin_length = 16\nfailures = 3\nlockout = "1h"\n'), {})
    assert read.passwords == config.Passwords(16, 3, 3600.0)
    assert config.load(None, {"ANNUAIRE_PASSWORDS_LOCKOUT": "0"}).passwords.lockout == 0
    assert problems(here, '[passwords]\nmin_length = 0\nfailures = 0\nlockout = "for ever"\n') == [
        "[passwords] min_length: must be between 1 and 1024",
        "[passwords] failures: must be between 1 and 1000",
        '[passwords] lockout: must be a number of seconds or a text such as "30s", "5m", "2h", "1d"',
    ]


def test_lines_for_certificates_need_their_ca_and_lines_for_processes_a_unix_socket(here):
    process = "uidNumber=0,cn=peercred,cn=external,cn=auth -> cn=admin,o=apicrypt,c=FR"
    given = f'[audience]\ncertificates = ["CN=a mssante", "{process}"]\n'
    assert problems(here, given) == [
        "[audience] certificates: needs [tls] client_ca",
        "[audience] certificates: processes need a listener at a unix socket",
    ]
    socket = '[listeners.ldapi]\nendpoint = "unix:/run/annuaire/ldapi:mode=666"\n'
    path = written(here, f'[audience]\ncertificates = ["{process}"]\n{socket}')
    assert config.load(path, {}).audience.certificates == (process,)
