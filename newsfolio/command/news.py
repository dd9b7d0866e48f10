"""News for the other commands: headlines scored through the store, and what a night reads them with."""

from datetime import timedelta
from typing import TYPE_CHECKING

from allocation.live.cli.hooks import NewsReader, NewsSignal

if TYPE_CHECKING:
    import pandas as pd

    from allocation.live.cli.options import NewsFile

ONE_DAY = timedelta(days=1)


def score_known(headlines: "pd.DataFrame", model: str, *, progress: bool = False) -> "tuple[pd.DataFrame, str]":
    """Return the scored headlines and the model's fingerprint; only texts that were never scored before are scored."""
    from nlp import load_classifier, score_headlines
    from nlp.scoring.store import ScoreStore, default_path, store_key

    classifier = load_classifier(model)
    with ScoreStore(default_path(), store_key(classifier)) as store:
        return score_headlines(headlines, classifier, store=store, progress=progress), classifier.fingerprint


def _headlines(file: "NewsFile") -> "pd.DataFrame":
    from nlp import read_headlines
    from nlp.texts.columns import parse_columns

    columns = parse_columns(file.columns)
    return read_headlines(str(file.news), timezone=file.timezone, midnight=file.midnight, columns=columns)


def news_signal(file: "NewsFile", sessions: "pd.DatetimeIndex", calendar: str) -> NewsSignal:
    """Return the signal of a news file, which holds scores where no model is given."""
    from nlp import daily_signal

    headlines, fingerprint = _headlines(file), "scores of the news file"
    if file.model is not None:
        headlines, fingerprint = score_known(headlines, file.model)
    known = headlines["published"][headlines["published"] < (sessions[-1] + ONE_DAY).tz_localize("UTC")]
    signal = daily_signal(headlines, sessions, calendar=calendar)
    return NewsSignal(signal, known.max(), fingerprint)


def news_found(file: "NewsFile") -> str:
    """Return what a news file holds, for a check: read as a night reads it, nothing scored."""
    from newsfolio.shared.tables import need_columns
    from nlp.errors import NewsError

    headlines = _headlines(file)
    if file.model is None:
        need_columns(headlines, ("score",), str(file.news), NewsError)
    assets, newest = headlines["asset"].nunique(), headlines["published"].max()
    return f"{len(headlines):,} headlines of {assets} assets, the newest of {newest:%Y-%m-%d %H:%M} UTC"


def model_found(model: str) -> str:
    """Return which model it is, for a check."""
    from nlp import load_classifier

    return f"{model}: fingerprint {load_classifier(model).fingerprint[:12]}"


NIGHTLY = NewsReader(news_signal, news_found, model_found)
