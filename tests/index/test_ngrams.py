"""n-grams and postings: the vectorised build and the single writer index the same terms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from annuaire.index import folding, layout, ngrams, postings

letters = st.one_of(
    st.sampled_from("abé .𠮷😀\uffff\ue000"), st.characters(exclude_categories=["Cs"], min_codepoint=4)
)
# As in an entry: segments of values, of which any may be empty.
texts = st.lists(st.lists(st.text(letters, max_size=8), max_size=3), min_size=4, max_size=4).map(
    lambda segments: ngrams.SEPARATOR.join(ngrams.text_of(values) for values in segments)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(texts, min_size=1, max_size=5))
def test_a_text_is_listed_under_its_own_terms_and_no_others(some: list[str]) -> None:
    found: dict[bytes, set[int]] = {}
    keys = []
    for term, posting in ngrams.gram_postings(some):
        keys.append(term)
        found[term] = set(postings.deserialize(posting))
    assert keys == sorted(set(keys)), "LMDB is appended to in order"
    for number, text in enumerate(some):
        assert {term for term, ids in found.items() if number in ids} == ngrams.text_terms(text)
    assert all(max(ids) < len(some) for ids in found.values())


@settings(max_examples=200, deadline=None)
@given(st.lists(texts, min_size=1, max_size=5))
def test_beginnings_of_values_are_listed_likewise(some: list[str]) -> None:
    found = [(term, set(postings.deserialize(posting))) for term, posting in ngrams.start_postings(some)]
    assert [term for term, _ in found] == sorted({term for term, _ in found})
    for number, text in enumerate(some):
        assert {term for term, ids in found if number in ids} == ngrams.value_starts(text)


def test_beginnings_are_those_of_every_value_that_is_long_enough() -> None:
    text = ngrams.SEPARATOR.join(
        [ngrams.text_of(["dupont jean", "du"]), ngrams.text_of([]), ngrams.text_of(["𠮷ab"])]
    )
    starts = {start.decode("utf-16-be", "replace") for start in ngrams.value_starts(text)}
    assert layout.VALUE_STARTS == (3, 4, 6)
    assert starts == {"dup", "dupo", "dupont", "𠮷a", "𠮷ab"}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(letters, max_size=10), max_size=3), st.text(letters, min_size=1, max_size=6))
def test_a_part_that_is_exact_is_found_where_its_one_term_is_listed(values: list[str], part: str) -> None:
    text = ngrams.text_of(values)
    terms = ngrams.text_terms(text)
    for piece in (part, ngrams.START + part, part + ngrams.END):
        keys, exact = ngrams.gram_keys(piece)
        # The separator of UTF-16's two halves is no letter: half a pair is never looked for.
        if piece in text:
            assert terms.issuperset(keys)
        if exact:
            assert len(keys) == 1
            assert (keys[0] in terms) == (piece in text)


def test_no_n_gram_crosses_from_a_value_or_an_attribute_to_the_next() -> None:
    text = ngrams.SEPARATOR.join([ngrams.text_of(["ab", "cd"]), ngrams.text_of(["ef"])])
    terms = ngrams.text_terms(text)
    for crossing in ("bc", "b\x03\x02", "\x03\x02", "\x03\x02c", "d\x03\x00", "\x00\x02", "de"):
        assert ngrams.gram_keys(crossing)[0][0] not in terms
    for present in ("\x02a", "\x02ab", "b\x03", "ab\x03", "ef", "\x02e"):
        assert ngrams.gram_keys(present)[0][0] in terms


def test_the_same_value_stands_once_in_a_text() -> None:
    assert ngrams.text_of(["ab", "ab"]) == "\x02ab\x03"
    assert ngrams.text_of([]) == ""
    assert ngrams.text_of([""]) == "\x02\x03"


def test_a_whole_chunk_of_texts_is_told_apart() -> None:
    some = [ngrams.text_of([folding.fold_name(f"n{i % 1000}")]) for i in range(layout.CHUNK_SIZE)]
    found = dict(ngrams.gram_postings(some))
    everybody = postings.deserialize(found[ngrams.gram_keys("n")[0][0]])
    assert len(everybody) == layout.CHUNK_SIZE
    one = postings.deserialize(found[ngrams.gram_keys("77\x03")[0][0]])
    assert list(one) == [i for i in range(layout.CHUNK_SIZE) if str(i % 1000).endswith("77")]


# ------------------------------------------------------------------ postings

RUNS = [
    *([5], [65535], [0], [0, 1], [3, 4, 5, 6], [65534, 65535], [0, 65535]),
    *(list(range(65536)), list(range(1, 65536)), list(range(65535))),
]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 4095, 4096, 4097, 30000, 65535, 65536])
def test_every_size_of_a_set_is_written_as_pyroaring_reads_it(count: int) -> None:
    ids = np.sort(np.random.default_rng(count).permutation(65536)[:count]).astype(np.uint16)
    octets = postings.serialize_sorted(ids)
    assert list(postings.deserialize(octets)) == ids.tolist()


@pytest.mark.parametrize("ids", RUNS)
def test_runs_and_edges_are_written_as_pyroaring_reads_them(ids: list[int]) -> None:
    octets = postings.serialize_sorted(np.array(ids, dtype=np.uint16))
    assert postings.deserialize(octets) == BitMap(ids)
    assert postings.deserialize(postings.serialize(BitMap(ids))) == BitMap(ids)
    if len(ids) < 100:
        assert postings.deserialize(postings.serialize_small(ids)) == BitMap(ids)


def test_a_run_is_written_as_one() -> None:
    assert len(postings.serialize_sorted(np.arange(65536).astype(np.uint16))) < 32


def test_an_empty_set_survives() -> None:
    assert postings.deserialize(postings.serialize(BitMap())) == BitMap()
    assert list(postings.runs([np.array([], dtype=np.uint64)])) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 65535)), max_size=300))
def test_runs_gather_repeats_in_any_order(pairs: list[tuple[int, int]]) -> None:
    codes = np.array([term << 16 | local for term, local in pairs], dtype=np.uint64)
    found = {term: set(postings.deserialize(posting)) for term, posting in postings.runs([codes])}
    assert found == {term: {local for t, local in pairs if t == term} for term, _ in pairs}
