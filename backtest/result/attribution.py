"""attribute(): where a return came from: the base, the risk model, the signal, and what costs took."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.errors import FrameError
from backtest.result.result import Result
from backtest.statistics.significance import newey_west_error

PARTS = ("base", "risk model", "signal", "costs")


@dataclass(frozen=True)
class Attribution:
    """Parts of a portfolio's return per session (sessions × base, risk model, signal, costs); they sum to it."""

    name: str
    parts: pd.DataFrame
    sessions_per_year: int

    @property
    def annual(self) -> pd.DataFrame:
        """Each part and the total: mean, annualised by multiplication, and its Newey-West t-value."""
        table = self.parts.assign(total=self.parts.sum(axis=1))
        means = table.mean()
        errors = pd.Series({name: newey_west_error(column) for name, column in table.items()})
        return pd.DataFrame({"mean": means * self.sessions_per_year, "t": means / errors.where(errors > 0)})

    def __str__(self) -> str:
        """One line per part, in basis points a year."""
        rows = [
            f"  {name:<10}  {1e4 * row['mean']:+8.0f} bp  t = {row['t']:.1f}" for name, row in self.annual.iterrows()
        ]
        return "\n".join([f"{self.name}, mean return a year by source", *rows])


def attribute(result: Result, without_signal: Result, base: Result) -> Attribution:
    """Split the mean return of `result`, session by session.

    without_signal: the same policy and schedule with a forecast that knows nothing (NoView). base: what would be held
    without a risk model, such as EqualWeight. The signal's part is what the policy returned beyond
    without_signal, the risk model's what that returned beyond the base, all before costs; costs are those of
    `result`. The parts sum to its return in every session.

    Raises:
        FrameError: the three cover different sessions.
    """
    for other in (without_signal, base):
        if not other.nav.index.equals(result.nav.index):
            raise FrameError(f"{other.name} covers other sessions than {result.name}: run both on the same dates")
    gross, neutral, plain = (each.gross_returns for each in (result, without_signal, base))
    columns = np.stack([plain, neutral - plain, gross - neutral, result.returns - gross], axis=1)
    return Attribution(result.name, pd.DataFrame(columns, gross.index, list(PARTS)), result.sessions_per_year)
