import contextlib

import costs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuaire.errors import Malformed
from annuaire.ldap import filters
from annuaire.ldap.filters import (
    And,
    Approximate,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(&)", And([])),
        ("(|)", Or([])),
        ("(cn=Jean)", Equality("cn", b"Jean")),
        ("cn=Jean", Equality("cn", b"Jean")),
        ("(cn=)", Equality("cn", b"")),
        ("(cn= Jean )", Equality("cn", b" Jean ")),
        ("(cn=a=b)", Equality("cn", b"a=b")),
        ("(cn=Hélène)", Equality("cn", "Hélène".encode())),
        ("(cn=H\\c3\\A9l)", Equality("cn", "Hél".encode())),
        ("(cn=\\28\\29\\2a\\5c\\00)", Equality("cn", b"()*\\\0")),
        ("(2.5.4.3=a)", Equality("2.5.4.3", b"a")),
        ("(cn;lang-fr=a)", Equality("cn;lang-fr", b"a")),
        ("(display-name=a)", Equality("display-name", b"a")),
        ("(cn=*)", Present("cn")),
        ("(cn=**)", Present("cn")),
        ("(cn=a*)", Substrings("cn", b"a", (), None)),
        ("(cn=*a)", Substrings("cn", None, (), b"a")),
        ("(cn=*a*)", Substrings("cn", None, (b"a",), None)),
        ("(cn=**a**)", Substrings("cn", None, (b"a",), None)),
        ("(cn=a*b*c*d)", Substrings("cn", b"a", (b"b", b"c"), b"d")),
        ("(a=*b**c*)", Substrings("a", None, (b"b", b"c"), None)),
        ("(cn=*\\2a*)", Substrings("cn", None, (b"*",), None)),
        ("(cn>=a)", GreaterOrEqual("cn", b"a")),
        ("(cn<=a)", LessOrEqual("cn", b"a")),
        ("(cn~=a)", Approximate("cn", b"a")),
        ("(cn:=a)", Extensible(None, "cn", b"a", False)),
        ("(cn:dn:=a)", Extensible(None, "cn", b"a", True)),
        ("(cn:DN:2.5.13.2:=a)", Extensible("2.5.13.2", "cn", b"a", True)),
        ("(cn:caseExactMatch:=a)", Extensible("caseExactMatch", "cn", b"a", False)),
        ("(:caseExactMatch:=a)", Extensible("caseExactMatch", None, b"a", False)),
        ("(:dn:2.5.13.2:=a)", Extensible("2.5.13.2", None, b"a", True)),
        ("(!(cn=a))", Not(Equality("cn", b"a"))),
        (
            "(&(cn=a)(|(sn=b)(!(l=c))))",
            And([Equality("cn", b"a"), Or([Equality("sn", b"b"), Not(Equality("l", b"c"))])]),
        ),
        (" ( & ( cn=a) (sn=b ) ) ", And([Equality("cn", b"a"), Equality("sn", b"b ")])),
        ("(&(&)(|))", And([And([]), Or([])])),
        # As Thunderbird sends it for a typed `j`.
        (
            "(|(cn=*j*)(mail=*j*)(givenName=*j*)(sn=*j*))",
            Or([Substrings(name, None, (b"j",), None) for name in ("cn", "mail", "givenName", "sn")]),
        ),
    ],
)
def test_a_text_filter_is_read(text: str, expected: Filter) -> None:
    assert filters.parse(text) == expected
    assert filters.parse(filters.format(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "(",
        ")",
        "()",
        "(cn)",
        "(=a)",
        "(é=a)",
        "(cn=a",
        "(cn=a))",
        "(cn=a)(sn=b)",
        "(cn=a)x",
        "(&",
        "(&(cn=a)",
        "(&cn=a)",
        "(!)",
        "(!(cn=a)(sn=b))",
        "(cn=(a))",
        "(cn=\\)",
        "(cn=\\4)",
        "(cn=\\zz)",
        "(cn=\0)",
        "(cn>=a*)",
        "(cn:=a*)",
        "(:=a)",
        "(:dn:=a)",
        "(cn:dn:rule:more:=a)",
        "(cn:r é:=a)",
        "(cn=\ud800)",
    ],
)
def test_a_text_that_is_no_filter_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="offset"):
        filters.parse(text)


