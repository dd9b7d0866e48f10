"""Every figure of a study, measured the same way on the signal and on its stand-ins."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.data.load import Bars
from allocation.frames import align, sessions_of
from backtest.signal_study.batched_correlation import ReturnRows, SignalRows, linear_ics, rank_ics
from backtest.signal_study.event_study import EventStudy, abnormal_returns, event_study, strong_news
from backtest.signal_study.forward_returns import NEXT_CLOSE, NEXT_OPEN, THIS_CLOSE, forward_returns, session_returns
from backtest.signal_study.quantiles import (
    QUANTILES,
    monotonicity,
    quantile_numbers,
    quantile_returns,
    quantile_turnover,
)
from backtest.signal_study.row_correlation import FEWEST_NAMES, linear_correlation, rank_correlation
from newsfolio.shared.arrays import FloatArray

HORIZONS = (1, 2, 5, 10, 21)
LATER = (0, 1, 2, 3, 5, 10, 21)  # sessions after the signal's whose own return is looked at
NAN = float("nan")

TESTED = ("rank IC", "linear IC", "single session", "quantile return", "year", "sector", "event")
LONG_SHORT = "return of the long-short portfolio"


@dataclass(frozen=True)
class Measure:
    """One figure: what it is of, its value, and the series per session that it is the mean of, if it is one.

    overlap: sessions over which neighbouring values of the series share returns. error, freedom: of a value that is no
    mean of a series, its standard error and the degrees of freedom of that.
    """

    section: str
    name: str
    value: float
    series: FloatArray | None = None
    overlap: int = 1
    error: float = NAN
    freedom: float = math.inf

    @property
    def is_test(self) -> bool:
        """Whether it would be 0 but for chance if the signal were worth nothing."""
        return self.section in TESTED or self.name == LONG_SHORT


@dataclass(frozen=True)
class StudyData:
    """What a signal is held against: returns by entry and horizon, and those of each session.

    All are sessions × covered assets, those that ever have a signal. abnormal: return of each session less the mean
    of all `assets`.
    """

    sessions: pd.DatetimeIndex
    assets: tuple[str, ...]
    covered: tuple[str, ...]
    forward: Mapping[tuple[str, int], ReturnRows]
    own: ReturnRows
    abnormal: FloatArray
    sector: NDArray[np.object_] | None

    @property
    def main(self) -> str:
        """The entry that figures are given for where only one is: the next open, or close if opens are not known."""
        return NEXT_OPEN if (NEXT_OPEN, 1) in self.forward else NEXT_CLOSE

    @property
    def horizons(self) -> tuple[int, ...]:
        """Sessions held."""
        return tuple(sorted({horizon for _, horizon in self.forward}))


def study_data(
    signal: pd.DataFrame, bars: Bars, sectors: pd.Series | None, horizons: tuple[int, ...]
) -> tuple[FloatArray, StudyData]:
    """Align signal and prices by label; return the signal's values (sessions × covered) and what they are held against.

    Raises:
        FrameError, MissingPrice: as `align`.
    """
    close, values = align(bars.close, signal)
    opens = None if bars.open is None else bars.open.reindex(index=close.index, columns=close.columns)
    abnormal = pd.DataFrame(abnormal_returns(session_returns(Bars(close)).to_numpy()), close.index, close.columns)
    covered = list(values.columns[values.notna().any()]) or list(close.columns)
    checked = Bars(close[covered], None if opens is None else opens[covered])
    entries = (THIS_CLOSE, NEXT_CLOSE) if opens is None else (THIS_CLOSE, NEXT_OPEN, NEXT_CLOSE)
    forward = {
        (entry, horizon): ReturnRows.of(forward_returns(checked, horizon, entry).to_numpy())
        for entry in entries
        for horizon in horizons
    }
    data = StudyData(
        sessions=sessions_of(close), assets=tuple(close.columns), covered=tuple(covered), forward=forward,
        own=ReturnRows.of(session_returns(checked).to_numpy()), abnormal=abnormal[covered].to_numpy(),
        sector=None if sectors is None else sectors.reindex(covered).to_numpy(dtype=object),
    )  # fmt: skip
    return values[covered].to_numpy(), data


def measure(signal: FloatArray, data: StudyData) -> list[Measure]:
    """Return all figures of one signal, in the order in which they are shown."""
    spoken = SignalRows.of(signal)
    coefficients = {key: rank_ics(spoken, returns) for key, returns in data.forward.items()}
    first = coefficients[data.main, data.horizons[0]]
    return [
        *(_mean("rank IC", held_for(*key), series, key[1]) for key, series in coefficients.items()),
        *_linear(spoken, data),
        *_later(spoken, data),
        *_quantiles(signal, data),
        *_trading(spoken, data),
        *_years(first, data),
        *_sectors(signal, data),
        *(each for study in events(signal, data) for each in _windows(study)),
    ]


def events(signal: FloatArray, data: StudyData) -> tuple[EventStudy, EventStudy]:
    """Return what happened around strong good and strong bad news."""
    good, bad = strong_news(signal)
    return event_study("good news", good, data.abnormal), event_study("bad news", bad, data.abnormal)


def held_for(entry: str, horizon: int) -> str:
    """Name of an entry and the sessions held from it."""
    return f"{entry}, {horizon} session{'s' if horizon > 1 else ''}"


def _mean(section: str, name: str, series: FloatArray, overlap: int = 1) -> Measure:
    known = np.isfinite(series)
    return Measure(section, name, float(series[known].mean()) if known.any() else NAN, series, overlap)


def _linear(signal: SignalRows, data: StudyData) -> Iterator[Measure]:
    for key, returns in data.forward.items():
        yield _mean("linear IC", held_for(*key), linear_ics(signal, returns), key[1])


def _later(signal: SignalRows, data: StudyData) -> Iterator[Measure]:
    """Rank IC with the return of single sessions: how fast what is known is used up."""
    for sessions in LATER:
        series = np.full(len(data.sessions), np.nan)
        series[: max(len(series) - sessions, 0)] = rank_ics(
            signal.first(len(series) - sessions), data.own.after(sessions)
        )
        yield _mean("single session", "same session" if sessions == 0 else f"session +{sessions}", series)


def _quantiles(signal: FloatArray, data: StudyData) -> Iterator[Measure]:
    number = quantile_numbers(signal)
    for horizon in data.horizons:
        means = quantile_returns(number, data.forward[data.main, horizon].values)
        held = held_for(data.main, horizon)
        found = [_mean("quantile return", f"{held}, quantile {q + 1}", means[:, q], horizon) for q in range(QUANTILES)]
        yield from found
        yield _mean("quantile return", f"{held}, top less bottom", means[:, -1] - means[:, 0], horizon)
        yield Measure("monotonicity", held, monotonicity(np.array([each.value for each in found])))
    yield _mean("trading", "turnover of the top quantile", quantile_turnover(number, QUANTILES))
    yield _mean("trading", "turnover of the bottom quantile", quantile_turnover(number, 1))


def _trading(signal: SignalRows, data: StudyData) -> Iterator[Measure]:
    """What a portfolio in proportion to centred ranks, long as much as short, trades and earns each session."""
    returns, weights = data.forward[data.main, 1], _long_short(signal)
    earned = (weights * np.nan_to_num(returns.values)).sum(axis=1)
    traded = np.abs(np.diff(weights, axis=0, prepend=0.0)).sum(axis=1)
    spoken = signal.known.sum(axis=1)
    held = (spoken >= FEWEST_NAMES) & returns.known.any(axis=1)
    earned, traded = (np.where(held, each, np.nan) for each in (earned, traded))
    yield _mean("trading", "autocorrelation of ranks", _autocorrelation(signal.ranks))
    yield _mean("trading", "turnover of the long-short portfolio", traded)
    earns = _mean("trading", LONG_SHORT, earned)
    yield earns
    paid = float(np.nanmean(traded)) if held.any() else NAN
    yield Measure("trading", "break-even cost", earns.value / paid if paid > 0 else NAN)
    yield _mean("coverage", "share of assets with a signal", spoken / len(data.assets))


def _long_short(signal: SignalRows) -> FloatArray:
    """Weights of gross 1 and net 0 in proportion to rank less mean rank; 0 without a signal."""
    gross = np.abs(signal.from_middle).sum(axis=1)
    enough = (gross > 0) & (signal.known.sum(axis=1) >= FEWEST_NAMES)
    blank = np.zeros_like(signal.from_middle)
    return np.asarray(np.divide(signal.from_middle, gross[:, None], out=blank, where=enough[:, None]))


def _autocorrelation(ranks: FloatArray) -> FloatArray:
    return np.concatenate([[np.nan], linear_correlation(ranks[1:], ranks[:-1])])


def _years(series: FloatArray, data: StudyData) -> Iterator[Measure]:
    years = data.sessions.year.to_numpy()
    for year in np.unique(years):
        yield _mean("year", str(year), np.where(years == year, series, np.nan))


def _sectors(signal: FloatArray, data: StudyData) -> Iterator[Measure]:
    """Rank IC among the assets of each sector that has three."""
    if data.sector is None:
        return
    returns = data.forward[data.main, data.horizons[0]]
    for name in sorted({each for each in data.sector if isinstance(each, str)}):
        mine = data.sector == name
        if mine.sum() >= FEWEST_NAMES:
            yield _mean("sector", name, rank_correlation(signal[:, mine], returns.among(mine)), data.horizons[0])


def _windows(study: EventStudy) -> Iterator[Measure]:
    names = ("sessions -5 to -1", "session 0", "sessions +1 to +10")
    for name, value, error in zip(names, study.windows, study.window_errors, strict=True):
        yield Measure("event", f"{study.name}, {name}", value, error=error, freedom=study.freedom)
