"""The assertion control (RFC 4528): an operation is done only if a filter is true of the entry that it is about.

That is the base of a search, the entry compared, the one to be written; of an add, the new one. The filter is evaluated
by the schema's rules, of the entry as whoever asks sees it. Security: the entry has been found before, so what an
audience does not see is noSuchObject, with the control as without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from annuaire.errors import Malformed
from annuaire.ldap import controls, evaluation, search_requests
from annuaire.ldap import dn as names
from annuaire.ldap.filters import DEPTH_MAX, Filter
from annuaire.ldap.messages import Control
from annuaire.ldap.schema import Schema

# Of the filter; whoever makes sure that something is as it was asks a few values.
PARTS_MAX = 256
# What assertionFailed says beside its number.
FAILED = "the entry is not as asserted"
# What a password is never told by (DESIGN §10(13)).
_SECRET = "userpassword"  # noqa: S105 (an attribute's name)


def asked(sent: Sequence[Control]) -> Filter | None:
    """What is asserted, if anything: the value of the control is a Filter by itself. Malformed."""
    given = [control for control in sent if control.oid == controls.ASSERTION]
    if not given:
        return None
    if len(given) > 1:
        raise Malformed("a control is given twice")
    return search_requests.decode_filter(given[0].value or b"", DEPTH_MAX, PARTS_MAX)


def holds(
    asserted: Filter | None, dn: str, attributes: Mapping[str, Sequence[bytes]], schema: Schema
) -> bool:
    """Whether the operation may be done: a filter that is false or Undefined of the entry forbids it (§3)."""
    if asserted is None:
        return True
    known = {name: values for name, values in attributes.items() if not is_secret(name)}
    return evaluation.evaluate(asserted, names.parse(dn), known, schema) is True


def is_secret(description: str) -> bool:
    """Whether nothing may be told of the values of an attribute."""
    return description.partition(";")[0].lower() == _SECRET
