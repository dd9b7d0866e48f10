"""What a warning is a warning of, and the probability of it that a volatility forecast implies."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.frames import Bars
from newsfolio.shared.arrays import FloatArray

Kind = Literal["move", "drawdown", "high volatility"]
KINDS: tuple[Kind, ...] = ("move", "drawdown", "high volatility")
USUAL = 252  # sessions over which an asset's usual volatility is taken
FEWEST = 60
REFIT = 63  # sessions for which a fitted curve of probabilities is used
STEPS = 25


@dataclass(frozen=True)
class WarningEvent:
    """Something bad within the next `horizon` sessions.

    move: a session's return beyond `sigmas` usual standard deviations, up or down. drawdown: a close lower than now by
    more than `sigmas` usual standard deviations of `horizon` sessions. high volatility: a mean squared return of the
    `horizon` sessions above (sigmas / 2)² times the usual. The usual standard deviation is that of the last 252
    sessions, as known now.

    Raises:
        AllocationError: the kind is unknown, or a number makes no sense.
    """

    kind: Kind = "move"
    horizon: int = 5
    sigmas: float = 4.0

    def __post_init__(self) -> None:
        """It must be something that can happen."""
        if self.kind not in KINDS or self.horizon < 1 or not self.sigmas > 0.0:
            raise AllocationError(f"{self!r} is no event: use {', '.join(KINDS)}, horizon >= 1 and sigmas > 0")

    def __str__(self) -> str:
        """What it is, in words."""
        within = "within the next session" if self.horizon == 1 else f"within {self.horizon} sessions"
        size = f"{self.sigmas:g} usual standard deviations"
        return {
            "move": f"a move beyond {size} {within}",
            "drawdown": f"a fall of more than {size} (of {self.horizon} sessions) {within}",
            "high volatility": f"volatility above {self.sigmas / 2:g} times the usual {within}",
        }[self.kind]

    def outcomes(self, close: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """Return whether it came (1 or 0, sessions × assets; NaN where not known) and in how many sessions it did.

        Row t is known at the close of t + horizon alone: it is the truth that warnings are judged by. The second is
        NaN where it did not come.
        """
        logs = np.log(close.to_numpy())
        returns = log_returns(close).to_numpy()
        usual = usual_volatility(close).to_numpy()
        came, after = np.zeros(logs.shape), np.full(logs.shape, np.nan)
        known, squares = np.isfinite(usual), np.zeros(logs.shape)
        for ahead in range(1, self.horizon + 1):
            next_return, next_log = _shifted(returns, ahead), _shifted(logs, ahead)
            known &= np.isfinite(next_return)
            squares += next_return**2
            with np.errstate(invalid="ignore"):
                if self.kind == "move":
                    now = np.abs(next_return) > self.sigmas * usual
                elif self.kind == "drawdown":
                    now = next_log - logs < -self.sigmas * usual * np.sqrt(self.horizon)
                else:
                    now = squares / self.horizon > (self.sigmas / 2.0 * usual) ** 2
            after = np.where(now & np.isnan(after), float(ahead), after)
            came = np.where(now, 1.0, came)
        return np.where(known, came, np.nan), np.where(known, after, np.nan)


def usual_volatility(close: pd.DataFrame) -> pd.DataFrame:
    """Return the standard deviation of each asset's log returns over the last 252 sessions, around 0."""
    usual: pd.DataFrame = (log_returns(close) ** 2).rolling(USUAL, min_periods=FEWEST).mean() ** 0.5
    return usual


def log_returns(close: pd.DataFrame) -> pd.DataFrame:
    """Return the log return of each session; NaN where it or the one before has no close."""
    logs = np.log(close.to_numpy())
    returns = np.vstack([np.full((1, logs.shape[1]), np.nan), np.diff(logs, axis=0)])
    return pd.DataFrame(returns, close.index, close.columns)


def _shifted(values: FloatArray, ahead: int) -> FloatArray:
    later = np.full(values.shape, np.nan)
    later[:-ahead] = values[ahead:]
    return later


def probabilities(volatility: pd.DataFrame, bars: Bars, event: WarningEvent) -> pd.DataFrame:
    """Return the probability of the event (sessions × assets) that a volatility forecast implies; row t known at t.

    A logistic curve in the log of forecast over usual volatility and its square, fitted to all outcomes that were known
    before, anew every 63 sessions: so the probabilities are calibrated as far as the past says. NaN before that.
    """
    came, _ = event.outcomes(bars.close)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log((volatility / usual_volatility(bars.close)).to_numpy())
    design = np.stack([np.ones(ratio.shape), ratio, ratio**2], axis=-1)
    found, b = np.full(ratio.shape, np.nan), np.zeros(3)
    usable = np.isfinite(ratio) & np.isfinite(came)
    for start in range(USUAL, len(ratio), REFIT):
        known = usable[: max(start - event.horizon, 0)]
        y = came[: len(known)][known]
        if len(y) < USUAL or not 5 <= y.sum() <= len(y) - 5:
            continue
        x, prior = design[: len(known)][known], 0.01 / len(y)  # a weak normal prior, of standard deviation 10
        for _ in range(STEPS):  # Newton's, from the coefficients before
            p = 1.0 / (1.0 + np.exp(-(x @ b)))
            gradient = x.T @ (p - y) / len(y) + prior * b
            hessian = (x.T * (p * (1.0 - p))) @ x / len(y) + prior * np.eye(len(b))
            step = np.linalg.solve(hessian, gradient)
            b = b - np.clip(step, -2.0, 2.0)
            if np.abs(step).max() < 1e-8:
                break
        found[start : start + REFIT] = 1.0 / (1.0 + np.exp(-(design[start : start + REFIT] @ b)))
    return pd.DataFrame(found, bars.close.index, bars.close.columns)
