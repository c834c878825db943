"""Numbers, sizes and moments as French people read them."""

from __future__ import annotations

from datetime import UTC, datetime

# No-break, so that a number is never cut in two.
_SPACE = "\N{NARROW NO-BREAK SPACE}"
_UNITS = ((86_400, "j"), (3_600, "h"), (60, "min"), (1, "s"))


def number(value: int) -> str:
    return f"{value:,}".replace(",", _SPACE)


def decimal(value: float) -> str:
    """One figure behind the comma."""
    return f"{value:,.1f}".replace(",", _SPACE).replace(".", ",")


def size(octets: int) -> str:
    return f"{decimal(octets / 1e6)}{_SPACE}Mo" if octets < 1e9 else f"{decimal(octets / 1e9)}{_SPACE}Go"


def share(part: int, whole: int) -> str:
    return f"{decimal(100 * part / whole if whole else 0.0)}{_SPACE}%"


def duration(seconds: float) -> str:
    """In its largest unit: who reads it wants the order of magnitude."""
    count, name = next(((seconds // unit, name) for unit, name in _UNITS if seconds >= unit), (0, "s"))
    return f"{count:.0f}{_SPACE}{name}"


def moment(generalized: str) -> datetime | None:
    """A moment as the store writes it (GeneralizedTime in Z); None when it is none."""
    try:
        return datetime.strptime(generalized, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
