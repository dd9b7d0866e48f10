"""Report: what is said of a backtest, on a page and in a terminal alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from backtest.report.lead import news_lead, strategy_lead
from backtest.report.signal_notes import Coverage, coverage_of
from backtest.report.tables import evidence_rows, trading_rows
from backtest.result.active_return import BenchmarkComparison, compare_with_benchmark
from backtest.result.attribution import Attribution
from backtest.result.result import Result
from backtest.signal_study.information_coefficient import InformationCoefficient, Placebo
from backtest.sweeps.sweep import Sweep


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is known of a backtest.

    results: the strategy's first, then those it is compared with. twin: the same policy without a signal, one of the
    results; what the news added is measured against it. notices: sentences shown above everything else. coefficients:
    of the signal. signal: sessions × assets, NaN where there is no news. headlines: columns published (UTC) or
    session, asset, text and, where known, score and url, shown with the worst drawdowns; see checked_headlines.
    placebo: what shuffled signals gave. sweep: the settings tried before this strategy was chosen, by which its Sharpe
    ratio is deflated; tried: how many they were, where there is no sweep of them. attribution: where the strategy's
    return came from. capacity: of the strategy, in money, as capacity() gives it by default. manifest: how the
    results came about, nested mappings allowed.
    """

    title: str
    results: Sequence[Result]
    twin: Result | None = None
    notices: Sequence[str] = ()
    coefficients: Sequence[InformationCoefficient] = ()
    signal: pd.DataFrame | None = None
    headlines: pd.DataFrame | None = None
    placebo: Placebo | None = None
    sweep: Sweep | None = None
    tried: int | None = None
    attribution: Attribution | None = None
    capacity: float | None = None
    manifest: Mapping[str, object] | None = None

    @property
    def strategy(self) -> Result:
        """The result that the report is about."""
        return self.results[0]

    @cached_property
    def comparisons(self) -> list[BenchmarkComparison]:
        """The strategy against each other result that has all its sessions; none of fewer than three sessions."""
        sessions = self.strategy.nav.index
        peers = [
            other for other in self.results[1:] if len(sessions) > 2 and not len(sessions.difference(other.nav.index))
        ]
        return [compare_with_benchmark(self.strategy, other) for other in peers]

    @property
    def news(self) -> BenchmarkComparison | None:
        """The strategy against its twin; None where there is none."""
        names = [] if self.twin is None else [self.twin.name]
        return next((each for each in self.comparisons if each.benchmark in names), None)

    @cached_property
    def coverage(self) -> Coverage | None:
        """How much of what was traded has a signal; None where there is no signal."""
        return None if self.signal is None else coverage_of(self.signal, self.strategy)

    @property
    def lead(self) -> list[str]:
        """What the news added, where that is known, then what the strategy returned."""
        own = strategy_lead(self.strategy, self.twin)
        return [own] if self.news is None else [news_lead(self.news), own]

    @property
    def warnings(self) -> list[str]:
        """The notices, and what the signal does not cover."""
        return [*self.notices, *([] if self.coverage is None else self.coverage.warnings)]

    @property
    def evidence(self) -> list[tuple[str, str]]:
        """What speaks for skill and what for chance, and what trading it takes: (name, words)."""
        tried = self.sweep if self.sweep is not None else self.tried
        rows = evidence_rows(self.strategy, self.placebo, tried, self.coefficients)
        covered = [] if self.coverage is None else [("Coverage", str(self.coverage))]
        return [*rows, *covered, *trading_rows(self.strategy, self.twin, self.capacity)]

    @property
    def notes(self) -> list[tuple[str, list[str]]]:
        """Each note once: (names of the results that it is of, the notes they share)."""
        names: dict[str, list[str]] = {}
        for result in self.results:
            same = (result.nav.index[[0, -1]] == self.strategy.nav.index[[0, -1]]).all()
            for note in [*([] if same else [f"covers other sessions: {span(result)}"]), *result.notes]:
                names.setdefault(note, []).append(result.name)
        grouped: dict[str, list[str]] = {}
        for note, those in names.items():
            grouped.setdefault(", ".join(those), []).append(note)
        return list(grouped.items())


def span(result: Result) -> str:
    """Return the sessions of a result in one line."""
    first, last = result.nav.index[0].date(), result.nav.index[-1].date()
    return f"{first} to {last}, {len(result.nav)} sessions, {result.sessions_per_year} a year, net of costs"
