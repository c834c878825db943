"""scripts/serve on a state of its own: what it makes the first time, and the second start."""

import hashlib
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
import serving

from annuaire.server import state as states

ROOT = Path(__file__).parents[2]


def installed() -> bool:
    """Whether the script finds its environment ready; a test does not install."""
    wanted = hashlib.sha256(
        (ROOT / "setup.cfg").read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    ).hexdigest()
    stamps = [ROOT / ".venv" / name for name in ("installed-for", "installed-for-serve")]
    return any(stamp.exists() and stamp.read_text().startswith(wanted) for stamp in stamps)


def start(state: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANNUAIRE_")}
    environment |= {
        "ANNUAIRE_STATE": str(state),
        "ANNUAIRE_LISTEN_LDAP": "tcp:0:interface=127.0.0.1",
        "ANNUAIRE_LISTEN_LDAPS": "tcp:0:interface=127.0.0.1",
        "ANNUAIRE_LISTEN_POLICY": "tcp:0:interface=127.0.0.1",
        "ANNUAIRE_LISTEN_SOCKETMAP": "tcp:0:interface=127.0.0.1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [ROOT / "scripts" / "serve", "--workers", "1"], env=environment, stdout=output, stderr=output
        )
    # The first start makes keys and loads the invented people besides.
    until = time.monotonic() + 2 * serving.START_SECONDS
    while not (states.serving(state).get("ready") and states.serving(state).get("pid") == process.pid):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.02)
    return process


def answer(printed: str) -> str:
    """What a search that the script prints as worth trying finds."""
    done = subprocess.run(shlex.split(printed), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def made_once(state: Path) -> dict[str, int]:
    """When what takes its time was made: the key, the password, the base of the index."""
    kept = [state / "admin.password", *(state / "tls").iterdir(), *(state / "index").glob("*/base/*")]
    assert len(kept) > 5
    return {str(path.relative_to(state)): path.stat().st_mtime_ns for path in kept}


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


@pytest.mark.skipif(not installed(), reason="the environment is not the one that the script would make")
def test_the_first_start_makes_everything_and_the_second_makes_nothing(tmp_path):
    state, log = tmp_path / "var", tmp_path / "log"
    process = start(state, log)
    try:
        said = log.read_text()
        assert "ldapsearch" in said
        assert "ldaps" in said
        assert str(state / "admin.password") in said
        for name in ("admin.password", "tls/server.key"):
            assert (state / name).stat().st_mode & 0o777 == 0o600
        secret = (state / "admin.password").read_text()
        assert len(secret) == 24
        anonymous, administrator = [answer(line) for line in said.splitlines() if "  ldapsearch " in line]
        printed = [line.split() for line in said.splitlines()]
        for name, place in states.serving(state)["listening"].items():
            assert [name, place] in printed
        assert {"ldap", "ldaps", "policy", "socketmap"} <= states.serving(state)["listening"].keys()
        # Whoever comes is shown people by their address in the trust space alone, administrators also what is written.
        assert "mail: jean.dupont@interop-mssante.apicrypt.org" in anonymous
        assert "@medical" not in anonymous
        assert "dn: uid=jean.dupont,ou=apicrypt,o=apicrypt,c=FR" in administrator
        assert "dn: uid=899900010028,ou=personnes,o=apicrypt,c=FR" in administrator
    finally:
        stop(process)
    made = made_once(state)
    stop(start(state, log))
    assert "Chargement" not in log.read_text()
    assert made_once(state) == made
