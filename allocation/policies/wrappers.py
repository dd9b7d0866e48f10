"""Policies made of policies: trade only when weights have drifted, or see only the recent past."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.frames import frame_digest
from allocation.view import Policy, View, inputs_digest_of


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


@dataclass(frozen=True)
class CutRiskOnAlarm:
    """Give an asset only `share` of the weight that the policy wants, from an alarm on for `sessions` sessions.

    alarms: True where one is raised (sessions × assets), row t known at the close of t; rows after now are not read.
    What is cut stays in cash. An asset that the policy holds as it is (NaN) stays so. It costs turnover, and the return
    of what was sold: alarms come in crises, after which prices have risen as well.
    """

    policy: Policy
    alarms: pd.DataFrame = field(repr=False)
    share: float = 0.5
    sessions: int = 5

    def __post_init__(self) -> None:
        """Part of a weight, for some time."""
        if not 0.0 <= self.share < 1.0 or self.sessions < 1:
            raise AllocationError(
                f"share is {self.share:g}, sessions {self.sessions}: give a part in [0, 1), and 1 or more"
            )

    def __call__(self, view: View) -> pd.Series:
        """The policy's targets, smaller where there is an alarm."""
        targets = self.policy(view)
        recent = self.alarms.loc[: view.now].reindex(index=view.prices.index[-self.sessions :], columns=targets.index)
        alarmed = recent.eq(True).any()
        return targets.where(~alarmed, targets * self.share)

    def inputs_digest(self, now: pd.Timestamp) -> str:
        """Return the digest of the alarms as known at the close of `now`, and of what the policy reads."""
        return frame_digest(self.alarms.loc[:now]) + inputs_digest_of(self.policy, now)
