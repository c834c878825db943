"""Interop addresses: under which name a person of ours is known in the trust space (`prenom.nom@interop-mssante…`).

# Note [An interop address is never given twice]
Whoever wrote to an address goes on writing to it. So an address that somebody had once, whether it was allocated
here, given by an administrator or seen in the national file, is theirs for ever in the ledger: they get it back when
they open exchanges again, and nobody else gets it, not after a closed subscription, a deleted entry or a restore. Rows
of the ledger are only ever added. That is also why homonyms are numbered: a number says that the plain form was once
somebody's, and nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from annuaire.domain import names
from annuaire.domain.account import Account

# How an address came into the ledger.
ALLOCATED, GIVEN, SEEN = "allocated", "given", "mssante"

# RFC 5321 §4.5.3.1.3: a path has 256 octets, with < and >.
_ADDRESS_MAX = 254
_LOCAL = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*")
# Mailboxes that belong to whoever runs a domain (RFC 2142, RFC 5321 §4.5.1): nobody is called so.
_RESERVED = frozenset(("abuse", "admin", "administrator", "hostmaster", "mailer-daemon", "no-reply", "noc"))
_RESERVED |= {"noreply", "postmaster", "root", "security", "webmaster"}
# When neither the names nor the native address leave a letter.
_NAMELESS = "correspondant"


def is_interop_address(address: str, domains: Sequence[str]) -> bool:
    """Whether the domain behind the last @ is exactly one of our domains in the trust space."""
    local, _, domain = address.rpartition("@")
    return bool(local) and domain.lower() in [one.lower() for one in domains]


def valid_explicit(address: str, interop_domains: Sequence[str]) -> bool:
    """Whether an administrator may give this address: one of our domains, and a form that every server takes.

    Letters and digits without accents, with single dots, hyphens or underscores between; a + is an extension to mail
    servers and would never be found. It is kept in lower case.
    """
    local = address.rpartition("@")[0].lower()
    return (
        is_interop_address(address, interop_domains)
        and len(address) <= _ADDRESS_MAX
        and _is_local(local)
        and local not in _RESERVED
    )


def _is_local(local: str) -> bool:
    return len(local) <= names.LOCAL_MAX and ".." not in local and _LOCAL.fullmatch(local) is not None


def local_part(account: Account, given_name: str, surname: str) -> str:
    """What stands before the @ when nobody has it yet. Never empty.

    A structure, an account with neither given name nor national identification, keeps the local part of its native
    address; so does a person whose names leave no letter of the Latin alphabet.
    """
    named = names.local_part(given_name, surname)
    is_structure = not given_name.strip() and not account.national
    return (named if not is_structure else "") or _native_local(account.native) or named or _NAMELESS


def _native_local(native: str) -> str:
    local = native.rpartition("@")[0].lower()
    if _is_local(local):
        return local
    made = ".".join([part for part in map(names.word, local[: names.LOCAL_MAX * 4].split(".")) if part])
    return names.shortened(made, names.LOCAL_MAX)


def candidates(local: str, domain: str) -> Iterator[str]:
    """The addresses to try, without end: the plain one, then numbered from 2."""
    if local not in _RESERVED:
        yield f"{local}@{domain.lower()}"
    # A digit behind a digit would be read as one number.
    hyphen = "-" if local[-1].isdigit() else ""
    number = 2
    while True:
        ending = f"{hyphen}{number}"
        yield f"{local[: names.LOCAL_MAX - len(ending)].rstrip('-._')}{ending}@{domain.lower()}"
        number += 1


def in_order(rows: Iterable[tuple[str, str, str, str]]) -> list[str]:
    """The addresses of a holder's rows of the ledger (address, holder, since, origin), the one to give back first.

    What the national file has seen comes first, since correspondents look there; then what an administrator gave;
    among equals the latest.
    """
    ranks = {SEEN: 0, GIVEN: 1}
    by_address = sorted(rows)
    by_date = sorted(by_address, key=lambda row: row[2], reverse=True)
    return [row[0] for row in sorted(by_date, key=lambda row: ranks.get(row[3], 2))]


def allocate(
    account: Account,
    given_name: str,
    surname: str,
    domain: str,
    taken: Callable[[str], bool],
    held: Sequence[str],
) -> str:
    """The interop address of an account that opens exchanges.

    held: what the ledger has for its holder, as `in_order` puts it. taken: whether an address in lower case is
    anybody else's, in the ledger or as a mailbox of either directory. Note [An interop address is never given twice].
    """
    present = account.interop.lower()
    # Its entry says which of several is the present one. An entry of an older system says the only one.
    if present and (present in held or not taken(present)):
        return present
    if held:
        return held[0]
    for address in candidates(local_part(account, given_name, surname), domain):
        if not taken(address):
            return address
    raise AssertionError("candidates never end")
