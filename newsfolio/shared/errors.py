"""The root of every error that newsfolio raises on purpose: one line that names what, where and the remedy.

    NewsfolioError(ValueError)
    ├── NlpError           texts and models (nlp/errors.py)
    └── AllocationError    prices, signals, weights, accounts (allocation/errors.py)

It is itself raised where a file cannot be written. All are ValueErrors: who knows only Python still catches them.
"""

from collections.abc import Iterable


class NewsfolioError(ValueError):
    """Base of every error that is raised on purpose; the command prints it as one line."""


def check_settings(settings: object, rules: Iterable[tuple[str, bool, str]], error: type[NewsfolioError]) -> None:
    """Raise `error` for the first rule (name of the setting, whether it holds, what it must be) that does not hold."""
    for name, holds, needed in rules:
        if not holds:
            raise error(f"{name} is {getattr(settings, name)}: it must be {needed}")


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, without the advice that libraries add below it; else its kind."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
