"""The rules as the shipped files say them, and accounts to try them on."""

from annuaire.domain import account, calendar, profession
from annuaire.domain.account import Account
from annuaire.domain.activation import Rules
from annuaire.ldap import schema

FOLDER = schema.shipped()[0].parent
PROFESSIONS = profession.load((FOLDER / "professions.csv").read_text("utf-8"))
CALENDAR = calendar.load((FOLDER / "calendar.toml").read_text("utf-8"))
RULES = Rules(PROFESSIONS, CALENDAR, profession.FAQ_2018)

# Everything that the rules ask: a physician of Lille in version 2.
ELIGIBLE = Account(
    native="jeanne.DUPONT@medical59.apicrypt.org",
    interop="",
    version=2,
    professions=("10",),
    state=account.ACTIVE,
    interop_on=False,
    liste_rouge=False,
    key_end="",
    national="899900000011",
    postal_code="59000",
)
