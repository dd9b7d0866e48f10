"""Several signals or forecasts as one."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocation.errors import AllocationError, FrameError
from allocation.frames import check_signal, named
from allocation.view import Forecast, inputs_digest_of

if TYPE_CHECKING:
    from allocation.view import View


@dataclass(frozen=True)
class Blend:
    """A weighted sum of forecasts of the expected return per session."""

    forecasts: tuple[tuple[Forecast, float], ...]

    def __post_init__(self) -> None:
        """A blend has at least one forecast."""
        if not self.forecasts or not np.isfinite([weight for _, weight in self.forecasts]).all():
            raise AllocationError("a blend needs at least one forecast, each with a finite weight")

    def __call__(self, view: "View") -> pd.Series:
        """Return the expected return per session, by asset."""
        total = pd.Series(0.0, index=view.prices.columns)
        for forecast, weight in self.forecasts:
            total = total + weight * forecast(view).reindex(view.prices.columns)
        return total

    def inputs_digest(self, now: pd.Timestamp) -> str:
        """Return a digest of what its forecasts read besides their view; empty where none reads anything more."""
        digests = [inputs_digest_of(forecast, now) for forecast, _ in self.forecasts]
        return hashlib.sha256("\x1f".join(digests).encode()).hexdigest() if any(digests) else ""


def blend_signals(signals: Mapping[str, pd.DataFrame], weights: Mapping[str, float]) -> pd.DataFrame:
    """Return the weighted mean of signals (each sessions × assets, row t known at the close of t).

    The mean is over those signals that have a value; where none has, there is none (NaN).

    Raises:
        FrameError: a weight is missing, negative or not finite, or a frame is not a signal.
    """
    unknown = sorted(set(signals) ^ set(weights))
    if unknown or not signals:
        raise FrameError(f"signals and weights differ in {named(unknown) or 'nothing: both are empty'}: name the same")
    for name, weight in weights.items():
        if not (np.isfinite(weight) and weight > 0):
            raise FrameError(f"the weight of {name} is {weight}: pass a finite number > 0")
    frames = {name: check_signal(signal) for name, signal in signals.items()}
    rows = pd.DatetimeIndex(sorted(set().union(*(frame.index for frame in frames.values()))), name="date")
    columns = sorted(set().union(*(frame.columns for frame in frames.values())))
    total, mass = np.zeros((len(rows), len(columns))), np.zeros((len(rows), len(columns)))
    for name in sorted(frames):  # the order in which they are named changes no bit
        values = frames[name].reindex(index=rows, columns=columns).to_numpy()
        known = np.isfinite(values)
        total += np.where(known, weights[name] * values, 0.0)
        mass += weights[name] * known
    with np.errstate(invalid="ignore"):
        return pd.DataFrame(np.where(mass > 0, total / mass, np.nan), index=rows, columns=columns)
