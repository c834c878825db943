"""Liste rouge hides, it never blocks: through import, store and index, flipping everybody's changes no answer to any
mail server. One more mailbox changes only what concerns it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import serving

from annuaire import config as configuration
from annuaire.actions import import_source, refresh
from annuaire.cli import local
from annuaire.domain import account as accounts
from annuaire.ldap import ber
from annuaire.ldap import schema as schemas
from annuaire.postfix import policy, socketmap
from annuaire.postfix.answers import Answers
from annuaire.server import routing
from annuaire.store import engine

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
CERTIFICATE = "mss1.ch-exemple.example"
OUTSIDERS = (
    "l.durand@ch-exemple.mssante.fr",
    "urgence@dgs.mssante.fr",
    "x@dgs-capadd.mssante.fr",
    "",
    "x@evil.org",
)
OTHERS = (
    "l.durand@ch-exemple.mssante.fr",
    "urgence@dgs.mssante.fr",
    "nobody@medical59.apicrypt.org",
    "x@evil.org",
)
TABLES = ("recipient", "sender", "transport", "login")


class State:
    """A directory with the fixtures' people and a liste blanche, and what mail servers are told of it."""

    def __init__(self, state: Path) -> None:
        self.config = configuration.load(
            None, {"ANNUAIRE_STATE": str(state), "ANNUAIRE_LOG_OPERATIONS": "none"}
        )
        serving.fill(state, FIXTURES / "apicrypt.ldif")
        server = serving.Server(state)
        listed = server.annuaire(
            "liste-blanche", "load", str(FIXTURES / "liste_blanche/signed.xml"), "--unsigned"
        )
        assert listed.returncode == 0, listed.stderr
        self.source = local.source(self.config)

    def people(self) -> list[tuple[str, accounts.Account]]:
        with self.source.store().reading() as reader:
            rows = [
                (row.dn, accounts.of(ber.decode_attributes(row.attributes))) for row in reader.every_account()
            ]
        return [(dn, found) for dn, found in rows if found is not None]

    def change(self, text: str) -> None:
        path = self.config.state / "changes.ldif"
        path.write_text(text)
        store = engine.open("", self.config.state)
        with path.open("rb") as stream:
            scope = import_source.Scope(tuple(schemas.shipped()), serving.SUFFIX)
            report = import_source.import_ldif(
                store, scope, stream, name=path.name, processes=0, reset_choices=True
            )
        store.close()
        assert report.applied, report.refusals
        refresh.refresh(self.source, local.folder(self.config))

    def answers(self, addresses: list[str]) -> dict[tuple[str, ...], object]:
        """Every policy answer between these people and others, and every table."""
        asked = routing.answers(self.config, local.facts(self.config))
        found: dict[tuple[str, ...], object] = {}
        for sender, recipient, user, certificate in envelopes(addresses):
            request = policy.Request(policy.RCPT, sender, recipient, user, "192.0.2.7", certificate)
            found["policy", sender, recipient, user, certificate] = asked.action(request)
        found |= {(table, one): told(asked, table, one) for table in TABLES for one in addresses}
        return found


def envelopes(addresses: list[str]) -> Iterator[tuple[str, str, str, str]]:
    for one in addresses:
        for sender in OUTSIDERS:
            yield sender, one, "", CERTIFICATE
            yield sender, one, "", ""
        for recipient in (*OTHERS, addresses[0], addresses[-1]):
            yield one, recipient, one, ""
            yield one, recipient, "", ""


def told(asked: Answers, table: str, key: str) -> bytes:
    return asked.result(socketmap.Query(table, key))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return State(tmp_path_factory.mktemp("routing") / "var")


def test_flipping_liste_rouge_changes_no_answer(state: State) -> None:
    people = state.people()
    addresses = [one for _, found in people for one in (found.native, found.interop) if one]
    before = state.answers(addresses)
    assert {"DUNNO", "550 5.1.1 No such recipient"} <= set(map(str, before.values()))
    flipped = {dn for dn, found in people if found.interop_on}
    assert {found.liste_rouge for dn, found in people if dn in flipped} == {True, False}
    state.change(
        "\n".join(
            f"dn: {dn}\nchangetype: modify\nreplace: listeRouge\nlisteRouge: {str(not found.liste_rouge).upper()}\n"
            for dn, found in people
            if dn in flipped
        )
    )
    assert {dn for dn, now in state.people() if now.liste_rouge != dict(people)[dn].liste_rouge} == flipped
    assert state.answers(addresses) == before


def test_a_mailbox_more_changes_no_answer_about_the_others(state: State) -> None:
    addresses = [one for _, found in state.people() for one in (found.native, found.interop) if one]
    before = state.answers(addresses)
    new = "zoe.NEUVE@medical59.apicrypt.org"
    state.change(
        f"dn: uid=zoe.neuve,ou=apicrypt,{serving.SUFFIX}\nobjectClass: inetOrgPerson\n"
        "objectClass: apicryptUtilisateur\nuid: zoe.neuve\ncn: Zoé NEUVE\ngivenName: Zoé\nsn: NEUVE\n"
        f"mail: {new}\napicryptVersion: 2\napicryptInterop: TRUE\nprofession: 10\n"
    )
    assert state.answers(addresses) == before
    asked = routing.answers(state.config, local.facts(state.config))
    assert told(asked, "recipient", "zoe.neuve@interop-mssante.apicrypt.org") == socketmap.ok(new)
