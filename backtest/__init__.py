"""Weights -> what they would have earned: schedules, the causal walk, the simulation, its significance.

Names are loaded when first touched (PEP 562), so `import backtest` costs nothing: no vectorbt, no cvxpy.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.book import Costs
    from backtest.market import Market, MarketConfig, simulate_market
    from backtest.report import write_report
    from backtest.result import Result, comparison
    from backtest.run import run
    from backtest.schedule import rebalance_dates
    from backtest.signal_quality import (
        InformationCoefficient,
        Placebo,
        linear_ic,
        next_session_ic,
        placebo,
        rank_ic,
        same_session_ic,
        shuffled_across_assets,
    )
    from backtest.significance import newey_west_t, sharpe_interval
    from backtest.simulate import simulate
    from backtest.walk import walk_forward

_HOME = {
    "Costs": "book",
    "InformationCoefficient": "signal_quality",
    "Market": "market",
    "MarketConfig": "market",
    "Placebo": "signal_quality",
    "Result": "result",
    "comparison": "result",
    "linear_ic": "signal_quality",
    "newey_west_t": "significance",
    "next_session_ic": "signal_quality",
    "placebo": "signal_quality",
    "rank_ic": "signal_quality",
    "rebalance_dates": "schedule",
    "run": "run",
    "same_session_ic": "signal_quality",
    "sharpe_interval": "significance",
    "shuffled_across_assets": "signal_quality",
    "simulate": "simulate",
    "simulate_market": "market",
    "walk_forward": "walk",
    "write_report": "report",
}

__all__ = [
    "Costs",
    "InformationCoefficient",
    "Market",
    "MarketConfig",
    "Placebo",
    "Result",
    "comparison",
    "linear_ic",
    "newey_west_t",
    "next_session_ic",
    "placebo",
    "rank_ic",
    "rebalance_dates",
    "run",
    "same_session_ic",
    "sharpe_interval",
    "shuffled_across_assets",
    "simulate",
    "simulate_market",
    "walk_forward",
    "write_report",
]


class _Face(ModuleType):
    """Keeps the functions named like their file in sight: importing `backtest.run` must not hide `run()`."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'backtest' has no attribute {name!r}")
    return getattr(import_module(f"backtest.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
