"""What an import file says, record by record, before any judgement.

Content records say what an entry is; change records (RFC 2849 §3) say what to do to one. A record that cannot
be read is a value too: it is counted and reported, and reading goes on behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from annuaire.ldap.messages import Control


@dataclass(slots=True)
class Content:
    """An entry as it is; attributes in the order of the file, descriptions as written there."""

    line: int
    dn: str
    attributes: list[tuple[str, bytes]]


@dataclass(slots=True)
class Add:
    line: int
    dn: str
    attributes: list[tuple[str, bytes]]
    controls: list[Control] = field(default_factory=list)


@dataclass(slots=True)
class Delete:
    line: int
    dn: str
    controls: list[Control] = field(default_factory=list)


@dataclass(slots=True)
class Modify:
    """Changes in order: (`add`, `delete`, `replace` or `increment`, attribute description, values)."""

    line: int
    dn: str
    changes: list[tuple[str, str, list[bytes]]]
    controls: list[Control] = field(default_factory=list)


@dataclass(slots=True)
class ModifyDn:
    """`new_superior` None: the entry stays under its parent."""

    line: int
    dn: str
    new_rdn: str
    delete_old_rdn: bool
    new_superior: str | None
    controls: list[Control] = field(default_factory=list)


@dataclass(slots=True)
class Unreadable:
    """What could not be read: `line` is where the trouble is, `text` the lines (LF) of the whole record."""

    line: int
    dn: str | None
    reason: str
    text: bytes


Change = Add | Delete | Modify | ModifyDn
Record = Content | Change | Unreadable
