"""One entry whole, as an audience sees it: what compare, assertions and referrals ask of it."""

from annuaire.index import entry as entries
from annuaire.index import family
from annuaire.index.answering import subordinates
from annuaire.index.gather import Hit
from annuaire.ldap import assertion, ber, responses
from annuaire.ldap.directory import Found
from annuaire.ldap.filters import Filter
from annuaire.ldap.schema import Schema


def name(hit: Hit) -> bytes:
    return responses.name_of(hit[0].part.answer(hit[1]))


def stored(hit: Hit) -> Found:
    """Its name and the attributes that are stored."""
    sight, identifier = hit
    details = entries.decode_details(sight.part.details(identifier))
    answer = sight.part.answer(identifier)
    attributes = ber.decode_attributes(answer[details.offsets[0] :])
    return Found(name(hit).decode(), attributes, ber.decode_attributes(details.operational))


def found(hit: Hit, audience: int) -> Found:
    """The same with those that are computed for each audience."""
    entry = stored(hit)
    below = subordinates(hit[0], entries.key_of(hit[0].part.details(hit[1])), audience)
    return entry._replace(operational=entry.operational | family.computed(below))


def asserted(filter_: Filter | None, hit: Hit, audience: int, schema: Schema) -> bool:
    """Whether what the assertion control says of the entry is true, or nothing is said."""
    if filter_ is None:
        return True
    dn, attributes, operational = found(hit, audience)
    return assertion.holds(filter_, dn, attributes | operational, schema)
