"""Attribute descriptions with more options, or longer, than any: nobody's in a filter, a list and a write alike."""

import asking
import pytest
from session_client import PERSON, Client

from annuaire.domain.audience import Audience
from annuaire.index.prepare import Numbering
from annuaire.ldap import dn, evaluation, filters, options, schema, written_values
from annuaire.ldap.messages import AddRequest, ModifyRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.selection import Selection
from annuaire.ldap.writing import WriteRefusedError

STANDARD = schema.standard()
MOST = "cn" + "".join(f";lang-{number:02}" for number in range(options.OPTIONS_MAX))
LONGEST = "cn;lang-" + "a" * (options.DESCRIPTION_MAX - len("cn;lang-"))
MORE = f"{MOST};x"
LONGER = f"{LONGEST}a"
ENTRY = {"objectClass": [b"person"], "sn": [b"a"], "cn": [b"a"]}


@pytest.mark.parametrize("description", [MOST, LONGEST, MOST.upper()])
def test_up_to_the_bounds_one_is_an_attribute_like_others(description: str) -> None:
    known = STANDARD.describe(description)
    assert known.type is not None
    assert known.canonical == description.lower()
    assert not STANDARD.check(dn.parse("cn=a"), {**ENTRY, description: [b"b"]})
    assert written_values.of_add(AddRequest(b"cn=a", [(description, [b"b"])]), STANDARD) is None
    holds = filters.Present(description)
    assert evaluation.evaluate(holds, dn.parse("cn=a"), {description: [b"b"]}, STANDARD) is True


@pytest.mark.parametrize("description", [MORE, LONGER, "cn" + ";" * 100_000, "x" * 1_000_000])
class TestBeyond:
    def test_it_has_no_type_and_is_not_remembered(self, description: str) -> None:
        fresh = schema.load(schema.shipped())
        described, named = dict(fresh._described), dict(fresh._namings)
        assert fresh.describe(description) == (None, frozenset(), description)
        assert fresh.naming(description)[0] == description.lower()
        assert (fresh._described, fresh._namings) == (described, named)

    def test_in_a_filter_it_is_undefined(self, description: str) -> None:
        for item in (
            filters.Present(description),
            filters.Equality(description, b"b"),
            filters.Extensible("caseIgnoreMatch", description, b"b", False),
        ):
            for filter_ in (item, filters.Not(item)):
                name = dn.parse("cn=a")
                assert evaluation.evaluate(filter_, name, {description: [b"b"]}, STANDARD) is None

    def test_in_a_list_it_is_ignored(self, description: str) -> None:
        for asked in (description, f"@{description}"):
            assert Selection.of((asked.encode(),), STANDARD).empty
            assert Selection.of((asked.encode(), b"sn"), STANDARD) == Selection.of((b"sn",), STANDARD)

    def test_in_a_write_it_is_refused_in_few_words(self, description: str) -> None:
        for write in (
            lambda: written_values.of_add(AddRequest(b"cn=a", [(description, [b"b"])]), STANDARD),
            lambda: written_values.of_modify(ModifyRequest(b"cn=a", [(1, description, [])]), STANDARD),
        ):
            with pytest.raises(WriteRefusedError) as refused:
                write()
            outcome = refused.value.outcome
            assert outcome.code == ResultCode.undefinedAttributeType
            assert "16 options and 200 characters at most" in outcome.text
            assert len(outcome.text) < 200

    def test_a_file_is_told_the_same(self, description: str) -> None:
        [wrong] = STANDARD.check(dn.parse("cn=a"), {**ENTRY, description: [b"b"]})
        assert wrong.code == ResultCode.undefinedAttributeType
        assert "16 options and 200 characters at most" in wrong.text
        assert len(wrong.attribute) + len(wrong.text) < 300

    def test_it_is_compared_with_nothing(self, description: str) -> None:
        client = Client(anonymous=Audience.PUBLIC)
        answer = client.result(asking.compare(1, PERSON, description, b"b"))
        assert answer.code == ResultCode.undefinedAttributeType


def test_what_the_index_remembers_of_values_is_once_for_a_type_whatever_its_options() -> None:
    numbering = Numbering(STANDARD)
    plan = numbering.plan("cn")
    assert plan is not None
    assert all(numbering.plan(f"cn;x-{number}") is plan for number in range(10))
    assert numbering.plan("sn") is not plan


def test_classes_longer_than_any_are_not_remembered() -> None:
    fresh = schema.load(schema.shipped())
    for number in range(3):
        classes = [b"person", b"%d" % number * 100_000]
        assert fresh.check(dn.parse("cn=a"), {**ENTRY, "objectClass": classes})
    assert not fresh._check._class_sets
    assert not fresh.check(dn.parse("cn=a"), ENTRY)
    assert list(fresh._check._class_sets) == [(b"person",)]
