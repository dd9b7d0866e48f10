"""Daily rebalancing beside cvxportfolio and skfolio: same inputs, alternating in one run.

    pip install -e ".[bench]"
    OMP_NUM_THREADS=1 python -P benchmarks/optimizer_walk.py [--assets N ...] [--days N] [--rounds N]

Over N days (1000): returns of the last 261 sessions give mean and covariance; long only, linear costs of 10 bp,
holdings drift between trades. The window is computed anew every day by all.

cvxportfolio stands there twice: with the solver it chooses itself, which is faster and inexact, and with CLARABEL. From
what it held each day, and with its window, its optimum is compared with ours; skfolio's is on the first day.

Processor time, since that of a wall clock is other people's work on a shared machine; with one thread and a quiet
machine the two are the same. A single rebalancing: optimizer.py.
"""

import argparse
import sys
import time
import warnings

import numpy as np
import pandas as pd

from allocation import (
    ExpectedReturn,
    LinearCost,
    LongOnly,
    MeanVariance,
    NetExposure,
    Policy,
    RiskModel,
    Sample,
    Variance,
    View,
)

GAMMA, COST, WINDOW = 5.0, 0.001, 261
AGREEMENT = 1e-6


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


def main() -> None:
    parser = argparse.ArgumentParser(description="Daily rebalancing by our optimizer beside its peers.")
    parser.add_argument("--assets", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    walk(asked.assets, asked.days, asked.rounds)


if __name__ == "__main__":
    main()
