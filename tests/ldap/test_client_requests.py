"""Requests exactly as real programs send them, and what they mean.

The octets of the first table were recorded from the programs named: OpenLDAP 2.5, Net::LDAP 0.68, ldap3 2.9,
JNDI of Java 17. Those of the second are written from the shapes that mail clients send.
"""

import pytest

from annuaire.ldap import ber, controls, filters, messages, requests
from annuaire.ldap.framing import Framer
from annuaire.ldap.messages import (
    AddRequest,
    BindRequest,
    CompareRequest,
    Control,
    DeleteRequest,
    ExtendedRequest,
    Message,
    ModifyDnRequest,
    ModifyRequest,
    SearchRequest,
    Simple,
    UnbindRequest,
)

MANAGE_DSA_IT = (Control(controls.MANAGE_DSA_IT),)
SUFFIX = b"o=apicrypt,c=FR"


def search(base, scope, deref, size, seconds, text, *attributes, types_only=False):
    return SearchRequest(base, scope, deref, size, seconds, types_only, filters.parse(text), attributes)


RECORDED = {
    "ldapsearch, anonymous bind": (
        "300c020101600702010304008000",
        Message(1, BindRequest(3, b"", Simple(b""))),
    ),
    "ldapsearch -P2, bind": (
        "300c020101600702010204008000",
        Message(1, BindRequest(2, b"", Simple(b""))),
    ),
    "ldapsearch -b '' -s base, root DSE": (
        "3025020102632004000a01000a0100020100020100010100870b6f626a656374636c6173733000",
        Message(2, search(b"", 0, 0, 0, 0, "(objectclass=*)")),
    ),
    "ldapsearch, every kind of filter, paged and sorted": (
        (
            "308201100201026381ab040f6f3d61706963727970742c633d46520a01020a0103020132020105010100a078a315040b6f626a65"
            "6374436c6173730406706572736f6ea211a40f0402636e3009800161810162820163a9138107322e342e362e388202636e830178"
            "8401ffa5070402736e040161a6070402736e04017aa80a0402636e040472656e65a913810e6361736545786163744d6174636883"
            "015987046d61696c300f0402636e04046d61696c0403312e31a05d30210416312e322e3834302e3131333535362e312e342e3331"
            "3904073005020164040030380416312e322e3834302e3131333535362e312e342e3437330101ff041b3019300e0402736e800832"
            "2e352e31332e3330070402636e8101ff"
        ),
        Message(
            2,
            search(
                SUFFIX,
                2,
                3,
                50,
                5,
                "(&(objectClass=person)(!(cn=a*b*c))(cn:dn:2.4.6.8:=x)(sn>=a)(sn<=z)(cn~=rene)"
                "(:caseExactMatch:=Y)(mail=*))",
                b"cn",
                b"mail",
                b"1.1",
            ),
            (
                controls.paged_results(100, b""),
                controls.sort_request(
                    [controls.SortKey("sn", "2.5.13.3"), controls.SortKey("cn", None, True)], critical=True
                ),
            ),
        ),
    ),
    "ldapmodify -M, modify": (
        (
            "306402010266420408636e3d612c6f3d783036300e0a010230090402636e310304016230170a0100301204096a70656750686f74"
            "6f31050403000102300b0a010130060402736e3100a01b30190417322e31362e3834302e312e3131333733302e332e342e32"
        ),
        Message(
            2,
            ModifyRequest(
                b"cn=a,o=x",
                [
                    (messages.REPLACE_VALUES, "cn", [b"b"]),
                    (messages.ADD_VALUES, "jpegPhoto", [b"\x00\x01\x02"]),
                    (messages.DELETE_VALUES, "sn", []),
                ],
            ),
            MANAGE_DSA_IT,
        ),
    ),
    "ldapmodify -M, rename": (
        (
            "303a0201036c180408636e3d622c6f3d780404636e3d630101ff80036f3d79a01b30190417322e31362e3834302e312e31313337"
            "33302e332e342e32"
        ),
        Message(3, ModifyDnRequest(b"cn=b,o=x", b"cn=c", True, b"o=y"), MANAGE_DSA_IT),
    ),
    "ldapmodify -M, delete": (
        "302a0201044a08636e3d642c6f3d78a01b30190417322e31362e3834302e312e3131333733302e332e342e32",
        Message(4, DeleteRequest(b"cn=d,o=x"), MANAGE_DSA_IT),
    ),
    "ldapmodify -M, add": (
        (
            "305702010568350408636e3d652c6f3d783029301c040b6f626a656374436c617373310d0403746f700406706572736f6e300904"
            "02636e3103040165a01b30190417322e31362e3834302e312e3131333733302e332e342e32"
        ),
        Message(
            5,
            AddRequest(b"cn=e,o=x", [("objectClass", [b"top", b"person"]), ("cn", [b"e"])]),
            MANAGE_DSA_IT,
        ),
    ),
    "ldapcompare": (
        "30180201026e130408636e3d612c6f3d7830070402736e040162",
        Message(2, CompareRequest(b"cn=a,o=x", "sn", b"b")),
    ),
    "ldapwhoami": (
        "301e02010277198017312e332e362e312e342e312e343230332e312e31312e33",
        Message(2, ExtendedRequest("1.3.6.1.4.1.4203.1.11.3")),
    ),
    "ldappasswd -s": (
        "302d02010277288017312e332e362e312e342e312e343230332e312e31312e31810d300b8004636e3d6182036e6577",
        Message(
            2,
            ExtendedRequest("1.3.6.1.4.1.4203.1.11.1", bytes.fromhex("300b8004636e3d6182036e6577")),
        ),
    ),
    "Net::LDAP, lbdb's search": (
        (
            "30660201026361040f6f3d61706963727970742c633d46520a01020a0101020100020100010100a13da4120409676976656e6e61"
            "6d6530058103647570a40b0402736e30058103647570a40b0402636e30058103647570a40d04046d61696c300581036475703000"
        ),
        Message(2, search(SUFFIX, 2, 1, 0, 0, "(|(givenname=*dup*)(sn=*dup*)(cn=*dup*)(mail=*dup*))")),
    ),
    "Net::LDAP, an empty list of controls": (
        "3027020103632004000a01000a0102020100020100010100870b6f626a656374436c6173733000a000",
        Message(3, search(b"", 0, 2, 0, 0, "(objectClass=*)")),
    ),
    "ldap3, a page": (
        (
            "3051020102632704036f3d780a01020a0103020100020100010100a4090402636e3003800161300604012a04012ba02330210416"
            "312e322e3834302e3131333535362e312e342e333139040730050201050400"
        ),
        Message(2, search(b"o=x", 2, 3, 0, 0, "(cn=a*)", b"*", b"+"), (controls.paged_results(5, b""),)),
    ),
    "JNDI, a search with the bare OID of ManageDsaIT": (
        (
            "3051020102632f040f6f3d61706963727970742c633d46520a01020a0103020100020100010100a40b0402636e30058003647570"
            "3000a01b30190417322e31362e3834302e312e3131333733302e332e342e32"
        ),
        Message(2, search(SUFFIX, 2, 3, 0, 0, "(cn=dup*)"), MANAGE_DSA_IT),
    ),
    "JNDI, unbind with a control": (
        "30220201034200a01b30190417322e31362e3834302e312e3131333733302e332e342e32",
        Message(3, UnbindRequest(), MANAGE_DSA_IT),
    ),
    "ldapsearch, unbind": ("30050201034200", Message(3, UnbindRequest())),
}


