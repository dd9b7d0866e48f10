"""One assessment agrees with its parts, prints itself for people and goes through JSON."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.errors import CorpusError
from nlp.evaluation.assessment import assess, part_name, part_names, worst_mistakes
from nlp.evaluation.breakdown import breakdowns
from nlp.evaluation.compare import compare
from nlp.evaluation.evaluate import evaluate_probabilities
from nlp.evaluation.output.tables import LONGEST_NAME, WIDTH, ends, number, p_value
from nlp.labels import LABELS
from nlp.texts.near_duplicates import duplicate_groups

SENTENCE = "the mill pays more for grain than it did a year ago as rain kept barges away from most of its piers"


def corpus(n=120):
    """Texts of which every third is a near-duplicate of the one before."""
    random = np.random.default_rng(0)
    texts = [" ".join(random.permutation(SENTENCE.split())[: random.integers(5, 20)]) for _ in range(n)]
    texts = [f"{texts[row - 1]}!" if row % 3 == 2 else text for row, text in enumerate(texts)]
    return pd.DataFrame(
        {"text": texts, "label": random.choice(LABELS, n), "agree": random.choice([50, 75, 100], n), "source": "wire"}
    )


def probabilities(seed, rows, skill=2.0):
    codes = [LABELS.index(label) for label in rows["label"]]
    logits = np.random.default_rng(seed).normal(size=(len(rows), 3)) + skill * np.eye(3)[codes]
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


ROWS = corpus()
FIRST, SECOND, BASE = (probabilities(seed, ROWS, skill) for seed, skill in ((0, 2.5), (1, 1.0), (2, 0.0)))


@pytest.fixture(scope="module")
def found():
    return assess("ours", FIRST, ROWS, against={"theirs": SECOND}, baselines={"guess": BASE}, notes=["Mind the gap."])


def test_an_assessment_agrees_with_its_parts(found):
    groups = duplicate_groups(list(ROWS["text"]))
    assert found.evaluation.groups == len(set(groups)) <= 80
    assert [name for name, _ in found.evaluations] == ["ours", "theirs", "guess"]
    for (_, evaluation), theirs in zip(found.evaluations, (FIRST, SECOND, BASE), strict=True):
        alone = evaluate_probabilities(theirs, ROWS["label"], groups=groups)
        assert evaluation.to_dict() == alone.to_dict()
    for (_, rival), theirs in zip(found.rivals, (SECOND, BASE), strict=True):
        assert rival.comparison == compare(FIRST, theirs, ROWS["label"], groups=groups)
    tables = breakdowns(FIRST, ROWS, groups=groups)
    assert list(found.breakdown) == list(tables) == ["agree", "source", "length"]
    for name, table in tables.items():
        pd.testing.assert_frame_equal(found.breakdown[name], table)


def test_the_figures_of_the_main_model_stand_at_the_top_of_the_json(found):
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["model"] == "ours"
    assert plain["accuracy"] == found.evaluation.accuracy
    assert plain["mcc_interval"] == list(found.evaluation.mcc_interval)
    assert set(plain["breakdown"]["agree"]) == {"50", "75", "100", "(all)"}
    assert plain["breakdown"]["source"]["wire"]["n"] == 120
    assert plain["breakdown"]["agree"]["(all)"]["accuracy"] == pytest.approx(plain["accuracy"])
    low, high = plain["breakdown"]["agree"]["50"]["macro_f1_interval"]
    assert low < plain["breakdown"]["agree"]["50"]["macro_f1"] < high
    assert set(plain["baselines"]) == {"guess"}
    assert plain["baselines"]["guess"]["comparison"]["accuracy"]["first"] == plain["accuracy"]
    assert plain["comparison"]["against"] == "theirs"
    assert plain["comparison"]["accuracy"]["second"] == plain["comparison"]["figures"]["accuracy"]
    assert plain["notes"] == ["Mind the gap."]


def test_without_others_there_is_nothing_to_compare_with():
    alone = assess("ours", FIRST, ROWS)
    assert alone.to_dict()["baselines"] == {}
    assert alone.to_dict()["comparison"] is None
    assert "McNemar" not in str(alone)


def test_it_prints_tables_for_people(found):
    printed = str(found)
    low, high = found.evaluation.accuracy_interval
    for part in (
        "120 texts in", "accuracy", "macro-F1", "MCC", "Brier", "ECE", "Calibration error 0.", "once in twenty times",
        ends(low, high), "ours less each other", "theirs", "guess", "per label", "precision", "confusion: texts of",
        "by agreement of the annotators", "by source", "by length", "- Mind the gap.",
    ):  # fmt: skip
        assert part in printed
    assert max(map(len, printed.splitlines())) <= WIDTH + 10
    assert not [line for line in printed.splitlines() if line != line.rstrip()]


def test_a_model_of_the_name_of_a_rival_stands_beside_it():
    both = assess("same", FIRST, ROWS, against={"same": FIRST}, baselines={"same": BASE})
    assert [name for name, _ in both.evaluations] == ["same"] * 3
    assert both.to_dict()["comparison"]["accuracy"]["difference"] == 0.0


def test_the_end_of_a_long_name_is_shown():
    printed = str(assess("/a/very/long/way/down/to/the/folder/of/a/model", FIRST, ROWS))
    assert f"…{'/a/very/long/way/down/to/the/folder/of/a/model'[1 - LONGEST_NAME :]}" in printed


def test_mistakes_are_the_surest_wrong_guesses():
    mistakes = worst_mistakes(SECOND, ROWS, most=7)
    guess = SECOND.argmax(axis=1)
    truth = np.array([LABELS.index(label) for label in ROWS["label"]])
    sure = np.sort(SECOND.max(axis=1)[guess != truth])[::-1]
    assert mistakes["confidence"].tolist() == sure[:7].tolist()
    assert (mistakes["truth"] != mistakes["guess"]).all()
    row = mistakes.iloc[0]
    place = ROWS.index[(ROWS["text"] == row["text"]) & (SECOND.max(axis=1) == row["confidence"])][0]
    assert row["truth"] == ROWS.loc[place, "label"]
    assert row["given_truth"] == SECOND[place, truth[place]]
    assert worst_mistakes(np.eye(3, dtype=np.float32)[truth], ROWS).empty


def test_parts_of_few_texts_are_named():
    few = ROWS.assign(source=["wire"] * 110 + ["press"] * 10)
    assert "intervals are too narrow: source press" in " ".join(str(assess("ours", FIRST, few)).split())


def test_notes_of_a_rival_are_told_once_with_its_name():
    constant = np.tile(np.float32([0.2, 0.5, 0.3]), (120, 1))
    printed = str(assess("ours", FIRST, ROWS, baselines={"majority": constant}))
    assert printed.count("- majority: No guess is negative or positive") == 1


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(-0.0004), "0.000"),
        (number(-0.25), "−0.250"),
        (ends(0.8421, 0.88), ".842 to .880"),
        (ends(-0.031, 1.0), "−.031 to 1.000"),
        (ends(0.99999, 1.25), "1.000 to 1.250"),
        (p_value(0.0), "< 0.0001"),
        (p_value(0.0312), "0.031"),
        (part_name(50.0), "50"),
        (part_name(" 6 to 16 words"), "6 to 16 words"),
    ],
)
def test_numbers_as_people_read_them(shown, expected):
    assert shown == expected


def test_parts_that_differ_in_a_blank_or_a_late_digit_are_all_in_the_json():
    for parts in (["A", "A "], [1234567.0, 1234568.0]):
        rows = ROWS.assign(source=[parts[0]] * 70 + [parts[1]] * 50)
        plain = assess("ours", FIRST, rows).to_dict()["breakdown"]["source"]
        assert {name: part["n"] for name, part in plain.items()} == {str(parts[0]): 70, str(parts[1]): 50, "(all)": 120}


@given(st.lists(st.text("A \t", max_size=3) | st.floats(allow_nan=False), unique=True))
def test_no_two_parts_share_a_name_unless_they_are_written_alike(parts):
    distinct = list({str(part): part for part in parts}.values())
    assert len(set(part_names(distinct))) == len(distinct)


def test_what_cannot_be_assessed_is_refused():
    with pytest.raises(CorpusError, match="no column label"):
        assess("ours", FIRST, ROWS[["text"]])
    with pytest.raises(CorpusError, match="probabilities are 3 × 3, needed are 120 × 3"):
        assess("ours", FIRST, ROWS, against={"theirs": SECOND[:3]})
