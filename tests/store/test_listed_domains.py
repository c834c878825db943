"""The liste blanche is replaced whole, and each domain whose listing changes is one change."""

import pytest
import store_places

from annuaire.store import domains
from annuaire.store.domains import DomainRow

INFO = {
    "generated": "2026-11-20T10:00:00Z",
    "loaded_at": "20261123000000Z",
    "signer": "CN=é",
    "rows": 3,
    "domains": 2,
}


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield opened


def row(domain: str, certificate: str = "CN=a", description: str = "") -> DomainRow:
    return DomainRow(domain, certificate, description, "", "", "2026-01-01T00:00:00Z")


LISTED = [row("ch-b.mssante.fr"), row("ch-a.mssante.fr", "CN=b"), row("ch-a.mssante.fr")]


def load(store, rows, info=INFO) -> set[str]:
    with store.writing() as writer:
        return writer.replace_domains(rows, info)


def changes(store, after: int) -> list[tuple[str, str | None]]:
    with store.reading() as reader:
        return [(change.kind, change.holder) for change in reader.changes_since(after, 99)]


def test_a_list_is_read_back_by_domain(store):
    with store.reading() as reader:
        assert reader.liste_blanche() is None
        assert reader.domain("ch-a.mssante.fr") == []
    load(store, LISTED)
    with store.reading() as reader:
        assert reader.domain("ch-a.mssante.fr") == [LISTED[2], LISTED[1]]
        assert list(reader.domains()) == [LISTED[2], LISTED[1], LISTED[0]]
        assert reader.liste_blanche() == INFO


def test_the_first_list_concerns_also_what_is_not_on_it(store):
    assert load(store, LISTED) == {"ch-a.mssante.fr", "ch-b.mssante.fr"}
    assert changes(store, 0) == [("everything", None)]


def test_domains_that_come_or_go_or_are_spoken_for_by_others_are_changes(store):
    load(store, LISTED)
    assert load(store, [row("ch-b.mssante.fr", "CN=c"), row("ch-c.mssante.fr")]) == {
        "ch-a.mssante.fr",
        "ch-b.mssante.fr",
        "ch-c.mssante.fr",
    }
    assert changes(store, 1) == [
        ("domain", "ch-a.mssante.fr"),
        ("domain", "ch-b.mssante.fr"),
        ("domain", "ch-c.mssante.fr"),
    ]


def test_other_words_about_a_domain_are_kept_and_no_change(store):
    load(store, LISTED)
    described = [one._replace(description="Centre\nhospitalier") for one in LISTED]
    assert load(store, described, INFO | {"signer": "CN=other"}) == set()
    assert changes(store, 1) == []
    with store.reading() as reader:
        assert {one.description for one in reader.domains()} == {"Centre\nhospitalier"}
        assert reader.liste_blanche()["signer"] == "CN=other"


def test_beyond_what_is_worth_naming_everything_has_changed(store, monkeypatch):
    load(store, LISTED)
    monkeypatch.setattr(domains, "MANY", 1)
    assert load(store, [row("ch-b.mssante.fr")]) == {"ch-a.mssante.fr"}
    assert load(store, []) == {"ch-b.mssante.fr"}
    assert load(store, LISTED) == {"ch-a.mssante.fr", "ch-b.mssante.fr"}
    assert [kind for kind, _ in changes(store, 1)] == ["domain", "domain", "everything"]
