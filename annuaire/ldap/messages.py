"""LDAP requests as values: one class for each request of RFC 4511 §4.2-4.14, and the envelope around them.

Names and values stay as the peer's bytes wherever they may be anything; what becomes text was valid UTF-8.
These classes know neither their encoding (`requests`) nor what the directory will answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annuaire.ldap.filters import Filter

# Scopes and ways to follow aliases (RFC 4511 §4.5.1.2-3). Everything below a base without itself, `ldapsearch -s
# children`, is of draft-sermersheim-ldap-subordinate-scope.
BASE, ONE_LEVEL, SUBTREE, SUBORDINATES = 0, 1, 2, 3
NEVER_DEREF, DEREF_IN_SEARCHING, DEREF_FINDING_BASE, DEREF_ALWAYS = 0, 1, 2, 3

# What a modification does (RFC 4511 §4.6; increment is RFC 4525).
ADD_VALUES, DELETE_VALUES, REPLACE_VALUES, INCREMENT = 0, 1, 2, 3


@dataclass(slots=True)
class Control:
    """What goes with an operation and changes its meaning (RFC 4511 §4.1.11)."""

    oid: str
    critical: bool = False
    value: bytes | None = None


@dataclass(slots=True)
class Simple:
    """A password in clear; never shown by repr, for tracebacks end in logs."""

    password: bytes = field(repr=False)


@dataclass(slots=True)
class Sasl:
    """A mechanism's step; absent and empty credentials differ (RFC 4513 §5.2)."""

    mechanism: str
    credentials: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class OtherMethod:
    """A way to authenticate that RFC 4511 does not know: Kerberos of LDAPv2, Microsoft's NTLM (tags 9 to 11).

    Kept as a value because its answer is authMethodNotSupported, not protocolError.
    """

    tag: int


BindMethod = Simple | Sasl | OtherMethod


@dataclass(slots=True)
class BindRequest:
    """Who the client says it is (§4.2); any version from 1 to 127 decodes, the session chooses."""

    version: int
    name: bytes
    method: BindMethod


@dataclass(slots=True)
class UnbindRequest:
    """The client leaves (§4.3); it is never answered."""


@dataclass(slots=True)
class SearchRequest:
    """§4.5.1. Attribute selectors stay as sent: bytes, any case, duplicates included."""

    base: bytes
    scope: int
    deref: int
    size_limit: int
    time_limit: int
    types_only: bool
    filter: Filter
    attributes: tuple[bytes, ...] = ()


@dataclass(slots=True)
class ModifyRequest:
    """§4.6: (operation, attribute, values) in the client's order, which matters. A value may be a password."""

    dn: bytes
    changes: list[tuple[int, str, list[bytes]]] = field(repr=False)


@dataclass(slots=True)
class AddRequest:
    """§4.7: attributes as sent; one named twice is the operation's business. A value may be a password."""

    dn: bytes
    attributes: list[tuple[str, list[bytes]]] = field(repr=False)


@dataclass(slots=True)
class DeleteRequest:
    """§4.8."""

    dn: bytes


@dataclass(slots=True)
class ModifyDnRequest:
    """§4.9."""

    dn: bytes
    new_rdn: bytes
    delete_old_rdn: bool
    new_superior: bytes | None = None


@dataclass(slots=True)
class CompareRequest:
    """§4.10."""

    dn: bytes
    attribute: str
    value: bytes = field(repr=False)  # userPassword can be compared


@dataclass(slots=True)
class AbandonRequest:
    """§4.11: stop the work for that message; it is never answered."""

    message_id: int


@dataclass(slots=True)
class ExtendedRequest:
    """§4.12. The value may hold a password (RFC 3062)."""

    oid: str
    value: bytes | None = field(default=None, repr=False)


Operation = (
    SearchRequest
    | BindRequest
    | UnbindRequest
    | ModifyRequest
    | AddRequest
    | DeleteRequest
    | ModifyDnRequest
    | CompareRequest
    | AbandonRequest
    | ExtendedRequest
)


@dataclass(slots=True)
class Message:
    """The envelope (§4.1.1); an absent and an empty list of controls are the same."""

    message_id: int
    operation: Operation
    controls: tuple[Control, ...] = ()
