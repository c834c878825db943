"""What of an entry makes its subscription, and what is spared when none of it is another."""

from typing import Any

from annuaire.domain import account

JEANNE = {
    "objectClass": [b"inetOrgPerson", b"apicryptUtilisateur"],
    "mail": [b"Jeanne@medical59.apicrypt.org"],
    "telephoneNumber": [b"+33 3 20 00 00 00"],
    "apicryptVersion": [b"2"],
    "IdentifiantPP": [b"99900000011"],
    "TypeIdentifiantPP": [b"8"],
}
UUID = bytes(range(16))


class Noting(dict[str, list[bytes]]):
    """Attributes that know which of them were looked at."""

    def __init__(self, attributes: dict[str, list[bytes]]) -> None:
        super().__init__(attributes)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)


def test_what_is_said_to_be_read_is_all_that_is_read() -> None:
    noting = Noting(JEANNE)
    assert account.of(noting) is not None
    assert noting.asked == set(account.READ)


def test_a_subscription_is_read_again_when_anything_of_it_is_another() -> None:
    known = account.of(JEANNE)
    assert account.of_changed(JEANNE, JEANNE, known) is known
    assert account.of_changed(JEANNE | {"telephoneNumber": [b"1"]}, JEANNE, known) is known
    for name in account.READ:
        for values in ([b"TRUE"], [], None):
            changed = {key: list(held) for key, held in JEANNE.items() if key != name}
            if values is not None:
                changed[name] = values
            assert account.of_changed(changed, JEANNE, known) == account.of(changed), name
    assert account.of_changed(JEANNE, None, None) == known
    assert account.of_changed(JEANNE, {}, None) == known


def test_an_account_that_was_read_describes_the_same_person() -> None:
    for attributes in (JEANNE, JEANNE | {"IdentifiantPP": []}, JEANNE | {"objectClass": [b"person"]}):
        assert account.described_as(account.of(attributes), UUID) == account.described(attributes, UUID)
