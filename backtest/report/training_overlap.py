"""training_note(): a classifier knows how the news it was trained on ended; results of those days may be hindsight."""

from datetime import date

import pandas as pd

TRAINED_ON, TRAINED_UNTIL = "trained_on", "trained_until"  # attrs of a signal, written by what made it
LONGEST = 200  # characters of a list of corpora


def training_note(signal: pd.DataFrame, sessions: pd.DatetimeIndex) -> str | None:
    """Say how many of `sessions` are not after the last text that taught the classifier behind `signal`.

    The attrs of the frame tell: trained_until, a date (YYYY-MM-DD), and trained_on, the names of the corpora; Parquet
    files keep them, CSV files do not. None where they are not there.
    """
    if TRAINED_UNTIL not in signal.attrs:
        return None
    corpora = " ".join(str(signal.attrs.get(TRAINED_ON, "unknown")).split())[:LONGEST]
    last = _day(signal.attrs[TRAINED_UNTIL])
    if last is None:
        return (
            f"the dates of the texts that the classifier was trained on ({corpora}) are not known: it may have learnt "
            f"from the {len(sessions)} sessions of this backtest"
        )
    known = int((sessions <= pd.Timestamp(last)).sum())
    if not known:
        return (
            f"all {len(sessions)} sessions are after the texts that the classifier was trained on ({corpora}, {last})"
        )
    return (
        f"the classifier was trained on texts up to {last} ({corpora}): {known} of {len(sessions)} sessions of this "
        "backtest are not after it, and what was earned in them may be hindsight"
    )


def _day(written: object) -> date | None:
    try:
        return date.fromisoformat(str(written))
    except ValueError:
        return None
