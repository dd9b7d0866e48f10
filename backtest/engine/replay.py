"""The ledger: a book carried from session to session, the same for the walk and for the simulation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from allocation.errors import FrameError
from allocation.execution.book import Book, Rules
from allocation.execution.costs import FEWEST_RETURNS, IMPACT_WINDOW, Costs, Flows, accrued
from allocation.execution.fill import Fill, fill
from allocation.frames import check_prices, named, sessions_of
from backtest.engine.corporate_actions import UNEVENTFUL, Events
from newsfolio.shared.arrays import FloatArray


@dataclass(frozen=True)
class MarketArrays:
    """What the market did (arrays of sessions × assets, named by the two indexes).

    closes: last known close. fills: price of a fill, NaN where the asset does not trade. marks: value of a share
    when fills happen. days: calendar days since the session before. dividends: cash per share, None for none.
    slopes: of the impact, None for none. exits: row -> column -> price that holders are paid.
    """

    sessions: pd.DatetimeIndex
    assets: pd.Index
    closes: FloatArray
    fills: FloatArray
    marks: FloatArray
    days: FloatArray
    dividends: FloatArray | None = None
    slopes: FloatArray | None = None
    exits: Mapping[int, Mapping[int, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, prices: pd.DataFrame, opens: pd.DataFrame | None, costs: Costs, events: Events = UNEVENTFUL
    ) -> "MarketArrays":
        """Arrays of checked prices; see price_paths."""
        closes, fills, marks = price_paths(prices, opens)
        exits = events.exits(prices)
        fills = _without_delisted(fills, exits)
        sessions = sessions_of(prices)
        days = np.diff(sessions.to_numpy().astype("datetime64[D]").astype(np.float64), prepend=np.nan)
        dividends = events.per_share(prices)
        slopes = None if costs.impact is None else costs.impact.slopes(prices)
        paid = None if dividends is None else dividends.to_numpy()
        return cls(sessions, prices.columns, closes, fills, marks, days, paid, slopes, exits)


def _without_delisted(fills: FloatArray, exits: Mapping[int, Mapping[int, float]]) -> FloatArray:
    """An open after the last close is no chance to buy what holders were just paid out of."""
    if not exits:
        return fills
    fills = fills.copy()
    for row, paid in exits.items():
        fills[row:, list(paid)] = np.nan
    return fills


def price_paths(prices: pd.DataFrame, opens: pd.DataFrame | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return arrays of the last known close, the fill price, and the value of each asset at the fill.

    Fills are at `opens` where given, else at closes. At the open an asset that does not trade is worth its
    last close before that session; one that has an open but no close up to then could not be valued, and
    counts as not trading.
    """
    closes = prices.ffill()
    if opens is None:
        return closes.to_numpy(), prices.to_numpy(), closes.to_numpy()
    fills = matching_opens(opens, prices).where(closes.notna())
    return closes.to_numpy(), fills.to_numpy(), fills.fillna(closes.shift(1)).to_numpy()


def matching_opens(opens: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    """Return opens on exactly the sessions and assets of `prices`."""
    opens = check_prices(opens, "opens")
    for kind, wanted, given in (
        ("assets", prices.columns, opens.columns),
        ("sessions", prices.index, opens.index),
    ):
        absent = wanted.difference(given)
        if len(absent):
            first = str(absent[0]).removesuffix(" 00:00:00")
            raise FrameError(f"opens lacks {len(absent)} {kind} of prices, such as {first}: give both or none")
    return opens.loc[prices.index, prices.columns]


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
class Ledger:
    """Shares and cash up to the close of session `row`; orders are filled in the session after they were given.

    The account opens with the first order that asks for anything. From then on each session brings, in this order:
    interest and fees since the close before; dividends; what holders of delisted assets are paid; the fill.
    """

    paths: MarketArrays
    costs: Costs
    rules: Rules
    book: Book
    row: int
    _pending: FloatArray | None = None
    _open: bool = False

    @classmethod
    def start(cls, paths: MarketArrays, costs: Costs, rules: Rules, cash: float, row: int) -> "Ledger":
        """A book of nothing but cash at the close of session `row`."""
        if not 0.0 < cash < np.inf:
            raise FrameError(f"cash is {cash:g}: start with a positive amount of money")
        return cls(paths, costs, rules, Book(np.zeros(paths.closes.shape[1]), cash), row)

    def order(self, targets: FloatArray) -> None:
        """Let `targets`, decided at the close of `row`, be filled in the session after."""
        self._open = self._open or bool(np.isfinite(targets).any())
        self._pending = targets if self._open else None

    def advance(self, row: int) -> Iterator[SessionRecord]:
        """Live through the sessions up to the close of `row`; yield those in which something happened."""
        if not self._open:
            self.row = row
        while self.row < row:
            self.row += 1
            if self._flowing or self._pending is not None or self.row in self.paths.exits:
                yield self._session()

    def weights(self) -> FloatArray:
        """Fractions of NAV at the close of `row`."""
        return self.book.weights(self.paths.closes[self.row])

    @property
    def _flowing(self) -> bool:
        return self.costs.accrue or self.paths.dividends is not None

    def _session(self) -> SessionRecord:
        flows, exits = self._flows() if self._flowing else Flows(), self._exits()
        done = None
        if self._pending is not None:
            slopes = None if self.paths.slopes is None else self.paths.slopes[self.row]
            prices, marks = self.paths.fills[self.row], self.paths.marks[self.row]
            done = fill(self.book, self._pending, prices, marks, self.costs, rules=self.rules, slopes=slopes)
            if slopes is not None and (unknown := (done.traded != 0.0) & np.isnan(slopes)).any():
                raise FrameError(
                    f"impact of the orders of {self.paths.sessions[self.row].date()} in "
                    f"{named(self.paths.assets[unknown])} is unknown: in the {IMPACT_WINDOW} sessions before there are "
                    f"fewer than {FEWEST_RETURNS} returns or traded values; begin later"
                )
            self.book, self._pending = done.book, None
        return SessionRecord(self.row, flows, exits, done, self.book.shares)

    def _flows(self) -> Flows:
        values = self.book.values(self.paths.closes[self.row - 1])
        flows = accrued(self.costs, self.book.cash, values, self.paths.days[self.row])
        if self.paths.dividends is not None:
            flows = flows._replace(dividends=float(self.book.shares @ self.paths.dividends[self.row]))
        self.book = Book(self.book.shares, self.book.cash + sum(flows))
        return flows

    def _exits(self) -> dict[int, float]:
        paid = self.paths.exits.get(self.row, {})
        given = {column: float(self.book.shares[column]) for column in paid if self.book.shares[column] != 0.0}
        if given:
            shares = self.book.shares.copy()
            shares[list(given)] = 0.0
            money = sum(count * paid[column] for column, count in given.items())
            self.book = Book(shares, self.book.cash + money)
        return given
