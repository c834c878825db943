"""Generated messages: what ldaptor encodes we decode to the same values, and the other way round.

ldaptor is an independent implementation; what it cannot say (referrals, empty values) is tested elsewhere.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ldaptor.protocols import pureber, pureldap

from annuaire.errors import Malformed
from annuaire.ldap import ber, controls, filters, messages, requests, responses
from annuaire.ldap.framing import Framer

octets = st.binary(max_size=20) | st.sampled_from([b"dup", b"x" * 127, b"x" * 128, b"y" * 300])
pieces = octets.filter(bool)
names = st.sampled_from(["cn", "mail", "givenName", "cn;lang-fr", "2.5.4.3", "é", "", "n" * 130])
oids = st.sampled_from(["1.2.840.113556.1.4.319", "2.16.840.1.113730.3.4.2", "1.1"])
dns = st.sampled_from([b"", b"o=apicrypt,c=FR", "cn=Hélène,o=x".encode(), b"\xff\x00", b"ou=" + b"x" * 200])
message_ids = st.integers(0, ber.INTEGER_MAX) | st.integers(0, 300)
limits = st.integers(0, ber.INTEGER_MAX) | st.sampled_from([0, 1, 100, 127, 128, 65535])

substrings = st.builds(
    filters.Substrings,
    names,
    st.none() | pieces,
    st.lists(pieces, max_size=3).map(tuple),
    st.none() | pieces,
).filter(lambda item: item.initial or item.any or item.final)
extensible = st.builds(filters.Extensible, st.none() | oids, st.none() | names, octets, st.booleans()).filter(
    lambda item: item.rule is not None or item.attribute is not None
)
items = st.one_of(
    substrings,
    extensible,
    st.builds(filters.Present, names),
    *(
        st.builds(kind, names, octets)
        for kind in (filters.Equality, filters.GreaterOrEqual, filters.LessOrEqual, filters.Approximate)
    ),
)
conditions = st.recursive(
    items,
    lambda inner: st.one_of(
        st.builds(filters.And, st.lists(inner, max_size=4)),
        st.builds(filters.Or, st.lists(inner, max_size=4)),
        st.builds(filters.Not, inner),
    ),
    max_leaves=8,
)
searches = st.builds(
    messages.SearchRequest,
    dns,
    st.integers(0, 2),
    st.integers(0, 3),
    limits,
    limits,
    st.booleans(),
    conditions,
    st.lists(
        st.sampled_from([b"cn", b"mail", b"*", b"+", b"1.1", b"userCertificate;binary"]), max_size=5
    ).map(tuple),
)
attribute_lists = st.lists(st.tuples(names, st.lists(octets, max_size=3)), max_size=4)
others = st.one_of(
    st.builds(
        messages.BindRequest,
        st.integers(1, 127),
        dns,
        st.builds(messages.Simple, octets)
        | st.builds(messages.Sasl, st.just("SCRAM-SHA-256"), st.none() | pieces),
    ),
    st.builds(messages.UnbindRequest),
    st.builds(messages.AbandonRequest, message_ids),
    st.builds(messages.AddRequest, dns, attribute_lists),
    st.builds(messages.DeleteRequest, dns),
    st.builds(
        messages.ModifyRequest,
        dns,
        st.lists(st.tuples(st.integers(0, 3), names, st.lists(octets, max_size=3)), max_size=4),
    ),
    st.builds(messages.ModifyDnRequest, dns, dns, st.booleans(), st.none() | dns),
    st.builds(messages.CompareRequest, dns, names, octets),
    st.builds(messages.ExtendedRequest, oids, st.none() | octets),
)
control_lists = st.lists(
    st.builds(messages.Control, oids, st.booleans(), st.none() | octets), max_size=3
).map(tuple)


def in_ldaptor(item):
    """The same filter or operation in ldaptor's classes."""
    match item:
        case filters.And(parts):
            return pureldap.LDAPFilter_and([in_ldaptor(part) for part in parts])
        case filters.Or(parts):
            return pureldap.LDAPFilter_or([in_ldaptor(part) for part in parts])
        case filters.Not(part):
            return pureldap.LDAPFilter_not(in_ldaptor(part))
        case filters.Present(attribute):
            return pureldap.LDAPFilter_present(attribute)
        case filters.Substrings(attribute, initial, between, final):
            parts = [] if initial is None else [pureldap.LDAPFilter_substrings_initial(initial)]
            parts += [pureldap.LDAPFilter_substrings_any(piece) for piece in between]
            parts += [] if final is None else [pureldap.LDAPFilter_substrings_final(final)]
            return pureldap.LDAPFilter_substrings(attribute, parts)
        case filters.Extensible(rule, attribute, value, dn_attributes):
            return pureldap.LDAPFilter_extensibleMatch(rule, attribute, value, dn_attributes)
        case filters.Equality():
            kind = pureldap.LDAPFilter_equalityMatch
        case filters.GreaterOrEqual():
            kind = pureldap.LDAPFilter_greaterOrEqual
        case filters.LessOrEqual():
            kind = pureldap.LDAPFilter_lessOrEqual
        case filters.Approximate():
            kind = pureldap.LDAPFilter_approxMatch
        case messages.SearchRequest() as search:
            return pureldap.LDAPSearchRequest(
                search.base,
                search.scope,
                search.deref,
                search.size_limit,
                search.time_limit,
                search.types_only,
                in_ldaptor(search.filter),
                list(search.attributes),
            )
        case messages.BindRequest(version, name, messages.Simple(password)):
            return pureldap.LDAPBindRequest(version, name, password)
        case messages.BindRequest(version, name, messages.Sasl(mechanism, credentials)):
            return pureldap.LDAPBindRequest(version, name, (mechanism, credentials), sasl=True)
        case messages.UnbindRequest():
            return pureldap.LDAPUnbindRequest()
        case messages.AbandonRequest(number):
            return pureldap.LDAPAbandonRequest(id=number)
        case messages.DeleteRequest(dn):
            return pureldap.LDAPDelRequest(entry=dn)
        case messages.AddRequest(dn, attributes):
            return pureldap.LDAPAddRequest(dn, [list(_attribute(*named)) for named in attributes])
        case messages.ModifyRequest(dn, changes):
            return pureldap.LDAPModifyRequest(
                dn,
                [
                    pureber.BERSequence(
                        [pureber.BEREnumerated(kind), pureber.BERSequence(_attribute(name, values))]
                    )
                    for kind, name, values in changes
                ],
            )
        case messages.ModifyDnRequest(dn, new_rdn, delete_old_rdn, new_superior):
            return pureldap.LDAPModifyDNRequest(dn, new_rdn, delete_old_rdn, new_superior)
        case messages.CompareRequest(dn, attribute, value):
            ava = pureldap.LDAPAttributeValueAssertion(
                pureldap.LDAPAttributeDescription(attribute), pureldap.LDAPAssertionValue(value)
            )
            return pureldap.LDAPCompareRequest(dn, ava)
        case messages.ExtendedRequest(oid, value):
            return pureldap.LDAPExtendedRequest(oid, value)
        case _:
            raise AssertionError(item)
    return kind(pureldap.LDAPAttributeDescription(item.attribute), pureldap.LDAPAssertionValue(item.value))


