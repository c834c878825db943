"""What the server answers, octet for octet, and as a client reads it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuaire.errors import Malformed
from annuaire.ldap import ber, controls, responses
from annuaire.ldap.responses import Entry, Intermediate, Reference, Response, Result
from annuaire.ldap.results import ResultCode

ENCODED = [
    (
        responses.result(2, responses.SEARCH_DONE, ResultCode.success),
        "300c020102 6507 0a0100 0400 0400",
        Response(2, Result(responses.SEARCH_DONE, 0, b"", "")),
    ),
    (
        responses.result(300, responses.SEARCH_DONE, ResultCode.noSuchObject, b"o=x", "no"),
        "30120202012c 650c 0a0120 04036f3d78 04026e6f",
        Response(300, Result(responses.SEARCH_DONE, 32, b"o=x", "no")),
    ),
    (
        responses.result(2, responses.SEARCH_DONE, ResultCode.referral, referrals=["ldap://a/", "ldap://b/"]),
        "3024020102 651f 0a010a 0400 0400 a316 04096c6461703a2f2f612f 04096c6461703a2f2f622f",
        Response(2, Result(responses.SEARCH_DONE, 10, b"", "", [b"ldap://a/", b"ldap://b/"])),
    ),
    (
        responses.result(2, responses.ADD_RESPONSE, ResultCode.syncRefreshRequired),
        "300d020102 6908 0a021000 0400 0400",
        Response(2, Result(responses.ADD_RESPONSE, 4096, b"", "")),
    ),
    (
        responses.bind_response(1, ResultCode.saslBindInProgress, sasl_credentials=b"x"),
        "300f020101 610a 0a010e 0400 0400 870178",
        Response(1, Result(responses.BIND_RESPONSE, 14, b"", "", sasl_credentials=b"x")),
    ),
    (
        responses.extended_response(3, ResultCode.success, value=b"dn:cn=a"),
        "3015020103 7810 0a0100 0400 0400 8b07646e3a636e3d61",
        Response(3, Result(responses.EXTENDED_RESPONSE, 0, b"", "", value=b"dn:cn=a")),
    ),
    (
        responses.notice_of_disconnection(ResultCode.protocolError, "bad"),
        "3027020100 7822 0a0102 0400 0403626164 8a16" + b"1.3.6.1.4.1.1466.20036".hex(),
        Response(
            0,
            Result(responses.EXTENDED_RESPONSE, 2, b"", "bad", oid=responses.NOTICE_OF_DISCONNECTION),
        ),
    ),
    (
        responses.search_reference(2, ["ldap://a/"]),
        "3010020102 730b 04096c6461703a2f2f612f",
        Response(2, Reference([b"ldap://a/"])),
    ),
    (
        responses.intermediate_response(2, "1.1", b"v"),
        "300d020102 7908 8003312e31 810176",
        Response(2, Intermediate("1.1", b"v")),
    ),
    (
        responses.search_entry(2, b"cn=a", ber.encode_attributes({"cn": [b"a"], "mail": []})),
        "3022020102 641d 0404636e3d61 3015 30090402636e3103040161 300804046d61696c3100",
        Response(2, Entry(b"cn=a", {"cn": [b"a"], "mail": []})),
    ),
]


@pytest.mark.parametrize(("ours", "octets", "read"), ENCODED)
def test_an_answer_is_these_octets_and_is_read_back(ours, octets, read):
    assert ours.hex() == octets.replace(" ", "")
    assert responses.decode_response(ours) == read


@given(
    st.integers(0, 2**31 - 1),
    st.binary(max_size=300),
    st.integers(0, 9000) | st.sampled_from([4020, 4064, 4080, 4096]),
)
@settings(max_examples=200)
def test_the_short_way_for_entries_gives_the_same_octets_as_the_long_one(message_id, dn, size):
    attributes = ber.encode_attributes({"description": [b"x" * size]})
    ours = responses.search_entry(message_id, dn, attributes)
    assert ours == responses.message(message_id, responses.entry(dn, attributes))
    assert ours == ber.sequence(
        [ber.integer(message_id), ber.sequence([ber.octets(dn), ber.tlv(0x30, attributes)], 0x64)]
    )


def test_controls_come_after_the_operation():
    listed = (controls.paged_results(0, b"next"), controls.sort_response(16, "nom"))
    for ours in (
        responses.search_entry(2, b"cn=a", b"", controls.encode_controls(listed)),
        responses.result(2, responses.SEARCH_DONE, 0, controls=controls.encode_controls(listed)),
        responses.result(2, responses.SEARCH_DONE, 4, b"", "more", (), controls.encode_controls(listed)),
        responses.bind_response(2, 0, controls=controls.encode_controls(listed)),
        responses.extended_response(2, 0, controls=controls.encode_controls(listed)),
        responses.intermediate_response(2, controls=controls.encode_controls(listed)),
        responses.search_reference(2, ["ldap://a/"], controls.encode_controls(listed)),
    ):
        assert responses.decode_response(ours).controls == listed


@pytest.mark.parametrize("ours", [case[0] for case in ENCODED])
def test_a_damaged_answer_is_refused_or_read_as_another(ours):
    for position in range(len(ours)):
        for octet in (0, 1, 0x0A, 0x30, 0x7F, 0x80, 0xA3, 0xFF):
            try:
                responses.decode_response(ours[:position] + bytes((octet,)) + ours[position + 1 :])
            except Malformed:
                continue
    for cut in range(len(ours)):
        with pytest.raises(Malformed):
            responses.decode_response(ours[:cut])
    with pytest.raises(Malformed):
        responses.decode_response(ours + b"\x00")
