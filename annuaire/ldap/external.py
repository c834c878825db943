"""Whom a proof stands for that the connection itself brings, and no password: `[audience] certificates`.

    CN=relais.exemple mssante                                          a client certificate: an audience
    CN=sogo.exemple,O=Hôpital -> uid=sogo,ou=comptes,o=apicrypt,c=FR   an account
    * mssante                                                          every certificate of [tls] client_ca
    uidNumber=0,cn=peercred,cn=external,cn=auth -> cn=admin,o=…        a process at the other end of a unix socket

Processes have the names that OpenLDAP gives them. A subject or a process answers to a line when each attribute of the
line is in its name with that value; of several lines the one that names most decides, then the first. That a subject
looks like the DN of an account means nothing by itself: whoever may sign for client_ca would else choose who they are
here. For the same reason no certificate answers to a line for processes, whatever its subject, and no process to one
for certificates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from annuaire.domain import audience as audiences
from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import dn as names
from annuaire.ldap.channel import Channel, Target
from annuaire.ldap.dn import Dn, Naming, Rdn

ANY = "*"
ARROW = "->"
PROCESSES = "cn=peercred,cn=external,cn=auth"
# What is known of a process. The groups that it has beside its own are not told (SO_PEERCRED).
_USER, _GROUP = "uidnumber", "gidnumber"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")

_Line = tuple[frozenset[bytes], Target]


class External:
    """The lines of one configuration."""

    __slots__ = ("_certificates", "_naming", "_processes")

    def __init__(self, lines: Iterable[str], naming: Naming) -> None:
        """Malformed when a line is none."""
        self._naming = naming
        all_of_them = _attributes(names.parse(PROCESSES), naming)
        read = [_line(line, naming, all_of_them) for line in lines]
        # Sorting keeps the order of those that name as much.
        read.sort(key=lambda line: -len(line[0]))
        self._certificates = [line for line in read if not line[0] >= all_of_them]
        self._processes = [line for line in read if line[0] >= all_of_them]

    def certificate(self, subject: str) -> Target | None:
        """subject: of a certificate whose chain is verified, as RFC 4514 writes it."""
        return self._find(subject, self._certificates)

    def process(self, name: str) -> Target | None:
        """name: as `process_name` writes it."""
        return self._find(name, self._processes)

    def placed(self, channel: Channel) -> Channel:
        """The channel with whom its certificate stands for, or else its process, from before any bind."""
        shown, target = channel.certificate, self.certificate(channel.certificate)
        if target is None:
            shown, target = channel.process, self.process(channel.process)
        if target is None:
            return replace(channel, external="", target=None)
        # Administrators bind, for what they write bears their name.
        unbound = target.audience if target.audience not in (None, Audience.ADMIN) else channel.unbound
        return replace(channel, external=shown, target=target, unbound=unbound)

    def _find(self, name: str, lines: list[_Line]) -> Target | None:
        if not lines or not name:
            return None
        try:
            shown = _attributes(names.parse(name), self._naming)
        except Malformed:
            return None
        return next((target for wanted, target in lines if wanted <= shown), None)


def process_name(user: int, group: int) -> str:
    """A process by its user and group, as OpenLDAP names it."""
    return f"gidNumber={group}+uidNumber={user},{PROCESSES}"


def _line(line: str, naming: Naming, process: frozenset[bytes]) -> _Line:
    pattern, arrow, account = line.partition(ARROW)
    if arrow:
        target = Target(account=account.strip())
        names.parse(target.account)
    else:
        pattern, _, word = line.strip().rpartition(" ")
        seen_as = audiences.parse(word)
        if seen_as is None:
            raise Malformed(f"{line}: {word} is no audience")
        target = Target(seen_as)
    pattern = pattern.strip()
    if pattern == ANY:
        return frozenset(), target
    name = names.parse(pattern)
    wanted = _attributes(name, naming)
    if not wanted or (arrow and not target.account):
        raise Malformed(f"{line}: a subject and whom it stands for expected")
    if wanted >= process:
        _check_process(line, name, len(wanted - process))
    return wanted, target


def _check_process(line: str, name: Dn, further: int) -> None:
    """A line that no process can answer to is a mistake of whoever wrote it: a user's name instead of the number."""
    numbers = [
        kind
        for rdn in name.rdns
        for kind, value in rdn.pairs
        if kind.lower() in (_USER, _GROUP) and _NUMBER.fullmatch(value)
    ]
    if len(numbers) != further or len({kind.lower() for kind in numbers}) != further:
        raise Malformed(f"{line}: a process is known by uidNumber=N and gidNumber=N alone")


def _attributes(name: Dn, naming: Naming) -> frozenset[bytes]:
    """Types and values in normal form, whatever RDN they stand in."""
    return frozenset(names.rdn_key(Rdn((pair,)), naming) for rdn in name.rdns for pair in rdn.pairs)
