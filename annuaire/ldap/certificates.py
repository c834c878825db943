"""Who a client certificate stands for: `[audience] certificates`, by the subject.

    CN=relais.exemple mssante                                        an audience
    CN=sogo.exemple,O=Hôpital -> uid=sogo,ou=comptes,o=apicrypt,c=FR   an account
    * mssante                                                        every certificate of [tls] client_ca

A certificate answers to a line when each attribute of the line is in its subject with that value; of several lines the
one that names most decides, then the first. That a subject looks like the DN of an account means nothing by itself:
whoever may sign for client_ca would else choose who they are here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from annuaire.domain import audience as audiences
from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import dn as names
from annuaire.ldap.dn import Dn, Naming, Rdn

ANY = "*"
ARROW = "->"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a certificate stands for: an audience, or the account of that DN."""

    audience: Audience | None = None
    account: str = ""


class Certificates:
    """The lines of one configuration."""

    __slots__ = ("_lines", "_naming")

    def __init__(self, lines: Iterable[str], naming: Naming) -> None:
        """Malformed when a line is none."""
        self._naming = naming
        read = [_line(line, naming) for line in lines]
        # Sorting keeps the order of those that name as much.
        self._lines = sorted(read, key=lambda line: -len(line[0]))

    def find(self, subject: str) -> Target | None:
        """subject: of a certificate whose chain is verified, as RFC 4514 writes it."""
        if not self._lines or not subject:
            return None
        try:
            shown = _attributes(names.parse(subject), self._naming)
        except Malformed:
            return None
        return next((target for wanted, target in self._lines if wanted <= shown), None)


def _line(line: str, naming: Naming) -> tuple[frozenset[bytes], Target]:
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
    wanted = _attributes(names.parse(pattern), naming)
    if not wanted or (arrow and not target.account):
        raise Malformed(f"{line}: a subject and whom it stands for expected")
    return wanted, target


def _attributes(name: Dn, naming: Naming) -> frozenset[bytes]:
    """Types and values in normal form, whatever RDN they stand in."""
    return frozenset(names.rdn_key(Rdn((pair,)), naming) for rdn in name.rdns for pair in rdn.pairs)
