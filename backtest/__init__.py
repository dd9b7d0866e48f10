"""Weights -> what they would have earned: schedules, the causal walk, the simulation, its significance.

Names are loaded when first touched (PEP 562), so `import backtest` costs nothing: no vectorbt, no cvxpy.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.attribution import Attribution, attribute
    from backtest.benchmark import Against, against
    from backtest.book import Costs, Rules
    from backtest.capacity import capacity
    from backtest.costs import Impact
    from backtest.drawdowns import drawdown_table
    from backtest.event_study import news_events
    from backtest.events import Events
    from backtest.forward_returns import forward_returns
    from backtest.market import Market, MarketConfig, simulate_market
    from backtest.overfitting import Overfitting, overfitting
    from backtest.purged import backtest_paths, purged_splits
    from backtest.report import write_report
    from backtest.result import Result, comparison
    from backtest.result_files import load_result, save_result
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
    from backtest.significance import (
        deflated_sharpe,
        mean_interval,
        newey_west_t,
        probabilistic_sharpe,
        sharpe_interval,
    )
    from backtest.simulate import simulate
    from backtest.study import Study, study
    from backtest.study_page import write_study
    from backtest.sweep import Sweep, grid, sweep
    from backtest.trials import Trials
    from backtest.vwap import vwap_proxy
    from backtest.walk import walk_forward
    from backtest.wrappers import OnDrift, Rolling, WarmUp

_HOME = {
    "Against": "benchmark",
    "Attribution": "attribution",
    "Costs": "book",
    "Events": "events",
    "Impact": "costs",
    "InformationCoefficient": "signal_quality",
    "Market": "market",
    "MarketConfig": "market",
    "OnDrift": "wrappers",
    "Overfitting": "overfitting",
    "Placebo": "signal_quality",
    "Result": "result",
    "Rolling": "wrappers",
    "Rules": "book",
    "Study": "study",
    "Sweep": "sweep",
    "Trials": "trials",
    "WarmUp": "wrappers",
    "against": "benchmark",
    "attribute": "attribution",
    "backtest_paths": "purged",
    "capacity": "capacity",
    "comparison": "result",
    "deflated_sharpe": "significance",
    "drawdown_table": "drawdowns",
    "forward_returns": "forward_returns",
    "grid": "sweep",
    "linear_ic": "signal_quality",
    "load_result": "result_files",
    "mean_interval": "significance",
    "newey_west_t": "significance",
    "news_events": "event_study",
    "next_session_ic": "signal_quality",
    "overfitting": "overfitting",
    "placebo": "signal_quality",
    "probabilistic_sharpe": "significance",
    "purged_splits": "purged",
    "rank_ic": "signal_quality",
    "rebalance_dates": "schedule",
    "run": "run",
    "same_session_ic": "signal_quality",
    "save_result": "result_files",
    "sharpe_interval": "significance",
    "shuffled_across_assets": "signal_quality",
    "simulate": "simulate",
    "simulate_market": "market",
    "study": "study",
    "sweep": "sweep",
    "vwap_proxy": "vwap",
    "walk_forward": "walk",
    "write_report": "report",
    "write_study": "study_page",
}

__all__ = [
    "Against",
    "Attribution",
    "Costs",
    "Events",
    "Impact",
    "InformationCoefficient",
    "Market",
    "MarketConfig",
    "OnDrift",
    "Overfitting",
    "Placebo",
    "Result",
    "Rolling",
    "Rules",
    "Study",
    "Sweep",
    "Trials",
    "WarmUp",
    "against",
    "attribute",
    "backtest_paths",
    "capacity",
    "comparison",
    "deflated_sharpe",
    "drawdown_table",
    "forward_returns",
    "grid",
    "linear_ic",
    "load_result",
    "mean_interval",
    "newey_west_t",
    "news_events",
    "next_session_ic",
    "overfitting",
    "placebo",
    "probabilistic_sharpe",
    "purged_splits",
    "rank_ic",
    "rebalance_dates",
    "run",
    "same_session_ic",
    "save_result",
    "sharpe_interval",
    "shuffled_across_assets",
    "simulate",
    "simulate_market",
    "study",
    "sweep",
    "vwap_proxy",
    "walk_forward",
    "write_report",
    "write_study",
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
