"""The two entries that the server keeps about itself: the root DSE (RFC 4512 §5.1) and cn=Subschema (§4.2).

Anybody reads them before any bind; the root DSE says exactly what works. They are found by their name as
base: the empty one with another scope than base is the directory's business.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

from annuaire.domain.audience import EVERYBODY, Audience
from annuaire.ldap import (
    assertion,
    ber,
    capabilities,
    controls,
    evaluation,
    messages,
    monitor,
    responses,
    search_controls,
    virtual_list,
)
from annuaire.ldap import dn as names
from annuaire.ldap.directory import Found
from annuaire.ldap.filters import Filter
from annuaire.ldap.messages import Message, SearchRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema
from annuaire.ldap.search_controls import Asked
from annuaire.ldap.selection import Selection

SUBSCHEMA = "cn=Subschema"
# Room for `cn = subschema`; a longer base is an entry's and is not compared with it.
NAME_MAX = 16

VENDOR = "annuaire"


class OwnEntry:
    """One of the two, ready to be searched."""

    __slots__ = ("_dn", "_found", "_schema")

    def __init__(self, found: Found, schema: Schema) -> None:
        self._found = found
        self._dn = names.parse(found.dn)
        self._schema = schema

    @property
    def found(self) -> Found:
        return self._found

    def answer(self, message: Message, request: SearchRequest) -> bytes:
        """The whole answer to a search that has it for base."""
        # A malformed value is answered before anything else, as for any search.
        asked = search_controls.read(message.controls)
        if not self._is_as(asked.assertion):
            return responses.result(
                message.message_id,
                responses.SEARCH_DONE,
                ResultCode.assertionFailed,
                text=assertion.FAILED,
            )
        entry = b""
        if request.scope in (messages.BASE, messages.SUBTREE) and self._matches(request):
            selected = search_controls.matched(
                asked, self._selected(request), request.types_only, self._schema
            )
            entry = responses.search_entry(
                message.message_id, self._found.dn.encode(), ber.encode_attributes(selected)
            )
        answered = _response_controls(asked, int(bool(entry)))
        return entry + responses.result(
            message.message_id, responses.SEARCH_DONE, ResultCode.success, controls=answered
        )

    def _matches(self, request: SearchRequest) -> bool:
        everything = {**self._found.attributes, **self._found.operational}
        return evaluation.evaluate(request.filter, self._dn, everything, self._schema) is True

    def _is_as(self, asserted: Filter | None) -> bool:
        everything = {**self._found.attributes, **self._found.operational}
        return assertion.holds(asserted, self._found.dn, everything, self._schema)

    def _selected(self, request: SearchRequest) -> dict[str, Sequence[bytes]]:
        selection = Selection.of(request.attributes, self._schema)
        selected: dict[str, Sequence[bytes]] = {}
        for operational, attributes in ((False, self._found.attributes), (True, self._found.operational)):
            for description, values in attributes.items():
                wanted = selection.wanted(description, operational)
                if wanted is not None:
                    selected[wanted] = () if request.types_only else values
        return selected


class OwnEntries:
    """Finds which of the two a base names, if any."""

    def __init__(
        self,
        schema: Schema,
        naming_contexts: Iterable[str],
        version: str,
        alternatives: Iterable[str] = (),
        start_tls: bool = False,
        schema_changed_at: str = "20260101000000Z",
        further: Iterable[str] = (),
        readers: Audience = EVERYBODY,
    ) -> None:
        """further: naming contexts that only `readers` and administrators are told of."""
        self._contexts, self._further = tuple(naming_contexts), tuple(further)
        self._readers = readers | Audience.ADMIN
        self._made = (version, tuple(alternatives))
        self._variants: dict[tuple[tuple[str, ...], bool, bool], OwnEntries] = {}
        self.root_dse = OwnEntry(_root_dse(self._contexts, *self._made, start_tls, ()), schema)
        self.subschema = OwnEntry(_subschema(schema, schema_changed_at), schema)
        self._schema = schema
        self._subschema_key = names.key(names.parse(SUBSCHEMA), schema)

    def offering(
        self, mechanisms: tuple[str, ...], start_tls: bool, audience: Audience = EVERYBODY
    ) -> OwnEntries:
        """The same with a root DSE that tells what works on one kind of connection and for whom, made once for each."""
        reads = bool(audience & self._readers)
        known = self._variants.get((mechanisms, start_tls, reads))
        if known is None:
            known = copy.copy(self)
            contexts = (*self._contexts, *self._further) if reads else self._contexts
            known.root_dse = OwnEntry(_root_dse(contexts, *self._made, start_tls, mechanisms), self._schema)
            self._variants[mechanisms, start_tls, reads] = known
        return known

    def asked(self, request: SearchRequest) -> OwnEntry | None:
        base = request.base
        if not base:
            return self.root_dse if request.scope == messages.BASE else None
        if base.replace(b" ", b"").lower() in (b"cn=subschema", b"2.5.4.3=subschema"):
            return self.subschema
        return None

    def by_key(self, key: bytes) -> Found | None:
        if not key:
            return self.root_dse.found
        return self.subschema.found if key == self._subschema_key else None


def _root_dse(
    naming_contexts: Iterable[str],
    version: str,
    alternatives: Iterable[str],
    start_tls: bool,
    mechanisms: Iterable[str],
) -> Found:
    extensions = [*capabilities.EXTENSIONS, *([capabilities.START_TLS] if start_tls else [])]
    operational = {
        "namingContexts": list(naming_contexts),
        "subschemaSubentry": [SUBSCHEMA],
        # Where it is, not what it tells: that is for administrators.
        "monitorContext": [monitor.ROOT],
        "supportedControl": sorted(capabilities.CONTROLS),
        "supportedExtension": sorted(extensions),
        "supportedFeatures": list(capabilities.FEATURES),
        # Binds of version 2 are taken for Postfix, not the rest of it (RFC 3494): slapd tells 3 alone as well.
        "supportedLDAPVersion": ["3"],
        "supportedSASLMechanisms": list(mechanisms),
        "altServer": list(alternatives),
        "vendorName": [VENDOR],
        "vendorVersion": [version],
        "entryDN": [""],
    }
    return Found("", _encoded({"objectClass": ["top", "extensibleObject"]}), _encoded(operational))


def _subschema(schema: Schema, changed_at: str) -> Found:
    """RFC 4512 §4.2: what entries may hold. Its own description is user attributes, the rest operational."""
    user: dict[str, list[bytes]] = {}
    operational: dict[str, list[bytes]] = {}
    for description, values in schema.subschema().items():
        attribute = schema.attribute(description)
        kept = operational if attribute is not None and attribute.operational else user
        kept[description] = list(values)
    user.setdefault("objectClass", [b"top", b"subentry", b"subschema", b"extensibleObject"])
    user.setdefault("cn", [b"Subschema"])
    operational.setdefault("structuralObjectClass", [b"subentry"])
    operational.setdefault("subschemaSubentry", [SUBSCHEMA.encode()])
    operational.setdefault("entryDN", [SUBSCHEMA.encode()])
    operational.setdefault("hasSubordinates", [b"FALSE"])
    # Apache Directory Studio reads the schema again when this moves.
    operational.setdefault("createTimestamp", [changed_at.encode()])
    operational.setdefault("modifyTimestamp", [changed_at.encode()])
    return Found(SUBSCHEMA, user, operational)


def _encoded(attributes: dict[str, list[str]]) -> dict[str, list[bytes]]:
    """Without the attributes that have no value: absent is how an LDAP attribute is empty."""
    return {name: [value.encode() for value in values] for name, values in attributes.items() if values}


def _response_controls(asked: Asked, found: int) -> bytes:
    """One page, and one entry sorts itself; clients that asked wait for the response control."""
    answered = []
    if asked.keys is not None:
        answered.append(controls.sort_response(ResultCode.success))
    if asked.view is not None:
        missing = asked.keys is None
        code = ResultCode.sortControlMissing if missing else ResultCode.success
        answered.append(virtual_list.response(found, found, code))
    if asked.page is not None:
        answered.append(controls.paged_results(0, b""))
    return controls.encode_controls(answered)
