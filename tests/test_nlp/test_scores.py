"""Headlines -> probabilities and score."""

import numpy as np
import pandas as pd
import pytest

from nlp.corpora import LABELS
from nlp.errors import NlpError
from nlp.scores import score_headlines


class Recorder:
    """Answers with probabilities that name the row; remembers what it was asked."""

    def predict_proba(self, texts, *, progress=False):
        self.asked, self.progress = texts, progress
        return np.float32([[0.5, 0.25, 0.25], [0.0, 0.125, 0.875], [0.125, 0.75, 0.125]])[: len(texts)]


HEADLINES = pd.DataFrame({"text": ["a", "b", "a"], "asset": "AAA", "extra": [1, 2, 3]}, index=[7, 3, 5])


def test_columns_are_added_row_by_row_and_nothing_else_moves():
    before, recorder = HEADLINES.copy(), Recorder()
    scored = score_headlines(HEADLINES, recorder, progress=True)
    assert recorder.asked == ["a", "b", "a"]
    assert recorder.progress
    assert scored.columns.tolist() == ["text", "asset", "extra", *LABELS, "score"]
    assert scored["score"].tolist() == [-0.25, 0.875, 0.0]
    assert scored[list(LABELS)].to_numpy().tolist()[1] == [0.0, 0.125, 0.875]
    pd.testing.assert_frame_equal(scored[before.columns], before)
    pd.testing.assert_frame_equal(HEADLINES, before)


def test_no_headlines_no_scores():
    assert score_headlines(HEADLINES.head(0), Recorder()).columns.tolist()[-1] == "score"


@pytest.fixture(scope="module")
def classifier(tiny_model):
    import torch

    from nlp.classifier import SentimentClassifier

    torch.set_num_threads(1)
    return SentimentClassifier.load(tiny_model, device="cpu", dtype="float32")


def test_scores_lie_between_minus_one_and_one_and_follow_their_rows(classifier):
    rows = pd.DataFrame({"text": ["profit " * n for n in range(20)]})
    scored = score_headlines(rows, classifier)
    assert scored["score"].between(-1, 1).all()
    np.testing.assert_allclose(scored["score"], scored["positive"] - scored["negative"], atol=1e-7)
    back = score_headlines(rows.iloc[::-1], classifier).sort_index()
    np.testing.assert_allclose(back["score"], scored["score"], atol=1e-5)


def test_a_text_that_is_no_string_is_named(classifier):
    with pytest.raises(NlpError, match="row 2: the text is .*: pass strings only"):
        score_headlines(pd.DataFrame({"text": ["a", None]}, dtype=object), classifier)


def test_headlines_without_texts_are_refused():
    with pytest.raises(NlpError, match="has no column text"):
        score_headlines(HEADLINES.drop(columns="text"), Recorder())
