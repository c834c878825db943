"""Client libraries of other languages live a whole life here: Perl's Net::LDAP, python-ldap, node's ldapjs.

Each is a program beside this file, which prints what it was told; what it did is looked at on another connection.
"""

import json
from pathlib import Path

import pytest
import serving
from workplace import ESCAPED, NAME, PHOTO, Workplace, program, run

HERE = Path(__file__).parent
# Debian's own places, for a node that came from elsewhere.
NODE = {"NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs", "PATH": "/usr/bin:/bin"}
SORTED = ["P02", "P05", "P08", "P11", "P01", "P04", "P07", "P10", "P00", "P03", "P06", "P09"]
# What every one of them is told, whatever it calls it.
CODES = {
    "wrong": 49,
    "bound": 0,
    "added": 0,
    "twice": 68,
    "limited": 4,
    "changed": 0,
    "required": 65,
    "absent": 16,
    "renamed": 0,
    "exists": 68,
    "unit": 0,
    "moved": 0,
    "leaf": 66,
    "tree": 0,
    "deleted": 0,
    "gone": 32,
}


def lived(workplace: Workplace, authority: Path, folder: Path, command: list[str], **options: object) -> dict:
    """What the program was told, once everything that all of them do was found done."""
    (folder / "photo").write_bytes(PHOTO)
    told = {
        "uri": workplace.server.uri,
        "port": workplace.server.port(),
        "base": workplace.base,
        "admin": serving.ADMIN,
        "password": serving.PASSWORD,
        "name": NAME,
        "photo": str(folder / "photo"),
        "authority": str(authority / "ca.pem"),
    }
    done = run([*command, json.dumps(told)], **options)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {one: said[one] for one in CODES} == CODES
    assert said["found"] == said["after_abandon"] == 1
    assert said["encrypted"] == f"dn:{serving.ADMIN}"
    assert said["photo"] in (True, 1)
    assert said["names"] == SORTED
    stored = workplace.stored(f"cn={ESCAPED}")
    assert (stored["cn"], stored["jpegPhoto"]) == ([NAME.encode()], [PHOTO])
    stored = workplace.stored("cn=P00")
    assert stored["sn"] == ["Changé".encode()]
    assert stored["telephoneNumber"] == [b"+33 3 53 01 00 02"]
    there = {
        f"cn={ESCAPED}",
        "cn=Renommé",
        *(f"cn=P{number:02}" for number in range(12) if number not in (1, 2, 4)),
    }
    assert set(workplace.below()) == there
    return said


def test_perl_net_ldap(workplace, authority, tmp_path):
    perl = program("perl")
    if run([perl, "-MNet::LDAP", "-e", "1"]).returncode:
        pytest.skip("Perl's Net::LDAP is not installed (package libnet-ldap-perl)")
    said = lived(workplace, authority, tmp_path, [perl, str(HERE / "net_ldap.pl")])
    assert said["who"] == f"dn:{serving.ADMIN}"
    assert said["must"] == ["cn", "objectClass", "sn"]
    assert (said["paged"], said["pages"], said["missing"]) == (1, 3, [32, workplace.base])
    assert (said["before"], said["after"]) == ("", "Docteure")
    assert (said["asserted"], said["unlike"], said["nothing"]) == (0, 122, 16654)
    assert said["unread"] == [122, 122]
    assert (said["same"], said["other"]) == (6, 5)


def test_python_ldap(workplace, authority, tmp_path):
    python = program("python3")
    if run([python, "-c", "import ldap"]).returncode:
        pytest.skip("python-ldap is not installed for the system's Python (package python3-ldap)")
    said = lived(
        workplace,
        authority,
        tmp_path,
        [python, "-W", "error", str(HERE / "python_ldap.py")],
        env={"LDAPNOINIT": ""},
    )
    assert said["who"] == f"dn:{serving.ADMIN}"
    assert said["contexts"] == serving.SUFFIX
    assert (said["must"], said["may"], said["equality"]) == (
        ["cn", "objectClass", "sn"],
        True,
        "caseIgnoreMatch",
    )
    assert (said["empty"], said["pages"], said["missing"]) == (53, 3, [32, workplace.base])
    assert said["before"] == {"sn": ["Changé"]}
    assert (said["after"], said["unlike"]) == (["Docteure"], 122)
    assert said["unread"] == [122, 122]
    assert (said["same"], said["other"]) == (True, False)


def test_node_ldapjs(workplace, authority, tmp_path):
    node = program("node")
    if run([node, "-e", "require('ldapjs')"], env=NODE).returncode:
        pytest.skip("ldapjs is not installed (package node-ldapjs)")
    said = lived(workplace, authority, tmp_path, [node, str(HERE / "ldapjs.js")], env=NODE)
    assert said["who"] == f"dn:{serving.ADMIN}"
    assert (said["unbound"], said["missing"], said["paged"]) == (0, 32, [3, 12])
    assert (said["same"], said["other"]) == (True, False)
