"""Every figure of a study, computed in the same way for the signal and for its placebos."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.frames import Bars, align, sessions_of
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
LATER = (0, 1, 2, 3, 5, 10, 21)  # lags of the single-session returns that show the decay
NAN = float("nan")

TESTED = ("rank IC", "linear IC", "single session", "quantile return", "year", "sector", "event")
LONG_SHORT = "return of the long-short portfolio"
WINDOWS = ("sessions -5 to -1", "session 0", "sessions +1 to +10")


@dataclass(frozen=True)
class Measure:
    """One figure: its section, name and value, and the per-session series that it is the mean of, if it is a mean.

    overlap: sessions over which neighbouring values of the series share returns. error, dof: for a value that is not
    the mean of a series, its standard error and the degrees of freedom of that error.
    """

    section: str
    name: str
    value: float
    series: FloatArray | None = None
    overlap: int = 1
    error: float = NAN
    dof: float = math.inf

    @property
    def is_test(self) -> bool:
        """Whether its expectation is 0 for a signal without skill."""
        return self.section in TESTED or self.name == LONG_SHORT


@dataclass(frozen=True)
class StudyData:
    """What a signal is compared with: returns by entry and horizon, and those of each session.

    All are sessions × covered assets, those that ever have a signal. night: the part of
    each session's return that is made by its open; None without opens. abnormal: return of each session less the mean
    across all `assets`.
    """

    sessions: pd.DatetimeIndex
    assets: tuple[str, ...]
    covered: tuple[str, ...]
    forward: Mapping[tuple[str, int], ReturnRows]
    own: ReturnRows
    night: FloatArray | None
    abnormal: FloatArray
    sector: NDArray[np.object_] | None

    @property
    def main(self) -> str:
        """The entry of figures that are given for one entry only: the next open, or the next close without opens."""
        return NEXT_OPEN if (NEXT_OPEN, 1) in self.forward else NEXT_CLOSE

    @property
    def horizons(self) -> tuple[int, ...]:
        """Holding periods in sessions."""
        return tuple(sorted({horizon for _, horizon in self.forward}))


def study_data(
    signal: pd.DataFrame, bars: Bars, sectors: pd.Series | None, horizons: tuple[int, ...]
) -> tuple[FloatArray, StudyData]:
    """Align signal and prices by label; return the signal (sessions × covered) and what it is compared with.

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
        sessions=sessions_of(close),
        assets=tuple(close.columns),
        covered=tuple(covered),
        forward=forward,
        own=ReturnRows.of(session_returns(checked).to_numpy()),
        night=None if checked.open is None else (checked.open / checked.close.shift(1) - 1.0).to_numpy(),
        abnormal=abnormal[covered].to_numpy(),
        sector=None if sectors is None else sectors.reindex(covered).to_numpy(dtype=object),
    )
    return values[covered].to_numpy(), data


def measure(signal: FloatArray, data: StudyData) -> list[Measure]:
    """Return all figures of one signal, in the order in which they are shown."""
    rows = SignalRows.of(signal)
    ics = {key: rank_ics(rows, returns) for key, returns in data.forward.items()}
    first = ics[data.main, data.horizons[0]]
    years = data.sessions.year.to_numpy()
    named = data.sector if data.sector is not None else np.full(len(data.covered), None)
    sectors = {name: named == name for name in sorted({each for each in named if isinstance(each, str)})}
    held = data.forward[data.main, data.horizons[0]]
    return [
        *(_mean("rank IC", held_for(*key), series, key[1]) for key, series in ics.items()),
        *(
            _mean("linear IC", held_for(*key), linear_ics(rows, returns), key[1])
            for key, returns in data.forward.items()
        ),
        *(
            _mean("single session", "same session" if lag == 0 else f"session +{lag}", lagged_ics(rows, data.own, lag))
            for lag in LATER
        ),
        *_quantiles(signal, data),
        *_trading(rows, data),
        *(_mean("year", str(year), np.where(years == year, first, np.nan)) for year in np.unique(years)),
        *(
            _mean("sector", name, rank_correlation(signal[:, mine], held.select_assets(mine)), data.horizons[0])
            for name, mine in sectors.items()
            if mine.sum() >= FEWEST_NAMES
        ),
        *(
            Measure("event", f"{study.name}, {window}", value, error=error, dof=study.dof)
            for study in events(signal, data)
            for window, value, error in zip(WINDOWS, study.windows, study.window_errors, strict=True)
        ),
    ]


def events(signal: FloatArray, data: StudyData) -> tuple[EventStudy, EventStudy]:
    """Return the event studies of strong good news and strong bad news."""
    good, bad = strong_news(signal)
    return event_study("good news", good, data.abnormal), event_study("bad news", bad, data.abnormal)


def held_for(entry: str, horizon: int) -> str:
    """Name of an entry and a holding period."""
    return f"{entry}, {horizon} session{'s' if horizon > 1 else ''}"


def lagged_ics(signal: SignalRows, returns: ReturnRows, lag: int) -> FloatArray:
    """Rank IC of row t with the return of row t + lag, for each t; NaN at the end."""
    n = len(signal.values)
    ics = np.full(n, np.nan)
    ics[: max(n - lag, 0)] = rank_ics(signal.head(n - lag), returns.shift(lag))
    return ics


def _mean(section: str, name: str, series: FloatArray, overlap: int = 1) -> Measure:
    known = np.isfinite(series)
    return Measure(section, name, float(series[known].mean()) if known.any() else NAN, series, overlap)


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


def rank_weights(signal: SignalRows) -> FloatArray:
    """Long-short weights in proportion to rank less mean rank, gross 1 and net 0; 0 without a signal."""
    gross = np.abs(signal.demeaned_ranks).sum(axis=1)
    enough = (gross > 0) & (signal.count >= FEWEST_NAMES)
    blank = np.zeros_like(signal.demeaned_ranks)
    return np.asarray(np.divide(signal.demeaned_ranks, gross[:, None], out=blank, where=enough[:, None]))


def _trading(signal: SignalRows, data: StudyData) -> Iterator[Measure]:
    """Turnover and return per session of the long-short portfolio of `rank_weights`."""
    returns, weights = data.forward[data.main, 1], rank_weights(signal)
    earned = (weights * np.nan_to_num(returns.values)).sum(axis=1)
    traded = np.abs(np.diff(weights, axis=0, prepend=0.0)).sum(axis=1)
    held = (signal.count >= FEWEST_NAMES) & returns.known.any(axis=1)
    earned, traded = (np.where(held, each, np.nan) for each in (earned, traded))
    autocorrelation = np.concatenate([[np.nan], linear_correlation(signal.ranks[1:], signal.ranks[:-1])])
    yield _mean("trading", "autocorrelation of ranks", autocorrelation)
    yield _mean("trading", "turnover of the long-short portfolio", traded)
    profit = _mean("trading", LONG_SHORT, earned)
    yield profit
    turnover = float(np.nanmean(traded)) if held.any() else NAN
    yield Measure("trading", "break-even cost", profit.value / turnover if turnover > 0 else NAN)
    yield _mean("coverage", "share of assets with a signal", signal.count / len(data.assets))
