"""The root of every error that newsfolio raises on purpose: one line that names what, where and the remedy.

    NewsfolioError(ValueError)
    ├── NlpError           texts and models (nlp/errors.py)
    └── AllocationError    prices, signals, weights, accounts (allocation/errors.py)

It is itself raised where a file cannot be written. All are ValueErrors: who knows only Python still catches them.
"""


class NewsfolioError(ValueError):
    """Base of every error that is raised on purpose; the command prints it as one line."""
