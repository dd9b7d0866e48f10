"""Several signals to one expected return per session: a ridge regression across assets, on the past only."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from allocation.errors import AllocationError, FrameError, MissingPriceError
from allocation.forecast.grinold import (
    ROUNDING,
    check_decay,
    decay_weights,
    forward_sums,
    residual_returns,
    score_decay,
    standardised_score,
)
from allocation.forecast.newey_west import newey_west_variance
from allocation.frames import check_signal, frame_digest, named
from newsfolio.shared.arrays import FloatArray

if TYPE_CHECKING:
    from allocation.view import View

OWN = "signal"  # the name of the view's own signal among the others


@dataclass(frozen=True, eq=False)  # frames have no single truth of being equal: each forecast is itself
class CrossSectionalRidge:
    """alpha = residual volatility × sum over signals of coefficient × score; with one signal nearly `Grinold`.

    signals: further frames by name (sessions × assets, row t known at the close of t), in addition to the view's own,
    which is named `signal`. Of each only rows up to `view.now` are used; an asset without a value of one of them has
    score 0 in it. Scores and residual returns are those of `Grinold`, over the last `window` sessions.

    The coefficients fit the standardised residual returns of sessions s+2 ... s+1+horizon (those that a decision at
    close s can earn) to the scores of session s, over all assets and past sessions: b = (X'X/n + penalty I)^-1 X'y/n,
    none below 0, since a news signal that pointed the wrong way is taken to be noise. A signal that only repeats others
    adds nothing, and two that are the same share one's coefficient. The penalty is noise / prior_sd², the one at which
    b is the likeliest value given a normal prior of mean 0 and standard deviation `prior_sd` for each coefficient
    (A. Hoerl and R. Kennard, "Ridge regression", Technometrics 12(1), 1970, in its Bayesian reading); noise is the
    Newey-West variance of X'y/n per unit of X'X/n. Where no signal was positively correlated with later
    returns, all coefficients are exactly 0.

    decay: as in `Grinold`, the share of a score's information left one session later: the same for all signals, or
    `fit`, the `score_decay` of each in the window. Each signal is then fitted to the sum of returns with its own decay
    weights, jointly with the others, and the forecast is the mean over the horizon of what is left of each. With 1 all
    sessions count the same.

    Live, a strategy reads its further frames when its policy is built. The ledger keeps their digest with that
    of the view's signal.

    Raises:
        AllocationError: a setting with which every forecast would be 0, an invalid decay, or a frame named `signal`.
        FrameError: a frame is not a signal.
    """

    signals: Mapping[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    horizon: int = 5
    window: int = 252
    prior_sd: float = 0.03
    decay: float | Literal["fit"] = 1.0

    def __post_init__(self) -> None:
        """Check, copy and sort the frames, so that neither their order nor a later change of one matters."""
        if not (self.horizon >= 1 and self.window >= self.horizon + 3 and 0 < self.prior_sd < np.inf):
            raise AllocationError(
                f"{self} never forecasts anything: pass horizon >= 1, window >= horizon + 3 and a finite prior_sd > 0"
            )
        check_decay(self.decay)
        if OWN in self.signals:
            raise AllocationError(f"a further signal is named {OWN!r}, as the view's own: rename it")
        object.__setattr__(self, "signals", {name: _checked(name, self.signals[name]) for name in sorted(self.signals)})

    def __call__(self, view: "View") -> pd.Series:
        """Return the expected residual return per session, averaged over the next `horizon` sessions.

        Raises:
            FrameError: a further signal has no row of `view.now`, or rows that prices lack.
            MissingPriceError: a further signal has an asset that prices lack.
        """
        scores, residual = self._scores(view), residual_returns(view.prices.iloc[-self.window - 1 :])
        decays, volatility = self._decays(scores), residual.std(ddof=0)
        lasting = decays.mean(axis=1) * np.sqrt(self.horizon / (decays**2).sum(axis=1))  # exactly 1 without decay
        combined = np.nan_to_num(scores[:, -1]).T @ (self._fit(scores, decays, residual) * lasting)
        return pd.Series((volatility / np.sqrt(self.horizon) * combined).fillna(0.0))

    def coefficients(self, view: "View") -> pd.Series:
        """Return what each signal is worth now, by name, the view's own first: the return that a score of 1 lets
        expect over the horizon, faded as the score is, in residual standard deviations of that sum.

        Raises:
            FrameError, MissingPriceError: as a call.
        """
        residual = residual_returns(view.prices.iloc[-self.window - 1 :])
        scores = self._scores(view)
        return pd.Series(self._fit(scores, self._decays(scores), residual), index=[OWN, *self.signals])

    def inputs_digest(self, now: pd.Timestamp) -> str:
        """SHA-256 of the further signals as known at the close of `now`; empty without any."""
        parts = (f"{name}\x1f{frame_digest(frame.loc[:now])}" for name, frame in self.signals.items())
        return hashlib.sha256("\x1e".join(parts).encode()).hexdigest() if self.signals else ""

    def _scores(self, view: "View") -> FloatArray:
        """Scores (signals × sessions × assets) of the last `window` sessions, NaN without a signal."""
        frames = [view.signal, *(_known(name, frame, view) for name, frame in self.signals.items())]
        sessions, assets = view.prices.index[-self.window :], view.prices.columns
        return np.stack([standardised_score(frame.reindex(index=sessions, columns=assets)) for frame in frames])

    def _decays(self, scores: FloatArray) -> FloatArray:
        """Weights (signals × horizon) of the sessions that each signal looks ahead."""
        decays = [score_decay(pd.DataFrame(score)) if self.decay == "fit" else float(self.decay) for score in scores]
        return np.stack([decay_weights(decay, self.horizon) for decay in decays])

    def _fit(self, scores: FloatArray, decays: FloatArray, residual: pd.DataFrame) -> FloatArray:
        """Coefficients >= 0 that minimise b'(gram + penalty I)b / 2 - b'c, c being the means of the products."""
        volatility = residual.std(ddof=0)
        standardised = (residual / volatility.where(volatility > 0)).to_numpy()
        y = np.stack([forward_sums(standardised, weights) for weights in decays])
        x = scores[:, -len(standardised) :][:, : y.shape[1]]
        counted = np.isfinite(y[0]) & np.isfinite(x).any(axis=0)
        if (counted.any(axis=1)).sum() < 2:
            return np.zeros(len(scores))
        x, y = np.where(counted, np.nan_to_num(x), 0.0), np.where(counted, y, 0.0)
        n_per_session = counted.sum() / y.shape[1]
        products = (x * y).sum(axis=2) / n_per_session  # signals × sessions; their means are X'y/n
        # Two sums of returns that decay differently have less in common than the scores have.
        squares = (decays**2).sum(axis=1)
        shared = decays @ decays.T / np.sqrt(np.outer(squares, squares))
        gram = np.einsum("ita,jta->ij", x, x) / counted.sum() * shared
        size, mean = float(np.trace(gram)), products.mean(axis=1)
        if not (size > 0 and (mean > 0).any()):
            return np.zeros(len(gram))
        noise = sum(newey_west_variance(row, lags=self.horizon - 1) for row in products) / size
        penalty = max(noise / self.prior_sd**2, ROUNDING)
        root = np.linalg.cholesky(gram + penalty * np.eye(len(gram))).T
        found, _ = nnls(root, np.linalg.solve(root.T, mean))
        return np.asarray(found)


def _checked(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    try:
        return check_signal(frame)
    except FrameError as error:
        raise type(error)(f"signal {name!r}: {error}") from error


def _known(name: str, frame: pd.DataFrame, view: "View") -> pd.DataFrame:
    """The rows up to now, on the view's sessions and assets."""
    past = frame.loc[: view.now]
    if not len(past) or past.index[-1] != view.now:
        last = f"its last row is of {past.index[-1].date()}" if len(past) else f"it begins on {frame.index[0].date()}"
        raise FrameError(f"signal {name!r} has no row of {view.now.date()}: {last}: bring it up to date")
    unknown = past.columns.difference(view.prices.columns)
    if len(unknown):
        raise MissingPriceError(
            f"signal {name!r} has {named(unknown)} without a price column: add the prices or drop the column"
        )
    unmatched = past.loc[view.prices.index[0] :].index.difference(view.prices.index)
    if len(unmatched):
        days = named(day.date() for day in pd.DatetimeIndex(unmatched))
        raise FrameError(f"signal {name!r} has rows on {days} where prices has none: use one calendar for both")
    return past
