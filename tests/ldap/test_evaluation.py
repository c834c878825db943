from collections.abc import Callable

import costs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuaire.ldap import dn, evaluation, filters, schema
from annuaire.ldap.filters import And, Equality, Filter, Not, Or, Present, Substrings
from annuaire.ldap.schema import AttributeType

STANDARD = schema.standard()
NAME = dn.parse("uid=jm,ou=Cabinet Nord+l=Lille,o=apicrypt,c=FR")
ENTRY = {
    "objectClass": [b"top", b"person", b"organizationalPerson", b"inetOrgPerson"],
    "uid": [b"jm"],
    "cn": [b"Jean  MARTIN", "Hélène Martin".encode()],
    "cn;lang-fr": [b"Jean-Pierre"],
    "cn;lang-fr-CA": ["Québec".encode()],
    "sn": [b"banana"],
    "c": [b"FR"],
    "mail": [b"Jean.Martin@medical.example"],
    "telephoneNumber": [b"+33 1 23-45"],
    "apicryptVersion": [b"10"],
    "apicryptInterop": [b"TRUE"],
    "apicryptFinValidite": [b"20301231235959Z"],
    "entryUUID": [b"01234567-89ab-cdef-0123-456789abcdef"],
    "seeAlso": [b"CN=A B,O=X"],
    "userCertificate;binary": [b"\x30\x00"],
    "jpegPhoto": [b"\xff\xd8"],
    "description": [b"a*b(c)"],
    "x-unknown": [b"y"],
}


def ask(text: str) -> bool | None:
    return evaluation.evaluate(filters.parse(text), NAME, ENTRY, STANDARD)


@pytest.mark.parametrize(
    "text",
    [
        "(&)",
        "(cn=jean martin)",
        "(CN= Jean   Martin )",
        "(commonName=HÉLÈNE MARTIN)",
        "(2.5.4.3=He\u0301le\u0300ne martin)",
        "(cn=jean-pierre)",
        "(cn;lang-fr=jean-pierre)",
        "(CN;LANG-FR=jean-pierre)",
        "(cn;lang-fr-=québec)",
        "(cn;lang-fr-=jean-pierre)",
        "(name=banana)",
        "(name=québec)",
        "(name=fr)",
        "(objectClass=INETORGPERSON)",
        "(objectClass=2.5.6.6)",
        "(objectClass=top)",
        "(objectClass=*)",
        "(cn=*)",
        "(cn;lang-fr=*)",
        "(userCertificate=*)",
        "(userCertificate;binary=*)",
        "(jpegPhoto;binary=*)",
        "(cn=jean*)",
        "(cn=*martin)",
        "(cn=*j*p*)",
        "(cn=jean *)",
        "(cn=* *)",
        "(cn=jean * martin)",
        "(cn=*é*)",
        "(sn=*a*a*)",
        "(sn=b*n*na)",
        "(mail=*@MEDICAL.example)",
        "(telephoneNumber=+3312345)",
        "(telephoneNumber=*1234*)",
        "(apicryptVersion=010)",
        "(apicryptVersion>=9)",
        "(apicryptVersion<=10)",
        "(apicryptVersion>=10)",
        "(apicryptInterop=true)",
        "(apicryptFinValidite>=20300101000000Z)",
        "(apicryptFinValidite=20310101005959+0100)",
        "(entryUUID=01234567-89AB-CDEF-0123-456789ABCDEF)",
        "(seeAlso=cn=a  b, o=x)",
        "(description=a\\2ab\\28c\\29)",
        "(description=*\\2a*)",
        "(cn~=martin jean)",
        "(cn~=Hélène Martyn)",
        "(cn~=mart)",
        "(sn~=bananna)",
        "(apicryptVersion~=10)",
        "(!(cn=x))",
        "(!(displayName=x))",
        "(|(x-unknown=y)(cn=*))",
        "(&(cn=*)(|(sn=x)(mail=jean.martin@medical.example)))",
        "(cn:caseExactMatch:=Jean MARTIN)",
        "(cn:2.5.13.2:=jean martin)",
        "(cn:=jean martin)",
        "(:caseIgnoreMatch:=banana)",
        "(:caseExactMatch:=banana)",
        "(cn:caseIgnoreOrderingMatch:=jean martina)",
        "(sn:caseIgnoreSubstringsMatch:=\\2aanan\\2a)",
        "(o:dn:=APICRYPT)",
        "(l:dn:=lille)",
        "(ou:dn:caseIgnoreMatch:=cabinet  nord)",
        "(name:dn:=apicrypt)",
        "(:dn:caseIgnoreMatch:=apicrypt)",
        "(cn:dn:=jean martin)",
    ],
)
def test_true(text: str) -> None:
    assert ask(text) is True
    assert ask(f"(!{text})") is False


