import pytest

from annuaire.domain import password
from annuaire.domain.password import Fault, Rules

SECRET = "correct cheval pile agrafe é".encode()
KEPT, OTHER = b"{SSHA}x", b"{SSHA}y"
RULES = Rules(12)


@pytest.mark.parametrize(
    ("chosen", "fault"),
    [
        ("", Fault.SHORT),
        ("onze lettre", Fault.SHORT),
        ("douze lettre", None),
        # Characters are counted, not octets.
        ("é" * 6 + "abcde", Fault.SHORT),
        ("énormément à", None),
        ("aaaaaaaaaaaa", Fault.POOR),
        ("121212121212121212", Fault.POOR),
        ("AaAaAaBbBbBbCc", Fault.POOR),
        ("helene.martin", Fault.POOR),
        ("Helene.Martin1!", Fault.POOR),
        ("helene.martin habite à Lille", None),
        ("x" * 5000, Fault.LONG),
    ],
)
def test_a_password_is_judged_by_its_length_and_by_what_is_guessed_first(chosen, fault):
    assert password.judge(chosen.encode(), ["helene.martin", "anne"], RULES) is fault


def test_octets_that_are_no_text_are_a_password_too():
    assert password.judge(bytes(range(128, 148)), [], RULES) is None


def test_each_fault_is_said_and_none_repeats_the_password():
    for fault in Fault:
        assert len(password.said(fault, RULES)) > 20
    assert "12" in password.said(Fault.SHORT, RULES)


@pytest.mark.parametrize("least", [1, 12, 19, 20, 30, 64])
def test_what_is_chosen_for_somebody_obeys_the_rules_and_is_never_twice_the_same(least):
    made = {password.generated(Rules(least)) for _ in range(200)}
    assert len(made) == 200
    for one in made:
        assert password.judge(one, [], Rules(least)) is None
        assert set(one.decode()) <= set("abcdefghjkmnpqrstuvwxyz23456789-")
        assert len(one) >= 19


class TestRemembered:
    def test_a_success_is_remembered_for_its_time(self):
        remembered = password.Remembered(300)
        hashes = (KEPT,)
        assert not remembered.knows(hashes, SECRET, 0)
        remembered.remember(hashes, SECRET, 0)
        assert remembered.knows(hashes, SECRET, 299)
        assert not remembered.knows(hashes, SECRET, 301)

    def test_another_password_or_another_hash_is_not_known(self):
        remembered = password.Remembered(300)
        remembered.remember((KEPT,), SECRET, 0)
        assert not remembered.knows((KEPT,), b"other", 1)
        assert not remembered.knows((OTHER,), SECRET, 1)
        assert not remembered.knows((), SECRET, 1)

    def test_only_so_many_are_kept(self):
        remembered = password.Remembered(300, size=2)
        for name in (b"a", b"b", b"c"):
            remembered.remember((name,), SECRET, 0)
        assert not remembered.knows((b"a",), SECRET, 1)
        assert remembered.knows((b"c",), SECRET, 1)

    def test_no_seconds_is_no_memory(self):
        remembered = password.Remembered(0)
        remembered.remember((KEPT,), SECRET, 0)
        assert not remembered.knows((KEPT,), SECRET, 0)
