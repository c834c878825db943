"""ldaptor's own client, which shares Twisted with the server and no line of code that is spoken with here."""

import json
import sys
from pathlib import Path

import serving
from workplace import CERTIFICATE, ESCAPED, NAME, PHOTO, run

PROGRAM = Path(__file__).with_name("ldaptor_client.py")


def test_a_whole_life(workplace, tmp_path):
    (tmp_path / "photo").write_bytes(PHOTO)
    (tmp_path / "certificate").write_bytes(CERTIFICATE)
    told = {
        "port": workplace.server.port(),
        "base": workplace.base,
        "admin": serving.ADMIN,
        "password": serving.PASSWORD,
        "name": NAME,
        "escaped": ESCAPED,
        "photo": str(tmp_path / "photo"),
        "certificate": str(tmp_path / "certificate"),
    }
    # A process of its own: a reactor is started once.
    done = run([sys.executable, "-W", "ignore", str(PROGRAM), json.dumps(told)])
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == {
        "wrong": "LDAPInvalidCredentials",
        "twice": "LDAPEntryAlreadyExists",
        "found": [NAME],
        "limited": 3,
        "violated": "LDAPObjectClassViolation",
        "gone": "LDAPNoSuchObject",
        "leaf": "LDAPNotAllowedOnNonLeaf",
        "critical": "LDAPUnavailableCriticalExtension",
    }
    stored = workplace.stored(f"cn={ESCAPED}")
    assert (stored["cn"], stored["jpegPhoto"]) == ([NAME.encode()], [PHOTO])
    assert stored["userCertificate;binary"] == [CERTIFICATE]
    assert stored["sn"] == ["Changé".encode()]
    assert set(workplace.below()) == {f"cn={ESCAPED}", "cn=P3", "cn=Renommé,ou=deux", "ou=deux"}