@pytest.mark.parametrize(
    "text",
    [
        "(|)",
        "(cn=jean)",
        "(cn=helene martin)",
        "(cn;lang-en=*)",
        "(cn;lang-fr=jean martin)",
        "(cn;lang-fr;x-a=*)",
        "(displayName=x)",
        "(displayName=*)",
        "(numSubordinates>=1)",
        "(sn=name)",
        "(c=banana)",
        "(objectClass=device)",
        "(sn=*b*b*)",
        "(sn=ban*nana)",
        "(sn=banana*banana)",
        "(sn=*anan*ana)",
        "(cn=* jean * martin *x)",
        "(cn=jea n*)",
        "(apicryptVersion=1)",
        "(apicryptVersion>=11)",
        "(apicryptVersion<=9)",
        "(apicryptInterop=FALSE)",
        "(seeAlso=cn=b,o=x)",
        "(cn~=martin paul)",
        "(cn:caseExactMatch:=jean martin)",
        "(:caseExactMatch:=BANANA)",
        "(sn:caseIgnoreOrderingMatch:=banana)",
        "(o:=apicrypt)",
        "(ou:dn:=cabinet)",
        "(&(cn=*)(sn=x))",
        "(&(x-unknown=y)(sn=x))",
    ],
)
def test_false(text: str) -> None:
    assert ask(text) is False
    assert ask(f"(!{text})") is True


@pytest.mark.parametrize(
    "text",
    [
        "(x-unknown=y)",
        "(x-unknown=*)",
        "(x-unknown=*y*)",
        "(x-unknown~=y)",
        "(x-unknown:=y)",
        "(x-unknown:caseIgnoreMatch:=y)",
        "(x-unknown:dn:=y)",
        "(cn=)",
        "(cn=\\ff)",
        "(cn=\\ee\\80\\80)",  # private use
        "(cn=*\\ff*)",
        "(cn~=\\ff)",
        "(mail=é)",
        "(cn>=a)",  # names have no ordering rule
        "(apicryptVersion=two)",
        "(apicryptVersion>=two)",
        "(apicryptVersion=1*)",  # integers have no substrings rule
        "(apicryptInterop=maybe)",
        "(apicryptFinValidite>=yesterday)",
        "(entryUUID=x)",
        "(seeAlso=nobody)",
        "(seeAlso=*x*)",
        "(objectClass=a b)",
        "(objectClass=inconnue)",
        "(cn:booleanMatch:=TRUE)",
        "(apicryptVersion:caseIgnoreMatch:=10)",
        "(jpegPhoto=x)",
        "(userCertificate=x)",
        "(cn:inconnue:=x)",
        "(:inconnue:=x)",
        "(cn:1.2.840.113556.1.4.803:=1)",
        "(sn:caseIgnoreSubstringsMatch:=banana)",
        "(&(cn=*)(x-unknown=y))",
        "(|(sn=x)(x-unknown=y))",
        "(&(x-unknown=y)(|(sn=x)(cn~=\\ff)))",
    ],
)
def test_undefined_stays_undefined_under_not(text: str) -> None:
    assert ask(text) is None
    assert ask(f"(!{text})") is None
    assert ask(f"(!(!{text}))") is None
    assert ask(f"(&{text}(|))") is False
    assert ask(f"(|{text}(&))") is True


def test_a_class_is_asked_for_with_what_descends_from_it() -> None:
    entry = {"objectClass": [b"inetOrgPerson"]}
    for name in ("top", "PERSON", "organizationalPerson", "2.5.6.7", "inetOrgPerson"):
        assert evaluation.evaluate(Equality("objectClass", name.encode()), NAME, entry, STANDARD) is True
    assert evaluation.evaluate(Equality("objectClass", b"device"), NAME, entry, STANDARD) is False


