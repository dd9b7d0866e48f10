"""The backtest beside bt and cvxportfolio: the same book, alternating in one run; and its own limits.

    pip install -e . bt cvxportfolio
    OMP_NUM_THREADS=1 python benchmarks/backtesting.py [simulate] [settings] [command] [report]

simulate  500 assets over 2,500 sessions, rebalanced daily and monthly, 10 bp: seconds after import.
settings  20 assets over 1,000 sessions, equal weights restored every session at 10 bp of the traded value: seconds per
          setting of a sweep of ours (1,000 settings), beside one run of each peer; final values are compared first.
command   the whole of `newsfolio backtest` on 100 assets over ten years, weekly, three times: seconds and memory of the
          process.
report    the report of four results of 100 assets over ten years: seconds and megabytes.

Seconds are those of the processor, on one thread, so that a busy machine changes them little; by the clock where said.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import exchange_calendars
import numpy as np
import pandas as pd

from allocation import Bars
from allocation.data.load import write_bars
from backtest import Costs, Report, grid, simulate, sweep, write_report

RATE = 0.001


def market(n_assets: int, n_sessions: int, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    common = 0.008 * random.standard_normal((n_sessions, 1))
    returns = 3e-4 + common + 0.012 * random.standard_normal((n_sessions, n_assets))
    exchange = exchange_calendars.get_calendar("XNYS", start="2012-01-01", end="2023-12-31")
    index = pd.DatetimeIndex(exchange.sessions[:n_sessions], name="date")
    return pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), index, [f"A{i:03}" for i in range(n_assets)])


def equal(prices: pd.DataFrame, every: int = 1) -> pd.DataFrame:
    return (prices * 0 + 1 / prices.shape[1]).iloc[::every]


def simulation() -> None:
    import vectorbt  # noqa: F401 - measured apart

    prices = market(500, 2500)
    simulate(prices.iloc[:50], equal(prices.iloc[:50]))
    for name, every in (("daily", 1), ("monthly", 21)):
        weights = equal(prices, every)
        taken = [both(lambda weights=weights: simulate(prices, weights, Costs(RATE, 0.0))) for _ in range(9)]
        words = "; ".join(
            f"{kind} best {min(some):.2f} s, median {np.median(some):.2f} s"
            for kind, some in zip(("processor", "clock"), zip(*taken, strict=True), strict=True)
        )
        print(f"simulate 500 x 2,500, {name}: {words}", flush=True)


def both(action: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the processor, and by the clock."""
    started = time.perf_counter()
    return seconds(action), time.perf_counter() - started


def seconds(action: Callable[[], object]) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


def ours(prices: pd.DataFrame, setting: dict[str, object]) -> object:
    return simulate(prices, equal(prices), Costs(float(setting["rate"]), 0.0))


def run_bt(prices: pd.DataFrame) -> float:
    """bt decides and fills at one close: given prices from our second session on, it trades as ours does."""
    import bt

    weights = equal(prices)
    algos = [bt.algos.WeighTarget(weights), bt.algos.Rebalance()]
    strategy = bt.Strategy("equal", algos)
    test = bt.Backtest(
        strategy, prices, integer_positions=False, commissions=lambda q, p: abs(q) * p * RATE, progress_bar=False
    )
    return float(bt.run(test).prices.iloc[-1, 0]) / 100


def run_cvxportfolio(prices: pd.DataFrame) -> float:
    import cvxportfolio as cvx

    returns = prices.pct_change().shift(-1).iloc[:-1]
    returns["cash"] = 0.0
    simulator = cvx.MarketSimulator(
        returns=returns, costs=[cvx.TransactionCost(a=RATE)], cash_key="cash", min_history=pd.Timedelta(days=0)
    )
    found = simulator.backtest(cvx.FixedWeights(weights_with_cash(prices)), start_time=returns.index[0])
    return float(found.v.iloc[-1] / found.v.iloc[0])


def weights_with_cash(prices: pd.DataFrame) -> pd.Series:
    return pd.Series([1 / prices.shape[1]] * prices.shape[1] + [0.0], [*prices.columns, "cash"])


def settings() -> None:
    prices = market(20, 1000)
    value = simulate(prices, equal(prices), Costs(RATE, 0.0)).nav
    mine = float(value.iloc[-1] / value.iloc[0])
    peers = {"bt": run_bt, "cvxportfolio": run_cvxportfolio}
    times: dict[str, list[float]] = {name: [] for name in ("newsfolio", *peers)}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(2):
            asked = grid({"rate": [turn * 1e-4 + 1e-6 * number for number in range(500)]})
            log = Path(folder) / f"{turn}.sqlite"
            taken = seconds(lambda a=asked, log=log: sweep(lambda s: ours(prices, s), a, study="bench", log=log))
            times["newsfolio"].append(taken / len(asked))
            for name, run in peers.items():
                try:
                    started = time.process_time()
                    theirs = run(prices.iloc[1:])  # ours fills its first decision in the second session
                    times[name].append(time.process_time() - started)
                except ImportError:
                    print(f"  {name} is not installed", flush=True)
                    continue
                if turn == 0:
                    print(
                        f"  final value: newsfolio {mine:.6f}, {name} {theirs:.6f} ({theirs / mine - 1:+.1e})",
                        flush=True,
                    )
    best = {name: min(taken) for name, taken in times.items() if taken}
    line = "; ".join(f"{name} {1e3 * s:.1f} ms ({s / best['newsfolio']:.1f}x)" for name, s in best.items())
    print(f"20 assets x 1,000 sessions, per setting (ours of a sweep of 1,000, logged): {line}", flush=True)


def command() -> None:
    strategy = Path(__file__).parents[1] / "examples" / "strategy.py"
    prices = market(100, 2520)
    random = np.random.default_rng(2)
    signal = (prices * 0 + random.uniform(-1, 1, prices.shape)).where(random.random(prices.shape) < 0.3)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write_bars(Bars(prices, prices.shift(1).bfill()), out / "prices.parquet")
        signal.to_parquet(out / "signal.parquet")
        asked = ["newsfolio", "backtest", str(strategy), "--prices", str(out / "prices.parquet"), "--signal",
                 str(out / "signal.parquet"), "--out", str(out / "report")]  # fmt: skip
        runs = [process(asked) for _ in range(3)]
    taken, clock = ([f"{seconds:.1f}" for seconds in kind] for kind in zip(*runs, strict=True))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(
        f"newsfolio backtest, 100 assets x 10 years, weekly: processor {', '.join(taken)} s, clock {', '.join(clock)} "
        f"s, peak {peak:.2f} GB", flush=True,
    )  # fmt: skip


def process(asked: list[str]) -> tuple[float, float]:
    """Seconds of the processor, and by the clock, of a fresh Python."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", *asked], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    clock, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


def report() -> None:
    prices = market(100, 2520)
    results = [simulate(prices, equal(prices, every), name=f"every {every}") for every in (5, 10, 21, 63)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        taken = [seconds(lambda: write_report(Report(title="Benchmark", results=results), path)) for _ in range(3)]
        size = path.stat().st_size / 1e6
    print(f"report of four results, 100 assets x 10 years: {min(taken):.2f} s, {size:.1f} MB", flush=True)


def main() -> None:
    actions = {"simulate": simulation, "settings": settings, "command": command, "report": report}
    parser = argparse.ArgumentParser(description="Our backtest beside its peers.")
    parser.add_argument("parts", nargs="*", default=list(actions), choices=list(actions))
    for part in parser.parse_args().parts:
        actions[part]()


if __name__ == "__main__":
    main()
