"""Labelled texts: labels, contradictions, and a split that does not leak."""

import logging
import random
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfolio.shared.tables import write_table
from nlp.corpora.formats import read_corpus
from nlp.corpora.labelled import embedded_corpus, read_labelled, split
from nlp.errors import CorpusError
from nlp.labels import LABELS, label_codes
from nlp.texts.near_duplicates import duplicate_groups, normalised


def labelled(*rows):
    return pd.DataFrame(rows, columns=["text", "label"])


def near_repeats(per_label=40, copies=3):
    """`per_label` sentences per label, each in `copies` versions that differ in a number and in case."""
    letters = random.Random(0)  # noqa: S311 - words, not secrets
    rows = []
    for label in LABELS:
        for _ in range(per_label):
            words = " ".join("".join(letters.choices("abcdefgh", k=6)) for _ in range(3))
            rows += [
                (f"{words} {n * 7} percent".swapcase() if n % 2 else f"{words} {n} percent", label)
                for n in range(copies)
            ]
    return labelled(*rows)


def test_labels_are_mapped_whatever_their_case_and_spaces():
    read = read_labelled(labelled(("a", " Positive "), ("b", "BEARISH"), ("c", "neutral"), ("d", "Bullish")))
    assert read["label"].tolist() == ["positive", "negative", "neutral", "positive"]


def test_a_label_map_of_ones_own_is_used():
    read = read_labelled(labelled(("a", 0), ("b", 2)), label_map={"0": "negative", "2": "positive"})
    assert read["label"].tolist() == ["negative", "positive"]


@pytest.mark.parametrize(
    ("labels", "label_map"),
    [
        ((0, 2), {0: "negative", 2: "positive"}),
        (("Down", "Up"), {"Down": "negative", "Up": "positive"}),
        ((0.0, 1.0), {0: "negative", 1: "positive"}),
    ],
)
def test_keys_of_a_label_map_may_be_numbers_or_capitals(labels, label_map):
    read = read_labelled(labelled(("a", labels[0]), ("b", labels[1])), label_map=label_map)
    assert read["label"].tolist() == ["negative", "positive"]


def test_a_label_map_to_something_else_is_refused():
    with pytest.raises(CorpusError, match="label_map leads to bullish: map to negative, neutral, positive"):
        read_labelled(labelled(("a", "up")), label_map={"up": "bullish"})


def test_an_unknown_label_is_named_with_its_row_and_the_known_ones():
    message = r"row 2: label 'good' is not known; known are negative, neutral, positive, .*label_map \(2 such rows\)"
    with pytest.raises(CorpusError, match=message):
        read_labelled(labelled(("a", "neutral"), ("b", "good"), ("c", "bad")))


def test_a_missing_label_is_named_with_its_row():
    with pytest.raises(CorpusError, match="row 2: label nan is not known"):
        read_labelled(labelled(("a", "neutral"), ("b", None)))


@pytest.mark.parametrize("index", [[10, 20], ["x", "y"]])
def test_the_row_is_counted_whatever_the_index(index):
    with pytest.raises(CorpusError, match="row 2: label 'good'"):
        read_labelled(labelled(("a", "neutral"), ("b", "good")).set_index(pd.Index(index)))


def test_repeats_texts_without_words_and_contradictions_are_dropped_and_counted(caplog):
    rows = labelled(
        ("same", "neutral"), ("same", "neutral"), (" ", "neutral"), (None, "neutral"), (5, "neutral"),
        ("tie", "neutral"), ("tie", "positive"),
        ("vote", "negative"), ("vote", "positive"), ("vote", "positive"),
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        kept = read_labelled(rows)
    assert kept.to_numpy().tolist() == [["same", "neutral"], ["vote", "positive"]]
    assert (
        "the frame: 10 rows read, 2 kept; dropped: 3 without text, 2 exact repeats, "
        "1 with a minority label of their text, 2 of texts whose labels tie\n"
    ) in caplog.text


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(LABELS)), min_size=1, max_size=30),
    st.randoms(),
)
def test_the_label_of_a_text_is_its_commonest_in_whatever_order(rows, rng):
    votes = {text: [label for other, label in rows if other == text] for text, _ in rows}
    ranked = {text: sorted(LABELS, key=given_labels.count, reverse=True) for text, given_labels in votes.items()}
    expected = {
        text: best for text, (best, second, _) in ranked.items() if votes[text].count(best) > votes[text].count(second)
    }
    shuffled = rng.sample(rows, len(rows))
    if not expected:
        with pytest.raises(CorpusError, match="holds no labelled text"):
            read_labelled(labelled(*shuffled))
    else:
        assert dict(read_labelled(labelled(*shuffled)).to_numpy().tolist()) == expected


