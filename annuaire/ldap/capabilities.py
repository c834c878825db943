"""What this server does, by OID: the one table that the session obeys and that the root DSE publishes.

A control is known for the operations named beside it. Elsewhere, and when it is not here, a critical one is
refused with unavailableCriticalExtension and another is ignored (RFC 4511 §4.1.11).
"""

from __future__ import annotations

from annuaire.ldap import controls
from annuaire.ldap.channel import Channel
from annuaire.ldap.messages import (
    AddRequest,
    BindRequest,
    CompareRequest,
    Control,
    DeleteRequest,
    ExtendedRequest,
    ModifyDnRequest,
    ModifyRequest,
    SearchRequest,
)

CONTROLS: dict[str, frozenset[type]] = {
    controls.PAGED_RESULTS: frozenset({SearchRequest}),
    controls.SORT_REQUEST: frozenset({SearchRequest}),
    controls.SYNC_REQUEST: frozenset({SearchRequest}),
    controls.VLV_REQUEST: frozenset({SearchRequest}),
    controls.MATCHED_VALUES: frozenset({SearchRequest}),
    controls.SUBENTRIES: frozenset({SearchRequest}),
    controls.DOMAIN_SCOPE: frozenset({SearchRequest}),
    # RFC 3296. JNDI sends it with every search.
    controls.MANAGE_DSA_IT: frozenset(
        {SearchRequest, CompareRequest, AddRequest, DeleteRequest, ModifyRequest, ModifyDnRequest}
    ),
    controls.PROXIED_AUTHORIZATION: frozenset(
        {
            SearchRequest,
            CompareRequest,
            AddRequest,
            DeleteRequest,
            ModifyRequest,
            ModifyDnRequest,
            ExtendedRequest,
        }
    ),
    controls.ASSERTION: frozenset(
        {SearchRequest, CompareRequest, AddRequest, DeleteRequest, ModifyRequest, ModifyDnRequest}
    ),
    controls.PRE_READ: frozenset({DeleteRequest, ModifyRequest, ModifyDnRequest}),
    controls.POST_READ: frozenset({AddRequest, ModifyRequest, ModifyDnRequest}),
    controls.TREE_DELETE: frozenset({DeleteRequest}),
    controls.RELAX: frozenset({AddRequest, ModifyRequest}),
    controls.TRANSACTION: frozenset({AddRequest, DeleteRequest, ModifyRequest, ModifyDnRequest}),
    controls.PASSWORD_POLICY: frozenset({BindRequest, AddRequest, ModifyRequest, ExtendedRequest}),
    controls.NO_OPERATION: frozenset({AddRequest, DeleteRequest, ModifyRequest, ModifyDnRequest}),
    controls.NO_OPERATION_OPENLDAP: frozenset({AddRequest, DeleteRequest, ModifyRequest, ModifyDnRequest}),
}

START_TLS = "1.3.6.1.4.1.1466.20037"  # RFC 4511 §4.14
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"  # RFC 4532

CANCEL = "1.3.6.1.1.8"  # RFC 3909

PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"  # noqa: S105 RFC 3062

# RFC 5805
TRANSACTION_START = "1.3.6.1.1.21.1"
TRANSACTION_END = "1.3.6.1.1.21.3"
TRANSACTION_ABORTED = "1.3.6.1.1.21.4"

EXTENSIONS = (CANCEL, PASSWORD_MODIFY, TRANSACTION_START, TRANSACTION_END, WHO_AM_I)

FEATURES = (
    "1.3.6.1.1.14",  # RFC 4525: Modify increments values
    "1.3.6.1.4.1.4203.1.5.1",  # RFC 3673: `+` asks all operational attributes
    "1.3.6.1.4.1.4203.1.5.2",  # RFC 4529: `@class` asks the attributes of a class
    "1.3.6.1.4.1.4203.1.5.3",  # RFC 4526: `(&)` is true and `(|)` is false
    "1.3.6.1.4.1.4203.1.5.4",  # RFC 3866: language tags
    "1.3.6.1.4.1.4203.1.5.5",  # RFC 3866: ranges of languages
)


def mechanisms(channel: Channel) -> tuple[str, ...]:
    """The SASL mechanisms that work on a connection as it is."""
    found = ["SCRAM-SHA-256"]
    if channel.encrypted:
        found.append("SCRAM-SHA-256-PLUS")
    if channel.confidential:
        found.append("PLAIN")
    if channel.target is not None:
        found.append("EXTERNAL")
    return tuple(found)


def unavailable(sent: tuple[Control, ...], operation: type) -> Control | None:
    """The first critical control that this operation does not know."""
    for control in sent:
        if control.critical and operation not in CONTROLS.get(control.oid, ()):
            return control
    return None
