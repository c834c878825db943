"""What `annuaire stats` asks the store: entries by subtree and class, and octets on the disk."""

import os

import pytest
import store_places

from annuaire.store.entries import NewEntry


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with store_places.opened(request.param, tmp_path / "var") as opened:
        with opened.writing() as writer:
            for key, kind in (
                (b"o=x", "organization"),
                (b"o=x\0ou=a", "organizationalUnit"),
                (b"o=x\0ou=a\0uid=1", "account"),
                (b"o=x\0ou=a\0uid=2", "account"),
                (b"o=x\0ou=ab\0uid=3", "account"),
                (b"o=y", "organization"),
            ):
                parent = key.rpartition(b"\0")[0]
                writer.add(
                    NewEntry(key, parent, key.decode().replace("\0", "/"), os.urandom(16), b"a", None, kind)
                )
        yield opened


def test_an_entry_counts_for_the_first_root_that_it_fits(store):
    with store.reading() as reader:
        assert reader.count_kinds([b"o=x\0ou=a", b"o=x"]) == {
            (0, "organizationalUnit"): 1,
            (0, "account"): 2,
            (1, "organization"): 1,
            (1, "account"): 1,
            (-1, "organization"): 1,
        }


def test_without_roots_everything_is_outside(store):
    with store.reading() as reader:
        assert reader.count_kinds([]) == {
            (-1, "organization"): 2,
            (-1, "organizationalUnit"): 1,
            (-1, "account"): 3,
        }


def test_below_the_empty_name_is_everything_parents_first(store):
    with store.reading() as reader:
        keys = [row.key for row in reader.subtree(b"")]
    assert keys == sorted(keys)
    assert len(keys) == 6


def test_the_store_says_what_it_takes_on_the_disk(store):
    assert store.size() > 10_000
