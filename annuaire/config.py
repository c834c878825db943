"""The configuration: annuaire.toml and ANNUAIRE_* variables, read once into one frozen Config.

Each option is one row below: name, kind, default, what it says. Every problem is collected and all are told
at once. Secrets are in no repr and no list of differences. Standard library only: every command reads this.
"""

# option() is a field(), which the rule RUF009 cannot know.
# ruff: noqa: RUF009

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from annuaire.errors import Misconfigured
from annuaire.option import (
    BOOLEAN,
    DURATION,
    ENDPOINT,
    LIST,
    PATH,
    PATHS,
    SUFFIX,
    SUFFIXES,
    TEXT,
    URL,
    WrongError,
    integer,
    one_of,
    option,
    some_of,
)

FILE_NAME = "annuaire.toml"
PREFIX = "ANNUAIRE_"
# Read elsewhere, by this module or by the tests.
NOT_OPTIONS = ("ANNUAIRE_CONFIG", "ANNUAIRE_ADMIN_PASSWORD")
TEST_PREFIX = "ANNUAIRE_TEST_"
HIDDEN = "(set, not shown)"
# A line of `[audience] certificates` for processes of this machine (ldap/external.py).
_PROCESS = re.compile(r"cn\s*=\s*peercred\b", re.IGNORECASE)

AUDIENCES = ("public", "mssante", "apicrypt", "dgs", "routage", "admin")
ANONYMOUS = ("public", "mssante", "apicrypt", "none")
PROTOCOLS = ("ldap", "ldaps", "policy", "socketmap", "web", "metrics")
SOURCE_KINDS = ("ldif", "extraction", "fhir", "ldap", "liste-blanche")


@dataclass(frozen=True, slots=True)
class StoreSection:
    url: str = option(URL, "", "the database; empty: SQLite in the state", secret=True)


@dataclass(frozen=True, slots=True)
class Listen:
    """Twisted endpoint strings; an empty one turns its listener off. TLS is ours: ldaps is plain tcp here."""

    ldap: str = option(ENDPOINT, "tcp:3890:interface=127.0.0.1", "LDAP, with StartTLS")
    ldaps: str = option(ENDPOINT, "tcp:6360:interface=127.0.0.1", "LDAP over TLS")
    policy: str = option(ENDPOINT, "tcp:10040:interface=127.0.0.1", "Postfix policy delegation")
    socketmap: str = option(ENDPOINT, "tcp:10041:interface=127.0.0.1", "socketmap")
    web: str = option(ENDPOINT, "tcp:8389:interface=127.0.0.1", "pages for people")
    metrics: str = option(ENDPOINT, "tcp:9389:interface=127.0.0.1", "Prometheus metrics")
    proxies: tuple[str, ...] = option(LIST, (), "networks whose PROXY protocol header is believed")


@dataclass(frozen=True, slots=True)
class Serve:
    workers: int = option(integer(0, 256), 0, "processes that answer; 0: one for each core")


@dataclass(frozen=True, slots=True)
class AudienceSection:
    anonymous: str = option(one_of(*ANONYMOUS), "public", "who an unbound client is")
    networks: tuple[str, ...] = option(LIST, (), 'client networks, as "10.1.0.0/16 apicrypt"')
    certificates: tuple[str, ...] = option(
        LIST,
        (),
        'client certificates, as "CN=… mssante", and processes, as "uidNumber=0,cn=peercred,… -> DN"',
    )
    dgs_sees_liste_rouge: bool = option(BOOLEAN, True, "whether liste rouge is shown to the DGS")


@dataclass(frozen=True, slots=True)
class Admin:
    dn: str = option(TEXT, "", "the first administrator; empty: cn=admin below the suffix")
    password_file: Path | None = option(PATH, None, "a file whose first line is their password")
    # Only from ANNUAIRE_ADMIN_PASSWORD: a configuration file is copied and shown too often.
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Passwords:
    min_length: int = option(integer(1, 1024), 12, "characters of a new password")
    failures: int = option(
        integer(1, 1000), 5, "wrong passwords of one name from one address before it waits"
    )
    lockout: float = option(DURATION, 900.0, "the longest wait after wrong passwords; 0: nobody waits")


