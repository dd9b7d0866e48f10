"""Result: what a simulation gave, with its figures as small properties; it prints itself."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocation.errors import FrameError
from allocation.frames import sessions_of
from allocation.schedule import rows_a_year
from backtest.result import metrics
from backtest.result.drawdowns import drawdown_table
from backtest.statistics.significance import Interval, sharpe_interval, sharpe_ratio
from newsfolio.shared.text_table import text_table

if TYPE_CHECKING:
    from backtest.result.vectorbt_books import BooksOfAccount

WEEKDAYS_A_YEAR, DAYS_A_YEAR = 252, 365
LEVEL, SEED = 0.95, 0  # of intervals, unless given
TRADING, HOLDING = ("commission", "spread", "impact"), ("borrow", "loan")


@dataclass(frozen=True)
class Result:
    """A simulated portfolio.

    nav: NAV at each close. weights: reached at each close (sessions × assets, fractions of NAV). trades: one
    row per fill (session, asset, shares, price, cost in all; then commission, spread, impact). targets: the rows of
    weights that were decided. notes: in words, whatever did not go as the targets said. flows: money in (+) and
    out (-) per session without a trade: interest, loan, borrow, dividends. sessions_in_year: of the exchange.
    closes: last known close of each session (sessions × assets).
    """

    name: str
    nav: pd.Series
    weights: pd.DataFrame
    trades: pd.DataFrame
    targets: pd.DataFrame
    notes: tuple[str, ...] = ()
    flows: pd.DataFrame | None = None
    sessions_in_year: int | None = None
    closes: pd.DataFrame | None = None

    @cached_property
    def portfolio(self) -> "BooksOfAccount":
        """The same account as a vectorbt.Portfolio, built when first touched, for its stats, plots, trades, drawdowns.

        Value, returns, fees (those for trading) and orders are those of this result. Interest, fees for holding and
        dividends are the price of one unit of a last column, "cash flows", where there are any: one order more.

        Raises:
            FrameError: the result holds no closes, as those that were saved by an older version.
        """
        if self.closes is None:
            raise FrameError(f"{self.name}: holds no closes to value positions with: run it again")
        from backtest.result.vectorbt_books import portfolio_of  # takes 2-3 s to load

        flows = pd.Series(0.0, self.nav.index) if self.flows is None else self.flows.sum(axis=1)
        return portfolio_of(self.trades, self.closes, flows, float(self.nav.iloc[0]), self.sessions_per_year)

    @property
    def sessions_per_year(self) -> int:
        """Rows a year where they are weeks or months; else sessions_in_year, 252, or 365 if all weekdays have some."""
        if (sparse := rows_a_year(sessions_of(self.nav))) is not None:
            return sparse
        if self.sessions_in_year is not None:
            return self.sessions_in_year
        return DAYS_A_YEAR if sessions_of(self.nav).day_of_week.nunique() == 7 else WEEKDAYS_A_YEAR

    @property
    def returns(self) -> pd.Series:
        """Simple net return of each session after the first; row t is from close t-1 to close t."""
        return self.nav.pct_change().iloc[1:].rename("return")

    @property
    def costs(self) -> pd.Series:
        """Money paid for trading in each session."""
        paid = self.trades.groupby("session")["cost"].sum()
        return paid.reindex(self.nav.index, fill_value=0.0).rename("cost")

    @property
    def costs_by_kind(self) -> pd.DataFrame:
        """Money paid in each session (sessions × kinds): for trading, borrowed shares and borrowed cash."""
        kinds = [kind for kind in TRADING if kind in self.trades.columns] or ["cost"]
        paid = self.trades.groupby("session")[kinds].sum().reindex(self.nav.index, fill_value=0.0)
        return paid if self.flows is None else paid.join(-self.flows[[*HOLDING]])

    @property
    def gross_returns(self) -> pd.Series:
        """Returns with each session's own costs given back; earlier costs stay paid."""
        paid = self.costs_by_kind.sum(axis=1)
        return (self.returns + (paid / self.nav.shift(1)).iloc[1:]).rename("gross return")

    @property
    def turnover(self) -> pd.Series:
        """Value bought plus value sold in each session, over the NAV of the close before."""
        traded = (self.trades["shares"].abs() * self.trades["price"]).groupby(self.trades["session"]).sum()
        return (traded.reindex(self.nav.index, fill_value=0.0) / self.nav.shift(1)).iloc[1:].rename("turnover")

    @property
    def total_return(self) -> float:
        """NAV at the end over NAV at the start, less 1."""
        return float(self.nav.iloc[-1] / self.nav.iloc[0] - 1.0)

    @property
    def annual_return(self) -> float:
        """Geometric: the constant yearly return that gives the total return; -1 where nothing is left."""
        if self.total_return <= -1.0:
            return -1.0
        years = max(len(self.nav) - 1, 1) / self.sessions_per_year
        return float((1.0 + self.total_return) ** (1.0 / years) - 1.0)

    @property
    def volatility(self) -> float:
        """Standard deviation of session returns (divisor n-1), annualised."""
        return float(self.returns.std(ddof=1) * np.sqrt(self.sessions_per_year))

    @property
    def sharpe(self) -> float:
        """Mean over standard deviation of session returns, annualised; cash is taken to earn nothing."""
        return sharpe_ratio(self.returns, self.sessions_per_year)

    def sharpe_interval(self, level: float = LEVEL, seed: int = SEED) -> Interval:
        """Stationary-bootstrap interval of the annualised Sharpe ratio."""
        if (level, seed) == (LEVEL, SEED):
            return self._usual_interval
        return sharpe_interval(self.returns, self.sessions_per_year, level=level, seed=seed)

    @cached_property
    def _usual_interval(self) -> Interval:
        """Resampled once: the figures, the comparison, the file and the report all ask for it."""
        return sharpe_interval(self.returns, self.sessions_per_year, level=LEVEL, seed=SEED)

    @property
    def drawdown(self) -> pd.Series:
        """NAV over its highest value so far, less 1: zero or negative."""
        return (self.nav / self.nav.cummax() - 1.0).rename("drawdown")

    @property
    def max_drawdown(self) -> float:
        """The deepest drawdown, as a negative fraction."""
        return float(self.drawdown.min())

    def drawdowns(self, most: int = 5) -> pd.DataFrame:
        """The deepest falls with their dates; see drawdown_table."""
        return drawdown_table(self.nav, most)

    @property
    def sortino(self) -> float:
        """Mean return over downside deviation, annualised."""
        return float(metrics.sortino(self.returns.to_numpy(), self.sessions_per_year))

    @property
    def calmar(self) -> float:
        """Annual return over the depth of the deepest drawdown."""
        return float(metrics.calmar(self.returns.to_numpy(), self.sessions_per_year))

    def value_at_risk(self, tail: float = metrics.TAIL) -> float:
        """The loss that a share `tail` of sessions exceeds, as a positive fraction of NAV."""
        return float(metrics.value_at_risk(self.returns.to_numpy(), tail))

    def expected_shortfall(self, tail: float = metrics.TAIL) -> float:
        """Mean loss of those sessions (CVaR), as a positive fraction of NAV."""
        return float(metrics.expected_shortfall(self.returns.to_numpy(), tail))

    @property
    def hit_rate(self) -> float:
        """Share of gains among the sessions whose NAV moved."""
        return float(metrics.hit_rate(self.returns.to_numpy()))

    @property
    def by_year(self) -> pd.Series:
        """Return of each calendar year, the first and last as far as they go."""
        return _compounded(self.returns, "YE").set_axis(sorted(set(sessions_of(self.returns).year)))

    @property
    def by_month(self) -> pd.DataFrame:
        """Return of each month (years × months 1 to 12), NaN where there was no session."""
        months = _compounded(self.returns, "ME")
        dates = pd.DatetimeIndex(months.index)
        return pd.Series(months.to_numpy(), [dates.year, dates.month]).unstack().rename_axis(index=None, columns=None)

    @property
    def annual_turnover(self) -> float:
        """Value bought plus sold per year, over NAV: 2 means the whole portfolio once; NaN without assets."""
        if not len(self.weights.columns):
            return float("nan")
        return float(self.turnover.mean() * self.sessions_per_year)

    @property
    def annual_cost(self) -> float:
        """Trading costs per year, over NAV; NaN without assets."""
        if not len(self.weights.columns):
            return float("nan")
        paid = (self.costs / self.nav.shift(1)).iloc[1:]
        return float(paid.mean() * self.sessions_per_year)

    def figures(self) -> dict[str, float]:
        """The headline figures by name, all as plain fractions."""
        low, high = self.sharpe_interval()
        return {
            "total_return": self.total_return,
            "annual_return": self.annual_return,
            "volatility": self.volatility,
            "sharpe": self.sharpe,
            "sharpe_low": low,
            "sharpe_high": high,
            "max_drawdown": self.max_drawdown,
            "annual_turnover": self.annual_turnover,
            "annual_cost": self.annual_cost,
        }

    def details(self, seed: int = SEED) -> dict[str, float]:
        """The headline figures, more ratios, tails, and a 95 % interval (_low, _high) of each, as plain fractions."""
        return dict(self._usual_details) if seed == SEED else self._details(seed)

    @cached_property
    def _usual_details(self) -> dict[str, float]:
        """Resampled once: the file of figures and the report both ask for them."""
        return self._details(SEED)

    def _details(self, seed: int) -> dict[str, float]:
        returns, year = self.returns.to_numpy(), self.sessions_per_year
        statistics: dict[str, metrics.Statistic] = {
            "annual_return": lambda r: metrics.annual_return(r, year),
            "sortino": lambda r: metrics.sortino(r, year),
            "calmar": lambda r: metrics.calmar(r, year),
            "max_drawdown": metrics.max_drawdown,
            "value_at_risk": metrics.value_at_risk,
            "expected_shortfall": metrics.expected_shortfall,
            "hit_rate": metrics.hit_rate,
        }
        found = self.figures()
        for name, ends in metrics.intervals(statistics, returns, seed=seed).items():
            found.setdefault(name, float(statistics[name](returns)) if len(returns) else float("nan"))
            found[f"{name}_low"], found[f"{name}_high"] = ends
        return found

    def __str__(self) -> str:
        """The figures as a person reads them."""
        first, last = self.nav.index[0].date(), self.nav.index[-1].date()
        head = (
            f"{self.name}, {first} to {last}, {len(self.nav)} sessions, {self.sessions_per_year} a year, net of costs"
        )
        notes = [f"  note: {note}" for note in self.notes]
        return "\n".join([head, comparison([self]), *notes])