def test_a_value_of_the_entry_that_is_not_valid_matches_nothing() -> None:
    entry = {"apicryptVersion": [b"two", b"2"], "cn": [b"\xff", b"a"]}
    for text in ("(apicryptVersion=2)", "(apicryptVersion>=1)", "(cn=a)", "(cn=*a*)", "(cn~=a)"):
        assert evaluation.evaluate(filters.parse(text), NAME, entry, STANDARD) is True
    for text in ("(apicryptVersion=3)", "(cn=b)", "(cn=*b*)", "(cn~=b)", "(cn:caseIgnoreOrderingMatch:=0)"):
        assert evaluation.evaluate(filters.parse(text), NAME, entry, STANDARD) is False


def test_a_replaced_preparation_is_used_for_its_attributes_only() -> None:
    def fold(value: bytes) -> bytes:
        return value.decode().lower().replace("é", "e").replace("è", "e").replace("-", " ").encode()

    def normalise(attribute: AttributeType) -> Callable[[bytes], bytes | None] | None:
        return fold if attribute.key == "cn" else None

    def matches(text: str) -> bool | None:
        return evaluation.evaluate(filters.parse(text), NAME, ENTRY, STANDARD, normalise)

    for text in (
        "(cn=helene martin)",
        "(cn=*helene*)",
        "(cn~=helene)",
        "(cn:=jean pierre)",
        "(cn=jean-pierre)",
    ):
        assert matches(text) is True, text
    for text in ("(name=helene martin)", "(cn:caseIgnoreMatch:=helene martin)"):
        assert matches(text) is False, text


def test_replaced_parts_are_prepared_in_their_own_way() -> None:
    def matches(text: str) -> bool | None:
        return evaluation.evaluate(
            filters.parse(text),
            NAME,
            {"cn": [b"jean martin"]},
            STANDARD,
            lambda attribute: lambda value: b"^" + value + b"$",
            lambda attribute: (
                lambda part, initial, final: (b"^" if initial else b"") + part + (b"$" if final else b"")
            ),
        )

    assert matches("(cn=jean*)") is True
    assert matches("(cn=*ean*tin)") is True
    assert matches("(cn=ean*)") is False


@pytest.mark.parametrize("make", [lambda part: And([part]), lambda part: Or([part]), Not])
def test_a_filter_100_000_deep_needs_no_stack(make: Callable[[Filter], Filter]) -> None:
    deep: Filter = Equality("cn", b"jean martin")
    chain = [deep]
    for _ in range(100_000):
        deep = make(deep)
        chain.append(deep)
    with costs.at_most(15):
        assert evaluation.evaluate(deep, NAME, ENTRY, STANDARD) is True


def test_a_wide_filter_and_a_long_value_are_linear() -> None:
    wide = Or([Equality(f"x{n}", b"a") for n in range(50_000)])
    long = And([Substrings("sn", None, (b"an",) * 50_000, None), Equality("cn", b"a" * 1_000_000)])
    words = filters.Approximate("cn", b"mart " * 100_000)
    with costs.at_most(15):
        assert evaluation.evaluate(wide, NAME, ENTRY, STANDARD) is None
        assert evaluation.evaluate(long, NAME, ENTRY, STANDARD) is False
        assert evaluation.evaluate(words, NAME, ENTRY, STANDARD) is None


def test_a_prepared_filter_is_asked_of_many_entries() -> None:
    prepared = evaluation.prepare(filters.parse("(&(sn=a)(!(x-unknown=b)))"), STANDARD)
    assert prepared.matches(NAME, {"sn": [b"A"]}) is None
    assert prepared.matches(NAME, {"sn": [b"b"]}) is False
    # The descriptions of entries are remembered within bounds.
    for number in range(3000):
        assert prepared.matches(NAME, {f"sn;x-{number}": [b"b"]}) is False


# --- Against the definition, read literally --------------------------------------------------------------

leaves = st.sampled_from(
    ["(cn=a)", "(cn=b)", "(sn=a)", "(sn=*)", "(l=*)", "(x-unknown=a)", "(mail=é)", "(cn=*a*)", "(!(cn=a))"]
).map(filters.parse)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(And), st.lists(inner, max_size=3).map(Or), inner.map(Not)
    ),
    max_leaves=10,
)
entries = st.dictionaries(
    st.sampled_from(["cn", "sn", "l"]), st.lists(st.sampled_from([b"a", b"b"]), min_size=1, max_size=2)
)