@dataclass(frozen=True, slots=True)
class Trees:
    suffixes: tuple[str, ...] = option(SUFFIXES, (), "further plain LDAP trees")
    readers: tuple[str, ...] = option(some_of(*AUDIENCES), AUDIENCES, "the audiences that read them")


@dataclass(frozen=True, slots=True)
class SchemaSection:
    files: tuple[Path, ...] = option(PATHS, (), "further schema files in OpenLDAP's form")


@dataclass(frozen=True, slots=True)
class Limits:
    size: int = option(integer(1), 500, "entries in one answer to public, mssante and apicrypt")
    size_public: int = option(integer(-1), -1, "the same for public alone; -1: as `size`, 0: none")
    size_mssante: int = option(integer(-1), -1, "the same for mssante alone")
    size_apicrypt: int = option(integer(-1), -1, "the same for apicrypt alone, in substring searches")
    size_dgs: int = option(integer(-1), 0, "the same for dgs alone")
    size_routage: int = option(integer(-1), 0, "the same for routage alone")
    size_admin: int = option(integer(-1), 0, "the same for admin alone")
    time: float = option(DURATION, 30.0, "work on one search")
    # slapd: 256 KiB anonymous, 4 MiB bound (sockbuf_max_incoming); writes may hold certificates and photos.
    message: int = option(integer(1024), 4 * 1024 * 1024, "bytes of one LDAP message")
    message_anonymous: int = option(integer(1024), 256 * 1024, "the same before a bind")
    connections: int = option(integer(1), 10_000, "connections to one worker")
    connections_per_client: int = option(integer(1), 1_000, "connections from one address to one worker")
    pending: int = option(integer(1), 100, "requests of one connection that wait for their turn")
    idle: float = option(DURATION, 900.0, "silence after which a connection is closed")
    bind_cache: float = option(DURATION, 300.0, "how long a verified password is remembered")
    filter_depth: int = option(integer(1, 1000), 100, "nesting of one filter")
    filter_parts: int = option(integer(1), 1_000, "terms of one filter")
    attributes: int = option(integer(1), 1_000, "attributes asked by one search")
    controls: int = option(integer(1), 32, "controls of one message")
    page: int = option(integer(1), 10_000, "entries in one page (RFC 2696)")
    removals: int = option(integer(0, 100), 10, "per cent of a source that an import may remove")


@dataclass(frozen=True, slots=True)
class Domains:
    native: tuple[str, ...] = option(LIST, ("medical*.apicrypt.org",), "domains inside the sphere")
    interop: tuple[str, ...] = option(
        LIST, ("interop-mssante.apicrypt.org", "mssante.apicrypt.org"), "our domains in the trust space"
    )
    dgs: tuple[str, ...] = option(LIST, ("dgs.mssante.fr",), "exactly these are the DGS")


@dataclass(frozen=True, slots=True)
class Routing:
    professions: str = option(one_of("faq-2018", "jdv-j71"), "faq-2018", "who is eligible to interop")
    key_grace_days: int = option(integer(0), 30, "delivery goes on after the end of a key")
    own_networks: tuple[str, ...] = option(LIST, (), "clients that may use our addresses unauthenticated")
    require_certificate: bool = option(BOOLEAN, False, "a trust-space sender must show a certificate")
    transport_mssante: str = option(TEXT, "mssante:[127.0.0.1]:10026", "socketmap: the way out of the sphere")
    transport_v1: str = option(TEXT, "apicrypt1:", "socketmap: the way to our users of V1")
    transport_v2: str = option(TEXT, "apicrypt2:", "socketmap: the way to our users of V2")


@dataclass(frozen=True, slots=True)
class Tls:
    certificate: Path | None = option(PATH, None, "PEM chain; empty: no StartTLS, no LDAPS")
    key: Path | None = option(PATH, None, "PEM private key")
    client_ca: Path | None = option(PATH, None, "CA of client certificates")
    require_tls: bool = option(BOOLEAN, False, "refuse passwords in clear")


