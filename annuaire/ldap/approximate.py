"""What `~=` means here (RFC 4511 leaves it to the server): typed words, unfinished or slightly wrong.

Every asserted word begins a word of the value, or differs from one by a single edit. Both sides are given in the
normal form that the caller compares by: our directory's folding, or an equality rule's.
"""

import re

# Shorter words have too many neighbours at one edit: `Paul` would find `Paula`, `Raul` and `Pau`.
EDITED_LENGTH_MIN = 5
# An assertion is a few typed words; each costs a comparison with each word of each value.
WORDS_MAX = 32

_BETWEEN_WORDS = re.compile("[ '’-]+")


def words(form: bytes) -> list[str]:
    return [word for word in _BETWEEN_WORDS.split(form.decode("utf-8", "replace")) if word]


def matches(asserted: list[str], of_value: list[str]) -> bool:
    return all(any(is_near(wanted, word) for word in of_value) for wanted in asserted)


def is_near(asserted: str, word: str) -> bool:
    if word.startswith(asserted):
        return True
    return len(asserted) >= EDITED_LENGTH_MIN and is_one_edit(asserted, word)


def is_one_edit(left: str, right: str) -> bool:
    """Whether one letter added, left out or replaced makes them equal; equal texts are not."""
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    if len(longer) - len(shorter) > 1 or longer == shorter:
        return False
    same = 0
    while same < len(shorter) and longer[same] == shorter[same]:
        same += 1
    return longer[same + 1 :] == shorter[same + (len(longer) == len(shorter)) :]
