"""Copies keep the label, the direction of every pair of amounts, and what they do not understand."""

import re
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.corpora.labelled import read_labelled
from nlp.errors import CorpusError
from nlp.training.techniques.augment import (
    NAMES,
    SYNONYMS,
    AugmentConfig,
    augment,
    changed,
    other_name,
    other_numbers,
    other_words,
)

ROWS = pd.DataFrame(
    [
        ("Operating profit rose to EUR 13.1 mn from EUR 8.7 mn in 2007 , 7.7 % of net sales .", "positive", 1),
        ("Talvik Oyj said the loss of Talvik grew to EUR 3 mn .", "negative", 2),
        ("The company is headquartered in Helsinki .", "neutral", 3),
        ("Nothing to change here", "neutral", 4),
    ],
    columns=["text", "label", "id"],
)  # fmt: skip
AMOUNT = re.compile(r"EUR (-?[\d,]*\.?\d+) (mn|bn)")
UNITS = {"mn": 10**6, "bn": 10**9}


def random(seed=0):
    return np.random.default_rng(seed)


def figures(text):
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\.?\d*", text)]


amounts = st.one_of(
    st.integers(0, 9999).map(str), st.integers(1000, 10**8).map(lambda n: f"{n:,}"),
    st.decimals("0.01", "999.99", places=2).map(str), st.decimals("0.1", "99.9", places=1).map(str),
)  # fmt: skip


# --- frames -----------------------------------------------------------------------------------------------------


def test_the_rows_come_first_as_they_were_and_copies_keep_label_and_columns():
    before = ROWS.copy(deep=True)
    out = augment(ROWS, AugmentConfig(copies=3))
    pd.testing.assert_frame_equal(ROWS, before)
    pd.testing.assert_frame_equal(out.loc[: len(ROWS) - 1, list(ROWS)], ROWS)
    assert out["augmented"].tolist() == [False] * len(ROWS) + [True] * (len(out) - len(ROWS))
    copies = out[out["augmented"]].merge(ROWS, on="id", suffixes=("", "_before"))
    assert len(copies) >= 5
    assert (copies["label"] == copies["label_before"]).all()
    assert (copies["text"] != copies["text_before"]).all()
    assert out["text"].is_unique
    assert out["augmented"].dtype == bool
    assert out["text"].dtype == ROWS["text"].dtype


def test_a_text_that_nothing_can_be_changed_in_has_no_copy():
    out = augment(ROWS, AugmentConfig(copies=5))
    assert (out["id"] == 4).sum() == 1


@given(st.permutations(range(len(ROWS))), st.integers(0, 5))
def test_a_rows_copies_do_not_depend_on_the_rows_around_it(order, seed):
    config = AugmentConfig(copies=2, seed=seed)
    straight = augment(ROWS, config)
    turned = augment(ROWS.iloc[order], config)
    assert set(map(tuple, straight.to_numpy())) == set(map(tuple, turned.to_numpy()))
    alone = augment(ROWS.iloc[[order[0]]], config)
    assert set(alone["text"]) == set(straight.loc[straight["id"] == alone["id"][0], "text"])


