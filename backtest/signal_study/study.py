"""study(): what a signal is worth before any portfolio, each figure with the range of its placebos."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from allocation.errors import AllocationError
from allocation.frames import Bars, named
from backtest.signal_study.diagnostics import Evidence, ICSummary, alarms, meaning, undecided, verdict
from backtest.signal_study.event_study import EventStudy
from backtest.signal_study.figure_table import FEWEST_PERIODS, figure_of, figure_table, placebo_columns
from backtest.signal_study.forward_returns import THIS_CLOSE
from backtest.signal_study.leaks import response
from backtest.signal_study.measures import HORIZONS, StudyData, events, held_for, measure, study_data
from backtest.signal_study.output.tables import text_page
from backtest.signal_study.row_correlation import no_correlation, rank_correlation
from backtest.statistics.significance import LEVEL, newey_west_t
from newsfolio.shared.arrays import FloatArray

SHUFFLES = 40
NAN = float("nan")
FIGURES = ("value", "t", "ratio", "p", "holm", "periods", "stale")
SAME_SESSION = ("single session", "same session")


@dataclass(frozen=True)
class MultipleTesting:
    """Number of figures tested against 0, and of those significant at 5 % before and after Holm's adjustment."""

    tested: int
    significant: int
    adjusted: int

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.tested} figures tested against 0: {self.significant} significant at 5 % (about "
            f"{round(LEVEL * self.tested)} expected by chance), {self.adjusted} after Holm's adjustment"
        )


