"""A fortnight of scheduled nights on paper, and one of them repeated: python examples/daily_rebalance.py [FOLDER]

Each night is what a timer would run after the close: the same strategy object that a backtest takes decides once,
on what is known by then; the orders are filled at the next open. Then the same fortnight is backtested.
"""

import sys
from pathlib import Path

from allocation import Bars, EqualWeight
from allocation.live import Inputs, PaperBroker, Settings, StepReport, open_account, open_ledger, rebalance
from backtest import Costs, run, simulate_market

CASH = 100_000.0
POLICY = EqualWeight()


def main(folder: Path) -> None:
    market = simulate_market()
    nights = market.prices.index[100:110]
    with open_ledger(str(folder / "ledger.sqlite"), create=True) as ledger:
        open_account(ledger, CASH)  # no step ever does
    for night in nights:
        report = step(folder, market, night)
    print(report)
    print("\nrepeated:", str(step(folder, market, nights[-1])).splitlines()[0])

    until = market.prices.index <= nights[-1]
    bars = Bars(market.prices[until], market.opens[until])
    result = run(POLICY, bars, None, nights, costs=Costs())
    difference = report.nav / CASH - result.nav.iloc[-1] / result.nav.iloc[0]
    print(f"NAV {report.nav:,.2f}; apart from the backtest's: {abs(difference):.1e}")


def step(folder: Path, market, night) -> StepReport:
    bars = Bars(market.prices.loc[:night], market.opens.loc[:night])  # no more than a price file holds that night
    settings = Settings(costs=Costs())
    with open_ledger(str(folder / "ledger.sqlite")) as ledger:
        broker = PaperBroker(ledger, settings.costs)
        return rebalance(POLICY, Inputs(bars), night, ledger, broker, settings)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/daily")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
