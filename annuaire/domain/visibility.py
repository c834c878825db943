"""Who may see what: the one place where an entry's audiences are decided.

# Note [Who asks decides what exists] is told in `audience`.
"""

from annuaire.domain.audience import EVERYBODY, Audience


def of_stored(below_apicrypt: bool, is_suffix: bool) -> Audience:
    """The audiences of an entry of the store: the APICRYPT directory for everybody, accounts for administrators."""
    return EVERYBODY if below_apicrypt or is_suffix else Audience.ADMIN
