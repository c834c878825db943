"""From names to interop addresses, one line a case: fixtures/interop.in tells the cases, interop.ref the addresses.

`python tests/domain/test_interop_fixtures.py` prints what interop.ref would be; read it before keeping it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shipped_rules import ELIGIBLE

from annuaire.domain import interop

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
DOMAIN = "interop-mssante.apicrypt.org"
DOMAINS = (DOMAIN, "mssante.apicrypt.org")
EVENTS = {"existe": "", "extraction": interop.SEEN, "donnée": interop.GIVEN}


class Row(NamedTuple):
    """A row of the ledger."""

    address: str
    holder: str
    since: str
    origin: str


def told() -> Iterator[str]:
    """The lines of the answer: headings as they are, and each case with its address."""
    ledger: dict[str, Row] = {}
    mailboxes: set[str] = set()
    for number, line in enumerate((FIXTURES / "interop.in").read_text("utf-8").splitlines(), 1):
        fields = [field.strip() for field in line.split("|")]
        if line.startswith("# ---"):
            yield line
        if line.startswith("#") or not line.strip():
            continue
        since = f"2018{number:010}Z"
        if fields[0] in EVENTS:
            if fields[0] == "existe":
                mailboxes.add(fields[1])
            else:
                ledger[fields[1]] = Row(fields[1], fields[2], since, EVENTS[fields[0]])
            continue
        given, surname, native, holder = (*fields, "", "", "")[:4]
        national = holder
        # Whoever is not named has a name and no other line; a structure has no national identification.
        holder = holder or f"ligne {number}"
        account = ELIGIBLE._replace(native=native, national=national)

        def taken(address: str, holder: str = holder) -> bool:
            known = ledger.get(address)
            return address in mailboxes or (known is not None and known.holder != holder)

        held = interop.in_order(row for row in ledger.values() if row.holder == holder)
        address = interop.allocate(account, given, surname, DOMAIN, taken, held)
        ledger.setdefault(address, Row(address, holder, since, interop.ALLOCATED))
        name = " ".join(filter(None, (given, surname)))
        yield f"{address}  {name or '(sans nom)'}"


def test_each_name_gives_the_address_that_is_written_beside_it() -> None:
    expected = (FIXTURES / "interop.ref").read_text("utf-8").splitlines()
    answered = list(told())
    for written, found in zip(expected, answered, strict=False):
        assert found == written
    assert len(answered) == len(expected)
    assert sum(not line.startswith("#") for line in answered) >= 80


def test_all_these_addresses_could_be_given_by_an_administrator() -> None:
    addresses = [line.split()[0] for line in told() if not line.startswith("#")]
    assert [one for one in addresses if not interop.valid_explicit(one, DOMAINS)] == []


if __name__ == "__main__":
    print("\n".join(told()))
