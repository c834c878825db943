"""Every national row is counted once, with the reason for which no view shows it."""

import filled
import pytest
from filled import account, put, row

from annuaire.domain import mailbox, reliability
from annuaire.domain.domains import Domains
from annuaire.domain.mailbox import Activity
from annuaire.reporting import quality
from annuaire.store.domains import DomainRow
from annuaire.store.ledger import LedgerRow
from annuaire.store.records import ACTIVITIES

DOMAINS = Domains(("medical*.apicrypt.org",), ("interop-mssante.apicrypt.org",), ())
LISTED = frozenset({"medecin.mssante.fr", "ch-exemple.mssante.fr", "interop-mssante.apicrypt.org"})


@pytest.fixture
def store(tmp_path):
    with filled.store(tmp_path / "var") as opened:
        yield opened


def report(store, listed=LISTED):
    with store.reading() as reader:
        return quality.report(reader, reliability.Rules(listed, DOMAINS.is_ours))


def counted(counts) -> dict[str, int]:
    return {count.code: count.rows for count in counts}


def test_an_empty_store_has_nothing_wrong(store):
    found = report(store)
    assert (found.people, found.structures, found.reliable, found.reasons, found.warnings) == (
        0,
        0,
        0,
        (),
        (),
    )
    assert found.liste_blanche is None
    assert found.ledger == {}


def test_each_reason_is_counted_with_examples(store):
    with store.writing() as writer:
        put(
            writer,
            [
                row("jeanne@medecin.mssante.fr"),
                row("jeanne@ch-exemple.mssante.fr"),
                row("service@ch-exemple.mssante.fr", type_bal="ORG", service="CARDIOLOGIE"),
                row("a@nowhere.mssante.fr", national_pp="899900000029", prenom="Luc"),
                row("b@nowhere.mssante.fr", national_pp="899900000029"),
                row("sans@medecin.mssante.fr", national_pp="", identifiant_pp=""),
                row("court@medecin.mssante.fr", national_pp="8999"),
                row("anonyme@medecin.mssante.fr", national_pp="899900000037", nom=""),
                row("190000000000012@patient.mssante.fr", national_pp="899900000045"),
                row("illisible", national_pp="899900000052"),
                row("autre@medecin.mssante.fr", type_bal="XYZ"),
                row("partagee@medecin.mssante.fr", national_pp="899900000060"),
                row("partagee@medecin.mssante.fr", national_pp="899900000078"),
            ],
        )
    found = report(store)
    assert found.reliable == 3
    assert counted(found.reasons) == {
        reliability.MALFORMED_ADDRESS: 1,
        reliability.PATIENT: 1,
        reliability.UNLISTED: 2,
        reliability.UNKNOWN_TYPE: 1,
        reliability.NO_IDENTIFIER: 1,
        reliability.MALFORMED_IDENTIFIER: 1,
        reliability.NO_NAME: 1,
        reliability.CONTESTED: 2,
    }
    assert found.reliable + sum(count.rows for count in found.reasons) == found.sources[0].rows == 13
    unlisted = next(count for count in found.reasons if count.code == reliability.UNLISTED)
    assert unlisted.says == reliability.REASONS[reliability.UNLISTED]
    assert unlisted.examples[0] == ("a@nowhere.mssante.fr", "899900000029", "DUPONT Luc")
    assert found.unlisted == (("nowhere.mssante.fr", 2),)


def test_examples_are_few_however_many_rows_there_are(store):
    with store.writing() as writer:
        put(writer, [row(f"p{one}@x.mssante.fr", national_pp=f"8999{one:08}") for one in range(40)])
    (count,) = report(store).reasons
    assert (count.rows, len(count.examples)) == (40, quality.EXAMPLES)


def test_without_a_liste_blanche_no_domain_is_unlisted(store):
    with store.writing() as writer:
        put(writer, [row("a@nowhere.mssante.fr")])
    assert report(store, listed=None).reliable == 1


