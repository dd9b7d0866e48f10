"""Policies made of policies: trade only when weights have drifted, or see only the recent past."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.view import Policy, View


@dataclass(frozen=True)
class OnDrift:
    """Trade to the policy's targets only when a weight held lies further than `band` from its target.

    Then all assets are traded; else all are held. Call it on every session at which drift is to be checked. The
    policy is called each time, so the band is around its present targets, not around earlier ones.
    """

    policy: Policy
    band: float

    def __post_init__(self) -> None:
        """A band of 1 and more would never trade a long-only portfolio."""
        if not 0.0 <= self.band < 1.0:
            raise AllocationError(f"band is {self.band:g}: give a fraction of NAV in [0, 1), 0.02 for two percent")

    def __call__(self, view: View) -> pd.Series:
        """The policy's targets, or NaN (hold) throughout."""
        targets = self.policy(view)
        drift = (targets - view.held).abs().max()
        return targets if drift > self.band else pd.Series(np.nan, index=view.held.index)


@dataclass(frozen=True)
class Rolling:
    """Show the policy the last `sessions` rows of prices and signal only; without it a view grows from the start."""

    policy: Policy
    sessions: int

    def __post_init__(self) -> None:
        """A window without rows shows nothing."""
        if self.sessions < 1:
            raise AllocationError(f"a window of {self.sessions} sessions shows nothing: give 1 or more")

    def __call__(self, view: View) -> pd.Series:
        """What the policy answers to the shortened view."""
        recent = slice(-self.sessions, None)
        return self.policy(replace(view, prices=view.prices.iloc[recent], signal=view.signal.iloc[recent]))


@dataclass(frozen=True)
class WarmUp:
    """Hold (stay in cash) until `sessions` rows of prices are known; then call the policy."""

    policy: Policy
    sessions: int

    def __call__(self, view: View) -> pd.Series:
        """NaN (hold) throughout during the warm-up."""
        if len(view.prices) < self.sessions:
            return pd.Series(np.nan, index=view.held.index)
        return self.policy(view)
