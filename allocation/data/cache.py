"""Ask a vendor only for days that are not kept, and notice where it rewrites history: that makes a new version.

A split or dividend changes all of a vendor's adjusted past. So some days that are kept are asked for again with the
missing ones; where they differ, the whole history is fetched and added as a new version beside the old. A vendor may
also mend one price of long ago: so every few weeks all of a history takes the place of those days. That is as many
requests as on any other day, with longer answers.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from allocation.data.versions import Known, exists, keep, known_dates, opened, read_prices
from allocation.errors import SourceError
from allocation.frames import frame_digest, named, sessions_of

log = logging.getLogger(__name__)

OVERLAP = pd.Timedelta(days=14)  # days asked for again, and compared
WHOLE = pd.Timedelta(days=28)  # after which all that is kept is asked for again, and compared
SETTLED = pd.Timedelta(hours=36)  # after midnight UTC of its date, a close is final at every exchange
SAME = 2e-6  # relative difference of two prices that are the same: vendors compute in single precision
VALUES = ["close", "open"]
RETRY = "check the ticker, or try again later: the vendor limits requests"

Span = tuple[pd.Timestamp, pd.Timestamp]


@dataclass(frozen=True)
class Vendor:
    """Where prices come from. policy: what they are adjusted for; client: what asks, and its version; fetch: tickers,
    first and last date -> rows of (date, ticker, close, open[, dividend, split]), none of a ticker it does not know.
    """

    name: str
    policy: str
    client: str
    fetch: Callable[[Sequence[str], pd.Timestamp, pd.Timestamp], pd.DataFrame]


@dataclass(frozen=True)
class Answer:
    """What came of one ticker (date × close, open[, dividend, split]) for the dates of `span`, and when."""

    ticker: str
    rows: pd.DataFrame
    span: Span
    fetched: pd.Timestamp


@dataclass(frozen=True)
class Kept:
    """What was kept of one ticker (date × close, open) before an answer came; `known` is None if nothing was."""

    rows: pd.DataFrame
    known: Known | None

    @property
    def newest(self) -> pd.Timestamp:
        """Date of the last price: before the last date asked for, where an asset is no longer traded."""
        priced = self.rows["close"].last_valid_index()
        return pd.Timestamp.max if priced is None else pd.Timestamp(str(priced))

    def contradicted(self, answer: Answer) -> pd.DatetimeIndex:
        """Dates that were final and that the answer has otherwise, or not at all."""
        if self.known is None:
            return pd.DatetimeIndex([])
        first, last = answer.span
        final = self.rows.loc[first : min(last, self.known.settled)]
        return _unlike(final, answer.rows.reindex(final.index))

    def news(self, answer: Answer) -> pd.DataFrame:
        """Rows to keep: those that are new or changed, and NaN where the vendor has taken a day back."""
        first, last = answer.span
        days = sessions_of(answer.rows).union(sessions_of(self.rows.loc[first:last]))
        rows = answer.rows.reindex(days)[VALUES]
        changed = _unlike(self.rows.reindex(days), rows)
        return rows.loc[changed.union(sessions_of(answer.rows).difference(sessions_of(self.rows)))]


def _unlike(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DatetimeIndex:
    left, right = theirs[VALUES].to_numpy(), ours[VALUES].to_numpy()
    same = np.isclose(left, right, rtol=SAME, atol=0.0, equal_nan=True)
    return pd.DatetimeIndex(ours.index[np.logical_not(same.all(axis=1))])


def utc_now() -> pd.Timestamp:
    """Return the time, without a zone."""
    return pd.Timestamp.now("UTC").tz_localize(None)


def fetch_missing(folder: Path, tickers: Sequence[str], span: Span, vendor: Vendor) -> None:
    """Ask the vendor for what is not kept of `span` (first and last date), and keep all that comes, or nothing.

    A rewritten history is logged, and so is a ticker of which nothing comes any more: it keeps what it has. A price
    that is older than OVERLAP and is mended alone is noticed when days are lacking and WHOLE has passed since all of
    the history was last asked for; where no days are lacking, nothing is asked.

    Raises:
        SourceError: the vendor did not answer, or knows nothing of a ticker that is not kept either, or the cache
            cannot be read or written.
    """
    before = _kept(folder, tickers)
    lacking = _lacking(before, span)
    answers = [answer for missing, asked in lacking.items() for answer in _ask(vendor, asked, missing)]
    answered = {answer.ticker for answer in answers}
    silent = sorted(ticker for asked in lacking.values() for ticker in asked if ticker not in answered)
    unknown = [ticker for ticker in silent if before[ticker].known is None]
    if unknown or (silent and len(silent) == len(before)):  # of a ticker that is kept, nothing new is no failure
        days = f"from {span[0]:%Y-%m-%d} to {span[1]:%Y-%m-%d}"
        raise SourceError(f"{vendor.name} has no prices of {named(unknown or silent)} {days}: {RETRY}")
    if silent:
        log.warning("%s gave nothing of %s: what was kept before is used", vendor.name, named(silent))
    answers = [_followed_up(vendor, answer, before[answer.ticker], span) for answer in answers]
    if answers:
        with opened(folder) as connection:
            for answer in answers:
                keep(connection, *_entry(vendor, answer, before[answer.ticker]))


def _kept(folder: Path, tickers: Sequence[str]) -> dict[str, Kept]:
    """What is kept of each ticker, read without making a cache where there is none."""
    known, rows = dict[str, Known](), pd.DataFrame(columns=["date", "ticker", *VALUES], dtype=float)
    if exists(folder):
        with opened(folder) as connection:
            known, rows = known_dates(connection, tickers), read_prices(connection, tickers)
    by_ticker = _by_ticker(rows)
    empty = pd.DataFrame(columns=VALUES, index=pd.DatetimeIndex([]), dtype=float)
    return {ticker: Kept(by_ticker.get(ticker, empty), known.get(ticker)) for ticker in tickers}


def _by_ticker(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        str(ticker): table.drop(columns="ticker").set_index("date").sort_index()
        for ticker, table in rows.groupby("ticker", sort=True)
    }


def _lacking(before: Mapping[str, Kept], span: Span) -> dict[Span, list[str]]:
    """Tickers by the dates to ask for: one request for all that lack the same."""
    asked: dict[Span, list[str]] = {}
    for ticker, kept in before.items():
        missing = _missing(kept, span)
        if missing is not None:
            asked.setdefault(missing, []).append(ticker)
    return asked


def _missing(kept: Kept, span: Span) -> Span | None:
    (first, last), known = span, kept.known
    if known is None:
        return span
    if first >= known.first and last <= known.settled:
        return None
    if first < known.first or utc_now() - known.whole >= WHOLE:
        return _all_of(known, span)
    return max(known.first, min(known.settled, kept.newest) - OVERLAP), last


def _all_of(known: Known, span: Span) -> Span:
    return min(span[0], known.first), max(span[1], known.last)


def _ask(vendor: Vendor, tickers: Sequence[str], span: Span) -> list[Answer]:
    table = vendor.fetch(tickers, *span)
    now, found = utc_now(), _by_ticker(table)
    return [Answer(ticker, found[ticker], span, now) for ticker in tickers if ticker in found]


def _followed_up(vendor: Vendor, answer: Answer, kept: Kept, span: Span) -> Answer:
    """The answer; where it shows a rewritten history, one about all of that history, and a word of why."""
    known = kept.known
    if known is None or not len(kept.contradicted(answer)):
        return answer
    if answer.span != _all_of(known, span):
        again = _ask(vendor, [answer.ticker], _all_of(known, span))
        if not again:
            what = f"the history of {answer.ticker}"
            raise SourceError(f"{vendor.name} rewrote {what} and then did not give it: try again later")
        answer = again[0]
    log.warning(
        "%s rewrote %d past prices of %s (%s): they are kept as a new version, the old one is still read with as_of",
        vendor.name, len(kept.contradicted(answer)), answer.ticker, _cause(answer, known.settled),
    )  # fmt: skip
    return answer


def _cause(answer: Answer, after: pd.Timestamp) -> str:
    since = answer.rows.loc[after + pd.Timedelta(days=1) :]
    kinds = [kind for kind in ("split", "dividend") if kind in since.columns]
    told = [f"{kind} of {value:g} on {day:%Y-%m-%d}" for kind in kinds for day, value in since[kind].items() if value]
    return named(told) if told else "no split or dividend since says why: compare with a second vendor"


def _entry(vendor: Vendor, answer: Answer, kept: Kept) -> tuple[dict[str, object], pd.DataFrame]:
    """What to write down about an answer, and the rows that it adds."""
    first, last = answer.span
    settled = max(min(last, (answer.fetched - SETTLED).normalize()), first - pd.Timedelta(days=1))
    fetch: dict[str, object] = {
        "ticker": answer.ticker, "vendor": vendor.name, "policy": vendor.policy, "client": vendor.client,
        "fetched": answer.fetched.to_pydatetime(), "first": _text(first), "last": _text(last),
        "settled": _text(settled), "prices": len(answer.rows), "rewritten": len(kept.contradicted(answer)),
        "digest": frame_digest(answer.rows[VALUES]),
    }  # fmt: skip
    return fetch, kept.news(answer)


def _text(day: pd.Timestamp) -> str:
    return f"{day:%Y-%m-%d}"


def kept_prices(folder: Path, tickers: Sequence[str], span: Span, as_of: datetime | None = None) -> pd.DataFrame:
    """Return the rows of `span` that are kept (date, ticker, close, open), as of a moment (UTC) or the newest.

    Raises:
        SourceError: nothing is kept of a ticker, or was at that moment, or only from a later date on.
    """
    if not exists(folder):
        raise SourceError(f"{folder}: has no kept prices")
    with opened(folder) as connection:
        known, table = known_dates(connection, tickers, as_of), read_prices(connection, tickers, as_of)
    when = "" if as_of is None else f" as of {as_of:%Y-%m-%d %H:%M} UTC"
    absent = sorted(set(tickers) - set(known))
    if absent:
        raise SourceError(f"{folder}: has no kept prices of {named(absent)}{when}")
    late = [f"{ticker} from {_text(known[ticker].first)}" for ticker in tickers if known[ticker].first > span[0]]
    if late:
        raise SourceError(f"{folder}: keeps{when} {named(late)}, asked from {_text(span[0])}: ask for a later start")
    return table[table["close"].notna() & (table["date"] >= span[0]) & (table["date"] <= span[1])]
