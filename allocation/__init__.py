"""Signal and risk -> weights: frames, forecasts, risk models, the optimizer and policies.

Names are loaded when first touched (PEP 562), so `import allocation` costs nothing: no cvxpy, no scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allocation.errors import (
        AllocationError,
        FrameError,
        MissingPrice,
        OptimizationError,
        PolicyError,
        RiskError,
        SourceError,
    )
    from allocation.files import read_frame, write_frame
    from allocation.forecast import Forecast, Grinold, NoView, equilibrium_return
    from allocation.frames import align, check_prices, check_signal, check_weights, frame_digest
    from allocation.optimizer import MeanVariance
    from allocation.policy import EqualWeight, Hold, Policy, SentimentPolicy, View
    from allocation.prices import Bars, load_prices, write_bars
    from allocation.risk import LedoitWolf, RiskEstimator, RiskModel
    from allocation.terms import Constraint, LongOnly, MaxWeight, MinCash, NetUtility, Objective, Symbols

_HOME = {
    "AllocationError": "errors",
    "Bars": "prices",
    "Constraint": "terms",
    "EqualWeight": "policy",
    "Forecast": "forecast",
    "FrameError": "errors",
    "Grinold": "forecast",
    "Hold": "policy",
    "LedoitWolf": "risk",
    "LongOnly": "terms",
    "MaxWeight": "terms",
    "MeanVariance": "optimizer",
    "MinCash": "terms",
    "MissingPrice": "errors",
    "NetUtility": "terms",
    "NoView": "forecast",
    "Objective": "terms",
    "OptimizationError": "errors",
    "Policy": "policy",
    "PolicyError": "errors",
    "RiskError": "errors",
    "RiskEstimator": "risk",
    "RiskModel": "risk",
    "SentimentPolicy": "policy",
    "SourceError": "errors",
    "Symbols": "terms",
    "View": "policy",
    "align": "frames",
    "check_prices": "frames",
    "check_signal": "frames",
    "check_weights": "frames",
    "equilibrium_return": "forecast",
    "frame_digest": "frames",
    "load_prices": "prices",
    "read_frame": "files",
    "write_bars": "prices",
    "write_frame": "files",
}

__all__ = [
    "AllocationError",
    "Bars",
    "Constraint",
    "EqualWeight",
    "Forecast",
    "FrameError",
    "Grinold",
    "Hold",
    "LedoitWolf",
    "LongOnly",
    "MaxWeight",
    "MeanVariance",
    "MinCash",
    "MissingPrice",
    "NetUtility",
    "NoView",
    "Objective",
    "OptimizationError",
    "Policy",
    "PolicyError",
    "RiskError",
    "RiskEstimator",
    "RiskModel",
    "SentimentPolicy",
    "SourceError",
    "Symbols",
    "View",
    "align",
    "check_prices",
    "check_signal",
    "check_weights",
    "equilibrium_return",
    "frame_digest",
    "load_prices",
    "read_frame",
    "write_bars",
    "write_frame",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'allocation' has no attribute {name!r}")
    return getattr(import_module(f"allocation.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
