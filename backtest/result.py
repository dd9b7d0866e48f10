"""Result: what a simulation gave, with its figures as small properties; it prints itself."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.frames import sessions_of
from backtest.significance import Interval, sharpe_interval, sharpe_ratio

WEEKDAYS_A_YEAR, DAYS_A_YEAR = 252, 365


@dataclass(frozen=True)
class Result:
    """A simulated portfolio.

    nav: NAV at each close. weights: reached at each close (sessions × assets, fractions of NAV). trades: one
    row per fill (session, asset, shares, price, cost). targets: the rows of weights that were decided. notes:
    in words, whatever did not go as the targets said.
    """

    name: str
    nav: pd.Series
    weights: pd.DataFrame
    trades: pd.DataFrame
    targets: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def sessions_per_year(self) -> int:
        """252, or 365 where every day of the week has sessions: an asset that never stops trading."""
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

    def sharpe_interval(self, level: float = 0.95, seed: int = 0) -> Interval:
        """Stationary-bootstrap interval of the annualised Sharpe ratio."""
        return sharpe_interval(self.returns, self.sessions_per_year, level=level, seed=seed)

    @property
    def drawdown(self) -> pd.Series:
        """NAV over its highest value so far, less 1: zero or negative."""
        return (self.nav / self.nav.cummax() - 1.0).rename("drawdown")

    @property
    def max_drawdown(self) -> float:
        """The deepest drawdown, as a negative fraction."""
        return float(self.drawdown.min())

    @property
    def annual_turnover(self) -> float:
        """Value bought plus sold per year, over NAV: 2 means the whole portfolio once."""
        return float(self.turnover.mean() * self.sessions_per_year)

    @property
    def annual_cost(self) -> float:
        """Trading costs per year, over NAV."""
        paid = (self.costs / self.nav.shift(1)).iloc[1:]
        return float(paid.mean() * self.sessions_per_year)

    def figures(self) -> dict[str, float]:
        """The headline figures by name, all as plain fractions."""
        low, high = self.sharpe_interval()
        return {
            "total_return": self.total_return, "annual_return": self.annual_return,
            "volatility": self.volatility, "sharpe": self.sharpe, "sharpe_low": low, "sharpe_high": high,
            "max_drawdown": self.max_drawdown, "annual_turnover": self.annual_turnover,
            "annual_cost": self.annual_cost,
        }  # fmt: skip

    def __str__(self) -> str:
        """The figures as a person reads them."""
        first, last = self.nav.index[0].date(), self.nav.index[-1].date()
        head = (
            f"{self.name}, {first} to {last}, {len(self.nav)} sessions, {self.sessions_per_year} a year, net of costs"
        )
        notes = [f"  note: {note}" for note in self.notes]
        return "\n".join([head, comparison([self]), *notes])


def comparison(results: Iterable[Result]) -> str:
    """One row per result, in percent and basis points, net of costs."""
    rows = [_row(result) for result in results]
    widths = [max(len(row[column]) for row in [HEADER, *rows]) for column in range(len(HEADER))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in [HEADER, *rows]
    ]  # fmt: skip
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


HEADER = (
    "",
    "total",
    "a year",
    "volatility",
    "Sharpe",
    "95 % interval",
    "worst fall",
    "turnover/y",
    "costs/y",
)


def _row(result: Result) -> tuple[str, ...]:
    low, high = result.sharpe_interval()
    return (
        result.name,
        f"{result.total_return:+.1%}",
        f"{result.annual_return:+.1%}",
        f"{result.volatility:.1%}",
        f"{result.sharpe:.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{result.max_drawdown:.1%}",
        f"{result.annual_turnover:.1f}x",
        f"{1e4 * result.annual_cost:.0f} bp",
    )
