"""The optimizer beside skfolio, PyPortfolioOpt and cvxportfolio: same inputs, alternating in one run.

    pip install -e ".[bench]"
    OMP_NUM_THREADS=1 python -P benchmarks/optimizer.py [resolve|walk|large] [--assets N ...] [--days N] [--rounds N]

resolve  one rebalancing: long only, fully invested, at most 10 % (5 % of 500) in an asset, turnover up to 30 %; the
         covariance has 15 factors. Ours is the second and later calls of a compiled program; the peers have no such
         call. The optimal values are compared before a time is printed.
walk     daily rebalancing over N days (1000): returns of the last 261 sessions give mean and covariance; long only,
         linear costs of 10 bp, holdings drift between trades. The window is computed anew every day by all.
         cvxportfolio stands there twice: with the solver it chooses itself, which is faster and inexact, and with
         CLARABEL. From what it held each day, and with its window, its optimum is compared with ours; skfolio's is on
         the first day.
large    3,000 assets, 50 factors: seconds and memory.

Processor time, since that of a wall clock is other people's work on a shared machine; with one thread and a quiet
machine the two are the same.
"""

import argparse
import resource
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation import (
    Box,
    ExpectedReturn,
    LinearCost,
    LongOnly,
    MaxTurnover,
    MeanVariance,
    NetExposure,
    Policy,
    RiskModel,
    Sample,
    Variance,
    View,
)

GAMMA, TURNOVER, COST, WINDOW = 5.0, 0.3, 0.001, 261
AGREEMENT = 1e-6


@dataclass(frozen=True)
class Case:
    """One rebalancing; `limit` is the most in one asset."""

    mu: pd.Series
    risk: RiskModel
    held: pd.Series
    covariance: pd.DataFrame
    limit: float

    @classmethod
    def random(cls, n_assets: int, n_factors: int, seed: int) -> "Case":
        random = np.random.default_rng(seed)
        names = [f"A{i:04}" for i in range(n_assets)]
        loadings = pd.DataFrame(0.01 * random.standard_normal((n_assets, n_factors)), index=names)
        risk = RiskModel(loadings, pd.Series(random.uniform(2e-5, 4e-4, n_assets), index=names))
        mu = pd.Series(1e-3 * random.standard_normal(n_assets), index=names)
        limit = 0.1 if n_assets < 500 else 0.05
        held = np.minimum(random.dirichlet(np.ones(n_assets)), limit)
        small = n_assets <= 500
        return cls(mu, risk, pd.Series(held / held.sum(), index=names),
                   risk.covariance() if small else pd.DataFrame(), limit)  # fmt: skip

    def utility(self, w: np.ndarray) -> float:
        return float(self.mu.to_numpy() @ w - GAMMA * w @ self.covariance.to_numpy() @ w)


Solve = Callable[[Case], np.ndarray]


def ours(_: int) -> Solve:
    program: list[MeanVariance] = []

    def solve(case: Case) -> np.ndarray:
        if not program:
            rules = [Box(0.0, case.limit), NetExposure(1.0, 1.0), MaxTurnover(TURNOVER)]
            program.append(MeanVariance(list(case.mu.index), (ExpectedReturn(), Variance(GAMMA)), rules))
        return program[0].weights(case.mu, case.risk, case.held).to_numpy()

    return solve


def pypfopt(_: int) -> Solve:
    import cvxpy as cp
    from pypfopt import EfficientFrontier

    def solve(case: Case) -> np.ndarray:
        frontier = EfficientFrontier(
            case.mu, case.covariance, weight_bounds=(0, case.limit), solver="CLARABEL"
        )  # its own choice, OSQP, is 2e-4 off at 500 assets
        frontier.add_constraint(lambda w: cp.norm1(w - case.held.to_numpy()) <= TURNOVER)
        frontier.max_quadratic_utility(risk_aversion=2 * GAMMA)
        return np.asarray(frontier.weights)

    return solve


def skfolio(_: int) -> Solve:
    import cvxpy as cp
    from skfolio.optimization import MeanRisk, ObjectiveFunction
    from skfolio.prior import BasePrior, ReturnDistribution

    class Given(BasePrior):
        def __init__(self, case: Case | None = None) -> None:
            self.case = case

        def fit(self, X: pd.DataFrame, y: object = None) -> "Given":  # noqa: ARG002 - scikit-learn's names
            self.return_distribution_ = ReturnDistribution(
                self.case.mu.to_numpy(), self.case.covariance.to_numpy(), np.asarray(X)
            )
            return self

    def solve(case: Case) -> np.ndarray:
        model = MeanRisk(
            objective_function=ObjectiveFunction.MAXIMIZE_UTILITY, risk_aversion=GAMMA, prior_estimator=Given(case),
            max_weights=case.limit,
            add_constraints=lambda w: [cp.norm1(w - case.held.to_numpy()) <= TURNOVER],  # its own limit is per asset
        )  # fmt: skip
        return np.asarray(model.fit(pd.DataFrame(np.zeros((2, len(case.mu))), columns=case.mu.index)).weights_)

    return solve