@dataclass(frozen=True, slots=True)
class View:
    cn_detail: bool = option(BOOLEAN, True, "a third cn with profession and town, to tell homonyms apart")


@dataclass(frozen=True, slots=True)
class Log:
    operations: str = option(one_of("none", "errors", "all"), "errors", "which LDAP operations are logged")
    values: bool = option(BOOLEAN, False, "write what people typed into the log")


@dataclass(frozen=True, slots=True)
class Journal:
    decisions: bool = option(BOOLEAN, True, "keep every routing decision, not only refusals")
    addresses: str = option(one_of("hash", "clear"), "hash", "how addresses stand in the journal")
    clear_domains: tuple[str, ...] = option(
        LIST, ("*.mssante.fr",), "domains beside [domains] that pseudonyms leave readable"
    )
    folder: Path | None = option(PATH, None, "its files; empty: journal in the state")
    file_size: int = option(integer(1, 4096), 64, "MiB of one file; each day begins another one as well")
    keep: float = option(DURATION, 0.0, "how long files are kept; 0: for ever")


@dataclass(frozen=True, slots=True)
class Source:
    """One place that facts are fetched from."""

    kind: str = option(one_of(*SOURCE_KINDS), "ldif", "what is found there")
    url: str = option(URL, "", "where", secret=True)
    into: str = option(one_of("apicrypt", "mssante"), "mssante", "whose facts they are")
    base: str = option(TEXT, "", "LDAP: search base")
    filter: str = option(TEXT, "(objectClass=*)", "LDAP: search filter")
    attributes: tuple[str, ...] = option(LIST, (), 'LDAP: names there, as "there=here"')
    dn: str = option(TEXT, "", "LDAP: bind name")
    password_file: Path | None = option(PATH, None, "a file whose first line is the password or token")
    ca: Path | None = option(PATH, None, "the CA of its certificate")
    certificate: Path | None = option(PATH, None, "our client certificate")
    key: Path | None = option(PATH, None, "its private key")
    every: float = option(DURATION, 86_400.0, "how often")
    timeout: float = option(DURATION, 30.0, "silence after which an attempt fails")


@dataclass(frozen=True, slots=True)
class Listener:
    """One more place to listen at."""

    protocol: str = option(one_of(*PROTOCOLS), "ldap", "what is spoken")
    endpoint: str = option(ENDPOINT, "", "where")
    anonymous: str = option(one_of("", *ANONYMOUS), "", "who an unbound client is; empty: as [audience]")


@dataclass(frozen=True, slots=True)
class Config:
    state: Path = option(PATH, Path("var"), "the folder of everything that annuaire keeps")
    suffix: str = option(SUFFIX, "o=apicrypt,c=FR", "the name above all entries")
    store: StoreSection = StoreSection()
    listen: Listen = Listen()
    serve: Serve = Serve()
    audience: AudienceSection = AudienceSection()
    admin: Admin = Admin()
    passwords: Passwords = Passwords()
    trees: Trees = Trees()
    schema: SchemaSection = SchemaSection()
    limits: Limits = Limits()
    domains: Domains = Domains()
    routing: Routing = Routing()
    tls: Tls = Tls()
    view: View = View()
    log: Log = Log()
    journal: Journal = Journal()
    sources: Mapping[str, Source] = field(default_factory=dict)
    listeners: Mapping[str, Listener] = field(default_factory=dict)
    # Where it was read from; None when there is no file.
    path: Path | None = None

    @property
    def admin_dn(self) -> str:
        return self.admin.dn or f"cn=admin,{self.suffix}"


SECTIONS: dict[str, type] = {
    "store": StoreSection,
    "listen": Listen,
    "serve": Serve,
    "audience": AudienceSection,
    "admin": Admin,
    "passwords": Passwords,
    "trees": Trees,
    "schema": SchemaSection,
    "limits": Limits,
    "domains": Domains,
    "routing": Routing,
    "tls": Tls,
    "view": View,
    "log": Log,
    "journal": Journal,
}
NAMED: dict[str, type] = {"sources": Source, "listeners": Listener}


