"""What the controls of a search ask, read at once: pages, sort, view, values, subentries, referrals as entries,
and what must be true of the base.

A value that cannot be decoded, or a control given twice, is Malformed: the search answers protocolError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from annuaire.errors import Malformed
from annuaire.ldap import assertion, ber, controls, evaluation, search_requests, virtual_list
from annuaire.ldap.controls import PagedResults, SortKey
from annuaire.ldap.dn import Dn
from annuaire.ldap.filters import And, Extensible, Filter, Not, Or
from annuaire.ldap.messages import Control
from annuaire.ldap.schema import Schema
from annuaire.ldap.virtual_list import View

# Items of one values return filter (RFC 3876): each is compared with each value that is answered.
VALUES_ITEMS_MAX = 100


class Scene(NamedTuple):
    """Which of the entries that are about the directory itself a search sees (RFC 3296, RFC 3672)."""

    manages: bool = False  # ManageDsaIT: referrals are entries like others
    subentries: bool | None = None  # None: as without the control; True: nothing but subentries


class Asked(NamedTuple):
    """The controls of one search."""

    page: PagedResults | None = None
    keys: tuple[SortKey, ...] | None = None
    sort_critical: bool = False
    view: View | None = None
    values: tuple[Filter, ...] | None = None
    scene: Scene = Scene()
    assertion: Filter | None = None
    domain_scope: bool = False  # nothing is said of what is held elsewhere


NOTHING = Asked()


def read(sent: Sequence[Control]) -> Asked:
    """The controls of a search."""
    if not sent:
        return NOTHING
    given = {control.oid: control for control in sent}
    if len(given) != len(sent):
        raise Malformed("a control is given twice")
    page, sort = given.get(controls.PAGED_RESULTS), given.get(controls.SORT_REQUEST)
    view, values = given.get(controls.VLV_REQUEST), given.get(controls.MATCHED_VALUES)
    subentries, domain_scope = given.get(controls.SUBENTRIES), given.get(controls.DOMAIN_SCOPE)
    if domain_scope is not None and domain_scope.value:
        raise Malformed("the domain scope control takes no value")
    return Asked(
        None if page is None else controls.decode_paged_results(page.value),
        None if sort is None else controls.decode_sort_request(sort.value),
        sort is not None and sort.critical,
        None if view is None else virtual_list.decode(view.value),
        None if values is None else decode_values(values.value),
        Scene(
            controls.MANAGE_DSA_IT in given,
            None if subentries is None else decode_subentries(subentries.value),
        ),
        assertion.asked(sent),
        domain_scope is not None,
    )


def decode_subentries(value: bytes | None) -> bool:
    """RFC 3672 §3: visibility, a BOOLEAN by itself."""
    if not value:
        raise ber.BadContent("control without the value it needs")
    visible, end = ber.read_boolean(value, 0, len(value))
    if end != len(value):
        raise Malformed("octets after a control's value")
    return visible


def decode_values(value: bytes | None) -> tuple[Filter, ...]:
    """RFC 3876 §2: a SEQUENCE of filter items, none of them composed."""
    if value is None:
        raise ber.BadContent("control without the value it needs")
    position, end = ber.expect(value, 0, len(value), ber.SEQUENCE)
    if end != len(value):
        raise Malformed("octets after a control's value")
    items: list[Filter] = []
    while position < end:
        if len(items) == VALUES_ITEMS_MAX:
            raise ber.BadContent(f"more than {VALUES_ITEMS_MAX} items of a values return filter")
        _, _, stop = ber.read(value, position, end)
        item = search_requests.decode_filter(value[position:stop], 1)
        if isinstance(item, And | Or | Not) or (isinstance(item, Extensible) and item.dn_attributes):
            raise ber.BadContent("a values return filter of other than simple items")
        items.append(item)
        position = stop
    if not items:
        raise ber.BadContent("values return filter without any item")
    return tuple(items)


def matched(
    asked: Asked, attributes: Mapping[str, Sequence[bytes]], types_only: bool, schema: Schema
) -> Mapping[str, Sequence[bytes]]:
    """Of the attributes of one entry, the values that are to be returned (RFC 3876 §2)."""
    if asked.values is None or types_only:
        return attributes
    items = [evaluation.prepare(item, schema) for item in asked.values]
    nameless = Dn(())
    return {
        name: [v for v in values if any(item.matches(nameless, {name: [v]}) for item in items)]
        for name, values in attributes.items()
    }
