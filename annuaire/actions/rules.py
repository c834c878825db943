"""The rules of accounts as the files of `schema/` say them: read once for each process."""

from __future__ import annotations

import hashlib
from functools import cache

from annuaire.domain import calendar, profession
from annuaire.domain.activation import Rules
from annuaire.ldap import schema

_PROFESSIONS, _CALENDAR = "professions.csv", "calendar.toml"


def digest() -> str:
    """Another one when the files say something else."""
    folder = schema.shipped()[0].parent
    whole = b"".join([(folder / name).read_bytes() for name in (_PROFESSIONS, _CALENDAR)])
    return hashlib.sha256(whole).hexdigest()


@cache
def shipped(profile: str) -> Rules:
    """The rules with one profile of professions (`[routing] professions`)."""
    folder = schema.shipped()[0].parent
    professions = profession.load((folder / _PROFESSIONS).read_text("utf-8"))
    opening = calendar.load((folder / _CALENDAR).read_text("utf-8"))
    return Rules(professions, opening, profile)
