"""Which rows of one text stay: parity with a plain loop over the texts, and counts that add up."""

from collections import Counter
from dataclasses import astuple

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.corpora.duplicates import CorpusCounts, count_fates, resolve_duplicates
from nlp.labels import LABELS

ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(LABELS), st.sampled_from(["X", "Y", None])), max_size=25
)


def table(rows):
    return pd.DataFrame(rows, columns=["text", "label", "target"], dtype=object)


def winner(votes):
    """The label with the most votes, None where two have."""
    ranked = Counter(votes).most_common()
    return ranked[0][0] if len(ranked) == 1 or ranked[0][1] > ranked[1][1] else None


def reference(rows, on_mixed):
    """What becomes of each row, by plain loops."""
    fates, seen = [], set()
    for text, label, target in rows:
        key = (text, None if on_mixed == "vote" else target)
        won = winner([other for t, other, g in rows if (t, None if on_mixed == "vote" else g) == key])
        fate = "tied" if won is None else "minority_label" if label != won else "repeats" if key in seen else "kept"
        seen |= {key} if fate == "kept" else set()
        fates.append(fate)
    if on_mixed == "drop":
        labels = {}
        for (text, label, _), fate in zip(rows, fates, strict=True):
            labels.setdefault(text, []).extend([label] if fate == "kept" else [])
        had = set()
        for row, (text, _, _) in enumerate(rows):
            if fates[row] == "kept":
                fates[row] = "mixed" if len(set(labels[text])) > 1 else "repeats" if text in had else "kept"
                had.add(text)
    return fates


@pytest.mark.parametrize("on_mixed", ["vote", "drop", "keep"])
@given(rows=ROWS)
def test_the_fate_of_each_row_is_that_of_a_plain_loop(on_mixed, rows):
    assert resolve_duplicates(table(rows), on_mixed).tolist() == reference(rows, on_mixed)


@pytest.mark.parametrize("on_mixed", ["vote", "drop", "keep"])
@given(rows=ROWS, blank=st.integers(0, 5))
def test_the_counts_add_up_and_are_those_of_a_plain_loop(on_mixed, rows, blank):
    counts = count_fates(resolve_duplicates(table(rows), on_mixed), read=len(rows) + blank)
    expected = Counter(reference(rows, on_mixed))
    assert counts == CorpusCounts(
        len(rows) + blank, blank, *(expected[fate] for fate in ("repeats", "minority_label", "tied", "mixed", "kept"))
    )
    assert sum(astuple(counts)[1:]) == counts.read


@given(rows=ROWS)
def test_what_is_kept_has_one_label_per_text_and_is_kept_again(rows):
    for on_mixed, key in (("vote", ["text"]), ("drop", ["text"]), ("keep", ["text", "target"])):
        whole = table(rows)
        kept = whole[resolve_duplicates(whole, on_mixed) == "kept"].reset_index(drop=True)
        assert not kept.duplicated(key).any()
        assert (resolve_duplicates(kept, on_mixed) == "kept").all()


@given(rows=ROWS, rng=st.randoms())
def test_the_order_of_rows_decides_neither_texts_nor_labels(rows, rng):
    for on_mixed in ("vote", "drop", "keep"):
        one, other = table(rows), table(rng.sample(rows, len(rows)))
        told = [set(zip(t["text"], t["label"], strict=True)) for t in (
            one[resolve_duplicates(one, on_mixed) == "kept"], other[resolve_duplicates(other, on_mixed) == "kept"]
        )]  # fmt: skip
        assert told[0] == told[1]


def test_without_a_column_of_targets_all_is_settled_by_vote():
    rows = table([("a", "neutral", "X"), ("a", "positive", "Y"), ("a", "positive", "Y")]).drop(columns="target")
    for on_mixed in ("vote", "drop", "keep"):
        assert resolve_duplicates(rows, on_mixed).tolist() == ["minority_label", "kept", "repeats"]


def test_targets_that_disagree_are_no_contradiction():
    rows = table([("up and down", "positive", "X"), ("up and down", "negative", "Y"), ("up", "positive", "X"),
                  ("up", "positive", "Y")])  # fmt: skip
    assert resolve_duplicates(rows, "keep").tolist() == ["kept"] * 4
    assert resolve_duplicates(rows, "drop").tolist() == ["mixed", "mixed", "kept", "repeats"]
    assert resolve_duplicates(rows, "vote").tolist() == ["tied", "tied", "kept", "repeats"]


def test_counts_print_what_happened_and_nothing_else():
    assert str(CorpusCounts(3, 0, 0, 0, 0, 0, 3)) == "3 rows read, 3 kept"
    assert str(CorpusCounts(1010, 1, 2, 3, 1000, 4, 0)) == (
        "1,010 rows read, 0 kept; dropped: 1 without text, 2 exact repeats, 3 with a minority label of their text, "
        "1,000 of texts whose labels tie, 4 of texts whose targets disagree"
    )
