"""News -> signal: read headlines, fine-tune and run a classifier, assign sessions, aggregate.

Names are loaded when first touched (PEP 562), so `import nlp` costs nothing: no torch, no transformers.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlp.classifier import SentimentClassifier
    from nlp.corpora import LABELS, embedded_corpus, read_labelled, split
    from nlp.errors import CorpusError, ModelError, NewsError, NlpError
    from nlp.evaluate import Evaluation, evaluate, evaluate_probabilities
    from nlp.finetune import FinetuneConfig, FinetuneReport, finetune
    from nlp.headlines import read_headlines
    from nlp.scores import score_headlines
    from nlp.sessions import assign_session
    from nlp.signals import daily_signal

_HOME = {
    "CorpusError": "errors",
    "Evaluation": "evaluate",
    "FinetuneConfig": "finetune",
    "FinetuneReport": "finetune",
    "LABELS": "corpora",
    "ModelError": "errors",
    "NewsError": "errors",
    "NlpError": "errors",
    "SentimentClassifier": "classifier",
    "assign_session": "sessions",
    "daily_signal": "signals",
    "embedded_corpus": "corpora",
    "evaluate": "evaluate",
    "evaluate_probabilities": "evaluate",
    "finetune": "finetune",
    "read_headlines": "headlines",
    "read_labelled": "corpora",
    "score_headlines": "scores",
    "split": "corpora",
}

__all__ = [
    "LABELS",
    "CorpusError",
    "Evaluation",
    "FinetuneConfig",
    "FinetuneReport",
    "ModelError",
    "NewsError",
    "NlpError",
    "SentimentClassifier",
    "assign_session",
    "daily_signal",
    "embedded_corpus",
    "evaluate",
    "evaluate_probabilities",
    "finetune",
    "read_headlines",
    "read_labelled",
    "score_headlines",
    "split",
]


class _Face(ModuleType):
    """Keeps the functions named like their file in sight: importing `nlp.evaluate` must not hide `evaluate()`."""

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
