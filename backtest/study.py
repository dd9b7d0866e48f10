"""study(): what a signal is worth before any portfolio, each figure beside signals that cannot have its skill."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allocation.errors import AllocationError
from allocation.frames import named
from allocation.prices import Bars
from backtest.event_study import EventStudy
from backtest.forward_returns import THIS_CLOSE
from backtest.leak_alarm import Reading, Readings, alarms, verdict
from backtest.measures import HORIZONS, Measure, StudyData, events, held_for, measure, study_data
from backtest.rows import rank_correlation
from backtest.shuffles import across_assets, in_time, stale
from backtest.significance import LEVEL, Interval, holm, mean_interval, newey_west_error, student_95, two_sided

Values = NDArray[np.float64]

SHUFFLES = 40
NAN = float("nan")
SAME_SESSION = ("single session", "same session")


@dataclass(frozen=True)
class Comparisons:
    """How many figures were held against 0, how many of their 95 % intervals miss it, and how many still do when the
    number of tests is made up for (`holm`).
    """

    made: int
    apart: int
    held: int

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.made} figures are tested against 0: {self.apart} are apart from it at 95 %, as chance alone makes "
            f"some {round(LEVEL * self.made)}; {self.held} are (marked *) after Holm's correction for all {self.made}"
        )


@dataclass(frozen=True)
class Study:
    """A signal's figures (one row each) and what they say together; prints itself.

    figures is indexed by section and name, with the columns value; low and high (95 % interval of the mean, Newey-West
    errors); boot_low and boot_high (stationary bootstrap); t; ratio (mean over standard deviation per session, of a
    rank IC: its ICIR); sessions; p (how often chance alone gives as much, NaN where 0 says nothing) and holm (the same
    made up for all figures that were tested); and of the stand-ins: assets_low, assets_high, time_low and time_high,
    where 95 % of the values of signals shuffled across assets and in time lie, and stale, the value of the signal of a
    month ago.
    Returns are fractions per horizon, before costs; the break-even cost is a fraction of the value traded.
    """

    figures: pd.DataFrame
    verdict: str
    alarms: Mapping[str, str]
    notes: tuple[str, ...]
    entry: str
    horizons: tuple[int, ...]
    sessions: pd.DatetimeIndex
    assets: tuple[str, ...]
    shuffles: int
    per_session: pd.DataFrame
    events: tuple[EventStudy, EventStudy]

    @property
    def has_figures(self) -> bool:
        """Whether any session could be judged."""
        return bool(self.figures.loc[self.figures.index.get_level_values(0) == "rank IC", "sessions"].any())

    @property
    def tests(self) -> Comparisons:
        """How many tests were made, and what is left of their finds."""
        p, adjusted = self.figures["p"], self.figures["holm"]
        return Comparisons(int(p.notna().sum()), int((p < LEVEL).sum()), int((adjusted < LEVEL).sum()))

    def value(self, section: str, name: str) -> float:
        """Return one figure."""
        return figure_of(self.figures, section, name)["value"]

    def __str__(self) -> str:
        """Tables of all figures, and before them what they say."""
        from backtest.study_text import study_text

        return study_text(self)

    def to_dict(self) -> dict[str, object]:
        """Return verdict, alarms, notes, tests and figures as nested mappings of plain values, ready for JSON."""
        sections: dict[str, dict[str, object]] = {}
        for section, name in self.figures.index:
            sections.setdefault(section, {})[name] = _json_figure(figure_of(self.figures, section, name))
        return {
            "verdict": self.verdict,
            "alarms": dict(self.alarms),
            "notes": list(self.notes),
            "entry": self.entry,
            "sessions": len(self.sessions),
            "first": str(self.sessions[0].date()),
            "last": str(self.sessions[-1].date()),
            "assets": len(self.assets),
            "shuffles": self.shuffles,
            "tests": asdict(self.tests) | {"correction": "Holm", "level": LEVEL},
            "figures": sections,
        }


def study(
    signal: pd.DataFrame,
    prices: Bars | pd.DataFrame,
    *,
    sectors: pd.Series | None = None,
    horizons: tuple[int, ...] = HORIZONS,
    delayed: pd.DataFrame | None = None,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> Study:
    """Judge a signal (sessions × assets, row t known at the close of t) against the prices of the same assets.

    prices: bars, or adjusted closes; with opens, positions open at the session after the signal's open, else at its
    close. sectors (indexed by asset): adds figures within each sector. delayed: the same signal made with all news
    published some minutes later, for the alarm that asks whether the edge hangs on haste. shuffles: how many shuffled
    signals of each kind each figure is set beside.

    Raises:
        FrameError, MissingPrice: the frames break their contract or do not match (`align`).
        AllocationError: a horizon or the number of shuffles makes no sense.
    """
    _check(horizons, shuffles)
    bars = prices if isinstance(prices, Bars) else Bars(prices)
    values, data = study_data(signal, bars, sectors, tuple(sorted(horizons)))
    measures = measure(values, data)
    table = _table(measures)
    figures = table.assign(**_beside(values, data, shuffles, seed))
    late = None if delayed is None else _late_reading(delayed, bars, data)
    found = _readings(figures, data, late)
    rung = alarms(found)
    return Study(
        figures=figures, verdict=verdict(found, rung), alarms=rung,
        notes=tuple(_notes(bars, data, sectors, delayed)), entry=data.main, horizons=data.horizons,
        sessions=data.sessions, assets=data.assets, shuffles=shuffles, per_session=_series(measures, data),
        events=events(values, data),
    )  # fmt: skip


def figure_of(figures: pd.DataFrame, section: str, name: str) -> dict[str, float]:
    """Return one row of a study's figures by column."""
    place = list(figures.index).index((section, name))
    return dict(zip(map(str, figures.columns), figures.to_numpy()[place].tolist(), strict=True))


