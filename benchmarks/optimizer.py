"""One rebalancing beside skfolio and PyPortfolioOpt: same inputs, alternating in one run.

    pip install -e ".[bench]"
    OMP_NUM_THREADS=1 python -P benchmarks/optimizer.py [resolve|large] [--assets N ...] [--rounds N]

resolve  one rebalancing: long only, fully invested, at most 10 % (5 % of 500) in an asset, turnover up to 30 %; the
         covariance has 15 factors. Ours is the second and later calls of a compiled program; the peers have no such
         call. The optimal values are compared before a time is printed.
large    3,000 assets, 50 factors: seconds and memory.

Processor time, since that of a wall clock is other people's work on a shared machine; with one thread and a quiet
machine the two are the same. Daily rebalancing over years: optimizer_walk.py.
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

from allocation import Box, ExpectedReturn, MaxTurnover, MeanVariance, NetExposure, RiskModel, Variance

GAMMA, TURNOVER = 5.0, 0.3
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


def resolve(sizes: list[int], rounds: int) -> None:
    print("one rebalancing, median ms of processor time (times ours; relative shortfall of the worst optimal value)")
    for n_assets in sizes:
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
    parser = argparse.ArgumentParser(description="One rebalancing of our optimizer beside its peers.")
    parser.add_argument("parts", nargs="*", default=["resolve", "large"])
    parser.add_argument("--assets", type=int, nargs="+", default=[20, 100, 500])
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    actions = {"resolve": lambda: resolve(asked.assets, asked.rounds), "large": large}
    unknown = set(asked.parts) - set(actions)
    if unknown:
        sys.exit(f"error: no part {', '.join(sorted(unknown))}: choose of {', '.join(actions)}")
    for name, action in actions.items():
        if name in asked.parts:
            action()


if __name__ == "__main__":
    main()