def test_a_wrong_check_digit_is_doubtful_and_not_left_out(store):
    with store.writing() as writer:
        put(
            writer,
            [
                row("a@medecin.mssante.fr", national_pp="899900000012"),
                row(
                    "b@medecin.mssante.fr",
                    national_pp="899900000029",
                    type_structure="1",
                    structure="990000011",
                ),
            ],
        )
        account(writer, "j.DUPONT@medical59.apicrypt.org", TypeIdentifiantPP="8", IdentifiantPP="99900000012")
    found = report(store)
    assert found.reliable == 2
    assert counted(found.warnings) == {reliability.RPPS_DIGIT: 1, reliability.FINESS_DIGIT: 1}
    assert found.accounts == (1, 1, 1)


def test_holders_are_counted_once_however_many_mailboxes_they_have(store):
    with store.writing() as writer:
        put(writer, [row(f"{name}@medecin.mssante.fr") for name in "abc"])
        put(writer, [row(f"s{one}@ch-exemple.mssante.fr", type_bal="ORG", service="S") for one in range(2)])
    found = report(store)
    assert (found.people, found.structures) == (1, 2)


def test_rows_of_our_domains_are_told_by_whether_an_account_explains_them(store):
    ours = "interop-mssante.apicrypt.org"
    with store.writing() as writer:
        put(
            writer,
            [
                row(f"jeanne.dupont@{ours}"),
                row(f"Luc.Martin@{ours}", national_pp="899900000029", prenom="Luc", nom="MARTIN"),
                row(f"ancien@{ours}", national_pp="899900000037"),
                row(f"prise@{ours}", national_pp="899900000045"),
                row(f"cabinet@{ours}", type_bal="ORG", service="CABINET"),
                row(f"inconnu@{ours}", type_bal="ORG", service="INCONNU"),
            ],
        )
        account(
            writer,
            "jeanne.DUPONT@medical59.apicrypt.org",
            TypeIdentifiantPP="8",
            IdentifiantPP="99900000011",
            apicryptInteropMail=f"Jeanne.Dupont@{ours}",
        )
        account(
            writer, "luc.MARTIN@medical59.apicrypt.org", TypeIdentifiantPP="8", IdentifiantPP="99900000029"
        )
        account(writer, "cabinet@medical59.apicrypt.org", apicryptInteropMail=f"cabinet@{ours}")
        writer.allocate(LedgerRow(f"jeanne.dupont@{ours}", "899900000011", filled.AT, "allocated"))
        writer.allocate(LedgerRow(f"luc.martin@{ours}", "899900000029", filled.AT, "mssante"))
        writer.allocate(LedgerRow(f"prise@{ours}", "899900009999", filled.AT, "mssante"))
    found = report(store)
    assert found.explained == 2
    assert counted(found.reasons) == {reliability.OURS: 6}
    assert counted(found.unexplained) == {
        quality.NO_ACCOUNT: 2,
        quality.OTHER_ADDRESS: 1,
        quality.OTHER_HOLDER: 1,
    }
    examples = {count.code: count.examples[0].address for count in found.unexplained}
    assert examples[quality.OTHER_ADDRESS] == f"luc.martin@{ours}"
    assert examples[quality.OTHER_HOLDER] == f"prise@{ours}"
    assert found.ledger == {"allocated": 1, "mssante": 2}


def test_sources_are_told_with_their_ages(store):
    activity = Activity._make([""] * len(Activity._fields))
    with store.writing() as writer:
        put(writer, [row("a@medecin.mssante.fr")])
        values = {"source": ACTIVITIES, "holder": "899900000011", "key": "1", "address": ""}
        values |= {"line": mailbox.format(activity), "first": filled.AT, "last": "20261102000000Z"}
        writer._connection.execute(filled.tables.records.insert(), [values])
        writer.replace_domains([DomainRow("a.fr", "CN=a", "", "", "", "")], {"generated": "x"})
    found = report(store)
    assert [tuple(source) for source in found.sources] == [
        ("mssante", 1, filled.BEFORE, filled.AT),
        ("ps-libreacces", 1, filled.AT, "20261102000000Z"),
    ]
    assert found.liste_blanche == {"generated": "x"}