def _check(horizons: tuple[int, ...], shuffles: int) -> None:
    ordered = sorted(horizons)
    if not ordered or ordered[0] != 1 or any(one == other for one, other in pairwise(ordered)):
        raise AllocationError(f"horizons are {horizons}: give different numbers of sessions, 1 among them")
    if shuffles < 2:
        raise AllocationError(f"shuffles is {shuffles}: give at least 2, or no range can be told")


def _table(measures: Iterable[Measure]) -> pd.DataFrame:
    rows = {(each.section, each.name): _row(each) for each in measures}
    table = pd.DataFrame.from_dict(rows, orient="index").set_axis(pd.MultiIndex.from_tuples(rows), axis=0)
    return table.assign(holm=holm(table["p"].to_numpy()))


def _row(found: Measure) -> dict[str, float]:
    if found.series is None:
        return _figure(found, found.error, Interval(NAN, NAN), NAN, 0)
    series = pd.Series(found.series).dropna()
    n = len(series)
    # Neighbouring returns of h sessions share h - 1: their mean is no surer than these lags say.
    lags = max(int(4 * (n / 100) ** (2 / 9)), found.overlap - 1) if n else 0
    block = max(n ** (1 / 3), 2.0 * found.overlap)
    spread = float(series.std(ddof=1)) if n > 1 else NAN
    ratio = found.value / spread if spread > 0 else NAN
    return _figure(found, newey_west_error(series, lags), mean_interval(series, mean_block=block), ratio, n)


def _figure(found: Measure, error: float, drawn: Interval, ratio: float, n: int) -> dict[str, float]:
    value, reach = found.value, student_95(found.freedom) * error
    t = value / error if error > 0 else NAN
    chance = two_sided(t, found.freedom) if found.is_test else NAN
    return {
        "value": value, "low": value - reach, "high": value + reach, "boot_low": drawn.low,
        "boot_high": drawn.high, "t": t, "ratio": ratio, "sessions": n, "p": chance,
    }  # fmt: skip