def resolve(rounds: int) -> None:
    print("one rebalancing, median ms of processor time (times ours; relative shortfall of the worst optimal value)")
    for n_assets in (20, 100, 500):
        solvers = {"newsfolio": ours(n_assets), "PyPortfolioOpt": pypfopt(n_assets), "skfolio": skfolio(n_assets)}
        times: dict[str, list[float]] = {name: [] for name in solvers}
        worst = dict.fromkeys(solvers, 0.0)
        for seed in range(rounds + 1):
            case = Case.random(n_assets, 15, seed)
            values = {}
            for name, solve in solvers.items():
                started = time.process_time()
                w = solve(case)
                times[name].append(time.process_time() - started)
                values[name] = case.utility(w)
            for name, value in values.items():
                worst[name] = max(worst[name], (max(values.values()) - value) / abs(value))
        medians = {name: 1e3 * float(np.median(taken[1:])) for name, taken in times.items()}  # the first compiles
        line = "; ".join(
            f"{name} {ms:.2f} ({ms / medians['newsfolio']:.1f}x, {worst[name]:.0e})" for name, ms in medians.items()
        )
        print(f"  N = {n_assets}, 15 factors: {line}", flush=True)
        if worst["newsfolio"] > AGREEMENT:
            sys.exit(f"error: ours falls short by {worst['newsfolio']:.0e}: its time means nothing")


def market(n_assets: int, n_days: int) -> pd.DataFrame:
    random = np.random.default_rng(1)
    n_rows = WINDOW + n_days + 1
    common = 0.008 * random.standard_normal((n_rows, 1))
    returns = 3e-4 + common + 0.012 * random.standard_normal((n_rows, n_assets))
    index = pd.bdate_range("2012-01-02", periods=n_rows)
    return pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), index, [f"A{i:03}" for i in range(n_assets)])


def our_policy(assets: list[str]) -> Policy:
    risk = Sample(window=WINDOW)
    rules = [LongOnly(), NetExposure(0.0, 1.0)]
    program = MeanVariance(assets, (ExpectedReturn(), Variance(GAMMA), LinearCost(COST)), rules)

    def policy(view: View) -> pd.Series:
        recent = view.prices.to_numpy()[-WINDOW - 1 :]
        mu = pd.Series((recent[1:] / recent[:-1] - 1).mean(axis=0), index=view.prices.columns)
        return program.weights(mu, risk(view.prices), view.held)

    return policy


def walk_ours(prices: pd.DataFrame) -> tuple[float, str]:
    from backtest import Costs, walk_forward

    started = time.process_time()
    costs = Costs(commission=COST, half_spread=0.0)
    walk_forward(our_policy(list(prices.columns)), prices, None, prices.index[WINDOW:-1], costs=costs)
    return time.process_time() - started, ""


YEAR = pd.Timedelta(days=365)


def walk_cvxportfolio(prices: pd.DataFrame, solver: str | None = None) -> tuple[float, str]:
    import cvxportfolio as cvx

    returns = prices.pct_change().iloc[1:]
    returns["cash"] = 0.0
    cost = cvx.TransactionCost(a=COST)
    policy = cvx.SinglePeriodOptimization(
        cvx.ReturnsForecast(cvx.forecast.HistoricalMeanReturn(rolling=YEAR))
        - GAMMA * cvx.FullCovariance(cvx.forecast.HistoricalFactorizedCovariance(rolling=YEAR, kelly=False)) - cost,
        [cvx.LongOnly(), cvx.LeverageLimit(1)], include_cash_return=False, benchmark=cvx.AllCash,
        **({"solver": solver} if solver else {}),
    )  # fmt: skip
    simulator = cvx.MarketSimulator(
        returns=returns, costs=[cvx.TransactionCost(a=COST)], cash_key="cash", min_history=pd.Timedelta(days=1)
    )
    started = time.process_time()
    found = simulator.backtest(policy, start_time=prices.index[WINDOW + 1], end_time=prices.index[-1])
    seconds = time.process_time() - started
    trades = found.z.dropna()[prices.columns]  # none on the last day
    weights, least, most = compared(returns[prices.columns], found.w.loc[trades.index, prices.columns], trades)
    if most > AGREEMENT:
        sys.exit(f"error: ours falls short by {most:.0e}: its time means nothing")
    return seconds, f"weights within {weights:.0e}, value {least:+.0e} to {most:+.0e} of ours on {len(trades)} days"