def _compounded(returns: pd.Series, frequency: str) -> pd.Series:
    """Returns compounded by calendar period; periods without a session are left out."""
    grouped = (1.0 + returns).resample(frequency)
    return (grouped.prod() - 1.0)[grouped.count() > 0]


HEADER = ("", "total", "a year", "volatility", "Sharpe", "95 % interval", "max drawdown", "turnover/y", "costs/y")


def comparison(results: Iterable[Result]) -> str:
    """One row per result, in percent and basis points, net of costs."""
    rows = [HEADER, *(figures_row(result.name, result.figures()) for result in results)]
    return text_table(rows, rule=True)


def figures_row(name: str, figures: Mapping[str, float]) -> tuple[str, ...]:
    """Return a result's figures as text, in the order of HEADER; n/a where one is not finite."""

    def shown(figure: str, form: str, unit: str = "", scale: float = 1.0) -> str:
        value = figures[figure]
        return f"{scale * value:{form}}{unit}" if math.isfinite(value) else "n/a"

    return (
        name,
        shown("total_return", "+z.1%"),
        shown("annual_return", "+z.1%"),
        shown("volatility", ".1%"),
        shown("sharpe", "z.2f"),
        f"{shown('sharpe_low', 'z.2f')} to {shown('sharpe_high', 'z.2f')}",
        shown("max_drawdown", "z.1%"),
        shown("annual_turnover", ".1f", "x"),
        shown("annual_cost", ".0f", " bp", 1e4),
    )
