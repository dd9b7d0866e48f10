"""Groups of near-duplicates, against brute force and by hand, and splits that do not leak."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nlp.texts.near_duplicates as module
from nlp.errors import CorpusError
from nlp.labels import LABELS
from nlp.texts.near_duplicates import band_shape, duplicate_groups, group_folds, group_split, normalised

WORDS = st.lists(st.sampled_from("abcde"), max_size=8).map(" ".join)
TEXTS = st.lists(WORDS, max_size=25)


def triples(text):
    words = normalised(text).split() or [text.strip()]
    words += [""] * (3 - len(words))
    return set(zip(words, words[1:], words[2:], strict=False))


def brute_force(texts, threshold):
    """Groups by comparing every pair, joined one after the other."""
    group = list(range(len(texts)))
    for i, j in itertools.combinations(range(len(texts)), 2):
        one, other = triples(texts[i]), triples(texts[j])
        if len(one & other) / len(one | other) >= threshold:
            group = [group[i] if g == group[j] else g for g in group]
    return pd.factorize(np.array(group))[0].tolist()


def as_sets(groups, rows):
    return {frozenset(rows[groups == group].tolist()) for group in set(groups.tolist())}


def templates(n, seed=0):
    """Long texts; every fifth repeats the one before it but for its last word."""
    random = np.random.default_rng(seed)
    texts = []
    for row in range(n):
        words = [f"w{w:b}".replace("1", "x").replace("0", "o") for w in random.integers(0, 4000, 14)]
        texts.append(f"{texts[-1].rsplit(' ', 1)[0]} other" if row % 5 == 4 else " ".join(words))
    return texts


@given(TEXTS, st.sampled_from([0.2, 1 / 3, 0.5, 0.6, 0.8, 1.0]))
def test_groups_are_those_of_comparing_every_pair(texts, threshold):
    assert duplicate_groups(texts, threshold=threshold).tolist() == brute_force(texts, threshold)


def test_similarity_by_hand():
    six, five = "net profit rose in the quarter", "net profit rose in the year"
    assert len(triples(six)) == 4  # three of them in both, out of five
    assert duplicate_groups([six, five], threshold=0.6).tolist() == [0, 0]
    assert duplicate_groups([six, five], threshold=0.61).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sales rose 5.5 % to EUR 1,250 mn", "sales rose 12% to eur 3 mn!"),
        ("Apple beats https://t.co/abC1", "Apple beats https://t.co/Zz9"),
        ("Profit", "profit ."),
        ("???", " ??? "),
    ],
)
def test_numbers_case_urls_and_signs_do_not_count(one, other):
    assert duplicate_groups([one, other], threshold=1.0).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("one", "other"), [("profit rises", "profit falls"), ("profit", "loss"), ("???", "!!!"), ("a b c d", "d c b a")]
)
def test_short_texts_that_differ_in_a_word_stay_apart(one, other):
    assert duplicate_groups([one, other], threshold=0.1).tolist() == [0, 1]


def test_a_chain_of_near_duplicates_is_one_group():
    words = list("abcdefghijkl")
    chain = [" ".join(words[start : start + 8]) for start in range(5)]
    assert duplicate_groups(chain).tolist() == [0] * 5
    assert duplicate_groups([chain[0], chain[-1]]).tolist() == [0, 1]


def test_groups_count_up_in_order_of_appearance():
    assert duplicate_groups(["b b b", "a a a", "b b b", "c c c", "a a a"]).tolist() == [0, 1, 0, 2, 1]


@given(TEXTS, st.randoms(use_true_random=False))
def test_the_order_of_texts_does_not_matter(texts, random):
    order = list(range(len(texts)))
    random.shuffle(order)
    rows = np.array(order, dtype=np.int64)
    one = as_sets(duplicate_groups(texts), np.arange(len(texts)))
    assert as_sets(duplicate_groups([texts[row] for row in order]), rows) == one


@given(TEXTS)
def test_a_lower_threshold_only_joins_groups(texts):
    fine, coarse = duplicate_groups(texts, threshold=0.7), duplicate_groups(texts, threshold=0.3)
    assert len(set(zip(fine.tolist(), coarse.tolist(), strict=True))) == len(set(fine.tolist()))


@settings(max_examples=20)
@given(TEXTS)
def test_hashing_never_joins_what_comparing_every_pair_does_not(texts):
    exact = duplicate_groups(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_is_small", lambda _: False)
        hashed = duplicate_groups(texts)
    assert len(set(zip(hashed.tolist(), exact.tolist(), strict=True))) == len(set(hashed.tolist()))


def test_hashing_finds_nearly_all_and_in_whatever_order(monkeypatch):
    texts = templates(2000)
    exact = duplicate_groups(texts)
    monkeypatch.setattr(module, "_is_small", lambda _: False)
    hashed = duplicate_groups(texts)
    assert 1600 == len(set(exact.tolist())) <= len(set(hashed.tolist())) <= 1602
    order = np.random.default_rng(0).permutation(len(texts))
    again = duplicate_groups([texts[row] for row in order])
    assert as_sets(again, order) == as_sets(hashed, np.arange(len(texts)))


def test_many_texts_are_compared_exactly_where_few_share_grams(monkeypatch):
    grams = module._grams(templates(500))
    monkeypatch.setattr(module, "EXACT_TEXTS", 100)
    assert module._is_small(grams)
    monkeypatch.setattr(module, "EXACT_PAIRS", 100)
    assert not module._is_small(grams)


@given(st.floats(0.05, 1.0))
def test_bands_find_a_pair_at_the_threshold(threshold):
    rows, bands = band_shape(threshold)
    assert rows * bands <= module.PERMUTATIONS
    assert (1 - threshold**rows) ** bands <= module.MISSED
    assert rows == module.PERMUTATIONS or (1 - threshold ** (rows + 1)) ** (128 // (rows + 1)) > module.MISSED


def test_nothing_has_no_groups():
    groups = duplicate_groups([])
    assert (groups.dtype, len(groups)) == (np.int64, 0)


@pytest.mark.parametrize(
    ("texts", "threshold", "message"),
    [
        ("one string", 0.5, "texts is one string"),
        (["a", None], 0.5, "row 2: the text is None: drop rows without a text first"),
        (["a"], 0.0, r"threshold is 0: give a Jaccard similarity in \(0, 1\]"),
        (["a"], 1.5, "threshold is 1.5"),
        (["a"], float("nan"), "threshold is nan"),
    ],
)
def test_what_cannot_be_grouped_is_named(texts, threshold, message):
    with pytest.raises(CorpusError, match=message):
        duplicate_groups(texts, threshold=threshold)


def rows_in_groups(n=600, seed=0, shares=(0.12, 0.6, 0.28)):
    """Rows whose groups are mostly single; one in ten has two to five rows, of any labels."""
    random = np.random.default_rng(seed)
    size = np.where(random.random(n) < 0.1, random.integers(2, 6, n), 1)
    groups = np.repeat(np.arange(n), size)[:n]
    return pd.DataFrame({"text": [f"t{row}" for row in range(n)], "label": random.choice(LABELS, n, p=shares)}), groups


@given(st.integers(0, 100), st.sampled_from([0.1, 0.15, 0.2, 0.3, 0.37, 0.4, 0.5]))
def test_a_split_keeps_groups_whole_and_the_share_of_each_label_to_the_row(seed, valid):
    rows, groups = rows_in_groups(seed=seed)
    train, held = group_split(rows.assign(group=groups), groups, valid=valid, seed=seed)
    assert not set(train["group"]) & set(held["group"])
    assert sorted(pd.concat([train, held])["text"]) == sorted(rows["text"])
    for label, count in rows["label"].value_counts().items():
        assert abs((held["label"] == label).sum() - valid * count) <= 1


@given(st.integers(0, 100), st.integers(2, 10))
def test_folds_are_level_in_every_label(seed, folds):
    rows, groups = rows_in_groups(seed=seed)
    fold = group_folds(rows, groups, folds=folds, seed=seed)
    assert pd.Series(fold).groupby(groups).nunique().max() == 1
    table = pd.crosstab(fold, rows["label"])
    assert table.shape == (folds, 3)
    assert (table.max() - table.min()).max() <= 3


def test_a_split_of_large_groups_only_is_near_the_share():
    labels = np.tile(LABELS, 100)
    rows = pd.DataFrame({"text": [f"t{row}" for row in range(300)], "label": labels})
    _, held = group_split(rows, np.arange(300) // 6, valid=0.3)
    assert held["label"].value_counts().tolist() == [30, 30, 30]


def test_rows_keep_their_order_and_the_order_does_not_choose():
    rows, groups = rows_in_groups()
    one = group_split(rows, groups, seed=3)[1]
    order = np.random.default_rng(1).permutation(len(rows))
    two = group_split(rows.iloc[order], groups[order] * 7 + 5, seed=3)[1]
    assert one["text"].tolist() == [text for text in rows["text"] if text in set(one["text"])]
    assert two["text"].tolist() == [text for text in rows["text"].iloc[order] if text in set(one["text"])]
    assert set(group_split(rows, groups, seed=4)[1]["text"]) != set(one["text"])


@pytest.mark.parametrize("valid", [0.0, -0.1, 0.6, float("nan")])
def test_a_share_that_makes_no_sense_is_named(valid):
    with pytest.raises(CorpusError, match=rf"valid is {valid:g}: give the share to hold out, in \(0, 0.5\]"):
        group_split(*rows_in_groups(), valid=valid)


def test_too_few_groups_are_refused():
    rows, groups = rows_in_groups(60)
    with pytest.raises(CorpusError, match="leaves .* without a row on one side: 60 rows in 1 groups"):
        group_split(rows, np.zeros(60, np.int64))
    with pytest.raises(CorpusError, match="leaves every label without"):
        group_split(rows[:0], groups[:0])
    with pytest.raises(CorpusError, match="59 groups for 60 rows"):
        group_split(rows, groups[:59])
    with pytest.raises(CorpusError, match="folds is 1:"):
        group_folds(rows, groups, folds=1)


def test_a_random_split_of_the_phrasebank_leaks_and_ours_does_not(real_data):
    bank = pd.read_parquet(real_data / "phrasebank.parquet")
    groups = duplicate_groups(list(bank["text"]))
    held = np.random.default_rng(0).random(len(bank)) < 0.2
    assert 0.05 < np.isin(groups[held], groups[~held]).mean() < 0.10
    train, valid = group_split(bank, groups, valid=0.2)
    assert len(valid) / len(bank) == pytest.approx(0.2, abs=0.001)
    apart = duplicate_groups([*train["text"], *valid["text"]])
    assert not set(apart[: len(train)]) & set(apart[len(train) :])
    assert np.bincount(groups).max() < 0.02 * len(bank)  # no group swallows the corpus


def test_where_words_have_no_blanks_pairs_of_characters_are_words():
    texts = [
        "北向资金净卖额达20亿元。",
        "北向资金净卖额达30亿元。",
        "西水股份：拟与三家公司设立三家合伙企业认购天安财险26.63亿股增发股",
        "前年と比較して来客数が減少している。",
        "来客数が減少している。",
        "求人数が増えている。",
        "利",
        "利 ",
    ]
    assert duplicate_groups(texts).tolist() == [0, 0, 1, 2, 2, 3, 4, 4]


@given(st.lists(st.text(st.characters(codec="latin-1")), max_size=8))
def test_a_run_of_such_characters_moves_no_other_text(texts):
    alone = duplicate_groups(texts)
    assert duplicate_groups([*texts, "掌趣科技遭股东大宗交易减持"])[:-1].tolist() == alone.tolist()
