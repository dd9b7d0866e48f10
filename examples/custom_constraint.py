"""A rule and a term of your own are callables of two lines: python examples/custom_constraint.py

The rule: no more than 40 % of NAV in the five largest positions. The term: a price on squared weights that differs by
asset. Both are plain cvxpy, both are named in the explanation, and both compile once.
"""

from dataclasses import dataclass

import cvxpy as cp

from allocation import LongOnly, MaxWeight, Named, NoView, SentimentPolicy, Symbols, View
from backtest import simulate_market


@dataclass(frozen=True)
class TopHeavy:
    """The `count` largest positions together at most `limit` of NAV."""

    count: int
    limit: float

    def __call__(self, s: Symbols) -> list[cp.Constraint]:
        return [cp.sum_largest(s.weights, self.count) <= self.limit]


@dataclass(frozen=True)
class Crowding:
    """A price on concentration in the assets that everybody holds."""

    crowded: tuple[str, ...]
    price: float

    def __call__(self, s: Symbols) -> cp.Expression:
        return -self.price * cp.sum_squares(cp.hstack([s.position(asset) for asset in self.crowded]))


def main() -> None:
    prices = simulate_market().prices
    first = prices.columns[0]
    policy = SentimentPolicy(
        forecast=NoView(),
        constraints=(LongOnly(), MaxWeight(0.25), TopHeavy(5, 0.40), Named("half cash", lambda s: [s.cash >= 0.5])),
        terms=(Crowding((first,), 0.01),),
    )
    view = View(prices.index[-1], prices, prices * float("nan"), prices.iloc[-1] * 0.0)
    decision = policy.decide(view)
    print(decision)
    print(decision.explain(first))


if __name__ == "__main__":
    main()
