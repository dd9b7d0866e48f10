"""Label maps on one line, and the numbers of published corpora."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.corpora.labelled import read_labelled
from nlp.errors import CorpusError
from nlp.labels import LABEL_MAP, PHRASEBANK_HUB_LABELS, TWITTER_NEWS_LABELS, parse_label_map

ROWS = pd.DataFrame({"text": ["down", "second", "third"], "label": [0, 1, 2]})

words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6).map(str.lower)


def test_the_numbers_of_two_corpora_mean_what_their_publishers_say():
    assert read_labelled(ROWS, label_map=TWITTER_NEWS_LABELS)["label"].tolist() == ["negative", "positive", "neutral"]
    assert read_labelled(ROWS, label_map=PHRASEBANK_HUB_LABELS)["label"].tolist() == ["negative", "neutral", "positive"]


def test_numbers_are_never_guessed():
    with pytest.raises(CorpusError, match="label 0 is not known; .*: pass --labels or a label_map"):
        read_labelled(ROWS)


@given(st.dictionaries(words, st.sampled_from(sorted(LABEL_MAP)), min_size=1), st.sampled_from(["", " ", "  "]))
def test_a_map_on_one_line_is_read_back(meanings, blank):
    line = ",".join(f"{blank}{theirs}{blank}={blank}{ours.upper()}" for theirs, ours in meanings.items())
    assert parse_label_map(line) == {theirs: LABEL_MAP[ours] for theirs, ours in meanings.items()}


def test_a_line_gives_the_map_of_the_tweets():
    read = read_labelled(ROWS, label_map=parse_label_map("0=bearish,1=bullish,2=neutral"))
    assert read.equals(read_labelled(ROWS, label_map=TWITTER_NEWS_LABELS))


@pytest.mark.parametrize("line", ["", "0", "0=", "=negative", "0=negative,", "0=up", "0=negative;1=positive"])
def test_a_part_that_tells_nothing_is_named(line):
    with pytest.raises(CorpusError, match="is no label and its meaning: write 0=negative; known are negative, neutral"):
        parse_label_map(line)


def test_a_label_has_one_meaning():
    with pytest.raises(CorpusError, match="the label 'up' is given two meanings"):
        parse_label_map("Up=positive,up=neutral")