def compared(returns: pd.DataFrame, held: pd.DataFrame, trades: pd.DataFrame) -> tuple[float, float, float]:
    """The largest difference of weights from ours, and the range of their values less ours, beside the size of what
    these are the sum of: each day from the same holdings and the same window."""
    names = list(returns.columns)
    program = MeanVariance(
        names, (ExpectedReturn(), Variance(GAMMA), LinearCost(COST)), [LongOnly(), NetExposure(0.0, 1.0)]
    )
    weights, values = [], []
    for day in trades.index:
        past = returns.loc[(returns.index >= day - YEAR) & (returns.index < day)].to_numpy()
        mu, sigma, before = past.mean(axis=0), np.cov(past.T, ddof=0), held.loc[day].to_numpy()
        risk = RiskModel(pd.DataFrame(np.linalg.cholesky(sigma), index=names), pd.Series(0.0, index=names))
        ours = program.decide(pd.Series(mu, index=names), risk, held.loc[day])
        theirs = np.maximum(before + trades.loc[day].to_numpy(), 0.0)  # within the bounds, for a fair comparison
        theirs = theirs / max(theirs.sum(), 1.0)
        value = mu @ theirs - GAMMA * theirs @ sigma @ theirs - COST * np.abs(theirs - before).sum()
        weights.append(np.abs(ours.weights.to_numpy() - theirs).max())
        values.append((value - ours.utility) / ours.terms.abs().sum())  # before dust is swept; the terms may cancel
    return max(weights), min(values), max(values)


def skfolio_weights(returns: pd.DataFrame, held: np.ndarray) -> np.ndarray:
    from skfolio.moments import EmpiricalCovariance
    from skfolio.optimization import MeanRisk, ObjectiveFunction
    from skfolio.prior import EmpiricalPrior

    model = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_UTILITY, risk_aversion=GAMMA, transaction_costs=COST,
        previous_weights=held, budget=None, max_budget=1.0,
        prior_estimator=EmpiricalPrior(covariance_estimator=EmpiricalCovariance()),
    )  # fmt: skip
    return np.asarray(model.fit(returns).weights_)


def walk_skfolio(prices: pd.DataFrame) -> tuple[float, str]:
    returns = prices.pct_change().iloc[1:]
    held = np.zeros(prices.shape[1])
    started = time.process_time()
    for day in range(WINDOW, len(returns)):
        w = skfolio_weights(returns.iloc[day - WINDOW : day], held)
        grown = w * (1 + returns.iloc[day].to_numpy())
        held = grown / (1 - w.sum() + grown.sum())
    return time.process_time() - started, ""


def first_day(prices: pd.DataFrame) -> float:
    """By how much our optimal value of the first day falls short of skfolio's, relative."""
    past = prices.iloc[: WINDOW + 1]
    returns, held = past.pct_change().iloc[1:], pd.Series(0.0, index=prices.columns)
    view = View(past.index[-1], past, past * np.nan, held)

    def value(w: np.ndarray) -> float:
        return float(returns.to_numpy().mean(axis=0) @ w - GAMMA * w @ returns.cov().to_numpy() @ w - COST * w.sum())

    ours = value(our_policy(list(prices.columns))(view).to_numpy())
    theirs = value(skfolio_weights(returns, held.to_numpy()))
    return (theirs - ours) / abs(theirs)


def walk(sizes: list[int], n_days: int, rounds: int) -> None:
    print(f"daily rebalancing over {n_days} days, seconds of processor time, the best of {rounds} round(s)")
    for n_assets in sizes:
        prices = market(n_assets, n_days)
        short = first_day(prices)
        if short > AGREEMENT:
            sys.exit(f"error: ours falls short by {short:.0e}: its time means nothing")
        runs = {
            "newsfolio": walk_ours, "cvxportfolio": walk_cvxportfolio,
            "cvxportfolio with CLARABEL": lambda prices: walk_cvxportfolio(prices, "CLARABEL"), "skfolio": walk_skfolio,
        }  # fmt: skip
        times: dict[str, list[float]] = {name: [] for name in runs}
        apart = {}
        for _ in range(rounds):
            for name, run in runs.items():
                seconds, apart[name] = run(prices)
                times[name].append(seconds)
        best = {name: min(taken) for name, taken in times.items()}
        line = "; ".join(f"{name} {s:.2f} ({s / best['newsfolio']:.1f}x)" for name, s in best.items())
        print(f"  {n_assets} assets: {line}", flush=True)
        print(f"    skfolio: value of the first day short by {-short:.0e}")
        print("\n".join(f"    {name}: {text}" for name, text in apart.items() if text), flush=True)


def large() -> None:
    solve = ours(3000)
    times = []
    for seed in range(3):
        case = Case.random(3000, 50, seed)
        started = time.process_time()
        solve(case)
        times.append(time.process_time() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"3000 assets, 50 factors: first {times[0]:.2f} s with compilation, then {times[-1]:.2f} s; peak {peak:.2f} GB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Our optimizer beside its peers.")
    parser.add_argument("parts", nargs="*", default=["resolve", "walk", "large"])
    parser.add_argument("--assets", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    actions = {
        "large": large,
        "resolve": lambda: resolve(asked.rounds),
        "walk": lambda: walk(asked.assets, asked.days, min(asked.rounds, 2)),
    }
    unknown = set(asked.parts) - set(actions)
    if unknown:
        sys.exit(f"error: no part {', '.join(sorted(unknown))}: choose of {', '.join(actions)}")
    for name, action in actions.items():
        if name in asked.parts:
            action()


if __name__ == "__main__":
    main()
