"""What can go wrong with texts and models, as one tree; every message names what, where and the remedy.

NlpError(NewsfolioError)
├── NewsError       headlines that cannot be read: columns, dates, time zones, nothing left
├── CorpusError     labelled texts that cannot be trained or tested on: unknown labels, one class
├── ModelError      a model folder that cannot be used: no safetensors, other labels, wrong digest
└── StoreError      a store of scores that cannot be used (nlp/scoring/sqlite_file.py)
    └── UnwritableError   it lies where nothing can be written
"""

from newsfolio.shared.errors import NewsfolioError


class NlpError(NewsfolioError):
    """Base of every error that `nlp` raises on purpose."""


class NewsError(NlpError):
    """News rows break their contract; the message names the first offending row."""


class CorpusError(NlpError):
    """Labelled texts cannot be used; the message names the first offending row."""


class ModelError(NlpError):
    """A model cannot be loaded, trained or saved."""