@pytest.mark.parametrize(("octets", "meant"), RECORDED.values(), ids=RECORDED)
def test_a_recorded_request_is_understood(octets, meant):
    frame = bytes.fromhex(octets)
    assert Framer().feed(frame) == [frame]
    assert requests.decode(frame) == meant


def test_recorded_requests_are_understood_when_pipelined():
    octets = [bytes.fromhex(octets) for octets, _ in RECORDED.values()]
    frames = Framer().feed(b"".join(octets))
    assert [requests.decode(frame) for frame in frames] == [meant for _, meant in RECORDED.values()]


# ---------------------------------------------------------------- the shapes that mail clients send

OUTLOOK_ATTRIBUTES = (
    "cn commonName mail roleOccupant display-name displayname sn surname co organizationName o givenName "
    "legacyExchangeDN objectClass uid mailNickname title company physicalDeliveryOfficeName telephoneNumber"
)

SHAPES = [
    ("Thunderbird, one letter", 2, 0, 100, 0, "(|(cn=*j*)(mail=*j*)(givenName=*j*)(sn=*j*))", ""),
    (
        "Thunderbird, several words",
        2,
        0,
        100,
        0,
        "(|(cn=*jean*de la*)(mail=*jean de la*)(givenName=*jean*)(sn=*jean de la*))",
        "",
    ),
    (
        "Thunderbird, side bar",
        2,
        0,
        100,
        0,
        (
            "(&(|(cn=*d*)(givenName=*d*)(sn=*d*)(mozillaNickname=*d*)(mail=*d*)(mozillaSecondEmail=*d*)"
            "(&(description=*d*))(o=*d*)(ou=*d*)(title=*d*)(mozillaWorkUrl=*d*)(mozillaHomeUrl=*d*)))"
        ),
        "",
    ),
    (
        "Thunderbird, certificates",
        2,
        0,
        4,
        0,
        "(|(mail=a@medical1.apicrypt.org)(mail=b@medical2.apicrypt.org))",
        "usercertificate;binary",
    ),
    (
        "Outlook",
        2,
        0,
        100,
        60,
        "(&(mail=*)(|(mail=du*)(|(cn=du*)(|(sn=du*)(givenName=du*)))))",
        OUTLOOK_ATTRIBUTES,
    ),
    (
        "iOS",
        2,
        0,
        0,
        30,
        (
            "(|(o=du*)(cn=du*)(ou=du*)(sn=du*)(mail=du*)(IMHandle=du*)(givenname=du*)(postalAddress=du*)"
            "(telephoneNumber=du*))"
        ),
        "",
    ),
    (
        "Evolution",
        1,
        0,
        100,
        0,
        "(|(displayName=du*)(mail=du*)(displayName=*du*)(mail=*du*)(cn=*du*))",
        "",
    ),
    (
        "Roundcube",
        2,
        0,
        0,
        0,
        "(&(objectClass=inetOrgPerson)(|(cn=*du*)(givenname=*du*)(sn=*du*)(mail=*du*)))",
        (
            "cn sn givenname title mail homephone telephonenumber mobile pager facsimiletelephonenumber street "
            "postalcode st l c o ou description jpegphoto objectClass"
        ),
    ),
    (
        "SOGo",
        2,
        0,
        0,
        0,
        "(|(sn=*du*)(displayname=*du*)(cn=*du*)(mail=*du*)(telephonenumber=*du*))",
        "*",
    ),
    ("Postfix", 2, 0, 0, 10, "(|(mail=john.smith@example.org)(uid=john.smith))", "mail"),
    ("Exim", 2, 0, 0, 0, "(mail=a\\28bc\\29\\2a@example.org)", "mail uid"),
    ("dirmngr", 2, 0, 0, 0, "(|(sn=*p*)(|(cn=*p*)(mail=*p*)))", ""),
    ("a desk phone", 2, 0, 50, 0, "(&(cn>=du)(sn<=z))", "cn telephoneNumber"),
]


