"""Headlines -> probabilities and score."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.errors import NlpError
from nlp.labels import LABELS
from nlp.model.ensemble import SentimentEnsemble
from nlp.model.forward.kernels import kernels
from nlp.scoring import score as scores
from nlp.scoring.score import score_headlines, score_texts
from nlp.scoring.store import ARITHMETIC, ScoreStore, store_key


class Recorder:
    """Answers with probabilities that name the row; remembers what it was asked."""

    training = None

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

    from nlp.model.classifier import SentimentClassifier

    torch.set_num_threads(1)
    return SentimentClassifier.load(tiny_model, device="cpu", dtype="float32")


def test_scores_lie_between_minus_one_and_one_and_follow_their_rows(classifier):
    rows = pd.DataFrame({"text": ["profit " * n for n in range(20)]})
    scored = score_headlines(rows, classifier)
    assert scored["score"].between(-1, 1).all()
    np.testing.assert_allclose(scored["score"], scored["positive"] - scored["negative"], atol=1e-7)
    back = score_headlines(rows.iloc[::-1], classifier).sort_index()
    np.testing.assert_allclose(back["score"], scored["score"], atol=1e-5)


class Lengths:
    """Probabilities that follow from the text; remembers each question."""

    fingerprint = "lengths"

    def __init__(self):
        self.questions = []

    def predict_proba(self, texts, **_):
        self.questions.append(list(texts))
        raw = np.array([[len(text) + 1, 2, 3] for text in texts], dtype=np.float32).reshape(-1, 3)
        return raw / np.maximum(raw.sum(axis=1, keepdims=True), 1)


@given(st.lists(st.lists(st.text(alphabet="ab", max_size=3), max_size=12), max_size=5))
def test_no_text_is_computed_twice_and_the_store_changes_nothing(tmp_path_factory, runs):
    path, asked = tmp_path_factory.mktemp("store") / "s", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "COMMIT_TEXTS", 3)
        for texts in runs:
            lengths = Lengths()
            with ScoreStore(path, "lengths") as store:
                found = score_texts(texts, lengths, store)
            assert found.tobytes() == Lengths().predict_proba(texts).tobytes()
            assert all(0 < len(question) <= 3 for question in lengths.questions)
            asked += [text for question in lengths.questions for text in question]
    assert sorted(asked) == sorted({text for texts in runs for text in texts})


def test_each_part_is_committed_before_the_next_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "COMMIT_TEXTS", 2)
    known = []

    class Watching(Lengths):
        def predict_proba(self, texts, **_):
            with ScoreStore(tmp_path / "s", "lengths") as other:
                known.append(len(other))
            return super().predict_proba(texts)

    with ScoreStore(tmp_path / "s", "lengths") as store:
        score_texts(["a", "bb", "a", "ccc", "dddd", "eeeee"], Watching(), store)
    assert known == [0, 2, 4]


def test_a_store_of_another_classifier_is_refused(tmp_path):
    with (
        ScoreStore(tmp_path / "s", "another") as store,
        pytest.raises(NlpError, match=r"opened for another classifier: open it with store_key"),
    ):
        score_texts(["a"], Lengths(), store)


def test_headlines_are_scored_from_the_store_to_the_last_bit(tmp_path, classifier):
    rows = pd.DataFrame({"text": ["profit rises", "loss falls", "profit rises", "net sales"]})
    plain = score_headlines(rows, classifier)
    with ScoreStore(tmp_path / "s", store_key(classifier)) as store:
        for _ in range(2):
            pd.testing.assert_frame_equal(score_headlines(rows, classifier, store=store), plain, check_exact=True)
        assert len(store) == 3


def test_the_key_names_model_precision_and_device(classifier, tiny_model):
    half = type(classifier).load(tiny_model, device="cpu", dtype="bfloat16")
    assert classifier.fingerprint == half.fingerprint
    compiled = " compiled" if kernels() else ""
    assert store_key(classifier) == f"{classifier.fingerprint} float32 cpu {ARITHMETIC}{compiled}"
    many = [SentimentEnsemble([classifier]), SentimentEnsemble([half]), SentimentEnsemble([classifier, half])]
    assert len({store_key(each) for each in (classifier, half, *many)}) == 5
    assert store_key(Lengths()) == "lengths"


def test_a_text_that_is_no_string_is_named(classifier):
    with pytest.raises(NlpError, match="row 2: the text is .*: pass strings only"):
        score_headlines(pd.DataFrame({"text": ["a", None]}, dtype=object), classifier)


def test_a_text_that_is_no_string_is_named_before_the_store_is_asked(tmp_path):
    with ScoreStore(tmp_path / "s", "lengths") as store, pytest.raises(NlpError, match="row 2: the text is None"):
        score_texts(["a", None], Lengths(), store)


def test_headlines_without_texts_are_refused():
    with pytest.raises(NlpError, match="has no column text"):
        score_headlines(HEADLINES.drop(columns="text"), Recorder())
