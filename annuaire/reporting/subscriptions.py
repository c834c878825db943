"""The accounts of the store as reports read them: each with its entry, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from annuaire.domain import account as accounts
from annuaire.domain.account import Account, Attributes
from annuaire.ldap import ber
from annuaire.store.engine import Reader


class Subscription(NamedTuple):
    """One account."""

    holder: str
    account: Account
    attributes: Attributes
    created_at: str

    @property
    def identified(self) -> bool:
        """Whether a national identification says who it is."""
        return not self.holder.startswith(accounts.UNIDENTIFIED)

    @property
    def name(self) -> str:
        """SURNAME Given, as directories show people."""
        surname, given = self.text("sn"), self.text("givenName")
        return f"{surname} {given}".strip() or self.text("cn")

    def text(self, attribute: str) -> str:
        values = self.attributes.get(attribute)
        return values[0].decode("utf-8", "replace") if values else ""


def every(reader: Reader) -> Iterator[Subscription]:
    """All of them in the order of holders, few in memory at once."""
    for row in reader.accounts_between("", None):
        attributes = ber.decode_attributes(row.attributes)
        account = accounts.of(attributes)
        if account is not None and row.person is not None:
            yield Subscription(row.person, account, attributes, row.created_at)