def test_other_columns_and_the_order_are_kept():
    rows = labelled(("b", "neutral"), ("a", "positive")).assign(kind=["x", "y"])
    assert read_labelled(rows)["kind"].tolist() == ["x", "y"]


def test_the_other_columns_are_those_of_a_row_that_bears_the_label():
    rows = labelled(("a", "neutral"), ("a", "positive"), ("a", "positive")).assign(agree=[100, 66, 75])
    assert read_labelled(rows).to_numpy().tolist() == [["a", "positive", 66]]


def test_one_class_is_read_as_it_is():
    rows = labelled(("a", "neutral"), ("b", "neutral"))
    assert read_labelled(rows).equals(rows)


def test_categories_are_read_as_words_are():
    rows = labelled(("a", "Bearish"), (None, "negative"), ("b", "negative"), ("a", "negative"))
    read = read_labelled(rows.astype({"text": "category", "label": "category"}))
    assert read.astype(str).to_numpy().tolist() == [["a", "negative"], ["b", "negative"]]


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda name: name.strip() == name and name not in ("text", "label", "n")
)


@given(st.lists(names, min_size=2, max_size=2, unique=True))
def test_columns_of_any_name_are_read_as_text_and_label(name):
    rows = labelled(("b", "Neutral"), ("a", "positive")).assign(n=[1, 2])
    renamed = rows.rename(columns={"text": name[0], "label": name[1]})
    assert read_labelled(renamed, text=name[0], label=name[1]).equals(read_labelled(rows))


def test_the_names_may_change_places():
    rows = pd.DataFrame({"text": ["neutral"], "label": ["a"]})
    assert read_labelled(rows, text="label", label="text").to_dict("records") == [{"label": "neutral", "text": "a"}]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_headlines_that_are_numbers_stay_words_in_columns_of_any_name(tmp_path, ending):
    path = write_table(pd.DataFrame({"headline": ["2014", "007"], "mood": ["1", "0"]}), tmp_path / f"rows.{ending}")
    read = read_labelled(path, text="headline", label="mood", label_map={0: "negative", 1: "positive"})
    assert read.to_numpy().tolist() == [["2014", "positive"], ["007", "negative"]]


@pytest.mark.parametrize(
    ("columns", "text", "label", "message"),
    [
        (["text", "title", "label"], "title", "label", "has a column text as well as title, which is read as text"),
        (["text", "label", "mood"], "text", "mood", "has a column label as well as mood, which is read as label"),
        (["text", "label"], "title", "label", r"has no column title \(it has text, label\)"),
        (["text", "label"], "text", "text", "text and label are both to be the column text: name two columns"),
        (["text", "text", "label"], "text", "label", "has the column text twice"),
    ],
)
def test_names_that_do_not_fit_are_refused(columns, text, label, message):
    rows = pd.DataFrame([["a", "neutral", "neutral"][: len(columns)]], columns=columns)
    with pytest.raises(CorpusError, match=f"the frame: {message}"):
        read_labelled(rows, text=text, label=label)


