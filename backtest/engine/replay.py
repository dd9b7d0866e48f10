"""AccountReplay: a book carried from session to session, the same for the walk and for the simulation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from allocation.errors import FrameError
from allocation.execution.book import Book, Rules
from allocation.execution.costs import FEWEST_RETURNS, IMPACT_WINDOW, Costs, Flows, accrued
from allocation.execution.fill import Fill, fill
from allocation.frames import named
from backtest.engine.market import MarketArrays
from newsfolio.shared.arrays import FloatArray


@dataclass(frozen=True)
class SessionRecord:
    """What one session did to the book, and the shares held after it.

    `exits`: column -> shares given up; `fill` is None where none was due.
    """

    row: int
    flows: Flows
    exits: Mapping[int, float]
    fill: Fill | None
    shares: FloatArray


@dataclass
class AccountReplay:
    """Shares and cash up to the close of session `row`; orders are filled in the session after they were given.

    The account opens with the first order that asks for anything. From then on each session brings, in this order:
    interest and fees since the close before; dividends; what holders of delisted assets are paid; the fill. records:
    the sessions so far in which something happened.
    """

    market: MarketArrays
    costs: Costs
    rules: Rules
    book: Book
    row: int
    records: list[SessionRecord] = field(default_factory=list)
    _pending: FloatArray | None = None
    _open: bool = False

    @classmethod
    def start(cls, market: MarketArrays, costs: Costs, rules: Rules, cash: float, row: int) -> "AccountReplay":
        """A book of nothing but cash at the close of session `row`."""
        if not 0.0 < cash < np.inf:
            raise FrameError(f"cash is {cash:g}: start with a positive amount of money")
        return cls(market, costs, rules, Book(np.zeros(market.closes.shape[1]), cash), row)

    def order(self, targets: FloatArray) -> None:
        """Let `targets`, decided at the close of `row`, be filled in the session after."""
        self._open = self._open or bool(np.isfinite(targets).any())
        self._pending = targets if self._open else None

    def advance(self, row: int) -> None:
        """Live through the sessions up to the close of `row`."""
        if not self._open:
            self.row = row
        costs, market = self.costs, self.market
        flowing = costs.accrue or market.dividends is not None
        while self.row < row:
            self.row += 1
            paid = market.exits.get(self.row, {})
            if not (flowing or paid or self.pending):
                continue
            shares, cash, flows = self.book.shares, self.book.cash, Flows()
            if flowing:
                flows = accrued(costs, cash, self.book.values(market.closes[self.row - 1]), market.days[self.row])
                if market.dividends is not None:
                    flows = flows._replace(dividends=float(shares @ market.dividends[self.row]))
                cash += sum(flows)
            exits = {column: float(shares[column]) for column in paid if shares[column] != 0.0}
            if exits:
                shares = shares.copy()
                shares[list(exits)] = 0.0
                cash += sum(count * paid[column] for column, count in exits.items())
            self.book = Book(shares, cash)
            done = None if self._pending is None else self._fill(self._pending)
            self.records.append(SessionRecord(self.row, flows, exits, done, self.book.shares))

    def weights(self) -> FloatArray:
        """Fractions of NAV at the close of `row`."""
        return self.book.weights(self.market.closes[self.row])

    @property
    def pending(self) -> bool:
        """Whether a decision has not been filled yet."""
        return self._pending is not None

    def _fill(self, targets: FloatArray) -> Fill:
        market, row = self.market, self.row
        slopes = None if market.slopes is None else market.slopes[row]
        done = fill(
            self.book, targets, market.fills[row], market.marks[row], self.costs, rules=self.rules, slopes=slopes
        )
        if slopes is not None and (unknown := (done.traded != 0.0) & np.isnan(slopes)).any():
            raise FrameError(
                f"impact of the orders of {market.sessions[row].date()} in {named(market.assets[unknown])} is unknown: "
                f"in the {IMPACT_WINDOW} sessions before there are fewer than {FEWEST_RETURNS} returns or traded "
                "values; begin later"
            )
        self.book, self._pending = done.book, None
        return done
