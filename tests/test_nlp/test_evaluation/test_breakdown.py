"""Figures by part, and the scorecard, against scikit-learn and by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from nlp.errors import CorpusError
from nlp.evaluation.breakdown import MOST_PARTS, breakdown, breakdowns, length_quarter, scorecard
from nlp.labels import LABELS


def drawn(seed, n=300):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet([0.7] * 3, n).astype(np.float32)
    codes = [random.choice(3, p=row / row.sum()) for row in probabilities.astype(np.float64)]
    return probabilities, pd.Series(np.array(LABELS)[codes])


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_parts_have_the_figures_of_their_rows(seed):
    probabilities, labels = drawn(seed)
    band = pd.Series(np.random.default_rng(seed).choice([50, 66, 100], 300), name="agree")
    table = breakdown(probabilities, labels, band)
    assert table.index.tolist() == [50, 66, 100, "(all)"]
    assert table.index.name == "agree"
    assert table["n"].tolist() == [*band.value_counts().sort_index(), 300]
    guess = np.array(LABELS)[probabilities.argmax(axis=1)]
    for value, row in table.iterrows():
        inside = (band == value).to_numpy() | (value == "(all)")
        assert row["accuracy"] == pytest.approx(metrics.accuracy_score(labels[inside], guess[inside]))
        expected = metrics.f1_score(labels[inside], guess[inside], labels=LABELS, average="macro", zero_division=0)
        assert row["macro_f1"] == pytest.approx(expected)
        for name in ("accuracy", "macro_f1"):
            assert 0 <= row[f"{name}_low"] <= row[name] <= row[f"{name}_high"] <= 1


def test_by_hand():
    probabilities = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    labels = pd.Series(["negative", "neutral", "positive", "positive"])
    table = breakdown(probabilities, labels, pd.Series(["a", "a", None, "b"]))
    assert table.index.tolist() == ["a", "b", "(none)", "(all)"]
    assert table["accuracy"].tolist() == [1.0, 0.0, 1.0, 0.75]
    assert table.loc["a", "macro_f1"] == pytest.approx(2 / 3)  # no positive text: its F1 counts as 0
    assert table.loc["(all)", "macro_f1"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert table.loc["a", ["accuracy_low", "accuracy_high"]].tolist() == [1.0, 1.0]


def test_the_order_of_rows_and_the_index_do_not_matter():
    probabilities, labels = drawn(0)
    band, groups = pd.Series(np.arange(300) % 3), np.arange(300) // 2
    order = np.random.default_rng(0).permutation(300)
    one = breakdown(probabilities, labels, band, groups=groups)
    two = breakdown(probabilities[order], labels.iloc[order], band.iloc[order], groups=groups[order])
    pd.testing.assert_frame_equal(one, two)
    pd.testing.assert_frame_equal(
        scorecard(probabilities, labels, groups=groups),
        scorecard(probabilities[order], labels.iloc[order], groups=groups[order]),
    )


def test_repeats_in_groups_do_not_narrow_the_intervals():
    probabilities, labels = drawn(0)
    times = np.repeat(np.arange(300), 3)
    repeated, everywhere = (probabilities[times], labels.iloc[times]), pd.Series(["x"] * 900)
    once = breakdown(probabilities, labels, everywhere[:300])
    grouped = breakdown(*repeated, everywhere, groups=times)
    assert (grouped["n"] == 900).all()
    pd.testing.assert_frame_equal(grouped.drop(columns="n"), once.drop(columns="n"))
    loose = breakdown(*repeated, everywhere)
    width = [frame.loc["x", "accuracy_high"] - frame.loc["x", "accuracy_low"] for frame in (grouped, loose)]
    assert width[1] < 0.7 * width[0]
    pd.testing.assert_frame_equal(scorecard(*repeated, groups=times), scorecard(probabilities, labels))


def test_lengths_come_in_quarters_named_by_their_words():
    texts = pd.Series(["w " * n for n in range(1, 101)])
    quarter = length_quarter(texts)
    assert quarter.value_counts().tolist() == [25] * 4
    assert sorted(set(quarter)) == ["  1 to  25 words", " 26 to  50 words", " 51 to  75 words", " 76 to 100 words"]
    assert length_quarter(pd.Series(["a b", "c d"])).tolist() == ["2 to 2 words"] * 2


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60))
def test_texts_of_one_length_share_a_quarter(lengths):
    words = pd.Series(lengths)
    quarter = length_quarter(words.map(lambda n: " ".join(["w"] * n)))
    assert quarter.notna().all()
    assert words.groupby(quarter.to_numpy()).agg(["min", "max"]).to_numpy().ravel().tolist() == [
        int(part) for name in sorted(set(quarter)) for part in name.replace(" words", "").split(" to ")
    ]
    assert quarter.groupby(words.to_numpy()).nunique().max() == 1


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_the_scorecard_is_that_of_scikit_learn(seed):
    probabilities, labels = drawn(seed)
    card = scorecard(probabilities, labels)
    guess = np.array(LABELS)[probabilities.argmax(axis=1)]
    each = metrics.precision_recall_fscore_support(labels, guess, labels=LABELS, zero_division=0)
    names = [f"{figure} {label}" for figure in ("precision", "recall", "f1") for label in LABELS]
    assert card.loc[names, "value"].tolist() == pytest.approx(np.concatenate(each[:3]).tolist())
    assert card.loc["mcc", "value"] == pytest.approx(metrics.matthews_corrcoef(labels, guess))
    one_against_all = [
        metrics.brier_score_loss(labels == label, probabilities[:, code]) for code, label in enumerate(LABELS)
    ]
    assert card.loc["brier", "value"] == pytest.approx(sum(one_against_all), rel=1e-5)
    assert (card["low"] <= card["value"]).all()
    assert (card["value"] <= card["high"]).all()
    assert card.index.tolist() == ["brier", "mcc", *names]


def test_a_perfect_and_a_constant_scorecard():
    labels = pd.Series([*LABELS] * 10)
    perfect = scorecard(np.eye(3, dtype=np.float32)[[0, 1, 2] * 10], labels)["value"]
    assert perfect["brier"] == 0.0
    assert (perfect.drop("brier") == 1.0).all()
    constant = scorecard(np.full((30, 3), 1 / 3, dtype=np.float32), labels)["value"]
    assert constant["mcc"] == 0.0
    assert constant["brier"] == pytest.approx(2 / 3)
    assert constant["precision positive"] == 0.0


def test_breakdowns_are_by_every_band_that_there_is():
    probabilities, labels = drawn(0, 60)
    rows = pd.DataFrame({"text": ["profit " * (1 + n % 7) for n in range(60)], "label": labels})
    assert list(breakdowns(probabilities, rows)) == ["length"]
    agree = [50.0, 66.0, None] * 20
    found = breakdowns(probabilities, rows.assign(agree=agree, source=["wire", ["a"]] * 30, corpus="x"))
    assert list(found) == ["agree", "source", "corpus", "length"]
    assert found["agree"].index.tolist() == [50.0, 66.0, "(none)", "(all)"]
    assert found["source"].index.tolist() == ["['a']", "wire", "(all)"]
    for table in found.values():
        assert table["n"].iloc[:-1].sum() == table.loc["(all)", "n"] == 60
    alone = breakdown(probabilities, labels, pd.Series(agree, name="agree"))
    pd.testing.assert_frame_equal(found["agree"], alone)


def test_rare_sources_stand_together():
    probabilities, labels = drawn(0, 100)
    sources = pd.Series([f"s{min(n, 60)}" for n in range(100)], name="source")
    rows = pd.DataFrame({"text": "a b c", "label": labels, "source": sources})
    table = breakdowns(probabilities, rows)["source"]
    assert len(table) == MOST_PARTS + 1
    assert table.loc["s60", "n"] == 40
    assert table.loc["(others)", "n"] == 60 - (MOST_PARTS - 2)


def test_lengths_that_differ_are_named():
    probabilities, labels = drawn(0, 5)
    with pytest.raises(CorpusError, match="4 values to break down by for 5 texts"):
        breakdown(probabilities, labels, pd.Series(["a"] * 4))
    with pytest.raises(CorpusError, match="4 groups for 5 rows"):
        scorecard(probabilities, labels, groups=[0] * 4)


def test_disagreed_sentences_of_the_phrasebank_are_the_harder_ones(real_data):
    from nlp.evaluation.baselines import read_word_list

    bank = pd.read_parquet(real_data / "phrasebank.parquet")
    words = read_word_list(real_data / "loughran_mcdonald_2014.csv")
    table = breakdown(words.predict_proba(list(bank["text"])), bank["label"], bank["agree"])
    assert table.index.tolist() == [50, 66, 75, 100, "(all)"]
    assert table.loc[50, "accuracy_high"] < table.loc[100, "accuracy_low"]
