"""The examples that the RFCs give of their own rules: names, filters, values, definitions, encodings."""

import pytest

from annuaire.ldap import (
    ber,
    dn,
    filters,
    requests,
    responses,
    schema,
    schema_text,
    syntaxes,
)
from annuaire.ldap.filters import And, Equality, Extensible, Not, Or, Substrings
from annuaire.ldap.messages import SearchRequest

P = syntaxes.PREFIX


class TestNames:
    """RFC 4514 §4; the name forms of §2 and of RFC 4512 §2.3.2."""

    @pytest.mark.parametrize(
        ("text", "pairs"),
        [
            ("UID=jsmith,DC=example,DC=net", [[("UID", "jsmith")], [("DC", "example")], [("DC", "net")]]),
            (
                "OU=Sales+CN=J.  Smith,DC=example,DC=net",
                [[("OU", "Sales"), ("CN", "J.  Smith")], [("DC", "example")], [("DC", "net")]],
            ),
            (
                'CN=James \\"Jim\\" Smith\\, III,DC=example,DC=net',
                [[("CN", 'James "Jim" Smith, III')], [("DC", "example")], [("DC", "net")]],
            ),
            (
                "CN=Before\\0dAfter,DC=example,DC=net",
                [[("CN", "Before\rAfter")], [("DC", "example")], [("DC", "net")]],
            ),
            ("CN=Lu\\C4\\8Di\\C4\\87", [[("CN", "Lučić")]]),
            ("CN=Kurt\\20Zeilenga\\20", [[("CN", "Kurt Zeilenga ")]]),
        ],
    )
    def test_they_are_read_and_written_back(self, text, pairs):
        name = dn.parse(text)
        assert [list(rdn.pairs) for rdn in name.rdns] == pairs
        assert dn.parse(dn.format(name)) == name

    def test_a_value_in_ber_is_the_octets_that_it_stands_for(self):
        [rdn] = dn.parse("1.3.6.1.4.1.1466.0=#04024869").rdns
        assert list(rdn.pairs) == [("1.3.6.1.4.1.1466.0", "Hi")]


class TestFilters:
    """RFC 4515 §4, and what each is in BER (RFC 4511 §4.5.1)."""

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("(cn=Babs Jensen)", Equality("cn", b"Babs Jensen")),
            ("(!(cn=Tim Howes))", Not(Equality("cn", b"Tim Howes"))),
            (
                "(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))",
                And(
                    [
                        Equality("objectClass", b"Person"),
                        Or([Equality("sn", b"Jensen"), Substrings("cn", b"Babs J", (), None)]),
                    ]
                ),
            ),
            ("(o=univ*of*mich*)", Substrings("o", b"univ", (b"of", b"mich"), None)),
            ("(seeAlso=)", Equality("seeAlso", b"")),
            (
                "(cn:caseExactMatch:=Fred Flintstone)",
                Extensible("caseExactMatch", "cn", b"Fred Flintstone", False),
            ),
            ("(cn:=Betty Rubble)", Extensible(None, "cn", b"Betty Rubble", False)),
            ("(sn:dn:2.4.6.8.10:=Barney Rubble)", Extensible("2.4.6.8.10", "sn", b"Barney Rubble", True)),
            ("(o:dn:=Ace Industry)", Extensible(None, "o", b"Ace Industry", True)),
            ("(:1.2.3:=Wilma Flintstone)", Extensible("1.2.3", None, b"Wilma Flintstone", False)),
            ("(:DN:2.4.6.8.10:=Dino)", Extensible("2.4.6.8.10", None, b"Dino", True)),
            (
                "(o=Parens R Us \\28for all your parenthetical needs\\29)",
                Equality("o", b"Parens R Us (for all your parenthetical needs)"),
            ),
            ("(cn=*\\2A*)", Substrings("cn", None, (b"*",), None)),
            ("(filename=C:\\5cMyFile)", Equality("filename", b"C:\\MyFile")),
            ("(bin=\\00\\00\\00\\04)", Equality("bin", b"\0\0\0\4")),
            ("(sn=Lu\\c4\\8di\\c4\\87)", Equality("sn", "Lučić".encode())),
            ("(1.3.6.1.4.1.1466.0=\\04\\02\\48\\69)", Equality("1.3.6.1.4.1.1466.0", b"\x04\x02Hi")),
        ],
    )
    def test_they_mean_what_is_said_and_are_written_back(self, text, meant):
        assert filters.parse(text) == meant
        assert filters.parse(filters.format(meant)) == meant


