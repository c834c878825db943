"""Where a client works in its test: a folder of its own, and a look at what is really there.

Every client lives the same life: it binds, adds, searches, pages, sorts, changes, compares, renames, moves, deletes,
provokes errors, writes a megabyte and names beyond ASCII. What it was told is compared with what the directory holds,
read with our own codec on another connection.
"""

import re
import shutil
import socket
import subprocess
from collections.abc import Sequence

import asking
import pytest
import serving

from annuaire.ldap import responses
from annuaire.ldap.messages import Control

# Something in every range that clients and encodings stumble over: accents, a ligature, a comma and a quote, a plane
# beyond 16 bits.
NAME = "Éloïse d'Œuf, née Ñandú 😀"
ESCAPED = NAME.replace(",", "\\,")
# JPEG's own first bytes, then every octet: nothing of it is text.
PHOTO = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4096
CERTIFICATE = b"\x30\x82\x01\x00" + bytes(range(255, -1, -1))
PEOPLE = 25
TREE_DELETE = "1.2.840.113556.1.4.805"


class Workplace:
    def __init__(self, server: serving.Server, name: str) -> None:
        self.server = server
        self.folder = re.sub(r"\W+", "-", name).strip("-")
        self.base = f"ou={self.folder},ou=apicrypt,{serving.SUFFIX}"
        self._eye: socket.socket | None = None

    def look_again(self) -> None:
        """Connect anew: whoever we were connected to is gone."""
        if self._eye is not None:
            self._eye.close()
        self._eye = self.server.connect()
        self._say(asking.bind(1, serving.ADMIN, serving.PASSWORD))

    def __enter__(self) -> "Workplace":
        self.look_again()
        self._say(asking.add(2, self.base, {"objectClass": [b"organizationalUnit"]}))
        return self

    def __exit__(self, *_: object) -> None:
        self._say(asking.delete(3, self.base, [Control(TREE_DELETE, True)]))
        self._eye.close()

    def _say(self, request: bytes) -> bytes:
        self._eye.sendall(request)
        answer = serving.receive(self._eye)
        assert asking.codes(answer)[-1][1] == 0, asking.read(answer)[-1]
        return answer

    def add(self, rdns: str, attributes: dict[str, list[bytes]]) -> None:
        self._say(asking.add(6, f"{rdns},{self.base}", attributes))

    def stored(self, rdns: str = "", attributes: Sequence[str] = ("*",)) -> dict[str, list[bytes]] | None:
        """What an entry below the folder holds; None when there is none."""
        name = f"{rdns},{self.base}" if rdns else self.base
        self._eye.sendall(asking.search(4, base=name, scope=0, attributes=attributes))
        answer = serving.receive(self._eye)
        [(_, code)] = asking.codes(answer)
        if code == 32:
            return None
        assert code == 0
        [entry] = asking.entries(answer)
        return _values(entry)

    def below(self) -> list[str]:
        """The names of what lies below the folder, without the folder's own."""
        answer = self._say(asking.search(5, base=self.base, attributes=["1.1"]))
        names = [entry.dn.decode() for entry in asking.entries(answer)]
        return sorted(name.removesuffix(f",{self.base}") for name in names if name != self.base)


def _values(entry: responses.Entry) -> dict[str, list[bytes]]:
    return {name: list(values) for name, values in entry.attributes.items()}


def program(name: str) -> str:
    # The system's own first: it has the libraries that its packages bring.
    found = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(command: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def people(base: str) -> str:
    """LDIF of PEOPLE persons of ten surnames."""
    return "\n".join(
        f"dn: cn=Personne {number:02},{base}\nobjectClass: inetOrgPerson\ncn: Personne {number:02}\n"
        f"sn: {'abcdefghij'[number * 7 % 10]}\nmail: p{number}@medical59.apicrypt.org\n"
        for number in range(PEOPLE)
    )


def lines(output: str, name: str) -> list[str]:
    return [line.partition(": ")[2] for line in output.splitlines() if line.startswith(f"{name}: ")]


def dns(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("dn:")]