def _attribute(name, values):
    return (
        pureldap.LDAPAttributeDescription(name),
        pureber.BERSet([pureldap.LDAPAttributeValue(value) for value in values]),
    )


def encoded_by_ldaptor(message):
    listed = [(control.oid, control.critical or None, control.value) for control in message.controls]
    return pureldap.LDAPMessage(in_ldaptor(message.operation), listed or None, id=message.message_id).toWire()


def decoded_by_ldaptor(data):
    fallback = pureldap.LDAPBERDecoderContext(fallback=pureber.BERDecoderContext())
    context = pureldap.LDAPBERDecoderContext_TopLevel(
        inherit=pureldap.LDAPBERDecoderContext_LDAPMessage(fallback=fallback, inherit=fallback)
    )
    decoded, used = pureber.berDecodeObject(context, data)
    assert used == len(data)
    return decoded


def lengthened(data, count):
    """The same elements with lengths of `count` octets, as Microsoft's clients write them (count 4)."""
    parts = []
    position = 0
    while position < len(data):
        tag, start, position = ber.read(data, position, len(data))
        body = lengthened(data[start:position], count) if tag & 0x20 else data[start:position]
        parts.append(bytes((tag, 0x80 | count)) + len(body).to_bytes(count, "big") + body)
    return b"".join(parts)


def outcome(frame):
    try:
        return requests.decode(frame)
    except requests.BadRequest as error:
        return "answered", error.message_id, error.response_tag
    except Malformed:
        return "disconnected"


@given(message_ids, searches, control_lists)
@settings(max_examples=400)
def test_a_search_encoded_by_ldaptor_is_decoded_to_what_was_meant(message_id, search, listed):
    message = messages.Message(message_id, search, listed)
    assert requests.decode(encoded_by_ldaptor(message)) == message


@given(message_ids, others, control_lists)
@settings(max_examples=300)
def test_another_request_encoded_by_ldaptor_is_decoded_to_what_was_meant(message_id, operation, listed):
    message = messages.Message(message_id, operation, listed)
    assert requests.decode(encoded_by_ldaptor(message)) == message


@given(message_ids, searches | others, control_lists, st.sampled_from([3, 4]))
@settings(max_examples=300)
def test_longer_lengths_than_needed_change_nothing(message_id, operation, listed, count):
    message = messages.Message(message_id, operation, listed)
    frame = lengthened(encoded_by_ldaptor(message), count)
    assert requests.decode(frame) == message
    assert Framer().feed(frame) == [frame]