def size_limit(limits: Limits, audience: str) -> int:
    """How many entries one answer to an audience may hold; 0 means no limit."""
    own = int(getattr(limits, f"size_{audience}"))
    return limits.size if own < 0 else own


def administrator_password(config: Config) -> bytes | None:
    """The first administrator's password, from the variable, else the first line of the file; or none."""
    if config.admin.password is not None:
        return config.admin.password.encode()
    if config.admin.password_file is None:
        return None
    try:
        lines = config.admin.password_file.read_bytes().splitlines()
    except OSError as error:
        raise Misconfigured(
            f"[admin] password_file: {config.admin.password_file}: {error.strerror}"
        ) from error
    return lines[0] if lines and lines[0] else None


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the file, then the variables; every problem together is one Misconfigured."""
    environ = os.environ if environ is None else environ
    found = _locate(path, environ)
    folder = (found.parent if found else Path.cwd()).absolute()
    problems: list[str] = []
    given = _Given(_read(found), problems)
    given.add_variables(environ)
    config = given.config(folder, found, environ.get("ANNUAIRE_ADMIN_PASSWORD"))
    problems.extend(_contradictions(config))
    if problems:
        raise Misconfigured("\n".join(problems))
    return config


def differences(config: Config) -> list[tuple[str, str, str]]:
    """Each option that is not at its default: name, default, value. A secret is only said to be set."""
    found = []
    for name, row, value in _values(config):
        if value != row.default and not (name == "state" and value == Path.cwd() / row.default):
            hidden = row.metadata["secret"]
            found.append((name, shown(row.default), HIDDEN if hidden else shown(value)))
    if config.admin.password is not None:
        found.append(("admin.password", "", HIDDEN))
    return found


def shown(value: Any) -> str:
    """A value as one would type it in a TOML file, for lists and tables."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Given:
    """What file and variables say, as {(section, name of a named section or "", key): (value, place)}."""

    def __init__(self, document: dict[str, Any], problems: list[str]) -> None:
        self.problems = problems
        self.values: dict[tuple[str, str, str], tuple[Any, str]] = {}
        top = {row.name for row in fields(Config) if "kind" in row.metadata}
        for section, content in document.items():
            if section in top:
                self.values[("", "", section)] = (content, section)
            elif section not in SECTIONS and section not in NAMED:
                problems.append(f"{section}: unknown key")
            elif not isinstance(content, dict):
                problems.append(f"{section}: must be a table, [{section}]")
            elif section in SECTIONS:
                self._take(section, "", content)
            else:
                for name, table in content.items():
                    if isinstance(table, dict):
                        self._take(section, name, table)
                    else:
                        problems.append(f"{section}: must hold tables, [{section}.NAME]")

    def _take(self, section: str, name: str, table: dict[str, Any]) -> None:
        kind = SECTIONS.get(section) or NAMED[section]
        known = {row.name for row in fields(kind) if "kind" in row.metadata}
        title = f"[{section}.{name}]" if name else f"[{section}]"
        self.values.setdefault((section, name, ""), (None, title))
        for key, value in table.items():
            if key in known:
                self.values[(section, name, key)] = (value, f"{title} {key}")
            else:
                self.problems.append(f"{title} {key}: unknown key")

    def add_variables(self, environ: Mapping[str, str]) -> None:
        for variable, text in sorted(environ.items()):
            if not variable.startswith(PREFIX) or variable.startswith(TEST_PREFIX) or variable in NOT_OPTIONS:
                continue
            target = self._target(variable.removeprefix(PREFIX).lower())
            if target is None:
                self.problems.append(f"{variable}: unknown variable")
                continue
            try:
                self.values[target] = (_row(target).metadata["kind"].from_text(text), variable)
            except WrongError as wrong:
                self.problems.append(f"{variable}: {wrong}")

    def _target(self, words: str) -> tuple[str, str, str] | None:
        """state -> state of the top; listen_ldap -> [listen] ldap; sources_rass_url -> [sources.rass] url."""
        if any(row.name == words and "kind" in row.metadata for row in fields(Config)):
            return ("", "", words)
        section, _, rest = words.partition("_")
        if section in SECTIONS:
            known = [row.name for row in fields(SECTIONS[section]) if "kind" in row.metadata]
            return (section, "", rest) if rest in known else None
        if section not in NAMED:
            return None
        # The longest key wins: the name in front of _password_file is not "…_password".
        keys = sorted((row.name for row in fields(NAMED[section])), key=len, reverse=True)
        for key in keys:
            name = rest.removesuffix(f"_{key}")
            if name and name != rest:
                written = {
                    one.lower().replace("-", "_"): one for where, one, _ in self.values if where == section
                }
                return (section, written.get(name, name), key)
        return None

    def config(self, folder: Path, path: Path | None, password: str | None) -> Config:
        parts: dict[str, Any] = {"path": path}
        parts |= self._section("", "", Config, folder)
        parts.setdefault("state", folder / "var")
        for section, kind in SECTIONS.items():
            parts[section] = kind(**self._section(section, "", kind, folder))
        if password:
            parts["admin"] = Admin(parts["admin"].dn, parts["admin"].password_file, password)
        for section, kind in NAMED.items():
            names = dict.fromkeys(name for where, name, _ in self.values if where == section)
            parts[section] = {name: kind(**self._section(section, name, kind, folder)) for name in names}
        return Config(**parts)

    def _section(self, section: str, name: str, kind: type, folder: Path) -> dict[str, Any]:
        read = {}
        for row in fields(kind):
            if "kind" in row.metadata and (section, name, row.name) in self.values:
                value, place = self.values[(section, name, row.name)]
                try:
                    read[row.name] = row.metadata["kind"].parse(value, folder)
                except WrongError as wrong:
                    self.problems.append(f"{place}: {wrong}")
        return read


