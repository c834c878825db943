"""Options of attribute descriptions (RFC 4512 §2.5.2): which make subtypes, and ranges of language tags (RFC 3866).

`cn;lang-fr` is a subtype of `cn`. An asked `cn;lang-fr-` is a range: `lang-fr` and all that begins with `lang-fr-`;
`cn;lang-` is every language. `;binary` says how values travel (RFC 4522), not which they are.
"""

from __future__ import annotations

from collections.abc import Iterable

BINARY = "binary"
# RFC 4512 §2.5 sets no bound; real descriptions have two or three options and fifty characters. Without one a value of
# four octets comes with megabytes of name, which every table of descriptions and every entry repeats.
OPTIONS_MAX = 16
DESCRIPTION_MAX = 200  # characters
_LANGUAGE = "lang-"


def too_much(description: str) -> bool:
    """Whether a description has more options, or is longer, than any that is understood here."""
    return len(description) > DESCRIPTION_MAX or description.count(";") > OPTIONS_MAX


def is_known(option: str) -> bool:
    """Whether an option, in lower case, is one that entries may have.

    Any other makes the description that of no attribute (RFC 4512 §2.5.2): slapd refuses it, so its replica would stop.
    """
    return option == BINARY or option.startswith(_LANGUAGE)


def is_range(option: str) -> bool:
    """Whether an option, in lower case, stands for a range of languages: asked for, never stored (RFC 3866 §2.2)."""
    return option.endswith("-") and option.startswith(_LANGUAGE)


def has(tags: frozenset[str], option: str) -> bool:
    """Whether an asked option is among those of a stored description, or covers one of them."""
    return option in tags or (is_range(option) and any(f"{tag}-".startswith(option) for tag in tags))


def have(tags: frozenset[str], asked: Iterable[str]) -> bool:
    """Whether all of the asked options are there."""
    return all(has(tags, option) for option in asked)
