"""Provenance of a classifier: its training texts, carried to the frames that hold its scores.

A backtest is honest only on sessions after the last training text of its classifier: so every frame of scores and
every signal has that date in its `attrs`. pandas keeps attrs in Parquet files; CSV and JSON lines lose them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nlp.errors import CorpusError

DATES = ("published", "created_at", "date")  # columns of publication times, the first that is present
TRAINED_ON, TRAINED_UNTIL = "trained_on", "trained_until"  # the attrs of a frame
UNKNOWN = "unknown"


@dataclass(frozen=True)
class TrainingTexts:
    """Names of the corpora, and the last date (YYYY-MM-DD) of their texts; None where any text has no date."""

    corpora: tuple[str, ...] = ()
    until: str | None = None

    @property
    def attrs(self) -> dict[str, str]:
        """As a frame carries them."""
        return {TRAINED_ON: ", ".join(self.corpora) or UNKNOWN, TRAINED_UNTIL: self.until or UNKNOWN}


def training_texts(rows: pd.DataFrame) -> TrainingTexts:
    """Return the provenance of training rows, from their columns `corpus` and one of DATES where they are there.

    Raises:
        CorpusError: the column of dates holds something else.
    """
    if "corpus" not in rows:
        return TrainingTexts((), _last_date(rows))
    each = [TrainingTexts((str(name),), _last_date(part)) for name, part in rows.groupby("corpus", sort=False)]
    return combine(None, *each)


def _last_date(rows: pd.DataFrame) -> str | None:
    column = dates_column(rows)
    if column is None or rows.empty or rows[column].isna().any():
        return None
    return f"{times_of(rows[column]).max():%Y-%m-%d}"


def dates_column(rows: pd.DataFrame) -> str | None:
    """Return the column of publication times, None where there is none or it is empty.

    Concatenated corpora may each have their own: in the rows of one the others' are empty.
    """
    return next((name for name in DATES if name in rows and rows[name].notna().any()), None)


def times_of(dates: pd.Series) -> pd.Series:
    """Return a column of dates as UTC instants.

    Raises:
        CorpusError: it holds something else.
    """
    try:
        return pd.to_datetime(dates, utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        message = f"the column {dates.name} holds something that is not a date (2014-03-07): {error}"
        raise CorpusError(message) from error


def combine(base: TrainingTexts | None, *steps: TrainingTexts) -> TrainingTexts:
    """Return the provenance of a classifier trained in several steps; base: that of its base model, None if unknown."""
    parts = steps if base is None else (base, *steps)
    dates = [part.until for part in parts if part.until is not None]
    corpora = tuple(dict.fromkeys(name for part in parts for name in part.corpora))
    return TrainingTexts(corpora, max(dates) if len(dates) == len(parts) else None)


def joined(parts: Sequence[TrainingTexts | None]) -> TrainingTexts | None:
    """Return the provenance of several classifiers together; None where nothing is known of any."""
    if not any(parts):
        return None
    return combine(None, *(part or TrainingTexts() for part in parts))


def saved_texts(found: Mapping[str, Any]) -> TrainingTexts | None:
    """Return them from a saved model's metadata, where a fine-tuning wrote them.

    Raises:
        ValueError, TypeError: the facts are malformed.
    """
    if found.get(TRAINED_ON) is None:
        return None
    corpora = tuple(str(name) for name in found[TRAINED_ON])
    until = found.get(TRAINED_UNTIL)
    return TrainingTexts(corpora, None if until is None else f"{pd.Timestamp(until):%Y-%m-%d}")


def attach_provenance(frame: pd.DataFrame, texts: TrainingTexts | None) -> pd.DataFrame:
    """Return the frame with the provenance of its scores in attrs; unchanged where nothing is known."""
    if texts is not None:
        frame.attrs.update(texts.attrs)
    return frame


def read_provenance(frame: pd.DataFrame) -> dict[str, str]:
    """Return those attrs of a frame: what is computed from it should carry them on."""
    return {name: str(frame.attrs[name]) for name in (TRAINED_ON, TRAINED_UNTIL) if name in frame.attrs}
