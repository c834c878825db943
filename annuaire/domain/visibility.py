"""Who may see what of whom: the one place where audiences are decided.

# Note [Who asks decides what exists] is told in `audience`.

    face      adds                                   is shown to
    native    the native address, the certificate    apicrypt, while the account is active
    interop   the interop address                    public and mssante, while the account is reachable from the
                                                     trust space and not on liste rouge; dgs likewise, liste rouge
                                                     included unless a setting says no
    routing   inetLocalMailRecipient                 routage, while the account is active
    whole     both addresses, the certificate        admin, in every state

A national mailbox that is reliable is shown to all of them but routage, which is told of our addresses alone.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum

from annuaire.domain import activation
from annuaire.domain.account import Account
from annuaire.domain.activation import Rules
from annuaire.domain.audience import EVERYBODY, NOBODY, Audience

STRANGERS = Audience.PUBLIC | Audience.MSSANTE
# Who is shown national mailboxes.
READERS = STRANGERS | Audience.APICRYPT | Audience.DGS | Audience.ADMIN


class Face(IntEnum):
    """What of an account a view is made of."""

    NATIVE = 0
    INTEROP = 1
    ROUTING = 2
    WHOLE = 3


def of_account(account: Account, reachable: bool, dgs_sees_liste_rouge: bool) -> dict[Face, Audience]:
    """To whom each face of an account is shown; faces that nobody sees are left out.

    `reachable`: activation.is_reachable_from_trust_space, which knows nothing of liste rouge.
    """
    faces = {Face.WHOLE: Audience.ADMIN}
    if account.active:
        faces[Face.NATIVE] = Audience.APICRYPT
        faces[Face.ROUTING] = Audience.ROUTAGE
    if reachable:
        seers = NOBODY if account.liste_rouge else STRANGERS
        if dgs_sees_liste_rouge or not account.liste_rouge:
            seers |= Audience.DGS
        if seers:
            faces[Face.INTEROP] = seers
    return faces


def hides(before: dict[Face, Audience], after: dict[Face, Audience]) -> bool:
    """Whether a change takes somebody out of the sight of strangers: Note [Secrecy before availability]."""
    lost = before.get(Face.INTEROP, NOBODY) & ~after.get(Face.INTEROP, NOBODY)
    return bool(lost & STRANGERS)


def hides_account(before: Account | None, after: Account | None, rules: Rules, now: datetime) -> bool:
    """The same of an account; None: there was none, or there is none any more."""
    if before == after:
        return False

    def faces(account: Account | None) -> dict[Face, Audience]:
        if account is None:
            return {}
        reachable = activation.is_reachable_from_trust_space(account, rules, now)
        return of_account(account, reachable, dgs_sees_liste_rouge=False)

    return hides(faces(before), faces(after))


def of_stored(is_suffix: bool, readers: Audience | None) -> Audience:
    """The audiences of an entry of the store as it is written: for administrators, who wrote it.

    `readers`: of the further tree that it lies in (`[trees] readers`); None below the suffix.
    """
    if is_suffix:
        return EVERYBODY
    return Audience.ADMIN if readers is None else readers | Audience.ADMIN
