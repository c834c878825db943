"""What an import does to what a person may have changed: their choices, and attributes of their own.

# Note [A person's choice outlives every import]
A file says what its source believes; a person says what they want. So the store remembers who set each choice, and
what the source last said of each attribute that a person may modify. An import acts on such an attribute only when
the source's own value has changed since, and on a choice that was set otherwise than by an import never, unless
the operator says `--reset-choices`. A file that does not mention an attribute says nothing about it. What the first
import brings are the initial choices. Choices outlive the entry: they hold when it is made again.

A choice that the rules refuse (`activation`) is not taken; the source asks again at each import.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

CHOICES = ("apicryptInterop", "listeRouge")
PERSONAL = ("userPassword", "userCertificate", "telephoneNumber")
# The origin of a choice that nobody but a file has made.
IMPORT = "import"

Values = tuple[bytes, ...]


class Outcome(NamedTuple):
    """What an attribute becomes, and what to remember of its source."""

    values: Values  # of the entry; () is no attribute
    said: Values | None  # what to keep as last said; None: what the entry holds, so nothing needs to be kept
    warning: bool  # the file wanted something that was not done


def is_choice(description: str) -> bool:
    return description in CHOICES


def is_personal(description: str) -> bool:
    """Whether a person may change it and an import treats it so; options (`;binary`) are not looked at."""
    return description.partition(";")[0] in PERSONAL


def choice(
    held: Sequence[bytes], said: Sequence[bytes] | None, file: Sequence[bytes], chosen: bool, reset: bool
) -> Outcome:
    """What an import does to a choice.

    held: what the entry holds or, when it is made again, what the choice was. said: what is remembered as last said
    by the source, None if nothing. file: what the file says, () when it does not mention it. chosen: whether it was
    set otherwise than by an import. reset: `--reset-choices`; the choice is the file's then, as after a first import.
    """
    if not file:
        return _unchanged(held, said)
    if chosen and not reset:
        last = held if said is None else said
        wanted = not _same(file, held) and not _same(file, last)
        return Outcome(tuple(held), None if _same(file, held) else tuple(file), wanted)
    return Outcome(tuple(held) if _same(file, held) else tuple(file), None, False)


def not_taken(held: Sequence[bytes], file: Sequence[bytes]) -> Outcome:
    """What becomes of a choice of the file that the rules refuse: the entry's stays, and the refusal is told."""
    return Outcome(tuple(held), tuple(file), True)


def personal(
    held: Sequence[bytes], said: Sequence[bytes] | None, file: Sequence[bytes], reset: bool
) -> Outcome:
    """What an import does to an attribute of the person's own: the later of the person and the source counts."""
    if not file:
        return _unchanged(held, said)
    if not reset and _same(file, held if said is None else said):
        return _unchanged(held, said)
    return Outcome(tuple(held) if _same(file, held) else tuple(file), None, False)


def _unchanged(held: Sequence[bytes], said: Sequence[bytes] | None) -> Outcome:
    return Outcome(tuple(held), None if said is None else tuple(said), False)


def _same(one: Sequence[bytes], other: Sequence[bytes]) -> bool:
    """Values of an attribute have no order."""
    return sorted(one) == sorted(other)
