"""What an import does to what people chose: the person, the source and the file as a small history."""

import itertools
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.domain import choices
from annuaire.domain.choices import Outcome

YES, NO, NOTHING = (b"TRUE",), (b"FALSE",), ()


@pytest.mark.parametrize(
    ("held", "said", "file", "chosen", "outcome"),
    [
        # A first import: its values are the initial choices.
        (NOTHING, None, YES, False, Outcome(YES, None, False)),
        (NOTHING, None, NO, False, Outcome(NO, None, False)),
        # The file does not mention the choice.
        (YES, None, NOTHING, False, Outcome(YES, None, False)),
        (YES, None, NOTHING, True, Outcome(YES, None, False)),
        (YES, NO, NOTHING, True, Outcome(YES, NO, False)),
        (NOTHING, None, NOTHING, False, Outcome(NOTHING, None, False)),
        # Nobody but files has spoken: the last file counts.
        (YES, None, NO, False, Outcome(NO, None, False)),
        (YES, None, YES, False, Outcome(YES, None, False)),
        # The person chose otherwise than the source, which goes on saying what it said.
        (NO, YES, YES, True, Outcome(NO, YES, False)),
        # The source has come to the same: nothing to remember.
        (NO, YES, NO, True, Outcome(NO, None, False)),
        # The source changes its mind against the person: not done, and told once.
        (NO, None, YES, True, Outcome(NO, YES, True)),
        # The rules refused it last time: asked again.
        (NO, YES, YES, False, Outcome(YES, None, False)),
        # The entry is made again, after the choice.
        (NO, None, NO, True, Outcome(NO, None, False)),
    ],
)
def test_an_import_and_a_choice(
    held: choices.Values, said: choices.Values | None, file: choices.Values, chosen: bool, outcome: Outcome
) -> None:
    assert choices.choice(held, said, file, chosen, reset=False) == outcome


@pytest.mark.parametrize(
    ("held", "said", "chosen"), list(itertools.product((YES, NO, NOTHING), (None, YES, NO), (True, False)))
)
@pytest.mark.parametrize("file", [YES, NO])
def test_reset_choices_lets_the_file_overrule(
    held: choices.Values, said: choices.Values | None, chosen: bool, file: choices.Values
) -> None:
    assert choices.choice(held, said, file, chosen, reset=True) == Outcome(file, None, False)
    assert choices.personal(held, said, file, reset=True) == Outcome(file, None, False)


def test_reset_choices_does_nothing_where_the_file_says_nothing() -> None:
    assert choices.choice(NO, YES, NOTHING, True, reset=True) == Outcome(NO, YES, False)
    assert choices.personal(NO, YES, NOTHING, reset=True) == Outcome(NO, YES, False)


def test_a_choice_that_the_rules_refuse_is_told_at_each_import_and_taken_once_they_allow_it() -> None:
    held: choices.Values = NO
    said: choices.Values | None = None
    for _ in range(3):
        wanted = choices.choice(held, said, YES, False, reset=False)
        assert wanted.values == YES
        refused = choices.not_taken(held, YES)
        assert refused == Outcome(NO, YES, True)
        held, said = refused.values, refused.said
    assert choices.choice(held, said, YES, False, reset=False) == Outcome(YES, None, False)


OLD, NEW, OTHER = (b"03 20 00 00 01",), (b"03 20 00 00 02",), (b"03 20 00 00 03",)


@pytest.mark.parametrize(
    ("held", "said", "file", "outcome"),
    [
        (NOTHING, None, OLD, Outcome(OLD, None, False)),
        (OLD, None, OLD, Outcome(OLD, None, False)),
        (OLD, None, NEW, Outcome(NEW, None, False)),
        (OLD, None, NOTHING, Outcome(OLD, None, False)),
        # The person has another number now; the source repeats the old one.
        (NEW, OLD, OLD, Outcome(NEW, OLD, False)),
        (NEW, OLD, NOTHING, Outcome(NEW, OLD, False)),
        # The person took it away.
        (NOTHING, OLD, OLD, Outcome(NOTHING, OLD, False)),
        # The source learned of it, or has something newer.
        (NEW, OLD, NEW, Outcome(NEW, None, False)),
        (NEW, OLD, OTHER, Outcome(OTHER, None, False)),
        (NOTHING, OLD, OTHER, Outcome(OTHER, None, False)),
    ],
)
def test_an_import_and_what_is_the_persons_own(
    held: choices.Values, said: choices.Values | None, file: choices.Values, outcome: Outcome
) -> None:
    assert choices.personal(held, said, file, reset=False) == outcome


