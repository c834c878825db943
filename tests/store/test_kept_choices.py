"""Choices, what sources said, and versions are kept by native address, and outlive everything else."""

import pytest
import store_places

from annuaire.store.choices import ChoiceRow

ANNE, JEAN = "anne@medical59.apicrypt.org", "jean@medical59.apicrypt.org"
EARLY, LATE = "20181001000000Z", "20261123000000Z"


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield opened


def test_the_last_decision_is_kept(store):
    red = ChoiceRow(ANNE, "listeRouge", True, LATE, "cli")
    with store.writing() as writer:
        writer.keep_choice(ChoiceRow(ANNE, "apicryptInterop", True, EARLY, "import"))
        writer.keep_choice(red)
        writer.keep_choice(ChoiceRow(ANNE, "apicryptInterop", False, LATE, "web"))
        writer.keep_choice(ChoiceRow(JEAN, "listeRouge", False, EARLY, "import"))
    with store.reading() as reader:
        off = ChoiceRow(ANNE, "apicryptInterop", False, LATE, "web")
        assert reader.choices_of(ANNE) == [off, red]
        assert type(reader.choices_of(ANNE)[0].value) is bool
        assert [one.account for one in reader.choices_among([JEAN, ANNE, "x"])] == [ANNE, ANNE, JEAN]
        assert reader.choices_of("x") == reader.choices_among([]) == []
    with store.writing() as writer:
        writer.forget_choice(ANNE, "apicryptInterop")
        assert writer.choices_of(ANNE) == [red]
        assert writer.head() == 0  # the change is the entry's


def test_what_a_source_said_is_kept_by_attribute(store):
    with store.writing() as writer:
        writer.keep_said(ANNE, "telephoneNumber", b"\x00one")
        writer.keep_said(ANNE, "telephoneNumber", b"\xfftwo")
        writer.keep_said(ANNE, "o", b"")
    with store.reading() as reader:
        assert reader.said(ANNE) == {"o": b"", "telephoneNumber": b"\xfftwo"}
        assert reader.said(JEAN) == {}
    with store.writing() as writer:
        writer.forget_said(ANNE, "o")
        writer.forget_said(ANNE, "o")
        assert writer.said(ANNE) == {"telephoneNumber": b"\xfftwo"}


def test_versions_are_in_the_order_of_time(store):
    with store.writing() as writer:
        writer.keep_version(JEAN, LATE, 2)
        writer.keep_version(ANNE, LATE, 1)
        writer.keep_version(ANNE, LATE, 2)
        writer.keep_version(ANNE, EARLY, 1)
    with store.reading() as reader:
        assert reader.versions_of(ANNE) == [(EARLY, 1), (LATE, 2)]
        assert reader.all_versions() == [(ANNE, EARLY, 1), (ANNE, LATE, 2), (JEAN, LATE, 2)]


def test_another_native_address_takes_everything_along_and_nothing_of_strangers(store):
    with store.writing() as writer:
        for account, value in ((ANNE, True), (JEAN, False)):
            writer.keep_choice(ChoiceRow(account, "listeRouge", value, EARLY, "cli"))
            writer.keep_said(account, "o", account.encode())
            writer.keep_version(account, EARLY, 1 + value)
        writer.keep_said(JEAN, "l", b"what somebody left behind")
    with store.writing() as writer:
        writer.move_account(ANNE, ANNE)
        writer.move_account(ANNE, JEAN)
    with store.reading() as reader:
        assert reader.choices_of(JEAN) == [ChoiceRow(JEAN, "listeRouge", True, EARLY, "cli")]
        assert reader.said(JEAN) == {"o": ANNE.encode()}
        assert reader.all_versions() == [(JEAN, EARLY, 2)]
        assert reader.choices_of(ANNE) == []
        assert reader.said(ANNE) == {}