def _beside(values: Values, data: StudyData, shuffles: int, seed: int) -> dict[str, Values]:
    """The same figures of signals that cannot have this one's skill."""
    random = np.random.default_rng(seed)
    columns: dict[str, Values] = {"stale": _values(stale(values), data)}
    kinds: dict[str, Callable[[Values, np.random.Generator], Values]] = {"assets": across_assets, "time": in_time}
    for kind, shuffle in kinds.items():
        drawn = np.array([_values(shuffle(values, random), data) for _ in range(shuffles)])
        known = np.isfinite(drawn).all(axis=0)
        low, high = np.full((2, drawn.shape[1]), NAN)
        low[known], high[known] = np.quantile(drawn[:, known], [0.025, 0.975], axis=0)
        columns |= {f"{kind}_low": low, f"{kind}_high": high}
    return columns


def _values(signal: Values, data: StudyData) -> Values:
    return np.array([each.value for each in measure(signal, data)])


def _late_reading(delayed: pd.DataFrame, bars: Bars, data: StudyData) -> Reading:
    """Rank IC of the delayed signal at the main entry, over one session."""
    values, late = study_data(delayed, bars, None, (1,))
    series = pd.Series(rank_correlation(values, late.forward[data.main, 1].values))
    error, mean = newey_west_error(series), float(series.mean())
    return Reading(mean, mean / error if error > 0 else NAN, (NAN, NAN))


def _readings(figures: pd.DataFrame, data: StudyData, delayed: Reading | None) -> Readings:
    def reading(section: str, name: str) -> Reading:
        row = figure_of(figures, section, name)
        chance = (min(row["assets_low"], row["time_low"]), max(row["assets_high"], row["time_high"]))
        return Reading(row["value"], row["t"], chance)

    first = "rank IC", held_for(data.main, 1)
    return Readings(
        same_session=reading(*SAME_SESSION),
        this_close=reading("rank IC", held_for(THIS_CLOSE, 1)),
        tradable=reading(*first),
        entry=data.main,
        stale=figure_of(figures, *first)["stale"],
        delayed=delayed,
    )


def _notes(bars: Bars, data: StudyData, sectors: pd.Series | None, delayed: pd.DataFrame | None) -> Iterator[str]:
    if bars.open is None:
        yield "no opens are known: entries are at closes; give prices with open for the next open"
    silent = sorted(set(data.assets) - set(data.covered))
    if silent:
        yield f"{len(silent)} of {len(data.assets)} assets never have a signal: {named(silent)}"
    if delayed is None:
        yield "no delayed signal was given: whether the edge hangs on haste is not judged"
    if sectors is not None:
        lacking = [name for name in data.covered if not isinstance(sectors.get(name), str)]
        if lacking:
            yield f"{len(lacking)} assets have no sector and are in no figure of one: {named(lacking)}"


def _series(measures: Iterable[Measure], data: StudyData) -> pd.DataFrame:
    """Rank IC per session of each entry over one session, and of the session itself."""
    chosen = {
        each.name: each.series
        for each in measures
        if (each.section, each.name) == SAME_SESSION
        or (each.section == "rank IC" and each.name.endswith(", 1 session"))
    }
    return pd.DataFrame(chosen, index=data.sessions)


def _json_figure(row: Mapping[str, float]) -> dict[str, object]:
    """One figure as plain values; what is not a number is left to the writer, who makes it null."""
    pairs = {
        "interval": ("low", "high"), "bootstrap": ("boot_low", "boot_high"),
        "shuffled_across_assets": ("assets_low", "assets_high"), "shuffled_in_time": ("time_low", "time_high"),
    }  # fmt: skip
    plain: dict[str, object] = {name: row[name] for name in ("value", "t", "ratio", "p", "holm")}
    plain |= {name: [row[low], row[high]] for name, (low, high) in pairs.items()}
    return plain | {"stale": row["stale"], "sessions": int(row["sessions"])}
