"""Controls that go with writes: assertion (RFC 4528), pre- and post-read (RFC 4527), tree delete, no-op, relax.

Read from a message as one value; what they ask of an entry is answered from its attributes as they are stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from annuaire.errors import Malformed
from annuaire.ldap import assertion, ber, controls, responses
from annuaire.ldap.filters import Filter
from annuaire.ldap.messages import Control
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema
from annuaire.ldap.selection import Selection
from annuaire.ldap.writing import WriteOutcome, WriteRefusedError

# Attributes that one control may name.
_SELECTORS_MAX = 1_000

Attributes = Mapping[str, Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the controls of one write ask."""

    assertion: Filter | None = None
    before: Selection | None = None
    after: Selection | None = None
    tree_delete: bool = False
    no_operation: bool = False
    relax: bool = False


class NoOperation(Exception):
    """The no-op control: everything was found in order, and nothing is done."""

    def __init__(self, outcome: WriteOutcome) -> None:
        super().__init__()
        self.outcome = WriteOutcome(ResultCode.noOperation, controls=outcome.controls)


def read(sent: Sequence[Control], schema: Schema) -> Asked:
    """The controls of a write. Malformed: one of them cannot be decoded, or comes twice."""
    seen = [control.oid for control in sent]
    if len(seen) != len(set(seen)):
        raise Malformed("a control is given twice")
    given = {control.oid: control.value for control in sent}
    return Asked(
        assertion.asked(sent),
        _selection(given[controls.PRE_READ], schema) if controls.PRE_READ in given else None,
        _selection(given[controls.POST_READ], schema) if controls.POST_READ in given else None,
        controls.TREE_DELETE in given,
        controls.NO_OPERATION in given or controls.NO_OPERATION_OPENLDAP in given,
        controls.RELAX in given,
    )


def _selection(value: bytes | None, schema: Schema) -> Selection:
    if value is None:
        raise Malformed("a read control without its list of attributes")
    start, end = ber.expect(value, 0, len(value), ber.SEQUENCE)
    if end != len(value):
        raise Malformed("octets after a control's value")
    return Selection.of(tuple(ber.read_strings(value, start, end, _SELECTORS_MAX, "attributes")), schema)


def hold(asked: Asked, dn: str, attributes: Attributes, schema: Schema) -> None:
    """Refuse when the entry is not as asserted."""
    if not assertion.holds(asked.assertion, dn, attributes, schema):
        raise WriteRefusedError(ResultCode.assertionFailed, assertion.FAILED)


def before(asked: Asked, dn: str, user: Attributes, operational: Attributes) -> list[Control]:
    """The response of the pre-read control, when it was asked."""
    return [] if asked.before is None else [_entry(controls.PRE_READ, asked.before, dn, user, operational)]


def after(asked: Asked, dn: str, user: Attributes, operational: Attributes) -> list[Control]:
    """The response of the post-read control, when it was asked."""
    return [] if asked.after is None else [_entry(controls.POST_READ, asked.after, dn, user, operational)]


def _entry(oid: str, selection: Selection, dn: str, user: Attributes, operational: Attributes) -> Control:
    selected: dict[str, Sequence[bytes]] = {}
    for own, attributes in ((False, user), (True, operational)):
        for description, values in attributes.items():
            answered = selection.wanted(description, own)
            if answered is not None and not assertion.is_secret(description):
                selected[answered] = values
    # RFC 4527 §3: a SearchResultEntry, whose tag is its own; slapd, python-ldap and Net::LDAP mean the same.
    return Control(oid, False, responses.entry(dn.encode(), ber.encode_attributes(selected)))
