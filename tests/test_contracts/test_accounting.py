"""Every cost, flow and rule at once: simulate() against a ledger of plain loops, to 1e-10 of NAV."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_prices

from backtest import Costs, Events, Impact, Rules, simulate, walk_forward

CASH = 1_000_000.0
ASSETS = ("A", "B", "C", "D", "E")
N = 40
FIRST = 9  # the first decision: impact needs a few returns before it


class Case:
    """A random book: prices with gaps, targets with holds, and costs, rules and events of every kind."""

    def __init__(self, seed):
        self.random = random = np.random.default_rng(seed)
        prices = random_prices(seed, N, ASSETS)
        opens = prices.shift(1).fillna(50.0) * (1 + 0.005 * random.standard_normal(prices.shape))
        gaps = random.random(prices.shape) < 0.05
        gaps[:FIRST], gaps[-1] = False, False
        self.delistings = {"E": float(random.uniform(-1, 0.5))} if random.random() < 0.5 else {}
        if self.delistings:
            gaps[25:, 4] = True
        self.prices, gaps[25:, 4] = prices.mask(gaps), False  # what is delisted may still be quoted
        self.opens = opens.mask(gaps)
        self.at_open = bool(random.random() < 0.5)
        self.leverage = float(random.choice([1.0, 2.0]))
        self.weights = self._targets()
        self.dividends = (prices * 0 + random.uniform(0, 0.3, prices.shape)).where(
            random.random(prices.shape) < 0.05, 0.0
        )
        self.daily_value = prices * 0 + random.uniform(1e7, 1e8, prices.shape)
        self.lot = float(random.choice([0.0, 1.0, 100.0]))
        self.costs = Costs(
            commission=float(random.choice([0.0, 0.001])), half_spread=float(random.choice([0.0, 0.0005])),
            per_share=float(random.choice([0.0, 0.005])), minimum=float(random.choice([0.0, 5.0])),
            impact=Impact(self.daily_value, 0.8) if random.random() < 0.5 else None,
            borrow=float(random.choice([0.0, 0.05])), cash_yield=float(random.choice([0.0, 0.03])),
            loan=float(random.choice([0.0, 0.06])),
        )  # fmt: skip

    def _targets(self):
        random = self.random
        targets = random.dirichlet(np.ones(5), N) * random.uniform(0.3, 0.75) * self.leverage
        if random.random() < 0.5:
            targets *= random.choice([-1.0, 1.0], (N, 5))
        targets[random.random((N, 5)) < 0.1] = np.nan
        targets[random.random(N) < 0.5] = np.nan
        targets[:FIRST] = np.nan
        targets[FIRST] = 0.0
        weights = self.prices * 0 + 1
        return pd.DataFrame(targets, weights.index, weights.columns).dropna(how="all")

    def run(self):
        return simulate(
            self.prices, self.weights, self.costs, opens=self.opens if self.at_open else None, cash=CASH,
            rules=Rules(lot=self.lot, leverage=self.leverage), events=Events(self.dividends, self.delistings),
        )  # fmt: skip


class FullyInvested(Case):
    """All of the capital in targets that drift a little, at minimum commissions that often exceed the proceeds."""

    def __init__(self, seed):
        super().__init__(seed)
        self.costs = Costs(
            commission=float(self.random.choice([0.0, 0.0005])), half_spread=0.0002,
            per_share=float(self.random.choice([0.0, 0.005])), minimum=float(self.random.choice([1.0, 50.0, 500.0])),
            impact=Impact(self.daily_value, 0.8) if self.random.random() < 0.5 else None,
        )  # fmt: skip

    def _targets(self):
        targets = self.random.dirichlet(np.ones(5)) + 0.01 * self.random.random((N, 5))
        # Not to be cut by rounding, nor ruined by a delisting.
        targets *= min(self.leverage - 1e-9, 1.2) / targets.sum(axis=1, keepdims=True)
        targets[self.random.random(N) < 0.3] = np.nan
        targets[:FIRST] = np.nan
        targets[FIRST] = 0.0
        return pd.DataFrame(targets, self.prices.index, self.prices.columns).dropna(how="all")


class Ledger:
    """NAV per session, asset by asset, in plain loops; independent of the package."""

    def __init__(self, case):
        self.case, self.costs = case, case.costs
        self.closes = case.prices.to_numpy().tolist()
        self.fills = (case.opens if case.at_open else case.prices).to_numpy().tolist()
        self.dividends = case.dividends.to_numpy().tolist()
        self.days = [(b - a).days for a, b in pairwise(case.prices.index)]
        self.targets = {case.prices.index.get_loc(day): row.tolist() for day, row in case.weights.iterrows()}
        self.ended = {4: int(np.flatnonzero(case.prices["E"].notna())[-1]) + 1} if case.delistings else {}
        self.shares, self.cash, self.last = [0.0] * 5, CASH, [np.nan] * 5
        self.flows = dict.fromkeys(("interest", "loan", "borrow", "dividends"), 0.0)
        self.slopes, self.cuts = {}, 0

    def slope(self, row, asset):
        """Impact of a trade of value Q is slope × Q^1.5."""
        if self.costs.impact is None:
            return 0.0
        if (row, asset) not in self.slopes:
            since = range(max(1, row - 21), row)
            returns = [self.closes[i][asset] / self.closes[i - 1][asset] - 1 for i in since]
            volatility = np.std([each for each in returns if np.isfinite(each)])
            traded = np.mean(self.case.daily_value.iloc[max(0, row - 21) : row, asset])
            self.slopes[row, asset] = self.costs.impact.coefficient * volatility / traded**0.5
        return self.slopes[row, asset]

    def cost(self, row, asset, shares, price):
        value = abs(shares) * price
        if value <= 1e-13 * CASH:
            return 0.0
        commission = max(self.costs.minimum, self.costs.commission * value + self.costs.per_share * abs(shares))
        return commission + self.costs.half_spread * value + self.slope(row, asset) * value**1.5

    def accrue(self, row):
        share = self.days[row - 1] / 365
        worth = [n * price if n else 0.0 for n, price in zip(self.shares, self.last, strict=True)]
        came = {
            "interest": max(self.cash, 0.0) * self.costs.cash_yield * share,
            "loan": min(self.cash, 0.0) * self.costs.loan * share,
            "borrow": sum(min(value, 0.0) for value in worth) * self.costs.borrow * share,
            "dividends": sum(n * paid for n, paid in zip(self.shares, self.dividends[row], strict=True)),
        }
        for kind, money in came.items():
            self.flows[kind] += money
        self.cash += sum(came.values())

    def delist(self, row):
        for asset, end in self.ended.items():
            if row == end:
                self.cash += self.shares[asset] * self.last[asset] * (1 + self.case.delistings["E"])
                self.shares[asset] = 0.0

    def share(self, aimed, locked):
        """What part of the targets can be paid for beside what is locked in assets that do not trade."""
        room = self.case.leverage - locked
        return min(1.0, max(0.0, room / aimed)) if aimed > 0 else 1.0

    def fill(self, row, targets):
        """NAV after costs by iterating its definition until it stands still."""
        prices = [np.nan if row >= self.ended.get(a, N) else self.fills[row][a] for a in range(5)]
        trading = [a for a in range(5) if np.isfinite(targets[a]) and np.isfinite(prices[a])]
        marks = [price if np.isfinite(price) else last for price, last in zip(prices, self.last, strict=True)]
        worth = [n * mark if n else 0.0 for n, mark in zip(self.shares, marks, strict=True)]
        before = self.cash + sum(worth)
        locked, aimed = sum(worth[a] for a in range(5) if a not in trading), sum(targets[a] for a in trading)
        after, previous, share = before, None, 1.0
        for _ in range(200):
            if after == previous:
                break
            previous = after
            share = self.share(aimed, locked / after)
            orders = {a: share * targets[a] * after / prices[a] - self.shares[a] for a in trading}
            after = before - sum(self.cost(row, a, order, prices[a]) for a, order in orders.items())
        self.cuts += share < 1.0
        for a in trading:
            wanted = share * targets[a] * after / prices[a]
            if abs(wanted - self.shares[a]) * prices[a] <= 1e-13 * before:
                wanted = self.shares[a]
            wanted = np.floor(wanted / self.case.lot + 1e-9) * self.case.lot if self.case.lot else wanted
            order = wanted - self.shares[a]
            self.cash -= order * prices[a] + self.cost(row, a, order, prices[a])
            self.shares[a] = wanted

    def navs(self):
        found, pending = [], None
        for row, closes in enumerate(self.closes):
            if row > FIRST:
                self.accrue(row)
                self.delist(row)
            if pending is not None:
                self.fill(row, pending)
            self.last = [close if np.isfinite(close) else last for close, last in zip(closes, self.last, strict=True)]
            found.append(self.cash + sum(n * last for n, last in zip(self.shares, self.last, strict=True) if n))
            pending = self.targets.get(row)
        return np.array(found[FIRST:])


def books_that_agree(seeds, kind_of_book=Case):
    """How many of these books the two have in common, and in how many of them targets were cut."""
    agreed = cut = 0
    for seed in seeds:
        case = kind_of_book(seed)
        result, plain = case.run(), Ledger(case)
        np.testing.assert_allclose(result.nav.to_numpy(), plain.navs(), rtol=1e-10, err_msg=f"seed {seed}")
        for kind, money in plain.flows.items():
            assert result.flows[kind].sum() == pytest.approx(money, abs=1e-10 * CASH), (seed, kind)
        assert any(note.startswith(f"{plain.cuts} rows of targets scaled") for note in result.notes) == (plain.cuts > 0)
        agreed, cut = agreed + 1, cut + (plain.cuts > 0)
    return agreed, cut


def test_sixty_random_books():
    agreed, cut = books_that_agree(range(60))
    assert agreed == 60
    assert cut >= 1


@pytest.mark.slow
def test_a_thousand_random_books():
    agreed, cut = books_that_agree(range(1000))
    assert agreed == 1000
    assert cut > 20


def test_sixty_fully_invested_books_whose_fees_exceed_what_sales_bring():
    agreed, _ = books_that_agree(range(60), FullyInvested)
    assert agreed == 60


@pytest.mark.slow
def test_a_thousand_fully_invested_books():
    agreed, _ = books_that_agree(range(1000), FullyInvested)
    assert agreed == 1000


def test_the_fees_of_many_of_those_sales_do_exceed_what_they_bring():
    dear = 0
    for seed in range(20):
        trades = FullyInvested(seed).run().trades
        dear += int(((trades["shares"] < 0) & (trades["cost"] > (trades["shares"] * trades["price"]).abs())).sum())
    assert dear > 10


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_cash_is_conserved(seed):
    """Cash at the end = cash at the start - what trades moved and cost + what flowed, to 1e-10 of NAV."""
    result = Case(seed).run()
    trades = result.trades
    np.testing.assert_allclose(trades["cost"], trades[["commission", "spread", "impact"]].sum(axis=1), rtol=1e-12)
    spent = (trades["shares"] * trades["price"] + trades["cost"]).sum()
    cash = (1.0 - result.weights.iloc[-1].sum()) * result.nav.iloc[-1]
    assert cash == pytest.approx(CASH - spent + result.flows.to_numpy().sum(), abs=1e-10 * CASH)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_the_walk_sees_the_weights_that_the_simulation_reaches(seed):
    case = Case(seed)
    seen = {}

    def policy(view):
        seen[view.now] = view.held
        return case.weights.loc[view.now]

    opens = case.opens if case.at_open else None
    rules, events = Rules(lot=case.lot, leverage=case.leverage), Events(case.dividends, case.delistings)
    walk_forward(
        policy,
        case.prices,
        None,
        case.weights.index,
        opens=opens,
        costs=case.costs,
        cash=CASH,
        rules=rules,
        events=events,
    )
    result = case.run()
    for day, held in seen.items():
        np.testing.assert_allclose(held, result.weights.loc[day], atol=1e-10)
