"""A real OpenLDAP slapd in front, configured as fixtures/slapd-replica says: it follows, is cut off, and converges."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import both_directories
import pytest
import serving
from benchmark.servers import free_port
from slapd_beside import MODULES, SLAPD

from annuaire.actions import refresh
from annuaire.actions.source import StoreSource
from annuaire.importing import ldif
from annuaire.index.folder import IndexFolder
from annuaire.ldap import dn, syntaxes
from annuaire.ldap import schema as schemas

SCHEMA = schemas.standard()
ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / "fixtures" / "slapd-replica" / "slapd.conf"
THEIR_SCHEMA = Path("/etc/ldap/schema")
SLAPCAT = shutil.which("slapcat", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
PEOPLE, APICRYPT = f"ou=personnes,{serving.SUFFIX}", f"ou=apicrypt,{serving.SUFFIX}"
SECRET = "secret-de-replique"
CONVERGED_SECONDS = 120.0
# What a replica makes by itself; who wrote a computed entry is nobody.
OWN = {"entrycsn", "contextcsn", "creatorsname", "modifiersname"}

pytestmark = pytest.mark.skipif(
    SLAPD is None or SLAPCAT is None or not (MODULES / "argon2.so").exists() or not THEIR_SCHEMA.is_dir(),
    reason="slapd with its modules and schema is not installed (package slapd)",
)

Contents = dict[bytes, dict[str, list[bytes]]]


class Replica:
    """A slapd with the two databases of the fixture."""

    def __init__(self, folder: Path, provider: str) -> None:
        for name in ("personnes", "apicrypt"):
            (folder / name).mkdir(parents=True)
        self.uri = f"ldap://127.0.0.1:{free_port()}"
        text = CONFIGURATION.read_text()
        for word, value in (
            ("SLAPD_SCHEMA", THEIR_SCHEMA),
            ("ANNUAIRE_SCHEMA", ROOT / "schema"),
            ("SLAPD_MODULES", MODULES),
            ("STATE", folder),
            ("PROVIDER", provider),
            ("PASSWORD_MSSANTE", SECRET),
            ("PASSWORD_ADMIN", SECRET),
        ):
            assert f"@{word}@" in text
            text = text.replace(f"@{word}@", str(value))
        self._configuration = folder / "slapd.conf"
        self._configuration.write_text(text.replace('retry="5 12 60 +"', 'retry="1 +"'))
        self._log = folder / "slapd.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert SLAPD is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [SLAPD, "-h", self.uri, "-f", str(self._configuration), "-d", "sync"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def contents(self, base: str) -> Contents:
        """What it has on its disk."""
        assert SLAPCAT is not None
        command = [SLAPCAT, "-f", str(self._configuration), "-b", base]
        return read(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)

    def log(self) -> str:
        return self._log.read_text(errors="replace")


def compared(description: str, value: bytes) -> bytes:
    """slapd writes names of entries and of classes anew, in its own spelling."""
    if description.lower() == "objectclass":
        return value.lower()
    known = SCHEMA.attribute(description)
    if known is not None and known.syntax == syntaxes.DISTINGUISHED_NAME:
        return dn.key(dn.parse(value.decode()), SCHEMA)
    return value


def read(text: bytes) -> Contents:
    found: Contents = {}
    for record in ldif.read(io.BytesIO(text)):
        attributes: dict[str, list[bytes]] = {}
        for description, value in record.attributes:
            if description.lower() not in OWN:
                attributes.setdefault(description.lower(), []).append(compared(description, value))
        key = dn.key(dn.parse(record.dn), SCHEMA)
        assert key not in found
        found[key] = {name: sorted(values) for name, values in attributes.items()}
    return found


class Place:
    """The provider, with the invented people of both networks, and its replica."""

    def __init__(self, server: serving.Server, replica: Replica) -> None:
        self.server = server
        self.replica = replica

    def shown(self, base: str, account: str) -> Contents:
        """What the provider shows to the account of a replica; userPassword is in no answer to a search."""
        attributes = ["*", "structuralObjectClass", "entryUUID", "createTimestamp", "modifyTimestamp"]
        name = f"uid={account},ou=comptes,{serving.SUFFIX}"
        command = ["ldapsearch", "-LLL", "-x", "-o", "ldif-wrap=no", "-H", self.server.uri, "-D", name]
        done = subprocess.run(
            [*command, "-w", SECRET, "-b", base, *attributes], capture_output=True, check=True, timeout=120
        )
        return read(done.stdout)

    def write(self, text: str) -> None:
        command = ["ldapmodify", "-x", "-H", self.server.uri, "-D", serving.ADMIN, "-w", serving.PASSWORD]
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr.decode()

    def converged(self) -> None:
        """Wait until the replica has what the provider shows, entry by entry and value by value."""
        until = time.monotonic() + CONVERGED_SECONDS
        for base, account in ((PEOPLE, "replica-mssante"), (APICRYPT, "replica-admin")):
            wanted = self.shown(base, account)
            assert len(wanted) > 50
            while True:
                found = self.replica.contents(base)
                without = {
                    key: {name: values for name, values in attributes.items() if name != "userpassword"}
                    for key, attributes in found.items()
                }
                if without == wanted:
                    break
                if time.monotonic() > until:
                    assert without == wanted, self.replica.log()[-4000:]
                time.sleep(0.1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("replica")
    source = StoreSource("", folder / "var", serving.SUFFIX)
    both_directories.filled(source)
    refresh.refresh(source, IndexFolder(folder / "var" / "index"))
    source.store().close()
    with serving.serving(folder / "var", workers=2) as server:
        for name, audience, *more in (
            ("replica-mssante", "mssante"),
            ("replica-admin", "admin", "--replicate-passwords"),
        ):
            made = server.annuaire(
                "account", "add", name, "--audience", audience, "--password-stdin", *more, input=f"{SECRET}\n"
            )
            assert made.returncode == 0, made.stderr
        replica = Replica(folder / "slapd", server.uri)
        try:
            replica.start()
            place = Place(server, replica)
            place.converged()
            yield place
        finally:
            replica.stop()


def visible(place: Place, count: int) -> list[str]:
    """Names of accounts that the trust space sees."""
    wanted = "(&(apicryptInterop=TRUE)(listeRouge=FALSE)(apicryptVersion=2)(apicryptEtat=actif)(uid=*))"
    name = f"uid=replica-admin,ou=comptes,{serving.SUFFIX}"
    command = [
        "ldapsearch",
        "-LLL",
        "-x",
        "-o",
        "ldif-wrap=no",
        "-H",
        place.server.uri,
        "-D",
        name,
        "-w",
        SECRET,
    ]
    done = subprocess.run(
        [*command, "-b", APICRYPT, "-s", "one", wanted, "1.1"], capture_output=True, text=True, check=True
    )
    found = [line[4:] for line in done.stdout.splitlines() if line.startswith("dn: ")]
    assert len(found) >= count
    return found[:count]


def modified(name: str, attribute: str, value: str) -> str:
    return f"dn: {name}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n\n"


def person(number: int, **more: str) -> str:
    fields = {
        "cn": f"Nouvelle PERSONNE{number}",
        "sn": f"PERSONNE{number}",
        "givenName": "Nouvelle",
        "mail": f"nouvelle.personne{number}@medical59.apicrypt.org",
        "apicryptVersion": "2",
        "apicryptEtat": "actif",
        "profession": "10",
        **more,
    }
    classes = "objectClass: inetOrgPerson\nobjectClass: apicryptUtilisateur\n"
    lines = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return f"dn: uid=nouvelle{number},{APICRYPT}\nchangetype: add\n{classes}uid: nouvelle{number}\n{lines}\n"


def everything_happens(place: Place, number: int) -> None:
    """Add, modify, rename, move with what is below, delete, hide, show again."""
    first, second, third = visible(place, 3)
    # In this order: slapd 2.5 cannot rename what lies above an entry that it has had for longer: it says
    # "DN index add failed".
    place.write(f"dn: ou=Service{number},{APICRYPT}\nchangetype: add\nobjectClass: organizationalUnit\n\n")
    place.write(person(number) + person(number + 1))
    place.write(modified(f"uid=nouvelle{number},{APICRYPT}", "telephoneNumber", "+33 3 53 01 00 99"))
    place.write(modified(first, "listeRouge", "TRUE"))
    place.write(modified(second, "l", "ROUBAIX") + modified(second, "telephoneNumber", "+33 3 53 01 00 98"))
    place.write(
        f"dn: uid=nouvelle{number + 1},{APICRYPT}\nchangetype: modrdn\nnewrdn: uid=nouvelle{number + 1}\n"
        f"deleteoldrdn: 1\nnewsuperior: ou=Service{number},{APICRYPT}\n\n"
    )
    place.write(
        f"dn: ou=Service{number},{APICRYPT}\nchangetype: modrdn\nnewrdn: ou=Autre{number}\ndeleteoldrdn: 1\n\n"
    )
    place.write(f"dn: {third}\nchangetype: delete\n\n")
    place.write(modified(first, "listeRouge", "FALSE") + modified(second, "listeRouge", "TRUE"))


def test_it_follows_while_it_is_connected(place: Place) -> None:
    everything_happens(place, 10)
    place.converged()
    assert "syncrepl_entry: rid=001 be_delete" in place.replica.log()


def test_whoever_hides_is_gone_from_the_view_at_once(place: Place) -> None:
    before = place.replica.contents(PEOPLE)
    [name] = visible(place, 1)
    place.write(modified(name, "listeRouge", "TRUE"))
    until = time.monotonic() + CONVERGED_SECONDS
    while len(after := place.replica.contents(PEOPLE)) == len(before):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(before) - len(after) == 1
    assert after.keys() < before.keys()
    place.converged()


def test_it_converges_after_it_was_away(place: Place) -> None:
    place.replica.stop()
    everything_happens(place, 20)
    mark = len(place.replica.log())
    place.replica.start()
    place.converged()
    # It was told what changed, and not everything.
    log = place.replica.log()[mark:]
    assert "REFRESH_DELETE" in log
    assert "REFRESH_PRESENT" not in log
    assert log.count("LDAP_SYNC_ADD") < 40


def test_whoever_came_last_and_hides_while_it_is_away_is_gone_when_it_comes_back(place: Place) -> None:
    """slapd gives what it is told an entryCSN of its own clock, which is later than the cookie."""
    for number in range(60, 63):
        place.write(person(number, apicryptInterop="TRUE"))
    place.converged()
    before = place.replica.contents(PEOPLE)
    place.replica.stop()
    for number in range(60, 63):
        place.write(modified(f"uid=nouvelle{number},{APICRYPT}", "listeRouge", "TRUE"))
    place.replica.start()
    place.converged()
    assert len(before) - len(place.replica.contents(PEOPLE)) == 3


def test_it_goes_on_when_workers_are_killed(place: Place) -> None:
    mark = len(place.replica.log())
    for pid in place.server.worker_pids():
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + CONVERGED_SECONDS
    while len(place.server.worker_pids()) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    answered(place)
    everything_happens(place, 30)
    place.converged()
    assert "REFRESH_PRESENT" not in place.replica.log()[mark:]


def answered(place: Place) -> None:
    until = time.monotonic() + CONVERGED_SECONDS
    while True:
        with contextlib.suppress(subprocess.CalledProcessError):
            place.shown(f"ou=structures,{serving.SUFFIX}", "replica-mssante")
            return
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_new_base_of_the_index_is_not_noticed(place: Place) -> None:
    mark = len(place.replica.log())
    done = place.server.annuaire("rebuild")
    assert done.returncode == 0, done.stderr
    everything_happens(place, 40)
    place.converged()
    log = place.replica.log()[mark:]
    assert "REFRESH" not in log
    assert log.count("LDAP_SYNC_ADD") < 40


def test_users_log_in_at_the_replica_and_hashes_are_nowhere_else(place: Place) -> None:
    place.write(person(50, userPassword="Un-mot-de-passe-assez-long-7"))
    place.converged()
    name = f"uid=nouvelle50,{APICRYPT}"

    def logs_in(secret: str) -> bool:
        command = ["ldapwhoami", "-x", "-H", place.replica.uri, "-D", name, "-w", secret]
        return subprocess.run(command, capture_output=True, check=False, timeout=120).returncode == 0

    values = place.replica.contents(APICRYPT)[dn.key(dn.parse(name), SCHEMA)]["userpassword"]
    assert len(values) == 1  # and no keys of SCRAM
    if values[0].startswith(b"{ARGON2}"):  # scrypt, where OpenSSL has no Argon2; slapd does not verify that
        assert logs_in("Un-mot-de-passe-assez-long-7")
    assert not logs_in("Un-mot-de-passe-assez-long-8")
    assert all("userpassword" not in attributes for attributes in place.replica.contents(PEOPLE).values())