def test_the_seed_decides():
    one, again, other = (augment(ROWS, AugmentConfig(copies=2, seed=seed)) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert set(one["text"]) != set(other["text"])


def test_the_same_in_every_process():
    copy = changed(ROWS["text"][1], AugmentConfig(), random(7))
    assert copy == "Uskela Oyj stated the loss of Uskela grew to EUR 5 mn ."


def test_no_copies_asked_for_gives_the_rows():
    out = augment(ROWS, AugmentConfig(copies=0))
    pd.testing.assert_frame_equal(out.drop(columns="augmented"), ROWS)
    nothing = AugmentConfig(copies=2, numbers=0.0, names=0.0, synonyms=0.0)
    assert len(augment(ROWS, nothing)) == len(ROWS)


def test_no_copy_equals_a_held_out_text_numbers_and_case_aside():
    held = ["the FIRM is headquartered in Helsinki"]
    free = augment(ROWS, AugmentConfig(copies=20))
    guarded = augment(ROWS, AugmentConfig(copies=20), held_out=held)
    assert "The firm is headquartered in Helsinki ." in set(free["text"])
    assert set(free["text"]) - set(guarded["text"]) == {"The firm is headquartered in Helsinki ."}


def test_a_training_text_that_is_held_out_is_refused():
    with pytest.raises(
        CorpusError, match="1 training texts are held out, the first is 'The company is head.*split first"
    ):
        augment(ROWS, held_out=[ROWS["text"][2]])


def test_rows_augmented_before_are_refused():
    with pytest.raises(CorpusError, match="column augmented"):
        augment(augment(ROWS))


def test_a_missing_column_is_named():
    with pytest.raises(CorpusError, match="has no column label"):
        augment(ROWS.drop(columns="label"))


@pytest.mark.parametrize(
    "wrong", [{"copies": -1}, {"numbers": 1.5}, {"names": -0.1}, {"synonyms": float("nan")}, {"widest": 0.5},
              {"widest": 100.0}], ids=str,
)  # fmt: skip
def test_settings_that_make_no_sense_are_named(wrong):
    with pytest.raises(CorpusError, match=next(iter(wrong))):
        augment(ROWS, replace(AugmentConfig(), **wrong))


def test_no_rows_give_no_rows():
    assert augment(ROWS.head(0)).empty


# --- numbers ----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(amounts, st.sampled_from(["mn", "bn"])), min_size=1, max_size=5), st.integers(0, 50))
def test_every_pair_of_amounts_keeps_its_direction(drawn, seed):
    text = " then ".join(f"EUR {number} {scale}" for number, scale in drawn)
    new = other_numbers(text, random(seed))
    before, after = AMOUNT.findall(text), AMOUNT.findall(new)
    assert [scale for _, scale in before] == [scale for _, scale in after]
    assert AMOUNT.sub("#", text) == AMOUNT.sub("#", new)
    old, now = (
        [Decimal(number.replace(",", "")) * UNITS[scale] for number, scale in found] for found in (before, after)
    )
    for i in range(len(old)):
        assert (old[i] == 0) == (now[i] == 0)
        for j in range(i):
            assert np.sign(old[i] - old[j]) == np.sign(now[i] - now[j])


def test_units_count_when_amounts_are_compared():
    for seed in range(50):
        new = other_numbers("down to EUR 999.9 mn from EUR 1.0 bn", random(seed))
        millions, billions = figures(new)
        assert millions < 1000 * billions, new


@given(st.decimals("20", "999", places=2), st.decimals("20", "999", places=2), st.integers(0, 50))
def test_one_factor_for_all(one, two, seed):
    new = figures(other_numbers(f"to EUR {one} mn from EUR {two} mn", random(seed)))
    assert new[0] / new[1] == pytest.approx(float(one) / float(two), rel=2e-3)
    assert 0.5 - 1e-2 <= new[0] / float(one) <= 2.0 + 1e-2


@given(st.lists(st.decimals("0.1", "250", places=1), min_size=1, max_size=3), st.integers(0, 50))
def test_percentages_alone_keep_direction_and_side(shares, seed):
    new = figures(other_numbers(" then ".join(f"{share} %" for share in shares), random(seed)))
    old = [float(share) for share in shares]
    for limit in (50.0, 100.0, 0.0, *old):
        images = [limit, *(new[i] for i in range(len(old)) if old[i] == limit)][-1]
        assert [np.sign(a - limit) for a in old] == [np.sign(b - images) for b in new]


@pytest.mark.parametrize(
    "text",
    [
        "Profit rose to EUR 13.1 mn from 8.7",  # an amount whose unit is not named
        "EUR 8-9 mn", "EUR 8.5-9.5 mn", "EUR -2.1 mn", "EUR 1 000 mn", "EUR 13,1 mn", "EUR0 .98", "EUR 2.5/3 mn",
        "from two million to EUR 3 million",  # in words
        "a quarter of a million euros , up from EUR 2 mn",
        "850 people and EUR 10 mn", "in phase 2 at EUR 3 mn", "Nokia 6131 for EUR 200", "a 12-month loan of EUR 2 mn",
        "up 0.5 percentage points to 3 %", "3-4 %", "sold EUR120m", "at 10:30 for EUR 5 mn", "on 7.2.2007 for EUR 5 mn",
        "in the first half", "in 2007", "on March 31 , 2008", "",
    ],
)  # fmt: skip
def test_what_is_not_clear_is_left_alone(text):
    assert {other_numbers(text, random(seed)) for seed in range(20)} == {text}


@pytest.mark.parametrize(
    "text",
    [
        "profit of EUR 13.1 mn", "profit of 13.1 mln euro ( $ 17.2 mln )", "worth $25 million", "worth 2.5 bn dollars",
        "EUR 1,012,945.50 in all", "sold USD 680,000 on March 31 , 2007", "an order of 300 million in 2009",
        "sales grew 15 % in 2007", "up 3.5 percent", "EUR30mn", "sales of \u20ac5 billion",
    ],
)  # fmt: skip
def test_what_is_clear_is_changed(text):
    new = {other_numbers(text, random(seed)) for seed in range(20)}
    assert len(new) > 3
    blank = re.compile(r"(?<![\d,.])\d[\d,]*(?:\.\d+)?")
    assert {blank.sub("#", each) for each in new} == {blank.sub("#", text)}


def test_years_dates_and_percentages_beside_amounts_stay():
    text = "On March 31 , 2008 sales were EUR 20 mn , up 25 % from EUR 16 mn in 2007"
    new = other_numbers(text, random(3))
    assert new != text
    for kept in ("March 31 , 2008", "25 %", "in 2007"):
        assert kept in new


def test_two_amounts_that_rounding_would_make_equal_are_left_apart():
    for seed in range(50):
        first, second = figures(other_numbers("from EUR 4 mn to EUR 5 mn", random(seed)))
        assert first < second


# --- names ------------------------------------------------------------------------------------------------------


def test_the_company_is_another_one_throughout():
    new = other_name("Talvik Oyj said Talvik 's profit rose , TALVIKA fell", random())
    assert new == "Talvik Oyj said Talvik 's profit rose , TALVIKA fell"  # part of a longer word: left as it is
    new = other_name("Talvik Oyj said Talvik 's profit rose", random())
    name = new.split()[0]
    assert name in NAMES
    assert new == f"{name} Oyj said {name} 's profit rose"


@pytest.mark.parametrize("text", ["Alma Media Corporation sells", "Westend ICT Plc s shares", "M-real Corp. fell"])
def test_names_of_several_words_are_known_by_their_legal_form(text):
    new = other_name(text, random())
    assert new.split()[0] in NAMES
    assert new.split()[1:] == text.split()[-len(new.split()) + 1 :]


@pytest.mark.parametrize(
    "text",
    [
        "Net Sales rose", "Operating Profit AB", "The Talvik Oyj said", "Finnish Talvik Oyj said", "talvik Oyj said",
        "Shares of Talvik Oyj fell", "Talvik said", "Talvik Oyjs", "Talvik Media Oyj said Media sales fell",
        "Finland-based Talvik Oyj said", "", "Talvik A/Sx",
    ],
)  # fmt: skip
def test_what_may_be_no_name_is_left_alone(text):
    assert {other_name(text, random(seed)) for seed in range(20)} == {text}


def test_invented_names_are_distinct_and_no_neutral_words():
    assert len(set(NAMES)) == len(NAMES) >= 40
    assert not {name.lower() for name in NAMES} & set(SYNONYMS)


# --- words ------------------------------------------------------------------------------------------------------


def test_words_of_the_list_change_and_capitals_stay():
    assert other_words("Company said the company said", random(), 1.0) == "Firm stated the firm stated"
    assert other_words("said", random(), 0.0) == "said"


@pytest.mark.parametrize("text", ["Kemira Company", "COMPANY", "holding-company", "companys", "unsaid"])
def test_parts_of_names_and_of_words_stay(text):
    assert other_words(text, random(), 1.0) == text


def test_each_word_of_its_own_chance():
    words = other_words("said " * 2000, random(), 0.3).split()
    assert words.count("stated") / len(words) == pytest.approx(0.3, abs=0.05)


def test_no_synonym_is_the_word_itself_or_carries_numbers():
    for word, others in SYNONYMS.items():
        assert word == word.lower()
        assert others
        assert word not in others
        assert not re.search(r"\d", " ".join(others))


# --- real texts -------------------------------------------------------------------------------------------------


def test_on_phrasebank_a_third_of_the_texts_change_and_no_direction_does(real_data):
    rows = read_labelled(real_data / "phrasebank.parquet").rename_axis("row").reset_index()
    assert augment(rows)["augmented"].sum() > len(rows) / 3
    out = augment(rows, AugmentConfig(names=0.0, synonyms=0.0))
    copies = out[out["augmented"]].merge(rows, on="row", suffixes=("", "_before"))
    assert len(copies) > 500
    assert (copies["label"] == copies["label_before"]).all()
    for text, before in zip(copies["text"], copies["text_before"], strict=True):
        pairs = [(old, new) for old, new in zip(figures(before), figures(text), strict=True) if old != new]
        assert pairs
        assert sorted(pairs) == sorted(pairs, key=lambda pair: pair[::-1]), (before, text)
