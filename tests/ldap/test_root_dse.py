import asking
import pytest

from annuaire.domain.audience import NOBODY, Audience
from annuaire.ldap import capabilities, controls, requests
from annuaire.ldap.messages import Control
from annuaire.ldap.root_dse import OwnEntries


@pytest.fixture(scope="module")
def own(schema):
    return OwnEntries(
        schema, ["o=apicrypt,c=FR", "o=autre"], "annuaire 1.2", schema_changed_at="20260102030405Z"
    )


def answer(own, base="", scope=0, **options):
    message = requests.decode(
        asking.search(1, options.pop("filter", "(objectClass=*)"), base, scope, **options)
    )
    entry = own.asked(message.operation)
    assert entry is not None
    return asking.read(entry.answer(message, message.operation))


def attributes(own, **options):
    return answer(own, **options)[0].operation.attributes


def test_further_trees_are_told_to_those_who_read_them(schema):
    own = OwnEntries(schema, ["o=a"], "1", further=["dc=b"], readers=Audience.APICRYPT | Audience.DGS)

    def told(audience: Audience) -> list[bytes]:
        return attributes(own.offering((), False, audience), attributes=("namingContexts",))["namingContexts"]

    for audience in (Audience.APICRYPT, Audience.DGS, Audience.ADMIN):
        assert told(audience) == [b"o=a", b"dc=b"]
    for audience in (Audience.PUBLIC, Audience.MSSANTE, Audience.ROUTAGE, NOBODY):
        assert told(audience) == [b"o=a"]


def test_without_a_list_only_the_classes_are_told(own):
    assert set(attributes(own)) == {"objectClass"}


@pytest.mark.parametrize("selectors", [("+",), ("*", "+", "+")])
def test_plus_tells_all_that_works_and_nothing_else(own, selectors):
    told = attributes(own, attributes=selectors)
    assert told["namingContexts"] == [b"o=apicrypt,c=FR", b"o=autre"]
    assert told["subschemaSubentry"] == [b"cn=Subschema"]
    assert told["supportedLDAPVersion"] == [b"3"]
    assert {oid.decode() for oid in told["supportedControl"]} == set(capabilities.CONTROLS)
    assert {oid.decode() for oid in told["supportedExtension"]} == set(capabilities.EXTENSIONS)
    assert b"1.3.6.1.4.1.4203.1.5.1" in told["supportedFeatures"]
    assert told["vendorVersion"] == [b"annuaire 1.2"]
    # Absent is how an attribute without values is told.
    assert not {"altServer", "supportedSASLMechanisms", "supportedCapabilities"} & set(told)


def test_names_in_any_case_and_unknown_ones_are_tolerated(own):
    asked = ("SUPPORTEDLDAPVERSION", "defaultNamingContext", "supportedCapabilities", "altServer", "2.5.4.0")
    assert set(attributes(own, attributes=asked)) == {"supportedLDAPVersion", "objectClass"}


@pytest.mark.parametrize("filter_", ["(objectclass=*)", "(OBJECTCLASS=TOP)", "(vendorName=annuaire)", "(&)"])
def test_the_filter_is_evaluated_whatever_its_spelling(own, filter_):
    assert len(answer(own, filter=filter_)) == 2


@pytest.mark.parametrize("filter_", ["(objectClass=person)", "(cn=*)", "(!(noSuchType=x))", "(|)"])
def test_a_filter_that_does_not_match_gives_no_entry_and_success(own, filter_):
    [last] = answer(own, filter=filter_)
    assert last.operation.code == 0


def test_types_only_tells_no_value(own):
    told = attributes(own, attributes=("+",), types_only=True)
    assert "namingContexts" in told
    assert not any(told.values())


def test_the_empty_base_is_the_root_dse_in_base_scope_alone(own):
    for scope in (1, 2):
        assert own.asked(requests.decode(asking.search(1, base="", scope=scope)).operation) is None


def test_one_page_is_all_and_one_entry_is_sorted(own):
    sent = [controls.paged_results(10, b"", True), controls.sort_request([controls.SortKey("cn")], True)]
    last = answer(own, sent=sent)[-1]
    assert {control.oid for control in last.controls} == {controls.PAGED_RESULTS, controls.SORT_RESPONSE}


def test_a_control_that_cannot_be_read_is_not_answered_as_if_it_could(own):
    message = requests.decode(
        asking.search(1, base="", scope=0, sent=[Control(controls.PAGED_RESULTS, False, b"x")])
    )
    with pytest.raises(Exception, match=r"control|element"):
        own.asked(message.operation).answer(message, message.operation)


@pytest.mark.parametrize("base", ["cn=Subschema", "CN=subschema", "cn = subschema", "2.5.4.3=Subschema"])
@pytest.mark.parametrize("filter_", ["(objectClass=subschema)", "(objectClass=*)"])
def test_the_schema_is_published(own, base, filter_):
    told = attributes(own, base=base, filter=filter_, attributes=("*", "+"))
    assert {"objectClasses", "attributeTypes", "matchingRules", "matchingRuleUse", "ldapSyntaxes"} <= set(
        told
    )
    assert told["modifyTimestamp"] == [b"20260102030405Z"]
    assert b"subschema" in told["objectClass"]
    assert any(b"'inetOrgPerson'" in written for written in told["objectClasses"])


def test_the_schema_is_not_sent_unless_it_is_asked(own):
    assert set(attributes(own, base="cn=Subschema")) == {"objectClass", "cn"}


def test_there_is_nothing_below_the_schema(own):
    assert len(answer(own, base="cn=Subschema", scope=1)) == 1
    assert len(answer(own, base="cn=Subschema", scope=2)) == 2
