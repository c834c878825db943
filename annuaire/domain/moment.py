"""Moments as the directory writes them: GeneralizedTime (RFC 4517 §3.3.13)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_FORM = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(\d\d)?)?(?:[.,](\d{1,18}))?(?:Z|([+-])(\d\d)(\d\d)?)")
# Legal time in mainland France on 31 December.
_WINTER = timezone(timedelta(hours=1))


def parse(text: str) -> datetime | None:
    """The moment, in UTC; None for what is none. A fraction of a second is left off, a leap second is the one after."""
    found = _FORM.fullmatch(text)
    if found is None or not text.isascii():
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    unit = 1 if found[6] else 60 if found[5] else 3600
    fraction = int(unit * int(found[7]) // 10 ** len(found[7])) if found[7] else 0
    offset = timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0))
    try:
        at = datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=second + fraction)
        return at + offset if found[8] == "-" else at - offset
    except (ValueError, OverflowError):
        return None


def format(at: datetime) -> str:  # noqa: A001 the counterpart of parse
    """To the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ")


def end_of_year(year: int) -> datetime:
    """The moment at which a year ends in mainland France."""
    return datetime(year + 1, 1, 1, tzinfo=_WINTER)