@given(searches | others, control_lists, st.data())
@settings(max_examples=800)
def test_a_damaged_message_is_read_alike_in_every_form_or_refused(operation, listed, draw):
    data = bytearray(encoded_by_ldaptor(messages.Message(3, operation, listed)))
    for _ in range(draw.draw(st.integers(1, 2))):
        position = draw.draw(st.integers(2, len(data) - 1))
        octet = draw.draw(
            st.sampled_from(
                [0, 1, 2, 4, 0x0A, 0x30, 0x31, 0x80, 0x81, 0x82, 0x84, 0x87, 0xA0, 0xA1, 0xA2, 0xA3, 0xA4]
            )
            | st.integers(0, 255)
        )
        change = draw.draw(st.integers(0, 3))
        if change < 2:
            data[position] = octet
        elif change == 2:
            del data[position]
        else:
            data.insert(position, octet)
    read = outcome(bytes(data))
    try:
        longer = lengthened(bytes(data), 4)
    except Malformed:
        return
    assert outcome(longer) == read


@given(searches | others)
@settings(max_examples=60)
def test_every_truncation_is_refused_even_when_the_envelope_hides_it(operation):
    frame = encoded_by_ldaptor(messages.Message(3, operation))
    _, start, _ = ber.read(frame, 0, len(frame))
    content = frame[start:]
    for cut in range(len(content)):
        with pytest.raises(Malformed):
            requests.decode(frame[: start + cut])
        with pytest.raises(Malformed):
            requests.decode(ber.tlv(0x30, content[:cut]))


# ---------------------------------------------------------------- our answers, read by ldaptor

texts = st.sampled_from(["", "Ce nom n'existe pas : « é »", "x" * 200])
codes = st.sampled_from([0, 2, 4, 32, 49, 53, 80, 118, 122])
entries = st.dictionaries(names, st.lists(octets, max_size=3), max_size=4)

RESULTS = [
    (responses.SEARCH_DONE, pureldap.LDAPSearchResultDone),
    (responses.MODIFY_RESPONSE, pureldap.LDAPModifyResponse),
    (responses.ADD_RESPONSE, pureldap.LDAPAddResponse),
    (responses.DELETE_RESPONSE, pureldap.LDAPDelResponse),
    (responses.MODIFY_DN_RESPONSE, pureldap.LDAPModifyDNResponse),
    (responses.COMPARE_RESPONSE, pureldap.LDAPCompareResponse),
]


@given(message_ids, dns, entries, control_lists)
@settings(max_examples=200)
def test_an_entry_of_ours_is_read_by_ldaptor_and_the_reverse(message_id, dn, attributes, listed):
    ours = responses.search_entry(
        message_id, dn, ber.encode_attributes(attributes), controls.encode_controls(listed)
    )
    read = decoded_by_ldaptor(ours)
    assert (read.id, read.value.objectName) == (message_id, dn)
    assert {name.decode(): list(values) for name, values in read.value.attributes} == attributes
    told = [(oid.decode(), bool(critical), value) for oid, critical, value in read.controls or []]
    assert told == [(control.oid, control.critical, control.value) for control in listed]

    theirs = pureldap.LDAPMessage(
        pureldap.LDAPSearchResultEntry(dn, list(attributes.items())),
        [(control.oid, control.critical or None, control.value) for control in listed] or None,
        id=message_id,
    ).toWire()
    expected = responses.Response(message_id, responses.Entry(dn, attributes), listed)
    assert responses.decode_response(theirs) == expected == responses.decode_response(ours)


@given(st.sampled_from(RESULTS), message_ids, codes, dns, texts)
@settings(max_examples=120)
def test_a_result_of_ours_is_the_octets_of_ldaptor(response, message_id, code, matched, text):
    tag, kind = response
    ours = responses.result(message_id, tag, code, matched, text)
    theirs = pureldap.LDAPMessage(kind(code, matched, text.encode()), id=message_id).toWire()
    assert ours == theirs
    assert responses.decode_response(ours) == responses.Response(
        message_id, responses.Result(tag, code, matched, text)
    )


@given(message_ids, codes, dns, texts, st.none() | pieces)
@settings(max_examples=60)
def test_a_bind_response_of_ours_is_the_octets_of_ldaptor(message_id, code, matched, text, credentials):
    ours = responses.bind_response(message_id, code, matched, text, credentials)
    theirs = pureldap.LDAPBindResponse(code, matched, text.encode(), serverSaslCreds=credentials)
    assert ours == pureldap.LDAPMessage(theirs, id=message_id).toWire()
    assert responses.decode_response(ours).operation.sasl_credentials == credentials


@given(message_ids, codes, dns, texts, st.none() | oids, st.none() | octets)
@settings(max_examples=60)
def test_an_extended_response_of_ours_is_the_octets_of_ldaptor(message_id, code, matched, text, oid, value):
    ours = responses.extended_response(message_id, code, matched, text, oid, value)
    theirs = pureldap.LDAPExtendedResponse(
        code, matched, text.encode(), responseName=oid and oid.encode(), response=value
    )
    assert ours == pureldap.LDAPMessage(theirs, id=message_id).toWire()
    read = responses.decode_response(ours).operation
    assert (read.oid, read.value) == (oid, value)