def test_corpora_below_each_other_keep_their_columns_and_their_near_copies_on_one_side():
    bank = near_repeats(per_label=20, copies=2).assign(agree=75)
    tweets = bank[["text", "label"]].assign(text=bank["text"].str.upper(), source="tweet")
    both = pd.concat([bank, tweets])  # with an index that names each row twice
    train, valid = split(read_labelled(both), valid=0.25)
    assert not set(train["text"].map(normalised)) & set(valid["text"].map(normalised))
    assert list(train.columns) == ["text", "label", "agree", "source"]
    read = pd.concat([train, valid])
    assert (read["agree"].isna() == read["source"].notna()).all()
    assert sorted(read["text"]) == sorted(set(both["text"]))


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_every_format_is_read_the_same(tmp_path, ending):
    rows = labelled(("NA", "neutral"), ('None, "quoted"\nline', "positive"), ("£5", "negative"))
    assert read_labelled(write_table(rows, tmp_path / f"rows.{ending}")).equals(read_labelled(rows))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            pd.DataFrame({"sentence": ["a"], "label": ["neutral"]}),
            r"the frame: has no column text \(it has sentence, label\)",
        ),
        (pd.DataFrame({"text": ["a"]}), r"the frame: has no column label \(it has text\): rename or add it"),
        (
            pd.DataFrame({"text": [1, 2], "label": "neutral"}),
            "the column text holds numbers: name the column of sentences text",
        ),
        (pd.DataFrame({"text": [], "label": []}), "the frame: holds no labelled text"),
        (pd.DataFrame({"text": [" ", None], "label": "neutral"}), "the frame: holds no labelled text"),
        ("/nowhere/rows.csv", "/nowhere/rows.csv: no such file"),
    ],
)
def test_what_cannot_be_used_is_named(table, message):
    with pytest.raises(CorpusError, match=message):
        read_labelled(table)


@pytest.mark.parametrize("seed", range(5))
def test_texts_that_differ_in_a_number_or_case_stay_on_one_side(seed):
    train, valid = split(near_repeats(), seed=seed)
    assert not set(train["text"].map(normalised)) & set(valid["text"].map(normalised))


@pytest.mark.parametrize(
    "other", ["Sales rose 5.5 % to EUR 1,250", "sales rose 12% to eur 3", "SALES ROSE -5 % TO EUR 1"]
)
def test_numbers_and_case_do_not_count_in_comparing_texts(other):
    assert normalised(other) == normalised("Sales rose 7 % to EUR 100")


def test_other_words_do_count():
    assert len({normalised(text) for text in ("sales rise 5 %", "sales fall 5 %", "sales rise", "verkäufe")}) == 4


@pytest.mark.parametrize("valid", [0.1, 0.2, 0.25, 0.5])
def test_a_split_loses_nothing_and_keeps_share_and_balance(valid):
    rows = embedded_corpus()
    parts = split(rows, valid=valid)
    assert sorted(pd.concat(parts)["text"]) == sorted(rows["text"])
    assert len(parts[1]) / len(rows) == pytest.approx(valid, abs=0.02)
    assert (parts[1]["label"].value_counts(normalize=True) - 1 / 3).abs().max() < 0.03


@pytest.mark.parametrize("valid", [0.3, 0.4])
def test_a_share_that_is_no_unit_fraction_is_kept_too(valid):
    assert len(split(near_repeats(), valid=valid)[1]) / 360 == pytest.approx(valid, abs=0.02)


def test_a_split_is_repeatable_and_the_seed_matters():
    rows = near_repeats()
    one, same, other = (split(rows, seed=seed)[1] for seed in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)


@pytest.mark.parametrize("valid", [0.0, -0.1, 0.6, 1.0, float("nan")])
def test_a_share_that_makes_no_sense_is_named(valid):
    with pytest.raises(CorpusError, match=rf"valid is {valid:g}: give the share to hold out, in \(0, 0.5\]"):
        split(near_repeats(), valid=valid)


def test_too_few_rows_are_refused_with_the_counts():
    rows = labelled(*((f"{label} {word}", label) for label in LABELS for word in "abcde"))
    with pytest.raises(CorpusError, match="the rarest label has 5 texts .* a split into 10 needs 10: hold out more"):
        split(rows)


def test_no_rows_are_refused():
    with pytest.raises(CorpusError, match="there is no text to split"):
        split(labelled())


def test_too_few_that_differ_are_refused_with_the_label():
    rows = labelled(*((f"{label} {n}", label) for label in LABELS for n in range(20 if label == "neutral" else 1)))
    with pytest.raises(CorpusError, match=r"has 1 texts \(negative, near-.* a split into 10 needs 10"):
        split(rows)


