"""Compare (RFC 4511 §4.10): does an entry hold this value, by the attribute's own equality rule?

What is wrong with the assertion itself is said before any entry is looked for: it tells nothing of them.
"""

from __future__ import annotations

from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import assertion, responses
from annuaire.ldap import dn as names
from annuaire.ldap.channel import Channel
from annuaire.ldap.messages import CompareRequest, Message
from annuaire.ldap.results import ResultCode
from annuaire.ldap.root_dse import OwnEntries
from annuaire.ldap.selection import Selection
from annuaire.ldap.service import Service


def answer(
    message: Message, service: Service, own: OwnEntries, audience: Audience, channel: Channel
) -> bytes:
    """own: the server's own entries as this connection reads them."""
    code, matched, text = _decide(message, service, own, audience, channel)
    return responses.result(message.message_id, responses.COMPARE_RESPONSE, code, matched.encode(), text)


def _decide(
    message: Message, service: Service, own: OwnEntries, audience: Audience, channel: Channel
) -> tuple[ResultCode, str, str]:
    request = message.operation
    assert isinstance(request, CompareRequest)
    condition = assertion.asked(message.controls)
    attribute, options, _ = service.schema.describe(request.attribute)
    if attribute is None or "" in options:
        return ResultCode.undefinedAttributeType, "", "no such attribute type in the schema"
    if assertion.is_secret(attribute.key) and service.require_tls and not channel.confidential:
        return ResultCode.confidentialityRequired, "", "a password in clear needs TLS"
    rule = attribute.equality_rule
    if rule is None:
        return ResultCode.inappropriateMatching, "", f"{attribute.name} has no equality rule"
    asserted = rule.normalise(request.value)
    if asserted is None:
        return ResultCode.invalidAttributeSyntax, "", f"not a value of {attribute.name}"
    try:
        key = names.key(names.parse(request.dn.decode()), service.schema)
    except (Malformed, UnicodeDecodeError):
        return ResultCode.invalidDNSyntax, "", "not a distinguished name"
    found = own.by_key(key) or service.directory.entry(key, audience)
    if found is None:
        return ResultCode.noSuchObject, service.directory.matched(key, audience), ""
    everything = {**found.attributes, **found.operational}
    if not assertion.holds(condition, found.dn, everything, service.schema):
        return ResultCode.assertionFailed, "", assertion.FAILED
    selection = Selection.of((request.attribute.encode(),), service.schema)
    present = False
    for operational, attributes in ((False, found.attributes), (True, found.operational)):
        for description, values in attributes.items():
            if selection.wanted(description, operational) is None:
                continue
            present = True
            if attribute.key in _CLASSES:  # a class implies those above it (RFC 4512 §3.3)
                values = [*values, *_implied(values, service)]
            if any(rule.normalise(value) == asserted for value in values):
                return ResultCode.compareTrue, "", ""
    return (ResultCode.compareFalse if present else ResultCode.noSuchAttribute), "", ""


_CLASSES = frozenset({"objectclass", "structuralobjectclass"})


def _implied(values: list[bytes], service: Service) -> list[bytes]:
    return [key.encode() for value in values for key in service.schema.class_keys(value)]