def test_the_order_of_values_is_no_difference() -> None:
    held, said = (b"1", b"2"), (b"3", b"4")
    assert choices.personal(held, said, (b"4", b"3"), reset=False) == Outcome(held, said, False)
    assert choices.personal(held, None, (b"2", b"1"), reset=False) == Outcome(held, None, False)
    assert choices.choice(held, said, (b"2", b"1"), True, reset=False) == Outcome(held, None, False)


def test_which_attributes_are_which() -> None:
    assert choices.is_choice("apicryptInterop")
    assert choices.is_choice("listeRouge")
    assert not choices.is_choice("telephoneNumber")
    assert choices.is_personal("userCertificate;binary")
    assert choices.is_personal("userPassword")
    assert not choices.is_personal("listeRouge")
    assert not choices.is_personal("userPasswordHint")


# --- Histories ---


class Kept(NamedTuple):
    """What the store keeps of one attribute."""

    held: choices.Values = NOTHING
    said: choices.Values | None = None
    chosen: bool = False

    def person(self, values: choices.Values) -> "Kept":
        """The person sets it: what the source said last is remembered where it differs."""
        last = self.held if self.said is None else self.said
        return Kept(values, None if last == values else last, True)

    def choice(self, file: choices.Values) -> "Kept":
        outcome = choices.choice(self.held, self.said, file, self.chosen, reset=False)
        return Kept(outcome.values, outcome.said, self.chosen)

    def personal(self, file: choices.Values) -> "Kept":
        outcome = choices.personal(self.held, self.said, file, reset=False)
        return Kept(outcome.values, outcome.said, self.chosen)


FILES = st.sampled_from([YES, NO, NOTHING])
EVENTS = st.lists(st.tuples(st.sampled_from(["file", "person"]), st.sampled_from([YES, NO])), max_size=8)


@given(EVENTS, st.sampled_from([YES, NO]), st.lists(FILES, max_size=6))
def test_once_a_person_has_chosen_no_file_changes_it(
    before: list[tuple[str, choices.Values]], wish: choices.Values, files: list[choices.Values]
) -> None:
    kept = Kept()
    for who, values in before:
        kept = kept.choice(values) if who == "file" else kept.person(values)
    kept = kept.person(wish)
    for file in files:
        kept = kept.choice(file)
    assert kept.held == wish


@given(EVENTS, FILES, FILES)
def test_the_same_file_twice_changes_nothing(
    events: list[tuple[str, choices.Values]], first: choices.Values, file: choices.Values
) -> None:
    for kind in (Kept.choice, Kept.personal):
        kept = kind(Kept(), first)
        for who, values in events:
            kept = kind(kept, values) if who == "file" else kept.person(values)
        once = kind(kept, file)
        assert kind(once, file) == once


@given(FILES.filter(bool), FILES.filter(bool))
def test_one_file_then_another_then_the_first_gives_the_first_again(
    first: choices.Values, other: choices.Values
) -> None:
    for kind in (Kept.choice, Kept.personal):
        kept = kind(Kept(), first)
        assert kind(kind(kept, other), first) == kept


@given(EVENTS)
def test_what_the_source_said_last_is_always_known(events: list[tuple[str, choices.Values]]) -> None:
    kept, last = Kept(), NOTHING
    for who, values in events:
        if who == "file":
            kept, last = kept.personal(values), values
        else:
            kept = kept.person(values)
        assert (kept.held if kept.said is None else kept.said) == last