def literally(part: Filter, entry: dict[str, list[bytes]]) -> bool | None:
    if isinstance(part, And | Or):
        results = [literally(inner, entry) for inner in part.parts]
        decisive = isinstance(part, Or)
        if decisive in results:
            return decisive
        return None if None in results else not decisive
    if isinstance(part, Not):
        result = literally(part.part, entry)
        return None if result is None else not result
    if isinstance(part, Present):
        return part.attribute in entry
    if isinstance(part, Substrings):
        return any(b"a" in value for value in entry.get("cn", []))
    assert isinstance(part, Equality)
    if part.attribute in ("x-unknown", "mail"):
        return None
    return part.value in entry.get(part.attribute, [])


@given(trees, entries)
@settings(max_examples=200)
def test_three_valued_logic_is_that_of_the_standard(tree: Filter, entry: dict[str, list[bytes]]) -> None:
    assert evaluation.evaluate(tree, NAME, entry, STANDARD) is literally(tree, entry)


@given(st.text(alphabet="()&|!=*~<>:;dncasm -é\\20", max_size=30), st.binary(max_size=10))
@settings(max_examples=200)
def test_any_filter_gives_one_of_three_answers(text: str, value: bytes) -> None:
    wanted: Filter = Equality(text, value)
    assert evaluation.evaluate(wanted, NAME, ENTRY, STANDARD) in (True, False, None)
    for item in (
        filters.Extensible(text, text, value, True),
        filters.Extensible("caseIgnoreMatch", None, value, True),
        filters.Approximate("cn", value),
        Substrings("cn", value, (value,), value),
    ):
        assert evaluation.evaluate(item, NAME, ENTRY, STANDARD) in (True, False, None)


def test_what_many_parts_ask_of_a_long_list_is_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 500
    members = [b"uid=p%d,o=x" % number for number in range(300)]
    long_text = [b"mot " * 2_000]
    rule = STANDARD.rule("distinguishedNameMatch")
    assert rule is not None
    prepared: list[bytes] = []

    class Counting:
        """The rule, told of each value that it prepares."""

        def __init__(self, normalise: Callable[[bytes], bytes | None]) -> None:
            self._normalise = normalise

        def __call__(self, value: bytes) -> bytes | None:
            prepared.append(value)
            return self._normalise(value)

    counting: dict[str, Counting] = {}

    def replaced(attribute: AttributeType) -> Counting:
        assert attribute.equality_rule is not None
        return counting.setdefault(attribute.key, Counting(attribute.equality_rule.normalise))

    def holds(parts: list[Filter], **values: list[bytes]) -> bool | None:
        prepared.clear()
        return evaluation.prepare(Or(parts), STANDARD, replaced).matches(NAME, values)

    absent = [Equality("member", b"uid=q%d,o=x" % number) for number in range(asked)]
    assert holds(absent, member=members) is False
    assert len(prepared) == len(members) + asked
    assert holds([*absent, Equality("member", b"UID=P7,o=X")], member=members) is True
    # Another list of the same entry's next state is another list.
    assert holds([Equality("member", b"uid=p7,o=x")], member=members[8:]) is False
    pieces: list[Filter] = [Substrings("description", None, (b"n%d" % n,), None) for n in range(asked)]
    assert holds(pieces, description=long_text) is False
    assert prepared.count(long_text[0]) == 1
    assert holds([*pieces, Substrings("description", b"mot", (b"t m",), None)], description=long_text) is True
    assert len(evaluation._kept) <= 4


def test_a_long_list_is_compared_as_a_short_one() -> None:
    values = [b"%d" % number for number in range(100, 400)]
    entry = {"apicryptVersion": values, "cn": [b"Jean %s" % value for value in values]}
    for text, wanted in (
        ("(apicryptVersion=250)", True),
        ("(apicryptVersion=99)", False),
        ("(apicryptVersion>=399)", True),
        ("(apicryptVersion>=400)", False),
        ("(apicryptVersion<=100)", True),
        ("(apicryptVersion<=99)", False),
        ("(apicryptVersion:integerOrderingMatch:=100)", False),
        ("(apicryptVersion:integerOrderingMatch:=101)", True),
        ("(cn=jean*399)", True),
        ("(cn=*399*399)", False),
        ("(cn:caseExactMatch:=Jean 399)", True),
        ("(cn:caseExactMatch:=jean 399)", False),
        ("(cn~=jea 399)", True),
        ("(!(cn=jean 400))", True),
    ):
        assert evaluation.evaluate(filters.parse(text), NAME, entry, STANDARD) is wanted, text