names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}(;[a-z-]{1,5})?", fullmatch=True)
values = st.binary(max_size=12) | st.text(max_size=8).map(str.encode)
parts = st.binary(min_size=1, max_size=6)
items: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Equality, names, values),
    st.builds(GreaterOrEqual, names, values),
    st.builds(LessOrEqual, names, values),
    st.builds(Approximate, names, values),
    st.builds(Present, names),
    st.builds(
        Substrings, names, st.none() | parts, st.lists(parts, max_size=3).map(tuple), st.none() | parts
    ).filter(lambda item: bool(item.initial or item.any or item.final)),
    st.builds(
        Extensible, st.none() | names.filter(lambda n: n.lower() != "dn"), names, values, st.booleans()
    ),
    st.builds(Extensible, names.filter(lambda name: name.lower() != "dn"), st.none(), values, st.booleans()),
)
trees: st.SearchStrategy[Filter] = st.recursive(
    items,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, max_size=4)),
        st.builds(Or, st.lists(inner, max_size=4)),
        st.builds(Not, inner),
    ),
    max_leaves=12,
)


@given(trees)
@settings(max_examples=150)
def test_a_written_filter_reads_back_as_the_same(wanted: Filter) -> None:
    text = filters.format(wanted)
    assert text.isprintable() or "\n" not in text
    assert filters.parse(text) == wanted


@given(st.text(alphabet="()&|!=*\\~<>:;dnca41 é\0", max_size=40))
@settings(max_examples=300)
def test_any_text_is_a_filter_or_malformed(text: str) -> None:
    try:
        wanted = filters.parse(text)
    except Malformed:
        return
    assert filters.parse(filters.format(wanted)) == wanted


def nested(depth: int, mark: str) -> str:
    return f"({mark}" * depth + "(cn=a)" + ")" * depth


@pytest.mark.parametrize("mark", ["&", "|", "!"])
def test_depth_at_the_limit_is_read_and_one_more_is_malformed(mark: str) -> None:
    assert filters.format(filters.parse(nested(filters.DEPTH_MAX, mark))) == nested(filters.DEPTH_MAX, mark)
    with pytest.raises(Malformed, match="levels"):
        filters.parse(nested(filters.DEPTH_MAX + 1, mark))
    with pytest.raises(Malformed):
        filters.parse(nested(3, mark), depth_max=2)


@pytest.mark.parametrize("mark", ["&", "|", "!"])
def test_a_filter_100_000_deep_neither_recurses_nor_waits(mark: str) -> None:
    with costs.at_most(15):
        with pytest.raises(Malformed, match="levels"):
            filters.parse(nested(100_000, mark))
        # Written and told by shape too, were one to be built otherwise.
        wanted = filters.parse(nested(100_000, mark), depth_max=200_000)
        assert filters.format(wanted) == nested(100_000, mark)
        assert len(filters.shape(wanted)) <= filters.SHAPE_MAX + 1
        # Taken apart from the top: Python frees such a chain iteratively only so.
        while not isinstance(wanted, Equality):
            wanted = wanted.part if isinstance(wanted, Not) else wanted.parts[0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        "(&" * 300_000,
        "(" * 300_000,
        "(cn=" + "*" * 300_000 + ")",
        "(cn=" + "\\41" * 200_000 + ")",
        "(cn=" + ":" * 300_000,
    ],
)
def test_a_huge_text_is_read_or_refused_at_once(text: str) -> None:
    with costs.at_most(5), contextlib.suppress(Malformed):
        filters.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(cn=Jean)", "(cn=?)"),
        ("(cn=a*b*c)", "(cn=?*?*?)"),
        ("(cn=*secret*)", "(cn=*?*)"),
        ("(&(cn=a)(!(mail>=b))(uid=*))", "(&(cn=?)(!(mail>=?))(uid=*))"),
        ("(cn:dn:caseExactMatch:=a)", "(cn:dn:caseExactMatch:=?)"),
    ],
)
def test_a_shape_shows_no_value(text: str, expected: str) -> None:
    assert filters.shape(filters.parse(text)) == expected


def test_a_shape_is_one_cut_line_whatever_is_asked() -> None:
    hostile = And([Present("x\n(injected)" + "y" * 1000), *[Equality("cn", b"v")] * 1000])
    shape = filters.shape(hostile)
    assert "\n" not in shape
    assert "(injected" not in shape
    assert len(shape) <= filters.SHAPE_MAX + 1
