"""The native address of an account: the first `mail`, in a domain of `[domains] native`.

With any other the account is there and nobody reaches it: what mail servers ask by that address is about a stranger.
"""

from __future__ import annotations

from annuaire.actions.accounts import RuleError
from annuaire.domain.domains import Domains
from annuaire.ldap.results import ResultCode

NOT_NATIVE = (
    "L'adresse native (mail) n'est dans aucun domaine de [domains] native : le compte ne reçoit rien."
)
_ENGLISH = "mail: the first one, the native address, is in no domain of [domains] native"


def fits(address: str, domains: Domains) -> bool:
    return domains.is_native(address.rpartition("@")[2])


def hold(address: str, domains: Domains) -> None:
    """Refuse to give an account an address that is no native one."""
    if not fits(address, domains):
        raise RuleError(ResultCode.constraintViolation, _ENGLISH, NOT_NATIVE)
