"""annuaire: an LDAP directory server and federation bridge for French secure health mail."""

__version__ = "0.1.0"