class TestValues:
    """RFC 4517 §3.3, by syntax."""

    @pytest.mark.parametrize(
        ("syntax", "value"),
        [
            (syntaxes.BIT_STRING, b"'0101111101'B"),
            (syntaxes.BOOLEAN, b"TRUE"),
            (P + "11", b"US"),
            (P + "11", b"AU"),
            (P + "14", b"telephone $ videotex"),
            (syntaxes.DIRECTORY_STRING, b"This is a value of Directory String containing #!%#@."),
            (P + "16", b"( 2.5.6.4 DESC 'content rule for organization' NOT ( x121Address $ telexNumber ) )"),
            (P + "17", b"( 2 DESC 'organization structure rule' FORM 2.5.15.3 )"),
            (P + "21", b"person#(sn$EQ)#oneLevel"),
            (syntaxes.GENERALIZED_TIME, b"199412161032Z"),
            (syntaxes.GENERALIZED_TIME, b"199412160532-0500"),
            (syntaxes.INTEGER, b"1321"),
            (P + "54", b"( 1.3.6.1.4.1.1466.115.121.1.54 DESC 'LDAP Syntax Description' )"),
            (P + "30", b"( 2.5.13.2 NAME 'caseIgnoreMatch' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"),
            (P + "31", b"( 2.5.13.16 APPLIES ( givenName $ surname ) )"),
            (syntaxes.NAME_AND_OPTIONAL_UID, b"1.3.6.1.4.1.1466.0=#04024869,O=Test,C=GB#'0101'B"),
            (P + "35", b"( 2.5.15.3 NAME 'orgNameForm' OC organization MUST o )"),
            (syntaxes.NUMERIC_STRING, b"15 079 672 281"),
            (
                P + "37",
                b"( 2.5.6.2 NAME 'country' SUP top STRUCTURAL MUST c MAY ( searchGuide $ description ) )",
            ),
            (syntaxes.OID, b"1.2.3.4"),
            (syntaxes.OID, b"cn"),
            (P + "39", b"internet$mail@example.com"),
            (syntaxes.POSTAL_ADDRESS, b"1234 Main St.$Anytown, CA 12345$USA"),
            (syntaxes.POSTAL_ADDRESS, b"\\241,000,000 Sweepstakes$PO Box 1000000$Anytown, CA 12345$USA"),
            (syntaxes.PRINTABLE_STRING, b"This is a PrintableString."),
            (syntaxes.TELEPHONE_NUMBER, b"+1 512 315 0280"),
            (syntaxes.TELEPHONE_NUMBER, b"+1-512-315-0280"),
            (syntaxes.TELEPHONE_NUMBER, b"+61 3 9896 7830"),
            (P + "53", b"9412161032Z"),
            (P + "53", b"9412160532-0500"),
            (syntaxes.UUID, b"597ae2f6-16a6-1027-98f4-d28b5365dc14"),
        ],
    )
    def test_each_is_a_value_of_its_syntax(self, syntax, value):
        assert syntaxes.valid(syntax, value)


class TestDefinitions:
    """RFC 4512: what every server publishes, in its words."""

    @pytest.mark.parametrize(
        ("attribute", "definition"),
        [
            (
                "attributeTypes",
                "( 2.5.4.0 NAME 'objectClass' EQUALITY objectIdentifierMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.38 )",
            ),
            (
                "attributeTypes",
                (
                    "( 2.5.18.1 NAME 'createTimestamp' EQUALITY generalizedTimeMatch "
                    "ORDERING generalizedTimeOrderingMatch "
                    "SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 SINGLE-VALUE NO-USER-MODIFICATION USAGE directoryOperation )"
                ),
            ),
            (
                "attributeTypes",
                (
                    "( 2.5.18.10 NAME 'subschemaSubentry' EQUALITY distinguishedNameMatch "
                    "SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 SINGLE-VALUE NO-USER-MODIFICATION USAGE directoryOperation )"
                ),
            ),
            (
                "attributeTypes",
                (
                    "( 1.3.6.1.4.1.1466.101.120.13 NAME 'supportedControl' SYNTAX 1.3.6.1.4.1.1466.115.121.1.38 "
                    "USAGE dSAOperation )"
                ),
            ),
            ("objectClasses", "( 2.5.6.0 NAME 'top' ABSTRACT MUST objectClass )"),
            ("objectClasses", "( 2.5.6.1 NAME 'alias' SUP top STRUCTURAL MUST aliasedObjectName )"),
            ("objectClasses", "( 1.3.6.1.4.1.1466.101.120.111 NAME 'extensibleObject' SUP top AUXILIARY )"),
            (
                "objectClasses",
                (
                    "( 2.5.20.1 NAME 'subschema' AUXILIARY MAY ( dITStructureRules $ nameForms $ dITContentRules $ "
                    "objectClasses $ attributeTypes $ matchingRules $ matchingRuleUse ) )"
                ),
            ),
        ],
    )
    def test_it_is_published_as_it_is_defined(self, attribute, definition):
        directive = {"attributeTypes": "attributetype", "objectClasses": "objectclass"}[attribute]
        wanted = schema_text.parse(definition, directive, "RFC 4512", {})
        published = [
            schema_text.parse(value.decode(), directive, "published", {})
            for value in schema.standard().subschema()[attribute]
        ]
        [found] = [one for one in published if one.oid == wanted.oid]
        for field, said in wanted.fields.items():
            assert set(found.fields[field]) >= set(said), field


class TestEncoding:
    """RFC 4511 §5.1 and §4: definite lengths in any form, tags as given; octets written by hand from the ASN.1."""

    def test_the_smallest_of_each_operation(self):
        unbind = b"\x30\x05\x02\x01\x03\x42\x00"
        abandon = b"\x30\x06\x02\x01\x06\x50\x01\x05"
        assert requests.decode(unbind).message_id == 3
        assert requests.decode(abandon).operation.message_id == 5
        delete = b"\x30\x0a\x02\x01\x04\x4a\x05" + b"c=FR "[:4] + b","
        assert requests.decode(delete).operation.dn == b"c=FR,"

    def test_a_search_of_the_root_dse(self):
        body = (
            b"\x04\x00" b"\x0a\x01\x00" b"\x0a\x01\x00" b"\x02\x01\x00" b"\x02\x01\x00" b"\x01\x01\x00"
            b"\x87\x0bobjectClass" b"\x30\x00"
        )  # fmt: skip
        frame = ber.sequence([ber.integer(1), ber.tlv(0x63, body)])
        operation = requests.decode(frame).operation
        assert isinstance(operation, SearchRequest)
        assert (operation.base, operation.scope, operation.attributes) == (b"", 0, ())
        assert operation.filter == filters.Present("objectClass")

    def test_a_notice_of_disconnection(self):
        notice = responses.decode_response(responses.notice_of_disconnection(52, "stopping"))
        assert (notice.message_id, notice.operation.oid) == (0, "1.3.6.1.4.1.1466.20036")
