"""News -> signal: read headlines, fine-tune and run a classifier, assign sessions, aggregate.

Names are loaded when first touched (PEP 562), so `import nlp` costs nothing: no torch, no transformers.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlp.aggregation.cross_section import cross_section
    from nlp.aggregation.novelty import novelty, relevance, weigh_headlines
    from nlp.amounts import with_directions
    from nlp.calibration import fit_temperature
    from nlp.classifier import SentimentClassifier
    from nlp.corpora import LABELS, embedded_corpus, read_labelled, split
    from nlp.ensemble import SentimentEnsemble, load_classifier
    from nlp.errors import CorpusError, ModelError, NewsError, NlpError
    from nlp.evaluate import Evaluation, evaluate, evaluate_probabilities
    from nlp.evaluation.assessment import Assessment, assess
    from nlp.evaluation.baselines import (
        fit_baselines,
        fit_majority,
        fit_word_weights,
        read_word_list,
        without_near_duplicates,
    )
    from nlp.evaluation.breakdown import breakdown, breakdowns, length_quarter, scorecard
    from nlp.evaluation.compare import Comparison, compare
    from nlp.evaluation.page import write_evaluation
    from nlp.finetune import FinetuneReport, finetune, refit
    from nlp.headlines import HeadlineReport, headlines_with_report, read_headlines
    from nlp.labelled.agreement import share_agreeing
    from nlp.labelled.contradictions import CorpusCounts
    from nlp.labelled.corpus_formats import Corpus, read_corpus
    from nlp.labelled.label_maps import PHRASEBANK_HUB_LABELS, TWITTER_NEWS_LABELS, parse_label_map
    from nlp.labelled.mixing import mixed, split_first
    from nlp.labelled.near_duplicates import duplicate_groups, group_split
    from nlp.provenance import TrainingTexts
    from nlp.scores import score_headlines, score_texts
    from nlp.scoring.ray_scoring import score_on_ray
    from nlp.scoring.ray_worker import Scorer
    from nlp.scoring.score_store import ScoreStore, store_key
    from nlp.scoring.score_stream import ScoreReport, score_file
    from nlp.scoring.store_file import StoreError
    from nlp.sessions import assign_entry, assign_session, calendar_sessions
    from nlp.signals import NewsSignal, daily_signal, news_signal
    from nlp.training.augment import AugmentConfig, augment
    from nlp.training.pretrain import PretrainConfig, pretrain
    from nlp.training.recipe import FinetuneConfig

_HOME = {
    "Assessment": "evaluation.assessment",
    "AugmentConfig": "training.augment",
    "Comparison": "evaluation.compare",
    "Corpus": "labelled.corpus_formats",
    "CorpusCounts": "labelled.contradictions",
    "CorpusError": "errors",
    "Evaluation": "evaluate",
    "FinetuneConfig": "training.recipe",
    "FinetuneReport": "finetune",
    "HeadlineReport": "headlines",
    "LABELS": "corpora",
    "ModelError": "errors",
    "NewsError": "errors",
    "NewsSignal": "signals",
    "NlpError": "errors",
    "PHRASEBANK_HUB_LABELS": "labelled.label_maps",
    "PretrainConfig": "training.pretrain",
    "ScoreReport": "scoring.score_stream",
    "ScoreStore": "scoring.score_store",
    "Scorer": "scoring.ray_worker",
    "SentimentClassifier": "classifier",
    "SentimentEnsemble": "ensemble",
    "StoreError": "scoring.store_file",
    "TWITTER_NEWS_LABELS": "labelled.label_maps",
    "TrainingTexts": "provenance",
    "assess": "evaluation.assessment",
    "assign_entry": "sessions",
    "assign_session": "sessions",
    "augment": "training.augment",
    "breakdown": "evaluation.breakdown",
    "breakdowns": "evaluation.breakdown",
    "calendar_sessions": "sessions",
    "compare": "evaluation.compare",
    "cross_section": "aggregation.cross_section",
    "daily_signal": "signals",
    "duplicate_groups": "labelled.near_duplicates",
    "embedded_corpus": "corpora",
    "evaluate": "evaluate",
    "evaluate_probabilities": "evaluate",
    "finetune": "finetune",
    "fit_baselines": "evaluation.baselines",
    "fit_majority": "evaluation.baselines",
    "fit_temperature": "calibration",
    "fit_word_weights": "evaluation.baselines",
    "group_split": "labelled.near_duplicates",
    "headlines_with_report": "headlines",
    "length_quarter": "evaluation.breakdown",
    "load_classifier": "ensemble",
    "mixed": "labelled.mixing",
    "news_signal": "signals",
    "novelty": "aggregation.novelty",
    "parse_label_map": "labelled.label_maps",
    "pretrain": "training.pretrain",
    "read_corpus": "labelled.corpus_formats",
    "read_headlines": "headlines",
    "read_labelled": "corpora",
    "read_word_list": "evaluation.baselines",
    "refit": "finetune",
    "relevance": "aggregation.novelty",
    "score_file": "scoring.score_stream",
    "score_headlines": "scores",
    "score_on_ray": "scoring.ray_scoring",
    "score_texts": "scores",
    "scorecard": "evaluation.breakdown",
    "share_agreeing": "labelled.agreement",
    "split": "corpora",
    "split_first": "labelled.mixing",
    "store_key": "scoring.score_store",
    "weigh_headlines": "aggregation.novelty",
    "with_directions": "amounts",
    "without_near_duplicates": "evaluation.baselines",
    "write_evaluation": "evaluation.page",
}

__all__ = [
    "LABELS",
    "PHRASEBANK_HUB_LABELS",
    "TWITTER_NEWS_LABELS",
    "Assessment",
    "AugmentConfig",
    "Comparison",
    "Corpus",
    "CorpusCounts",
    "CorpusError",
    "Evaluation",
    "FinetuneConfig",
    "FinetuneReport",
    "HeadlineReport",
    "ModelError",
    "NewsError",
    "NewsSignal",
    "NlpError",
    "PretrainConfig",
    "ScoreReport",
    "ScoreStore",
    "Scorer",
    "SentimentClassifier",
    "SentimentEnsemble",
    "StoreError",
    "TrainingTexts",
    "assess",
    "assign_entry",
    "assign_session",
    "augment",
    "breakdown",
    "breakdowns",
    "calendar_sessions",
    "compare",
    "cross_section",
    "daily_signal",
    "duplicate_groups",
    "embedded_corpus",
    "evaluate",
    "evaluate_probabilities",
    "finetune",
    "fit_baselines",
    "fit_majority",
    "fit_temperature",
    "fit_word_weights",
    "group_split",
    "headlines_with_report",
    "length_quarter",
    "load_classifier",
    "mixed",
    "news_signal",
    "novelty",
    "parse_label_map",
    "pretrain",
    "read_corpus",
    "read_headlines",
    "read_labelled",
    "read_word_list",
    "refit",
    "relevance",
    "score_file",
    "score_headlines",
    "score_on_ray",
    "score_texts",
    "scorecard",
    "share_agreeing",
    "split",
    "split_first",
    "store_key",
    "weigh_headlines",
    "with_directions",
    "without_near_duplicates",
    "write_evaluation",
]


class _Face(ModuleType):
    """Keeps the functions named like their file in sight: importing `nlp.finetune` must not hide `finetune()`."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'nlp' has no attribute {name!r}")
    return getattr(import_module(f"nlp.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
