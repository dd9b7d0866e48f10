"""Twenty-four real funds on stocks, bonds and commodities, 2007 to 2018, within bounds on asset classes and sectors.

    NEWSFOLIO_DATA=/folder/with/the/data python examples/multi_asset.py

No news and no forecast: what is shown is how a mandate is written, and what its bounds do. Rebalanced at month ends,
filled at the next close, 10 bp of the traded value. The last decision is explained: which bound holds which fund.
"""

import os
import sys
from pathlib import Path

import pandas as pd

from allocation import (
    BALANCED,
    Bars,
    EqualWeight,
    GroupBounds,
    LedoitWolf,
    LongOnly,
    MaxWeight,
    Named,
    NetExposure,
    NoView,
    SentimentPolicy,
    View,
    minimum_variance,
    read_frame,
    risk_parity,
    target_volatility,
)
from backtest import comparison, rebalance_dates, run

NEEDED = "etf_core_adjclose.csv"
WARMUP = 252
CLASSES = {
    "stocks": "SPY QQQ IWM EFA EEM VNQ XLB XLE XLF XLI XLK XLP XLU XLV XLY",
    "bonds": "TLT IEF AGG LQD HYG EMB",
    "commodities": "GLD SLV USO",
}
SECTORS = ["XLB", "XLE", "XLF", "XLI", "XLK", "XLP", "XLU", "XLV", "XLY"]


def groups(tickers: dict[str, str]) -> dict[str, str]:
    return {ticker: name for name, listed in tickers.items() for ticker in listed.split()}


ASSET_CLASS = groups(CLASSES)
SECTOR = {ticker: "sector funds" if ticker in SECTORS else "broad funds" for ticker in ASSET_CLASS}
BOUNDS = (
    Named(
        "asset classes", GroupBounds(ASSET_CLASS, {"stocks": 0.60, "bonds": 0.60, "commodities": 0.15}, {"bonds": 0.20})
    ),
    Named("sectors", GroupBounds(SECTOR, {"sector funds": 0.30})),
)


def least_risk(view: View) -> pd.Series:
    """The least variance that the bounds allow, nothing in cash."""
    risk = LedoitWolf()(view.prices)
    return minimum_variance(risk, (LongOnly(), NetExposure(1.0, 1.0), MaxWeight(0.20), *BOUNDS))


def equal_risk(view: View) -> pd.Series:
    """The same share of risk from each fund; knows no bounds."""
    return risk_parity(LedoitWolf()(view.prices))


def main(data: Path) -> None:
    path = data / NEEDED
    if not path.is_file():
        sys.exit(f"error: {data} lacks {NEEDED}: point NEWSFOLIO_DATA at the folder of the data sets")
    prices = read_frame(path).astype(float)
    balanced = SentimentPolicy(
        forecast=NoView(), constraints=(*BALANCED.constraints, *BOUNDS), relaxation_order=BALANCED.relaxation_order
    )
    policies = {
        "balanced, within bounds": balanced,
        "8 % volatility, bounds": target_volatility(0.08).policy(forecast=NoView(), constraints=BOUNDS),
        "least risk, within bounds": least_risk,
        "equal risk": equal_risk,
        "equal weight": EqualWeight(),
    }
    dates = rebalance_dates(prices.index, "monthly")
    dates = dates[dates >= prices.index[WARMUP]]
    print(f"{prices.shape[1]} funds, {len(dates)} month ends from {dates[0].date()} to {dates[-1].date()}")
    print(comparison(run(policy, Bars(prices, None), None, dates, name=name) for name, policy in policies.items()))
    explain(balanced, prices)


def explain(policy: SentimentPolicy, prices: pd.DataFrame) -> None:
    """Why the portfolio is what it is on the last day, from equal weights."""
    view = View(prices.index[-1], prices, prices * float("nan"), prices.iloc[-1] * 0.0 + 0.95 / prices.shape[1])
    decision = policy.decide(view)
    by_class = decision.weights.groupby(ASSET_CLASS).sum()
    print(f"\n{decision}")
    print("  " + ", ".join(f"{name} {weight:.0%}" for name, weight in by_class.items()))
    print(decision.explain("TLT"))


if __name__ == "__main__":
    main(Path(os.environ.get("NEWSFOLIO_DATA", ".")))