@dataclass(frozen=True)
class Study:
    """A signal's figures (one row each) and what they say together; prints itself.

    figures is indexed by section and name, with the columns value; low and high (95 % interval of the mean, Newey-West
    errors); boot_low and boot_high (stationary bootstrap); t; ratio (mean over standard deviation per session, of a
    rank IC: its ICIR); sessions; periods (effective number: sessions reduced for autocorrelation and overlap, for
    events the effective number of event sessions); p (NaN for figures that are not tests) and holm (adjusted for all
    figures that were tested); and of the placebos: assets_low, assets_high, time_low and time_high, the 95 % range of
    the values of signals shuffled across assets and in time, and stale, the value of the signal of a month ago.
    Intervals widen with fewer non-overlapping periods; below four there is none. Returns are fractions per horizon,
    before costs; the break-even cost is a fraction of the value traded. lead: what it all means, in three sentences.
    """

    figures: pd.DataFrame
    verdict: str
    meaning: str
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
        """Whether any session has a rank IC."""
        return bool(self.figures.loc[self.figures.index.get_level_values(0) == "rank IC", "sessions"].any())

    @property
    def tests(self) -> MultipleTesting:
        """How many tests were made and how many are significant."""
        p, adjusted = self.figures["p"], self.figures["holm"]
        return MultipleTesting(int(p.notna().sum()), int((p < LEVEL).sum()), int((adjusted < LEVEL).sum()))

    @property
    def lead(self) -> tuple[str, str, str]:
        """Verdict, meaning, and what speaks for and against them."""
        raised = f"Warnings: {', '.join(self.alarms)}." if self.alarms else "No warnings."
        tests = self.tests
        return self.verdict, self.meaning, f"{raised} {tests.adjusted} of {tests.tested} tests hold after adjustment."

    @property
    def span(self) -> str:
        """Sessions and assets in one line."""
        first, last = self.sessions[0].date(), self.sessions[-1].date()
        return f"{first} to {last}, {len(self.sessions):,} sessions × {len(self.assets):,} assets"

    def value(self, section: str, name: str) -> float:
        """Return one figure."""
        return figure_of(self.figures, section, name)["value"]

    def __str__(self) -> str:
        """What it means in three sentences, warnings, notes, and the tables that a decision needs."""
        return self.to_text()

    def to_text(self, *, full: bool = False) -> str:
        """Return the study as text of at most a hundred columns; full: all figures, with all that is known of each."""
        warnings = (f"warning ({name}): {sentence}" for name, sentence in self.alarms.items())
        basis = (
            f"{self.span}; returns before costs; one session at the {self.entry} where no entry is named",
            f"placebos: 95 % of {self.shuffles} signals shuffled across assets and of {self.shuffles} shuffled in time"
            + ("; stale: the signal of a month ago" if full else ""),
            f"{self.tests} (marked *); periods: effective number of independent ones behind t and p",
        )
        notes = (f"note: {note}" for note in self.notes)
        figures = self.figures if self.has_figures else None
        return text_page(self.lead, ("", *warnings, *basis, *notes), figures, full=full)

    def to_dict(self) -> dict[str, object]:
        """Return verdict, alarms, notes, tests and figures as nested mappings of plain values, ready for JSON."""
        ranges = {
            "interval": ("low", "high"),
            "bootstrap": ("boot_low", "boot_high"),
            "shuffled_across_assets": ("assets_low", "assets_high"),
            "shuffled_in_time": ("time_low", "time_high"),
        }
        sections: dict[str, dict[str, object]] = {}
        for section, name in self.figures.index:
            row = figure_of(self.figures, section, name)
            plain: dict[str, object] = {key: row[key] for key in FIGURES}
            plain |= {key: [row[low], row[high]] for key, (low, high) in ranges.items()}
            sections.setdefault(section, {})[name] = plain | {"sessions": int(row["sessions"])}
        return {
            "verdict": self.verdict,
            "meaning": self.meaning,
            "alarms": dict(self.alarms),
            "notes": list(self.notes),
            "entry": self.entry,
            "sessions": len(self.sessions),
            "first": str(self.sessions[0].date()),
            "last": str(self.sessions[-1].date()),
            "assets": len(self.assets),
            "shuffles": self.shuffles,
            "tests": {
                "made": self.tests.tested,
                "apart": self.tests.significant,
                "held": self.tests.adjusted,
                "correction": "Holm",
                "level": LEVEL,
            },
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
    published some minutes later, for the alarm on edges that depend on haste. shuffles: number of placebos of each
    kind that each figure is compared with.

    Raises:
        FrameError, MissingPrice: the frames break their contract or do not match (`align`).
        AllocationError: a horizon or the number of shuffles makes no sense.
    """
    ordered = tuple(sorted(horizons))
    if not ordered or ordered[0] != 1 or any(one == other for one, other in pairwise(ordered)):
        raise AllocationError(f"horizons are {horizons}: give different numbers of sessions, 1 among them")
    if shuffles < 2:
        raise AllocationError(f"shuffles is {shuffles}: give at least 2, or they have no range")
    bars = prices if isinstance(prices, Bars) else Bars(prices)
    values, data = study_data(signal, bars, sectors, ordered)
    measures = measure(values, data)
    figures = figure_table(measures).assign(**placebo_columns(values, data, shuffles, seed))
    late = None
    if delayed is not None:
        rows, other = study_data(delayed, bars, None, (1,))
        series = pd.Series(rank_correlation(rows, other.forward[data.main, 1].values))
        late = ICSummary(float(series.mean()), newey_west_t(series), (NAN, NAN))
    found = _evidence(values, data, figures, late)
    raised = alarms(found)
    daily = {
        each.name: each.series
        for each in measures
        if (each.section, each.name) == SAME_SESSION
        or (each.section == "rank IC" and each.name.endswith(", 1 session"))
    }
    return Study(
        figures=figures,
        verdict=verdict(found, raised),
        meaning=meaning(found, raised),
        alarms=raised,
        notes=(*_notes(bars, data, sectors, figures, delayed is not None), *undecided(found)),
        entry=data.main,
        horizons=data.horizons,
        sessions=data.sessions,
        assets=data.assets,
        shuffles=shuffles,
        per_session=pd.DataFrame(daily, index=data.sessions),
        events=events(values, data),
    )


def _evidence(values: FloatArray, data: StudyData, figures: pd.DataFrame, delayed: ICSummary | None) -> Evidence:
    def summary(section: str, name: str) -> ICSummary:
        """One figure as evidence."""
        row = figure_of(figures, section, name)
        return ICSummary(
            mean=row["value"],
            t=row["t"],
            placebo_range=(min(row["assets_low"], row["time_low"]), max(row["assets_high"], row["time_high"])),
            high=row["high"],
            p=row["p"],
            periods=row["periods"],
            holm=row["holm"],
        )

    first = "rank IC", held_for(data.main, 1)
    return Evidence(
        same_session=summary(*SAME_SESSION),
        this_close=summary("rank IC", held_for(THIS_CLOSE, 1)),
        tradable=summary(*first),
        entry=data.main,
        stale=figure_of(figures, *first)["stale"],
        delayed=delayed,
        response=response(values, data),
        reason=no_correlation(values, data.forward[data.main, 1].values),
    )


def _notes(
    bars: Bars, data: StudyData, sectors: pd.Series | None, figures: pd.DataFrame, has_delayed: bool
) -> Iterator[str]:
    """What the study lacks, of input and of sample."""
    if bars.open is None:
        yield (
            "no opens are known: entries are at closes, and an edge between close and open is not looked for; give "
            "prices with open"
        )
    silent = sorted(set(data.assets) - set(data.covered))
    if silent:
        yield f"{len(silent)} of {len(data.assets)} assets never have a signal: {named(silent)}"
    if not has_delayed:
        yield "no delayed signal was given: whether the edge depends on haste is not judged"
    if sectors is not None:
        lacking = [name for name in data.covered if not isinstance(sectors.get(name), str)]
        if lacking:
            yield f"{len(lacking)} assets have no sector and are in no figure of one: {named(lacking)}"
    unsure = int((figures["sessions"].gt(0) & figures["low"].isna()).sum())
    if unsure:
        yield (
            f"{unsure} figures are means over fewer than {FEWEST_PERIODS} periods that share no session: they have no "
            "standard error, and none counts as a test"
        )
    absent = figures.index[figures["value"].isna()].get_level_values(0).value_counts(sort=False)
    if len(absent):
        parts = ", ".join(f"{section} ({n})" for section, n in absent.items())
        yield f"{absent.sum()} figures have no value (too few sessions or assets) and are not shown: {parts}"
