"""How what is told becomes the text of a record: which fields are kept, in which form, and how long they may be.

Security: no password, body or subject is kept, whatever a caller passes; whoever is named stands under a pseudonym
unless the configuration says otherwise; texts are cut and escaped, so nothing passes for a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from annuaire.domain.trace import NAMING
from annuaire.journal import records
from annuaire.journal.pseudonyms import Pseudonyms

# A reply, a path or a distinguished name is shorter; what is longer is not for a journal.
TEXT_MAX = 300
LOOKED_AT_MAX = 4 * TEXT_MAX
ITEMS_MAX = 50
DEPTH_MAX = 3
RECORD_MAX = 16 * 1024
NULL_SENDER = "<>"

# Addresses that are kept at hand: the same few thousand write to each other all day.
_NAMES_KEPT = 20_000
# Short texts that stand in thousands of records: who did it, by which door.
_TEXTS_KEPT = 1_000

_REFUSED = re.compile(r"passw|secret|subject|body|mot_de_passe", re.IGNORECASE)
_LAST_WORD = re.compile(r"""[^\s<>"',;:()\[\]=]+\Z""")
_RESERVED = frozenset({"n", "at", "kind", "hash"})


class Fields:
    """Turns kinds and fields into text, with the pseudonyms of one journal; with none, everything stays clear."""

    def __init__(self, pseudonyms: Pseudonyms | None) -> None:
        self._pseudonyms = pseudonyms
        self.name = lru_cache(_NAMES_KEPT)(self._name)
        self._text = lru_cache(_TEXTS_KEPT)(self._said)

    def text(self, kind: str, fields: Mapping[str, object], at: int) -> bytes:
        """The members of a record between its number and its hash. at: nanoseconds since 1970."""
        parts = [f'"at":"{records.stamp(at)}","kind":{quoted(kind)}']
        for name, value in fields.items():
            if value is None or value == "" or _REFUSED.search(name):
                continue
            shown = name if name not in _RESERVED else f"{name}_"
            parts.append(f"{quoted(shown)}:{self._value(name, value, 0)}")
        text = ",".join(parts)
        if len(text) > RECORD_MAX:
            text = f'{parts[0]},"cut":{len(text)}'
        return text.encode("ascii")

    def _name(self, address: str) -> str:
        """An address, ready to stand in a record; the null sender is not empty, it is `<>`."""
        if not address or address == NULL_SENDER:
            return f'"{NULL_SENDER}"'
        return quoted(self._pseudonyms.of(address) if self._pseudonyms else address)

    def _said(self, text: str) -> str:
        return quoted(self._told("", text))

    def _value(self, name: str, value: object, depth: int) -> str:
        if type(value) is str and len(value) <= TEXT_MAX:
            return self.name(value) if name in NAMING else self._text(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and abs(value) < 2**63:
            return str(int(value))
        if isinstance(value, float):
            return json.dumps(value) if abs(value) < float("inf") else "null"
        if isinstance(value, bytes):
            value = value.decode("utf-8", "backslashreplace")
        elif isinstance(value, datetime):
            return quoted(value.isoformat())
        elif isinstance(value, Mapping) and depth < DEPTH_MAX:
            members = [
                f"{quoted(self._told(str(key), str(key)))}:{self._value(str(key), one, depth + 1)}"
                for key, one in list(value.items())[:ITEMS_MAX]
                if not _REFUSED.search(str(key))
            ]
            return "{" + ",".join(members) + "}"
        elif isinstance(value, list | tuple | set | frozenset) and depth < DEPTH_MAX:
            ordered: list[Any] = sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)
            items = [self._value(name, one, depth + 1) for one in ordered[:ITEMS_MAX]]
            if len(ordered) > ITEMS_MAX:
                items.append(quoted(f"… {len(ordered)}"))
            return "[" + ",".join(items) + "]"
        elif value is None:
            return "null"
        return quoted(self._told(name, str(value)))

    def _told(self, name: str, text: str) -> str:
        if self._pseudonyms is None or text == NULL_SENDER:
            return text
        if name in NAMING:
            return self._pseudonyms.of(text)
        if len(text) > LOOKED_AT_MAX:
            # The last word may be half an address, which nobody would recognise as one.
            text = _LAST_WORD.sub("", text[:LOOKED_AT_MAX])
        return self._pseudonyms.within(text)


@lru_cache(8192)
def quoted(text: str) -> str:
    """A text as JSON in ASCII, cut."""
    return json.dumps(text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "…")