def encoded(condition):
    """The filter's octets, by the plainest encoder that there can be."""
    match condition:
        case filters.And(parts):
            return ber.tlv(0xA0, b"".join(map(encoded, parts)))
        case filters.Or(parts):
            return ber.tlv(0xA1, b"".join(map(encoded, parts)))
        case filters.Present(attribute):
            return ber.octets(attribute.encode(), 0x87)
        case filters.Substrings(attribute, initial, between, final):
            pieces = [(0x80, initial), *((0x81, piece) for piece in between), (0x82, final)]
            pieces = [ber.octets(piece, tag) for tag, piece in pieces if piece is not None]
            return ber.sequence([ber.octets(attribute.encode()), ber.sequence(pieces)], 0xA4)
    tags = {filters.Equality: 0xA3, filters.GreaterOrEqual: 0xA5, filters.LessOrEqual: 0xA6}
    return ber.sequence(
        [ber.octets(condition.attribute.encode()), ber.octets(condition.value)], tags[type(condition)]
    )


@pytest.mark.parametrize(
    ("scope", "deref", "size", "seconds", "text", "attributes"),
    [shape[1:] for shape in SHAPES],
    ids=[shape[0] for shape in SHAPES],
)
def test_the_search_of_a_mail_client_is_understood(scope, deref, size, seconds, text, attributes):
    wanted = tuple(name.encode() for name in attributes.split())
    meant = search(SUFFIX, scope, deref, size, seconds, text, *wanted)
    body = [
        ber.octets(SUFFIX),
        ber.integer(scope, ber.ENUMERATED),
        ber.integer(deref, ber.ENUMERATED),
        ber.integer(size),
        ber.integer(seconds),
        ber.boolean(False),
        encoded(meant.filter),
        ber.sequence(map(ber.octets, wanted)),
    ]
    for message_id in (1, 127, 128, 40_000, 2**31 - 1):
        frame = ber.sequence([ber.integer(message_id), ber.sequence(body, 0x63)])
        assert requests.decode(frame) == Message(message_id, meant)
