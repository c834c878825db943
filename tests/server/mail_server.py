"""A real Postfix for tests, from the lines in fixtures/postfix: a configuration, queue and ports of its own.

What the tests change in these lines is said in `Postfix.changes`: ports, gateways, paths of certificates. The logins of
`submission` are answered by a few lines in the place of Dovecot, which would be another program to install.
"""

import base64
import os
import pwd
import shutil
import socketserver
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

SNIPPETS = Path(__file__).resolve().parents[2] / "fixtures" / "postfix"
# Debian puts it where users do not look.
PROGRAM = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
START_SECONDS = 120.0

# What any Postfix has: Debian's services, without those that deliver on the machine, and no system of its own.
MAIN = """
compatibility_level = 3.6
config_directory = {folder}/conf
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
meta_directory = /etc/postfix
myhostname = mailin.interop-mssante.apicrypt.org
mydestination = $myhostname
mynetworks = {own}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtpd_tls_cert_file = {folder}/tls/mailin.pem
smtpd_tls_key_file = {folder}/tls/mailin.key
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{login_port}
smtpd_client_connection_count_limit = 0
smtp_tcp_port = {smtp_port}
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
# A test waits for what a mail server would try again after minutes.
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
transport_retry_time = 1s
"""
MASTER = """
{port}    inet  n       -       y       -       -       smtpd
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
trace     unix  -       -       y       -       0       bounce
flush     unix  n       -       y       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       y       -       -       smtp
showq     unix  n       -       y       -       -       showq
error     unix  -       -       y       -       -       error
retry     unix  -       -       y       -       -       error
discard   unix  -       -       y       -       -       discard
local     unix  -       n       n       -       -       local
anvil     unix  -       -       y       -       1       anvil
scache    unix  -       -       y       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


def missing() -> str:
    """Why there can be no Postfix here, "" when there can."""
    if PROGRAM is None:
        return "postfix is not installed"
    if os.getuid() != 0:
        return "Postfix starts as root only"
    return ""


def knows(kind: str) -> bool:
    """Whether this Postfix has tables of a kind."""
    if PROGRAM is None:
        return False
    postconf = Path(PROGRAM).with_name("postconf")
    # The system's own main.cf may be another one, or none.
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.cf").touch()
        known = subprocess.run([postconf, "-c", folder, "-m"], capture_output=True, text=True, check=False)
    return kind in known.stdout.split()


class Surroundings(NamedTuple):
    """What lies around a Postfix: its clients inside, and the rest of the trust space."""

    own: str  # mynetworks
    tls: Path  # certificates, and tables that lie beside them
    hosts: dict[str, str]  # address of each name; no name server is asked
    smtp_port: int  # where they all speak SMTP


def new_folder() -> Path:
    """Postfix's user must reach it; below pytest's own folders it could not."""
    folder = Path(tempfile.mkdtemp(prefix="annuaire-postfix-"))
    folder.chmod(0o755)
    for name in ("conf", "queue", "queue/etc", "data"):
        (folder / name).mkdir()
    return folder


class Postfix:
    """Started from snippets with `changes` made in them, and in the tables that lie beside the certificates."""

    def __init__(
        self,
        folder: Path,
        port: int,
        around: Surroundings,
        snippets: tuple[str, str],
        changes: dict[str, str],
    ) -> None:
        self.folder = folder
        self.port = port
        self.logins = Logins()
        os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
        shutil.copytree(around.tls, folder / "tls")
        given = {
            "folder": folder,
            "own": around.own,
            "port": port,
            "login_port": self.logins.port,
            "smtp_port": around.smtp_port,
        }
        texts = {
            folder / "conf/main.cf": MAIN.format(**given) + snippets[0],
            folder / "conf/master.cf": MASTER.format(**given) + snippets[1],
        }
        texts |= {path: path.read_text() for path in (folder / "tls").glob("*.cf")}
        for path, text in texts.items():
            for old, new in {**changes, "/etc/postfix/": f"{folder}/tls/"}.items():
                text = text.replace(old, new)
            path.write_text(text)
        # Chrooted, its smtp looks for hosts here.
        (folder / "queue/etc/nsswitch.conf").write_text("hosts: files\n")
        hosts = [f"{address} {name}\n" for name, address in around.hosts.items()]
        (folder / "queue/etc/hosts").write_text("".join(hosts))

    def run(self, *arguments: str) -> None:
        assert PROGRAM is not None
        done = subprocess.run(
            [PROGRAM, "-c", str(self.folder / "conf"), *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{done.stderr}\n{self.log()}"

    def start(self) -> "Postfix":
        self.run("start")
        until = time.monotonic() + START_SECONDS
        while "daemon started" not in self.log():
            assert time.monotonic() < until, self.log()
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        try:
            self.run("stop")
        finally:
            self.logins.close()
            shutil.rmtree(self.folder)

    def log(self) -> str:
        path = self.folder / "mail.log"
        return path.read_text() if path.exists() else ""


class Logins:
    """Dovecot's authentication protocol, as much of it as Postfix speaks: any user whose password is `secret`."""

    def __init__(self) -> None:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(
                    b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n"
                )
                for line in self.rfile:
                    verb, *words = line.decode().rstrip("\n").split("\t")
                    if verb != "AUTH":
                        continue
                    response = next(word[5:] for word in words if word.startswith("resp="))
                    _, user, password = base64.b64decode(response).decode().split("\0")
                    said = f"OK\t{words[0]}\tuser={user}\n" if password == "secret" else f"FAIL\t{words[0]}\n"
                    self.wfile.write(said.encode())

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