def test_label_codes_are_positions_in_labels():
    assert label_codes(pd.Series(["positive", "negative", "neutral"])).tolist() == [2, 0, 1]


@pytest.mark.parametrize("label", ["bullish", None, "Positive"])
def test_what_is_none_of_the_labels_has_no_code(label):
    with pytest.raises(CorpusError, match="labels: row 2: label .* is none of negative, neutral, positive"):
        label_codes(pd.Series(["positive", label], dtype=object))


def test_the_embedded_corpus_is_large_balanced_and_hard(caplog):
    with caplog.at_level(logging.WARNING):
        rows = embedded_corpus()
    assert not caplog.records  # nothing to drop
    assert len(rows) >= 800
    assert len(set(rows["label"].value_counts())) == 1
    assert set(rows["kind"]) == {"plain", "factual", "negated", "mixed", "direction", "expectation"}
    judged = rows[rows["label"] != "neutral"]
    assert 0.35 < judged["kind"].isin(["negated", "mixed", "direction", "expectation"]).mean() < 0.65
    assert set(rows.loc[rows["kind"] == "factual", "label"]) == {"neutral"}
    assert rows["text"].is_unique


def test_no_two_embedded_headlines_share_half_of_their_word_triples():
    def triples(text):
        words = re.findall(r"\w+", text.lower())
        return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}

    seen: dict[tuple[str, ...], list[int]] = {}
    grams = [triples(text) for text in embedded_corpus()["text"]]
    for row, own in enumerate(grams):
        rivals = {other for gram in own for other in seen.get(gram, [])}
        assert not [
            other
            for other in rivals
            if len(own & grams[other]) >= 0.5 * min(len(own), len(grams[other])) and len(own) > 2
        ]
        for gram in own:
            seen.setdefault(gram, []).append(row)


def many_topics():
    """Texts of seven common and two rare topics, several each; some of them near-duplicates."""
    words = [f"{a}{b} {c}{a} {b}{c}" for a in "abcdefghij" for b in "klmnopqr" for c in "stuvwxyz"]
    cells = ["earn", "acq", "crude|ship", "grain|corn", "grain", "trade", "acq|earn"]
    rows = [(f"{words[3 * n]} number {n} {words[3 * n + 1]}", cells[n % 7]) for n in range(140)]
    rows += [("one two three four five six", "grain|oat"), ("seven eight nine ten eleven", "oat")]
    rows += [(f"same story about the same thing part {letter}", "crude") for letter in "ab"]
    return pd.DataFrame(rows, columns=["text", "label"])


def test_texts_with_several_labels_are_split_by_their_rarest():
    rows = many_topics()
    train, held = split(rows, valid=0.2, seed=1)
    assert sorted([*train["text"], *held["text"]]) == sorted(rows["text"])
    counts = [part["label"].str.split("|").explode().value_counts() for part in (train, held)]
    for label in ("earn", "acq", "crude", "ship", "grain", "corn", "trade"):
        assert 0.1 <= counts[1][label] / (counts[0][label] + counts[1][label]) <= 0.3
    assert "oat" not in counts[1]  # too rare for a fifth
    groups = duplicate_groups([*train["text"], *held["text"]])
    assert not set(groups[: len(train)]) & set(groups[len(train) :])


def test_such_a_split_does_not_depend_on_the_order_of_rows():
    rows = many_topics()
    shuffled = rows.sample(frac=1.0, random_state=3).reset_index(drop=True)
    assert set(split(rows, seed=2)[1]["text"]) == set(split(shuffled, seed=2)[1]["text"])


def test_equal_sets_of_labels_are_one_cell():
    rows = pd.DataFrame({"text": ["a b", "a b", "c"], "label": ["y|x", "x|y|x", "x"]})
    read = read_corpus(rows, label_map=None)
    assert read.rows["label"].tolist() == ["x|y", "x"]
    assert read.counts.repeats == 1


def test_a_bar_with_one_blank_names_its_row():
    with pytest.raises(CorpusError, match="row 2: the label 'x \\|y' has a \\| with a blank on one side"):
        read_corpus(pd.DataFrame({"text": ["a", "b"], "label": ["x", "x |y"]}), label_map=None)
