"""study(): what a signal is worth before any portfolio, each figure beside signals that cannot have its skill."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise

import pandas as pd

from allocation.data.load import Bars
from allocation.errors import AllocationError
from allocation.frames import named
from backtest.signal_study.diagnostics import Evidence, ICSummary, alarms, undecided, verdict
from backtest.signal_study.event_study import EventStudy
from backtest.signal_study.figure_table import FEWEST_PERIODS, figure_of, figure_table
from backtest.signal_study.forward_returns import THIS_CLOSE
from backtest.signal_study.measures import HORIZONS, Measure, StudyData, events, held_for, measure, study_data
from backtest.signal_study.placebos import placebo_columns
from backtest.signal_study.row_correlation import rank_correlation
from backtest.statistics.significance import LEVEL, newey_west_error

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
            f"some {round(LEVEL * self.made)}; after Holm's correction for all {self.made} (marked *): {self.held}"
        )


@dataclass(frozen=True)
class Study:
    """A signal's figures (one row each) and what they say together; prints itself.

    figures is indexed by section and name, with the columns value; low and high (95 % interval of the mean, Newey-West
    errors); boot_low and boot_high (stationary bootstrap); t; ratio (mean over standard deviation per session, of a
    rank IC: its ICIR); sessions; p (how often chance alone gives as much, NaN where 0 says nothing) and holm (the same
    made up for all figures that were tested); and of the stand-ins: assets_low, assets_high, time_low and time_high,
    where 95 % of the values of signals shuffled across assets and in time lie, and stale, the value of the signal of a
    month ago. Intervals are the wider the fewer periods there are that share no session; below four there is none.
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
        from backtest.signal_study.output.tables import study_text

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
    figures = figure_table(measures).assign(**placebo_columns(values, data, shuffles, seed))
    late = None if delayed is None else _late_reading(delayed, bars, data)
    found = _evidence(figures, data, late)
    rung = alarms(found)
    return Study(
        figures=figures, verdict=verdict(found, rung), alarms=rung, entry=data.main, horizons=data.horizons,
        notes=(*_notes(bars, data, sectors, delayed), *_doubts(figures, found)),
        sessions=data.sessions, assets=data.assets, shuffles=shuffles, per_session=_series(measures, data),
        events=events(values, data),
    )  # fmt: skip


def _check(horizons: tuple[int, ...], shuffles: int) -> None:
    ordered = sorted(horizons)
    if not ordered or ordered[0] != 1 or any(one == other for one, other in pairwise(ordered)):
        raise AllocationError(f"horizons are {horizons}: give different numbers of sessions, 1 among them")
    if shuffles < 2:
        raise AllocationError(f"shuffles is {shuffles}: give at least 2, or no range can be told")


def _late_reading(delayed: pd.DataFrame, bars: Bars, data: StudyData) -> ICSummary:
    """Rank IC of the delayed signal at the main entry, over one session."""
    values, late = study_data(delayed, bars, None, (1,))
    series = pd.Series(rank_correlation(values, late.forward[data.main, 1].values))
    error, mean = newey_west_error(series), float(series.mean())
    return ICSummary(mean, mean / error if error > 0 else NAN, (NAN, NAN))


def _evidence(figures: pd.DataFrame, data: StudyData, delayed: ICSummary | None) -> Evidence:
    def reading(section: str, name: str) -> ICSummary:
        row = figure_of(figures, section, name)
        chance = (min(row["assets_low"], row["time_low"]), max(row["assets_high"], row["time_high"]))
        return ICSummary(row["value"], row["t"], chance, row["high"])

    first = "rank IC", held_for(data.main, 1)
    return Evidence(
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


def _doubts(figures: pd.DataFrame, found: Evidence) -> Iterator[str]:
    """What the sample is too short for."""
    unsure = int((figures["sessions"].gt(0) & figures["low"].isna()).sum())
    if unsure:
        yield (
            f"{unsure} figures are means over fewer than {FEWEST_PERIODS} periods that share no session: how sure they "
            "are cannot be said, and none counts as a test"
        )
    absent = figures.index[figures["value"].isna()].get_level_values(0).value_counts(sort=False)
    if len(absent):
        parts = ", ".join(f"{section} ({n})" for section, n in absent.items())
        yield f"{absent.sum()} figures have no value, for want of sessions or of names, and are not shown: {parts}"
    doubt = undecided(found)
    if doubt is not None:
        yield doubt


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