def _row(target: tuple[str, str, str]) -> Any:
    section, _, key = target
    kind = Config if not section else SECTIONS.get(section) or NAMED[section]
    return next(row for row in fields(kind) if row.name == key)


def _values(config: Config) -> Iterator[tuple[str, Any, Any]]:
    for row in fields(Config):
        if "kind" in row.metadata:
            yield row.name, row, getattr(config, row.name)
    places = [(section, getattr(config, section)) for section in SECTIONS]
    for section in NAMED:
        places += [(f"{section}.{name}", one) for name, one in getattr(config, section).items()]
    for title, part in places:
        for row in fields(part):
            if "kind" in row.metadata:
                yield f"{title}.{row.name}", row, getattr(part, row.name)


def _contradictions(config: Config) -> Iterator[str]:
    if (config.tls.certificate is None) != (config.tls.key is None):
        yield "[tls] certificate, key: one without the other"
    if config.tls.certificate is None:
        for name in ("client_ca", "require_tls"):
            if getattr(config.tls, name):
                yield f"[tls] {name}: needs certificate and key"
    processes = [bool(_PROCESS.search(line)) for line in config.audience.certificates]
    if not all(processes) and config.tls.client_ca is None:
        yield "[audience] certificates: needs [tls] client_ca"
    endpoints = [
        config.listen.ldap,
        config.listen.ldaps,
        *[one.endpoint for one in config.listeners.values()],
    ]
    if any(processes) and not any(one.startswith("unix:") for one in endpoints):
        yield "[audience] certificates: processes need a listener at a unix socket"
    if config.state is None:
        yield "state: must not be empty"
    for name, listener in config.listeners.items():
        if not listener.endpoint:
            yield f"[listeners.{name}] endpoint: missing"
    for name, source in config.sources.items():
        if not source.url:
            yield f"[sources.{name}] url: missing"


def _locate(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """A file that was named must be there; ./annuaire.toml may be absent."""
    named = path or (Path(environ["ANNUAIRE_CONFIG"]) if environ.get("ANNUAIRE_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise Misconfigured(f"{named}: no such file")
        return named
    default = Path(FILE_NAME)
    return default if default.is_file() else None


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}: not a TOML file: {error}") from error
