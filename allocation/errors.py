"""What can go wrong below, as one tree; every message names what, where and the remedy.

    AllocationError(NewsfolioError)
    ├── FrameError          a frame of prices, signal or weights is not what it must be
    │   └── MissingPriceError    an asset or a session that needs a price has none
    ├── RiskError           a covariance that no optimizer can use (NaN, negative variance, too short)
    ├── PolicyError         a policy returned something that is not a row of weights
    ├── OptimizationError   the solver found no optimum: infeasible, unbounded, inaccurate or crashed
    └── SourceError         a file or data vendor lacks what was requested, or a file cannot be written

All of them are `ValueError`s, so a caller who knows only Python still catches them.
"""

from newsfolio.shared.errors import NewsfolioError


class AllocationError(NewsfolioError):
    """Base of every error that `allocation` and `backtest` raise on purpose."""


class FrameError(AllocationError):
    """A frame breaks its contract; the message names the first offending value."""


class MissingPriceError(FrameError):
    """A price is needed where the price frame has none."""


class RiskError(AllocationError):
    """A risk model cannot be estimated from, or built of, what was given."""


class PolicyError(AllocationError):
    """A policy returned something that is not a row of target weights."""


class OptimizationError(AllocationError):
    """No optimum was found; nothing was returned in its place."""


class SourceError(AllocationError):
    """A file or data vendor lacks what was requested, or a file cannot be written."""
